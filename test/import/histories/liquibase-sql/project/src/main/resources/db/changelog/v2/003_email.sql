--liquibase formatted sql

--changeset ann:email
--preconditions onFail:MARK_RAN
--precondition-sql-check expectedResult:0 SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' AND column_name = 'email'
ALTER TABLE users ADD email text; -- for reminders
INSERT INTO users (id, name) VALUES (1, 'a;b');
--rollback DELETE FROM users WHERE name = 'a;b';
--rollback ALTER TABLE users DROP email;

--changeset ann:guarded
--preconditions onFail:MARK_RAN
--precondition-sql-check expectedResult:0 SELECT count(*) FROM information_schema.tables WHERE table_name = 'users'
CREATE TABLE IF NOT EXISTS users (id integer);
--rollback not required

--changeset ann:always runAlways:true
ANALYZE users;
--rollback empty
