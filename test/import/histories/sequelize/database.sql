-- sequelize-cli db:migrate

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA IF NOT EXISTS public;

CREATE TYPE public.mood AS ENUM (
  'sad',
  'ok'
);

CREATE SEQUENCE public.users_id_seq AS integer;

CREATE TABLE public."SequelizeMeta" (
  name character varying(255) NOT NULL
);

CREATE TABLE public.users (
  id integer DEFAULT nextval('public.users_id_seq'::regclass) NOT NULL,
  name character varying(80) DEFAULT 'a;b'::character varying NOT NULL,
  mood public.mood
);

ALTER TABLE ONLY public."SequelizeMeta" ADD CONSTRAINT "SequelizeMeta_pkey" PRIMARY KEY (name);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX users_mood ON public.users USING btree (mood);

ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;

INSERT INTO public."SequelizeMeta" SELECT * FROM json_populate_recordset(NULL::public."SequelizeMeta", $rows$[
{"name":"20240101000000-users.js"},
{"name":"20240102000000-users-index.js"}
]$rows$);

RESET ALL;
