module.exports = {
  up: async ({ sequelize }) => {
    await sequelize.query(`
      CREATE TABLE orders (id serial PRIMARY KEY, user_id int NOT NULL REFERENCES users);
      COMMENT ON COLUMN orders.user_id IS 'who has bought it';
    `);
  },
  down: async ({ sequelize }) => {
    await sequelize.query("DROP TABLE orders");
  },
};
