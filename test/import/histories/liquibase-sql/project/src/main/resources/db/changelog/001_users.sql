--liquibase formatted sql

--changeset ann:1
-- Everybody who has signed up.
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);
--rollback DROP TABLE users;
