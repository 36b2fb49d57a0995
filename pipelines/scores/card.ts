/** One version of a scorecard as one statement, in the order that never changes: points, groups, floor, gate, band. */
import { type AliasedRawBuilder, sql } from "kysely";
import type { AppliedScorecard, Scorecard } from "../config/scorecard.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { asDecimal, divided, integer, millionths, type Sql, sum, toMillionths } from "./exact.ts";
import { besideColumns, valueColumn } from "./points.ts";
import { type Counted, countedIn, magnitude, reweigh, type Unit, unitsOf, weighKpis } from "./weights.ts";

export { reachProblem } from "./reach.ts";

/** The private view of one version: one row per account and snapshot, a column per KPI and step. */
export const cardTable = ({ card }: Pick<AppliedScorecard, "card">): string =>
  `scores.card_${card.scorecard}_v${card.version}`;

/** The KPIs that a scorecard reads, for points and for gates. */
export const kpisOf = (card: Scorecard): readonly string[] => [
  ...new Set([...weighKpis(card).map(({ kpi }) => kpi), ...card.gates.map((gate) => gate.kpi)]),
];

/** What a scorecard reads beside its KPIs' values: places among accounts, slopes. */
export const besidesOf = (card: Scorecard) =>
  weighKpis(card).flatMap(({ kpi, points }) => (points.reads === null ? [] : [{ kpi, beside: points.reads }]));

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
  const start = clamps ? toMillionths(card.start ?? 0) : 0n;
  const { type, largest } = magnitude(card, kpis);
  if (type === null) throw new Error(`${applied.file}: weights that do not fit passed the checks`);
  const { whole, inner } = unitsOf(card, kpis);
  const isPositive = kpis.every(({ points, fallback }) => points.lowest >= 0 && (fallback ?? 0) >= 0);
  const decimal = (amount: Sql): Sql => asDecimal(amount, largest);
  const wide = (expression: Sql): Sql => sql`cast(${expression} as ${sql.raw(type)})`;
  const at = (prefix: string, name: string): Sql => sql.ref(`${prefix}_${name}`);
  const full = kpis.reduce((all, { nominal }) => all + nominal, 0n);
  const gates = gateColumns(card);

  /** Held within the unit's cap, then rounded to whole points. */
  const capped = (unit: Unit, expression: Sql): Sql => {
    const { min, max } = unit.cap;
    if (min !== undefined && max !== undefined)
      return sql`held_between(${expression}, ${millionths(min)}, ${millionths(max)})`;
    const limit = min ?? max;
    if (limit === undefined) return expression;
    return sql`case when ${expression} is not null then ${sql.raw(max === undefined ? "greatest" : "least")}(${expression}, ${millionths(limit)}) end`;
  };
  /** A unit's points from its exact value, so that nothing is rounded twice: whole points, or else what its cap left. */
  const finished = (unit: Unit, held: Sql, numerator: Sql, divisor: Sql | bigint): Sql => {
    if (!unit.isRounded) return held;
    const scaled = typeof divisor === "bigint" ? divisor * 1_000_000n : sql`1000000 * ${divisor}`;
    return capped(unit, sql`1000000 * ${divided(numerator, scaled, isPositive)}`);
  };
  /** A unit's points if every missing KPI stood at one end of its points. */
  const extreme = (unit: Unit, end: "lowest" | "highest"): Sql => {
    const counted = countedIn(unit, isMean);
    const terms = counted.map(({ name, kpi, nominal }) => {
      const filled =
        kpi === null ? at(end, name) : sql`coalesce(${at("known", name)}, ${integer(toMillionths(kpi.points[end]))})`;
      return sql`${integer(nominal)} * ${type === "bigint" ? filled : wide(filled)}`;
    });
    if (unit === whole && start !== 0n) terms.unshift(integer(start));
    const divisor = isMean ? counted.reduce((all, { nominal }) => all + nominal, 0n) : 1n;
    const total = sum(terms);
    return finished(unit, capped(unit, divided(total, divisor, isPositive)), total, divisor);
  };
  const given = ({ name, points }: Counted): Sql => sql`coalesce(${at("factor", name)} * ${sql.ref(points)}, 0)`;
  const weightedSum = (unit: Unit): Sql => sum(countedIn(unit, isMean).map(given));
  const isCovered = sql`covered >= ${integer(ceiling(toMillionths(card.missing.coverage_floor) * full, 1_000_000n))}`;
  /** The points or shares of what counts in an inner unit, as they count in what is around it. */
  const carried = (unit: Unit, amount: Sql): Sql => {
    const around = aroundOf(unit);
    const name = `group__${unit.id}`;
    const outer = divided(sql`coalesce(${at("factor", name)}, 0) * ${type === "bigint" ? amount : wide(amount)}`, 1n);
    const here = isMean ? sql`coalesce(${divided(outer, sql.ref(divisorOf(around)))}, 0)` : outer;
    return around === whole ? here : carried(around, here);
  };
  const aroundOf = (unit: Unit): Unit =>
    [...inner, whole].find((other) => countedIn(other, isMean).some((counted) => counted.unit === unit)) ?? whole;
  const unitOf = new Map(
    [whole, ...inner].flatMap((unit) => countedIn(unit, isMean).map(({ name }) => [name, unit] as const)),
  );
  const partOf = (counted: Counted): Sql => {
    const unit = unitOf.get(counted.name) as Unit;
    const own = isMean ? sql`coalesce(${divided(given(counted), sql.ref(divisorOf(unit)))}, 0)` : given(counted);
    return unit === whole ? own : carried(unit, own);
  };
  const weightOf = (counted: Counted): Sql => {
    const unit = unitOf.get(counted.name) as Unit;
    const factor = at("factor", counted.name);
    const own = isMean
      ? sql`coalesce(${divided(sql`100000000 * ${factor}`, sql.ref(divisorOf(unit)))}, 0)`
      : sql`1000000 * ${factor}`;
    return unit === whole ? own : carried(unit, own);
  };

  const levels = [2, 1].map((depth) => inner.filter((unit) => unit.depth === depth)).filter(({ length }) => length > 0);
  const steps: readonly CteStep[] = [
    {
      name: "known",
      columns: kpis.map(({ slot, points }) => points.sql.as(`known_${slot}`)),
      where: "is_restated",
    },
    {
      name: "filled",
      columns: [
        ...kpis.map(({ slot, fallback }) =>
          (fallback === null ? at("known", slot) : sql`coalesce(${at("known", slot)}, ${millionths(fallback)})`).as(
            `points_${slot}`,
          ),
        ),
        wide(
          sum([
            // Bare literals are 32-bit, and so would be their sum.
            ...(full < 2n ** 31n ? [] : [wide(sql`0`)]),
            ...kpis.map(
              ({ slot, nominal }) => sql`case when ${at("known", slot)} is null then 0 else ${integer(nominal)} end`,
            ),
          ]),
        ).as("covered"),
        ...(levels.length === 0 ? extremesOf(whole, "") : []),
      ],
    },
    ...levels.flatMap((units, i): CteStep[] => [
      ...unitSteps(units, `level_${i + 1}`),
      {
        name: `level_${i + 1}_capped`,
        columns: units.map((unit) => capped(unit, sql.ref(`raw_group__${unit.id}`)).as(`capped_group__${unit.id}`)),
      },
      {
        name: `level_${i + 1}_rounded`,
        columns: units.flatMap((unit) => [
          finished(
            unit,
            sql.ref(`capped_group__${unit.id}`),
            sql.ref(weightedOf(unit)),
            isMean ? sql.ref(divisorOf(unit)) : 1n,
          ).as(`points_group__${unit.id}`),
          ...extremesOf(unit, `_group__${unit.id}`),
        ]),
      },
    ]),
    ...unitSteps([whole], ""),
    {
      name: "clamped",
      columns: clamps ? [capped(whole, sql`combined_score`).as("clamped_score")] : [],
    },
    {
      name: "scored",
      columns: [
        (whole.isRounded
          ? sql`case when combined_score is not null then ${finished(whole, sql``, start === 0n ? sql`weighted_points` : sql`(${integer(start)} + weighted_points)`, isMean ? sql`divisor` : 1n)} end`
          : sql.ref(clamps ? "clamped_score" : "combined_score")
        ).as("score_before"),
        ...(levels.length === 0 ? [] : extremesOf(whole, "")),
      ],
    },
    {
      name: "gated",
      columns: [
        gates.failed.as("score_gated_by"),
        gates.failedScore.as("failed_score"),
        gates.unknownScore.as("unknown_score"),
        gates.failedBand.as("band_gate"),
        // A failed gate never raises a score.
        (gates.hasScores
          ? sql`case when score_before is not null then least(score_before, coalesce(${gates.failedScore}, score_before)) end`
          : sql`score_before`
        ).as("score"),
      ],
    },
    { name: "banded", columns: [bandNumber(card, "score").as("score_band")] },
  ];

  /** The sum of the weights that are left; null where nothing is, as engines disagree on what a division by 0 is. */
  function divisor(unit: Unit): Sql {
    const counted = countedIn(unit, isMean);
    const total = sum(counted.map(({ name }) => at("factor", name)));
    return counted.some(({ mayMiss, nominal }) => !mayMiss && nominal > 0n) ? total : sql`nullif(${total}, 0)`;
  }
  function extremesOf(unit: Unit, suffix: string): readonly Column[] {
    return (["lowest", "highest"] as const).map((end) => extreme(unit, end).as(`${end}${suffix}`));
  }
  /** Weights, sums and the mean or sum of units that do not read each other. */
  function unitSteps(units: readonly Unit[], prefix: string): CteStep[] {
    const named = (name: string): string => (prefix === "" ? name : `${prefix}_${name}`);
    const factors = units.map((unit) => ({ unit, ...reweigh(unit, isMean) }));
    return [
      {
        name: named("grouped"),
        columns: factors.flatMap(({ denominators }) => denominators.map(({ name, sql: left }) => wide(left).as(name))),
      },
      {
        name: named("weighed"),
        columns: factors.flatMap(({ unit, factors: list }) =>
          countedIn(unit, isMean).map(({ name }, i) => wide(list[i] as Sql).as(`factor_${name}`)),
        ),
      },
      {
        name: named("summed"),
        columns: units.flatMap((unit) => [
          ...(isMean ? [divisor(unit).as(divisorOf(unit))] : []),
          weightedSum(unit).as(weightedOf(unit)),
        ]),
      },
      {
        name: named("combined"),
        columns: units.map((unit) => {
          const mean = divided(sql.ref(weightedOf(unit)), isMean ? sql.ref(divisorOf(unit)) : 1n, isPositive);
          if (unit !== whole) {
            return mean.as(`raw_group__${unit.id}`);
          }
          // Below the floor there is no score, and every later step passes the null on.
          return sql`case when ${isCovered} then ${start === 0n ? mean : sql`${integer(start)} + ${mean}`} end`.as(
            "combined_score",
          );
        }),
      },
    ];
  }

  const inputs = builder.with("inputs", (db) =>
    db
      .selectFrom("scores.account_input")
      .select([
        "account_id",
        "snapshot_date",
        "is_restated",
        "is_newest",
        sql`coalesce(in_force_scorecard = ${card.scorecard} and in_force_version = ${card.version}, false)`.as(
          "is_in_force",
        ),
        ...kpisOf(card).map(valueColumn),
        ...new Set(besidesOf(card).flatMap(({ kpi, beside }) => besideColumns(kpi, beside))),
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

  const ownKpis = [whole, ...inner].flatMap((unit) => countedIn(unit, isMean).filter(({ kpi }) => kpi !== null));
  const ordered = kpis.map(({ slot }) => ownKpis.find(({ name }) => name === slot) as Counted);
  const changes = inner.flatMap((unit) => {
    const name = `group__${unit.id}`;
    const change = (after: string, before: string): Sql =>
      carried(unit, sql`coalesce(${at(after, name)} - ${at(before, name)}, 0)`);
    return [
      ...(unit.cap.min === undefined && unit.cap.max === undefined
        ? []
        : [{ column: `clamp_${unit.id}`, sql: change("capped", "raw") }]),
      ...(unit.isRounded ? [{ column: `rounding_${unit.id}`, sql: change("points", "capped") }] : []),
    ];
  });
  const bandGatedBy = sql`cast(${gates.hasBands ? sql`case when band_gate < score_band then ${gates.bandGatedBy} end` : sql`null`} as varchar)`;
  const clamp = clamps ? sql`clamped_score - combined_score` : sql`0`;
  const parts = [
    ...(start === 0n ? [] : [integer(start)]),
    ...ordered.map(partOf),
    ...changes.map((change) => change.sql),
  ];
  const statement = chained.selectFrom(used.at(-1)?.name ?? "inputs").select([
    "account_id",
    "snapshot_date",
    "is_newest",
    "is_in_force",
    ...kpisOf(card).map((kpi) => sql`from_millionths(${sql.ref(valueColumn(kpi))})`.as(valueColumn(kpi))),
    ...kpis.map(({ slot }) => decimal(at("points", slot)).as(`points_${slot}`)),
    ...ordered.map((counted) => decimal(weightOf(counted)).as(`weight_${counted.name}`)),
    ...ordered.map((counted) => decimal(partOf(counted)).as(`part_${counted.name}`)),
    ...inner.map((unit) => decimal(sql.ref(`points_group__${unit.id}`)).as(`points_group__${unit.id}`)),
    ...changes.map((change) => decimal(change.sql).as(`group_${change.column}`)),
    // What rounding to whole points and the roundings of the parts leave over.
    decimal(sql`score_before - ${clamps ? sql`(${clamp})` : clamp} - (${sum(parts)})`).as("rounding"),
    decimal(clamp).as("clamp"),
    decimal(sql`score - score_before`).as("gate"),
    decimal(sql`score_before`).as("score_before"),
    decimal(sql`score`).as("score"),
    // The range always holds the score. A gate that failed caps it; one whose KPI is unknown may still pull its lower end
    // down; below the floor no gate applies.
    decimal(
      gates.hasScores
        ? sql`case when score is null then lowest else least(lowest, score, coalesce(failed_score, lowest), coalesce(unknown_score, lowest)) end`
        : sql`case when score is null then lowest else least(lowest, score) end`,
    ).as("score_low"),
    decimal(
      gates.hasScores
        ? sql`case when score is null then highest else greatest(least(highest, coalesce(failed_score, highest)), score) end`
        : sql`case when score is null then highest else greatest(highest, score) end`,
    ).as("score_high"),
    asDecimal(divided(sql`covered * 1000000`, full, true), 0n).as("coverage"),
    bandName(card, gates.hasScores ? bandNumber(card, "score_before") : sql`score_band`).as("band_before"),
    bandName(card, gates.hasBands ? sql`least(score_band, coalesce(band_gate, score_band))` : sql`score_band`).as(
      "band",
    ),
    "score_gated_by",
    bandGatedBy.as("band_gated_by"),
    // The gate that decided the band, else the one that holds the score.
    (gates.hasBands ? sql`coalesce(${bandGatedBy}, score_gated_by)` : sql`score_gated_by`).as("gated_by"),
  ]);

  return {
    kind: "view",
    name: cardTable(applied),
    grain: ["account_id", "snapshot_date"],
    depends: ["scores.account_input"],
    params: [],
    audits: [],
    portable: false,
    sql: compile(statement),
  };
}

const ceiling = (numerator: bigint, denominator: bigint): bigint => (numerator + denominator - 1n) / denominator;
const divisorOf = ({ id }: Unit): string => (id === null ? "divisor" : `divisor_group__${id}`);
const weightedOf = ({ id }: Unit): string => (id === null ? "weighted_points" : `weighted_group__${id}`);

/** The place of a score's band, from 1; null without a score. The edges compare all six digits. */
function bandNumber(card: Scorecard, score: string): Sql {
  const { edge, list } = card.bands;
  const isIn = edge === "upper" ? sql`<=` : sql`<`;
  const branches = list
    .slice(0, -1)
    .map((band, i) => sql`when ${sql.ref(score)} ${isIn} ${millionths(band.to)} then ${sql.raw(String(i + 1))}`);
  return sql`case ${sql.join(branches, sql` `)} when ${sql.ref(score)} is not null then ${sql.raw(String(list.length))} end`;
}

/** The id of a band by its place, `unknown` without a score. */
const bandName = (card: Scorecard, place: Sql): Sql =>
  sql`case ${place} ${sql.join(
    card.bands.list.map(({ id }, i) => sql`when ${sql.raw(String(i + 1))} then ${id}`),
    sql` `,
  )} else 'unknown' end`;

/**
 * Of the gates on the score that fail, the one with the lowest score, the first of equals; of those on the band, the lowest band.
 * A gate whose KPI has no value has not failed; it counts in `unknownScore` alone. Below the floor no gate applies.
 */
function gateColumns(card: Scorecard) {
  type Gate = Scorecard["gates"][number];
  const place = (gate: Gate): number => 1 + card.bands.list.findIndex(({ id }) => id === gate.band);
  const byScore = card.gates
    .flatMap((gate) => (gate.score === undefined ? [] : [{ gate, score: gate.score }]))
    .sort((a, b) => a.score - b.score);
  const byBand = card.gates
    .flatMap((gate) => (gate.band === undefined ? [] : [{ gate, place: place(gate) }]))
    .sort((a, b) => a.place - b.place);
  const fails = ({ kpi, min, max }: Gate): Sql => {
    const value = sql.ref(valueColumn(kpi));
    const tests = [
      ...(min === undefined ? [] : [sql`${value} < ${millionths(min)}`]),
      ...(max === undefined ? [] : [sql`${value} > ${millionths(max)}`]),
    ];
    return sql.join(tests, sql` or `);
  };
  const isUnknown = ({ kpi }: Gate): Sql => sql`${sql.ref(valueColumn(kpi))} is null`;
  const first = <One extends { readonly gate: Gate }>(list: readonly One[], result: (one: One) => Sql, when = fails) =>
    list.length === 0
      ? sql`null`
      : sql`case ${sql.join(
          list.map((one) => sql`when ${when(one.gate)} then ${result(one)}`),
          sql` `,
        )} end`;
  const scored = (expression: Sql, list: readonly unknown[]): Sql =>
    list.length === 0 ? expression : sql`case when score_before is not null then ${expression} end`;
  return {
    hasScores: byScore.length > 0,
    hasBands: byBand.length > 0,
    failed: sql`cast(${scored(
      first(byScore, ({ gate }) => sql`${gate.id}`),
      byScore,
    )} as varchar)`,
    failedScore: sql`cast(${first(byScore, ({ score }) => millionths(score))} as bigint)`,
    unknownScore: sql`cast(${first(byScore, ({ score }) => millionths(score), isUnknown)} as bigint)`,
    failedBand: scored(
      first(byBand, (one) => sql.raw(String(one.place))),
      byBand,
    ),
    bandGatedBy: first(byBand, ({ gate }) => sql`${gate.id}`),
  };
}
