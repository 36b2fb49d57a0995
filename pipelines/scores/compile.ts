/** Scorecards -> the tables of the schema `scores`. Compiles only; nothing here reads a file or a database. */
import { sql } from "kysely";
import type { Book } from "../config/book.ts";
import type { KpiDefinition } from "../config/kpi.ts";
import type { AppliedScorecard, Scorecard } from "../config/scorecard.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { SqlDate } from "../warehouse/literal.ts";
import { cardModel, cardTable, kpisOf } from "./card.ts";
import { integer, number, type Sql } from "./exact.ts";
import { knownAccount } from "./known.ts";
import { as, column, idColumns, table, unionOf, view } from "./nodes.ts";
import { accountOverride, overrideState } from "./overrides.ts";
import { weighKpis } from "./weights.ts";
import { bandsInWords, pointsInWords } from "./words.ts";

/**
 * The models of `scores`: the contract's scorecard, scorecard_weight, account_score, score_part and account_grade, and
 * the private account_input and one card_<id>_v<N> a version. A row for every account of spine.account_snapshot whose
 * date is scored or validated, for every version: history is restated, `is_in_force` marks what people saw.
 */
export function scoreNodes(
  cards: readonly AppliedScorecard[],
  kpis: readonly Pick<KpiDefinition, "id">[],
  book: Pick<Book, "sources">,
): readonly Model[] {
  const has = (wanted: string): boolean => Object.values(book.sources).some(({ entity }) => entity === wanted);
  const hasOverrides = has("override");
  return [
    accountInput(cards, new Set(kpis.map(({ id }) => id))),
    ...cards.map(cardModel),
    accountOverride(cards, hasOverrides),
    overrideState(cards, hasOverrides),
    knownAccount(cards, has("known_account")),
    accountScore(cards, hasOverrides),
    scorePart(cards),
    accountGrade(cards),
    scorecardTable(cards),
    scorecardWeight(cards),
  ];
}

/** One read of the wide KPI view for all scorecards: each value becomes a decimal of six digits here, once. */
function accountInput(cards: readonly AppliedScorecard[], on: ReadonlySet<string>): Model {
  const read = [...new Set(cards.flatMap(({ card }) => kpisOf(card)))].sort();
  const assigned = assignment(cards);
  const statement = builder
    .selectFrom("spine.account_snapshot as s")
    .leftJoin("features.account_kpi as k", (join) =>
      join.onRef("k.account_id", "=", "s.account_id").onRef("k.snapshot_date", "=", "s.snapshot_date"),
    )
    .select([
      sql.ref("s.account_id").as("account_id"),
      sql.ref("s.snapshot_date").as("snapshot_date"),
      sql.ref("s.segment").as("segment"),
      sql.ref("s.lifecycle").as("lifecycle"),
      sql`s.is_scored or s.is_validated`.as("is_restated"),
      as(
        assigned((applied) => sql`${applied.card.scorecard}`),
        "varchar",
        "in_force_scorecard",
      ),
      as(
        assigned((applied) => sql`${applied.card.version}`),
        "integer",
        "in_force_version",
      ),
      ...read.map((kpi) =>
        // A value beyond twelve digits before the point, or one that is no number, counts as missing.
        on.has(kpi)
          ? sql`try_cast(${sql.ref(`k.${kpi}`)} as decimal(18,6))`.as(`value_${kpi}`)
          : as(sql`null`, "decimal(18,6)", `value_${kpi}`),
      ),
    ]);
  return table(compile(statement), {
    name: "scores.account_input",
    grain: ["account_id", "snapshot_date"],
    depends: ["features.account_kpi", "spine.account_snapshot"],
  });
}

/**
 * The scorecard of an account at s: the first in the book's order whose version in force at s applies to it. A version is
 * in force from its in_force_from (without one: always) until a later one of the same scorecard is; of two that start on
 * the same day the higher number.
 */
