/** One version of a scorecard as one statement, in the order that never changes: points, groups, floor, gate, band. */
import { type AliasedRawBuilder, sql } from "kysely";
import type { AppliedScorecard, Scorecard } from "../config/scorecard.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { integer, integerType, number, ratio, type Sql, sum, toMillionths } from "./exact.ts";
import { standing } from "./points.ts";
import { type Factors, reweigh, type WeightedKpi, weighKpis } from "./weights.ts";

/** The private table of one version: one row per account and snapshot, a column per KPI and step. */
export const cardTable = ({ card }: Pick<AppliedScorecard, "card">): string =>
  `scores.card_${card.scorecard}_v${card.version}`;

/** The KPIs that a scorecard reads, for points and for gates. */
export const kpisOf = (card: Scorecard): readonly string[] => [
  ...new Set([...weighKpis(card).map(({ kpi }) => kpi), ...card.gates.map((gate) => gate.kpi)]),
];

/** What can go wrong between a valid file and its arithmetic; null when nothing does. */
export function reachProblem(
  card: Scorecard,
): { readonly path: readonly (string | number)[]; readonly sentence: string } | null {
  const kpis = weighKpis(card);
  if (card.combine === "sum") {
    const at = (end: "lowest" | "highest"): number =>
      kpis.reduce((all, { entry, points, fallback }) => {
        const extreme =
          end === "lowest" ? Math.min(points.lowest, fallback ?? 0) : Math.max(points.highest, fallback ?? 0);
        return all + entry.weight * extreme;
      }, 0);
    const [lowest, highest] = [at("lowest"), at("highest")];
    if (lowest < card.scale.from || highest > card.scale.to) {
      return {
        path: ["scale"],
        sentence: `found ${card.scale.from} to ${card.scale.to}, expected a scale that holds every sum from ${lowest} to ${highest}, or combine: start_and_clamp`,
      };
    }
  }
  if (scoreType(card, kpis, reweigh(card, kpis)) === null) {
    return {
      path: ["groups"],
      sentence: "found weights too fine for exact arithmetic, expected smaller whole numbers",
    };
  }
  return null;
}

/** The integers that hold every product of weights and points. */
function scoreType(card: Scorecard, kpis: readonly WeightedKpi[], { bound }: Factors): "bigint" | "hugeint" | null {
  const largest = [
    card.scale.from,
    card.scale.to,
    ...kpis.flatMap(({ points, fallback }) => [points.lowest, points.highest, fallback ?? 0]),
  ].map((value) => toMillionths(Math.abs(value)));
  const nominal = kpis.reduce((all, kpi) => all + kpi.nominal, 0n);
  const weights = bound > nominal ? bound : nominal;
  const points = largest.reduce((a, b) => (a > b ? a : b), 100_000_000n);
  return integerType(4n * (weights + 1n) * points);
}

type Column = AliasedRawBuilder<unknown, string>;

/** One step of a statement: a CTE that keeps the columns of the step before and adds its own. */
interface CteStep {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly where?: string;
}

