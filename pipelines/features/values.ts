/** From raw measures to values: what each measure makes of its parts, and the rules that decide whether it has a value. */
import { type AliasableExpression, type Expression, type SqlBool, sql } from "kysely";
import { type KpiDefinition, lookbackDays } from "../config/kpi.ts";
import type { Model } from "../models/model.ts";
import { builder } from "../warehouse/compiler.ts";
import { literal } from "../warehouse/literal.ts";
import type { Group } from "./columns.ts";
import type { AnyBuilder } from "./filter.ts";
import { innerOf } from "./parts.ts";
import type { AnyQuery } from "./pieces.ts";
import { readsUsers } from "./usage-filter.ts";

/** The look-back in which a KPI's feed must have been alive, and the silence that breaks it. */
export function feedOf(kpi: KpiDefinition): { readonly lookback: number; readonly gap: number } | undefined {
  const gap = kpi.null_rule.feed_gap_days;
  return gap === null ? undefined : { lookback: Math.max(lookbackDays(kpi) ?? gap, gap), gap };
}

const gapAlias = (lookback: number): string => `gap_${lookback}`;

export const lookbacks = (group: Group): readonly number[] => [
  ...new Set(group.kpis.flatMap((kpi) => feedOf(kpi)?.lookback ?? [])),
];

export const countsFromCreation = (kpi: KpiDefinition): boolean => kpi.from === "account_created";

/** features.account_created: the day on which the account was created, as far as a snapshot knows it; no row where it does not. */
export const accountCreated: Model = {
  kind: "table",
  name: "features.account_created",
  grain: ["account_id", "snapshot_date"],
  depends: ["spine.account_snapshot", "staging.account"],
  params: [],
  audits: [],
  portable: false,
  sql: `select row.account_id, row.snapshot_date, min(cast(account.created_at as date)) as created_on
from spine.account_snapshot as row
inner join staging.account as account
  on account.account_id = row.account_id
  and account.visible_on <= row.snapshot_date
  and (account.superseded_on is null or row.snapshot_date < account.superseded_on)
where account.created_at is not null
group by row.account_id, row.snapshot_date
order by row.account_id, row.snapshot_date`,
};

/**
 * Rows of spine.account_snapshot as `row`, with the raw measures of a window table as `raw` beside what decides whether they are
 * values: the silence of the feed, the first known user, the day of creation.
 */
export function ruled(
  group: Group,
  window: string = `features.${group.name}_window`,
  from: typeof builder = builder,
): AnyQuery {
  let query: AnyQuery = from
    .selectFrom("spine.account_snapshot as row")
    .innerJoin(`${window} as raw`, (join) =>
      join.onRef("raw.account_id", "=", "row.account_id").onRef("raw.snapshot_date", "=", "row.snapshot_date"),
    );
  for (const lookback of lookbacks(group)) {
    const alias = gapAlias(lookback);
    query = query.leftJoin(`features.feed_gap as ${alias}`, (join) =>
      join
        .onRef(`${alias}.snapshot_date`, "=", "row.snapshot_date")
        .on(`${alias}.entity`, "=", group.entity.id)
        .on(`${alias}.lookback_days`, "=", lookback),
    );
  }
  if (group.kpis.some(countsFromCreation)) {
    query = query.leftJoin("features.account_created as created", (join) =>
      join.onRef("created.account_id", "=", "row.account_id").onRef("created.snapshot_date", "=", "row.snapshot_date"),
    );
  }
  return group.kpis.some(readsUsers) ? query.crossJoin("features.user_feed as users") : query;
}

/** The rows of spine.account_snapshot that a table of values lacks. */
export const missingRows = (table: string): string =>
  `select account_id, snapshot_date from spine.account_snapshot as row
where not exists (
  select 1 from ${table} as value where value.account_id = row.account_id and value.snapshot_date = row.snapshot_date
)`;

export const ruledDepends = (group: Group): readonly string[] => [
  "spine.account_snapshot",
  `features.${group.name}_window`,
  ...(lookbacks(group).length > 0 ? ["features.feed_gap"] : []),
  ...(group.kpis.some(countsFromCreation) ? ["features.account_created"] : []),
  ...(group.kpis.some(readsUsers) ? ["features.user_feed"] : []),
];