function assignment(cards: readonly AppliedScorecard[]) {
  const places = cards.map(({ assign_order }) => assign_order).filter((place) => place !== null);
  const spans = [...new Set(places)]
    .sort((a, b) => a - b)
    .flatMap((place) => {
      const versions = cards.filter(({ assign_order }) => assign_order === place);
      const ordered = versions.sort((a, b) => {
        const [from, other] = [a.card.in_force_from ?? "", b.card.in_force_from ?? ""];
        return from === other ? a.card.version - b.card.version : from < other ? -1 : 1;
      });
      return ordered.flatMap((applied, i) => {
        const from = applied.card.in_force_from;
        const until = ordered[i + 1]?.card.in_force_from;
        const isReplacedAtOnce = i + 1 < ordered.length && until === from;
        return isReplacedAtOnce ? [] : [{ applied, from, until }];
      });
    });
  return (result: (applied: AppliedScorecard) => Sql): Sql => {
    if (spans.length === 0) return sql`null`;
    const branches: Sql[] = [];
    for (const { applied, from, until } of spans) {
      const { segment, lifecycle } = applied.card.applies_to ?? {};
      const tests = [
        ...(from === undefined ? [] : [sql`s.snapshot_date >= ${new SqlDate(from)}`]),
        ...(until === undefined ? [] : [sql`s.snapshot_date < ${new SqlDate(until)}`]),
        ...(segment === undefined ? [] : [sql`s.segment in (${sql.join(segment)})`]),
        ...(lifecycle === undefined ? [] : [sql`s.lifecycle in (${sql.join(lifecycle)})`]),
      ];
      if (tests.length === 0) {
        // It applies to everybody, so nobody comes to those after it.
        return branches.length === 0
          ? result(applied)
          : sql`case ${sql.join(branches, sql` `)} else ${result(applied)} end`;
      }
      branches.push(sql`when ${sql.join(tests, sql` and `)} then ${result(applied)}`);
    }
    return sql`case ${sql.join(branches, sql` `)} end`;
  };
}

const scoreColumns = [
  ["account_id", "varchar"],
  ["snapshot_date", "date"],
  ["scorecard", "varchar"],
  ["version", "integer"],
  ["is_in_force", "boolean"],
  ["score", "decimal(18,6)"],
  ["score_low", "decimal(18,6)"],
  ["score_high", "decimal(18,6)"],
  ["coverage", "decimal(18,6)"],
  ["score_before", "decimal(18,6)"],
  ["band_before", "varchar"],
  ["band", "varchar"],
  ["gated_by", "varchar"],
  ["overridden_by", "varchar"],
] as const;

/**
 * Scores of all versions. `score_before` and `band_before` are those before gate and override; coverage is a share of
 * 1. An override replaces the band of the scorecard in force, if that has such a band, and never the score; of several
 * the one that started last. `overridden_by` is its author.
 */
function accountScore(cards: readonly AppliedScorecard[], hasOverrides: boolean): Model {
  const selects = cards.map((applied) => {
    const { card } = applied;
    const keys = [sql.ref("c.account_id").as("account_id"), sql.ref("c.snapshot_date").as("snapshot_date")];
    const before = ["is_in_force", "score", "score_low", "score_high", "coverage", "score_before", "band_before"];
    if (!hasOverrides) {
      return compile(
        builder
          .selectFrom(`${cardTable(applied)} as c`)
          .select([
            ...keys,
            ...idColumns(card),
            ...[...before, "band", "gated_by"].map((name) => sql.ref(`c.${name}`).as(name)),
            as(sql`null`, "varchar", "overridden_by"),
          ]),
      );
    }
    return compile(
      builder
        .selectFrom(`${cardTable(applied)} as c`)
        .leftJoin("scores.account_override as o", (join) =>
          join
            .onRef("o.account_id", "=", "c.account_id")
            .onRef("o.snapshot_date", "=", "c.snapshot_date")
            .on(sql<boolean>`c.is_in_force`),
        )
        .select([
          ...keys,
          ...idColumns(card),
          ...before.map((name) => sql.ref(`c.${name}`).as(name)),
          sql`coalesce(o.band, c.band)`.as("band"),
          sql.ref("c.gated_by").as("gated_by"),
          sql.ref("o.author").as("overridden_by"),
        ]),
    );
  });
  const text = unionOf(selects, scoreColumns);
  const key = ["account_id", "snapshot_date", "scorecard", "version"];
  return table(text, {
    name: "scores.account_score",
    grain: key,
    depends: [...cards.map(cardTable), ...(hasOverrides ? ["scores.account_override"] : [])],
    audits: [
      {
        name: "a score has a band, its parts and a place on its range",
        sql:
          "select * from scores.account_score where (score is null) <> (score_before is null) or score not between score_low and score_high " +
          "or (score is null and overridden_by is null and band <> 'unknown') or coverage not between 0 and 1",
        blocking: true,
      },
    ],
  });
}

