import { choice, defineCommand, toggle } from "../command.ts";
import { DATABASE_FLAGS } from "../flags.ts";
import { printJson } from "../output/json.ts";
import { renderGithub, renderLint } from "../output/lint-report.ts";
import { visibleAll } from "../output/visible.ts";
import { EXIT, widthOf } from "../world.ts";
import { withContext } from "./context.ts";

export const lint = defineCommand({
  name: "lint",
  summary: "look for what is dangerous in the SQL of pending migrations (needs squawk-cli and libpg-query)",
  input: {},
  flags: {
    all: toggle("--all", "look at applied migrations too"),
    format: choice("--format <format>", "for people, or as annotations of GitHub (default: text)", [
      "text",
      "github",
    ]),
    ...DATABASE_FLAGS,
  },
  // Exit code 1 when an error is found; warnings alone pass.
  run: (world, flags) =>
    withContext(world, flags, { remarksTo: world.stderr }, async ({ migrator, source, target, printer }) => {
      const { lintMigrations, readColumnTypes } = await import("../../review/lint/index.ts");
      const all = flags.all === true;
      const forecast = await migrator.forecast({ all });
      const github = flags.format === "github";
      const report = await lintMigrations({
        forecast,
        all,
        folder: source,
        signal: world.signal,
        // With all migrations, the types follow from the migrations themselves.
        columnTypes: async () => (all ? [] : readColumnTypes(target.connection)),
        newestApplied: all || flags.order === "allow" ? null : forecast.head,
        // Annotations are placed from the root of the repository.
        relativeTo: (github ? world.env["GITHUB_WORKSPACE"] : undefined) ?? world.cwd,
      });
      if (flags.json) printJson(world, "lint", report);
      else if (github) world.stdout.write(renderGithub(report));
      else
        printer.verbatim(
          renderLint(visibleAll(report), { width: widthOf(world.stdout), colors: printer.colors }),
        );
      return report.ok ? EXIT.done : EXIT.failed;
    }),
});