/** The statement of {@link cardTable}. Reads `scores.account_input`. */
export function cardModel(applied: AppliedScorecard): Model {
  const { card } = applied;
  const kpis = weighKpis(card);
  const isMean = card.combine === "weighted_mean";
  const clamps = card.combine === "start_and_clamp";
  const start = clamps ? (card.start ?? 0) : 0;
  const reweighed = reweigh(card, kpis);
  const type = scoreType(card, kpis, reweighed);
  if (type === null) throw new Error(`${applied.file}: weights that do not fit passed the checks`);
  /** Bare literals are 32-bit, and so are their products. */
  const wide = (expression: Sql): Sql => sql`cast(${expression} as ${sql.raw(type)})`;
  const at = (prefix: string, kpi: string): Sql => sql.ref(`${prefix}_${kpi}`);
  const decimal = (expression: Sql): Sql => sql`cast(${expression} as decimal(18,6))`;
  const whole = kpis.reduce((all, { nominal }) => all + nominal, 0n);
  const gates = gateColumns(card);

  const onScale = (expression: Sql): Sql =>
    clamps ? sql`held_between(${expression}, ${number(card.scale.from)}, ${number(card.scale.to)})` : expression;
  /** The score if every missing KPI stood at one end of its points. */
  const extreme = (end: "lowest" | "highest"): Sql => {
    const terms = kpis.map(({ kpi, entry, points, nominal }) => {
      const filled = sql`coalesce(millionths(${at("known", kpi)}), ${integer(toMillionths(points[end]))})`;
      return sql`${integer(isMean ? nominal : BigInt(entry.weight))} * ${type === "bigint" ? filled : wide(filled)}`;
    });
    if (start !== 0) terms.unshift(integer(toMillionths(start)));
    return onScale(ratio(sum(terms), isMean ? whole : 1n));
  };
  const given = (kpi: string): Sql => sql`coalesce(${at("factor", kpi)} * millionths(${at("points", kpi)}), 0)`;
  const isCovered = sql`covered * 1000000 >= ${integer(toMillionths(card.missing.coverage_floor) * whole)}`;
  const combined = ratio(sql`weighted_points`, isMean ? sql`divisor` : 1n);

  const steps: readonly CteStep[] = [
    {
      name: "known",
      columns: kpis.map(({ kpi, points }) => points.sql.as(`known_${kpi}`)),
      where: "is_restated",
    },
    {
      name: "filled",
      columns: [
        ...kpis.map(({ kpi, fallback }) =>
          (fallback === null ? at("known", kpi) : decimal(sql`coalesce(${at("known", kpi)}, ${number(fallback)})`)).as(
            `points_${kpi}`,
          ),
        ),
        wide(
          sum(
            kpis.map(
              ({ kpi, nominal }) => sql`case when ${at("known", kpi)} is null then 0 else ${integer(nominal)} end`,
            ),
          ),
        ).as("covered"),
        decimal(extreme("lowest")).as("lowest"),
        decimal(extreme("highest")).as("highest"),
      ],
    },
    { name: "grouped", columns: reweighed.denominators.map(({ name, sql: left }) => wide(left).as(name)) },
    { name: "weighed", columns: kpis.map(({ kpi }, i) => wide(reweighed.factors[i] as Sql).as(`factor_${kpi}`)) },
    {
      name: "summed",
      columns: [
        ...(isMean ? [sum(kpis.map(({ kpi }) => at("factor", kpi))).as("divisor")] : []),
        sum(kpis.map(({ kpi }) => given(kpi))).as("weighted_points"),
      ],
    },
    {
      name: "combined",
      columns: [
        ratio(sql`covered * 1000000`, whole).as("coverage"),
        // Below the floor there is no score, and every later step passes the null on.
        decimal(
          sql`case when ${isCovered}${isMean ? sql` and divisor > 0` : sql``} then ${start === 0 ? combined : sql`${number(start)} + ${combined}`} end`,
        ).as("combined_score"),
        ...kpis.map(({ kpi }) =>
          (isMean ? ratio(sql`100000000 * ${at("factor", kpi)}`, sql`divisor`) : decimal(at("factor", kpi))).as(
            `weight_${kpi}`,
          ),
        ),
        ...kpis.map(({ kpi }) => ratio(given(kpi), isMean ? sql`divisor` : 1n).as(`part_${kpi}`)),
      ],
    },
    {
      name: "clamped",
      columns: [(clamps ? decimal(onScale(sql`combined_score`)) : sql`combined_score`).as("score_before")],
    },
    {
      name: "gated",
      columns: [
        gates.failed.as("gated_by"),
        gates.failedValue.as("gate_value"),
        gates.failedScore.as("failed_score"),
        gates.unknownScore.as("unknown_score"),
        // A failed gate never raises a score.
        (card.gates.length === 0
          ? sql`score_before`
          : decimal(
              sql`case when score_before is not null then least(score_before, coalesce(${gates.failedScore}, score_before)) end`,
            )
        ).as("score"),
      ],
    },
  ];

  const inputs = builder.with("inputs", (db) =>
    db.selectFrom("scores.account_input").select([
      "account_id",
      "snapshot_date",
      "is_restated",
      sql`coalesce(in_force_scorecard = ${card.scorecard} and in_force_version = ${card.version}, false)`.as(
        "is_in_force",
      ),
      ...kpisOf(card).map((kpi) => `value_${kpi}`),
      // Standings are among all accounts of the date, restated or not.
      ...kpis.flatMap(({ kpi, points }) => (points.within === null ? [] : standing(kpi, points.within))),
    ]),
  );
  const used = steps.filter(({ columns }) => columns.length > 0);
  const chained = used.reduce<typeof inputs>((db, { name, columns, where }, i) => {
    const from = used[i - 1]?.name ?? "inputs";
    const select = builder
      .selectFrom(from)
      .selectAll()
      .select([...columns]);
    return db.with(name, () => (where === undefined ? select : select.where(sql<boolean>`${sql.ref(where)}`)));
  }, inputs);
  const statement = chained.selectFrom(used.at(-1)?.name ?? "inputs").select([
    "account_id",
    "snapshot_date",
    "is_in_force",
    ...kpisOf(card).map((kpi) => `value_${kpi}`),
    ...["points", "weight", "part"].flatMap((prefix) => kpis.map(({ kpi }) => `${prefix}_${kpi}`)),
    decimal(
      sql`combined_score - (${sum([...(start === 0 ? [] : [number(start)]), ...kpis.map(({ kpi }) => at("part", kpi))])})`,
    ).as("rounding"),
    decimal(sql`score_before - combined_score`).as("clamp"),
    decimal(sql`score - score_before`).as("gate"),
    "gate_value",
    "score_before",
    "score",
    // The range always holds the score. A gate that failed caps it; one whose KPI is unknown may still pull its lower end
    // down; below the floor no gate applies.
    decimal(
      sql`case when score is null then lowest else least(lowest, score, coalesce(failed_score, lowest), coalesce(unknown_score, lowest)) end`,
    ).as("score_low"),
    decimal(
      sql`case when score is null then highest else greatest(least(highest, coalesce(failed_score, highest)), score) end`,
    ).as("score_high"),
    "coverage",
    bandOf(card, "score_before").as("band_before"),
    bandOf(card, "score").as("band"),
    "gated_by",
  ]);

  return {
    kind: "table",
    name: cardTable(applied),
    grain: ["account_id", "snapshot_date"],
    depends: ["scores.account_input"],
    params: [],
    audits: [],
    portable: false,
    sql: compile(statement),
  };
}

