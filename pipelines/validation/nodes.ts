/** Everything that validation builds: outcomes meet features here, and nowhere earlier. */
import type { Book } from "../config/book.ts";
import { basesOf, type KpiDefinition, useBeside } from "../config/kpi.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";
import { leadingTo } from "../models/graph.ts";
import { readModels } from "../models/header.ts";
import type { Model, Node } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { adviceNodes } from "./advice.ts";
import { fitBaseline } from "./baseline.ts";
import { testControls } from "./controls.ts";
import { decideVerdicts, type LiveKpi, verdictColumns, writeUntested } from "./decide.ts";
import { historyNodes } from "./history.ts";
import { fitLens } from "./lens.ts";
import { checkNotice, decisionModel, definitionModel } from "./outcomes.ts";
import { makePeriods } from "./periods.ts";
import { rankModels, rankTotals } from "./rank.ts";
import { groupKpis, rankPairs } from "./redundancy.ts";
import { type LookBackOptions, lookBack } from "./rhythm.ts";
import { testShape } from "./shape.ts";
import { kpiSides } from "./sides.ts";
import { table } from "./tables.ts";

export interface ValidationOptions {
  /**
   * A table with the result of the truncation test: kpi, n_changed (values that changed when rows and dated columns after
   * the snapshot were cut). Without one, rule L goes by lineage alone.
   */
  readonly truncation?: string;
  /** KPIs that the book's read without being its own: what they count decides the lineage. */
  readonly inputs?: readonly KpiDefinition[];
  /** With it, labels are those of the last month start; without, today's. */
  readonly looks?: Omit<LookBackOptions, "nodesOf" | "primary" | "untested">;
}

/** How much beside the whole book and its segments. */
interface Extent {
  readonly looks?: boolean;
  readonly cohorts?: boolean;
  readonly interventions?: boolean;
}

/**
 * The nodes of the validation layer. They read features.account_kpi, features.kpi_why_null, features.kpi_definition, the
 * spine, staging and the scores.
 */
export async function validationNodes(
  book: Book,
  kpis: readonly KpiDefinition[],
  cards: readonly AppliedScorecard[],
  options: ValidationOptions = {},
): Promise<readonly Node[]> {
  const { looks } = options;
  return [
    ...(await kpiNodes(book, kpis, cards, options, {
      looks: looks !== undefined,
      cohorts: true,
      interventions: true,
    })),
    ...rankModels({ name: "unplayed", source: "validation.unplayed_observed" }),
    ...rankTotals("unplayed", "validation.unplayed_part"),
    ...rankModels({ name: "control", source: "validation.control_observed" }),
    ...rankTotals("control", "validation.control_part"),
    testControls,
    ...(looks === undefined ? [] : [await lookBackNode(book, kpis, cards, options, looks)]),
    ...historyNodes(),
    ...adviceNodes(book),
  ];
}

/**
 * Of {@link validationNodes} what only other nodes read and what has rows by observation, account or stratum: a release does not hold it.
 * The statistics made of it stay; so do validation.kpi_influence, from which the error of any difference follows, and validation.kpi_placed,
 * the labelled values of which `suggest scorecard` makes one.
 */
export const scratchTables: ReadonlySet<string> = new Set([
  "validation.baseline_row",
  "validation.bootstrap_weight",
  "validation.kpi_account",
  "validation.kpi_cell",
  "validation.kpi_date_cell",
  "validation.kpi_observed",
  "validation.kpi_part",
  "validation.kpi_series",
  "validation.kpi_shape_part",
  "validation.kpi_side_influence",
  "validation.kpi_side_part",
  "validation.kpi_stratum",
  "validation.kpi_unanswered",
  "validation.kpi_value",
  "validation.lead_row",
  "validation.ranked_row",
  "validation.score_forecast",
  "validation.score_observed",
  "validation.score_part_grouped",
  "validation.score_run",
  "validation.score_warning",
  ...["cohort", "control", "unplayed"].flatMap((name) =>
    ["observed", "cell", "part", "influence"].map((part) => `validation.${name}_${part}`),
  ),
  ...["cell", "part", "influence"].map((part) => `validation.score_${part}`),
]);

/** Of {@link validationNodes} what the verdicts need: from the outcomes and the check of notices to
 * validation.kpi_verdict. They read no score. */
export async function verdictNodes(
  book: Book,
  kpis: readonly KpiDefinition[],
  cards: readonly AppliedScorecard[],
  options: ValidationOptions = {},
): Promise<readonly Node[]> {
  return leadingTo(await kpiNodes(book, kpis, cards, options), [
    "validation.notice_check",
    "validation.kpi_verdict",
    "validation.kpi_pair",
  ]);
}

