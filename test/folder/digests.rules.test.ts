import { createHash } from "node:crypto";
import {
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { digestOf, digestsOf } from "./digesting.ts";
import { type Files, LONG_AGO, projects } from "./folders.ts";

const make = projects();

const WITH_HELPERS: Files = {
  "migrations/001_a.ts": 'import { a } from "./lib/a.js";\nexport const up = a;\n',
  "migrations/lib/a.ts": 'import b from "../../shared/b.json";\nexport const a = () => b;\n',
  "shared/b.json": '{ "b": 1 }\n',
  "migrations/002_b.sql": "SELECT 1;\nSELECT 2;\n",
  "migrations/003_c.up.sql": "SELECT 1;\n",
  "migrations/003_c.down.sql": "SELECT 2;\n",
};

describe("equal digests", () => {
  test("digests stay the same for ever", async () => {
    // Histories hold them: a change here is an upgrade path there.
    expect(Object.fromEntries(await digestsOf(make(WITH_HELPERS)))).toMatchInlineSnapshot(`
{
  "001_a": "d2f4fc2b8f5a8a860b8fac145adb28e4697c740d371ea355b32a0bc7d4de112e",
  "002_b": "088974ffb2e1f6f45b6fe73ac0d9d42a8d84d3f55ad6b7657c90a0b9e4eccd2c",
  "003_c": "cad65d5248da1433052c7f5637bcb34f38807fbf15287db70d20fcdc97db62c6",
}
`);
  });

  test("a digest is the same in another folder", async () => {
    expect(await digestsOf(make(WITH_HELPERS))).toEqual(await digestsOf(make(WITH_HELPERS)));
  });

  test.each(["\r\n", "\r"])(
    "a digest is the same with line ends %j and with a byte order mark",
    async (end) => {
      const files = Object.entries(WITH_HELPERS).map(([name, text]) => [name, text.replaceAll("\n", end)]);
      const marked = {
        ...Object.fromEntries(files),
        "migrations/002_b.sql": `\ufeffSELECT 1;${end}SELECT 2;${end}`,
      };
      expect(await digestsOf(make(marked))).toEqual(await digestsOf(make(WITH_HELPERS)));
    },
  );

  test("a digest is the same after a touch", async () => {
    const project = make(WITH_HELPERS);
    const before = await digestsOf(project);
    const later = new Date("2021-01-01");
    utimesSync(join(project.dir, "001_a.ts"), later, later);
    expect(await digestsOf(project)).toEqual(before);
  });

  test("a digest is the same through a link to the folder", async () => {
    const { root, dir, cacheDir } = make(WITH_HELPERS);
    symlinkSync(dir, join(root, "link"));
    expect(await digestsOf({ dir: join(root, "link"), cacheDir })).toEqual(
      await digestsOf({ dir, cacheDir }),
    );
  });

  test.each<[string, (sound: string) => string]>([
    ["a corrupt cache", () => "{"],
    ["a cache of another version", (sound) => sound.replace(/"version":\d+/, '"version":0')],
    ["a cache of another shape", (sound) => sound.replace(/"entries":.*$/, '"entries":[]}')],
    [
      "an entry that is no object",
      (sound) => sound.replace(/"002_b\.sql":\{/, '"000_a.sql":null,"002_b.sql":{'),
    ],
    ["a digest that is none", (sound) => sound.replace(/"digest":"\w+"/, '"digest":"abc"')],
    ["a digest of another type", (sound) => sound.replace(/"digest":"\w+"/, '"digest":1')],
    ["an entry without files", (sound) => sound.replace(/"files":\{.*?\}/, '"files":{}')],
    ["a version that is no text", (sound) => sound.replace(/("002_b\.sql"):"[\d. ]+"/, "$1:1")],
  ])("a digest is the same with %s", async (_what, broken) => {
    const project = make(WITH_HELPERS);
    const before = await digestsOf(project);
    const [file = ""] = readdirSync(join(project.cacheDir, "digests"));
    const path = join(project.cacheDir, "digests", file);
    const sound = readFileSync(path, "utf8");
    expect(broken(sound)).not.toBe(sound);
    writeFileSync(path, broken(sound));
    expect(await digestsOf(project)).toEqual(before);
    expect(readFileSync(path, "utf8")).toBe(sound);
  });

  test("a digest counts every byte, whatever the encoding", async () => {
    // "\u00e9" in UTF-8 and in latin1, a mark and U+FFFD as they are in a text, and the same with line ends.
    const texts = ["c3 a9", "e9", "e9 0d 0a", "c3 af c2 bb c2 bf", "ef bf bd 0d", "ef bb bf ef bf bd"];
    const files = texts.map((_, at) => [`migrations/${100 + at}_a.sql`, ""]);
    const project = make(Object.fromEntries(files));
    for (const [at, hex] of texts.entries())
      writeFileSync(join(project.dir, `${100 + at}_a.sql`), Buffer.from(hex.replaceAll(" ", ""), "hex"));
    const expected = ["c3a9", "e9", "e90a", "c3afc2bbc2bf", "efbfbd0a", "efbfbd"].map((hex, at) => {
      const own = createHash("sha256").update(Buffer.from(hex, "hex")).digest("hex");
      return createHash("sha256")
        .update(`${100 + at}_a.sql\0${own}\n`)
        .digest("hex");
    });
    expect([...(await digestsOf(project)).values()]).toEqual(expected);
  });

  test("a digest is the same where nothing can be cached", async () => {
    const project = make({ ...WITH_HELPERS, plain: "" });
    const nowhere = { dir: project.dir, cacheDir: join(project.root, "plain") };
    expect(await digestsOf(nowhere)).toEqual(await digestsOf(project));
  });
});

describe("changed digests", () => {
  test.each(["migrations/001_a.ts", "migrations/lib/a.ts", "shared/b.json"])(
    "a digest changes when %s changes",
    async (file) => {
      const project = make(WITH_HELPERS);
      const before = await digestsOf(project);
      project.write({ [file]: `${WITH_HELPERS[file]}\n\n` });
      const after = await digestsOf(project);
      expect(after.get("001_a")).not.toBe(before.get("001_a"));
      expect(after.get("002_b")).toBe(before.get("002_b"));
    },
  );

  test.each(["migrations/003_c.up.sql", "migrations/003_c.down.sql"])(
    "a digest changes when %s changes",
    async (file) => {
      const project = make(WITH_HELPERS);
      const before = await digestOf(project, "003_c");
      project.write({ [file]: "SELECT 3;\n" });
      expect(await digestOf(project, "003_c")).not.toBe(before);
    },
  );

  test("a digest changes when a pair gains its down file", async () => {
    const project = make({ "migrations/001_a.up.sql": "" });
    const before = await digestOf(project);
    project.write({ "migrations/001_a.down.sql": "" });
    expect(await digestOf(project)).not.toBe(before);
  });

  test("a digest changes when a text of the same size and time replaces a file", async () => {
    const project = make({ "migrations/001_a.sql": "SELECT 1" });
    const before = await digestOf(project);
    const path = join(project.dir, "001_a.sql");
    writeFileSync(path, "SELECT 2");
    utimesSync(path, LONG_AGO, LONG_AGO);
    expect(await digestOf(project)).not.toBe(before);
  });

  test("a digest changes when an import is missing or resolves to another file", async () => {
    const project = make(WITH_HELPERS);
    const before = await digestOf(project);
    const helper = join(project.dir, "lib/a.ts");
    renameSync(helper, `${helper}.away`);
    const gone = await digestOf(project);
    expect(gone).not.toBe(before);
    project.write({ "migrations/lib/a.js": "export const a = 1;" });
    expect(await digestOf(project)).not.toBe(gone);
    renameSync(`${helper}.away`, helper);
    rmSync(join(project.dir, "lib/a.js"));
    expect(await digestOf(project)).toBe(before);
  });

  test("a digest is computed even if a file does not compile or a package is missing", async () => {
    const broken = {
      "migrations/001_a.ts": 'import "./b.ts"; import "nowhere"; const = ;',
      "migrations/b/x": "",
    };
    expect(await digestOf(make(broken))).toMatch(/^[0-9a-f]{64}$/);
  });
});

test("files changed in the last two seconds are not cached", async () => {
  const project = make({ "migrations/001_a.sql": "SELECT 1" });
  writeFileSync(join(project.dir, "002_b.sql"), "SELECT 2");
  await digestsOf(project);
  const [file = ""] = readdirSync(join(project.cacheDir, "digests"));
  const cached = readFileSync(join(project.cacheDir, "digests", file), "utf8");
  expect(cached).toContain("001_a.sql");
  expect(cached).not.toContain("002_b.sql");
});

test("a digest of an unknown name is refused", async () => {
  const folder = await openFolder(make({}).dir);
  await expect(folder.digests(["001_a"])).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(/"001_a"/),
  });
});
