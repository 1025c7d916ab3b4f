BEGIN;

ALTER TABLE users ADD email text;

COMMIT;
