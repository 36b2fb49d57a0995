import { usageError } from "../lib/errors.ts";
import {
  capacities,
  capacityDifferenceSelect,
  capacitySelect,
  departureSelect,
} from "../validation/history-capacity.ts";
import { literal } from "../warehouse/literal.ts";
import { signOffs } from "./audit-scorecards.ts";
import { describeBacktest } from "./backtest-words.ts";
import { type CardState, cardStates, refuseBadCards } from "./card-state.ts";
import type { BookOptions, Context } from "./context.ts";
import { rankPairs } from "./rank-pairs.ts";
import { openWorkbench, type Workbench } from "./workbench.ts";

/** A line of validation.scorecard_test. */
export interface TestRow {
  readonly scorecard: string;
  readonly version: number;
  readonly period: string;
  readonly sample: string;
  readonly first_on: string | null;
  readonly last_on: string | null;
  readonly state: string | null;
  readonly sentence: string | null;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly coverage: number | null;
  readonly n_rows: number;
  readonly n_churned: number;
  readonly base_rate: number | null;
  readonly average_precision: number | null;
  readonly average_precision_low: number | null;
  readonly average_precision_high: number | null;
  readonly lift_10: number | null;
  readonly lift_10_low: number | null;
  readonly lift_10_high: number | null;
  readonly brier: number | null;
  readonly slope: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly n_departures: number | null;
  readonly caught_share: number | null;
  readonly caught_low: number | null;
  readonly caught_high: number | null;
  readonly green_share: number | null;
  readonly green_low: number | null;
  readonly green_high: number | null;
  readonly n_warned: number | null;
  readonly median_months_of_warning: number | null;
  readonly share_1m: number | null;
  readonly share_3m: number | null;
  readonly n_stayers: number | null;
  readonly stayer_median_months: number | null;
  readonly stayer_share_1m: number | null;
  readonly stayer_share_3m: number | null;
}

export interface CalibrationRow {
  readonly period: string;
  readonly n_rows: number;
  readonly n_churned: number;
  readonly train_to: string | null;
  readonly n_train_churned: number;
  readonly why_null: string | null;
  readonly brier: number | null;
  readonly brier_low: number | null;
  readonly brier_high: number | null;
  readonly base_brier: number | null;
  readonly brier_gain: number | null;
  readonly brier_gain_low: number | null;
  readonly brier_gain_high: number | null;
  readonly observed: number | null;
  readonly expected: number | null;
  readonly ratio: number | null;
  readonly ratio_low: number | null;
  readonly ratio_high: number | null;
  readonly slope: number | null;
  readonly slope_low: number | null;
  readonly slope_high: number | null;
  readonly ece: number | null;
  readonly ece_low: number | null;
  readonly ece_high: number | null;
  readonly ece_null: number | null;
}

export interface CapacityRow {
  readonly scorecard: string;
  readonly version: number;
  readonly from_on: string;
  readonly capacity: number;
  readonly n_lists: number;
  readonly n_places: number;
  readonly n_departures: number;
  readonly caught: number;
  readonly caught_share: number;
  readonly caught_low: number;
  readonly caught_high: number;
  readonly chance_share: number;
  readonly money_caught: number;
}

