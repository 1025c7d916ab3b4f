import { TABLE_PIECES } from "./catalog-corpus-tables.ts";
import { type Piece, piece } from "./catalog-piece.ts";

export type { Piece };

const INDEPENDENT_PIECES: readonly Piece[] = [
  piece(
    "schema",
    `CREATE SCHEMA "My App"; COMMENT ON SCHEMA "My App" IS 'it''s ours'; GRANT USAGE ON SCHEMA "My App" TO PUBLIC;
     CREATE SCHEMA app`,
    `DROP SCHEMA "My App"; DROP SCHEMA app`,
    `DROP SCHEMA app`,
    '+ schema "My App"',
  ),
  piece(
    "extension",
    "CREATE EXTENSION citext SCHEMA app",
    "DROP EXTENSION citext",
    "SELECT 1",
    "+ extension citext",
    "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA app;",
  ),
  piece(
    "enum",
    "CREATE TYPE mood AS ENUM ('sad', 'ok'); COMMENT ON TYPE mood IS 'how it goes'",
    "DROP TYPE mood",
    "SELECT 1",
    "+ enum public.mood",
  ),
  piece(
    "composite",
    `CREATE TYPE address AS (street text COLLATE "C", "Zip" varchar(10)); COMMENT ON COLUMN address."Zip" IS 'code'`,
    "DROP TYPE address",
    'ALTER TYPE address DROP ATTRIBUTE "Zip"',
    "+ composite type public.address",
  ),
  piece(
    "domain",
    `CREATE DOMAIN positive AS numeric(10, 2) DEFAULT 1 NOT NULL CONSTRAINT above_zero CHECK (VALUE > 0);
     COMMENT ON DOMAIN positive IS 'more than nothing'; COMMENT ON CONSTRAINT above_zero ON DOMAIN positive IS 'why';
     REVOKE USAGE ON DOMAIN positive FROM PUBLIC`,
    "DROP DOMAIN positive",
    "ALTER DOMAIN positive DROP DEFAULT",
    "+ domain public.positive",
    "+ domain constraint above_zero on public.positive",
  ),
  piece(
    "range",
    "CREATE TYPE timerange AS RANGE (subtype = time, multirange_type_name = timemultirange)",
    "DROP TYPE timerange",
    "SELECT 1",
    "+ range type public.timerange",
  ),
  piece(
    "sequence",
    "CREATE SEQUENCE ticket AS integer INCREMENT BY 5 MINVALUE 10 MAXVALUE 1000 START WITH 20 CACHE 3 CYCLE; CREATE SEQUENCE plain",
    "DROP SEQUENCE ticket; DROP SEQUENCE plain",
    "DROP SEQUENCE plain",
    "+ sequence public.ticket",
    "CREATE SEQUENCE public.ticket AS integer INCREMENT BY 5 MINVALUE 10",
  ),
  piece(
    "functions",
    `SET check_function_bodies = off; CREATE FUNCTION next_code(prefix text DEFAULT 'a;b') RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS
       $$ BEGIN RETURN prefix || nextval('public.ticket'); END $$;
     COMMENT ON FUNCTION next_code(text) IS 'codes';
     REVOKE EXECUTE ON FUNCTION next_code(text) FROM PUBLIC;
     CREATE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
     CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
     CREATE PROCEDURE tidy(INOUT n integer) LANGUAGE plpgsql AS $$ BEGIN n := 1; END $$;
     CREATE FUNCTION late_bound() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.account'`,
    "DROP FUNCTION late_bound; DROP FUNCTION next_code; DROP FUNCTION twice; DROP FUNCTION touch; DROP PROCEDURE tidy",
    "DROP FUNCTION next_code; DROP FUNCTION touch",
    "+ function public.twice(integer)",
    "+ procedure public.tidy(integer)",
  ),
  piece(
    "aggregate",
    `CREATE FUNCTION add_up(numeric, integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
     CREATE AGGREGATE total (integer) (SFUNC = add_up, STYPE = numeric, INITCOND = '0', PARALLEL = SAFE);
     COMMENT ON AGGREGATE total (integer) IS 'sums'; GRANT EXECUTE ON FUNCTION total (integer) TO CURRENT_USER`,
    "DROP AGGREGATE total (integer); DROP FUNCTION add_up",
    "SELECT 1",
    "+ aggregate public.total(integer)",
  ),
  piece(
    "operator and cast",
    `CREATE FUNCTION same(mood, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $2 = 1';
     CREATE FUNCTION same(integer, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = 1';
     CREATE OPERATOR === (FUNCTION = same, LEFTARG = mood, RIGHTARG = integer, COMMUTATOR = ===);
     CREATE OPERATOR === (FUNCTION = same, LEFTARG = integer, RIGHTARG = mood, COMMUTATOR = ===);
     CREATE FUNCTION to_int(mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
     CREATE CAST (mood AS integer) WITH FUNCTION to_int(mood) AS ASSIGNMENT; COMMENT ON CAST (mood AS integer) IS 'one'`,
    `DROP CAST (mood AS integer); DROP FUNCTION to_int; DROP OPERATOR === (mood, integer);
     DROP OPERATOR === (integer, mood); DROP FUNCTION same(mood, integer); DROP FUNCTION same(integer, mood)`,
    "DROP OPERATOR === (mood, integer)",
    "+ cast public.mood as integer",
    "+ operator public.===(integer,public.mood)",
  ),
  piece(
    "text",
    `CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');
     CREATE TEXT SEARCH DICTIONARY simple_english (TEMPLATE = simple, stopwords = english);
     CREATE TEXT SEARCH CONFIGURATION ours (COPY = simple);
     ALTER TEXT SEARCH CONFIGURATION ours ALTER MAPPING FOR asciiword WITH simple_english, simple`,
    "DROP TEXT SEARCH CONFIGURATION ours; DROP TEXT SEARCH DICTIONARY simple_english; DROP COLLATION german",
    "SELECT 1",
    "+ collation public.german",
    "+ text search configuration public.ours",
    "+ text search dictionary public.simple_english",
  ),
];

