import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import * as v from "valibot";
import { type Assembly, readAssembly } from "../aws/cloud/template.ts";
import type { Scenarios } from "../aws/environment.ts";
import { type Consumer, consumer, REPOSITORY } from "./install.ts";

const Template = v.looseObject({ Resources: v.record(v.string(), v.unknown()) });

/**
 * The example inside of an app that has installed the package, where Node finds the package and CDK. The client of Step
 * Functions is this repository's.
 */
function installFleetExample({ dir }: Consumer): Consumer {
  const app = consumer(join(dir, "fleet"));
  cpSync(join(REPOSITORY, "examples", "fleet"), app.dir, { recursive: true });
  mkdirSync(join(app.dir, "node_modules"));
  symlinkSync(join(REPOSITORY, "node_modules", "@aws-sdk"), join(app.dir, "node_modules", "@aws-sdk"));
  return app;
}

/** The harness serves one custom resource of a stack: what belongs to that of the shared tables is left out. */
async function synthesize(app: Consumer): Promise<Assembly> {
  // Beside the app: its package.json makes ES modules of what is below, the provider framework too.
  const directory = join(app.dir, "../../fleet.out");
  await app.run(process.execPath, ["app.js"], { CDK_OUTDIR: directory, CDK_VALIDATION: "false" });
  const file = join(directory, "Shop.template.json");
  const { Resources, ...template } = v.parse(Template, JSON.parse(readFileSync(file, "utf8")));
  const ofFleet = Object.entries(Resources).filter(([id]) => !id.startsWith("Shared"));
  expect(ofFleet.length).toBeLessThan(Object.keys(Resources).length);
  writeFileSync(file, JSON.stringify({ ...template, Resources: Object.fromEntries(ofFleet) }));
  return readAssembly(directory);
}

/** The example of a fleet, from its deploy before the first tenant to tenants that an application makes. */
export function fleetExample(installed: () => Consumer): Scenarios {
  return (aws) =>
    test("the example of a fleet is deployed without tenants, and its application makes some, each with all migrations", async () => {
      const app = installFleetExample(installed());
      const assembly = await synthesize(app);
      const { withStack, server, services } = aws();
      await withStack({ database: "shop" }, async ({ stack, db }) => {
        const { host, port } = server.connection;
        const ca = join(app.dir, "ca.pem");
        writeFileSync(ca, server.ca);
        const url = `postgres://${db.owner}:${encodeURIComponent(db.password)}@${host}:${port}/${db.name}?sslmode=verify-full&sslrootcert=${encodeURIComponent(ca)}`;
        const program = (...args: readonly string[]) =>
          app.run(join(installed().dir, "node_modules/.bin/cdk-pg-migrate"), args, { DATABASE_URL: url });

        await program("up", "--migrations-dir", "migrations/shared", "--yes");
        expect(await stack.create(assembly)).toMatchObject({ status: "SUCCESS", data: { Done: "0" } });

        const script = `import { createTenant } from "./create-tenant.js";
          await createTenant("acme");
          await createTenant("globex");
          await createTenant("acme");
          process.exit();`;
        await app.run(process.execPath, ["--input-type=module", "-e", script], {
          ...services.everywhere.environment,
          DATABASE_URL: url,
          FLEET_MACHINE: stack.stateMachineArn("TenantsOperateMachine"),
        });
        expect(
          await db.query("SELECT name, ready_at IS NOT NULL AS ready FROM tenants ORDER BY name"),
        ).toEqual([
          { name: "acme", ready: true },
          { name: "globex", ready: true },
        ]);
        const targets = "SELECT name, 'tenant_' || name AS schema FROM tenants";
        const flags = ["--migrations-dir", "migrations/tenant", "--targets", targets, "--json"];
        expect(JSON.parse(await program("fleet", "status", ...flags))).toMatchObject({
          counts: { done: 2 },
          versions: [{ head: "1770000000001_add-notes", count: 2 }],
        });
      });
    }, 300_000);
}
