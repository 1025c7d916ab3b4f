import { beforeAll, describe, expect, it, test } from "@jest/globals";
import fc from "fast-check";
import { loadModule, parseSync } from "libpg-query";
import { tokenize } from "../../../lib/migrator/sql/lexer.ts";
import { maskQuoted, maskSecrets, maskSql, maskText } from "../../../lib/migrator/sql/mask.ts";
import { FRAGMENTS, STATEMENTS } from "./corpus.ts";

/** Statements with the secret "sesame", and as they are shown. */
const SECRET: readonly (readonly [sql: string, shown: string])[] = [
  ["ALTER ROLE x PASSWORD 'sesame'", "ALTER ROLE x PASSWORD '********'"],
  ["ALTER ROLE x PASSWORD sesame NO SUCH", "ALTER ROLE x PASSWORD ________ NO SUCH"],
  ['ALTER ROLE x PASSWORD "sesame" NO SUCH', 'ALTER ROLE x PASSWORD "********" NO SUCH'],
  ["ALTER ROLE x WITH ENCRYPTED PASSWORD E'ses\\'ame'", "ALTER ROLE x WITH ENCRYPTED PASSWORD E'********'"],
  ["ALTER ROLE x PASSWORD U&'ses\\0061me'", "ALTER ROLE x PASSWORD U&'********'"],
  ["ALTER ROLE x PASSWORD $pga$sesame$pga$", "ALTER ROLE x PASSWORD $pga$********$pga$"],
  [
    "CREATE ROLE x LOGIN VALID UNTIL 'infinity' PASSWORD 'sesame'",
    "CREATE ROLE x LOGIN VALID UNTIL 'infinity' PASSWORD '********'",
  ],
  [
    "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password 'sesame')",
    "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password '********')",
  ],
  [
    "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', \"sslpassword\" 'sesame', api_key 'sesame')",
    "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', \"sslpassword\" '********', api_key '********')",
  ],
  [
    "ALTER USER MAPPING FOR u SERVER s OPTIONS (SET password 'sesame')",
    "ALTER USER MAPPING FOR u SERVER s OPTIONS (SET password '********')",
  ],
  [
    "CREATE SUBSCRIPTION s CONNECTION 'host=h password=sesame dbname=d' PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION 'host=h password=******** dbname=d' PUBLICATION p",
  ],
  [
    "SELECT dblink_connect('host=h password=''two sesame''')",
    "SELECT dblink_connect('host=h password=''********''')",
  ],
  [
    "SELECT dblink_connect($$host=h password='two sesame'$$)",
    "SELECT dblink_connect($$host=h password='********'$$)",
  ],
  ["SELECT dblink_connect('host=h passwd=sesame')", "SELECT dblink_connect('host=h passwd=********')"],
  [
    "SELECT dblink_connect('host=h password = sesame')",
    "SELECT dblink_connect('host=h password = ********')",
  ],
  ["SELECT 'postgres://u:sesame@h/d'", "SELECT 'postgres://u:********@h/d'"],
  ["SELECT 'postgres://u:ses@me/sesame@h/d'", "SELECT 'postgres://u:********@h/d'"],
  ['SELECT \'{"password": "sesame"}\'::jsonb', 'SELECT \'{"password": "********"}\'::jsonb'],
  [
    'SELECT \'{"a": {"clientSecret":"ses\\"ame"}}\'::jsonb',
    'SELECT \'{"a": {"clientSecret":"********"}}\'::jsonb',
  ],
  [
    "INSERT INTO u (name, password) VALUES ('a','sesame')",
    "INSERT INTO u (name, password) VALUES ('a','********')",
  ],
  [
    "INSERT INTO u (name, password) VALUES ('a','sesame'), ('b', 'sesame')",
    "INSERT INTO u (name, password) VALUES ('a','********'), ('b', '********')",
  ],
  [
    "INSERT INTO u AS x (\"name\", \"Password\") VALUES ('a', crypt('sesame', gen_salt('bf')))",
    "INSERT INTO u AS x (\"name\", \"Password\") VALUES ('a', crypt('********', gen_salt('bf')))",
  ],
  [
    "INSERT INTO u (name, password) SELECT 'a', 'sesame' FROM t",
    "INSERT INTO u (name, password) SELECT 'a', '********' FROM t",
  ],
  [
    "INSERT INTO u (name, password) SELECT * FROM (VALUES ('a','sesame')) AS v(name, password)",
    "INSERT INTO u (name, password) SELECT * FROM (VALUES ('a','********')) AS v(name, password)",
  ],
  [
    "WITH v(name, password) AS (VALUES ('a','sesame')) SELECT * FROM v",
    "WITH v(name, password) AS (VALUES ('a','********')) SELECT * FROM v",
  ],
  [
    "UPDATE u SET password = 'sesame' WHERE name = 'bob'",
    "UPDATE u SET password = '********' WHERE name = 'bob'",
  ],
  ["UPDATE u SET name = 'bob', password = 'sesame'", "UPDATE u SET name = 'bob', password = '********'"],
  ["UPDATE u SET (name, password) = ('a','sesame')", "UPDATE u SET (name, password) = ('a','********')"],
  [
    "UPDATE u SET (name, password) = ROW ('a','sesame')",
    "UPDATE u SET (name, password) = ROW ('a','********')",
  ],
  ["UPDATE u SET \"password\"='sesame'", "UPDATE u SET \"password\"='********'"],
  ["UPDATE u SET password = md5('sesame')", "UPDATE u SET password = md5('********')"],
  [
    "INSERT INTO u (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET password = 'sesame'",
    "INSERT INTO u (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET password = '********'",
  ],
  [
    "DO $$ BEGIN EXECUTE format('ALTER ROLE x PASSWORD %L', 'sesame'); END $$",
    "DO $$ BEGIN EXECUTE format('ALTER ROLE x PASSWORD %L', '********'); END $$",
  ],
  [
    "DO $$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ' || quote_literal('sesame'); END $$",
    "DO $$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ' || quote_literal('********'); END $$",
  ],
  [
    "DO $$ DECLARE p text := 'sesame'; BEGIN EXECUTE 'ALTER ROLE x PASSWORD ' || quote_literal(p); END $$",
    "DO $$ DECLARE p text := '********'; BEGIN EXECUTE 'ALTER ROLE x PASSWORD ' || quote_literal(p); END $$",
  ],
  [
    "DO $$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''sesame'''; END $$",
    "DO $$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''********'''; END $$",
  ],
  [
    "DO $$ BEGIN EXECUTE $q$ALTER ROLE x PASSWORD 'sesame'$q$; END $$",
    "DO $$ BEGIN EXECUTE $q$ALTER ROLE x PASSWORD '********'$q$; END $$",
  ],
  ["DO 'BEGIN ALTER ROLE x PASSWORD ''sesame''; END'", "DO 'BEGIN ALTER ROLE x PASSWORD ''********''; END'"],
  [
    "DO 'BEGIN EXECUTE ''ALTER ROLE x PASSWORD ''''sesame''''''; END'",
    "DO 'BEGIN EXECUTE ''ALTER ROLE x PASSWORD ''''********''''''; END'",
  ],
  [
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ DECLARE v_password CONSTANT text := 'sesame'; BEGIN PERFORM dblink_connect('c', 'password=sesame'); END $$",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ DECLARE v_password CONSTANT text := '********'; BEGIN PERFORM dblink_connect('c', 'password=********'); END $$",
  ],
  [
    'CREATE FUNCTION f() RETURNS void LANGUAGE plpython3u AS $$ c = connect("host=h password=sesame") $$',
    'CREATE FUNCTION f() RETURNS void LANGUAGE plpython3u AS $$ c = connect("host=h password=********") $$',
  ],
  [
    "CREATE FUNCTION f() RETURNS void LANGUAGE plv8 AS $$ const c = {password: 'sesame'} $$",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plv8 AS $$ const c = {password: '********'} $$",
  ],
  ["SELECT set_config('app.secret', 'sesame', false)", "SELECT set_config('app.secret', '********', false)"],
  ["SET app.password = 'sesame'", "SET app.password = '********'"],
  ["SET LOCAL app.jwt_secret TO 'sesame'", "SET LOCAL app.jwt_secret TO '********'"],
  ["SET app.password TO sesame", "SET app.password TO ________"],
  ["ALTER DATABASE d SET app.jwt_secret = 'sesame'", "ALTER DATABASE d SET app.jwt_secret = '********'"],
  [
    "ALTER ROLE r IN DATABASE d SET app.api_key TO 'sesame'",
    "ALTER ROLE r IN DATABASE d SET app.api_key TO '********'",
  ],
  ["ALTER SYSTEM SET x.password = 'sesame'", "ALTER SYSTEM SET x.password = '********'"],
  ["SELECT crypt('sesame', gen_salt('bf'))", "SELECT crypt('********', gen_salt('bf'))"],
  ["SELECT pgp_sym_encrypt('sesame', 'sesame')", "SELECT pgp_sym_encrypt('********', '********')"],
  [
    "SELECT pgp_sym_encrypt(data, 'sesame', 'cipher-algo=aes256') FROM t",
    "SELECT pgp_sym_encrypt(data, '********', 'cipher-algo=aes256') FROM t",
  ],
  ["SELECT hmac('x', 'sesame', 'sha256')", "SELECT hmac('********', '********', 'sha256')"],
  ["SELECT 'aws_secret_access_key=sesame'", "SELECT 'aws_secret_access_key=********'"],
  [
    "SELECT '-----BEGIN RSA PRIVATE KEY-----\nsesame\nsesame\n-----END RSA PRIVATE KEY-----'",
    "SELECT '-----BEGIN RSA PRIVATE KEY-----********\n\n\n-----END RSA PRIVATE KEY-----'",
  ],
  ["CREATE TABLE t (password text DEFAULT 'sesame')", "CREATE TABLE t (password text DEFAULT '********')"],
  [
    "ALTER TABLE t ALTER COLUMN password SET DEFAULT 'sesame'",
    "ALTER TABLE t ALTER COLUMN password SET DEFAULT '********'",
  ],
  [
    "CREATE FUNCTION f(p_password text DEFAULT 'sesame') RETURNS int AS 'select 1' LANGUAGE sql",
    "CREATE FUNCTION f(p_password text DEFAULT '********') RETURNS int AS 'select 1' LANGUAGE sql",
  ],
  ["SELECT f(p_password => 'sesame')", "SELECT f(p_password => '********')"],
  ["SELECT f(name := 'a', password := 'sesame')", "SELECT f(name := 'a', password := '********')"],
  ["SELECT * FROM u WHERE token = 'sesame'", "SELECT * FROM u WHERE token = '********'"],
  ["SELECT * FROM u WHERE 'sesame' = token", "SELECT * FROM u WHERE '********' = token"],
  [
    "SELECT * FROM u WHERE u.api_key IN ('sesame', 'sesame')",
    "SELECT * FROM u WHERE u.api_key IN ('********', '********')",
  ],
  ["SELECT 'sesame' AS password", "SELECT '********' AS password"],
  ["SELECT 'sesame'::text AS secret", "SELECT '********'::text AS secret"],
  [
    "SELECT jsonb_build_object('user', 'a', 'password', 'sesame')",
    "SELECT jsonb_build_object('user', 'a', 'password', '********')",
  ],
  [
    "UPDATE c SET data = jsonb_set(data, '{smtp,password}', '\"sesame\"')",
    "UPDATE c SET data = jsonb_set(data, '{smtp,password}', '********')",
  ],
  [
    "SELECT * FROM u WHERE data->>'password' = 'sesame'",
    "SELECT * FROM u WHERE data->>'password' = '********'",
  ],
  ["UPDATE u SET data['password'] = '\"sesame\"'", "UPDATE u SET data['password'] = '********'"],
  [
    "INSERT INTO settings (key, value) VALUES ('smtp_password', 'sesame'), ('host', 'h')",
    "INSERT INTO settings (key, value) VALUES ('smtp_password', '********'), ('host', 'h')",
  ],
  [
    "UPDATE settings SET value = 'sesame' WHERE key = 'smtp_password'",
    "UPDATE settings SET value = '********' WHERE key = 'smtp_password'",
  ],
  ["SELECT hstore('password', 'sesame')", "SELECT hstore('password', '********')"],
  ["SELECT 'password=>sesame'::hstore", "SELECT 'password=>********'::hstore"],
  ["SELECT 'host=h password=' || 'sesame'", "SELECT 'host=h password=' || '********'"],
  [
    "SELECT concat('postgres://u:', 'sesame', '@h')",
    "SELECT concat('postgres://u:', '********', '********')",
  ],
  ["SELECT format('host=h password=%s', 'sesame')", "SELECT format('host=h password=%s', '********')"],
  [
    "SELECT dblink_exec('c', format('ALTER ROLE x PASSWORD %L', 'sesame'))",
    "SELECT dblink_exec('********', format('ALTER ROLE x PASSWORD %L', '********'))",
  ],
  [
    "MERGE INTO u USING s ON u.id = s.id WHEN NOT MATCHED THEN INSERT (name, password) VALUES ('a', 'sesame')",
    "MERGE INTO u USING s ON u.id = s.id WHEN NOT MATCHED THEN INSERT (name, password) VALUES ('a', '********')",
  ],
  ["-- ALTER ROLE x PASSWORD 'sesame'", "-- ALTER ROLE x PASSWORD '********'"],
  ["/* postgres://u:sesame@h */ SELECT 1", "/* postgres://u:********@h */ SELECT 1"],
  ["SELECT E'password=\\'sesame\\''", "SELECT E'********'"],
  ["SELECT N'password=sesame'", "SELECT N'password=********'"],
  ["SELECT 'https://h/?api_key=sesame'", "SELECT 'https://h/?api_key=********'"],
  ["SELECT 'Authorization: Bearer sesame12345sesame'", "SELECT 'Authorization: Bearer ********'"],
  ["ALTER ROLE x PASSWORD 'ses'\n 'ame'", "ALTER ROLE x PASSWORD '********\n'"],
  ["CREATE ROLE x PASSWORD 'sesame", "CREATE ROLE x PASSWORD '********"],
  [
    "INSERT INTO u (name, password, role) VALUES ('a', 'sesame",
    "INSERT INTO u (name, password, role) VALUES ('a', '********",
  ],
  ["COPY u FROM PROGRAM 'PGPASSWORD=sesame psql'", "COPY u FROM PROGRAM 'PGPASSWORD=******** psql'"],
  [
    "DO $$ BEGIN EXECUTE 'INSERT INTO u (name, password) VALUES ($1, $2)' USING 'a', 'sesame'; END $$",
    "DO $$ BEGIN EXECUTE 'INSERT INTO u (name, password) VALUES ($1, $2)' USING '********', '********'; END $$",
  ],
  [
    "UPDATE u SET (password, name) = (SELECT 'sesame', 'b')",
    "UPDATE u SET (password, name) = (SELECT '********', 'b')",
  ],
  [
    "CREATE TABLE t AS SELECT 'a' AS name, 'sesame' AS api_token",
    "CREATE TABLE t AS SELECT 'a' AS name, '********' AS api_token",
  ],
];

