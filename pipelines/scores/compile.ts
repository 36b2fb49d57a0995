/** Scorecards -> the tables of the schema `scores`. Compiles only; nothing here reads a file or a database. */
import { sql } from "kysely";
import type { Book } from "../config/book.ts";
import { entities } from "../config/entities.ts";
import type { KpiDefinition } from "../config/kpi.ts";
import type { AppliedScorecard, AppliesTo, Scorecard } from "../config/scorecard.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { SqlDate } from "../warehouse/literal.ts";
import { besidesOf, cardModel, cardTable, kpisOf } from "./card.ts";
import { integer, number, type Sql, sum } from "./exact.ts";
import { knownAccount } from "./known.ts";
import { as, column, idColumns, table, unionOf, view } from "./nodes.ts";
import { accountOverride, overrideState } from "./overrides.ts";
import { besideColumns, besideValue, valueColumn } from "./points.ts";
import { unitsOf, weighKpis } from "./weights.ts";
import { bandsInWords, pointsInWords } from "./words.ts";

/**
 * The models of `scores`: the contract's scorecard, scorecard_weight, account_score, score_part, account_grade, account_trait and
 * account_assignment, what belongs to overrides and known accounts, and the private account_input and one view
 * card_<id>_v<N> a version. A row for every account of spine.account_snapshot whose
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
    accountTrait(book),
    accountInput(cards, new Set(kpis.map(({ id }) => id))),
    accountAssignment(),
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

/**
 * One read of the wide KPI view for all scorecards: each value becomes whole millionths here, once, and what stands beside
 * values (places among accounts, slopes) is computed once for all versions. Rows lie by account, so that one account is
 * read without the others.
 */
function accountInput(cards: readonly AppliedScorecard[], on: ReadonlySet<string>): Model {
  const read = [...new Set(cards.flatMap(({ card }) => kpisOf(card)))].sort();
  const besides = new Map(
    cards
      .flatMap(({ card }) => besidesOf(card))
      .map(({ kpi, beside }) => [besideColumns(kpi, beside).join(), { kpi, beside }]),
  );
  const conditions = cards.flatMap(({ card, assign_order }) => (assign_order === null ? [] : [card.applies_to ?? {}]));
  const readsTraits = conditions.some(
    ({ product, geography, desired_outcome, value }) =>
      product !== undefined || geography !== undefined || desired_outcome !== undefined || value?.of === "potential",
  );
  const { scorecard, version, nMatching } = assignment(cards);
  const rows = builder
    .selectFrom("spine.account_snapshot as s")
    .leftJoin("features.account_kpi as k", (join) =>
      join.onRef("k.account_id", "=", "s.account_id").onRef("k.snapshot_date", "=", "s.snapshot_date"),
    )
    .$if(readsTraits, (query) =>
      query.leftJoin("scores.account_trait as t", (join) =>
        join.onRef("t.account_id", "=", "s.account_id").onRef("t.snapshot_date", "=", "s.snapshot_date"),
      ),
    )
    .select([
      sql.ref("s.account_id").as("account_id"),
      sql.ref("s.snapshot_date").as("snapshot_date"),
      sql.ref("s.segment").as("segment"),
      sql.ref("s.lifecycle").as("lifecycle"),
      sql.ref("s.is_scored").as("is_scored"),
      sql`s.is_scored or s.is_validated`.as("is_restated"),
      sql`(s.is_scored or s.is_validated) and s.snapshot_date = (select max(snapshot_date) from spine.account_snapshot where is_scored or is_validated)`.as(
        "is_newest",
      ),
      as(scorecard, "varchar", "in_force_scorecard"),
      as(version, "integer", "in_force_version"),
      as(nMatching, "integer", "n_matching"),
      ...read.map((kpi) =>
        // A value beyond twelve digits before the point, or one that is no number, counts as missing.
        on.has(kpi)
          ? sql`millionths(try_cast(${sql.ref(`k.${kpi}`)} as decimal(18,6)))`.as(valueColumn(kpi))
          : as(sql`null`, "bigint", valueColumn(kpi)),
      ),
    ]);
  const statement = builder
    .with("read_once", () => rows)
    .selectFrom("read_once")
    .selectAll()
    .select([...besides.values()].flatMap(({ kpi, beside }) => besideValue(kpi, beside)))
    .orderBy("account_id")
    .orderBy("snapshot_date");
  return table(compile(statement), {
    name: "scores.account_input",
    grain: ["account_id", "snapshot_date"],
    depends: ["features.account_kpi", "spine.account_snapshot", ...(readsTraits ? ["scores.account_trait"] : [])],
  });
}

