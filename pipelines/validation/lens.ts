/** The second lens: a KPI must also show in a logistic regression beside age, segment, size and the calendar. */
import type { Step, StepContext } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import {
  baselineTerms,
  countLabels,
  type LabelCounts,
  pooledSegments,
  type Scaled,
  scaleTerms,
  standardised,
} from "./baseline.ts";
import { fitLogistic } from "./newton.ts";
import { tenDigits, writeTable } from "./tables.ts";

/** A covariate of the baseline model under the name that the rows of a fit give it. */
type Covariate = Scaled & { readonly name: string };

/** The baseline's covariates for a fit with KPIs beside them; with interactions where the baseline could be fitted so. */
export async function baselineCovariates(
  query: StepContext["query"],
  { definition, has_seats }: LabelCounts,
): Promise<readonly Covariate[]> {
  const [fit] = await query<{ method: string }>(
    `select method from validation.baseline_fit where definition = ${literal(definition)}`,
  );
  const segments = await pooledSegments(query, definition);
  const terms = baselineTerms(segments, has_seats ? "seats" : "mrr", fit?.method === "full");
  const scaled = await scaleTerms(query, definition, terms);
  return scaled.map((term, i) => ({ ...term, name: `x${i}` }));
}

/** The covariates as further columns of a select over validation.baseline_row, each after a comma. */
export const columnsOf = (covariates: readonly Covariate[]): string =>
  covariates.map((term) => `, ${standardised(term)} as ${term.name}`).join("");

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
    "validation.definition",
    "validation.kpi_placed",
    "validation.kpi_coverage",
  ],
  params: [],
  produces: ["validation.kpi_lens"],
  version: "1",
  async run(context) {
    const { query, run } = context;
    const rows: { definition: string; kpi: string; z_logit: number | null; passes: number; is_converged: boolean }[] =
      [];
    for (const labels of await countLabels(query)) {
      const { definition } = labels;
      if (labels.n_event_rows === 0 || labels.n_event_rows === labels.n_rows) continue;
      const covariates = await baselineCovariates(query, labels);
      const usable = `select kpi from validation.kpi_coverage where definition = ${literal(definition)} and n_distinct > 1`;
      // Every pass reads all rows: they are put side by side once.
      await run(`
create or replace temp table lens_row as
select k.kpi as fit, r.account_no, r.block, r.y, k.x as kpi_x${columnsOf(covariates)}
from validation.kpi_placed as k
inner join validation.baseline_row as r on r.definition = k.definition and r.observation_no = k.observation_no
where k.definition = ${literal(definition)} and k.kpi in (${usable})`);
      const fits = await fitLogistic(query, {
        rows: "select * from lens_row",
        covariates: [...covariates.map(({ name }) => name), "kpi_x"],
        ridge: 1e-3,
        wald: "kpi_x",
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
    await run("drop table if exists lens_row");
    await writeTable(
      context,
      "validation.kpi_lens",
      { definition: "varchar", kpi: "varchar", z_logit: "double", passes: "integer", is_converged: "boolean" },
      rows,
    );
  },
};
