import { existsSync } from "node:fs";
import { join } from "node:path";
import { sha256File } from "../../pipelines/lib/files.ts";
import type { Release } from "../../pipelines/publish/release.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

/** What is not whole of a release: files of its manifest that are gone or have other bytes, a warehouse that is not its own. */
export async function problemsOf({ folder, manifest }: Release): Promise<readonly string[]> {
  const problems: string[] = [];
  const files = [
    ...manifest.artefacts.map(({ file, sha256 }) => ({ path: join(folder, "artefacts", file), sha256 })),
    ...(manifest.out ?? []).map(({ file, sha256 }) => ({ path: join(folder, "out", file), sha256 })),
  ];
  if (files.length < 10) problems.push(`only ${files.length} files`);
  for (const { path, sha256 } of files) {
    if (!existsSync(path)) problems.push(`${path} is gone`);
    else if ((await sha256File(path)) !== sha256) problems.push(`${path} has other bytes`);
  }
  try {
    const database = await Database.open({ path: join(folder, "warehouse.duckdb"), readOnly: true });
    const id = await database.scalar("select release_id from meta.release");
    database.close();
    if (id !== manifest.release_id) problems.push(`the warehouse is of release ${id}`);
  } catch (error) {
    problems.push(String(error));
  }
  return problems;
}
