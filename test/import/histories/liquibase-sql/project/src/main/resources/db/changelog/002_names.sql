--liquibase formatted sql

--changeset ann:function splitStatements:false stripComments:false runOnChange:true
--comment: the first letter
CREATE OR REPLACE FUNCTION initial(users) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  -- Kept because of stripComments:false.
  RETURN left($1.name, 1);
END $$;
--rollback DROP FUNCTION initial(users);

--changeset "bob smith":index runInTransaction:false labels:slow
CREATE INDEX CONCURRENTLY users_name ON users (name);
--rollback DROP INDEX CONCURRENTLY users_name;

--changeset bob:other dbms:h2
CREATE TABLE only_in_h2 (id int);

--changeset bob:delimiter endDelimiter:/
CREATE FUNCTION two() RETURNS int LANGUAGE sql AS $$ SELECT 2; $$
/
CREATE FUNCTION three() RETURNS int LANGUAGE sql AS $$ SELECT 3; $$ /
/* liquibase rollback
DROP FUNCTION two();
DROP FUNCTION three();
*/