/** Columns of the account's export that say what a scorecard may be assigned by, the first that a book has. */
const traitSources = {
  product: ["product"],
  geography: ["geography", "country"],
  desired_outcome: ["desired_outcome"],
  potential_minor: ["potential_minor"],
} as const;

/**
 * What assignment may go by beside spine.account_snapshot: columns of the account's export as known at s, null in a book
 * that lacks them.
 */
function accountTrait(book: Pick<Book, "sources">): Model {
  const known = new Set([
    ...(entities.get("account")?.columns ?? []).map(({ name }) => name),
    ...Object.values(book.sources)
      .filter(({ entity }) => entity === "account")
      .flatMap(({ columns }) => Object.keys(columns ?? {})),
  ]);
  const traits = Object.entries(traitSources).map(([name, sources]) => {
    const source = sources.find((one) => known.has(one));
    const type = name === "potential_minor" ? "bigint" : "varchar";
    if (source === undefined) return as(sql`null`, type, name);
    return sql`first(try_cast(${sql.ref(`a.${source}`)} as ${sql.raw(type)}) order by a.visible_on desc, a.source)`.as(
      name,
    );
  });
  const statement = builder
    .selectFrom("spine.account_snapshot as s")
    .leftJoin("staging.account as a", (join) =>
      join
        .onRef("a.account_id", "=", "s.account_id")
        .onRef("a.visible_on", "<=", "s.snapshot_date")
        .on(sql<boolean>`(a.superseded_on is null or s.snapshot_date < a.superseded_on)`),
    )
    .select([sql.ref("s.account_id").as("account_id"), sql.ref("s.snapshot_date").as("snapshot_date"), ...traits])
    .groupBy(["s.account_id", "s.snapshot_date"]);
  return view(compile(statement), {
    name: "scores.account_trait",
    grain: ["account_id", "snapshot_date"],
    depends: ["spine.account_snapshot", "staging.account"],
  });
}

/** Conditions of `applies_to`; none: it applies to everybody. A condition on something unknown does not hold. */
function conditionsOf(applies: Partial<AppliesTo>): readonly Sql[] {
  const listed = (column: string, values: readonly string[] | undefined): readonly Sql[] =>
    values === undefined ? [] : [sql`${sql.ref(column)} in (${sql.join(values)})`];
  const within = (
    column: string,
    range: { readonly at_least?: number | undefined; readonly below?: number | undefined } | undefined,
  ): readonly Sql[] => [
    ...(range?.at_least === undefined ? [] : [sql`${sql.ref(column)} >= ${number(range.at_least)}`]),
    ...(range?.below === undefined ? [] : [sql`${sql.ref(column)} < ${number(range.below)}`]),
  ];
  const { segment, lifecycle, value, users, product, maturity, geography, desired_outcome } = applies;
  return [
    ...listed("s.segment", segment),
    ...listed("s.lifecycle", lifecycle),
    ...within(value?.of === "potential" ? "t.potential_minor" : "s.mrr_minor", value),
    ...within("s.seats", users),
    ...listed("t.product", product),
    ...within("s.tenure_days", maturity),
    ...listed("t.geography", geography),
    ...listed("t.desired_outcome", desired_outcome),
  ];
}

/**
 * The scorecard of an account at s: the first in the book's order whose version in force at s applies to it. A version is
 * in force from its in_force_from (without one: always) until a later one of the same scorecard is; of two that start on
 * the same day the higher number. `nMatching`: how many scorecards of the book apply, the first included.
 */
