import type { MigrationSource } from "../source.ts";
import { DIGEST_VERSION } from "../sql/digest.ts";
import type { HistoryEntry } from "../store/write.ts";
import { renderDown, upDigest } from "./build.ts";
import { fromSource, type LoadOptions, loadContexts } from "./load.ts";

/** What the history keeps of a file: digests, and the SQL to undo. */
export type DescribedFile = Pick<HistoryEntry, "migration"> &
  Pick<Partial<HistoryEntry>, "digestVersion" | "sourceDigest" | "sqlDigest" | "downSql">;

/** Describes files as they are now, in running order. */
export async function describeFiles(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
): Promise<DescribedFile[]> {
  const contexts = await loadContexts(source, names, options);
  const digests = await fromSource(() => source.digests(names));
  const described: DescribedFile[] = [];
  for (const [migration, context] of contexts) {
    const [sourceDigest, sqlDigest, downSql] = [
      digests.get(migration),
      await upDigest(context),
      await renderDown(context),
    ];
    described.push({
      migration,
      digestVersion: DIGEST_VERSION,
      ...(sourceDigest === undefined ? {} : { sourceDigest }),
      ...(sqlDigest === undefined ? {} : { sqlDigest }),
      ...(downSql === undefined ? {} : { downSql }),
    });
  }
  return described;
}
