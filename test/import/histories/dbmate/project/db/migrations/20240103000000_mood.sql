-- migrate:up transaction:false
CREATE TYPE mood AS ENUM ('sad', 'ok');
ALTER TYPE mood ADD VALUE 'happy';
ALTER TABLE users ADD COLUMN mood mood DEFAULT 'happy';

-- migrate:down
ALTER TABLE users DROP COLUMN mood;
DROP TYPE mood;