/**
 * The parts of each score, a view over the private tables. Contributions sum to the score exactly. `weight` is the share
 * of 100 that the KPI had for this account then (where points are added up: what multiplies them). A KPI without a value
 * whose weight went to the others has no points and contributes 0. Accounts without a score have no parts.
 */
function scorePart(cards: readonly AppliedScorecard[]): Model {
  const none = sql`null`;
  const selects = cards.flatMap((applied) => {
    const { card } = applied;
    const kpis = weighKpis(card);
    const part = (
      partNo: number,
      kind: string,
      p: { group?: Sql; kpi?: Sql; value?: Sql; points?: Sql; weight?: Sql; contribution: Sql },
      when: string,
    ): string =>
      compile(
        builder
          .selectFrom(cardTable(applied))
          .select([
            column("account_id"),
            column("snapshot_date"),
            ...idColumns(card),
            as(integer(BigInt(partNo)), "integer", "part_no"),
            as(sql`${kind}`, "varchar", "kind"),
            as(p.group ?? none, "varchar", "group_id"),
            as(p.kpi ?? none, "varchar", "kpi"),
            as(p.value ?? none, "decimal(18,6)", "value"),
            as(p.points ?? none, "decimal(18,6)", "points"),
            as(p.weight ?? none, "decimal(18,6)", "weight"),
            as(p.contribution, "decimal(18,6)", "contribution"),
          ])
          .where(sql<boolean>`${sql.raw(when)}`),
      );
    const last = kpis.length;
    return [
      ...(card.combine === "start_and_clamp"
        ? [part(0, "start", { contribution: number(card.start ?? 0) }, "score is not null")]
        : []),
      ...kpis.map(({ kpi, group_id }, i) =>
        part(
          i + 1,
          "kpi",
          {
            group: sql`${group_id}`,
            kpi: sql`${kpi}`,
            value: sql.ref(`value_${kpi}`),
            points: sql.ref(`points_${kpi}`),
            weight: sql.ref(`weight_${kpi}`),
            contribution: sql.ref(`part_${kpi}`),
          },
          "score is not null",
        ),
      ),
      part(last + 1, "rounding", { contribution: sql.ref("rounding") }, "rounding <> 0"),
      ...(card.combine === "start_and_clamp"
        ? [part(last + 2, "clamp", { contribution: sql.ref("clamp") }, "clamp <> 0")]
        : []),
      ...(card.gates.length > 0
        ? [
            part(
              last + 3,
              "gate",
              { kpi: gateKpi(card), value: sql.ref("gate_value"), contribution: sql.ref("gate") },
              "gated_by is not null",
            ),
          ]
        : []),
    ];
  });
  const text = unionOf(selects, [
    ...scoreColumns.slice(0, 4),
    ["part_no", "integer"],
    ["kind", "varchar"],
    ["group_id", "varchar"],
    ["kpi", "varchar"],
    ["value", "decimal(18,6)"],
    ["points", "decimal(18,6)"],
    ["weight", "decimal(18,6)"],
    ["contribution", "decimal(18,6)"],
  ]);
  return {
    ...view(text, {
      name: "scores.score_part",
      grain: ["account_id", "snapshot_date", "scorecard", "version", "part_no"],
      depends: cards.map(cardTable),
    }),
    // Any difference at all stops a release: an explanation that does not add up explains nothing.
    audits: cards.map((applied) => ({
      name: `parts of ${applied.card.scorecard} v${applied.card.version} sum to its score`,
      sql: partsDiffer(applied.card, cardTable(applied)),
      blocking: true,
    })),
  };
}

