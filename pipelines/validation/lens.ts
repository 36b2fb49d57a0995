/** The second lens: a KPI must also show in a logistic regression beside age, segment, size and the calendar. */
import type { Step, StepContext } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import {
  baselineTerms,
  countLabels,
  designOf,
  designRows,
  type LabelCounts,
  pooledSegments,
  type Scaled,
  standardised,
  varies,
} from "./baseline.ts";
import { fitLogistic, type LogisticFit, type LogisticProblem } from "./newton.ts";
import { tenDigits, writeTable } from "./tables.ts";

/** A covariate of the baseline model under the name that the rows of a fit give it. */
type Covariate = Scaled & { readonly name: string };

/** The terms beside which KPIs are fitted: with interactions where the baseline could be fitted so. Constant ones included. */
async function baselineScale(
  query: StepContext["query"],
  { definition, has_seats }: LabelCounts,
): Promise<{ readonly terms: readonly Scaled[]; readonly segments: readonly string[] }> {
  const [fit] = await query<{ method: string }>(
    `select method from validation.baseline_fit where definition = ${literal(definition)}`,
  );
  const segments = await pooledSegments(query, definition);
  const scales = await query<{ variable: string; segment: string | null; mean: number; sd: number }>(
    `select variable, segment, mean, sd from validation.baseline_term where definition = ${literal(definition)}`,
  );
  const keyOf = (variable: string, segment: string | null): string => JSON.stringify([variable, segment]);
  const known = new Map(scales.map((row) => [keyOf(row.variable, row.segment), row]));
  const terms = baselineTerms(segments, has_seats ? "seats" : "mrr", fit?.method === "full").flatMap((term) => {
    const scale = known.get(keyOf(term.variable, term.segment));
    return scale === undefined ? [] : [{ ...term, mean: scale.mean, sd: scale.sd }];
  });
  return { terms, segments };
}

/** The baseline's covariates, standardised over all labelled rows of the definition, for a fit with other variables beside them. */
export async function baselineCovariates(
  query: StepContext["query"],
  labels: LabelCounts,
): Promise<readonly Covariate[]> {
  const { terms } = await baselineScale(query, labels);
  return terms.filter(varies).map((term, i) => ({ ...term, name: `x${i}` }));
}

/** The covariates as further columns of a select over validation.baseline_row, each after a comma. */
export const columnsOf = (covariates: readonly Covariate[]): string =>
  covariates.map((term) => `, ${standardised(term)} as ${term.name}`).join("");

/** What fits with KPIs beside the baseline share. */
export interface Beside {
  /** A temporary table, one row a labelled observation: observation_no, account_no, block, part, y and `columns`. */
  readonly table: string;
  readonly columns: readonly string[];
  /** The problem but for its rows, which have `columns` and the variables named here; the last one's z is wanted. */
  readonly problem: (...variables: readonly string[]) => Omit<LogisticProblem, "rows">;
}

/**
 * The baseline of one definition laid out once for all fits beside it. They begin where the baseline and the blocks alone end:
 * a KPI moves that little, and the passes are what a fit costs.
 */
export async function layBaseline({ query, run }: StepContext, labels: LabelCounts): Promise<Beside> {
  const { definition } = labels;
  const table = "baseline_beside";
  const { terms, segments } = await baselineScale(query, labels);
  const design = designOf(terms, segments);
  const columns = design.columns.map((_, i) => `x${i}`);
  const covariates = design.covariates.map((_, j) => `b${j}`);
  await run(`create or replace temp table ${table} as ${designRows(definition, design, segments)}`);
  const alone = (
    await fitLogistic(query, {
      rows: `select 1 as fit, * from ${table}`,
      covariates,
      design: { columns, parts: design.parts },
      ridge: 1e-3,
    })
  ).get("1");
  const problem = (...variables: readonly string[]): Omit<LogisticProblem, "rows"> => ({
    covariates: [...covariates, ...variables],
    design: {
      columns: [...columns, ...variables],
      parts: design.parts.map((forms) => [
        ...forms,
        ...variables.map((_, k) => ({ constant: 0, factors: new Map([[columns.length + k, 1]]) })),
      ]),
    },
    ridge: 1e-3,
    wald: variables.at(-1) as string,
    ...(alone === undefined || !alone.isConverged || alone.isSeparated ? {} : { start: alone }),
  });
  return { table, columns, problem };
}

