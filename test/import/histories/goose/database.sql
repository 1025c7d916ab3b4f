-- goose 3.7.0: up-to 3, down, up-to 20240104000000

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
  RETURN left($1.name, 1); -- one; letter
END $function$;

CREATE SEQUENCE public.goose_db_version_id_seq AS integer;

CREATE TABLE public.goose_db_version (
  id integer DEFAULT nextval('public.goose_db_version_id_seq'::regclass) NOT NULL,
  version_id bigint NOT NULL,
  is_applied boolean NOT NULL,
  tstamp timestamp without time zone DEFAULT now()
);

CREATE TABLE public.orders (
  id integer NOT NULL,
  user_id integer
);

ALTER TABLE ONLY public.goose_db_version ADD CONSTRAINT goose_db_version_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX users_name ON public.users USING btree (name);

ALTER TABLE public.orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER SEQUENCE public.goose_db_version_id_seq OWNED BY public.goose_db_version.id;

INSERT INTO public.goose_db_version SELECT * FROM json_populate_recordset(NULL::public.goose_db_version, $rows$[
{"id":1,"version_id":0,"is_applied":true,"tstamp":"2026-01-01T00:00:00"},
{"id":2,"version_id":1,"is_applied":true,"tstamp":"2026-01-01T00:00:00"},
{"id":3,"version_id":2,"is_applied":true,"tstamp":"2026-01-01T00:00:00"},
{"id":5,"version_id":3,"is_applied":true,"tstamp":"2026-01-01T00:00:00"},
{"id":6,"version_id":20240104000000,"is_applied":true,"tstamp":"2026-01-01T00:00:00"}
]$rows$);

RESET ALL;