/** Scores that their parts do not sum to. */
const partsDiffer = ({ scorecard, version }: Scorecard, cardName: string): string =>
  compile(
    builder
      .with("summed", (db) =>
        db
          .selectFrom("scores.score_part")
          .select([column("account_id"), column("snapshot_date"), sql`sum(contribution)`.as("total")])
          .where(sql<boolean>`scorecard = ${scorecard} and version = ${version}`)
          .groupBy(["account_id", "snapshot_date"]),
      )
      .selectFrom(`${cardName} as c`)
      .leftJoin("summed as p", (join) =>
        join.onRef("p.account_id", "=", "c.account_id").onRef("p.snapshot_date", "=", "c.snapshot_date"),
      )
      .select([sql.ref("c.account_id").as("account_id"), sql.ref("c.snapshot_date").as("snapshot_date")])
      .where(sql<boolean>`c.score is distinct from p.total`),
  );

/** The KPI of the gate that applied. */
const gateKpi = (card: Scorecard): Sql =>
  sql`case gated_by ${sql.join(
    card.gates.map((gate) => sql`when ${gate.id} then ${gate.kpi}`),
    sql` `,
  )} end`;

/** Letters for the scorecards that declare grades: a view of the one stored score. The start of a letter belongs to it. */
function accountGrade(cards: readonly AppliedScorecard[]): Model {
  const selects = cards.flatMap(({ card }) => {
    const letters = Object.entries(card.grades?.letters ?? {}).sort(([, a], [, b]) => b - a);
    if (letters.length === 0) return [];
    const branches = letters.map(([letter, from]) => sql`when score >= ${number(from)} then ${letter}`);
    return [
      compile(
        builder
          .selectFrom("scores.account_score")
          .select([
            ...["account_id", "snapshot_date", "scorecard", "version"].map(column),
            sql`case ${sql.join(branches, sql` `)} end`.as("grade"),
          ])
          .where(sql<boolean>`scorecard = ${card.scorecard} and version = ${card.version}`),
      ),
    ];
  });
  return view(unionOf(selects, [...scoreColumns.slice(0, 4), ["grade", "varchar"]]), {
    name: "scores.account_grade",
    grain: ["account_id", "snapshot_date", "scorecard", "version"],
    depends: selects.length > 0 ? ["scores.account_score"] : [],
  });
}

