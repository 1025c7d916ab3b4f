import { describe, expect, test } from "@jest/globals";
import type { TestDatabase } from "../support/database.ts";
import { addField, addObject, link, list, migrated, row } from "./metadata.ts";

const UNIQUE_VIOLATION = "23505";
const FOREIGN_KEY_VIOLATION = "23503";
const RESTRICT_VIOLATION = "23001";
const NOT_NULL_VIOLATION = "23502";
const CHECK_VIOLATION = "23514";

describe("rows", () => {
  test(
    "a field needs only its names and datatype; the rest is filled in",
    migrated(async (db) => {
      const id = await addField(db, "email");
      const field = await row(db, "SELECT *, created_at = updated_at AS fresh FROM field_definitions");
      expect(field).toMatchObject({
        id,
        description: null,
        datatype_properties: {},
        validation_rules: [],
        created_at: expect.anything(),
        fresh: true,
      });
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }),
  );

  test(
    "an object needs only its names; it has no wizard until it is given one",
    migrated(async (db) => {
      await addObject(db, "customer");
      const object = await row(db, "SELECT *, created_at = updated_at AS fresh FROM object_definitions");
      expect(object).toMatchObject({
        description: null,
        display_properties: {},
        wizard_config: null,
        fresh: true,
      });
    }),
  );

  test(
    "a field of an object is optional and first unless said otherwise",
    migrated(async (db) => {
      const linked = await link(db, await addObject(db, "customer"), await addField(db, "email"));
      expect(linked).toMatchObject({ mandatory: false, display_order: 0, created_at: expect.anything() });
    }),
  );

  test(
    "ids are generated, all different",
    migrated(async (db) => {
      const sql = `INSERT INTO field_definitions (short_name, display_name, datatype)
                   SELECT 'field ' || n, 'a field', 'text' FROM generate_series(1, 100) AS n RETURNING id`;
      expect(new Set(await list(db, sql)).size).toBe(100);
    }),
  );

  test.each([
    ["field_definitions", "short_name, display_name", "'a', 'b'", "datatype"],
    ["field_definitions", "short_name, datatype", "'a', 'b'", "display_name"],
    ["field_definitions", "display_name, datatype", "'a', 'b'", "short_name"],
    ["object_definitions", "short_name", "'a'", "display_name"],
    ["object_definitions", "display_name", "'a'", "short_name"],
    ["object_fields", "object_id", "gen_random_uuid()", "field_id"],
    ["object_fields", "field_id", "gen_random_uuid()", "object_id"],
  ])("%s with only %s (%s) is refused: %s is missing", (table, names, values, column) =>
    migrated(async (db) => {
      const insert = db.query(`INSERT INTO ${table} (${names}) VALUES (${values})`);
      await expect(insert).rejects.toMatchObject({ code: NOT_NULL_VIOLATION, table, column });
    })(),
  );

  test.each(["mandatory", "display_order", "created_at"])(
    "object_fields.%s cannot be set to null",
    (column) =>
      migrated(async (db) => {
        await link(db, await addObject(db, "customer"), await addField(db, "email"));
        const update = db.query(`UPDATE object_fields SET ${column} = NULL`);
        await expect(update).rejects.toMatchObject({ code: NOT_NULL_VIOLATION, column });
      })(),
  );
});

describe("uniqueness", () => {
  test(
    "short names are unique among fields and among objects, not across them",
    migrated(async (db) => {
      await addField(db, "status");
      await addObject(db, "status");
      await expect(addField(db, "status")).rejects.toMatchObject({
        code: UNIQUE_VIOLATION,
        constraint: "field_definitions_short_name_key",
      });
      await expect(addObject(db, "status")).rejects.toMatchObject({
        code: UNIQUE_VIOLATION,
        constraint: "object_definitions_short_name_key",
      });
    }),
  );

  test(
    "an object has a field once; two objects may share it",
    migrated(async (db) => {
      const [customer, order] = [await addObject(db, "customer"), await addObject(db, "order")];
      const [email, name] = [await addField(db, "email"), await addField(db, "name")];
      await link(db, customer, email);
      await link(db, customer, name);
      await link(db, order, email);
      await expect(link(db, customer, email)).rejects.toMatchObject({
        code: UNIQUE_VIOLATION,
        constraint: "object_fields_object_id_field_id_key",
      });
    }),
  );
});

