/**
 * What advice learns from and is checked on: the labelled rows of the primary definition, parts of history that follow each
 * other (docs/method.md, "How many KPIs"), the KPIs that may enter a model, and the baseline's prediction as each part knew it.
 */
import type { StepContext } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { countLabels } from "./baseline.ts";
import { baselineCovariates, columnsOf } from "./lens.ts";
import { fitLogistic, type LogisticStart } from "./newton.ts";
import { doubleLiteral, tenDigits } from "./tables.ts";

/**
 * A part of the rows that models are fitted on: `t1` and `t2` are all rows whose outcome was known when the first and the
 * second test period began, `i1` and `i2` those of them whose outcome was known when the last third of their events began.
 */
export type Training = "i1" | "i2" | "t1" | "t2" | "all";
/** A part that models are judged on: `v1` and `v2` inside the training rows, `q1` and `q2` the test periods themselves. */
export type Testing = "v1" | "v2" | "q1" | "q2";

export const trainingOf: Readonly<Record<Testing, Training>> = { v1: "i1", v2: "i2", q1: "t1", q2: "t2" };

export interface PanelKpi {
  readonly id: string;
  readonly verdict: string;
  /** Verdict predicts, weak or non_monotone, and the first of its redundancy group. */
  readonly isCandidate: boolean;
  /** Not monotone: its five value bins take the place of its normal scores. */
  readonly isBinned: boolean;
}

export interface Panel {
  readonly definition: string;
  readonly kpis: readonly PanelKpi[];
  /** Columns of advice_row that mark a missing value of a KPI: in every model beside the baseline. */
  readonly marks: readonly string[];
  /** First snapshot dates of the two test periods, and the last one. */
  readonly testFrom: readonly [string, string];
  readonly testTo: string;
  readonly churned: number;
  /** Churned accounts in the two test periods together. */
  readonly testChurned: number;
}

/** The term of a KPI in a model fitted on `training`: a column of advice_row, standardised, 0 for a missing value. */
export const termOf = (panel: Panel, kpi: string, training: Training): string =>
  panel.kpis.find(({ id }) => id === kpi)?.isBinned === true ? quoteIdentifier(`k_${kpi}__${training}`) : columnOf(kpi);

/** A column's name cannot be that of a KPI: a KPI may be called as another column is. */
const columnOf = (kpi: string): string => quoteIdentifier(`k_${kpi}`);

export const baseOf = (training: Training): string => `base_${training}`;

interface BlockCount {
  readonly block: number;
  readonly from: string;
  readonly n: number;
}

/** First blocks of the two test periods: those that leave the last 40 % and the last 20 % of events; null without room. */
export function testBlocks(blocks: readonly BlockCount[]): readonly [number, number] | null {
  const total = blocks.reduce((sum, { n }) => sum + n, 0);
  let before = 0;
  const starts: number[] = [];
  for (const [i, { n }] of blocks.entries()) {
    const share = starts.length === 0 ? 0.6 : 0.8;
    if (i > 0 && before >= share * total && starts.length < 2) starts.push(i);
    before += n;
  }
  const [first, second] = starts;
  return first === undefined || second === undefined || second <= first ? null : [first, second];
}

/** Churned accounts that the parts need: fewer say nothing about which KPIs to take. */
const least = { training: 50, inner: 30, testing: 20 };

/** Verdicts of KPIs that must not enter a model, or add nothing to one. */
const left = new Set(["leaks", "too_good", "not_tested", "late_only", "mostly_late", "redundant"]);
const candidateVerdicts = ["predicts", "weak", "non_monotone"];
const mostCandidates = 12;

