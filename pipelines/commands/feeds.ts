/** What the feeds of a book look like tonight: whether one is stale, empty, cut short, thinner than its weekdays, or behind a fall in scores. */
import { dirname } from "node:path";
import { type Book, durationSeconds } from "../config/book.ts";
import { entityOf } from "../config/entities.ts";
import { refusedError } from "../lib/errors.ts";
import { canonicalJson } from "../lib/files.ts";
import { daysOf } from "../load/bundle.ts";
import type { Unread } from "../load/discover.ts";
import type { Delivery, LoadResult } from "../load/load.ts";
import { keyOf } from "../load/reading.ts";
import { keyText } from "../load/repeats.ts";
import type { Step } from "../models/model.ts";
import { Database, type Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";

export interface FeedFinding {
  readonly source: string;
  readonly kind: "unread" | "stale" | "empty" | "shrunk" | "other_keys" | "thin" | "fall";
  readonly sentence: string;
  /** False: the release is published with the sentence as a mark. */
  readonly refuses: boolean;
}

type Source = Book["sources"][string];

/**
 * What `on_stale` says; where the book does not say it, a source that promises a `max_age` is refused and any other one is
 * marked: exports that a person dropped once have no night to be late for.
 */
const refusesWhenOff = ({ on_stale: onStale, max_age: maxAge }: Source): boolean =>
  (onStale ?? (maxAge === undefined ? "warn" : "refuse")) === "refuse";

/** Tables that are dumped whole speak of the day on which they were delivered, all others of their newest row. */
const speaksOfItsDelivery = ({ entity, mode }: Source): boolean =>
  mode === "snapshot" || entityOf(entity).kind === "state";

/**
 * Everything that can be told from the deliveries, by the wall clock: a dead feed must never look like nothing to do. Rows
 * of the future (a clock that was wrong where they came from) do not make a source fresh.
 */
export async function lookAtFeeds(
  book: Book,
  load: LoadResult,
  now: Date,
  linkedFrom?: string,
): Promise<readonly FeedFinding[]> {
  const findings: FeedFinding[] = [];
  const stores = [...new Set(load.deliveries.map(({ days }) => dirname(days))), linkedFrom ?? []].flat();
  const database = await Database.open({ path: ":memory:", threads: 1, allowedDirectories: stores });
  try {
    for (const [id, source] of Object.entries(book.sources)) {
      const kind = entityOf(source.entity).kind;
      if (kind === "hand" || kind === "map") continue;
      const own = load.deliveries.filter((delivery) => delivery.source === id);
      if (own.length === 0) continue;
      findings.push(...checkNames(id, source, load.sources[id]?.unread ?? []));
      const hasVolume = source.mode === "append" && kind === "fact";
      if (hasVolume || (source.max_age !== undefined && !speaksOfItsDelivery(source)))
        await readDays(database, own, now);
      findings.push(...(await checkAge(database, id, source, own, now)), ...checkSize(id, source, own));
      findings.push(...(await checkKeys(database, id, source, own)));
      if (hasVolume) findings.push(...(await checkVolume(database, id, source, now)));
    }
  } finally {
    database.close();
  }
  return findings;
}

/** `seen_day`: the rows of a source by day, its newest row, and its newest row that is not of the future. */
const readDays = (database: Database, own: readonly Delivery[], now: Date): Promise<void> =>
  database.run(`
    create or replace temp table seen_day as
    select
      event_day,
      cast(sum(n_rows) as bigint) as n,
      max(last_event_at) as newest,
      max(last_event_at) filter (where last_event_at <= timestamp ${literal(now.toISOString().slice(0, 19))} + interval 1 day) as plausible
    from ${daysOf(own)}
    group by event_day`);

/** The first finding that refuses, as the error of the run; the others that do are its hint. */
export function refuseOffFeeds(findings: readonly FeedFinding[]): void {
  const [first, ...more] = findings.filter(({ refuses }) => refuses);
  if (first === undefined) return;
  const others = more.length === 0 ? "" : `; also: ${more.map(({ sentence }) => sentence).join("; ")}`;
  throw refusedError(
    first.sentence,
    `readers keep the last release; on_stale: warn of that source publishes with the mark${others}`,
  );
}

/**
 * What was delivered under a name that no pattern matches, for its capital letters alone, or as a folder or a broken link, or from the future: nobody
 * would miss it before the feed is stale.
 */
function checkNames(id: string, source: Source, unread: readonly Unread[]): readonly FeedFinding[] {
  const reasons = {
    case: `the name differs from ${[source.files].flat().join(", ")} only in capital letters`,
    "no file": "it is no file, but a folder, or a link that leads nowhere",
    ahead: "it says that it was changed in the future, and waits until then: is a clock wrong?",
  };
  return (["case", "no file", "ahead"] as const).flatMap((why) => {
    const [first, ...others] = unread.filter((other) => other.why === why);
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    return {
      source: id,
      kind: "unread" as const,
      sentence: `source ${id} does not read ${first.name}${more}: ${reasons[why]}`,
      refuses: refusesWhenOff(source),
    };
  });
}

async function checkAge(
  database: Database,
  id: string,
  source: Source,
  own: readonly Delivery[],
  now: Date,
): Promise<readonly FeedFinding[]> {
  if (source.max_age === undefined) return [];
  const newest = speaksOfItsDelivery(source)
    ? own
        .map(({ delivered_at }) => delivered_at)
        .sort()
        .at(-1)
    : await database.scalar<string>("select max(plausible) from seen_day");
  const age = newest == null ? null : (now.getTime() - Date.parse(`${newest.slice(0, 19).replace(" ", "T")}Z`)) / 1000;
  if (age !== null && age <= durationSeconds(source.max_age)) return [];
  const what = speaksOfItsDelivery(source) ? "its newest delivery" : "its newest row";
  const found = newest == null ? "it has no row" : `${what} is of ${newest.slice(0, 16).replace("T", " ")}`;
  return [
    {
      source: id,
      kind: "stale",
      sentence: `source ${id} is stale: ${found}, expected one within ${source.max_age}`,
      refuses: refusesWhenOff(source),
    },
  ];
}

/** Rows from which on a table is large enough to be missed. */
const fewestRows = 20;

/**
 * A table that is dumped whole says that what it no longer holds is gone. One without a row would end the whole book, so
 * it is refused unless the book says `on_stale: warn`; one that lost half of its rows counts as off. Below 20 rows a table may
 * well come to its end.
 */
function checkSize(id: string, source: Source, own: readonly Delivery[]): readonly FeedFinding[] {
  if (source.mode !== "snapshot") return [];
  const [before, last] = own.slice(-2);
  if (before === undefined || last === undefined || before.rows_loaded < fewestRows) return [];
  if (last.rows_loaded === 0) {
    return [
      {
        source: id,
        kind: "empty",
        sentence: `source ${id} is empty: ${last.file} has no row, ${before.file} before it had ${before.rows_loaded}`,
        refuses: source.on_stale !== "warn",
      },
    ];
  }
  if (2 * last.rows_loaded >= before.rows_loaded) return [];
  return [
    {
      source: id,
      kind: "shrunk",
      sentence: `source ${id} has shrunk: ${last.file} has ${last.rows_loaded} rows, ${before.file} before it had ${before.rows_loaded}`,
      refuses: refusesWhenOff(source),
    },
  ];
}

/**
 * A table that is dumped whole and holds fewer than half of the keys of the dump before it: as a rule its ids are written otherwise than they
 * were, and every row would count as gone and another as new. Where none of the accounts or contracts is left the whole book would end, so that is refused
 * unless the book says `on_stale: warn`.
 */
async function checkKeys(
  database: Database,
  id: string,
  source: Source,
  own: readonly Delivery[],
): Promise<readonly FeedFinding[]> {
  const [before, last] = own.slice(-2);
  if (source.mode !== "snapshot" || before === undefined || last === undefined || before.rows === last.rows) return [];
  if (before.rows_loaded < fewestRows || last.rows_loaded < fewestRows) return [];
  const key = keyOf(source);
  const keysOf = ({ rows }: Delivery): string =>
    `select distinct ${keyText(key)} as k from read_parquet(${literal(rows)})`;
  const [found] = await database.query<{ n: number; kept: number }>(
    `select count(*) as n, count(*) filter (where k in (${keysOf(last)})) as kept from (${keysOf(before)}) where k is not null`,
  );
  if (found === undefined || 2 * found.kept >= found.n) return [];
  const wouldEnd = found.kept === 0 && entityOf(source.entity).kind === "state";
  return [
    {
      source: id,
      kind: "other_keys",
      sentence: `source ${id} names other rows: ${last.file} holds ${found.kept} of the ${found.n} ${key.join(", ")} of ${before.file} before it`,
      refuses: wouldEnd ? source.on_stale !== "warn" : refusesWhenOff(source),
    },
  ];
}

/** Weeks of the same weekday that a day is held against. */
const weeks = 8;

/**
 * Whether the newest days are thinner than their weekdays vary: below the median of the same weekday in the 8 weeks before by
 * more than 4 spreads (the largest of the scaled median absolute deviation, the root of the median and a twentieth of it) and by
 * more than 3 in 10, two days running; or, on the last day alone, under half of the fewest of those weeks. A weekday with fewer
 * than 30 rows in the median says nothing. The last day counts once its newest row is of the evening.
 */
async function checkVolume(database: Database, id: string, source: Source, now: Date): Promise<readonly FeedFinding[]> {
  const rows = await database.query<{
    day: string;
    n: number;
    median: number;
    fewest: number;
    most: number;
    is_low: boolean;
  }>(`
    with counted as (
      select event_day, n, newest
      from seen_day
      where event_day <= date ${literal(now.toISOString().slice(0, 10))}
    ),
    span as (
      select min(event_day) as first_day, max(event_day) - case when hour(max(newest)) >= 18 then 0 else 1 end as last_day
      from counted
    ),
    days as (
      select cast(d.day as date) as event_day, coalesce(c.n, 0) as n
      from span as s
      cross join generate_series(greatest(s.first_day, s.last_day - ${7 * weeks + 1}), s.last_day, interval 1 day) as d(day)
      left join counted as c on c.event_day = d.day
    ),
    looked as (
      select
        event_day,
        n,
        median(n) over before as median,
        mad(n) over before as deviation,
        min(n) over before as fewest,
        max(n) over before as most,
        count(*) over before as n_before
      from days
      window before as (partition by isodow(event_day) order by event_day rows between ${weeks} preceding and 1 preceding)
    )
    select
      cast(event_day as varchar) as day,
      n,
      median,
      fewest,
      most,
      median >= 30 and n_before >= 6
        and n < 0.7 * median
        and n < median - 4 * greatest(1.4826 * deviation, sqrt(median), median / 20) as is_low
    from looked
    order by event_day desc
    limit 2`);
  const [last, previous] = rows;
  if (last?.is_low !== true) return [];
  if (previous?.is_low !== true && 2 * last.n >= last.fewest) return [];
  const weekday = new Date(`${last.day}T00:00:00Z`).toLocaleDateString("en", { weekday: "long", timeZone: "UTC" });
  const sentence =
    `source ${id} is thin: ${last.n} rows of ${weekday} ${last.day}, the ${weeks} ${weekday}s before had ${last.fewest} to ${last.most}` +
    (previous?.is_low === true ? ", and so was the day before" : "");
  return [{ source: id, kind: "thin", sentence, refuses: refusesWhenOff(source) }];
}

/**
 * A fall of the scores in force, from the week before to `as_of`, that one feed explains while that feed is off: the mean fell by more than
 * 4 spreads of the weekly changes of half a year (and 1 in 100 of the scale), at least 4 in 5 of it are parts of KPIs of one source, and that source has
 * a finding or speaks of nothing for 3 days or more before `as_of`. Published, it would call accounts ill whose numbers did not come.
 * Needs the scores.
 */
export async function lookAtFall(
  query: Query,
  book: Book,
  load: LoadResult,
  findings: readonly FeedFinding[],
): Promise<FeedFinding | null> {
  const [fall] = await query<{ before: string; last: string; change: number }>(`
    with dates as (
      select distinct a.snapshot_date
      from scores.account_score as a
      cross join meta.params as p
      where a.is_in_force and a.score is not null and date_diff('day', a.snapshot_date, p.as_of) % 7 = 0
        and a.snapshot_date > p.as_of - 7 * 27
    ),
    moved as (
      select b.snapshot_date, avg(cast(b.score - a.score as double) / (c.scale_to - c.scale_from)) as change
      from scores.account_score as b
      inner join scores.account_score as a
        on a.account_id = b.account_id and a.snapshot_date = b.snapshot_date - 7 and a.scorecard = b.scorecard and a.version = b.version
      inner join scores.scorecard as c on c.scorecard = b.scorecard and c.version = b.version
      where b.is_in_force and a.is_in_force and b.snapshot_date in (select snapshot_date from dates)
      group by b.snapshot_date
    ),
    usual as (
      select median(change) as median, mad(change) as deviation, count(*) as n
      from moved
      where snapshot_date < (select as_of from meta.params)
    )
    select cast(m.snapshot_date - 7 as varchar) as before, cast(m.snapshot_date as varchar) as last, m.change
    from moved as m
    cross join usual as u
    where m.snapshot_date = (select as_of from meta.params)
      and u.n >= 8
      and m.change < u.median - greatest(4 * 1.4826 * u.deviation, 0.01)`);
  if (fall === undefined) return null;
  const parts = await query<{ entity: string | null; change: number }>(`
    with paired as (
      select p.kpi, p.snapshot_date, sum(p.contribution) as points
      from scores.score_part as p
      inner join scores.account_score as a using (account_id, snapshot_date, scorecard, version)
      where a.is_in_force and p.kpi is not null and p.snapshot_date in (date ${literal(fall.before)}, date ${literal(fall.last)})
      group by p.kpi, p.snapshot_date
    ),
    changed as (
      select kpi, cast(sum(case when snapshot_date = date ${literal(fall.last)} then points else -points end) as double) as change
      from paired
      group by kpi
    )
    select s.entity, sum(c.change) as change
    from changed as c
    left join (select kpi, case when count(distinct entity) = 1 then min(entity) end as entity from features.kpi_source group by kpi) as s
      on s.kpi = c.kpi
    group by s.entity
    order by change`);
  const lost = parts.reduce((sum, { change }) => sum + Math.min(0, change), 0);
  const [worst] = parts;
  if (worst === undefined || worst.entity === null || worst.change > 0.8 * lost || lost === 0) return null;
  for (const [id, source] of Object.entries(book.sources)) {
    if (source.entity !== worst.entity) continue;
    const isOff =
      findings.some((finding) => finding.source === id) ||
      isBehind(source, load.sources[id]?.last_event_at ?? null, fall.last);
    if (!isOff) continue;
    return {
      source: id,
      kind: "fall",
      sentence:
        `scores fell by ${(-100 * fall.change).toFixed(1)} of 100 points on average from ${fall.before} to ${fall.last}, and ` +
        `${Math.round((100 * worst.change) / lost)} % of that are KPIs of source ${id}, which is not up to date`,
      refuses: source.on_stale !== "warn",
    };
  }
  return null;
}

/** No row of the three days before the snapshot: of a table that is dumped whole, silence says nothing. */
const isBehind = (source: Source, lastEventAt: string | null, snapshot: string): boolean =>
  !speaksOfItsDelivery(source) &&
  (lastEventAt === null ||
    Date.parse(`${snapshot}T00:00:00Z`) - Date.parse(`${lastEventAt.slice(0, 10)}T00:00:00Z`) > 3 * 86_400_000);

/**
 * marts.feed_finding: what is off with the feeds of this release, none in most nights. Reads the scores for the fall, and stops the
 * release when that refuses. The sentences hold no time of the run, so equal inputs give equal rows.
 */
export const feedStep = (book: Book, load: LoadResult, findings: readonly FeedFinding[]): Step => ({
  kind: "step",
  name: "marts.look_at_feeds",
  depends: ["features.kpi_source", "scores.account_score", "scores.score_part", "scores.scorecard"],
  params: ["as_of"],
  produces: ["marts.feed_finding"],
  // Equal fingerprints mean equal rows: the sentences are part of it.
  version: canonicalJson(["1", findings]),
  async run({ query, run }) {
    const fall = await lookAtFall(query, book, load, findings);
    const all = fall === null ? findings : [...findings, fall];
    refuseOffFeeds(all);
    await run("create table marts.feed_finding (source varchar, kind varchar, sentence varchar)");
    const rows = all.map(({ source, kind, sentence }) => `(${[source, kind, sentence].map(literal).join(", ")})`);
    if (rows.length > 0) await run(`insert into marts.feed_finding values ${rows.join(", ")}`);
  },
});
