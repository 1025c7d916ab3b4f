import { type ConnectionSettings, MigrationError } from "../../migrator/index.ts";
import { DATABASE_DEFAULTS } from "../defaults.ts";

export interface Address extends Omit<ConnectionSettings, "tls"> {
  /** The URL's parameter, as it stands there. */
  readonly sslMode?: string | undefined;
}

/** Takes a `DATABASE_URL` apart. Messages never show it: it holds the password. @throws MigrationError `USAGE` */
export function readUrl(text: string): Address {
  if (!/^postgres(ql)?:\/\//.test(text)) throw bad("must begin with postgres://");
  if (!URL.canParse(text)) {
    throw bad(
      "cannot be read as a URL; characters such as / ? # @ % in the password must be percent-encoded",
    );
  }
  const url = new URL(text);
  // A / or ? in the password makes what follows it a path or a parameter; neither may be shown.
  if (/@|\/./.test((url.pathname + url.search).slice(1))) {
    throw bad("has a / ? or @ where it cannot be; in a password they must be written %2F %3F %40");
  }
  const unknown = [...url.searchParams.keys()].find((name) => name !== "sslmode");
  if (unknown !== undefined) throw bad(`has the parameter "${unknown}"; only sslmode is read`);
  // An unencoded # in the password makes the rest of the URL a fragment.
  if (url.hash !== "") throw bad("holds a #; in a password it must be written %23");
  if (url.port === "0") throw bad("has port 0; it must be a number from 1 to 65535");
  return {
    host: decode(url.hostname).replace(/^\[|\]$/g, "") || DATABASE_DEFAULTS.host,
    port: url.port === "" ? DATABASE_DEFAULTS.port : Number(url.port),
    database: decode(url.pathname.slice(1)) || DATABASE_DEFAULTS.database,
    user: decode(url.username) || DATABASE_DEFAULTS.user,
    password: decode(url.password),
    sslMode: url.searchParams.get("sslmode") ?? undefined,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The cause is left out: nothing of the URL may reach a log.
    throw bad("holds a % that begins no valid escape; a % itself is written %25");
  }
}

function bad(what: string): MigrationError {
  return new MigrationError("USAGE", `DATABASE_URL ${what}`, {
    hint: "It has the form postgres://user:password@host:5432/database",
  });
}
