-- sequelize-cli db:migrate

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA IF NOT EXISTS public;

CREATE TYPE public.mood AS ENUM (
  'sad',
  'ok'
);

CREATE SEQUENCE public.orders_id_seq AS integer;

CREATE SEQUENCE public.users_id_seq AS integer;

CREATE TABLE public."SequelizeMeta" (
  name character varying(255) NOT NULL
);

CREATE TABLE public.orders (
  id integer DEFAULT nextval('public.orders_id_seq'::regclass) NOT NULL,
  user_id integer NOT NULL
);
COMMENT ON COLUMN public.orders.user_id IS 'who has bought it';

CREATE TABLE public.users (
  id integer DEFAULT nextval('public.users_id_seq'::regclass) NOT NULL,
  name character varying(80) DEFAULT 'a;b'::character varying NOT NULL,
  mood public.mood
);

ALTER TABLE ONLY public."SequelizeMeta" ADD CONSTRAINT "SequelizeMeta_pkey" PRIMARY KEY (name);

ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX users_mood ON public.users USING btree (mood);

ALTER TABLE public.orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER SEQUENCE public.orders_id_seq OWNED BY public.orders.id;

ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;

INSERT INTO public."SequelizeMeta" SELECT * FROM json_populate_recordset(NULL::public."SequelizeMeta", $rows$[
{"name":"20240101000000-users.js"},
{"name":"20240102000000-users-index.js"},
{"name":"20240103000000-orders.js"}
]$rows$);

RESET ALL;
