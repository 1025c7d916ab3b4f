-- Liquibase 4.28.1: update

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA IF NOT EXISTS public;

CREATE TABLE public.users (
  id integer NOT NULL,
  name text NOT NULL,
  email text
);

CREATE OR REPLACE FUNCTION public.initial(public.users)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
BEGIN
  -- Kept because of stripComments:false.
  RETURN left($1.name, 1);
END $function$;

CREATE OR REPLACE FUNCTION public.three()
 RETURNS integer
 LANGUAGE sql
AS $function$ SELECT 3; $function$;

CREATE OR REPLACE FUNCTION public.two()
 RETURNS integer
 LANGUAGE sql
AS $function$ SELECT 2; $function$;

CREATE TABLE public.databasechangelog (
  id character varying(255) NOT NULL,
  author character varying(255) NOT NULL,
  filename character varying(255) NOT NULL,
  dateexecuted timestamp without time zone NOT NULL,
  orderexecuted integer NOT NULL,
  exectype character varying(10) NOT NULL,
  md5sum character varying(35),
  description character varying(255),
  comments character varying(255),
  tag character varying(255),
  liquibase character varying(20),
  contexts character varying(255),
  labels character varying(255),
  deployment_id character varying(10)
);

CREATE TABLE public.databasechangeloglock (
  id integer NOT NULL,
  locked boolean NOT NULL,
  lockgranted timestamp without time zone,
  lockedby character varying(255)
);

CREATE TABLE public.notes (
  id integer
);

CREATE TABLE public.plain (
  id integer
);

ALTER TABLE ONLY public.databasechangeloglock ADD CONSTRAINT databasechangeloglock_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX plain_id_idx ON public.plain USING btree (id);

CREATE INDEX users_name ON public.users USING btree (name);

INSERT INTO public.databasechangelog SELECT * FROM json_populate_recordset(NULL::public.databasechangelog, $rows$[
{"id":"1","author":"ann","filename":"db/changelog/001_users.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":1,"exectype":"EXECUTED","md5sum":"9:fda8ca4aeee1cae4e61348a8ca33db88","description":"sql","comments":"","tag":null,"liquibase":"4.28.0","contexts":null,"labels":null,"deployment_id":"1"},
{"id":"1","author":"ann","filename":"notes.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":10,"exectype":"EXECUTED","md5sum":"9:5b1318c47475345b44e2f58bb27c2365","description":"sql","comments":"","tag":null,"liquibase":"4.28.0","contexts":null,"labels":null,"deployment_id":"1"},
{"id":"always","author":"ann","filename":"db/changelog/v2/003_email.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":9,"exectype":"RERAN","md5sum":"9:7e7b87537de0d19b8caff9502055274c","description":"sql","comments":"","tag":null,"liquibase":"4.28.0","contexts":null,"labels":null,"deployment_id":"1"},
{"id":"delimiter","author":"bob","filename":"db/changelog/002_names.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":5,"exectype":"EXECUTED","md5sum":"9:2e91968a8aae2315d7cfbe21f50f431b","description":"sql","comments":"","tag":null,"liquibase":"4.28.0","contexts":null,"labels":null,"deployment_id":"1"},
{"id":"email","author":"ann","filename":"db/changelog/v2/003_email.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":6,"exectype":"EXECUTED","md5sum":"9:c95d55d21659ad85a1c2ca6f8b6602b0","description":"sql","comments":"","tag":null,"liquibase":"4.28.0","contexts":null,"labels":null,"deployment_id":"1"},
{"id":"function","author":"ann","filename":"db/changelog/002_names.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":3,"exectype":"EXECUTED","md5sum":"9:7ddfd0bff3d330bfaef615cf1a69b655","description":"sql","comments":"the first letter","tag":null,"liquibase":"4.28.0","contexts":null,"labels":null,"deployment_id":"1"},
{"id":"guarded","author":"ann","filename":"db/changelog/v2/003_email.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":7,"exectype":"MARK_RAN","md5sum":"9:7b5d826bdf27365ce5d5f857f70edb9b","description":"sql","comments":"","tag":null,"liquibase":"4.28.0","contexts":null,"labels":null,"deployment_id":"1"},
{"id":"index","author":"bob smith","filename":"db/changelog/002_names.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":4,"exectype":"EXECUTED","md5sum":"9:d2d58ea4f4ab88131769901b6d7ac600","description":"sql","comments":"","tag":null,"liquibase":"4.28.0","contexts":null,"labels":"slow","deployment_id":"1"},
{"id":"raw","author":"includeAll","filename":"db/changelog/001b_plain.sql","dateexecuted":"2026-01-01T00:00:00","orderexecuted":2,"exectype":"EXECUTED","md5sum":"9:70c2b863d3ffd7e72002fdc111fcbd3d","description":"sql","comments":"","tag":null,"liquibase":"4.28.0","contexts":null,"labels":null,"deployment_id":"1"}
]$rows$);

INSERT INTO public.databasechangeloglock SELECT * FROM json_populate_recordset(NULL::public.databasechangeloglock, $rows$[
{"id":1,"locked":false,"lockgranted":null,"lockedby":null}
]$rows$);

RESET ALL;
