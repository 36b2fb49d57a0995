/** KPIs of KPIs: ratio and expression, computed from the values of others and their reasons for having none. */
import { type AliasableExpression, sql } from "kysely";
import { type ExpressionTree, parseExpression } from "../config/expression.ts";
import { type KpiDefinition, referencesOf } from "../config/kpi.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { type Group, tableOf } from "./columns.ts";
import type { AnyBuilder } from "./filter.ts";
import { type AnyQuery, type Steps, withSteps } from "./pieces.ts";
import { missingRows, ruled, ruledDepends, ruledReads, valueExpression, whyExpression } from "./values.ts";

export const isDerived = (kpi: KpiDefinition): boolean => kpi.entity === null;

/** KPIs of KPIs in levels: what is on one reads only what lies below it. */
function levelsOf(kpis: readonly KpiDefinition[]): readonly (readonly KpiDefinition[])[] {
  const known = new Map(kpis.map((kpi) => [kpi.id, kpi]));
  const height = (kpi: KpiDefinition): number =>
    isDerived(kpi) ? 1 + Math.max(0, ...referencesOf(kpi).map((id) => height(known.get(id) as KpiDefinition))) : 0;
  const heights = kpis.map((kpi) => [height(kpi), kpi] as const);
  const top = Math.max(0, ...heights.map(([n]) => n));
  return Array.from({ length: top }, (_, i) => heights.filter(([n]) => n === i + 1).map(([, kpi]) => kpi));
}

/** features.derived_window and features.derived; none when the book has no KPI of KPIs. */
export function derivedModels(all: readonly KpiDefinition[], groups: readonly Group[]): readonly Model[] {
  const derived = all.filter(isDerived);
  if (derived.length === 0) return [];
  const read = new Set(derived.flatMap(referencesOf));
  const sources = groups
    .map((group) => ({ ...group, kpis: group.kpis.filter(({ id }) => read.has(id)) }))
    .filter((group) => group.kpis.length > 0);
  return [windowModel(derived, all, sources), valuesModel(derived)];
}

/** features.derived_window: per row of spine.account_snapshot the value of each KPI and, as `<kpi>__why`, why there is none. */
function windowModel(
  derived: readonly KpiDefinition[],
  all: readonly KpiDefinition[],
  sources: readonly Group[],
): Model {
  const given = sources.map((group): readonly [string, AnyQuery] => [
    `${group.name}_given`,
    ruled(group).select((eb: AnyBuilder) => [
      "row.account_id",
      "row.snapshot_date",
      ...group.kpis.flatMap((kpi) => [
        valueExpression(eb, kpi).as(kpi.id),
        whyExpression(eb, kpi).as(`${kpi.id}__why`),
      ]),
    ]),
  ]);
  const held = sources.flatMap((group) => group.kpis.flatMap(({ id }) => [id, `${id}__why`]));
  let wide: AnyQuery = builder.selectFrom("spine.account_snapshot as row");
  for (const [name] of given) {
    wide = wide.innerJoin(name, (join) =>
      join.onRef(`${name}.account_id`, "=", "row.account_id").onRef(`${name}.snapshot_date`, "=", "row.snapshot_date"),
    );
  }
  const steps: (readonly [string, AnyQuery])[] = [
    ...given,
    [
      "level_0",
      wide.select((eb: AnyBuilder) => [
        "row.account_id",
        "row.snapshot_date",
        // The spine may have a column of the same name: seats, say.
        ...sources.flatMap((group) =>
          group.kpis.flatMap(({ id }) =>
            [id, `${id}__why`].map((name) => eb.ref(`${group.name}_given.${name}`).as(name)),
          ),
        ),
      ]),
    ],
  ];
  for (const [i, kpis] of levelsOf(all).entries()) {
    const level: Steps = [
      [
        `value_${i + 1}`,
        builder
          .selectFrom(`level_${i}`)
          .select(() => [
            "account_id",
            "snapshot_date",
            ...held,
            ...kpis.map((kpi) => resultOf(kpi).as(`${kpi.id}__given`)),
          ]),
      ],
      [
        `level_${i + 1}`,
        builder
          .selectFrom(`value_${i + 1}`)
          .select(() => [
            "account_id",
            "snapshot_date",
            ...held,
            ...kpis.map(({ id }) => rounded(sql.ref(`${id}__given`)).as(id)),
            ...kpis.map((kpi) => reasonOf(kpi).as(`${kpi.id}__why`)),
          ]),
      ],
    ];
    steps.push(...level);
    held.push(...kpis.flatMap(({ id }) => [id, `${id}__why`]));
  }
  return {
    kind: "table",
    name: "features.derived_window",
    grain: ["account_id", "snapshot_date"],
    depends: [...new Set(["spine.account_snapshot", ...sources.flatMap(ruledDepends)])],
    params: [],
    audits: [],
    portable: false,
    sql: compile(
      withSteps(steps, (from) =>
        from
          .selectFrom(`level_${levelsOf(all).length}`)
          .select(["account_id", "snapshot_date", ...derived.flatMap(({ id }) => [id, `${id}__why`])]),
      ),
    ),
    reads: ruledReads(sources),
  };
}

