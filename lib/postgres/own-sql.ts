import { given, Hint, MigrationError } from "../core/index.ts";

/**
 * Does work with SQL of the engine. An error says what was attempted and which right is missing, and does not show the
 * statement.
 * @param rights what to do when the user lacks a right
 */
export async function asOwnSql<T>(
  attempt: string,
  work: () => Promise<T>,
  rights: string | Hint = RIGHTS,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== "SQL") throw error;
    const { statement: _, position: __, ...details } = error.details;
    const advice = adviceFor(details.sqlstate, rights);
    throw new MigrationError("SQL", `${attempt}: ${error.message}`, {
      ...details,
      ...given({ hint: advice }),
    });
  }
}

const RIGHTS = Hint.of`Grant the user CREATE and USAGE on the schema and rights on both tables, or name a schema of its own with ${Hint.option("migrationsSchema")}.`;

function adviceFor(sqlstate: string | undefined, rights: string | Hint): string | Hint | undefined {
  if (sqlstate === "42501") return rights;
  if (sqlstate === "25006")
    return "The server or this database is read-only (a replica?): connect to one that is not.";
  if (sqlstate === "42703" || sqlstate === "42809") {
    return Hint.of`Does a table of that name belong to another tool? ${Hint.option("migrationsTable")} names another one.`;
  }
  return undefined;
}