/**
 * From so many labelled rows the KPIs are fitted one after another, over a table with so many of them side by side: a pass then
 * multiplies by constants and joins nothing. Below, the statements themselves cost more than their rows, and one serves all KPIs.
 */
const aloneFrom = 100_000;
const sideBySide = 25;

/**
 * Per KPI and definition: y on the baseline covariates, block dummies and the rank-normal KPI over complete cases, ridge
 * 1e-3, Wald z clustered by account. Covariates are standardised over all labelled rows of the definition. The z is null
 * when the fit separates or does not converge; a rule that reads a null is false.
 */
export const fitLens: Step = {
  kind: "step",
  name: "validation.fit_lens",
  depends: [
    "validation.baseline_fit",
    "validation.baseline_row",
    "validation.baseline_term",
    "validation.definition",
    "validation.kpi_placed",
    "validation.kpi_coverage",
  ],
  params: [],
  produces: ["validation.kpi_lens"],
  version: "2",
  async run(context) {
    const { query, run } = context;
    const rows: { definition: string; kpi: string; z_logit: number | null; passes: number; is_converged: boolean }[] =
      [];
    for (const labels of await countLabels(query)) {
      const { definition } = labels;
      if (labels.n_event_rows === 0 || labels.n_event_rows === labels.n_rows) continue;
      const usable = await query<{ kpi: string }>(
        `select kpi from validation.kpi_coverage where definition = ${literal(definition)} and n_distinct > 1 order by kpi`,
      );
      if (usable.length === 0) continue;
      const { table, columns, problem } = await layBaseline(context, labels);
      const isAlone = labels.n_rows >= aloneFrom;
      const batch = isAlone ? sideBySide : usable.length;
      for (let from = 0; from < usable.length; from += batch) {
        const kpis = usable.slice(from, from + batch).map(({ kpi }) => kpi);
        const placed = `validation.kpi_placed where definition = ${literal(definition)} and kpi in (${kpis.map(literal).join(", ")})`;
        const own = `r.account_no, r.block, r.part, r.y${columns.map((name) => `, r.${name}`).join("")}`;
        if (isAlone) {
          const values = kpis.map((kpi, i) => `max(x) filter (where kpi = ${literal(kpi)}) as v${i}`);
          await run(`
create or replace temp table lens_value as
with beside as (
  select observation_no, ${values.join(", ")} from ${placed} group by observation_no
)
select ${own}, v.* exclude (observation_no)
from beside as v
inner join ${table} as r on r.observation_no = v.observation_no`);
        } else {
          await run(`
create or replace temp table lens_value as select kpi as fit, observation_no, x as kpi_x from ${placed}`);
        }
        const fits = isAlone
          ? await fitEach(query, kpis, (i) => ({
              rows: `select ${literal(kpis[i] as string)} as fit, ${own}, r.v${i} as kpi_x from lens_value as r where r.v${i} is not null`,
              ...problem("kpi_x"),
            }))
          : await fitLogistic(query, {
              rows: `select v.fit, v.kpi_x, ${own} from lens_value as v inner join ${table} as r on r.observation_no = v.observation_no`,
              ...problem("kpi_x"),
            });
        for (const [kpi, result] of fits) {
          rows.push({
            definition,
            kpi,
            z_logit: result.z === null ? null : tenDigits(result.z),
            passes: result.passes,
            is_converged: result.isConverged,
          });
        }
      }
      await run(`drop table lens_value; drop table ${table}`);
    }
    await writeTable(
      context,
      "validation.kpi_lens",
      { definition: "varchar", kpi: "varchar", z_logit: "double", passes: "integer", is_converged: "boolean" },
      rows,
    );
  },
};

/** One fit after another, as {@link fitLogistic} gives several. */
async function fitEach(
  query: StepContext["query"],
  kpis: readonly string[],
  problemOf: (i: number) => LogisticProblem,
): Promise<ReadonlyMap<string, LogisticFit>> {
  const fits = new Map<string, LogisticFit>();
  for (const i of kpis.keys()) {
    for (const [kpi, fit] of await fitLogistic(query, problemOf(i))) fits.set(kpi, fit);
  }
  return fits;
}
