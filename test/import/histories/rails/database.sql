-- Active Record 6.1: db:migrate VERSION=20240103000000

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA IF NOT EXISTS public;

CREATE SEQUENCE public.orders_id_seq;

CREATE SEQUENCE public.users_id_seq;

CREATE TABLE public.ar_internal_metadata (
  key character varying NOT NULL,
  value character varying,
  created_at timestamp(6) without time zone NOT NULL,
  updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE public.orders (
  id bigint DEFAULT nextval('public.orders_id_seq'::regclass) NOT NULL,
  user_id bigint
);

CREATE TABLE public.schema_migrations (
  version character varying NOT NULL
);

CREATE TABLE public.users (
  id bigint DEFAULT nextval('public.users_id_seq'::regclass) NOT NULL,
  name character varying NOT NULL,
  created_at timestamp(6) without time zone NOT NULL,
  updated_at timestamp(6) without time zone NOT NULL
);

ALTER TABLE ONLY public.ar_internal_metadata ADD CONSTRAINT ar_internal_metadata_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_migrations ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX index_orders_on_user_id ON public.orders USING btree (user_id);

CREATE INDEX index_users_on_name ON public.users USING btree (name);

ALTER TABLE public.orders ADD CONSTRAINT fk_rails_f868b47f6a FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER SEQUENCE public.orders_id_seq OWNED BY public.orders.id;

ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;

INSERT INTO public.schema_migrations SELECT * FROM json_populate_recordset(NULL::public.schema_migrations, $rows$[
{"version":"1"},
{"version":"20240102000000"},
{"version":"20240103000000"}
]$rows$);

INSERT INTO public.ar_internal_metadata SELECT * FROM json_populate_recordset(NULL::public.ar_internal_metadata, $rows$[
{"key":"environment","value":"default_env","created_at":"2026-01-01T00:00:00","updated_at":"2026-01-01T00:00:00"}
]$rows$);

RESET ALL;
