/** One statement group for every kind of object, each with what a careless `down` would leave behind or lose. */
export interface Piece {
  readonly name: string;
  readonly up: string;
  readonly down: string;
  /** A wrong down, and what the diff must say about it. */
  readonly wrong: { readonly down: string; readonly shows: readonly string[] };
}

const piece = (name: string, up: string, down: string, wrongDown: string, ...shows: string[]): Piece => ({
  name,
  up,
  down,
  wrong: { down: wrongDown, shows },
});

/** In an order in which they can be applied. */
export const CORPUS: readonly Piece[] = [
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
  piece(
    "table",
    `CREATE TABLE account (
       id bigint GENERATED ALWAYS AS IDENTITY (START WITH 100) PRIMARY KEY,
       number serial,
       code text DEFAULT next_code('x') NOT NULL,
       email app.citext UNIQUE,
       name text COLLATE "C" DEFAULT 'it''s
two lines',
       price positive,
       mood mood DEFAULT 'ok',
       home address,
       double integer GENERATED ALWAYS AS (twice(1)) STORED,
       hours timerange,
       "Mixed Case" jsonb DEFAULT '{}',
       tags text[] DEFAULT '{}',
       CONSTRAINT no_overlap EXCLUDE USING gist (hours WITH &&),
       CONSTRAINT cheap CHECK (price < 1000) NO INHERIT
     ) WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off);
     ALTER TABLE account ALTER COLUMN name SET STORAGE MAIN, ALTER COLUMN name SET STATISTICS 200,
       ALTER COLUMN code SET (n_distinct = 100);
     COMMENT ON TABLE account IS 'back\\slash'; COMMENT ON COLUMN account."Mixed Case" IS 'odd';
     COMMENT ON CONSTRAINT cheap ON account IS 'limit'; COMMENT ON SEQUENCE account_id_seq IS 'the counter';
     GRANT SELECT, INSERT ON account TO PUBLIC; GRANT UPDATE (name, code) ON account TO PUBLIC;
     GRANT ALL ON SEQUENCE account_number_seq TO PUBLIC`,
    "DROP TABLE account",
    "ALTER TABLE account DROP COLUMN tags",
    "+ table public.account",
    "+ sequence public.account_number_seq",
    "more line",
  ),
  piece(
    "default",
    `ALTER TABLE account ALTER COLUMN code SET DEFAULT 'new'`,
    `ALTER TABLE account ALTER COLUMN code SET DEFAULT next_code('x')`,
    `ALTER TABLE account ALTER COLUMN code DROP DEFAULT`,
    "~ table public.account:",
    "-   code text DEFAULT public.next_code('x'::text) NOT NULL",
    "+   code text NOT NULL",
  ),
  piece(
    "comment",
    `COMMENT ON COLUMN account.name IS 'the name'`,
    `COMMENT ON COLUMN account.name IS NULL`,
    `COMMENT ON COLUMN account.name IS ''';'`,
    "~ table public.account:",
  ),
  piece(
    "column that cannot come back to its place",
    "ALTER TABLE account ADD COLUMN last text",
    "ALTER TABLE account DROP COLUMN last",
    "ALTER TABLE account DROP COLUMN last; ALTER TABLE account DROP COLUMN tags; ALTER TABLE account ADD COLUMN tags text[] DEFAULT '{}'; ALTER TABLE account DROP COLUMN hours; ALTER TABLE account ADD COLUMN hours timerange",
    "- constraint no_overlap on public.account",
  ),
  piece(
    "enum value",
    "ALTER TYPE mood ADD VALUE 'happy'",
    // Postgres cannot take a value away: the type is made anew.
    `DROP CAST (mood AS integer); DROP FUNCTION to_int; DROP OPERATOR === (mood, integer); DROP OPERATOR === (integer, mood);
     DROP FUNCTION same(mood, integer); DROP FUNCTION same(integer, mood);
     ALTER TABLE account ALTER COLUMN mood DROP DEFAULT; ALTER TYPE mood RENAME TO mood_old;
     CREATE TYPE mood AS ENUM ('sad', 'ok'); COMMENT ON TYPE mood IS 'how it goes';
     ALTER TABLE account ALTER COLUMN mood TYPE mood USING mood::text::mood; ALTER TABLE account ALTER COLUMN mood SET DEFAULT 'ok';
     DROP TYPE mood_old;
     CREATE FUNCTION same(mood, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $2 = 1';
     CREATE FUNCTION same(integer, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = 1';
     CREATE OPERATOR === (FUNCTION = same, LEFTARG = mood, RIGHTARG = integer, COMMUTATOR = ===);
     CREATE OPERATOR === (FUNCTION = same, LEFTARG = integer, RIGHTARG = mood, COMMUTATOR = ===);
     CREATE FUNCTION to_int(mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
     CREATE CAST (mood AS integer) WITH FUNCTION to_int(mood) AS ASSIGNMENT; COMMENT ON CAST (mood AS integer) IS 'one'`,
    "SELECT 1",
    "~ enum public.mood:",
    "+   'happy'",
  ),
  piece(
    "function body",
    "CREATE OR REPLACE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n + n'",
    "CREATE OR REPLACE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 2'",
    "CREATE OR REPLACE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n'",
    "~ function public.twice(integer):",
    "- AS $function$SELECT n * 2$function$;",
    "+ AS $function$SELECT 2 * n$function$;",
  ),
  piece(
    "index",
    `CREATE INDEX account_name ON account (lower(name) DESC) INCLUDE (code) WHERE price > 1;
     CREATE UNIQUE INDEX account_number ON account (number) WITH (fillfactor = 60);
     ALTER TABLE account CLUSTER ON account_number; COMMENT ON INDEX account_name IS 'for the search'`,
    "DROP INDEX account_name; DROP INDEX account_number",
    "DROP INDEX account_number",
    "+ index public.account_name",
    "CREATE INDEX account_name ON public.account",
  ),
  piece(
    "lost index",
    "ALTER INDEX account_name RENAME TO account_by_name",
    "ALTER INDEX account_by_name RENAME TO account_name",
    "DROP INDEX account_by_name",
    "- index public.account_name",
  ),
  piece(
    "foreign key",
    `CREATE TABLE invoice (
       id uuid DEFAULT gen_random_uuid() PRIMARY KEY, account_id bigint NOT NULL,
       parent uuid REFERENCES invoice ON DELETE SET NULL,
       CONSTRAINT invoice_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
     ALTER TABLE invoice ADD CONSTRAINT never CHECK (account_id <> 13) NOT VALID;
     ALTER TABLE invoice REPLICA IDENTITY FULL`,
    "DROP TABLE invoice",
    "ALTER TABLE invoice DROP CONSTRAINT never",
    "+ foreign key invoice_account on public.invoice",
  ),
  piece(
    "validated",
    "ALTER TABLE invoice ADD CONSTRAINT small CHECK (account_id < 1000000) NOT VALID",
    "ALTER TABLE invoice DROP CONSTRAINT small",
    "ALTER TABLE invoice DROP CONSTRAINT small; ALTER TABLE invoice VALIDATE CONSTRAINT never",
    "~ constraint never on public.invoice:",
  ),
  piece(
    "views",
    `CREATE VIEW rich WITH (security_barrier = true) AS SELECT id, name AS "Name" FROM account WHERE price > 100 WITH LOCAL CHECK OPTION;
     CREATE VIEW all_rich AS SELECT count(*) AS n, max(id) FROM rich; ALTER VIEW rich ALTER COLUMN "Name" SET DEFAULT 'x';
     COMMENT ON VIEW rich IS 'those'; COMMENT ON COLUMN rich."Name" IS 'N'; GRANT SELECT ON rich TO PUBLIC;
     CREATE MATERIALIZED VIEW summary AS SELECT mood, count(*) AS n FROM account GROUP BY mood;
     CREATE UNIQUE INDEX summary_mood ON summary (mood);
     CREATE MATERIALIZED VIEW empty_summary AS SELECT n FROM summary WITH NO DATA;
     CREATE VIEW grouped AS SELECT id, name, count(*) FROM account GROUP BY id`,
    `DROP VIEW grouped; DROP MATERIALIZED VIEW empty_summary; DROP MATERIALIZED VIEW summary; DROP VIEW all_rich; DROP VIEW rich`,
    `DROP VIEW grouped; DROP MATERIALIZED VIEW empty_summary; DROP MATERIALIZED VIEW summary; DROP VIEW all_rich`,
    "+ view public.rich",
  ),
  piece(
    "trigger",
    `CREATE TRIGGER account_touch BEFORE UPDATE OF name ON account FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION touch();
     CREATE TRIGGER account_off AFTER INSERT ON account FOR EACH ROW EXECUTE FUNCTION touch();
     ALTER TABLE account DISABLE TRIGGER account_off; COMMENT ON TRIGGER account_off ON account IS 'off';
     CREATE CONSTRAINT TRIGGER account_late AFTER INSERT ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch()`,
    `DROP TRIGGER account_touch ON account; DROP TRIGGER account_off ON account; DROP TRIGGER account_late ON account`,
    `DROP TRIGGER account_touch ON account; DROP TRIGGER account_late ON account`,
    "+ trigger account_off on public.account",
    "DISABLE TRIGGER account_off",
  ),
  piece(
    "rule",
    "CREATE RULE no_delete AS ON DELETE TO invoice DO INSTEAD NOTHING; COMMENT ON RULE no_delete ON invoice IS 'never'",
    "DROP RULE no_delete ON invoice",
    "SELECT 1",
    "+ rule no_delete on public.invoice",
  ),
  piece(
    "policy",
    `ALTER TABLE account ENABLE ROW LEVEL SECURITY; ALTER TABLE account FORCE ROW LEVEL SECURITY;
     CREATE POLICY own_rows ON account AS RESTRICTIVE FOR UPDATE TO CURRENT_USER USING (id > 1) WITH CHECK (id < 10);
     CREATE POLICY read_all ON account FOR SELECT USING (true); COMMENT ON POLICY read_all ON account IS 'all'`,
    `DROP POLICY own_rows ON account; DROP POLICY read_all ON account;
     ALTER TABLE account NO FORCE ROW LEVEL SECURITY; ALTER TABLE account DISABLE ROW LEVEL SECURITY`,
    `DROP POLICY own_rows ON account`,
    "+ policy read_all on public.account",
    "+ ALTER TABLE public.account ENABLE ROW LEVEL SECURITY;",
  ),
  piece(
    "grant",
    "GRANT DELETE ON invoice TO PUBLIC; GRANT SELECT (id) ON invoice TO PUBLIC; REVOKE TRUNCATE ON invoice FROM CURRENT_USER",
    "REVOKE DELETE ON invoice FROM PUBLIC; REVOKE SELECT (id) ON invoice FROM PUBLIC; GRANT TRUNCATE ON invoice TO CURRENT_USER",
    "REVOKE DELETE ON invoice FROM PUBLIC; GRANT TRUNCATE ON invoice TO CURRENT_USER",
    "~ table public.invoice:",
    "+ GRANT SELECT (id) ON TABLE public.invoice TO PUBLIC;",
  ),
  piece(
    "default privileges",
    `ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC;
     ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM PUBLIC;
     ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC`,
    "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
    "+ default privileges on tables in schema app",
  ),
  piece(
    "partitions",
    `CREATE TABLE event (id bigint NOT NULL, at date NOT NULL, kind text DEFAULT 'x' CHECK (kind <> ''), PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
     CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
     CREATE TABLE event_rest PARTITION OF event (kind DEFAULT 'rest') DEFAULT PARTITION BY RANGE (at);
     CREATE TABLE event_rest_a (kind text DEFAULT 'a', at date NOT NULL, id bigint NOT NULL, CONSTRAINT event_kind_check CHECK (kind <> ''));
     ALTER TABLE event_rest ATTACH PARTITION event_rest_a FOR VALUES FROM ('2030-01-01') TO (MAXVALUE);
     CREATE INDEX event_kind ON event (kind); CREATE INDEX only_2024 ON event_2024 (id);
     ALTER INDEX event_2024_kind_idx RENAME TO renamed;
     CREATE TABLE event_note (id bigint, at date, FOREIGN KEY (id, at) REFERENCES event) PARTITION BY HASH (id);
     CREATE TABLE event_note_0 PARTITION OF event_note FOR VALUES WITH (modulus 1, remainder 0);
     CREATE TRIGGER event_touch BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION touch()`,
    "DROP TABLE event_note; DROP TABLE event",
    "DROP TABLE event_note; ALTER TABLE event DETACH PARTITION event_2024; DROP TABLE event",
    "+ table public.event_2024",
  ),
  piece(
    "detached",
    "ALTER TABLE event DETACH PARTITION event_2024",
    "ALTER TABLE event ATTACH PARTITION event_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    "ALTER TABLE event ATTACH PARTITION event_2024 FOR VALUES FROM ('2024-01-02') TO ('2025-01-01')",
    "~ table public.event_2024:",
    "ATTACH PARTITION public.event_2024 FOR VALUES FROM ('2024-01-02')",
  ),
  piece(
    "inheritance",
    `CREATE TABLE city (name text NOT NULL, people integer DEFAULT 0, CHECK (people >= 0));
     CREATE TABLE capital (country text, people integer DEFAULT 9) INHERITS (city);
     CREATE TABLE village (name text NOT NULL, people integer, CONSTRAINT city_people_check CHECK (people >= 0));
     ALTER TABLE village INHERIT city; CREATE TABLE hamlet () INHERITS (village, city); ALTER TABLE hamlet ALTER people SET DEFAULT 1`,
    "DROP TABLE hamlet; DROP TABLE village; DROP TABLE capital; DROP TABLE city",
    "DROP TABLE hamlet; DROP TABLE capital; ALTER TABLE village NO INHERIT city; DROP TABLE city",
    "+ table public.village",
  ),
  piece(
    "table function cycle",
    `CREATE TABLE loop (id integer, n bigint);
     CREATE FUNCTION newest() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT max(n) + 1 FROM loop; END;
     ALTER TABLE loop ALTER COLUMN n SET DEFAULT newest();
     CREATE FUNCTION is_fine(l loop) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT l.id > 0';
     ALTER TABLE loop ADD CONSTRAINT fine CHECK (is_fine(loop))`,
    "ALTER TABLE loop DROP CONSTRAINT fine; DROP FUNCTION is_fine; ALTER TABLE loop ALTER n DROP DEFAULT; DROP FUNCTION newest; DROP TABLE loop",
    "ALTER TABLE loop DROP CONSTRAINT fine; DROP FUNCTION is_fine",
    "+ table public.loop",
    "+ function public.newest()",
  ),
  piece(
    "odd tables",
    `CREATE UNLOGGED TABLE fast (a int); CREATE TABLE nothing (); CREATE TABLE homes OF address;
     CREATE TABLE renamed_from (id bigint GENERATED BY DEFAULT AS IDENTITY, n serial NOT NULL); ALTER TABLE renamed_from RENAME TO renamed_to;
     CREATE TABLE "Quoted" ("select" int PRIMARY KEY, "a b" text UNIQUE); ALTER TABLE "Quoted" RENAME "a b" TO ab`,
    'DROP TABLE fast; DROP TABLE nothing; DROP TABLE homes; DROP TABLE renamed_to; DROP TABLE "Quoted"',
    "DROP TABLE fast; DROP TABLE nothing; DROP TABLE homes; DROP TABLE renamed_to",
    '+ table public."Quoted"',
  ),
  piece(
    "statistics",
    "CREATE STATISTICS account_stats (dependencies, ndistinct) ON name, code FROM account; ALTER STATISTICS account_stats SET STATISTICS 50; COMMENT ON STATISTICS account_stats IS 's'",
    "DROP STATISTICS account_stats",
    "SELECT 1",
    "+ statistics public.account_stats",
  ),
  piece(
    "publication",
    `CREATE PUBLICATION news FOR TABLE account (id, name) WHERE (id > 5), invoice WITH (publish = 'insert, update');
     CREATE PUBLICATION app_news FOR TABLES IN SCHEMA app; COMMENT ON PUBLICATION news IS 'n'`,
    "DROP PUBLICATION news; DROP PUBLICATION app_news",
    "DROP PUBLICATION news",
    "+ publication app_news",
  ),
  piece(
    "event trigger",
    `CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
     CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION on_ddl();
     ALTER EVENT TRIGGER watch DISABLE; COMMENT ON EVENT TRIGGER watch IS 'w'`,
    "DROP EVENT TRIGGER watch; DROP FUNCTION on_ddl",
    "ALTER EVENT TRIGGER watch ENABLE",
    "+ event trigger watch",
  ),
];

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