/** What {@link ruled} looks up of a table that knows the feeds of others, too: their silence is none of its business. */
export function ruledReads(groups: readonly Group[]): Readonly<Record<string, string>> {
  const gaps = groups
    .filter((group) => lookbacks(group).length > 0)
    .map((group) => `(entity = ${literal(group.entity.id)} and lookback_days in (${lookbacks(group).join(", ")}))`);
  return gaps.length === 0 ? {} : { "features.feed_gap": gaps.join(" or ") };
}

/** A KPI's raw measure before any rule: 0 or null where there is no row. */
const rawValue = (eb: AnyBuilder, kpi: KpiDefinition): Expression<unknown> => eb.ref(`raw.${kpi.id}`);

type Value = AliasableExpression<unknown>;

const raw = (kpi: KpiDefinition, suffix = ""): Value => sql.ref(`raw.${kpi.id}${suffix}`);

/** The number of s, counted from 1970-01-01. */
const snapshotNo = sql`date_diff('day', date '1970-01-01', row.snapshot_date)`;

/** A quotient, rounded as all statistics are; null for a zero denominator. */
export const quotient = (numerator: Value, denominator: Value): Value =>
  sql`twelve_digits(cast(${numerator} as double precision) / nullif(cast(${denominator} as double precision), 0))`;

/** What all accounts of the snapshot have together. */
const bookTotal = (kpi: KpiDefinition): Value => sql`sum(${raw(kpi)}) over (partition by row.snapshot_date)`;

/** The amount of the baseline, which the longer look-back holds beside the recent one. */
const baseline = (kpi: KpiDefinition): Value => sql`(${raw(kpi, "__both")} - ${raw(kpi)})`;

const startOf = (kpi: KpiDefinition): Value =>
  sql.ref(countsFromCreation(kpi) ? "created.created_on" : "row.period_started_on");

/**
 * What a measure makes of its parts; the formulas are those of docs/kpis.md. All sums are exact until the one division; where it
 * cannot be made the result is null, and {@link whyExpression} says so.
 */
function measured(kpi: KpiDefinition): Value {
  const W = sql.lit(kpi.window_days);
  switch (kpi.measure) {
    case "share":
      return quotient(sql`100 * ${raw(kpi)}`, bookTotal(kpi));
    case "per_seat":
      return quotient(raw(kpi), sql`row.seats`);
    case "tenure_scaled":
      return quotient(sql`${raw(kpi)} * ${W}`, sql`least(${W}, row.tenure_days)`);
    case "trend": {
      const B = sql.lit(kpi.baseline_days);
      const change = quotient(sql`100 * (${raw(kpi)} * ${B} - ${baseline(kpi)} * ${W})`, sql`${baseline(kpi)} * ${W}`);
      return kpi.zero_denominator === "zero" ? sql`case when ${baseline(kpi)} = 0 then 0 else ${change} end` : change;
    }
    case "slope": {
      // Least squares over W days against their numbers 1..W: the sum of squares about the mean is W (W^2 - 1) / 12, so 100 x 7 x
      // slope / mean is 4200 x (twice the centred moment) / ((W^2 - 1) x amount).
      const days = kpi.window_days as number;
      const twice = sql`2 * ${raw(kpi, "__moment")} - (2 * ${snapshotNo} - ${sql.lit(days + 1)}) * ${raw(kpi)}`;
      return quotient(sql`4200 * (${twice})`, sql`${sql.lit(days * days - 1)} * ${raw(kpi)}`);
    }
    case "time_to_first":
      return sql`case when ${raw(kpi)} is not null then greatest(0, ${raw(kpi)} - ${startOf(kpi)}) end`;
    case "milestone":
      if (kpi.as === "days_late") {
        return quotient(sql`${raw(kpi)} + ${raw(kpi, "__open")} * ${snapshotNo}`, raw(kpi, "__rows"));
      }
      return quotient(sql`100 * ${raw(kpi)}`, raw(kpi, "__rows"));
    default:
      if (kpi.decay === undefined) return raw(kpi);
      return quotient(
        sql`${raw(kpi, "__moment")} - (${snapshotNo} - ${W}) * ${raw(kpi)}`,
        sql.lit((kpi.window_days as number) - 1),
      );
  }
}

