exports.up = async (knex) => {
  await knex.raw(
    "CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE)",
  );
  await knex.schema.raw(`
    CREATE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.email := lower(NEW.email); -- ; is not the end
      RETURN NEW;
    END
    $$`);
  return knex.raw(
    "CREATE TRIGGER lower_email BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION lower_email()",
  );
};

exports.down = (knex) => knex.schema.raw("DROP TABLE users").raw("DROP FUNCTION lower_email()");
