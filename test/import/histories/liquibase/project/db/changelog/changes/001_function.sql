--liquibase formatted sql

-- A comment before.
--changeset ann:fn splitStatements:false runOnChange:true
--comment: the function
-- A comment inside.
CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  -- Kept; it is in the body.
  RETURN 1;
END $$;
--rollback DROP FUNCTION one();

--changeset ann:idx runInTransaction:false labels:slow
CREATE INDEX CONCURRENTLY orders_user_idx ON orders (user_id);
--rollback DROP INDEX CONCURRENTLY orders_user_idx;

--changeset ann:multi
ALTER TABLE users ADD email text; -- trailing
INSERT INTO users (name, email) VALUES ('a;b', '$5');
--rollback DELETE FROM users WHERE name = 'a;b';
--rollback ALTER TABLE users DROP email;

--changeset ann:h2only dbms:h2
CREATE TABLE h2 (id int);

--changeset ann:always runAlways:true
ANALYZE users;
--rollback empty
