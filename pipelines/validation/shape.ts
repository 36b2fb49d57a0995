/** Does churn differ between value bins at all? The first of two gates for "warning at both ends". */
import type { Step } from "../models/model.ts";
import { chiSquareP } from "./distributions.ts";
import { quadraticForm } from "./linear.ts";
import { twelveDigits, writeTable } from "./tables.ts";

const bins = [1, 2, 3, 4] as const;
const pairs = bins.flatMap((i) => bins.filter((j) => j >= i).map((j) => [i, j] as const));

/**
 * The clustered, stratified score test on five value bins: chi2 = U' V^-1 U with V from per-account sums. Bins that ties
 * made empty cost a degree of freedom. KPIs with one bin have no row.
 */
export const testShape: Step = {
  kind: "step",
  name: "validation.test_shape",
  depends: ["validation.kpi_shape_part", "validation.kpi_coverage"],
  params: [],
  produces: ["validation.kpi_shape"],
  version: "1",
  async run(context) {
    const rows = await context.query<Record<string, number> & { definition: string; kpi: string; n_distinct: number }>(`
select p.definition, p.kpi, any_value(c.n_distinct) as n_distinct,
  ${bins.map((i) => `exact_sum(p.u_${i}) as u_${i}`).join(", ")},
  ${pairs.map(([i, j]) => `exact_sum(p.u_${i} * p.u_${j}) as v_${i}_${j}`).join(", ")}
from validation.kpi_shape_part as p
inner join validation.kpi_coverage as c on c.definition = p.definition and c.kpi = p.kpi
group by p.definition, p.kpi order by p.definition, p.kpi`);
    const tested = rows.flatMap((row) => {
      const u = bins.map((i) => row[`u_${i}`] as number);
      const v = bins.map((i) => bins.map((j) => row[`v_${Math.min(i, j)}_${Math.max(i, j)}`] as number));
      const { statistic, rank } = quadraticForm(u, v);
      if (rank === 0) return [];
      return [
        {
          definition: row.definition,
          kpi: row.kpi,
          chi2: twelveDigits(statistic),
          df: rank,
          p: twelveDigits(chiSquareP(statistic, rank)),
          n_distinct: row.n_distinct,
        },
      ];
    });
    await writeTable(
      context,
      "validation.kpi_shape",
      { definition: "varchar", kpi: "varchar", chi2: "double", df: "integer", p: "double", n_distinct: "bigint" },
      tested,
    );
  },
};
