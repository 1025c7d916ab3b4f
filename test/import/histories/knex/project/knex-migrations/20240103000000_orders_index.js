exports.config = { transaction: false };

exports.up = async (knex) => {
  await knex.raw("CREATE INDEX CONCURRENTLY orders_user ON orders (user_id)");
};

exports.down = async (knex) => {
  await knex.raw("DROP INDEX CONCURRENTLY orders_user");
};
