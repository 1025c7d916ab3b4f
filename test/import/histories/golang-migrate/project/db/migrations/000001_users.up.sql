CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);

CREATE FUNCTION initial(users) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN left($1.name, 1); -- one; letter
END $$;
