-- knex migrate:latest --knexfile knexfile.cjs

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA IF NOT EXISTS public;

CREATE OR REPLACE FUNCTION public.lower_email()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
    BEGIN
      NEW.email := lower(NEW.email); -- ; is not the end
      RETURN NEW;
    END
    $function$;

CREATE SEQUENCE public.knex_migrations_id_seq AS integer;

CREATE SEQUENCE public.knex_migrations_lock_index_seq AS integer;

CREATE TABLE public.knex_migrations (
  id integer DEFAULT nextval('public.knex_migrations_id_seq'::regclass) NOT NULL,
  name character varying(255),
  batch integer,
  migration_time timestamp with time zone
);

CREATE TABLE public.knex_migrations_lock (
  index integer DEFAULT nextval('public.knex_migrations_lock_index_seq'::regclass) NOT NULL,
  is_locked integer
);

CREATE TABLE public.orders (
  id integer NOT NULL,
  user_id bigint NOT NULL,
  note text DEFAULT 'it''s'::text
);
COMMENT ON TABLE public.orders IS 'what users have bought';

CREATE TABLE public.users (
  id bigint GENERATED ALWAYS AS IDENTITY,
  email text NOT NULL
);

CREATE VIEW public.buyers AS
 SELECT DISTINCT u.email
   FROM (public.users u
     JOIN public.orders o ON ((o.user_id = u.id)));

ALTER TABLE ONLY public.knex_migrations ADD CONSTRAINT knex_migrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.knex_migrations_lock ADD CONSTRAINT knex_migrations_lock_pkey PRIMARY KEY (index);

ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_email_key UNIQUE (email);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX orders_user ON public.orders USING btree (user_id);

ALTER TABLE public.orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

CREATE TRIGGER lower_email BEFORE INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION public.lower_email();

ALTER SEQUENCE public.knex_migrations_id_seq OWNED BY public.knex_migrations.id;

ALTER SEQUENCE public.knex_migrations_lock_index_seq OWNED BY public.knex_migrations_lock.index;

INSERT INTO public.knex_migrations SELECT * FROM json_populate_recordset(NULL::public.knex_migrations, $rows$[
{"id":1,"name":"20240101000000_users.js","batch":1,"migration_time":"2026-01-01T00:00:00"},
{"id":2,"name":"20240102000000_orders.js","batch":1,"migration_time":"2026-01-01T00:00:00"},
{"id":3,"name":"20240103000000_orders_index.js","batch":1,"migration_time":"2026-01-01T00:00:00"},
{"id":4,"name":"20240104000000_view.js","batch":2,"migration_time":"2026-01-01T00:00:00"}
]$rows$);

INSERT INTO public.knex_migrations_lock SELECT * FROM json_populate_recordset(NULL::public.knex_migrations_lock, $rows$[
{"index":1,"is_locked":0}
]$rows$);

RESET ALL;