/** Creates the temporary table advice_row; a sentence instead where history is too short or too quiet. */
export async function buildPanel(context: StepContext, mostKpis: number): Promise<Panel | { readonly why: string }> {
  const { query, run } = context;
  const labels = (
    await query<{ definition: string; settle_days: number }>(
      "select definition, settle_days from validation.definition where is_primary",
    )
  )[0];
  const counts = (await countLabels(query)).find((row) => row.definition === labels?.definition);
  const churned = counts?.n_churned ?? 0;
  if (labels === undefined || counts === undefined || churned < 50) {
    return { why: `Not enough data: ${churned} of 50 churned accounts needed.` };
  }
  const { definition } = labels;
  const blocks = await query<BlockCount>(`
select block, cast(min(snapshot_date) as varchar) as "from", cast(sum(y) as integer) as n
from validation.stratum where definition = ${literal(definition)} and y is not null
group by block order by block`);
  const starts = testBlocks(blocks);
  const tooShort = {
    why: `Not enough data: the history of ${churned} churned accounts is too short to learn from its earlier part and to be checked on a later one.`,
  };
  if (starts === null) return tooShort;
  const testFrom = starts.map((i) => (blocks[i] as BlockCount).from) as [string, string];
  const kpis = await panelKpis(context, definition, mostKpis);
  if (kpis.every(({ isCandidate }) => !isCandidate)) {
    return { why: `No KPI is an early warning (${churned} churned accounts), so there is nothing to choose from.` };
  }

  const covariates = await baselineCovariates(query, counts);
  await run(`
create or replace temp table advice_dated as
select s.*, s.snapshot_date + p.gap_days + p.horizon_days + ${labels.settle_days} as known_on
from validation.stratum as s
cross join meta.params as p
where s.definition = ${literal(definition)} and s.y is not null`);
  const innerFrom: string[] = [];
  for (const from of testFrom) {
    const [row] = await query<{ inner_from: string | null }>(`
with dated as (
  select snapshot_date, sum(y) as n from advice_dated where known_on <= date ${literal(from)} group by snapshot_date
),
running as (
  select snapshot_date, sum(n) over (order by snapshot_date desc) as n_after, sum(n) over () as n_all from dated
)
select cast(max(snapshot_date) as varchar) as inner_from from running where 3 * n_after >= n_all and n_all > 0`);
    if (row === undefined || row.inner_from === null) return tooShort;
    innerFrom.push(row.inner_from);
  }
  const [test1, test2] = testFrom.map((day) => `date ${literal(day)}`) as [string, string];
  const [inner1, inner2] = innerFrom.map((day) => `date ${literal(day)}`) as [string, string];
  await run(`
create or replace temp table advice_row as
with wide as (
  select
    observation_no,
    ${kpis
      .map(
        ({ id, isBinned }) =>
          `max(case when kpi = ${literal(id)} then ${isBinned ? "cast(bin_5 as double)" : "x"} end) as ${columnOf(id)}`,
      )
      .join(",\n    ")}
  from validation.kpi_placed
  where definition = ${literal(definition)} and kpi in (${kpis.map(({ id }) => literal(id)).join(", ")})
  group by observation_no
),
explained as (
  select observation_no${columnsOf(covariates)}
  from validation.baseline_row
  where definition = ${literal(definition)}
)
select
  s.observation_no, s.account_id, s.snapshot_date, s.account_no, s.block, s.segment, s.own_segment, s.stratum, s.y,
  s.predictor as base_all,
  s.known_on <= ${inner1} as i1,
  s.known_on <= ${inner2} as i2,
  s.known_on <= ${test1} as t1,
  s.known_on <= ${test2} as t2,
  true as "all",
  s.known_on <= ${test1} and s.snapshot_date >= ${inner1} as v1,
  s.known_on <= ${test2} and s.snapshot_date >= ${inner2} as v2,
  s.snapshot_date >= ${test1} and s.snapshot_date < ${test2} as q1,
  s.snapshot_date >= ${test2} as q2,
  ${kpis.map(({ id }) => `w.${columnOf(id)}`).join(", ")}${covariates.map(({ name }) => `, e.${name}`).join("")}
from advice_dated as s
inner join explained as e on e.observation_no = s.observation_no
left join wide as w on w.observation_no = s.observation_no`);
  await run("drop table advice_dated");

  const parts = ["i1", "i2", "t1", "t2", "v1", "v2", "q1", "q2"] as const;
  const [sizes] = await query<Record<string, number> & { test_to: string }>(`
select cast(max(snapshot_date) as varchar) as test_to, count(*) as n,
  count(distinct case when y = 1 and (q1 or q2) then account_no end) as n_tested,
  ${parts.map((part) => `count(distinct case when y = 1 and ${part} then account_no end) as ${part}`).join(", ")}${kpis
    .map(({ id }, i) => `, count(${columnOf(id)}) as valued_${i}`)
    .join("")}
from advice_row`);
  const size = (name: string): number => sizes?.[name] ?? 0;
  const isTooSmall = parts.some(
    (part) => size(part) < (part[0] === "i" ? least.inner : part[0] === "t" ? least.training : least.testing),
  );
  if (isTooSmall) {
    await dropPanel(context);
    return tooShort;
  }

  const trainings = ["i1", "i2", "t1", "t2"] as const;
  const fits = await fitLogistic(query, {
    rows: trainings
      .map(
        (part) =>
          `select ${literal(part)} as fit, account_no, 0 as block, y${covariates.map(({ name }) => `, ${name}`).join("")} from advice_row where ${part}`,
      )
      .join("\nunion all\n"),
    covariates: covariates.map(({ name }) => name),
    ridge: 1e-3,
    start: await wholeBaseline(query, definition, covariates),
  });
  const base = trainings.map((part) => {
    const fit = fits.get(part);
    // Without a fit of its own a part borrows the prediction of all rows.
    if (fit === undefined || !fit.isConverged || fit.isSeparated) return `base_all as ${baseOf(part)}`;
    const terms = covariates.map(
      ({ name }) => ` + ${doubleLiteral(tenDigits(fit.coefficients.get(name) as number))} * ${name}`,
    );
    return `round(${doubleLiteral(tenDigits(fit.effects.get(0) as number))}${terms.join("")}, 8) as ${baseOf(part)}`;
  });
  const marked = kpis.filter(
    (_, i) => size(`valued_${i}`) < 0.99 * size("n") && size(`valued_${i}`) > 0.01 * size("n"),
  );
  const markOf = (id: string): string => quoteIdentifier(`k_${id}__missing`);
  const dropped = covariates.map(({ name }) => name).join(", ");
  // A KPI that is not monotone keeps its bins until they are made a number, which takes the predictions.
  const ownColumns = kpis.map(({ id, isBinned }) =>
    isBinned ? columnOf(id) : `coalesce(${columnOf(id)}, 0e0) as ${columnOf(id)}`,
  );
  const rawColumns = kpis.map(({ id }) => columnOf(id)).join(", ");
  await run(`
create or replace temp table advice_row as
select * exclude (${dropped}, ${rawColumns}), ${[
    ...ownColumns,
    ...base,
    ...marked.map(({ id }) => `case when ${columnOf(id)} is null then 1e0 else 0e0 end as ${markOf(id)}`),
  ].join(", ")}
from advice_row`);
  const binned = kpis.filter(({ isBinned }) => isBinned);
  if (binned.length > 0) {
    const encoded: string[] = [];
    for (const { id } of binned) {
      for (const part of [...trainings, "all"] as const) {
        encoded.push(`${await encodingOf(context, id, part)} as ${quoteIdentifier(`k_${id}__${part}`)}`);
      }
    }
    await run(`
create or replace temp table advice_row as
select * exclude (${binned.map(({ id }) => columnOf(id)).join(", ")}), ${encoded.join(", ")} from advice_row`);
  }
  return {
    definition,
    kpis,
    marks: marked.map(({ id }) => markOf(id)),
    testFrom,
    testTo: sizes?.test_to ?? "",
    churned,
    testChurned: size("n_tested"),
  };
}

