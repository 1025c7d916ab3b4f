module.exports = class AddAge1704240000000 {
  async up(queryRunner) {
    await queryRunner.query('ALTER TABLE "user" ADD "age" integer');
    await queryRunner.query('COMMENT ON COLUMN "user"."age" IS \'in years\'');
  }

  async down(queryRunner) {
    await queryRunner.query('ALTER TABLE "user" DROP COLUMN "age"');
  }
};
