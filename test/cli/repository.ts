import { execFileSync } from "node:child_process";
import { addFiles, writeFolder } from "../support/folders.ts";

/** A git repository of a test, with a branch that is merged into main as GitHub does it for a pull request. */
export class Repository {
  readonly dir: string;

  /** Commits these files to main. */
  constructor(files: Readonly<Record<string, string>>) {
    this.dir = writeFolder({ ".gitignore": "node_modules\n.local-postgres\n", ...files });
    this.git("init", "--quiet", "--initial-branch=main");
    this.git("config", "user.name", "test");
    this.git("config", "user.email", "test@example.com");
    this.#commit("base");
    this.git("switch", "--quiet", "--create", "topic");
  }

  git(...args: string[]): string {
    return execFileSync("git", args, { cwd: this.dir, encoding: "utf8" }).trim();
  }

  /** Commits to the branch, and checks out its merge with main; the result is the hash of the merge. */
  propose(files: Readonly<Record<string, string>>): string {
    this.git("switch", "--quiet", "topic");
    addFiles(this.dir, files);
    this.#commit("change");
    return this.merge();
  }

  merge(): string {
    const topic = this.git("rev-parse", "topic");
    this.git("switch", "--quiet", "--detach", "main");
    this.git("merge", "--quiet", "--no-ff", "--message=merge", topic);
    return this.git("rev-parse", "HEAD");
  }

  #commit(message: string): void {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--allow-empty", `--message=${message}`);
  }
}
