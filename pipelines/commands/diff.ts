import type { AppliedScorecard } from "../config/scorecard.ts";
import { guardRailError, usageError } from "../lib/errors.ts";
import {
  type BandShift,
  type CardDiff,
  type Caught,
  definitionChanges,
  describeDiff,
  type GuardLimits,
  guardRails,
  type RedRate,
} from "../scores/diff.ts";
import { literal } from "../warehouse/literal.ts";
import type { BookOptions, Context } from "./context.ts";
import { describeLeaveOut, leaveOneOut } from "./leave-one-out.ts";
import { judgedPair, rankPairs } from "./rank-pairs.ts";
import { buildScores, isDraftFile, openWorkbench, readDraftFile, versionOf, type Workbench } from "./workbench.ts";

/** Two versions of a scorecard, or drafts, side by side on one book. Exit 5 when the second breaks a guard rail. */
export async function diff(
  context: Context,
  name: string,
  a: string,
  b: string,
  options: BookOptions & {
    readonly redLift?: number;
    readonly maxGreen?: number;
    readonly minCoverage?: number;
    readonly leaveOneOut?: boolean;
    readonly json?: boolean;
  },
): Promise<void> {
  const bench = await openWorkbench(context, name, options);
  try {
    const [from, to] = [await sideOf(context, bench, a), await sideOf(context, bench, b)];
    const limits: GuardLimits = {
      red_lift: options.redLift ?? 2,
      max_green: (options.maxGreen ?? 80) / 100,
      min_coverage: (options.minCoverage ?? 70) / 100,
    };
    const answer = await compare(bench, from, to, limits);
    const left = options.leaveOneOut ? await leaveOneOut(bench, to) : null;
    if (options.json) {
      context.print(JSON.stringify(left === null ? answer : { ...answer, leave_one_out: left }, null, 2));
    } else {
      context.print([describeDiff(answer), ...(left === null ? [] : ["", describeLeaveOut(left)])].join("\n"));
    }
    const broken = answer.guards.filter(({ state }) => state === "broken");
    if (broken.length > 0) {
      const rails = broken.length === 1 ? "a guard rail" : `${broken.length} guard rails`;
      throw guardRailError(`${answer.b.name} breaks ${rails}: ${broken.map(({ words }) => words).join("; ")}`);
    }
  } finally {
    bench.database.close();
  }
}

const sideOf = (context: Context, bench: Workbench, name: string): Promise<AppliedScorecard> =>
  isDraftFile(name) ? readDraftFile(context, bench, name) : versionOf(bench, name);

const nameOf = ({ card, file }: AppliedScorecard): string => {
  const id = `${card.scorecard}@${card.version}`;
  return file === id ? id : `${id} (${file})`;
};

/** Everything that the difference says. Both cards are built again, so that a stored version and a draft count alike. */
async function compare(
  bench: Workbench,
  a: AppliedScorecard,
  b: AppliedScorecard,
  limits: GuardLimits,
): Promise<CardDiff> {
  const { database } = bench;
  const twins = [
    { ...a, assign_order: 1, card: { ...a.card, scorecard: "side_a", version: 1 } },
    { ...b, assign_order: 2, card: { ...b.card, scorecard: "side_b", version: 1 } },
  ];
  await buildScores(bench, twins);
  const date = await database.scalar<string>(
    "select cast(max(snapshot_date) as varchar) from spine.snapshot where is_scored",
  );
  if (date === null) throw usageError("the release has no scored snapshot");
  const from = a.card.created_on > b.card.created_on ? a.card.created_on : b.card.created_on;
  // Whom neither is for does not count: the second is "in force" where it applies and the first does not.
  const isForAll = a.card.applies_to === undefined || b.card.applies_to === undefined;
  await database.run(`create or replace temp table side as
    select
      a.account_id, a.snapshot_date, s.segment, s.mrr_minor, s.is_scored, s.period_started_on,
      a.score as score_a, b.score as score_b, a.band as band_a, b.band as band_b,
      a.coverage as coverage_a, b.coverage as coverage_b
    from scores.account_score as a
    inner join scores.account_score as b on b.account_id = a.account_id and b.snapshot_date = a.snapshot_date
    inner join spine.account_snapshot as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date
    where a.scorecard = 'side_a' and b.scorecard = 'side_b' and ${isForAll ? "true" : "(a.is_in_force or b.is_in_force)"}`);
  const paying = await database.scalar<number>(
    `select count(*) from spine.account_snapshot where snapshot_date = date ${literal(date)}`,
  );
  const shifts = await database.query<BandShift>(`
    select segment, band_a as "from", band_b as "to", count(*) as accounts,
      cast(coalesce(sum(mrr_minor), 0) as bigint) as mrr_minor
    from side where snapshot_date = date ${literal(date)} group by all order by all`);
  const [means] = await database.query<{ a: number | null; b: number | null }>(`
    select round(sum(coverage_a) / count(*), 6) as a, round(sum(coverage_b) / count(*), 6) as b
    from side where snapshot_date = date ${literal(date)}`);
  const pairs = await rankPairs(
    bench,
    "select 'pair' as subject, account_id, snapshot_date, score_a as a, score_b as b from side",
    from,
  );
  const pair = judgedPair(pairs, "pair");
  const caught = await readCaught(bench, a, b, from);
  const reds = await readReds(bench, a, b, from);
  const [params] = await database.query<{ currency: string; gap_days: number; horizon_days: number }>(
    "select currency, gap_days, horizon_days from meta.params",
  );
  const side = ({ card }: AppliedScorecard, applied: AppliedScorecard, coverage: number | null) => ({
    name: nameOf(applied),
    created_on: card.created_on,
    bands: card.bands.list.map(({ id }) => id),
    coverage,
  });
  const measured = {
    a: side(a, a, means?.a ?? null),
    b: side(b, b, means?.b ?? null),
    snapshot_date: date,
    currency: params?.currency ?? "",
    gap_days: params?.gap_days ?? 0,
    horizon_days: params?.horizon_days ?? 0,
    scope: isForAll ? null : `of ${paying}: those to whom either applies`,
    changes: definitionChanges(a.card, b.card),
    shifts,
    out_of_time_from: from,
    caught,
    reds,
    ranking: pair,
  };
  return { ...measured, guards: guardRails(measured, limits) };
}

