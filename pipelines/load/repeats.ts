/**
 * Usage rows whose declared key has been seen before. Of rows with the same key the first one visible stands (then by order of delivery,
 * then of lines); the others are named here by file and row, so that reading usage needs no sort. What is found is remembered per set
 * of files: a new night compares its own keys with the old ones and ranks only the keys that repeat.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { canonicalJson, sha256, writeFileAtomic } from "../lib/files.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { rowsOf } from "./bundle.ts";
import type { Delivery } from "./delivery.ts";
import { visibleOn } from "./visible.ts";

/** Where the repeats of a source are: columns `file` (name in the store), `row_number` (from 0), `key`, `visible_on`, `is_other`. */
export interface Repeats {
  readonly path: string;
  readonly rows: number;
  /** Rows that repeat a key with other content: corrections that were not applied. */
  readonly corrections: number;
}

interface Remembered {
  readonly rule: string;
  readonly files: readonly string[];
  readonly path: string;
}

const version = 1;

/** The key of a row as one text; null when one of its columns is. */
export const keyText = (key: readonly string[], prefix = ""): string =>
  key.map((name) => `cast(${prefix}${quoteIdentifier(name)} as varchar)`).join(" || chr(31) || ");

/** `within`: only rows of one delivery repeat each other, as where a later delivery replaces days of an earlier one. */
export async function rememberRepeats(
  database: Database,
  store: string,
  key: readonly string[],
  arrivalKnown: boolean,
  latencyDays: number,
  deliveries: readonly Delivery[],
  { entity, within }: { readonly entity: "usage_event" | "usage_daily"; readonly within: boolean },
): Promise<Repeats> {
  const folder = join(store, "repeats");
  await mkdir(folder, { recursive: true });
  const rule = canonicalJson([
    version,
    key,
    arrivalKnown,
    latencyDays,
    ...(within ? ["within"] : []),
    ...(entity === "usage_daily" ? [entity] : []),
  ]);
  const files = deliveries.map(({ rows }) => basename(rows));
  const path = join(folder, `${sha256(canonicalJson([rule, files])).slice(0, 32)}.parquet`);
  if (!existsSync(path)) {
    const before = await bestRemembered(folder, rule, files);
    // What the rows are of comes first: a run that is killed in between leaves no rows, and the next one writes both.
    await writeFileAtomic(path.replace(/\.parquet$/, ".json"), canonicalJson({ rule, files }));
    await find(database, { key, arrivalKnown, latencyDays, deliveries, before, path, within, entity });
  }
  const [counts] = await database.query<{ rows: number; corrections: number }>(
    `select count(*) as rows, count(*) filter (where is_other) as corrections from read_parquet(${literal(path)})`,
  );
  return { path, rows: counts?.rows ?? 0, corrections: counts?.corrections ?? 0 };
}

/** The largest earlier set of files that today's files include. */
async function bestRemembered(folder: string, rule: string, files: readonly string[]): Promise<Remembered | null> {
  const now = new Set(files);
  let best: Remembered | null = null;
  for (const name of (await readdir(folder)).filter((entry) => entry.endsWith(".json")).sort()) {
    const path = join(folder, name.replace(/\.json$/, ".parquet"));
    if (!existsSync(path)) continue;
    const found = JSON.parse(await readFile(join(folder, name), "utf8")) as Omit<Remembered, "path">;
    if (found.rule !== rule || !found.files.every((file) => now.has(file))) continue;
    if (best === null || found.files.length > best.files.length) best = { ...found, path };
  }
  return best;
}