/** The baseline of all rows in units of the standardised covariates: where the fits of its parts begin. */
async function wholeBaseline(
  query: StepContext["query"],
  definition: string,
  covariates: Awaited<ReturnType<typeof baselineCovariates>>,
): Promise<LogisticStart> {
  const rows = await query<{ variable: string; segment: string | null; coefficient: number }>(
    `select variable, segment, coefficient from validation.baseline_coefficient where definition = ${literal(definition)}`,
  );
  const of = (variable: string, segment: string | null): number =>
    rows.find((row) => row.variable === variable && row.segment === segment)?.coefficient ?? 0;
  const slopes = covariates.map(({ variable, segment }) => of(variable, segment));
  const intercept = covariates.reduce((sum, { mean }, i) => sum + (slopes[i] as number) * mean, of("one", null));
  return {
    effects: new Map([[0, intercept]]),
    coefficients: new Map(covariates.map(({ name, sd }, i) => [name, (slopes[i] as number) * sd])),
  };
}

export const dropPanel = ({ run }: Pick<StepContext, "run">): Promise<void> => run("drop table if exists advice_row");

/** Candidates first, clearest first; then others with a value to rank by, up to `most` in all. */
async function panelKpis({ query }: StepContext, definition: string, most: number): Promise<readonly PanelKpi[]> {
  const rows = await query<{ kpi: string; verdict: string; z: number; group: number | null }>(`
with member as (
  select kpi, "group" from validation.kpi_pair where "group" is not null
  union
  select other, "group" from validation.kpi_pair where "group" is not null
)
select v.kpi, v.verdict, abs(v.auc - 0.5) / nullif(v.auc_se, 0) as z, m."group"
from validation.kpi_verdict as v
left join member as m on m.kpi = v.kpi
where v.definition = ${literal(definition)} and v.group_kind = 'all' and v.auc is not null and v.auc_se > 0
order by z desc, v.kpi`);
  const rank = ({ verdict }: { readonly verdict: string }): number =>
    candidateVerdicts.includes(verdict) ? candidateVerdicts.indexOf(verdict) : candidateVerdicts.length;
  const groups = new Set<number>();
  const kpis: PanelKpi[] = [];
  let candidates = 0;
  for (const row of rows.filter(({ verdict }) => !left.has(verdict)).sort((a, b) => rank(a) - rank(b))) {
    const { kpi: id, verdict, group } = row;
    const isCandidate = rank(row) < candidateVerdicts.length;
    if (group !== null && groups.has(group)) continue;
    if (isCandidate ? candidates >= mostCandidates : kpis.length >= most) continue;
    if (group !== null) groups.add(group);
    if (isCandidate) candidates += 1;
    kpis.push({ id, verdict, isCandidate, isBinned: verdict === "non_monotone" });
  }
  return kpis;
}