/** All pieces, in an order in which they can be applied. */
export const CORPUS: readonly Piece[] = [...INDEPENDENT_PIECES, ...TABLE_PIECES];

/** Kinds that are only compared, not dumped. */
export const RARE: readonly Piece[] = [
  piece(
    "foreign",
    `CREATE FOREIGN DATA WRAPPER away; CREATE SERVER far FOREIGN DATA WRAPPER away OPTIONS (host 'h');
     CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (password 'secret-1');
     CREATE FOREIGN TABLE distant (id integer NOT NULL, name text) SERVER far OPTIONS (t 'x');
     CREATE VIEW from_far AS SELECT id FROM distant`,
    "DROP VIEW from_far; DROP FOREIGN TABLE distant; DROP USER MAPPING FOR CURRENT_USER SERVER far; DROP SERVER far; DROP FOREIGN DATA WRAPPER away",
    "DROP VIEW from_far",
    "+ foreign data wrapper away",
    "+ server far",
    "+ foreign table public.distant",
    "+ user mapping",
  ),
  piece(
    "operator class",
    `CREATE OPERATOR FAMILY odd USING btree;
     CREATE OPERATOR CLASS odd_int FOR TYPE integer USING btree FAMILY odd AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 btint4cmp(integer, integer)`,
    "DROP OPERATOR CLASS odd_int USING btree; DROP OPERATOR FAMILY odd USING btree",
    "DROP OPERATOR CLASS odd_int USING btree",
    "+ operator family public.odd USING btree",
  ),
  piece(
    "base type",
    `CREATE TYPE raw; CREATE FUNCTION raw_in(cstring) RETURNS raw LANGUAGE internal IMMUTABLE STRICT AS 'textin';
     CREATE FUNCTION raw_out(raw) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
     CREATE TYPE raw (INPUT = raw_in, OUTPUT = raw_out)`,
    "DROP TYPE raw CASCADE",
    "SELECT 1",
    "+ base type public.raw",
  ),
  piece(
    "conversion and language",
    `CREATE CONVERSION odd_conversion FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
     CREATE LANGUAGE pl_other HANDLER plpgsql_call_handler; CREATE ACCESS METHOD btree_two TYPE INDEX HANDLER bthandler`,
    "DROP CONVERSION odd_conversion; DROP LANGUAGE pl_other; DROP ACCESS METHOD btree_two",
    "SELECT 1",
    "+ conversion public.odd_conversion",
    "+ language pl_other",
    "+ access method btree_two",
  ),
  piece(
    "database settings",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', current_database()); END $$",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET work_mem', current_database()); END $$",
    "SELECT 1",
    "+ database settings of this database",
  ),
];
