exports.up = (knex) =>
  knex.schema
    .raw(
      "CREATE TABLE orders (id int PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, note text DEFAULT 'it''s')",
    )
    .raw("COMMENT ON TABLE orders IS 'what users " + "have bought'");

exports.down = async (knex) => {
  await knex.raw("DROP TABLE orders");
};
