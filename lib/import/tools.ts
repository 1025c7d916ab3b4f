import { MigrationError } from "../core/index.ts";
import { flyway } from "./flyway.ts";
import { knex, sequelize, typeorm } from "./javascript.ts";
import { liquibase } from "./liquibase.ts";
import { drizzle, prisma } from "./orm-sql.ts";
import { rails } from "./rails.ts";
import { dbmate, golangMigrate, goose } from "./sql-files.ts";
import type { Tool } from "./tool.ts";

/** Every tool that can be imported from, by the word for it on the command line. */
const TOOLS: Readonly<Record<string, Tool>> = {
  flyway,
  liquibase,
  prisma,
  drizzle,
  knex,
  sequelize,
  typeorm,
  dbmate,
  "golang-migrate": golangMigrate,
  goose,
  rails,
};

export const TOOL_NAMES: readonly string[] = Object.keys(TOOLS);

/** @throws MigrationError `USAGE` */
export function toolNamed(name: string | undefined): Tool {
  const tool = name === undefined ? undefined : TOOLS[name];
  if (tool !== undefined) return tool;
  const message = name === undefined ? "--from is not given" : `no tool ${JSON.stringify(name)} is known`;
  throw new MigrationError("USAGE", message, {
    hint: `Name the tool that has made the migrations: ${TOOL_NAMES.join(", ")}.`,
  });
}
