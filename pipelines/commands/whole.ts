import { existsSync } from "node:fs";
import { join } from "node:path";
import { sha256File } from "../lib/files.ts";
import type { Release } from "../publish/release.ts";
import { Database } from "../warehouse/database.ts";

/**
 * What is not as it was built: every file that the manifest names has its bytes, the warehouse opens and is of the same release, the site
 * is there. Null for a whole release.
 */
export async function whatIsMissing({ folder, manifest }: Release, hasSite: boolean): Promise<string | null> {
  const files = [
    ...manifest.artefacts.map(({ file, sha256 }) => ({ file: join("artefacts", file), sha256 })),
    ...(manifest.out ?? []).map(({ file, sha256 }) => ({ file: join("out", file), sha256 })),
  ];
  for (const { file, sha256 } of files) {
    if (!existsSync(join(folder, file))) return `${file} is gone`;
    if ((await sha256File(join(folder, file))) !== sha256) return `${file} has other bytes than it was built with`;
  }
  if (hasSite && !existsSync(join(folder, "site", "index.html"))) return "its site is gone";
  const database = await Database.open({ path: join(folder, "warehouse.duckdb"), readOnly: true, threads: 1 }).catch(
    () => null,
  );
  if (database === null) return "warehouse.duckdb does not open";
  try {
    const id = await database.scalar("select release_id from meta.release").catch(() => null);
    return id === manifest.release_id ? null : "warehouse.duckdb is of another release";
  } finally {
    database.close();
  }
}
