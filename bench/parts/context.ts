import type { Options } from "../options.ts";
import type { Server } from "../server.ts";

/** What every part is given. */
export interface Context {
  readonly server: Server;
  readonly options: Options;
  /** Tells whoever waits what is being done. */
  say(text: string): void;
}