/** Rounded as all statistics are; a value beyond all numbers is none. */
const rounded = (value: AliasableExpression<unknown>): AliasableExpression<unknown> =>
  sql`case when isfinite(${value}) then twelve_digits(${value}) end`;

/** The reason of the first input in reading order that has none; else the KPI's own, where it cannot be computed. */
function reasonOf(kpi: KpiDefinition): AliasableExpression<unknown> {
  const given = sql.ref(`${kpi.id}__given`);
  return sql`case when ${given} is null then coalesce(${whyOf(treeOf(kpi))}, 'not_applicable') when not isfinite(${given}) then 'not_applicable' end`;
}

/** features.derived: a row for every row of spine.account_snapshot, one double a KPI. */
function valuesModel(derived: readonly KpiDefinition[]): Model {
  const name = "features.derived";
  return {
    kind: "table",
    name,
    grain: ["account_id", "snapshot_date"],
    depends: ["features.derived_window"],
    params: [],
    audits: [
      {
        name: "every_row_of(spine.account_snapshot)",
        sql: missingRows(name),
        blocking: true,
      },
    ],
    portable: false,
    sql: compile(
      builder
        .selectFrom("features.derived_window")
        .select(["account_id", "snapshot_date", ...derived.map(({ id }) => id)])
        .orderBy("account_id")
        .orderBy("snapshot_date"),
    ),
  };
}

/** A ratio as the expression that it is, but for its rule for zero. */
function treeOf(kpi: KpiDefinition): ExpressionTree {
  if (kpi.measure === "expression") return parseExpression(kpi.expression as string);
  const ref = (id: string | undefined): ExpressionTree => ({ kind: "kpi", id: id as string, at: 0 });
  return { kind: "binary", operator: "/", left: ref(kpi.numerator), right: ref(kpi.denominator) };
}

/** A KPI's value from columns named as the KPIs that it reads; null where one is missing or the arithmetic fails. */
function resultOf(kpi: KpiDefinition): AliasableExpression<unknown> {
  if (kpi.measure === "expression") return treeSql(treeOf(kpi));
  const numerator = sql.ref(kpi.numerator as string);
  const denominator = sql.ref(kpi.denominator as string);
  const value = division(kpi.times === 1 ? numerator : sql`${number(kpi.times as number)} * ${numerator}`, denominator);
  if (kpi.zero_denominator !== "zero") return value;
  return sql`case when ${denominator} = 0 and ${numerator} is not null then 0 else ${value} end`;
}

/** Without a value where the denominator is 0. */
const division = (numerator: AliasableExpression<unknown>, denominator: AliasableExpression<unknown>) =>
  sql`${numerator} / nullif(${denominator}, 0)`;

const number = (value: number): AliasableExpression<unknown> => sql`cast(${sql.lit(value)} as double precision)`;

