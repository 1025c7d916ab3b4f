exports.up = (knex) =>
  knex.raw("CREATE VIEW buyers AS SELECT DISTINCT u.email FROM users u JOIN orders o ON o.user_id = u.id");
exports.down = (knex) => knex.raw("DROP VIEW buyers");