export interface CapacityDifference {
  readonly capacity: number;
  readonly difference: number;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

/** How much better one ranks than the other, on the rows that both score, out of time for both; interval 90 %. */
export interface RankDifference {
  readonly from_on: string;
  readonly n_churned: number;
  readonly auc: number | null;
  readonly other_auc: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

export interface BandRow {
  readonly mode: string;
  readonly band: string;
  readonly days: number;
  readonly n_rows: number;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly rate: number;
  readonly rate_low: number | null;
  readonly rate_high: number | null;
  readonly lift: number | null;
  readonly lift_low: number | null;
  readonly lift_high: number | null;
  readonly share_of_churn: number | null;
  readonly money: number | null;
}

export interface Version {
  readonly scorecard: string;
  readonly version: number;
  readonly created_on: string;
  readonly is_assigned: boolean;
  readonly purpose: string;
}

export interface Backtest {
  readonly book: string;
  readonly as_of: string;
  readonly definition: string;
  readonly currency: string;
  readonly gap_days: number;
  readonly horizon_days: number;
  readonly shown: Version;
  readonly against: Version | null;
  readonly tests: readonly TestRow[];
  readonly against_test: TestRow | null;
  readonly calibration: readonly CalibrationRow[];
  readonly difference: RankDifference | null;
  readonly capacity: readonly CapacityRow[];
  readonly capacity_differences: readonly CapacityDifference[];
  readonly bands: readonly BandRow[];
  readonly decay: Readonly<Record<string, unknown>> | null;
  readonly drift: Readonly<Record<string, unknown>> | null;
  readonly recovery: Readonly<Record<string, unknown>> | null;
  readonly surprises: readonly Readonly<Record<string, unknown>>[];
  readonly states: readonly CardState[];
}

export interface BacktestOptions extends BookOptions {
  readonly scorecard?: string;
  readonly against?: string;
  readonly capacity?: number;
  readonly json?: boolean;
}

/**
 * `assay backtest BOOK`: what history says of a scorecard, on a page: by default of the one in force, beside naive_baseline. Exit 5
 * when an assigned scorecard that it shows has no use, or a sign-off that has expired.
 */
export async function backtest(context: Context, name: string, options: BacktestOptions): Promise<void> {
  const bench = await openWorkbench(context, name, options);
  try {
    const answer = await readBacktest(bench, options);
    context.print(options.json ? JSON.stringify(answer, null, 2) : describeBacktest(answer));
    const expired = (await signOffs(bench.database.query, context.now())).filter(({ is_expired }) => is_expired);
    refuseBadCards(
      bench.book.book,
      options.scorecard === undefined
        ? answer.states
        : answer.states.filter(({ scorecard }) => scorecard === answer.shown.scorecard),
      options.scorecard === undefined
        ? expired
        : expired.filter(({ scorecard }) => scorecard === answer.shown.scorecard),
    );
  } finally {
    bench.database.close();
  }
}

const of = ({ scorecard, version }: Version): string =>
  `scorecard = ${literal(scorecard)} and version = ${literal(version)}`;

export async function readBacktest(bench: Workbench, options: BacktestOptions): Promise<Backtest> {
  const { query } = bench.database;
  const versions = await query<Version & { readonly is_current: boolean }>(
    `select s.scorecard, s.version, s.created_on, s.is_assigned, s.purpose, m.is_current
     from release.scores.scorecard as s
     inner join marts.scorecard as m on m.scorecard = s.scorecard and m.version = s.version
     order by m.is_current desc, m.is_for_all desc, s.assign_order nulls last, s.scorecard, s.version desc`,
  );
  const shown = pick(versions, options.scorecard, bench.book.book);
  const naive = versions.find(({ scorecard }) => scorecard === "naive_baseline") ?? null;
  const against =
    options.against === undefined
      ? shown.scorecard === "naive_baseline"
        ? null
        : naive
      : pick(versions, options.against, bench.book.book);
  const [facts] = await query<{
    as_of: string;
    primary_definition: string;
    currency: string;
    gap_days: number;
    horizon_days: number;
  }>("select as_of, primary_definition, currency, gap_days, horizon_days from meta.params");
  const one = async <T>(sql: string): Promise<T | null> => (await query<T & object>(sql))[0] ?? null;
  const from = against === null || against.created_on < shown.created_on ? shown.created_on : against.created_on;
  return {
    book: bench.book.book,
    as_of: facts?.as_of ?? "",
    definition: facts?.primary_definition ?? "",
    currency: facts?.currency ?? "USD",
    gap_days: facts?.gap_days ?? 0,
    horizon_days: facts?.horizon_days ?? 0,
    shown: versionOf(shown),
    against: against === null ? null : versionOf(against),
    tests: await query<TestRow & object>(
      `select * from validation.scorecard_test where ${of(shown)} order by sample desc, first_on, period desc`,
    ),
    against_test:
      against === null
        ? null
        : await one<TestRow>(`select * from validation.scorecard_test where ${of(against)} and period = 'out_of_time'`),
    calibration: await query<CalibrationRow & object>(
      `select * exclude (scorecard, version) from validation.scorecard_calibration where ${of(shown)} order by first_on, period desc`,
    ),
    difference: against === null ? null : await readDifference(bench, shown, against, from),
    ...(await readCapacity(bench, shown, against, options.capacity)),
    bands: await query<BandRow & object>(
      `select o.* exclude (scorecard, version) from validation.band_outcome as o
       left join marts.band as b on b.band = o.band
       where ${of(shown)} order by o.mode, o.days, coalesce(b.band_no, 50), o.band`,
    ),
    decay: await one(`select * from validation.scorecard_decay where ${of(shown)}`),
    drift: await one(`select * from validation.scorecard_drift where ${of(shown)} order by snapshot_date desc limit 1`),
    recovery: await one(`select * from validation.recovery where ${of(shown)}`),
    surprises: shown.is_assigned ? await query("select * from validation.surprise_rate order by kind desc") : [],
    states: await cardStates(query),
  };
}

const versionOf = ({ scorecard, version, created_on, is_assigned, purpose }: Version): Version => ({
  scorecard,
  version,
  created_on,
  is_assigned,
  purpose,
});

/** `id@version`, or a bare id: the version in force, else the newest; without a name the first that is in force. */
function pick<T extends Version>(versions: readonly T[], name: string | undefined, book: string): T {
  const [id = versions[0]?.scorecard, number] = name?.split("@") ?? [];
  const found = versions.find(
    ({ scorecard, version }) => scorecard === id && (number === undefined || String(version) === number),
  );
  if (found === undefined) {
    const known = versions.map(({ scorecard, version }) => `${scorecard}@${version}`).sort();
    throw usageError(
      `backtest: expected one of ${known.join(", ") || `none: ${book} has no scorecard`}, found ${name ?? "nothing"}`,
    );
  }
  return found;
}

/** Out of the release where it holds the pair, else from the scores themselves. */
async function readDifference(
  bench: Workbench,
  shown: Version,
  against: Version,
  from: string,
): Promise<RankDifference | null> {
  const { query } = bench.database;
  const stored = await query<RankDifference & { readonly is_turned: boolean }>(`
    select first_on as from_on, n_churned, auc, other_auc, difference, difference_low, difference_high,
      scorecard <> ${literal(shown.scorecard)} or version <> ${literal(shown.version)} as is_turned
    from validation.scorecard_difference
    where period = 'out_of_time' and (
      (${of(shown)} and other = ${literal(against.scorecard)} and other_version = ${literal(against.version)})
      or (${of(against)} and other = ${literal(shown.scorecard)} and other_version = ${literal(shown.version)})
    )`);
  const [found] = stored;
  if (found !== undefined) {
    const { is_turned, ...row } = found;
    if (!is_turned) return row;
    const less = (x: number | null): number | null => (x === null ? null : -x);
    return {
      ...row,
      auc: row.other_auc,
      other_auc: row.auc,
      difference: less(row.difference),
      difference_low: less(row.difference_high),
      difference_high: less(row.difference_low),
    };
  }
  const pairs = await rankPairs(
    bench,
    `select 'pair' as subject, a.account_id, a.snapshot_date, a.score as a, b.score as b
     from release.scores.account_score as a
     inner join release.scores.account_score as b on b.account_id = a.account_id and b.snapshot_date = a.snapshot_date
     where a.scorecard = ${literal(against.scorecard)} and a.version = ${literal(against.version)}
       and b.scorecard = ${literal(shown.scorecard)} and b.version = ${literal(shown.version)}`,
    from,
  );
  const pair = pairs.find(({ period }) => period === "out_of_time");
  if (pair === undefined) return null;
  const half =
    pair.difference === null || pair.difference_high === null
      ? null
      : ((pair.difference_high - pair.difference) * 1.6448536269514722) / 1.959963984540054;
  return {
    from_on: from,
    n_churned: pair.n_churned,
    auc: pair.auc_b,
    other_auc: pair.auc_a,
    difference: pair.difference,
    difference_low: pair.difference === null || half === null ? null : pair.difference - half,
    difference_high: pair.difference === null || half === null ? null : pair.difference + half,
  };
}

/** Capacities on a page, beside the one that was asked for. */
const shownCapacities: readonly number[] = [10, 25, 50, 100];

/** Over the months that are out of time for both. Capacities that the release holds none of are computed from its scores. */
async function readCapacity(
  bench: Workbench,
  shown: Version,
  against: Version | null,
  asked: number | undefined,
): Promise<Pick<Backtest, "capacity" | "capacity_differences">> {
  const { database } = bench;
  const { query } = database;
  const wanted = [...new Set([...shownCapacities, ...(asked === undefined ? [] : [asked])])].sort((a, b) => a - b);
  const subjects = [shown, ...(against === null ? [] : [against])].map(
    ({ scorecard, version }) => `${scorecard}@${version}`,
  );
  const inList = subjects.map(literal).join(", ");
  const starts = await query<{ from_on: string }>(
    `select min(snapshot_date) as from_on from validation.score_row
     where is_out_of_time and subject in (${inList}) group by subject`,
  );
  if (starts.length < subjects.length) return { capacity: [], capacity_differences: [] };
  const from = starts.map(({ from_on }) => from_on).reduce((a, b) => (a > b ? a : b));
  const isStored = wanted.every((size) => capacities.includes(size));
  if (isStored) {
    await database.run(
      `create temp table departure as select * from validation.capacity_departure where subject in (${inList}) and from_on = date ${literal(from)}`,
    );
  } else {
    await database.run(
      `create temp table departure as select * from (${departureSelect(wanted)}) as d
       where subject in (${inList}) and from_on = date ${literal(from)}`,
    );
  }
  const capacity = await query<CapacityRow & object>(
    `select * from (${capacitySelect("departure")}) as c where capacity in (${wanted.join(", ")})
     order by capacity, scorecard <> ${literal(shown.scorecard)} or version <> ${literal(shown.version)}`,
  );
  if (against === null) return { capacity, capacity_differences: [] };
  const pair = `(select ${literal(subjects[0] as string)} as subject, ${literal(subjects[1] as string)} as other)`;
  const capacity_differences = await query<CapacityDifference & object>(
    `select capacity, difference, difference_low, difference_high
     from (${capacityDifferenceSelect("departure", pair)}) as c
     where capacity in (${wanted.join(", ")}) order by capacity`,
  );
  return { capacity, capacity_differences };
}