const primary = "(select definition from validation.definition where is_primary)";

/** Leavers by the band at the last scored snapshot at least the gap before their decision; out of time, and in all. */
async function readCaught(
  { database, tables }: Workbench,
  a: AppliedScorecard,
  b: AppliedScorecard,
  from: string,
): Promise<readonly Caught[]> {
  if (!tables.has("validation.decision")) return [];
  const ends = ({ card: { bands } }: AppliedScorecard) =>
    [literal(bands.list[0]?.id ?? ""), literal(bands.list.at(-1)?.id ?? "")] as const;
  const [[redA, greenA], [redB, greenB]] = [ends(a), ends(b)];
  return database.query<Caught>(`
    with last as (
      select d.account_id, d.decided_on, max(s.snapshot_date) as snapshot_date
      from validation.decision as d
      cross join meta.params as p
      inner join side as s
        on s.account_id = d.account_id and s.is_scored and s.snapshot_date <= d.decided_on - p.gap_days
        and (d.period_started_on is null or s.snapshot_date >= d.period_started_on)
      where d.definition = ${primary} and d.kind <> 'other_exit'
      group by d.account_id, d.decided_on
    ),
    leaver as (
      select s.*, s.snapshot_date >= date ${literal(from)} as is_out_of_time
      from last as l
      inner join side as s on s.account_id = l.account_id and s.snapshot_date = l.snapshot_date
    )
    select
      t.period,
      count(*) as n,
      count(case when band_a = ${redA} then 1 end) as caught_a,
      count(case when band_b = ${redB} then 1 end) as caught_b,
      count(case when band_a = ${redA} and band_b <> ${redB} then 1 end) as lost,
      count(case when band_b = ${redB} and band_a <> ${redA} then 1 end) as won,
      count(case when band_a = ${greenA} then 1 end) as green_a,
      count(case when band_b = ${greenB} then 1 end) as green_b
    from leaver as l
    inner join (values ('all'), ('out_of_time')) as t(period) on t.period = 'all' or l.is_out_of_time
    group by t.period
    order by t.period`);
}

/** How often accounts in the worst band churned, beside all accounts; labelled readings, out of time and in all. */
async function readReds(
  { database, tables }: Workbench,
  a: AppliedScorecard,
  b: AppliedScorecard,
  from: string,
): Promise<readonly RedRate[]> {
  if (!tables.has("validation.outcome")) return [];
  const red = ({ card }: AppliedScorecard): string => literal(card.bands.list[0]?.id ?? "");
  return database.query<RedRate>(`
    with labelled as (
      select s.*, o.y, s.snapshot_date >= date ${literal(from)} as is_out_of_time
      from side as s
      inner join validation.outcome as o on o.account_id = s.account_id and o.snapshot_date = s.snapshot_date
      where o.definition = ${primary} and o.y is not null
    )
    select
      t.period,
      count(*) as n,
      cast(sum(y) as bigint) as e,
      count(distinct case when y = 1 then account_id end) as n_churned,
      count(distinct case when y = 0 then account_id end) as n_staying,
      count(case when band_a = ${red(a)} then 1 end) as n_a,
      cast(coalesce(sum(case when band_a = ${red(a)} then y end), 0) as bigint) as e_a,
      count(distinct case when band_a = ${red(a)} then account_id end) as accounts_a,
      count(case when band_b = ${red(b)} then 1 end) as n_b,
      cast(coalesce(sum(case when band_b = ${red(b)} then y end), 0) as bigint) as e_b,
      count(distinct case when band_b = ${red(b)} then account_id end) as accounts_b
    from labelled as l
    inner join (values ('all'), ('out_of_time')) as t(period) on t.period = 'all' or l.is_out_of_time
    group by t.period
    order by t.period`);
}
