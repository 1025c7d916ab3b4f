import type { MigrationBuilder } from "cdk-pg-migrate";

export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.createTable("customers", {
    id: "id",
    email: { type: "text", notNull: true, unique: true },
  });
  pgm.addColumn("orders", { customer_id: { type: "integer", references: "customers" } });
}
