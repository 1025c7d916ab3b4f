-- migrate:up
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE FUNCTION no_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'no; never';
END
$$;

-- migrate:down
DROP FUNCTION no_users();
DROP TABLE users;
