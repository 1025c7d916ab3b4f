import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { IConstruct } from "constructs";
import { type FileProblem, given, type MigrationError, VERSION } from "../core/index.ts";
import { MigrationsFolder, markValidated, ROOT } from "./release.ts";
import { constructError } from "./validation.ts";

/** Which migrations are judged. */
export interface PostgresMigrationsValidationProps {
  /**
   * Name of a migration that has run everywhere. It and those before it are not judged.
   * @default - all migrations are judged
   */
  readonly after?: string;
}

/** A place in the tree of constructs. */
export interface MigrationsViolatingResource {
  /** Path of the construct. */
  readonly constructPath: string;
  /** Properties of the resource. */
  readonly locations: string[];
}

/** One thing that is wrong. */
export interface MigrationsViolation {
  /** Name of the rule, for an acknowledgement. */
  readonly ruleName: string;
  /** File, line and column, and what is wrong there. */
  readonly description: string;
  /** What to write instead. */
  readonly fix?: string;
  /** "fatal" for a file that cannot be a migration; "error", "warning" or "info" for a finding of lint. */
  readonly severity: string;
  /** The construct whose folder has the file. */
  readonly violatingResources: MigrationsViolatingResource[];
  /** File, line and column, for programs. */
  readonly ruleMetadata: { readonly [key: string]: string };
}

/** What a validation answers. */
export interface MigrationsValidationReport {
  /** Whether there is no error. */
  readonly success: boolean;
  /** Everything that is wrong. */
  readonly violations: MigrationsViolation[];
}

/**
 * Reports what lint finds in the migrations, and files that cannot be migrations, as violations of CDK's validation: with
 * file, line and what to do, in `cdk synth`, `cdk validate`, `cdk deploy` and the editors that show them. An error fails
 * synth; acknowledge a finding to accept it. Needs aws-cdk-lib 2.257 or newer, `libpg-query` for lint, and `squawk-cli`
 * for all of its rules; it uses no database and no network.
 *
 * Make it before the migrations. Then a folder with such a file does not throw, so that all findings are reported at once.
 */
export class PostgresMigrationsValidation {
  /** Name of the validation; rules are acknowledged as `cdk-pg-migrate::<rule>`. */
  readonly name: string = "cdk-pg-migrate";
  /** Version of the package. */
  readonly version: string = VERSION;
  private readonly scope: IConstruct;
  private readonly after: string | undefined;

  /**
   * @param scope the app, or a stage of it
   * @throws Error if there are migrations below the scope already
   */
  constructor(scope: IConstruct, props: PostgresMigrationsValidationProps = {}) {
    if (foldersBelow(scope).length > 0) {
      throw constructError(scope, "make the PostgresMigrationsValidation before the PostgresMigrations");
    }
    markValidated(scope);
    this.scope = scope;
    this.after = props.after;
  }

  /** Called by CDK at the end of synth. */
  validate(): MigrationsValidationReport {
    const folders = foldersBelow(this.scope).filter(({ isUsed }) => isUsed);
    const violations = folders.flatMap((folder) =>
      folder.error === undefined ? this.lint(folder) : problemsOf(folder, folder.error),
    );
    return { success: !violations.some(({ severity }) => FAILING.includes(severity)), violations };
  }

  private lint(folder: MigrationsFolder): MigrationsViolation[] {
    const answer = runLint(folder, this.after);
    if (answer.ok !== undefined && "findings" in answer) {
      return answer.findings.map((finding) =>
        violation(folder, finding.rule, { ...finding, hint: finding.help }),
      );
    }
    const { code, message, hint, problems } = answer.error;
    if (code === "TOOL_MISSING") {
      return [violation(folder, "not-linted", { severity: "info", message, ...given({ hint }) })];
    }
    return problemsOf(folder, { message, details: given({ hint, problems }) });
  }
}

const FAILING = ["fatal", "error"];

function foldersBelow(scope: IConstruct): readonly MigrationsFolder[] {
  return scope.node.findAll().filter((construct) => construct instanceof MigrationsFolder);
}

interface Finding extends FileProblem {
  readonly rule: string;
  readonly severity: string;
  readonly help: string;
}

/** What `lint --json` prints. Both processes run the same version of this code. */
type LintAnswer =
  | { readonly ok: boolean; readonly findings: readonly Finding[] }
  | {
      readonly ok: false;
      readonly error: {
        readonly code: string;
        readonly message: string;
        readonly hint?: string;
        readonly problems?: readonly FileProblem[];
      };
    };

/** In another process, because lint cannot be done without awaiting, and must not share the app's memory. */
function runLint({ props }: MigrationsFolder, after: string | undefined): LintAnswer {
  const flags = Object.entries({
    "--migrations-dir": props.migrationsDir,
    "--ignore-pattern": props.ignorePattern,
    "--after": after,
  }).flatMap(([flag, value]) => (value === undefined ? [] : [`${flag}=${value}`]));
  const args = ["lint", "--files-only", "--json", ...flags, ...(props.decamelize ? ["--decamelize"] : [])];
  const ended = spawnSync(process.execPath, [program(), ...args], {
    encoding: "utf8",
    maxBuffer: Number.POSITIVE_INFINITY,
    windowsHide: true,
  });
  try {
    return JSON.parse(ended.stdout);
  } catch (cause) {
    throw new Error(`lint failed: ${ended.error?.message ?? ended.stderr.trim()}`, { cause });
  }
}

/** The command line: in a checkout the sources, in the published package the compiled program. */
function program(): string {
  const sources = join(ROOT, "bin", "run.mjs");
  return existsSync(sources) ? sources : join(ROOT, "cli", "migrate.mjs");
}

/** A folder or a file in it that cannot be used; the construct has no asset then. */
function problemsOf(
  folder: MigrationsFolder,
  { message, details }: Pick<MigrationError, "message" | "details">,
): MigrationsViolation[] {
  const { hint, problems } = details;
  if (problems === undefined || problems.length === 0) {
    return [
      violation(folder, "folder", { severity: "fatal", message, ...given({ hint: hint?.toString() }) }),
    ];
  }
  return problems.map((problem) => {
    const file = relative(process.cwd(), resolve(folder.props.migrationsDir, problem.file));
    return violation(folder, "folder", { hint: hint?.toString(), ...problem, file, severity: "fatal" });
  });
}

interface Place extends Partial<Omit<FileProblem, "message" | "hint">> {
  readonly severity: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

function violation(
  folder: MigrationsFolder,
  ruleName: string,
  { severity, file, line, column, message, hint }: Place,
): MigrationsViolation {
  const place = [file, line, column].filter((part) => part !== undefined).join(":");
  const metadata = Object.entries({ file, line, column }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)] as const],
  );
  return {
    ruleName,
    description: shown(place === "" ? message : `${place}: ${message}`),
    ...(hint === undefined ? {} : { fix: shown(hint) }),
    severity,
    violatingResources: [
      { constructPath: `${folder.node.scope?.node.path}/Resource/Default`, locations: [] },
    ],
    ruleMetadata: Object.fromEntries(metadata),
  };
}

/** Names of files may hold characters that a terminal obeys. */
function shown(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => (character === "\n" ? " " : "\ufffd"));
}
