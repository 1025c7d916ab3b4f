// Who may import whom: the import table of CONTRIBUTING for the machine, checked by `npm run check`.
// Each room lists what it may reach; everything else inside the repository is refused.

/** A room's files may import only what `allowed` (regular expressions over resolved paths) names, and Node's modules. */
const room = (name, from, allowed) => ({
  name,
  severity: "error",
  from: { path: from },
  to: { pathNot: [from, ...allowed], dependencyTypesNot: ["core"] },
});

const npm = (...names) => names.map((name) => `^node_modules/(@types/)?${name}/`);
/** The indexes of rooms of `lib`: a room is entered by no other file. */
const rooms = (...names) => names.map((name) => `^lib/${name}/index\\.ts$`);

const dev = "^node_modules/(typescript|jest|@jest|@swc|dependency-cruiser|testcontainers|fast-check)/";
const REVIEW = ["lint", "verify", "catalog", "dump", "report", "squash"].map((name) => `review/${name}`);

module.exports = {
  forbidden: [
    room("bin-migrate", "^bin/migrate\\.ts$", rooms("cli")),
    room("bin-app", "^bin/app\\.ts$", ["^lib/(index|app-stack)\\.ts$"]),
    room("public", "^lib/(index|app-stack)\\.ts$", [
      ...rooms("constructs", "core"),
      ...npm("aws-cdk-lib", "constructs", "node-pg-migrate"),
    ]),
    room("public-testing", "^lib/testing\\.ts$", rooms("testing", "core")),
    room("public-client", "^lib/client\\.ts$", rooms("client", "core", "fleet")),
    room("core", "^lib/core/", []),
    room("sql", "^lib/sql/", rooms("core")),
    room("fleet", "^lib/fleet/", [...rooms("core"), ...npm("valibot")]),
    room("postgres", "^lib/postgres/", [...rooms("core", "sql"), ...npm("pg")]),
    room("engine", "^lib/engine/", [...rooms("core", "sql", "postgres"), ...npm("pg", "node-pg-migrate")]),
    room("folder", "^lib/folder/", [...rooms("core"), ...npm("esbuild")]),
    room("asset", "^lib/asset/", [...rooms("core", "folder"), ...npm("esbuild")]),
    room("client", "^lib/client/", [...rooms("core", "postgres", "engine", "folder", "fleet"), ...npm("pg")]),
    room("testing", "^lib/testing/", [
      ...rooms("core", "postgres", "folder", "client", "embedded"),
      ...npm("pg", "valibot"),
    ]),
    room("commands", "^lib/commands/", [...rooms("core", "engine", "fleet"), ...npm("valibot")]),
    room("import", "^lib/import/", [
      ...rooms("core", "sql", "folder"),
      ...npm("acorn", "esbuild", "valibot"),
    ]),
    room("embedded", "^lib/embedded/", [...rooms("core", "sql", "postgres"), ...npm("pg", "valibot")]),
    room("constructs", "^lib/constructs/", [
      ...rooms("core", "asset", "fleet"),
      "^lambda/contract\\.ts$",
      ...npm("aws-cdk-lib", "constructs"),
    ]),
    room("lambda", "^lambda/(?!(on-stack-event|stack-event/.*|on-fleet|on-fleet-event|fleet/.*)\\.ts$)", [
      "^lambda/",
      ...rooms("core", "sql", "postgres", "engine", "commands", "fleet"),
      ...npm("pg", "valibot", "@aws-sdk/client-secrets-manager", "@aws-sdk/rds-signer"),
    ]),
    room("stack-event", "^lambda/(on-stack-event|stack-event/.*)\\.ts$", [
      "^lambda/(runtime/(invocation|redactor|custom-resource)|contract)\\.ts$",
      ...rooms("core"),
      ...npm("valibot", "@aws-sdk/client-cloudformation", "@aws-sdk/client-lambda", "@aws-sdk/client-rds"),
    ]),
    room("fleet-functions", "^lambda/(on-fleet|on-fleet-event|fleet/.*)\\.ts$", [
      "^lambda/(runtime/(asset|credentials|custom-resource|invocation|redactor|schema|settings)|contract)\\.ts$",
      "^lambda/(deploy/(decide|event)|stack-event/stack-status)\\.ts$",
      ...rooms("core", "fleet"),
      ...npm(
        "valibot",
        "@aws-sdk/client-lambda",
        "@aws-sdk/client-s3",
        "@aws-sdk/client-secrets-manager",
        "@aws-sdk/client-sfn",
      ),
    ]),
    room("migrations", "^migrations/", npm("node-pg-migrate")),
    // The bench drives the doors of a checkout as a user does; of the rooms it needs a server, and to count statements;
    // node-pg-migrate is measured as a library too.
    room("bench", "^bench/", [
      ...rooms("sql", "embedded"),
      "^lib/testing\\.ts$",
      ...npm("pg", "valibot", "selfsigned", "aws-cdk-lib", "node-pg-migrate"),
    ]),
    // The JavaScript files of the folder are also for what runs before anything is compiled.
    room("scripts", "^(scripts/|bin/run\\.mjs)", [
      "^(scripts/|lib/(folder|asset)/[^/]+\\.mjs$)",
      ...npm("esbuild", "node-pg-migrate", "playwright-core", "typescript"),
    ]),
    {
      name: "review",
      comment:
        "What one looks at before and after: data, no terminal. Libraries of development are its own choice.",
      severity: "error",
      from: { path: "^lib/review/" },
      to: {
        path: ["^(bin|lambda|test|bench|migrations|lib)/", dev],
        pathNot: ["^lib/review/", ...rooms("core", "sql", "postgres", "engine")],
      },
    },
    {
      name: "review-by-its-indexes",
      severity: "error",
      from: { path: "^lib/review/([^/]+)/" },
      to: { path: "^lib/review/", pathNot: ["^lib/review/$1/", ...rooms(...REVIEW)] },
    },
    {
      name: "cli",
      severity: "error",
      from: { path: "^lib/cli/" },
      to: {
        path: ["^(bin|lambda|test|bench|migrations|lib)/", dev],
        pathNot: [
          "^lib/cli/",
          ...rooms(
            "core",
            "sql",
            "postgres",
            "engine",
            "client",
            "fleet",
            "import",
            "commands",
            "folder",
            "asset",
            "embedded",
            ...REVIEW,
          ),
        ],
      },
    },
    {
      name: "no-doors-tests-or-bench",
      severity: "error",
      from: { pathNot: "^(test|bin|bench)/" },
      to: { path: "^(bin|test|bench)/" },
    },
    {
      name: "one-adapter",
      comment: "node-pg-migrate is reached through one file; the public API exports some of its types",
      severity: "error",
      from: { path: "^(lib|lambda|bin)/", pathNot: "^lib/(engine/node-pg-migrate|index)\\.ts$" },
      to: { path: "^node_modules/node-pg-migrate/" },
    },
    {
      name: "constructs-load-no-engine",
      severity: "error",
      from: { path: "^lib/index\\.ts$" },
      to: { path: "^node_modules/node-pg-migrate/", dependencyTypesNot: ["type-only"] },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "no-folder-cycles", scope: "folder", severity: "error", from: {}, to: { circular: true } },
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