/** The looks at past month starts: the nodes of each definition's verdicts, run again as of these days. */
async function lookBackNode(
  book: Book,
  kpis: readonly KpiDefinition[],
  cards: readonly AppliedScorecard[],
  options: ValidationOptions,
  looks: NonNullable<ValidationOptions["looks"]>,
): Promise<Node> {
  const nodesOf = new Map<string, { readonly newest: readonly Node[]; readonly past: readonly Node[] }>();
  const definitions = Object.entries(book.churn.definitions).sort(([a], [b]) => (a < b ? -1 : 1));
  // A flag makes no outcomes, but what reads its column leaks.
  const flags = Object.fromEntries(definitions.filter(([, { type }]) => type === "account_flag"));
  for (const [id, definition] of definitions) {
    if (definition.type === "account_flag") continue;
    const alone = { ...book, churn: { ...book.churn, definitions: { [id]: definition, ...flags } } };
    const nodes = async (extent: Extent): Promise<readonly Node[]> =>
      leadingTo(await kpiNodes(alone, kpis, cards, options, extent), ["validation.kpi_verdict"]);
    nodesOf.set(id, { newest: await nodes({ cohorts: true }), past: await nodes({}) });
  }
  const lineage = lineageOf(book, kpis, options.inputs);
  return lookBack(
    {
      ...looks,
      nodesOf,
      primary: book.churn.primary,
      untested: (context, definition, lookOn) =>
        writeUntested(context, { definition, lookOn, lineage, truncation: options.truncation }),
    },
    verdictColumns,
  );
}

/** Every model in SQL, and the steps and models in TypeScript that the verdicts rest on. */
async function kpiNodes(
  book: Book,
  kpis: readonly KpiDefinition[],
  cards: readonly AppliedScorecard[],
  options: ValidationOptions,
  extent: Extent = {},
): Promise<readonly Node[]> {
  const notice = checkNotice(book);
  return [
    ...(await readModels("validation")),
    definitionModel(book),
    decisionModel(book),
    ...(notice === null ? [] : [notice]),
    fitBaseline,
    makePeriods,
    kpiValueModel(kpis),
    ...rankTotals("kpi", "validation.kpi_account", {
      isSummed: true,
      keys: ["definition_no", "series_no", "kind", "place"],
      names: "validation.kpi_ranking",
      // What differences are taken of; periods and segments are compared through their own errors.
      influenceOf: "statistic in ('main', 'crude', 'late', 'missing', 'half_1', 'half_2')",
    }),
    testShape,
    kpiSides,
    ...rankTotals("kpi_side", "validation.kpi_side_part", { isSummed: true }),
    ...rankModels({ name: "cohort", source: "validation.cohort_observed" }),
    ...rankTotals("cohort", "validation.cohort_part"),
    fitLens,
    kpiArrivalModel(book, kpis, options.inputs),
    truncationModel(options.truncation),
    rankPairs,
    groupKpis,
    decideVerdicts({
      lineage: lineageOf(book, kpis, options.inputs),
      live: liveKpis(cards),
      use: useOf(kpis),
      ...extent,
    }),
  ];
}

/**
 * validation.kpi_value: the KPIs of every observation in long form, one KPI after another, so that what is grouped by KPI works on
 * a small part of the rows at a time; a missing value has no row. kpi_no is that of features.kpi_definition.
 */
export function kpiValueModel(kpis: readonly Pick<KpiDefinition, "id">[]): Model {
  const grain = ["observation_no", "kpi"];
  if (kpis.length === 0) {
    return table(
      "validation.kpi_value",
      grain,
      [],
      "select null::integer as observation_no, null::varchar as kpi, null::smallint as kpi_no, null::double as value where false",
    );
  }
  const columns = kpis.map(({ id }) => quoteIdentifier(id));
  const parts = kpis.map(
    ({ id }, i) =>
      `select observation_no, ${literal(id)} as kpi, cast(${i + 1} as smallint) as kpi_no, ${columns[i]} as value from wide where isfinite(${columns[i]})`,
  );
  return table(
    "validation.kpi_value",
    grain,
    ["features.account_kpi", "validation.observation"],
    `
with wide as materialized (
  select o.observation_no, ${columns.map((column) => `cast(k.${column} as double) as ${column}`).join(", ")}
  from features.account_kpi as k
  inner join validation.observation as o on o.account_id = k.account_id and o.snapshot_date = k.snapshot_date
)
${parts.join("\nunion all\n")}`,
  );
}

const entitiesThatDecide = new Set(["churn_event", "play"]);
const columnsThatDecide = new Set(["notice_on", "ended_on", "end_reason"]);

