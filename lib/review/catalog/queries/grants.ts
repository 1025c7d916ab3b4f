import { FIRST_USER_OID, inScope, select } from "./select.ts";

/** All catalogues with grants: columns of the grants and the owner, and the kind for `acldefault`. */
const GRANTABLE = [
  ["pg_class", "relacl", "relowner", "CASE o.relkind WHEN 'S' THEN 's' ELSE 'r' END"],
  ["pg_proc", "proacl", "proowner", "'f'"],
  ["pg_type", "typacl", "typowner", "'T'"],
  ["pg_namespace", "nspacl", "nspowner", "'n'"],
  ["pg_language", "lanacl", "lanowner", "'l'"],
  ["pg_foreign_data_wrapper", "fdwacl", "fdwowner", "'F'"],
  ["pg_foreign_server", "srvacl", "srvowner", "'S'"],
] as const;

/** Grants of initdb, such as on the schema public, count as defaults. */
const INITIAL = `(SELECT initial.initprivs FROM pg_init_privs AS initial
  WHERE initial.classoid = o.tableoid AND initial.objoid = o.oid AND initial.objsubid = 0)`;

const LISTS = [
  ...GRANTABLE.map(
    ([catalog, acl, owner, kind]) => `SELECT o.tableoid, o.oid, 0, o.${owner}, o.${acl},
      coalesce(${INITIAL}, acldefault((${kind})::"char", o.${owner})), (${kind})::"char"
      FROM ${catalog} AS o WHERE o.${acl} IS NOT NULL AND (o.oid >= ${FIRST_USER_OID} OR o.oid = to_regnamespace('public'))`,
  ),
  `SELECT c.tableoid, c.oid, a.attnum, c.relowner, a.attacl, acldefault('c', c.relowner), 'c' FROM pg_attribute AS a
     JOIN pg_class AS c ON c.oid = a.attrelid
     WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND c.oid >= ${FIRST_USER_OID}`,
].join(" UNION ALL ");

const exploded = (list: string): string =>
  `SELECT grantee, privilege_type, bool_or(is_grantable) AS grantable FROM aclexplode(${list}) GROUP BY 1, 2`;

/** The differences of two lists by grantee. The grantor is ignored. A complete set of rights is `ALL`. */
const differences = (list: string, usual: string, kind: string, owner: string): string => `
  SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END AS grantee, change, grantable,
    CASE WHEN count(*) > 1 AND count(*) = (SELECT count(*) FROM aclexplode(acldefault(${kind}, ${owner})) AS every WHERE every.grantee = ${owner})
         THEN ARRAY['ALL'] ELSE array_agg(privilege_type ORDER BY privilege_type) END AS privileges
  FROM (SELECT grantee, privilege_type, coalesce(now.grantable, false) AS grantable,
               CASE WHEN now.grantable IS NULL THEN 'REVOKE' ELSE 'GRANT' END AS change
        FROM (${exploded(list)}) AS now FULL JOIN (${exploded(usual)}) AS usual USING (grantee, privilege_type)
        WHERE now.grantable IS DISTINCT FROM usual.grantable) AS difference
  GROUP BY grantee, change, grantable`;

/** Rights that differ from those of a new object. */
export const GRANTS = `
  SELECT l.catalog, l.oid, d.*, (SELECT quote_ident(attname) FROM pg_attribute
    WHERE l.part > 0 AND attrelid = l.oid AND attnum = l.part) AS column
  FROM (${LISTS}) AS l (catalog, oid, part, owner, acl, usual, kind)
  CROSS JOIN LATERAL (${differences("l.acl", "l.usual", "l.kind", "l.owner")}) AS d
  ORDER BY l.part, d.change DESC, d.grantee COLLATE "C", d.grantable`;

/** The columns of a composite type belong to an internal relation. */
export const COMMENTS = `
  SELECT coalesce(t.tableoid, d.classoid) AS catalog, coalesce(t.oid, d.objoid) AS oid, d.description AS text,
    (SELECT quote_ident(attname) FROM pg_attribute WHERE d.objsubid > 0 AND attrelid = d.objoid AND attnum = d.objsubid) AS column
  FROM pg_description AS d
  LEFT JOIN pg_type AS t ON d.classoid = 'pg_class'::regclass AND t.typrelid = d.objoid AND t.typtype = 'c'
    AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c')
  WHERE d.classoid <> 'pg_extension'::regclass
    AND (d.objoid >= ${FIRST_USER_OID} OR d.objoid = to_regnamespace('public') AND d.description <> 'standard public schema')
  ORDER BY d.objsubid`;

const ROLE = "CASE WHEN pg_get_userbyid(d.defaclrole) <> current_user THEN pg_get_userbyid(d.defaclrole) END";
const OBJECTS = `CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
  WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END`;
const KIND = `(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END)::"char"`;
/** Default privileges in one schema are added to the global ones, which start from the defaults of the server. */
const USUAL = `CASE WHEN d.defaclnamespace = 0 THEN acldefault(${KIND}, d.defaclrole) ELSE acldefault('c', d.defaclrole) END`;
const GRANTEE = `CASE r.grantee WHEN 'PUBLIC' THEN 'PUBLIC' WHEN current_user THEN 'CURRENT_USER' ELSE quote_ident(r.grantee) END`;

export const DEFAULT_RIGHTS = select({
  kind: "default privileges",
  catalog: "pg_default_acl",
  oid: "d.oid",
  name: `concat_ws(' ', 'on', lower(${OBJECTS}), 'in schema ' || quote_ident(n.nspname), 'of role ' || quote_ident(${ROLE}))`,
  subject: "''",
  create: `ARRAY(SELECT concat('ALTER DEFAULT PRIVILEGES', ' FOR ROLE ' || quote_ident(${ROLE}), ' IN SCHEMA ' || quote_ident(n.nspname),
      ' ', r.change, ' ', array_to_string(r.privileges, ', '), ' ON ', ${OBJECTS},
      CASE r.change WHEN 'GRANT' THEN ' TO ' ELSE ' FROM ' END, ${GRANTEE}, CASE WHEN r.grantable THEN ' WITH GRANT OPTION' END, ';')
    FROM (${differences("d.defaclacl", USUAL, KIND, "d.defaclrole")}) AS r
    ORDER BY r.change DESC, r.grantee COLLATE "C", r.grantable)`,
  from: `pg_default_acl AS d LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
    WHERE d.defaclnamespace = 0 OR ${inScope("n")}`,
});
