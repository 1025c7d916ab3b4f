import { setTimeout as sleep } from "node:timers/promises";
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import pg from "pg";

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const stepFunctions = new SFNClient();

/**
 * Makes a tenant with its schema and tables. Called again after a failure, it goes on where it stopped.
 *
 * @param {string} tenant
 */
export async function createTenant(tenant) {
  await pool.query("INSERT INTO tenants (name) VALUES ($1) ON CONFLICT DO NOTHING", [tenant]);
  await migrate(tenant);
  await pool.query("UPDATE tenants SET ready_at = now() WHERE name = $1 AND ready_at IS NULL", [tenant]);
}

/**
 * Runs the fleet for one tenant, which applies everything to a new schema.
 *
 * @param {string} tenant
 */
async function migrate(tenant) {
  const input = { command: "up", confirm: "tenants", targets: [tenant] };
  const { executionArn } = await stepFunctions.send(
    new StartExecutionCommand({ stateMachineArn: process.env.FLEET_MACHINE, input: JSON.stringify(input) }),
  );
  for (;;) {
    const { status, error, cause } = await stepFunctions.send(new DescribeExecutionCommand({ executionArn }));
    if (status === "SUCCEEDED") return;
    if (status !== "RUNNING") throw new Error(`${tenant} was not migrated: ${error ?? status}`, { cause });
    await sleep(1_000);
  }
}
