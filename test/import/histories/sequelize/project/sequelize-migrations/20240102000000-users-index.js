module.exports = {
  up: (queryInterface) =>
    queryInterface.sequelize.query("CREATE INDEX CONCURRENTLY users_mood ON users (mood)"),
  down: (queryInterface) => queryInterface.sequelize.query("DROP INDEX CONCURRENTLY users_mood"),
};
