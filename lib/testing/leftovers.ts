import pg from "pg";
import { BUILDING, literal, TEMPLATE, TEST } from "./names.ts";

/** How many databases of failed tests stay, the newest. */
const KEPT = 20;
/** How many templates of one folder stay, the newest: branches of a project are tested in turns. */
const TEMPLATES = 5;
/** Seconds after which a database without a session belongs to a killed process. */
const ABANDONED_BUILD = 600;
const ABANDONED_TEST = 86_400;

const KEPT_COMMENT = "kept by cdk-pg-migrate/testing after a failed test";

/** Marks the database of a failed test, so that it stays for a while, and deletes what is left of earlier runs. */
export async function keepDatabase(admin: pg.Client, name: string, test: string): Promise<void> {
  const comment = `${KEPT_COMMENT}${test === "" ? "" : `: ${test}`}`.replaceAll("\0", "");
  await admin.query(`COMMENT ON DATABASE ${pg.escapeIdentifier(name)} IS ${literal(comment)}`);
  await sweep(admin);
}

const OWN = `
  SELECT d.datname::text AS name,
    CASE WHEN starts_with(d.datname, '${TEMPLATE}') THEN 'template'
      WHEN starts_with(d.datname, '${BUILDING}') THEN 'building'
      WHEN starts_with(c.description, '${KEPT_COMMENT}') THEN 'kept' ELSE 'test' END AS kind,
    substring(c.description FROM 'folder ([0-9a-f]+)') AS folder,
    coalesce(substring(c.description FROM 'built at ([0-9]+)'), substring(d.datname FROM '_([0-9]+)_[0-9a-f]+$'))::bigint AS made
  FROM pg_database AS d LEFT JOIN pg_shdescription AS c
    ON c.objoid = d.oid AND c.classoid = 'pg_database'::regclass
  WHERE d.datname ~ '^(${TEMPLATE}[0-9a-f]{24}|(${BUILDING}|${TEST})[0-9]+_[0-9a-f]{10})$'
    AND pg_has_role(d.datdba, 'USAGE') AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datid = d.oid)`;

const UNNEEDED = `
  SELECT name FROM (
    SELECT name, kind, extract(epoch FROM clock_timestamp())::bigint - made AS age,
      row_number() OVER (PARTITION BY kind, folder ORDER BY made DESC) AS place
    FROM (${OWN}) AS own) AS ranked
  WHERE CASE kind WHEN 'template' THEN place > ${TEMPLATES} WHEN 'kept' THEN place > ${KEPT}
    WHEN 'building' THEN age > ${ABANDONED_BUILD} ELSE age > ${ABANDONED_TEST} END`;

/**
 * Deletes old templates, old databases of failed tests, and what killed processes left. A template that another process
 * wants to clone at this moment is built again.
 */
export async function sweep(admin: pg.Client): Promise<void> {
  await dropAll(admin, UNNEEDED);
}

/** Deletes every database of this module that no session is connected to. */
export async function dropEverything(admin: pg.Client): Promise<readonly string[]> {
  return dropAll(admin, OWN);
}

async function dropAll(admin: pg.Client, which: string): Promise<readonly string[]> {
  const { rows } = await admin.query<{ name: string }>(which);
  const dropped: string[] = [];
  for (const { name } of rows) {
    try {
      // Without FORCE: a new session keeps it. Another process may delete the same.
      await admin.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)}`);
      dropped.push(name);
    } catch {
      // The next sweep tries again.
    }
  }
  return dropped;
}