/** An expression in SQL over doubles. Every node stands in the text once, so that the text grows with the expression. */
function treeSql(tree: ExpressionTree): AliasableExpression<unknown> {
  switch (tree.kind) {
    case "number":
      return number(tree.value);
    case "kpi":
      return sql.ref(tree.id);
    case "negative":
      return sql`(- ${treeSql(tree.of)})`;
    case "binary": {
      const right = tree.operator === "/" ? sql`nullif(${treeSql(tree.right)}, 0)` : treeSql(tree.right);
      return sql`(${treeSql(tree.left)} ${sql.raw(tree.operator)} ${right})`;
    }
    default: {
      const given = tree.given.map(treeSql);
      const [first] = given as [AliasableExpression<unknown>];
      switch (tree.name) {
        case "abs":
          return sql`abs(${first})`;
        case "ln":
          // greatest would take 0 for a missing value: nullif makes it missing again.
          return sql`ln(nullif(greatest(${first}, 0), 0))`;
        case "coalesce":
          return sql`coalesce(${sql.join(given)})`;
        default: {
          // least and greatest pass over missing values: here one of them is enough.
          const order = sql.raw(tree.name === "min" ? "<=" : ">=");
          return sql`list_reduce([${sql.join(given)}], lambda a, b: case when a is null or b is null then null when a ${order} b then a else b end)`;
        }
      }
    }
  }
}

/** Why an expression has no value, null where its inputs have theirs: the first of them in reading order that has none. */
function whyOf(tree: ExpressionTree): AliasableExpression<unknown> {
  switch (tree.kind) {
    case "number":
      return sql`null`;
    case "kpi":
      return sql.ref(`${tree.id}__why`);
    case "negative":
      return whyOf(tree.of);
    case "binary":
      return tree.operator === "/"
        ? sql`coalesce(${whyOf(tree.left)}, ${whyOf(tree.right)}, case when nullif(${treeSql(tree.right)}, 0) is null then 'not_applicable' end)`
        : sql`coalesce(${whyOf(tree.left)}, ${whyOf(tree.right)})`;
    default: {
      const reasons = sql.join(tree.given.map(whyOf));
      if (tree.name === "coalesce") return sql`case when ${treeSql(tree)} is null then coalesce(${reasons}) end`;
      if (tree.name === "ln")
        return sql`coalesce(${reasons}, case when ${treeSql(tree)} is null then 'not_applicable' end)`;
      return sql`coalesce(${reasons}, null)`;
    }
  }
}

/** The statement that computes one KPI of KPIs from the values of those that it reads. */
export function derivedAlone(kpi: KpiDefinition, all: readonly KpiDefinition[]): string {
  const ids = referencesOf(kpi);
  const tables = [...new Set(ids.map((id) => tableOf(all.find((other) => other.id === id) as KpiDefinition)))];
  let query: AnyQuery = builder.selectFrom("spine.account_snapshot as row");
  for (const table of tables) {
    const alias = table.slice(table.indexOf(".") + 1);
    query = query.innerJoin(`${table} as of_${alias}`, (join) =>
      join
        .onRef(`of_${alias}.account_id`, "=", "row.account_id")
        .onRef(`of_${alias}.snapshot_date`, "=", "row.snapshot_date"),
    );
  }
  const given = query.select((eb: AnyBuilder) => [
    "row.account_id",
    "row.snapshot_date",
    ...ids.map((id) => {
      const table = tableOf(all.find((other) => other.id === id) as KpiDefinition);
      return eb.ref(`of_${table.slice(table.indexOf(".") + 1)}.${id}`).as(id);
    }),
  ]);
  return compile(
    withSteps([["given", given]], (from) =>
      from
        .selectFrom("given")
        .select(() => ["account_id", "snapshot_date", rounded(resultOf(kpi)).as(kpi.id)])
        .orderBy("account_id")
        .orderBy("snapshot_date"),
    ),
  );
}
