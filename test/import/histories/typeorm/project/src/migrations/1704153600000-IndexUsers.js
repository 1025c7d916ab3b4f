module.exports = class IndexUsers1704153600000 {
  transaction = false;

  async up(queryRunner) {
    await queryRunner.query(`CREATE INDEX CONCURRENTLY "IDX_user" ON "user" ("firstName")`);
  }

  async down(queryRunner) {
    await queryRunner.query(`DROP INDEX CONCURRENTLY "IDX_user"`);
  }
};