function assignment(cards: readonly AppliedScorecard[]): { scorecard: Sql; version: Sql; nMatching: Sql } {
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
        if (isReplacedAtOnce) return [];
        const tests = [
          ...(from === undefined ? [] : [sql`s.snapshot_date >= ${new SqlDate(from)}`]),
          ...(until === undefined ? [] : [sql`s.snapshot_date < ${new SqlDate(until)}`]),
          ...conditionsOf(applied.card.applies_to ?? {}),
        ];
        return [{ applied, tests }];
      });
    });
  const first = (result: (applied: AppliedScorecard) => Sql): Sql => {
    if (spans.length === 0) return sql`null`;
    const branches: Sql[] = [];
    for (const { applied, tests } of spans) {
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
  return {
    scorecard: first(({ card }) => sql`${card.scorecard}`),
    version: first(({ card }) => sql`${card.version}`),
    // Versions of one scorecard are in force one after the other, so that no account counts twice.
    nMatching: sum(
      spans.map(({ tests }) =>
        tests.length === 0 ? sql`1` : sql`case when ${sql.join(tests, sql` and `)} then 1 else 0 end`,
      ),
    ),
  };
}

/** The history of assignment: the scorecard that an account had at s, null where none applied, and how many applied. */
function accountAssignment(): Model {
  return view(
    compile(
      builder
        .selectFrom("scores.account_input")
        .select([
          "account_id",
          "snapshot_date",
          sql.ref("in_force_scorecard").as("scorecard"),
          sql.ref("in_force_version").as("version"),
          "n_matching",
          "segment",
          "lifecycle",
        ])
        .where(sql<boolean>`is_restated`),
    ),
    {
      name: "scores.account_assignment",
      grain: ["account_id", "snapshot_date"],
      depends: ["scores.account_input"],
    },
  );
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
 * 1. An override replaces the band of the scorecard in force and never the score; `overridden_by` is its author.
 * `gated_by`: the gate that decided the band, else the one that holds the score.
 */
function accountScore(cards: readonly AppliedScorecard[], hasOverrides: boolean): Model {
  const selects = cards.map((applied) => {
    const { card } = applied;
    const keys = [sql.ref("c.account_id").as("account_id"), sql.ref("c.snapshot_date").as("snapshot_date")];
    const before = ["is_in_force", "score", "score_low", "score_high", "coverage", "score_before", "band_before"];
    const isOverridden = hasOverrides && applied.assign_order !== null;
    return compile(
      builder
        .selectFrom(`${cardTable(applied)} as c`)
        .$if(isOverridden, (query) =>
          query.leftJoin("scores.account_override as o", (join) =>
            join
              .onRef("o.account_id", "=", "c.account_id")
              .onRef("o.snapshot_date", "=", "c.snapshot_date")
              .on(sql<boolean>`c.is_in_force`),
          ),
        )
        .select([
          ...keys,
          ...idColumns(card),
          ...before.map((name) => sql.ref(`c.${name}`).as(name)),
          (isOverridden ? sql`coalesce(o.band, c.band)` : sql.ref("c.band")).as("band"),
          sql.ref("c.gated_by").as("gated_by"),
          as(isOverridden ? sql.ref("o.author") : sql`null`, "varchar", "overridden_by"),
        ]),
    );
  });
  const key = ["account_id", "snapshot_date", "scorecard", "version"];
  return table(unionOf(selects, scoreColumns), {
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
 * The parts of each score, a view over the private ones. Contributions sum to the score exactly. `weight` is the share
 * of 100 that the KPI had for this account then (where points are added up: what multiplies them). A KPI without a value
 * whose weight went to the others has no points and contributes 0. Accounts without a score have no parts. A group's cap
 * (clamp) and rounding name their group; those of the scorecard name none. A gate on the band contributes 0.
 */
function scorePart(cards: readonly AppliedScorecard[]): Model {
  const selects = cards.map((applied) => partSelect(applied));
  const text = unionOf(
    selects.map((select) => `select * from (\n${select}\n) as t`),
    [
      ...scoreColumns.slice(0, 4),
      ["part_no", "integer"],
      ["kind", "varchar"],
      ["group_id", "varchar"],
      ["kpi", "varchar"],
      ["value", "decimal(18,6)"],
      ["points", "decimal(18,6)"],
      ["weight", "decimal(18,6)"],
      ["contribution", "decimal(18,6)"],
    ],
  );
  return {
    ...view(text, {
      name: "scores.score_part",
      grain: ["account_id", "snapshot_date", "scorecard", "version", "part_no"],
      depends: cards.map(cardTable),
    }),
    // Any difference at all stops a release: an explanation that does not add up explains nothing.
    audits: cards.map((applied) => ({
      name: `parts of ${applied.card.scorecard} v${applied.card.version} sum to its score`,
      sql: partsDiffer(applied),
      blocking: true,
    })),
  };
}

/** The parts of one version: a row of its view for each. */
function partSelect(applied: AppliedScorecard, onlyNewest = false): string {
  const { card } = applied;
  const parts = partsOf(card);
  const of = (column: "value" | "points" | "weight" | "contribution"): Sql => {
    const branches = parts.flatMap((part) => {
      const expression = part[column];
      return expression === undefined ? [] : [sql`when ${sql.raw(String(part.part_no))} then ${expression}`];
    });
    return branches.length === 0 ? sql`null` : sql`case p.part_no ${sql.join(branches, sql` `)} end`;
  };
  const text = (value: string | null): Sql => (value === null ? sql`null` : sql`${value}`);
  const rows = parts.map(
    ({ part_no, kind, group_id, kpi }) => sql`(${sql.raw(String(part_no))}, ${kind}, ${text(group_id)}, ${text(kpi)})`,
  );
  const conditions = parts.flatMap(({ part_no, when }) =>
    when === undefined ? [] : [sql`when ${sql.raw(String(part_no))} then ${when}`],
  );
  return compile(
    builder
      .with("p(part_no, kind, group_id, kpi)", () => sql`(values ${sql.join(rows)})` as never)
      .selectFrom([`${cardTable(applied)} as c`, "p"])
      .select([
        sql.ref("c.account_id").as("account_id"),
        sql.ref("c.snapshot_date").as("snapshot_date"),
        ...idColumns(card),
        as(sql.ref("p.part_no"), "integer", "part_no"),
        as(sql.ref("p.kind"), "varchar", "kind"),
        as(sql.ref("p.group_id"), "varchar", "group_id"),
        as(sql.ref("p.kpi"), "varchar", "kpi"),
        as(of("value"), "decimal(18,6)", "value"),
        as(of("points"), "decimal(18,6)", "points"),
        as(of("weight"), "decimal(18,6)", "weight"),
        as(of("contribution"), "decimal(18,6)", "contribution"),
      ])
      .where(sql<boolean>`c.score is not null${sql.raw(onlyNewest ? " and c.is_newest" : "")}`)
      .where(sql<boolean>`case p.part_no ${sql.join(conditions, sql` `)} else true end`),
  );
}

interface PartPlan {
  readonly part_no: number;
  readonly kind: "kpi" | "start" | "clamp" | "gate" | "rounding";
  readonly group_id: string | null;
  readonly kpi: string | null;
  readonly value?: Sql;
  readonly points?: Sql;
  readonly weight?: Sql;
  readonly contribution: Sql;
  /** Rows that show it; absent: all. */
  readonly when?: Sql;
}

/** The parts that a score may have, in the order in which they are applied. */
function partsOf(card: Scorecard): readonly PartPlan[] {
  const kpis = weighKpis(card);
  const clamps = card.combine === "start_and_clamp";
  const ref = (name: string): Sql => sql.ref(`c.${name}`);
  const changed = (column: string) => ({ contribution: ref(column), when: sql`${ref(column)} <> 0` });
  const plain = { group_id: null, kpi: null };
  const { inner } = unitsOf(card, kpis);
  const parts: readonly Omit<PartPlan, "part_no">[] = [
    ...kpis.map(({ kpi, slot, group_id }) => ({
      kind: "kpi" as const,
      group_id,
      kpi,
      value: ref(valueColumn(kpi)),
      points: ref(`points_${slot}`),
      weight: ref(`weight_${slot}`),
      contribution: ref(`part_${slot}`),
    })),
    ...inner.flatMap(({ id, cap, isRounded }) => [
      ...(cap.min === undefined && cap.max === undefined
        ? []
        : [{ kind: "clamp" as const, group_id: id, kpi: null, ...changed(`group_clamp_${id}`) }]),
      ...(isRounded
        ? [{ kind: "rounding" as const, group_id: id, kpi: null, ...changed(`group_rounding_${id}`) }]
        : []),
    ]),
    { kind: "rounding" as const, ...plain, ...changed("rounding") },
    ...(clamps ? [{ kind: "clamp" as const, ...plain, ...changed("clamp") }] : []),
    ...card.gates.map(({ id, kpi, score }) => ({
      kind: "gate" as const,
      group_id: null,
      kpi,
      value: ref(valueColumn(kpi)),
      contribution: score === undefined ? sql`0` : ref("gate"),
      when: sql`${ref(score === undefined ? "band_gated_by" : "score_gated_by")} is not distinct from ${id}`,
    })),
  ];
  const start: PartPlan[] = clamps
    ? [{ part_no: 0, kind: "start", ...plain, contribution: number(card.start ?? 0) }]
    : [];
  return [...start, ...parts.map((part, i) => ({ part_no: i + 1, ...part }))];
}

/**
 * Scores of the newest snapshot that their parts do not sum to: the select of the view, over fewer rows. (A property test
 * reads the view at every date.)
 */
const partsDiffer = (applied: AppliedScorecard): string =>
  `with summed as (select account_id, snapshot_date, sum(contribution) as total from (\n${partSelect(applied, true)}\n) as t group by account_id, snapshot_date)\n` +
  `select c.account_id, c.snapshot_date from ${cardTable(applied)} as c left join summed as p on p.account_id = c.account_id ` +
  "and p.snapshot_date = c.snapshot_date where c.is_newest and c.score is distinct from p.total";

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
    { name: "scores.scorecard_weight", grain: ["scorecard", "version", "part_no"], depends: [] },
  );
}
