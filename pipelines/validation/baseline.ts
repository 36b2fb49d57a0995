/**
 * The baseline model: a ridge logistic regression of the outcome on age, segment, size and renewal, and nothing that is
 * a KPI. Its predictor makes the prognostic strata (Hansen 2008; docs/method.md, "Like for like").
 */
import type { Step, StepContext } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import { fitLogistic, type LinearForm } from "./newton.ts";
import { doubleLiteral, tenDigits, writeTable } from "./tables.ts";

/** A term of the model: a variable, for all accounts or for those of one segment only. */
export interface Term {
  readonly variable: string;
  readonly segment: string | null;
  readonly sql: string;
}

export type BaselineMethod = "full" | "main_effects" | "main_effects_strong_ridge" | "tenure_terciles" | "none";

const variables: Readonly<Record<string, string>> = {
  tenure: "log_tenure",
  tenure_squared: "log_tenure * log_tenure",
  seats: "log_seats",
  seats_squared: "log_seats * log_seats",
  seats_missing: "seats_missing",
  mrr: "log_mrr",
  mrr_squared: "log_mrr * log_mrr",
  mrr_missing: "mrr_missing",
  renewal_due: "case when is_renewal_due then 1e0 else 0e0 end",
};

/**
 * The terms for these segments: the variables, a dummy per segment but the first, and, with interactions, age and size
 * within each segment but the first. Size is seats where the book has them, else money.
 */
export function baselineTerms(
  segments: readonly string[],
  size: "seats" | "mrr",
  interactions: boolean,
): readonly Term[] {
  const terms: Term[] = Object.entries(variables).map(([variable, sql]) => ({ variable, segment: null, sql }));
  const own = interactions ? ["one", "tenure", size] : ["one"];
  for (const segment of [...segments].sort().slice(1)) {
    for (const variable of own) {
      const value = variable === "one" ? "1e0" : (variables[variable] as string);
      terms.push({ variable, segment, sql: `case when segment = ${literal(segment)} then ${value} else 0e0 end` });
    }
  }
  return terms;
}

/** One set of strata for all KPIs: ten bins below 200 churned accounts, twenty below 1,000, forty above. */
export const binsFor = (churned: number): number => (churned < 200 ? 10 : churned < 1000 ? 20 : 40);

const attempts: readonly { readonly method: BaselineMethod; readonly interactions: boolean; readonly ridge: number }[] =
  [
    { method: "full", interactions: true, ridge: 1e-3 },
    { method: "main_effects", interactions: false, ridge: 1e-3 },
    { method: "main_effects_strong_ridge", interactions: false, ridge: 1e-2 },
  ];

export interface Scaled extends Term {
  readonly mean: number;
  readonly sd: number;
}

/** The terms over the labelled rows of a definition with mean and standard deviation; constant ones included. */
async function scaleTerms(
  query: StepContext["query"],
  definition: string,
  terms: readonly Term[],
): Promise<readonly Scaled[]> {
  const rows = `validation.baseline_row where definition = ${literal(definition)} and y is not null`;
  const [means] = await query<Record<string, number>>(
    `select ${terms.map((term, i) => `exact_sum(${term.sql}) / count(*) as m${i}`).join(", ")} from ${rows}`,
  );
  const mean = (i: number) => means?.[`m${i}`] as number;
  const [spreads] = await query<Record<string, number>>(
    `select ${terms
      .map((term, i) => {
        const centred = `(${term.sql} - ${doubleLiteral(mean(i))})`;
        return `sqrt(exact_sum(${centred} * ${centred}) / count(*)) as s${i}`;
      })
      .join(", ")} from ${rows}`,
  );
  return terms.map((term, i) => ({ ...term, mean: mean(i), sd: spreads?.[`s${i}`] as number }));
}

/** A term that does not vary is no covariate. */
export const varies = ({ sd }: Scaled): boolean => sd > 1e-9;

/**
 * The covariates as linear forms of the plain variables' own, by segment: a dummy is a constant there, and a variable within a
 * segment is that variable or a constant. The rows of a fit then need one column a variable, and `part`, the segment's place.
 */
export function designOf(scaled: readonly Scaled[], segments: readonly string[]): BaselineDesign {
  const plain = scaled.filter(({ segment }) => segment === null);
  const columns = plain.filter(varies);
  const covariates = scaled.filter(varies);
  const parts = segments.map((own) =>
    covariates.map(({ variable, segment, mean, sd }): LinearForm => {
      const at = columns.findIndex((column) => column.variable === variable);
      if (segment === null) return { constant: 0, factors: new Map([[at, 1]]) };
      if (segment !== own) return { constant: -mean / sd, factors: new Map() };
      if (variable === "one") return { constant: (1 - mean) / sd, factors: new Map() };
      const base = plain.find((term) => term.variable === variable) as Scaled;
      return { constant: (base.mean - mean) / sd, factors: at < 0 ? new Map() : new Map([[at, base.sd / sd]]) };
    }),
  );
  return { columns, covariates, parts };
}

export interface BaselineDesign {
  /** The variables that vary: what the rows of a fit carry. */
  readonly columns: readonly Scaled[];
  readonly covariates: readonly Scaled[];
  readonly parts: readonly (readonly LinearForm[])[];
}

/** The select of {@link BaselineDesign}'s rows: observation_no, account_no, block, part, y and x0, x1, ... */
export function designRows(definition: string, { columns }: BaselineDesign, segments: readonly string[]): string {
  const place = segments.map((segment, i) => `when ${literal(segment)} then ${i}`).join(" ");
  return `select observation_no, account_no, block, case segment ${place} end as part, y${columns
    .map((term, i) => `, ${standardised(term)} as x${i}`)
    .join("")}
from validation.baseline_row where definition = ${literal(definition)} and y is not null`;
}

