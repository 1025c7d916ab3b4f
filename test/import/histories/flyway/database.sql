-- Flyway 8.5.13: migrate -target=3

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

CREATE TABLE public.flyway_schema_history (
  installed_rank integer NOT NULL,
  version character varying(50),
  description character varying(200) NOT NULL,
  type character varying(20) NOT NULL,
  script character varying(1000) NOT NULL,
  checksum integer,
  installed_by character varying(100) NOT NULL,
  installed_on timestamp without time zone DEFAULT now() NOT NULL,
  execution_time integer NOT NULL,
  success boolean NOT NULL
);

CREATE TABLE public.orders (
  id integer NOT NULL,
  user_id integer
);

CREATE VIEW public.names AS
 SELECT users.name
   FROM public.users;

ALTER TABLE ONLY public.flyway_schema_history ADD CONSTRAINT flyway_schema_history_pk PRIMARY KEY (installed_rank);

ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX flyway_schema_history_s_idx ON public.flyway_schema_history USING btree (success);

CREATE INDEX users_name ON public.users USING btree (name);

ALTER TABLE public.orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

INSERT INTO public.flyway_schema_history SELECT * FROM json_populate_recordset(NULL::public.flyway_schema_history, $rows$[
{"installed_rank":1,"version":"1","description":"users","type":"SQL","script":"V1__users.sql","checksum":2103476187,"installed_by":"postgres","installed_on":"2026-01-01T00:00:00","execution_time":1,"success":true},
{"installed_rank":2,"version":"1.9","description":"index","type":"SQL","script":"V1.9__index.sql","checksum":1872170701,"installed_by":"postgres","installed_on":"2026-01-01T00:00:00","execution_time":1,"success":true},
{"installed_rank":3,"version":"1.10","description":"add email","type":"SQL","script":"V1.10__add_email.sql","checksum":-169541102,"installed_by":"postgres","installed_on":"2026-01-01T00:00:00","execution_time":1,"success":true},
{"installed_rank":4,"version":"2","description":"orders","type":"SQL","script":"V2__orders.sql","checksum":-1244053683,"installed_by":"postgres","installed_on":"2026-01-01T00:00:00","execution_time":1,"success":true},
{"installed_rank":5,"version":"3","description":"vacuum","type":"SQL","script":"V3__vacuum.sql","checksum":1403253689,"installed_by":"postgres","installed_on":"2026-01-01T00:00:00","execution_time":1,"success":true},
{"installed_rank":6,"version":null,"description":"names","type":"SQL","script":"views/R__names.sql","checksum":-624661981,"installed_by":"postgres","installed_on":"2026-01-01T00:00:00","execution_time":1,"success":true}
]$rows$);

RESET ALL;