/** The columns of scores.scorecard: name, type and value. `bands` is JSON, as in the file. */
const facts: readonly (readonly [name: string, type: string, (applied: AppliedScorecard) => Sql])[] = [
  ["scorecard", "varchar", ({ card }) => sql`${card.scorecard}`],
  ["version", "integer", ({ card }) => sql`${card.version}`],
  ["label", "varchar", ({ card }) => sql`${card.label ?? card.scorecard.replaceAll("_", " ")}`],
  ["description", "varchar", ({ card }) => orNull(card.description)],
  ["purpose", "varchar", ({ card }) => sql`${card.purpose}`],
  ["desired_outcome", "varchar", ({ card }) => orNull(card.desired_outcome)],
  ["owner", "varchar", ({ card }) => orNull(card.owner)],
  ["audience", "varchar", ({ card }) => sql`${JSON.stringify(card.audience)}`],
  ["created_on", "date", ({ card }) => dateOrNull(card.created_on)],
  ["in_force_from", "date", ({ card }) => dateOrNull(card.in_force_from)],
  ["is_assigned", "boolean", ({ assign_order }) => sql`${assign_order !== null}`],
  ["assign_order", "integer", ({ assign_order }) => sql`${assign_order}`],
  ["is_preset", "boolean", ({ is_preset }) => sql`${is_preset}`],
  ["combine", "varchar", ({ card }) => sql`${card.combine}`],
  ["scale_from", "decimal(18,6)", ({ card }) => number(card.scale.from)],
  ["scale_to", "decimal(18,6)", ({ card }) => number(card.scale.to)],
  ["missing_rule", "varchar", ({ card }) => sql`${card.missing.rule}`],
  ["coverage_floor", "decimal(18,6)", ({ card }) => number(card.missing.coverage_floor)],
  ["bands", "varchar", ({ card }) => sql`${JSON.stringify(card.bands)}`],
  ["bands_in_words", "varchar", ({ card }) => sql`${bandsInWords(card.bands)}`],
  ["gates", "varchar", ({ card }) => sql`${JSON.stringify(card.gates)}`],
  ["validated_on", "date", ({ card }) => dateOrNull(card.validated?.on)],
  ["validated_by", "varchar", ({ card }) => orNull(card.validated?.by)],
  ["valid_until", "date", ({ card }) => validUntil(card)],
  ["definition", "varchar", ({ definition }) => sql`${definition}`],
  ["definition_sha256", "varchar", ({ definition_sha256 }) => sql`${definition_sha256}`],
];
const orNull = (text: string | undefined): Sql => sql`${text ?? null}`;
const dateOrNull = (text: string | undefined): Sql => sql`${text === undefined ? null : new SqlDate(text)}`;
/** A sign-off that does not say how long it holds. */
const reviewEvery = "6 months";
/** The first day on which the sign-off holds no longer. */
const validUntil = ({ validated, valid_for }: Scorecard): Sql =>
  validated === undefined ? sql`null` : sql`${new SqlDate(validated.on)} + interval ${valid_for ?? reviewEvery}`;

/** One row a version: what its file says. */
function scorecardTable(cards: readonly AppliedScorecard[]): Model {
  const selects = cards.map((applied) =>
    compile(builder.selectNoFrom(facts.map(([name, type, value]) => as(value(applied), type, name)))),
  );
  const columns = facts.map(([name, type]) => [name, type] as const);
  return table(unionOf(selects, columns), { name: "scores.scorecard", grain: ["scorecard", "version"], depends: [] });
}

/**
 * One row per version and KPI: `share` of 100 when every KPI has a value; shares of a version sum to 100 exactly. Where
 * points are added up the share is how far the KPI can move the score. `direction` is what more of it does to the points.
 */
function scorecardWeight(cards: readonly AppliedScorecard[]): Model {
  const selects = cards.flatMap(({ card }) =>
    weighKpis(card).map(({ kpi, group_id, parent_group_id, entry, points, share }, i) =>
      compile(
        builder.selectNoFrom([
          ...idColumns(card),
          as(sql`${i + 1}`, "integer", "part_no"),
          as(sql`${group_id}`, "varchar", "group_id"),
          as(parent_group_id === null ? sql`null` : sql`${parent_group_id}`, "varchar", "parent_group_id"),
          as(sql`${kpi}`, "varchar", "kpi"),
          as(sql`${entry.weight}`, "integer", "weight"),
          sql`from_millionths(${integer(share)})`.as("share"),
          as(sql`${points.direction}`, "varchar", "direction"),
          as(sql`${JSON.stringify(entry.points)}`, "varchar", "points"),
          as(sql`${pointsInWords(entry.points, [card.scale.from, card.scale.to])}`, "varchar", "points_in_words"),
        ]),
      ),
    ),
  );
  return table(
    unionOf(selects, [
      ["scorecard", "varchar"],
      ["version", "integer"],
      ["part_no", "integer"],
      ["group_id", "varchar"],
      ["parent_group_id", "varchar"],
      ["kpi", "varchar"],
      ["weight", "integer"],
      ["share", "decimal(18,6)"],
      ["direction", "varchar"],
      ["points", "varchar"],
      ["points_in_words", "varchar"],
    ]),
    { name: "scores.scorecard_weight", grain: ["scorecard", "version", "kpi"], depends: [] },
  );
}
