/** Files of a release for other systems, a CRM above all: scores and flags as of the newest snapshot. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { csvText } from "../lib/csv.ts";
import { sha256 } from "../lib/files.ts";
import { digestMarkdown, readDigests } from "../portfolio/digest.ts";
import type { OutFile } from "../publish/release.ts";
import { trendDays, trendOf } from "../scores/trend.ts";
import type { Database } from "../warehouse/database.ts";

/** Headers never change their order; a new column comes last. */
export const scoreColumns = [
  "account_id",
  "name",
  "scorecard",
  "version",
  "score",
  "band",
  "overridden_by",
  "trend",
  "coverage",
  "as_of",
  "flags",
] as const;
export const flagColumns = [
  "account_id",
  "name",
  "flag",
  "label",
  "kind",
  "kpi",
  "value",
  "comparison",
  "threshold",
  "since",
  "is_new",
  "snoozed_until",
  "as_of",
] as const;
export const surpriseColumns = [
  "account_id",
  "name",
  "kind",
  "scorecard",
  "version",
  "since",
  "decided_on",
  "score_then",
  "band",
  "money",
  "reason",
  "disposition",
  "said_by",
  "said_on",
] as const;
export const unmatchedColumns = ["source", "via", "ref", "why", "candidates", "n_rows", "first_on", "last_on"] as const;

export const playColumns = [
  "account_id",
  "name",
  "play",
  "label",
  "owner",
  "state",
  "due_on",
  "since",
  "band",
  "days_in_band",
  "archetype",
  "score",
  "mrr_minor",
  "renews_on",
  "steps",
  "as_of",
] as const;

const named = `named as (
  select a.account_id, first(a.name order by a.visible_on desc, a.source) as name
  from staging.account as a cross join meta.params as p
  where a.visible_on <= p.as_of and (a.superseded_on is null or p.as_of < a.superseded_on)
  group by a.account_id
)`;

/**
 * Writes `scores.csv`, a line for every paying account, `flags.csv`, a line for every raised flag, and `unmatched_ids.csv`, a line for every id
 * that leads to no account or to several, `surprises.csv`, the accounts that the score got wrong, to be answered and handed
 * back as a file of entity disposition, `plays.csv`, the plays that are due, and a digest for each owner. Equal tables give equal
 * bytes: lines are sorted by account and flag, nothing holds the time of the run. A score has all its digits, since bands
 * compare them; `flags` are the ids of those that are raised and not snoozed.
 */
export async function writeOut(a: {
  readonly database: Database;
  readonly folder: string;
}): Promise<readonly OutFile[]> {
  const { query } = a.database;
  await mkdir(a.folder, { recursive: true });
  const scores = await query<
    Record<string, unknown> & { readonly first: number | null; readonly first_on: string | null }
  >(
    `with ${named},
     raised as (
       select f.account_id, string_agg(f.flag, ';' order by d.flag_no) as flags
       from scores.account_flag as f inner join scores.flag as d on d.flag = f.flag
       where f.is_raised and f.snoozed_until is null
       group by f.account_id
     ),
     present as (
       select s.account_id, n.name, c.scorecard, c.version, c.score, c.band, c.overridden_by, c.coverage, p.as_of, r.flags
       from spine.account_snapshot as s
       inner join meta.params as p on p.as_of = s.snapshot_date
       left join scores.account_score as c
         on c.account_id = s.account_id and c.snapshot_date = s.snapshot_date and c.is_in_force
       left join named as n on n.account_id = s.account_id
       left join raised as r on r.account_id = s.account_id
     ),
     past as (
       select c.account_id, arg_min(c.score, c.snapshot_date) as first, min(c.snapshot_date) as first_on
       from scores.account_score as c
       inner join present as n on n.account_id = c.account_id and n.scorecard = c.scorecard and n.version = c.version
       inner join spine.account_snapshot as s on s.account_id = c.account_id and s.snapshot_date = c.snapshot_date
       where s.is_scored and c.score is not null and c.snapshot_date < n.as_of and c.snapshot_date >= n.as_of - ${trendDays}
       group by c.account_id
     )
     select n.*, past.first, past.first_on
     from present as n left join past on past.account_id = n.account_id
     order by n.account_id`,
  );
  const flags = await query(
    `with ${named}
     select f.account_id, n.name, f.flag, d.label, d.kind, d.kpi, f.value, d.comparison, f.threshold, f.since, f.is_new, f.snoozed_until, p.as_of
     from scores.account_flag as f
     cross join meta.params as p
     inner join scores.flag as d on d.flag = f.flag
     left join named as n on n.account_id = f.account_id
     where f.is_raised
     order by f.account_id, d.flag_no`,
  );
  const unmatched = await query(
    `select ${unmatchedColumns.join(", ")} from staging.unmatched_id order by source, via, ref`,
  );
  const surprises = await query(
    `with ${named}
     select s.*, n.name from validation.surprise as s left join named as n on n.account_id = s.account_id
     order by s.account_id, s.kind`,
  );
  const plays = await query(
    `select d.*, p.label, p.steps, m.as_of
     from marts.play_due as d
     inner join marts.play as p on p.play = d.play
     cross join meta.params as m
     where d.state <> 'started'
     order by d.account_id, d.play_no`,
  );
  return [
    await write(
      a.folder,
      "scores",
      scoreColumns,
      scores.map((row) => ({ ...row, trend: trendWords(row) })),
    ),
    await write(a.folder, "flags", flagColumns, flags),
    await write(a.folder, "unmatched_ids", unmatchedColumns, unmatched),
    await write(a.folder, "surprises", surpriseColumns, surprises),
    await write(a.folder, "plays", playColumns, plays),
    ...(await writeDigests(a)),
  ];
}

/** `digest/<owner>.md`, one an owner: what changed for the accounts that are theirs. */
async function writeDigests(a: { readonly database: Database; readonly folder: string }): Promise<readonly OutFile[]> {
  const digests = await readDigests(a.database.query);
  const files: OutFile[] = [];
  if (digests.length > 0) await mkdir(join(a.folder, "digest"), { recursive: true });
  for (const digest of digests) {
    const text = digestMarkdown(digest);
    const file = `digest/${digest.file}`;
    await writeFile(join(a.folder, file), text);
    files.push({ name: file.replace(/\.md$/, ""), file, rows: digest.n_accounts, sha256: sha256(text) });
  }
  return files;
}

/** "green, declining 20" without the band, which has a column of its own: "declining 20". */
function trendWords(row: Readonly<Record<string, unknown>>): string | null {
  const { first, first_on, score, band, as_of } = row as {
    readonly first: number | null;
    readonly first_on: string | null;
    readonly score: number | null;
    readonly band: string;
    readonly as_of: string;
  };
  if (first === null || first_on === null || score === null) return null;
  const points = [
    { snapshot_date: first_on, score: first },
    { snapshot_date: as_of, score },
  ];
  return trendOf(points, band, trendDays)?.words.slice(`${band}, `.length) ?? null;
}

async function write(
  folder: string,
  name: string,
  columns: readonly string[],
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<OutFile> {
  const text = csvText(columns, rows);
  const file = `${name}.csv`;
  await writeFile(join(folder, file), text);
  return { name, file, rows: rows.length, sha256: sha256(text) };
}
