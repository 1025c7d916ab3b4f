-- drizzle-kit migrate --config drizzle.config.cjs

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA drizzle;

CREATE SCHEMA IF NOT EXISTS public;

CREATE SEQUENCE drizzle.__drizzle_migrations_id_seq AS integer;

CREATE SEQUENCE public.posts_id_seq AS integer;

CREATE TABLE drizzle.__drizzle_migrations (
  id integer DEFAULT nextval('drizzle.__drizzle_migrations_id_seq'::regclass) NOT NULL,
  hash text NOT NULL,
  created_at bigint
);

CREATE TABLE public.posts (
  id integer DEFAULT nextval('public.posts_id_seq'::regclass) NOT NULL,
  user_id integer
);

CREATE TABLE public.users (
  id integer GENERATED ALWAYS AS IDENTITY,
  email character varying(255) NOT NULL
);

CREATE VIEW public.authors AS
 SELECT DISTINCT user_id
   FROM public.posts;
COMMENT ON VIEW public.authors IS 'users with posts';

ALTER TABLE ONLY drizzle.__drizzle_migrations ADD CONSTRAINT __drizzle_migrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.posts ADD CONSTRAINT posts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_email_unique UNIQUE (email);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX posts_user ON public.posts USING btree (user_id);

ALTER TABLE public.posts ADD CONSTRAINT posts_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER SEQUENCE drizzle.__drizzle_migrations_id_seq OWNED BY drizzle.__drizzle_migrations.id;

ALTER SEQUENCE public.posts_id_seq OWNED BY public.posts.id;

INSERT INTO drizzle.__drizzle_migrations SELECT * FROM json_populate_recordset(NULL::drizzle.__drizzle_migrations, $rows$[
{"id":1,"hash":"6839c4d849816accf647cee2f44f20e2a2ec57172db64716d2236865bf239e06","created_at":1704067200000},
{"id":2,"hash":"13fd2ae078d4b8e8336b790ffb52affd1cc66faadfd5f71e4685cccacd122d45","created_at":1704153600000},
{"id":3,"hash":"3892500f5441c54dceaf89cf80177a25eb4d79b0a529dc6f61a2bc437e96124d","created_at":1704240000000}
]$rows$);

RESET ALL;