/** Why the KPI has no value in a row of {@link ruled}; null when it has one. The order is that of the null rules in docs/kpis.md. */
export function whyExpression(eb: AnyBuilder, kpi: KpiDefinition): AliasableExpression<unknown> {
  const cases: (readonly [Expression<SqlBool>, string])[] = [];
  const { null_rule: rule, window_days: window } = kpi;
  const lookback = lookbackDays(kpi);
  if (rule.tenure === "whole_window" && lookback !== null) {
    cases.push([eb("row.tenure_days", "<", lookback), "not_yet"]);
  }
  if (kpi.min_tenure_days !== undefined) cases.push([eb("row.tenure_days", "<", kpi.min_tenure_days), "not_yet"]);
  const feed = feedOf(kpi);
  if (feed !== undefined) cases.push([eb(`${gapAlias(feed.lookback)}.gap_days`, ">=", feed.gap), "feed_broken"]);
  if (readsUsers(kpi)) {
    cases.push([
      eb.or([eb("users.visible_on", "is", null), eb("users.visible_on", ">", eb.ref("row.snapshot_date"))]),
      "not_applicable",
    ]);
  }
  const notApplicable = (condition: Value): void => {
    cases.push([sql<SqlBool>`${condition}`, "not_applicable"]);
  };
  switch (kpi.measure) {
    case "per_seat":
      notApplicable(sql`coalesce(row.seats, 0) = 0`);
      break;
    case "time_to_first":
      notApplicable(sql`${startOf(kpi)} is null`);
      break;
    case "milestone":
      notApplicable(sql`${raw(kpi, "__rows")} = 0`);
      break;
    default:
  }
  if (innerOf(kpi) === "latest") {
    if (rule.no_rows !== "zero") cases.push([eb(`raw.${kpi.id}__rows`, "=", 0), rule.no_rows]);
    cases.push([eb.and([eb(rawValue(eb, kpi), "is", null), eb(`raw.${kpi.id}__rows`, ">", 0)]), rule.no_value]);
  } else if (rule.no_rows !== "zero") {
    switch (kpi.measure) {
      case "days_since": {
        const outside = eb(rawValue(eb, kpi), "is", null);
        cases.push([window === null ? outside : eb.or([outside, eb(rawValue(eb, kpi), ">", window)]), rule.no_rows]);
        break;
      }
      case "time_to_first":
        cases.push([eb(rawValue(eb, kpi), "is", null), rule.no_rows]);
        break;
      case "trend":
      case "slope":
      case "milestone":
        break;
      default: {
        const counted = innerOf(kpi) === "sum" ? eb.ref(`raw.${kpi.id}__rows`) : rawValue(eb, kpi);
        cases.push([eb(counted, "=", 0), rule.no_rows]);
      }
    }
  }
  switch (kpi.measure) {
    case "share":
      notApplicable(sql`${bookTotal(kpi)} = 0`);
      break;
    case "trend":
      if (kpi.zero_denominator === "not_applicable") notApplicable(sql`${baseline(kpi)} = 0`);
      break;
    case "slope":
      // Amounts that add up to nothing have no mean to measure a slope by.
      notApplicable(
        sql`${kpi.of === "active_days" ? raw(kpi) : raw(kpi, "__days")} < ${sql.lit(kpi.min_active_days)} or ${raw(kpi)} <= 0`,
      );
      break;
    default:
  }
  const [first, ...rest] = cases;
  if (first === undefined) return eb.cast(eb.val(null), "varchar");
  let chain = eb.case().when(first[0]).then(first[1]);
  for (const [condition, why] of rest) chain = chain.when(condition).then(why);
  return chain.end();
}

/** The value under its rules: null for a reason, otherwise a finite double. */
export function valueExpression(eb: AnyBuilder, kpi: KpiDefinition): AliasableExpression<unknown> {
  const whole = eb.fn("coalesce", [measured(kpi), eb.val(0)]);
  const capped = kpi.cap === undefined ? whole : eb.fn("least", [whole, eb.val(kpi.cap)]);
  const value = eb.cast(capped, "double precision");
  return eb
    .case()
    .when(eb.and([eb(whyExpression(eb, kpi), "is", null), eb.fn<SqlBool>("isfinite", [value])]))
    .then(value)
    .end();
}