/**
 * KPIs that read what records the decision (rule L): their id and the table or column. `ended_on: null` in a filter is none of it:
 * a snapshot knows an end only after its day, so the condition names the contracts that run, and an account whose last one
 * has ended has no more snapshots.
 */
export function lineageOf(
  book: Pick<Book, "churn">,
  kpis: readonly KpiDefinition[],
  inputs: readonly KpiDefinition[] = [],
): ReadonlyMap<string, string> {
  const flags = new Set(
    Object.values(book.churn.definitions).flatMap((d) => (d.type === "account_flag" ? [d.column] : [])),
  );
  const found = new Map<string, string>();
  const known = byId([...kpis, ...inputs]);
  const bases = kpis.flatMap((kpi) => basesOf(kpi, known).map((base) => ({ ...base, id: kpi.id })));
  for (const { id, entity, filter, value } of bases) {
    if (entity === null || found.has(id)) continue;
    if (entitiesThatDecide.has(entity)) {
      found.set(id, entity);
      continue;
    }
    const conditions = Object.entries(filter).filter(([name, condition]) => name !== "ended_on" || condition !== null);
    const columns = [...conditions.map(([name]) => name), ...(value === undefined ? [] : [value.column])];
    const column = columns.find(
      (name) => (entity === "subscription" && columnsThatDecide.has(name)) || (entity === "account" && flags.has(name)),
    );
    if (column !== undefined) found.set(id, `${entity}.${column}`);
  }
  return found;
}

const useOf = (kpis: readonly KpiDefinition[]) =>
  new Map(
    kpis.flatMap((kpi) => {
      const beside = useBeside(kpi);
      return beside === undefined ? [] : [[kpi.id, beside] as const];
    }),
  );

/** The KPIs with points in an assigned scorecard, with the days on which that version is in force. */
export function liveKpis(cards: readonly AppliedScorecard[]): readonly LiveKpi[] {
  return cards.flatMap(({ card, assign_order }) => {
    if (assign_order === null) return [];
    const from = card.in_force_from ?? null;
    const later = cards
      .filter((other) => other.assign_order === assign_order && other.card !== card)
      .flatMap(({ card: other }) => {
        const start = other.in_force_from ?? "";
        const isLater = start > (from ?? "") || (start === (from ?? "") && other.version > card.version);
        return isLater ? [start] : [];
      })
      .sort();
    const entries = card.groups.flatMap(({ weight, kpis, groups }) => {
      const leaves = kpis === undefined ? (groups ?? []) : [{ weight: 1, kpis }];
      return weight === 0 ? [] : leaves.flatMap((leaf) => (leaf.weight === 0 ? [] : leaf.kpis));
    });
    return entries.filter(({ weight }) => weight > 0).map(({ kpi }) => ({ kpi, from, until: later[0] ?? null }));
  });
}

const byId = (kpis: readonly KpiDefinition[]): ReadonlyMap<string, KpiDefinition> =>
  new Map(kpis.map((kpi) => [kpi.id, kpi]));

/** validation.kpi_arrival: whether it is known when the rows of each KPI arrived (all sources of its entity). */
function kpiArrivalModel(book: Book, kpis: readonly KpiDefinition[], inputs: readonly KpiDefinition[] = []): Model {
  const known = byId([...kpis, ...inputs]);
  const pairs = kpis.flatMap((kpi) => basesOf(kpi, known).map(({ entity }) => ({ id: kpi.id, entity })));
  const rows = pairs.flatMap(({ id, entity }) =>
    Object.entries(book.sources)
      .filter(([, source]) => source.entity === entity)
      .map(([source]) => `(${literal(id)}, ${literal(source)})`),
  );
  const sources =
    rows.length === 0
      ? "(select null::varchar as kpi, null::varchar as source where false) as k"
      : `(values ${rows.join(", ")}) as k(kpi, source)`;
  return table(
    "validation.kpi_arrival",
    ["kpi"],
    ["staging.source_arrival"],
    `
select k.kpi, bool_and(a.arrival_known) as arrival_known
from ${sources}
inner join staging.source_arrival as a on a.source = k.source
group by k.kpi`,
  );
}

/** validation.truncation: values per KPI that the truncation test saw change; empty when it was not run. */
const truncationModel = (source: string | undefined): Model =>
  table(
    "validation.truncation",
    ["kpi"],
    source === undefined ? [] : [source],
    source === undefined
      ? "select cast(null as varchar) as kpi, cast(null as bigint) as n_changed where false"
      : `select kpi, cast(sum(n_changed) as bigint) as n_changed from ${source} group by kpi`,
  );
