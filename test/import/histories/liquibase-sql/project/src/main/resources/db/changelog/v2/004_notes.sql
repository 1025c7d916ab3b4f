--liquibase formatted sql logicalFilePath:notes.sql

--changeset ann:1
CREATE TABLE notes (id integer);
--rollback DROP TABLE notes;
