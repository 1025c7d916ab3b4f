-- dbmate --no-dump-schema up

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA IF NOT EXISTS public;

CREATE OR REPLACE FUNCTION public.no_users()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION 'no; never';
END
$function$;

CREATE TABLE public.schema_migrations (
  version character varying(128) NOT NULL
);

CREATE TABLE public.users (
  id integer NOT NULL,
  name text
);

ALTER TABLE ONLY public.schema_migrations ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX users_name ON public.users USING btree (name);

INSERT INTO public.schema_migrations SELECT * FROM json_populate_recordset(NULL::public.schema_migrations, $rows$[
{"version":"20240101000000"},
{"version":"20240102000000"}
]$rows$);

RESET ALL;