/** What speaks of passwords and holds none. */
const HARMLESS: readonly string[] = [
  'CREATE TABLE u ("password" varchar(60) NOT NULL, password varchar(60))',
  'ALTER TABLE u ALTER "password" TYPE text, ALTER COLUMN "password" SET DATA TYPE text',
  "ALTER TABLE u RENAME COLUMN password TO password_hash",
  "CREATE TYPE a AS ENUM ('password', 'oauth')",
  "ALTER ROLE x PASSWORD NULL",
  "COMMENT ON COLUMN u.password IS 'bcrypt hash of it'",
  "INSERT INTO texts (k, v) VALUES ('forgot', 'Forgot your password?')",
  "INSERT INTO texts (k, v) VALUES ('forgot', 'Enter password: ')",
  "INSERT INTO permissions (name) VALUES ('reset_password'), ('x')",
  "UPDATE u SET password = NULL, name = 'bob'",
  "UPDATE u SET password = p.password, name = 'bob' FROM p WHERE p.kind = 'x'",
  "SELECT password, 'a' AS kind FROM u WHERE name = 'bob'",
  "CREATE INDEX ON u (token) WHERE kind = 'a'",
  "CREATE TABLE t (token text UNIQUE, kind text DEFAULT 'a', token_type text DEFAULT 'bearer')",
  "SELECT * FROM u WHERE password = '' OR password IS NULL",
  "SELECT * FROM u WHERE token IS NOT NULL AND kind = 'a'",
  "CREATE TABLE t (id int PRIMARY KEY, s text CHECK (s ~ '^token'))",
  "SELECT 'https://example.com/a@b'",
  "SELECT 'postgres://h/d'",
  "ALTER TABLE t ADD COLUMN passport text DEFAULT 'none', ADD compass text DEFAULT 'n'",
  "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.password IS DISTINCT FROM OLD.password THEN NEW.password_changed_at = now(); RAISE NOTICE 'password of % changed', NEW.name; END IF; RETURN NEW; END $$",
  "GRANT SELECT (password) ON u TO r",
  "SELECT has_column_privilege('u', 'password', 'SELECT')",
  "CREATE TABLE t (a text, UNIQUE (token), FOREIGN KEY (secret) REFERENCES x (secret))",
  "CREATE VIEW v AS SELECT token FROM t WHERE kind = 'a'",
  "INSERT INTO u (name, password) SELECT 'a', password FROM old WHERE kind = 'k'",
  "CREATE ROLE x WITH LOGIN VALID UNTIL '2030-01-01'",
  "SET password_encryption = 'scram-sha-256'",
  "INSERT INTO u (name, is_secret, kind) VALUES ('a', 'true', 'b')",
  "UPDATE u SET password = crypt(p_pw, gen_salt('bf', 8))",
  "SELECT $password$ text $password$",
  "CREATE POLICY p ON t USING (tenant = current_setting('app.tenant'))",
];