/** The band of a score column, `unknown` without a score; the edges compare all six digits. */
function bandOf(card: Scorecard, score: string): Sql {
  const { edge, list } = card.bands;
  const isIn = edge === "upper" ? sql`<=` : sql`<`;
  const branches = list
    .slice(0, -1)
    .map((band) => sql`when ${sql.ref(score)} ${isIn} ${number(band.to)} then ${band.id}`);
  return sql`case when ${sql.ref(score)} is null then 'unknown' ${sql.join(branches, sql` `)} else ${list.at(-1)?.id ?? ""} end`;
}

const scoreOf = (gate: Scorecard["gates"][number]): number => gate.score ?? 0;

/**
 * Of the gates that fail, the one with the lowest score, the first of equals. A gate whose KPI has no value has not
 * failed; it counts in `unknownScore` alone.
 */
function gateColumns(card: Scorecard) {
  const ordered = [...card.gates].sort((a, b) => scoreOf(a) - scoreOf(b));
  const fails = (gate: Scorecard["gates"][number]): Sql => {
    const value = sql.ref(`value_${gate.kpi}`);
    const tests = [
      ...(gate.min === undefined ? [] : [sql`${value} < ${number(gate.min)}`]),
      ...(gate.max === undefined ? [] : [sql`${value} > ${number(gate.max)}`]),
    ];
    return sql.join(tests, sql` or `);
  };
  const first = (result: (gate: Scorecard["gates"][number]) => Sql, when = fails): Sql =>
    ordered.length === 0
      ? sql`null`
      : sql`case ${sql.join(
          ordered.map((gate) => sql`when ${when(gate)} then ${result(gate)}`),
          sql` `,
        )} end`;
  /** Below the floor no gate applies. */
  const scored = (expression: Sql): Sql =>
    ordered.length === 0 ? expression : sql`case when score_before is not null then ${expression} end`;
  const typed = (expression: Sql, type: string): Sql => sql`cast(${expression} as ${sql.raw(type)})`;
  return {
    failed: scored(
      typed(
        first((gate) => sql`${gate.id}`),
        "varchar",
      ),
    ),
    failedScore: typed(
      first((gate) => number(scoreOf(gate))),
      "decimal(18,6)",
    ),
    failedValue: scored(
      typed(
        first((gate) => sql.ref(`value_${gate.kpi}`)),
        "decimal(18,6)",
      ),
    ),
    unknownScore: typed(
      first(
        (gate) => number(scoreOf(gate)),
        (gate) => sql`${sql.ref(`value_${gate.kpi}`)} is null`,
      ),
      "decimal(18,6)",
    ),
  };
}