/** The standardised covariate as SQL. */
export const standardised = (term: Scaled): string =>
  `((${term.sql}) - ${doubleLiteral(term.mean)}) / ${doubleLiteral(term.sd)}`;

export interface LabelCounts {
  readonly definition: string;
  readonly n_rows: number;
  readonly n_event_rows: number;
  readonly n_churned: number;
  readonly has_seats: boolean;
}

/** Labelled rows of each definition that makes outcomes. */
export const countLabels = (query: StepContext["query"]): Promise<readonly LabelCounts[]> =>
  query<LabelCounts>(`
select d.definition, count(r.y) as n_rows, coalesce(sum(r.y), 0) as n_event_rows,
  count(distinct case when r.y = 1 then r.account_no end) as n_churned,
  coalesce(bool_or(r.seats_missing = 0e0), false) as has_seats
from validation.definition as d
left join validation.baseline_row as r on r.definition = d.definition and r.y is not null
where d.has_outcome group by d.definition order by d.definition`);

/** The segments of a definition's baseline rows after pooling. */
export async function pooledSegments(query: StepContext["query"], definition: string): Promise<readonly string[]> {
  const rows = await query<{ segment: string }>(
    `select distinct segment from validation.baseline_row where definition = ${literal(definition)} and y is not null order by 1`,
  );
  return rows.map((row) => row.segment);
}

export const fitBaseline: Step = {
  kind: "step",
  name: "validation.fit_baseline",
  depends: ["validation.baseline_row", "validation.definition"],
  params: [],
  produces: ["validation.baseline_coefficient", "validation.baseline_fit", "validation.baseline_term"],
  version: "2",
  async run(context) {
    const coefficients: { definition: string; variable: string; segment: string | null; coefficient: number }[] = [];
    const scaled: { definition: string; variable: string; segment: string | null; mean: number; sd: number }[] = [];
    const fits: {
      definition: string;
      method: BaselineMethod;
      ridge: number | null;
      passes: number | null;
      n_rows: number;
      n_churned: number;
      bins: number;
    }[] = [];
    for (const labels of await countLabels(context.query)) {
      const { definition, n_rows, n_event_rows, n_churned } = labels;
      const fit = await fitOne(context, labels);
      coefficients.push(...fit.coefficients.map((row) => ({ definition, ...row })));
      scaled.push(...fit.terms.map(({ variable, segment, mean, sd }) => ({ definition, variable, segment, mean, sd })));
      fits.push({
        definition,
        method: fit.method,
        ridge: fit.ridge,
        passes: fit.passes,
        n_rows,
        n_churned,
        bins: fit.method === "tenure_terciles" ? 3 : binsFor(n_churned),
      });
      context.note(`baseline of ${definition}: ${fit.method}, ${n_event_rows} of ${n_rows} rows churned`);
    }
    await writeTable(
      context,
      "validation.baseline_coefficient",
      { definition: "varchar", variable: "varchar", segment: "varchar", coefficient: "double" },
      coefficients,
    );
    await writeTable(
      context,
      "validation.baseline_term",
      { definition: "varchar", variable: "varchar", segment: "varchar", mean: "double", sd: "double" },
      scaled,
    );
    await writeTable(
      context,
      "validation.baseline_fit",
      {
        definition: "varchar",
        method: "varchar",
        ridge: "double",
        passes: "integer",
        n_rows: "bigint",
        n_churned: "bigint",
        bins: "integer",
      },
      fits,
    );
  },
};

async function fitOne({ query, run }: StepContext, labels: LabelCounts) {
  const { definition, n_rows, n_event_rows } = labels;
  const none = { method: "none" as const, ridge: null, passes: null, coefficients: [], terms: [] as readonly Scaled[] };
  if (n_event_rows === 0 || n_event_rows === n_rows) return none;
  const segments = await pooledSegments(query, definition);
  const terms = await scaleTerms(query, definition, baselineTerms(segments, labels.has_seats ? "seats" : "mrr", true));
  const withoutInteractions = terms.filter(({ variable, segment }) => segment === null || variable === "one");
  for (const { method, interactions, ridge } of attempts) {
    const design = designOf(interactions ? terms : withoutInteractions, segments);
    const { covariates: used } = design;
    if (used.length === 0) return none;
    const rows = "validation_fit_row";
    await run(
      `create or replace temp table ${rows} as select 'baseline' as fit, * replace (0 as block) from (${designRows(definition, design, segments)}) as r`,
    );
    const fits = await fitLogistic(query, {
      rows: `select * from ${rows}`,
      covariates: used.map((_, i) => `b${i}`),
      design: { columns: design.columns.map((_, i) => `x${i}`), parts: design.parts },
      ridge,
    });
    await run(`drop table ${rows}`);
    const fit = fits.get("baseline");
    if (fit === undefined || !fit.isConverged || fit.isSeparated) continue;
    const slopes = used.map((term, i) => (fit.coefficients.get(`b${i}`) as number) / term.sd);
    const intercept = used.reduce(
      (sum, term, i) => sum - (slopes[i] as number) * term.mean,
      fit.effects.get(0) as number,
    );
    return {
      method,
      ridge,
      passes: fit.passes,
      coefficients: [
        { variable: "one", segment: null, coefficient: tenDigits(intercept) },
        ...used.map(({ variable, segment }, i) => ({
          variable,
          segment,
          coefficient: tenDigits(slopes[i] as number),
        })),
      ],
      terms,
    };
  }
  // Strata of age alone: the predictor is log tenure and has three bins.
  return {
    method: "tenure_terciles" as const,
    ridge: null,
    passes: null,
    coefficients: [{ variable: "tenure", segment: null, coefficient: 1 }],
    terms,
  };
}