beforeAll(loadModule);

describe("maskSecrets", () => {
  it.each(SECRET)("masks the secret of %j", (sql, shown) => {
    expect(maskSecrets(sql)).toBe(shown);
    expect(shown.replaceAll("name", "")).not.toMatch(/ses|ame'/);
  });

  it.each(HARMLESS)("leaves %j as it is", (sql) => {
    expect(maskSecrets(sql)).toBe(sql);
  });

  it.each(SECRET.map(([sql]) => sql))("keeps every token of %j the kind that it was", (sql) => {
    expect(kinds(maskSecrets(sql))).toBe(kinds(sql));
  });

  it("leaves SQL that the parser of Postgres reads", () => {
    const valid = [...SECRET.map(([sql]) => sql), ...HARMLESS].filter(isValid);
    expect(valid.length).toBeGreaterThan(90);
    expect(valid.filter((sql) => !isValid(maskSecrets(sql)))).toEqual([]);
  });

  it("shows masks of the same length, whatever the length of the secret", () => {
    const shown = ["x", "sesame", "open sesame ".repeat(20)].flatMap((secret) =>
      [
        `ALTER ROLE r PASSWORD '${secret}'`,
        `SELECT 'postgres://u:${secret.trim().replaceAll(" ", "+")}@h'`,
      ].map(maskSecrets),
    );
    expect(new Set(shown).size).toBe(2);
  });

  it("gives the same when it is applied once more", () => {
    for (const [sql] of SECRET) expect(maskSecrets(maskSecrets(sql))).toBe(maskSecrets(sql));
  });

  it("keeps the kinds of tokens and the lines of any SQL", () => {
    const words = [
      "password",
      '"password"',
      "token",
      "= ",
      ":= ",
      "(",
      ")",
      ",",
      "'x'",
      "E'\\''",
      "$$x$$",
      "VALUES",
      "DO",
    ];
    const texts = [
      "'password=x'",
      "$$password='x'$$",
      '\'{"secret": "x"}\'',
      "/* password=x*/",
      "--token=x\n",
      "PASSWORD",
    ];
    const part = fc.constantFrom(...FRAGMENTS, ...STATEMENTS, ...words, ...texts);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const sql = parts.join(" ");
        const shown = maskSecrets(sql);
        expect(kinds(shown)).toBe(kinds(sql));
        expect(shown.split("\n")).toHaveLength(sql.split("\n").length);
      }),
      { numRuns: 2_000 },
    );
  });

  it("takes time in proportion to the length of what it reads", () => {
    const hard = ["a".repeat(200_000), "-".repeat(200_000), "\\".repeat(200_000), '"a":"'.repeat(40_000)];
    const started = performance.now();
    for (const text of hard) maskSecrets(`SELECT 'password=x ${text}', (password) = ('x')`);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe("maskSql", () => {
  it("tells where a place of the real SQL is in the masked one, and the other way round", () => {
    const sql = "ALTER ROLE r PASSWORD 'open sesame' nonsense; SELECT 'password=x' AS here";
    const masked = maskSql(sql);
    for (const word of ["ALTER", "nonsense", "SELECT", "here"]) {
      expect(masked.toMasked(sql.indexOf(word))).toBe(masked.text.indexOf(word));
      expect(masked.toReal(masked.text.indexOf(word))).toBe(sql.indexOf(word));
    }
    expect(masked.toMasked(sql.indexOf("sesame"))).toBe(masked.text.indexOf("****"));
  });
});

describe("maskQuoted", () => {
  const statement = "INSERT INTO u (name, password) VALUES ('bob', 'it''s sesame'), ('eve', 'abc')";

  test.each([
    [`invalid input: "it's sesame"`, 'invalid input: "********"'],
    ["near \"'it''s sesame'\"", "near \"'********'\""],
    ["Failing row contains (1, bob, abc, abcde).", "Failing row contains (1, bob, ********, abcde)."],
    ["Key (name, token)=(bob, zzz) already exists.", "Key (name, token)=(bob, ********) already exists."],
    ["SQL statement \"ALTER ROLE r PASSWORD 'zzz'\"", "SQL statement \"ALTER ROLE r PASSWORD '********'\""],
    ["could not connect: host=h password=zzz", "could not connect: host=h password=********"],
    ['relation "passwords" does not exist', 'relation "passwords" does not exist'],
  ])("takes the secrets out of the message %j", (message, shown) => {
    expect(maskQuoted(message, statement)).toBe(shown);
  });

  it("knows a secret by its beginning, as Postgres cuts long values", () => {
    const secret = "s3same".repeat(20);
    const shown = maskQuoted(`contains (${secret.slice(0, 64)}...)`, `UPDATE u SET password = '${secret}'`);
    expect(shown).not.toContain("s3same".repeat(5));
  });
});

describe("maskText", () => {
  test.each([
    ["password=x", "password=********"],
    ["password: x", "password: ********"],
    ["<password>x</password>", "<password>********</password>"],
    ["Enter your password: at least 8 characters", "Enter your password: at least 8 characters"],
    ["password=%s", "password=%s"],
    ["https://example.com/tokens/a@b", "https://example.com/tokens/a@b"],
  ])("shows %j as %j", (text, shown) => {
    expect(maskText(text)).toBe(shown);
  });
});

function kinds(sql: string): string {
  return tokenize(sql)
    .map(({ kind }) => kind)
    .join(" ");
}

function isValid(sql: string): boolean {
  try {
    parseSync(sql);
    return true;
  } catch {
    return false;
  }
}
