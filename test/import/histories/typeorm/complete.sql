-- typeorm migration:run -d data-source.cjs

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA IF NOT EXISTS public;

CREATE SEQUENCE public.migrations_id_seq AS integer;

CREATE SEQUENCE public.photo_id_seq AS integer;

CREATE SEQUENCE public.user_id_seq AS integer;

CREATE TABLE public."user" (
  id integer DEFAULT nextval('public.user_id_seq'::regclass) NOT NULL,
  "firstName" character varying NOT NULL,
  age integer
);
COMMENT ON COLUMN public."user".age IS 'in years';

CREATE TABLE public.migrations (
  id integer DEFAULT nextval('public.migrations_id_seq'::regclass) NOT NULL,
  "timestamp" bigint NOT NULL,
  name character varying NOT NULL
);

CREATE TABLE public.photo (
  id integer DEFAULT nextval('public.photo_id_seq'::regclass) NOT NULL,
  url character varying,
  "userId" integer
);

ALTER TABLE ONLY public."user" ADD CONSTRAINT "PK_user" PRIMARY KEY (id);

ALTER TABLE ONLY public.migrations ADD CONSTRAINT "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY (id);

ALTER TABLE ONLY public.photo ADD CONSTRAINT "PK_photo" PRIMARY KEY (id);

CREATE INDEX "IDX_user" ON public."user" USING btree ("firstName");

ALTER TABLE public.photo ADD CONSTRAINT "FK_photo" FOREIGN KEY ("userId") REFERENCES public."user"(id);

ALTER SEQUENCE public.migrations_id_seq OWNED BY public.migrations.id;

ALTER SEQUENCE public.photo_id_seq OWNED BY public.photo.id;

ALTER SEQUENCE public.user_id_seq OWNED BY public."user".id;

INSERT INTO public.migrations SELECT * FROM json_populate_recordset(NULL::public.migrations, $rows$[
{"id":1,"timestamp":1704067200000,"name":"CreateUsers1704067200000"},
{"id":2,"timestamp":1704153600000,"name":"IndexUsers1704153600000"},
{"id":3,"timestamp":1704240000000,"name":"AddAge1704240000000"}
]$rows$);

RESET ALL;
