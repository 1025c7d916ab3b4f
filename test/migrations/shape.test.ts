import { describe, expect, test } from "@jest/globals";
import { list, migrated } from "./metadata.ts";

describe("the shape", () => {
  const columns = {
    field_definitions: [
      "id uuid NOT NULL gen_random_uuid()",
      "short_name character varying NOT NULL",
      "display_name character varying NOT NULL",
      "description text",
      "datatype character varying NOT NULL",
      "datatype_properties jsonb '{}'::jsonb",
      "validation_rules jsonb '[]'::jsonb",
      "created_at timestamp without time zone NOT NULL now()",
      "updated_at timestamp without time zone NOT NULL now()",
    ],
    object_definitions: [
      "id uuid NOT NULL gen_random_uuid()",
      "short_name character varying NOT NULL",
      "display_name character varying NOT NULL",
      "description text",
      "display_properties jsonb '{}'::jsonb",
      "wizard_config jsonb",
      "created_at timestamp without time zone NOT NULL now()",
      "updated_at timestamp without time zone NOT NULL now()",
    ],
    object_fields: [
      "id uuid NOT NULL gen_random_uuid()",
      "object_id uuid NOT NULL",
      "field_id uuid NOT NULL",
      "mandatory boolean NOT NULL false",
      "display_order integer NOT NULL 0",
      "created_at timestamp without time zone NOT NULL now()",
    ],
  };

  test(
    "columns, their types, nullability and defaults",
    migrated(async (db) => {
      for (const [table, expected] of Object.entries(columns)) {
        const sql = `
          SELECT concat_ws(' ', attname, format_type(atttypid, atttypmod),
                           CASE WHEN attnotnull THEN 'NOT NULL' END, pg_get_expr(adbin, adrelid))
            FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
           WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;
        expect(await list(db, sql, [table])).toEqual(expected);
      }
    }),
  );

  test(
    "every table and every column has a comment",
    migrated(async (db) => {
      const sql = `
        SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND c.relname NOT LIKE 'pgmigrations%'
           AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)`;
      expect(await list(db, sql)).toEqual([]);
    }),
  );

  test(
    "every foreign key is served by an index that starts with its column",
    migrated(async (db) => {
      const sql = `
        SELECT k.conname, k.confdeltype AS on_delete, array_agg(i.indexrelid::regclass::text) AS indexes
          FROM pg_constraint k LEFT JOIN pg_index i ON i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1]
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace GROUP BY 1, 2 ORDER BY 1`;
      expect(await db.query(sql)).toEqual([
        { conname: "object_fields_field_id_fkey", on_delete: "r", indexes: ["object_fields_field_id_idx"] },
        {
          conname: "object_fields_object_id_fkey",
          on_delete: "c",
          indexes: ["object_fields_object_id_field_id_key"],
        },
      ]);
    }),
  );
});
