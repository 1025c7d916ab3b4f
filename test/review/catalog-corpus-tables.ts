import { type Piece, piece } from "./catalog-piece.ts";

/** Tables and the objects that belong to them. */
export const TABLE_PIECES: readonly Piece[] = [
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
