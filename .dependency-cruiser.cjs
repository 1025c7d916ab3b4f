// Who may import whom: the import table of the design, checked by `npm run check`.
// Each room lists what it may reach; everything else inside the repository is refused.
const dev = "^node_modules/(typescript|jest|@jest|@swc|dependency-cruiser|testcontainers|fast-check)/";

/** A room's files may import only what `allowed` (regular expressions over resolved paths) names. */
const room = (name, from, allowed) => ({
  name,
  severity: "error",
  from: { path: from },
  to: { pathNot: allowed, dependencyTypesNot: ["core"] },
});

const npm = (...names) => names.map((name) => `^node_modules/(@types/)?${name}/`);

module.exports = {
  forbidden: [
    room("bin-migrate", "^bin/migrate\\.ts$", ["^lib/cli/"]),
    room("bin-app", "^bin/app\\.ts$", ["^lib/(index|app-stack)\\.ts$"]),
    room("public", "^lib/(index|app-stack)\\.ts$", [
      "^lib/(constructs/|core/|app-stack\\.ts$)",
      ...npm("aws-cdk-lib", "constructs", "node-pg-migrate"),
    ]),
    room("core", "^lib/core/", ["^lib/core/"]),
    room("migrator", "^lib/migrator/", ["^lib/(core|migrator)/", ...npm("pg", "node-pg-migrate")]),
    room("sql", "^lib/migrator/sql/", ["^lib/(core|migrator/sql)/"]),
    room("commands", "^lib/commands/", ["^lib/(commands|core|migrator)/", ...npm("valibot")]),
    room("bundle", "^lib/bundle/", ["^lib/(core|bundle)/", ...npm("esbuild")]),
    room("constructs", "^lib/constructs/", [
      "^lib/(constructs|core|bundle)/",
      "^lambda/contract\\.ts$",
      ...npm("aws-cdk-lib", "constructs"),
    ]),
    room("lambda", "^lambda/(?!(on-stack-event|stack-event/.*)\\.ts$)", [
      "^lambda/",
      "^lib/(commands|core|migrator)/",
      ...npm("pg", "valibot", "@aws-sdk/client-secrets-manager"),
    ]),
    room("stack-event", "^lambda/(on-stack-event|stack-event/.*)\\.ts$", [
      "^lib/core/",
      "^lambda/(stack-event/|runtime/(invocation|log|redactor|cut|resource-name)\\.ts$|contract\\.ts$)",
      ...npm("valibot", "@aws-sdk/client-cloudformation", "@aws-sdk/client-lambda"),
    ]),
    // The bench drives the doors of a checkout as a user does; of the rooms it needs a server, and to count statements.
    room("bench", "^bench/", [
      "^bench/",
      "^lib/(migrator|cli/local)/index\\.ts$",
      ...npm("pg", "valibot", "selfsigned", "aws-cdk-lib"),
    ]),
    room("scripts", "^scripts/", [
      "^(scripts/|lib/bundle/.*\\.mjs$)",
      ...npm("esbuild", "node-pg-migrate", "typescript"),
    ]),
    room("migrations", "^migrations/", ["^migrations/", ...npm("node-pg-migrate")]),
    {
      name: "cli",
      severity: "error",
      from: { path: "^lib/cli/" },
      to: { path: ["^(bin|lambda|test|migrations)/", "^lib/(constructs|index|app-stack)", dev] },
    },
    {
      name: "no-doors-or-tests",
      severity: "error",
      from: { pathNot: "^(test|bin)/" },
      to: { path: "^(bin|test)/" },
    },
    {
      name: "no-bench",
      severity: "error",
      from: { pathNot: "^(bench|test)/" },
      to: { path: "^bench/" },
    },
    {
      name: "one-adapter",
      comment: "node-pg-migrate is reached through one file; the public API exports some of its types",
      severity: "error",
      from: { path: "^(lib|lambda|bin)/", pathNot: "^lib/(migrator/node-pg-migrate|index)\\.ts$" },
      to: { path: "^node_modules/node-pg-migrate/" },
    },
    {
      name: "core-by-its-index",
      severity: "error",
      from: { pathNot: "^(lib/core|test)/" },
      to: { path: "^lib/core/", pathNot: "^lib/core/index\\.ts$" },
    },
    {
      name: "constructs-by-its-index",
      severity: "error",
      from: { pathNot: "^(lib/constructs|test)/" },
      to: { path: "^lib/constructs/", pathNot: "^lib/constructs/index\\.ts$" },
    },
    {
      name: "commands-by-its-index",
      severity: "error",
      from: { pathNot: "^(lib/commands|test)/" },
      to: { path: "^lib/commands/", pathNot: "^lib/commands/index\\.ts$" },
    },
    {
      name: "constructs-load-no-engine",
      severity: "error",
      from: { path: "^lib/index\\.ts$" },
      to: { path: "^node_modules/node-pg-migrate/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "bundle-by-its-index",
      comment:
        "its JavaScript files are also for what runs before anything is compiled: bin/run.mjs and scripts/",
      severity: "error",
      from: { pathNot: "^(lib/bundle|test)/" },
      to: { path: "^lib/bundle/", pathNot: "^lib/bundle/((asset/)?index\\.ts|.*\\.mjs)$" },
    },
    {
      name: "migrator-by-its-index",
      severity: "error",
      from: { pathNot: "^(lib/migrator|test)/" },
      to: { path: "^lib/migrator/", pathNot: "^lib/migrator/index\\.ts$" },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "no-orphans", severity: "error", from: { orphan: true, path: "^(lib|lambda)/" }, to: {} },
    {
      name: "no-undeclared",
      severity: "error",
      from: { path: "^(lib|lambda|bin)/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["npm-peer"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};
