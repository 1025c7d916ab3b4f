import type pg from "pg";
import { TOOL } from "../../core/index.ts";
import { type ConnectionSettings, openClient } from "../../migrator/index.ts";

/** A session for reading the catalogue. It fails as the engine's own does. End it with `closeClient`; an abort ends it at once. */
export function connectTo(connection: ConnectionSettings, signal?: AbortSignal): Promise<pg.Client> {
  return openClient(connection, TOOL, signal);
}
