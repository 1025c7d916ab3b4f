-- prisma migrate deploy --config prisma.config.mjs

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA IF NOT EXISTS public;

CREATE TYPE public."Role" AS ENUM (
  'USER',
  'ADMIN'
);

CREATE SEQUENCE public."Post_id_seq" AS integer;

CREATE SEQUENCE public."User_id_seq" AS integer;

CREATE TABLE public."Post" (
  id integer DEFAULT nextval('public."Post_id_seq"'::regclass) NOT NULL,
  title text NOT NULL,
  "authorId" integer NOT NULL
);

CREATE TABLE public."User" (
  id integer DEFAULT nextval('public."User_id_seq"'::regclass) NOT NULL,
  email text NOT NULL,
  "createdAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
  role public."Role" DEFAULT 'USER'::public."Role" NOT NULL
);

CREATE TABLE public._prisma_migrations (
  id character varying(36) NOT NULL,
  checksum character varying(64) NOT NULL,
  finished_at timestamp with time zone,
  migration_name character varying(255) NOT NULL,
  logs text,
  rolled_back_at timestamp with time zone,
  started_at timestamp with time zone DEFAULT now() NOT NULL,
  applied_steps_count integer DEFAULT 0 NOT NULL
);

ALTER TABLE ONLY public."Post" ADD CONSTRAINT "Post_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY public."User" ADD CONSTRAINT "User_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY public._prisma_migrations ADD CONSTRAINT _prisma_migrations_pkey PRIMARY KEY (id);

CREATE INDEX "Post_title_idx" ON public."Post" USING btree (title);

CREATE UNIQUE INDEX "User_email_key" ON public."User" USING btree (email);

ALTER TABLE public."Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES public."User"(id) ON UPDATE CASCADE ON DELETE RESTRICT;

ALTER SEQUENCE public."Post_id_seq" OWNED BY public."Post".id;

ALTER SEQUENCE public."User_id_seq" OWNED BY public."User".id;

INSERT INTO public._prisma_migrations SELECT * FROM json_populate_recordset(NULL::public._prisma_migrations, $rows$[
{"id":"20240101000000_init","checksum":"05e7ec0ac0bf170ac7005918741ab60d461483d643564ca495d5542f604a84c3","finished_at":"2026-01-01T00:00:00","migration_name":"20240101000000_init","logs":null,"rolled_back_at":null,"started_at":"2026-01-01T00:00:00","applied_steps_count":1},
{"id":"20240102000000_index","checksum":"4290f62cc64764453cdf20b925102fd94d3bf2eeac2f07aafac39d15fb98cf27","finished_at":"2026-01-01T00:00:00","migration_name":"20240102000000_index","logs":null,"rolled_back_at":null,"started_at":"2026-01-01T00:00:00","applied_steps_count":1},
{"id":"20240103000000_role","checksum":"802f29aaa4a40f58f02b8d7e7ff51f0d3d200901059efe04cd425787d26c0598","finished_at":"2026-01-01T00:00:00","migration_name":"20240103000000_role","logs":null,"rolled_back_at":null,"started_at":"2026-01-01T00:00:00","applied_steps_count":1},
{"id":"20240104000000_wrong","checksum":"4f4252855bab2735fe608dbddbd813a22ad3ece06053c0c40ccdacb000eff20b","finished_at":null,"migration_name":"20240104000000_wrong","logs":"external connector error","rolled_back_at":null,"started_at":"2026-01-01T00:00:00","applied_steps_count":0}
]$rows$);

RESET ALL;
