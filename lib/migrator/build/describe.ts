import type { MigrationSource } from "../source.ts";
import { DIGEST_VERSION, sqlDigest } from "../sql/digest.ts";
import { maskSecrets } from "../sql/mask.ts";
import type { HistoryEntry } from "../store/write.ts";
import { type BuildContext, renderDown, renderUp } from "./build.ts";
import { fromSource, type LoadOptions, loadContexts } from "./load.ts";

/** What the history keeps of a file: digests, what it sent, and the SQL to undo. */
export type DescribedFile = Pick<HistoryEntry, "migration"> &
  Pick<Partial<HistoryEntry>, "digestVersion" | "sourceDigest" | "sqlDigest" | "upSql" | "downSql">;

/**
 * Describes one migration. Without steps (they depend on the database) it has no SQL digest: it can never be
 * called changed.
 */
export async function describeFile(
  context: BuildContext,
  steps: readonly string[] | undefined,
  sourceDigest: string | undefined,
): Promise<DescribedFile> {
  const downSql = await renderDown(context);
  return {
    migration: context.name,
    digestVersion: DIGEST_VERSION,
    ...(sourceDigest === undefined ? {} : { sourceDigest }),
    ...(steps === undefined ? {} : { sqlDigest: sqlDigest(steps), upSql: steps.map(maskSecrets) }),
    ...(downSql === undefined ? {} : { downSql }),
  };
}

/** Describes files as they are now, in running order. */
export async function describeFiles(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
): Promise<DescribedFile[]> {
  // Before they are loaded, as for a run.
  const digests = await fromSource(() => source.digests(names));
  const contexts = await loadContexts(source, names, options);
  const described: DescribedFile[] = [];
  for (const [name, context] of contexts) {
    described.push(await describeFile(context, await renderUp(context), digests.get(name)));
  }
  return described;
}
