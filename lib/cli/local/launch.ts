import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { errorCode, MigrationError } from "../../core/index.ts";
import type { ConnectionSettings } from "../../migrator/index.ts";
import { executable } from "./binaries.ts";
import { waitForReply } from "./connect.ts";
import { cannotRun } from "./initialise.ts";
import { LISTEN_ADDRESS } from "./ports.ts";
import { type OpenLog, openLog } from "./server-log.ts";
import { asServerUser, serverEnvironment } from "./server-user.ts";

export interface Launch {
  readonly native: string;
  readonly data: string;
  readonly logFile: string;
  readonly connection: ConnectionSettings;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Starts a server that outlives this process, and waits until it takes connections or has ended. Addresses
 * and port stand on the command line, over whatever ALTER SYSTEM says. Gives where its log begins.
 */
export async function launch(what: Launch): Promise<number> {
  const log = await openLog(what.logFile);
  const child = await spawnServer(what, log).finally(() => log.handle.close());
  // The database that is always there: the project's own may not have been made yet.
  const connection = { ...what.connection, database: "postgres" };
  await waitForReply(connection, async () => !hasEnded(child)).catch((error: unknown) => {
    // Another project's server took the port meanwhile, and refused our password; or ours did: the caller asks again.
    if (!(error instanceof MigrationError)) throw error;
  });
  return log.from;
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  // On Windows the child is pg_ctl, which ends at once.
  return process.platform !== "win32" && (exitCode !== null || signalCode !== null);
}

async function spawnServer(what: Launch, { handle }: OpenLog): Promise<ChildProcess> {
  const [program, args] = process.platform === "win32" ? withPgCtl(what) : directly(what);
  try {
    const child = spawn(program, args, {
      ...asServerUser(),
      cwd: what.native,
      env: serverEnvironment(),
      detached: true,
      stdio: ["ignore", handle.fd, handle.fd],
      windowsHide: true,
    });
    await once(child, "spawn");
    child.unref();
    return child;
  } catch (error) {
    throw errorCode(error) === undefined ? error : cannotRun(program, error);
  }
}

function settingsOf({ connection, settings }: Launch): readonly string[] {
  const all = {
    ...settings,
    port: String(connection.port),
    listen_addresses: LISTEN_ADDRESS,
    // No sockets at all: they would lie in /tmp for every user of the machine.
    unix_socket_directories: "",
  };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

function directly(what: Launch): [string, string[]] {
  return [executable(what.native, "postgres"), ["-D", what.data, ...settingsOf(what)]];
}

/** On Windows only pg_ctl sheds the rights of an administrator, with which Postgres refuses to run. */
function withPgCtl(what: Launch): [string, string[]] {
  const options = settingsOf(what).map((word) => `"${word}"`);
  const args = ["start", "-W", "-D", what.data, "-l", what.logFile, "-o", options.join(" ")];
  return [executable(what.native, "pg_ctl"), args];
}
