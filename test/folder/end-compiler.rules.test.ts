import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { projects } from "./folders.ts";

const make = projects();

describe("ending the compiler", () => {
  /** Processes that this one has started. */
  const children = () =>
    readdirSync("/proc/self/task").flatMap((task) =>
      readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean),
    );

  test("migrations load as before after the compiler was ended", async () => {
    const project = make({
      "migrations/001_a.ts": "export const up: string = 'a';",
      "migrations/002_b.ts": "import { b } from './lib/b.ts'; export const up = b;",
      "migrations/lib/b.ts": "export const b = 'b';",
    });
    const folder = await openFolder(project.dir, { cacheDir: project.cacheDir });
    await folder.endCompiler();
    const loaded = await folder.load(["001_a"]);
    await folder.endCompiler();
    expect(await folder.reload("001_a")).toEqual(loaded.get("001_a"));
    expect((await folder.load(["002_b"])).get("002_b")).toMatchObject({ exports: { up: "b" } });
  });

  (process.platform === "linux" ? test : test.skip)("endCompiler ends the process of esbuild", async () => {
    const project = make({ "migrations/001_a.ts": "export const up = 1;" });
    const folder = await openFolder(project.dir, { cacheDir: project.cacheDir });
    await folder.load(["001_a"]);
    const before = children().length;
    await folder.endCompiler();
    await expectSoon(() => children().length === before - 1);
  });
});

async function expectSoon(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !condition(); tries += 1) await sleep(10);
  expect(condition()).toBe(true);
}
