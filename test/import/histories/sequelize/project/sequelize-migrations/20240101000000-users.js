/** @type {import('sequelize-cli').Migration} */
module.exports = {
  async up(queryInterface, _Sequelize) {
    await queryInterface.sequelize.query(
      "CREATE TABLE users (id serial PRIMARY KEY, name varchar(80) NOT NULL DEFAULT 'a;b')",
    );
    await queryInterface.sequelize.query("CREATE TYPE mood AS ENUM ('sad', 'ok')");
    await queryInterface.sequelize.query("ALTER TABLE users ADD COLUMN mood mood");
  },

  async down(queryInterface, _Sequelize) {
    await queryInterface.sequelize.query("DROP TABLE users");
    await queryInterface.sequelize.query("DROP TYPE mood");
  },
};
