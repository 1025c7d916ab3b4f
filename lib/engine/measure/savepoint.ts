import { ENGINE_PATH, type Session } from "../../postgres/index.ts";

/** Runs queries in the open transaction and takes back what they do to it, their locks too. */
export async function inSavepoint<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.run(`SAVEPOINT ${ASIDE}`);
  try {
    return await work();
  } finally {
    await session.cleanUp(`ROLLBACK TO SAVEPOINT ${ASIDE}; RELEASE SAVEPOINT ${ASIDE}`);
  }
}

/** As `inSavepoint`, in a search path in which other roles cannot define operators or functions. */
export function asEngine<T>(session: Session, work: () => Promise<T>): Promise<T> {
  return inSavepoint(session, async () => {
    await session.run(`SET LOCAL search_path = ${ENGINE_PATH}`);
    return work();
  });
}

const ASIDE = "cdk_pg_migrate_aside";
