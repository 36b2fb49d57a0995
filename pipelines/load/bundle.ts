/**
 * Small files of the store laid together. A source that is delivered every night has a few hundred files a year, and what reads it opens
 * all of them: eight neighbours become one file, eight of those one again, so that a night opens a few dozen however many came before.
 */
import { existsSync, statSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { type Delivery, fileList } from "./delivery.ts";
import { storeFormat } from "./reading.ts";

const version = 1;
const width = 8;
/** A larger file costs more to read than to open. */
const smallBytes = 1 << 20;

/**
 * The deliveries of one source, in their order, each with the bundle that it lies in. A bundle is named by the files it is made of, so one
 * whose neighbours change (a delivery that comes late, or is withdrawn) is another, and is made here if it is not there. The files
 * themselves stay: what is bundled is a copy, which nothing but a load and a build reads.
 */
export async function bundle(
  database: Database,
  store: string,
  deliveries: readonly Delivery[],
): Promise<readonly Delivery[]> {
  const bundleOf = new Map<string, string>();
  const placed = new Set<string>();
  for (const group of groupsOf(deliveries)) {
    const files = [...new Set(group.filter(isSmall).map(({ rows }) => rows))].filter((rows) => !placed.has(rows));
    if (files.length < 2) continue;
    const name = sha256(canonicalJson([version, files.map((path) => basename(path))])).slice(0, 32);
    const path = join(store, "bundles", name);
    if (!existsSync(`${path}.parquet`)) await make(database, path, files);
    for (const rows of files) {
      placed.add(rows);
      bundleOf.set(rows, path);
    }
  }
  if (bundleOf.size === 0) return deliveries;
  return deliveries.map((delivery) => {
    const path = bundleOf.get(delivery.rows);
    return path === undefined ? delivery : { ...delivery, bundle: path };
  });
}

/** Neighbours that begin where their number is a multiple of how many they are: 8, 64, 512 of them, the largest that are full. */
function groupsOf(deliveries: readonly Delivery[]): readonly (readonly Delivery[])[] {
  const groups: (readonly Delivery[])[] = [];
  for (let from = 0; from < deliveries.length; ) {
    let size = 1;
    while (from % (size * width) === 0 && from + size * width <= deliveries.length) size *= width;
    if (size > 1) groups.push(deliveries.slice(from, from + size));
    from += size;
  }
  return groups;
}

const isSmall = ({ rows, isCurrentReading }: Delivery): boolean =>
  isCurrentReading && (statSync(rows, { throwIfNoEntry: false })?.size ?? smallBytes) < smallBytes;

/** Rows come last: where they are, the days are. */
async function make(database: Database, path: string, files: readonly string[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const parts = [
    { suffix: ".days.parquet", paths: files.map(daysOfRows), place: "" },
    { suffix: ".parquet", paths: files, place: ", file_row_number as _place" },
  ];
  for (const { suffix, paths, place } of parts) {
    const aside = `${path}${suffix}.tmp`;
    try {
      await database.run(
        `copy (select * exclude (filename${place === "" ? "" : ", file_row_number"}), parse_filename(filename) as _file${place}
         from read_parquet(${fileList(paths)}, filename = true${place === "" ? "" : ", file_row_number = true"})) to ${literal(aside)} (${storeFormat})`,
      );
      const handle = await open(aside, "r");
      await handle.datasync().finally(() => handle.close());
      await rename(aside, `${path}${suffix}`);
    } finally {
      await rm(aside, { force: true });
    }
  }
}

const daysOfRows = (rows: string): string => rows.replace(/\.parquet$/, ".days.parquet");

/** The rows of deliveries as a relation, those of each file once: the columns of the store, `filename` and `file_row_number`. */
export const rowsOf = (deliveries: readonly Delivery[]): string =>
  relation(
    deliveries,
    ({ rows }) => rows,
    ".parquet",
    "filename = true, file_row_number = true",
    ", _place as file_row_number",
    ", _place",
  );

/** Their rows by day, those of each file once: the columns of {@link daysSelect} and `filename`. */
export const daysOf = (deliveries: readonly Delivery[]): string =>
  relation(deliveries, ({ days }) => days, ".days.parquet", "filename = true", "", "");

function relation(
  deliveries: readonly Delivery[],
  pathOf: (delivery: Delivery) => string,
  suffix: string,
  options: string,
  place: string,
  hidden: string,
): string {
  const alone = [...new Set(deliveries.filter(({ bundle: of }) => of === undefined).map(pathOf))];
  const bundles = [...new Set(deliveries.flatMap(({ bundle: of }) => of ?? []))].map((path) => `${path}${suffix}`);
  const single = `read_parquet(${fileList(alone)}, ${options})`;
  const [first] = deliveries;
  if (bundles.length === 0 || first === undefined) return single;
  const folder = literal(`${dirname(first.rows)}/`);
  const together = `select * exclude (_file${hidden}), ${folder} || _file as filename${place} from read_parquet(${fileList(bundles)})`;
  return `(${together}${alone.length === 0 ? "" : ` union all by name select * from ${single}`})`;
}
