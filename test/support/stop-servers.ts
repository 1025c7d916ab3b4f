import { removeCompiled } from "./compiled.ts";
import { MAJORS, releaseServer } from "./postgres.ts";

/** Jest's global teardown. */
export default async function stopServers(): Promise<void> {
  for (const major of MAJORS) await releaseServer(major);
  removeCompiled();
}