async function find(
  database: Database,
  search: {
    readonly key: readonly string[];
    readonly arrivalKnown: boolean;
    readonly latencyDays: number;
    readonly deliveries: readonly Delivery[];
    readonly before: Remembered | null;
    readonly path: string;
    readonly within: boolean;
    readonly entity: "usage_event" | "usage_daily";
  },
): Promise<void> {
  const { key, arrivalKnown, latencyDays, deliveries, before, path, within, entity } = search;
  const keyed = within ? `(${keyText(key)} || chr(31) || parse_filename(filename))` : keyText(key);
  const list = (rows: readonly Delivery[]): string =>
    `[${[...new Set(rows.map((row) => literal(row.rows)))].join(", ")}]`;
  const seen = new Set(before?.files);
  const fresh = deliveries.filter(({ rows }) => !seen.has(basename(rows)));
  const old = deliveries.filter(({ rows }) => seen.has(basename(rows)));
  const keys = (rows: readonly Delivery[]): string =>
    `(select ${keyed} as key_text from read_parquet(${list(rows)}${within ? ", filename = true" : ""}) where ${keyText(key)} is not null)`;
  const kept =
    before === null
      ? "select null as file, null as row_number, null as key, null as visible_on, null as is_other where false"
      : `select * from read_parquet(${literal(before.path)})`;
  // Hashes find the few keys that may repeat without holding all keys as text; the keys themselves decide below.
  await database.run(
    `create or replace temp table repeated as ${fresh.length === 0 ? "select 0::ubigint as h where false" : `select hash(key_text) as h from ${keys(fresh)} group by h having count(*) > 1`}`,
  );
  // Only these files are read again below: a new night rarely repeats more than the last few.
  let holding: readonly Delivery[] = deliveries;
  if (old.length > 0 && fresh.length > 0) {
    await database.run(
      `create or replace temp table repeated_before as
       select distinct hash(${keyed}) as h, filename
       from ${rowsOf(old)}
       where hash(${keyed}) in (select hash(key_text) from ${keys(fresh)})`,
    );
    await database.run("insert into repeated select distinct h from repeated_before");
    const held = await database.query<{ filename: string }>("select distinct filename from repeated_before");
    const names = new Set(held.map(({ filename }) => filename));
    holding = [...fresh, ...old.filter(({ rows }) => names.has(rows))];
  }
  const aside = `${path}.${process.pid}.tmp`;
  const hasRepeats = ((await database.scalar<number>("select count(*) from repeated")) ?? 0) > 0;
  const order = deliveries.map(({ rows, no }) => `(${literal(rows)}, ${no})`).join(", ");
  const visible = visibleOn({
    day: entity === "usage_daily" ? "activity_date" : "cast(event_time as date)",
    knownAt: "known_at",
    arrivalKnown: String(arrivalKnown),
    latencyDays: String(latencyDays),
  });
  const content =
    entity === "usage_daily"
      ? "struct_pack(account_id, activity_date, event, n_events, n_users, quantity)"
      : "struct_pack(account_id, event_time, event, user_id, quantity, event_id)";
  const ranked = `
    select
      parse_filename(filename) as file,
      file_row_number as row_number,
      key_text as key,
      visible_on,
      place > 1 as is_repeat,
      content is distinct from first_content as is_other
    from (
      select
        *,
        row_number() over nth as place,
        first_value(content) over nth as first_content
      from (
        select filename, file_row_number, ${keyed} as key_text, ${visible} as visible_on, ${content} as content
        from read_parquet(${list(holding)}, filename = true, file_row_number = true)
        where hash(${keyed}) in (select h from repeated)
      ) as row_of_key
      join (select file, min(no) as no from (values ${order}) as t(file, no) group by file) as delivery on delivery.file = row_of_key.filename
      window nth as (partition by key_text order by visible_on, delivery.no, file_row_number)
    )`;
  try {
    await database.run(
      `copy (
         ${
           hasRepeats
             ? `with ranked as (${ranked}), settled as (${kept})
                select file, row_number, key, visible_on, is_other from ranked where is_repeat
                union all
                select file, row_number, key, visible_on, is_other from settled
                where key not in (select key from ranked)
                order by file, row_number`
             : `select file::varchar as file, row_number::bigint as row_number, key::varchar as key, visible_on::date as visible_on,
                  is_other::boolean as is_other from (${kept}) order by file, row_number`
}
       ) to ${literal(aside)} (format parquet)`,
    );
    await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
    await database.run("drop table if exists repeated; drop table if exists repeated_before");
  }
}