/**
 * A KPI's bins as one number: the log of departures in the bin over those that the baseline expects, each with a half added, by
 * the rows of the part; standardised over them. A bin without a row there, and a missing value, is 0.
 */
async function encodingOf({ query }: StepContext, id: string, part: Training): Promise<string> {
  const rows = await query<{ bin: number; n: number; observed: number; expected: number }>(`
select cast(${columnOf(id)} as integer) as bin, count(*) as n, sum(y) as observed,
  exact_share_sum(1e0 / (1e0 + exp(-${baseOf(part)}))) as expected
from advice_row where ${part === "all" ? "true" : part} and ${columnOf(id)} is not null group by bin order by bin`);
  const scores = rows.map(({ observed, expected }) => Math.log((observed + 0.5) / (expected + 0.5)));
  const n = rows.reduce((sum, row) => sum + row.n, 0);
  const mean = rows.reduce((sum, row, i) => sum + row.n * (scores[i] as number), 0) / Math.max(1, n);
  const variance = rows.reduce((sum, row, i) => sum + row.n * ((scores[i] as number) - mean) ** 2, 0) / Math.max(1, n);
  if (!(variance > 1e-18)) return "0e0";
  const cases = rows.map(
    ({ bin }, i) =>
      `when ${bin} then ${doubleLiteral(tenDigits(((scores[i] as number) - mean) / Math.sqrt(variance)))}`,
  );
  return `case cast(${columnOf(id)} as integer) ${cases.join(" ")} else 0e0 end`;
}