describe("references", () => {
  test(
    "deleting an object deletes which fields it had, nothing else",
    migrated(async (db) => {
      const [customer, order] = [await addObject(db, "customer"), await addObject(db, "order")];
      const email = await addField(db, "email");
      await link(db, customer, email);
      await link(db, order, email);
      await db.query("DELETE FROM object_definitions WHERE id = $1", [customer]);
      expect(await list(db, "SELECT object_id FROM object_fields")).toEqual([order]);
      expect(await list(db, "SELECT short_name FROM field_definitions")).toEqual(["email"]);
    }),
  );

  test(
    "a field in use cannot be deleted, an unused one can",
    migrated(async (db) => {
      const [customer, email] = [await addObject(db, "customer"), await addField(db, "email")];
      await link(db, customer, email);
      const remove = () => db.query("DELETE FROM field_definitions WHERE id = $1", [email]);
      await expect(remove()).rejects.toMatchObject({
        // Postgres 18 tells RESTRICT apart from an ordinary violation.
        code: expect.stringMatching(`${FOREIGN_KEY_VIOLATION}|${RESTRICT_VIOLATION}`),
        constraint: "object_fields_field_id_fkey",
      });
      await db.query("DELETE FROM object_fields");
      await remove();
      expect(await list(db, "SELECT id FROM field_definitions")).toEqual([]);
    }),
  );

  test(
    "an object or a field that does not exist cannot be linked",
    migrated(async (db) => {
      const [customer, email] = [await addObject(db, "customer"), await addField(db, "email")];
      const nobody = "00000000-0000-4000-8000-000000000000";
      await expect(link(db, nobody, email)).rejects.toMatchObject({ code: FOREIGN_KEY_VIOLATION });
      await expect(link(db, customer, nobody)).rejects.toMatchObject({ code: FOREIGN_KEY_VIOLATION });
    }),
  );
});

describe("validation rules", () => {
  const rules = `[{"type": "maxLength", "value": 80}]`;

  test.each([["[]"], [rules], [null]])("%s is accepted", (value) =>
    migrated(async (db) => {
      await addField(db, "email");
      await db.query("UPDATE field_definitions SET validation_rules = $1::jsonb", [value]);
    })(),
  );

  test.each(["{}", `"required"`, "1", "true", "null"])("the JSON value %s is refused", (value) =>
    migrated(async (db) => {
      await addField(db, "email");
      const update = db.query("UPDATE field_definitions SET validation_rules = $1::jsonb", [value]);
      await expect(update).rejects.toMatchObject({
        code: CHECK_VIOLATION,
        constraint: "field_definitions_validation_rules_check",
      });
    })(),
  );
});

describe.each([
  ["field_definitions", addField],
  ["object_definitions", addObject],
])("updated_at of %s", (table, add) => {
  const times = (db: TestDatabase) =>
    row(
      db,
      `SELECT created_at::text AS created, updated_at::text AS updated FROM ${table} WHERE short_name = 'a'`,
    );

  test(
    `updated_at of ${table} moves with a change of its row; created_at and other rows stay`,
    migrated(async (db) => {
      await add(db, "a");
      await add(db, "b");
      const { created } = await times(db);
      await db.query(`UPDATE ${table} SET display_name = 'changed' WHERE short_name = 'a'`);
      expect(await times(db)).toMatchObject({ created });
      const sql = `SELECT short_name, updated_at > created_at AS moved FROM ${table} ORDER BY short_name`;
      expect(await db.query(sql)).toEqual([
        { short_name: "a", moved: true },
        { short_name: "b", moved: false },
      ]);
    }),
  );

  test(
    `updated_at of ${table} cannot be set by hand, and a now() of somebody else is not called`,
    migrated(async (db) => {
      await add(db, "a");
      const { updated } = await times(db);
      await db.query(`
        CREATE SCHEMA other;
        CREATE FUNCTION other.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2001-01-01'::timestamptz $$;
        BEGIN;
        SET LOCAL search_path = other, pg_catalog, public;
        UPDATE ${table} SET updated_at = '2000-01-01';
        COMMIT;`);
      const sql = `SELECT updated_at > $1::timestamp AS moved FROM ${table}`;
      expect(await row(db, sql, [updated])).toEqual({ moved: true });
    }),
  );
});
