-- golang-migrate 4.15.2: up

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

CREATE TABLE public.notes (
  id integer
);

CREATE TABLE public.orders (
  id integer NOT NULL,
  user_id integer
);

CREATE TABLE public.schema_migrations (
  version bigint NOT NULL,
  dirty boolean NOT NULL
);

ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_migrations ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX users_name ON public.users USING btree (name);

ALTER TABLE public.orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

INSERT INTO public.schema_migrations SELECT * FROM json_populate_recordset(NULL::public.schema_migrations, $rows$[
{"version":11,"dirty":false}
]$rows$);

RESET ALL;
