/** What a KPI definition may say, in the library (`sql/kpis/*.yaml`) and in a book's `kpis:` alike. See docs/kpis.md. */
import { z } from "zod";
import { reservedWords } from "../warehouse/compiler.ts";
import { entities } from "./entities.ts";
import { ExpressionError, type ExpressionTree, kpisOf, parseExpression } from "./expression.ts";

/** An id that becomes a column or table name: it never needs quoting. */
export const idPattern = /^[a-z][a-z0-9_]*$/;
const id = z
  .string()
  .max(63)
  .regex(idPattern, "an id: a lower-case letter, then lower-case letters, digits and single underscores");

/** What a KPI can be: one of these, see docs/kpis.md. */
export const measures = [
  "count",
  "sum",
  "distinct",
  "active_days",
  "days_since",
  "latest",
  "share",
  "ratio",
  "trend",
  "slope",
  "time_to_first",
  "milestone",
  "per_seat",
  "tenure_scaled",
  "expression",
] as const;
export type Measure = (typeof measures)[number];

/** What rows add up to: the inner measure of share, trend, slope, per_seat and tenure_scaled. */
export const innerMeasures = ["count", "sum", "distinct", "active_days"] as const;
export type InnerMeasure = (typeof innerMeasures)[number];

/** Measures of other KPIs; they read no entity of their own. */
const derivedMeasures: readonly Measure[] = ["ratio", "expression"];

/** What ratio and trend say when they would divide by zero. */
export const zeroDenominators = ["not_applicable", "zero"] as const;

/** The seven factors of customer health; `control` is for numbers that should not matter and test the method. */
export const factors = [
  "user_activity",
  "feature_adoption",
  "support_history",
  "billing_history",
  "customer_feedback",
  "relationship_strength",
  "complexity",
  "control",
] as const;

/** Why a KPI has no value (features.kpi_why_null). */
export const whyNull = ["not_applicable", "not_yet", "unanswered", "feed_broken"] as const;
export type WhyNull = (typeof whyNull)[number];

/** How milestone KPIs look at the milestones that were expected before the snapshot. */
export const milestoneMeasures = ["share_on_time", "share_reached", "days_late"] as const;

/** Where time_to_first starts to count. */
export const firstFroms = ["period_start", "account_created"] as const;

/** The longest text of an expression: its SQL grows with the square of it. */
const longestExpression = 500;

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const scalars = z.array(scalar).min(1);

/**
 * What a column must be: a value, one of a list, `null` (no value), or an object of comparisons that all hold.
 * `not` is the exact complement: a row without a value passes `{ not: x }` and fails every other comparison.
 */
const condition = z.union([
  scalar,
  z.null(),
  scalars,
  z
    .strictObject({
      not: z.union([scalar, scalars, z.null()]).optional(),
      at_least: z.union([z.number(), z.string()]).optional(),
      more_than: z.union([z.number(), z.string()]).optional(),
      at_most: z.union([z.number(), z.string()]).optional(),
      less_than: z.union([z.number(), z.string()]).optional(),
    })
    .refine(
      (object) => Object.keys(object).length > 0,
      "a comparison with one of not, at_least, more_than, at_most, less_than",
    ),
]);
export type FilterCondition = z.output<typeof condition>;

const nullRule = z.strictObject({
  /** The account has no row that counts: a zero, or a reason for having no value. */
  no_rows: z.enum(["zero", ...whyNull]).optional(),
  /** Rows count, but the column that `latest` reads is empty in all of them. */
  no_value: z.enum(whyNull).optional(),
  /**
   * The feed counts as broken at s when it delivered nothing on this many days in a row inside the look-back (without a
   * look-back: right before s). `null`: silence of the feed says nothing.
   */
  feed_gap_days: z.int().min(1).max(3650).nullable().optional(),
  /** `whole_window`: no value (not_yet) before the look-back fits into the paid period. */
  tenure: z.enum(["whole_window", "any"]).optional(),
});

/** The keys that each measure reads beside those that every KPI has. */
const ownKeys: Readonly<Record<Measure, readonly string[]>> = {
  count: ["entity", "account", "filter", "window_days", "cap", "decay", "null_rule"],
  sum: ["entity", "account", "value", "filter", "window_days", "cap", "decay", "null_rule"],
  distinct: ["entity", "account", "value", "filter", "window_days", "cap", "users", "null_rule"],
  active_days: ["entity", "filter", "window_days", "cap", "users", "null_rule"],
  days_since: ["entity", "filter", "window_days", "null_rule"],
  latest: ["entity", "value", "filter", "window_days", "null_rule"],
  share: ["entity", "of", "value", "filter", "window_days", "users", "null_rule"],
  per_seat: ["entity", "of", "value", "filter", "window_days", "users", "null_rule"],
  tenure_scaled: ["entity", "of", "value", "filter", "window_days", "users", "min_tenure_days", "null_rule"],
  trend: ["entity", "of", "value", "filter", "window_days", "users", "baseline_days", "zero_denominator", "null_rule"],
  slope: ["entity", "of", "value", "filter", "window_days", "users", "min_active_days", "null_rule"],
  time_to_first: ["entity", "filter", "from", "target_days", "null_rule"],
  milestone: ["entity", "filter", "as", "null_rule"],
  ratio: ["numerator", "denominator", "times", "zero_denominator"],
  expression: ["expression"],
};

/** The keys that some measure reads and others do not. */
const measureKeys = [...new Set(Object.values(ownKeys).flat())];

/** The keys that a definition may have; with a measure, those that it reads and those of every KPI. */
export const definitionKeys = (measure: unknown): readonly string[] => {
  const keys = Object.keys(kpiSchema.in.shape);
  const own: readonly string[] | undefined = Object.hasOwn(ownKeys, String(measure))
    ? ownKeys[measure as Measure]
    : undefined;
  return own === undefined ? keys : keys.filter((key) => own.includes(key) || !measureKeys.includes(key));
};

/** The keys of the mappings inside a definition. */
export const innerKeys = {
  value: ["column", "as"],
  says: ["less", "more"],
  null_rule: ["no_rows", "no_value", "feed_gap_days", "tenure"],
  condition: ["not", "at_least", "more_than", "at_most", "less_than"],
} as const;

export const kpiSchema = z
  .strictObject({
    id: id
      .regex(/^(?!.*__)/, "an id without two underscores in a row")
      .refine((name) => name !== "account_id" && name !== "snapshot_date", "an id other than the key columns")
      .refine((name) => !reservedWords.has(name), "an id that is no word of SQL"),
    /** A changed definition is a new version. */
    version: z.int().min(1).default(1),
    label: z.string().min(1).max(60),
    description: z.string().min(1),
    factor: z.enum(factors),
    /** Something measured, or something somebody says or feels. */
    kind: z.enum(["objective", "sentiment"]),
    /** Tells of the customer's own doing before trouble shows (proactive), or of trouble that has shown (reactive). */
    side: z.enum(["proactive", "reactive"]),
    /** Plural, for axes: `logins`. */
    unit: z.string().min(1),
    /** The look-back W in days: rows of [s - W, s) count. `null`: everything that s may know. */
    window_days: z.int().min(1).max(3650).nullable().default(null),
    measure: z.enum(measures),
    /** What is counted; `null` for ratio and expression, which read other KPIs. */
    entity: id.optional(),
    /** The column of the account that a row counts for: `account_id`, unless another one names an account, too. */
    account: id.optional(),
    /** The inner measure of share, trend, slope, per_seat and tenure_scaled. */
    of: z.enum(innerMeasures).optional(),
    /** The column that sum, distinct and latest read; `as: length` counts the letters of a text. */
    value: z
      .union([id, z.strictObject({ column: id, as: z.enum(["value", "length"]) })])
      .transform((value) => (typeof value === "string" ? { column: value, as: "value" as const } : value))
      .optional(),
    /** Column of the entity -> what it must be; all conditions hold together. */
    filter: z.record(id, condition).default({}),
    /** Columns of `user` -> what they must be at s: only these users of the product count. */
    users: z
      .record(id, condition)
      .refine((conditions) => Object.keys(conditions).length > 0, "at least one column of user")
      .optional(),
    /** `linear`: a row counts 1 on the day before s and falls linearly to 0 at s - W. */
    decay: z.enum(["linear"]).optional(),
    /** Larger values are shown as this one: 1 turns a count into yes or no. */
    cap: z.int().min(1).optional(),
    /** trend: the length of the account's own baseline, which ends where the look-back starts. */
    baseline_days: z.int().min(1).max(3650).optional(),
    /** slope: with fewer days that have rows there is no value (not_applicable). */
    min_active_days: z.int().min(1).max(3650).optional(),
    /** tenure_scaled: younger paid periods have no value (not_yet). */
    min_tenure_days: z.int().min(1).max(3650).optional(),
    /** time_to_first: where the days start to count. */
    from: z.enum(firstFroms).optional(),
    /** time_to_first: the days that readers compare with. */
    target_days: z.int().min(1).max(3650).optional(),
    /** milestone: which of its numbers. */
    as: z.enum(milestoneMeasures).optional(),
    /** ratio: the ids of two KPIs. */
    numerator: id.optional(),
    denominator: id.optional(),
    /** ratio: a factor, 100 for percent. */
    times: z
      .number()
      .refine((factor) => factor !== 0, "a factor other than 0")
      .optional(),
    zero_denominator: z.enum(zeroDenominators).optional(),
    /** expression: numbers, ids of KPIs, + - * / ( ), min, max, abs, ln, coalesce. */
    expression: z.string().min(1).max(longestExpression).optional(),
    null_rule: nullRule.optional(),
    /** Which way is thought to be healthy; `tested`: no opinion, history decides. */
    healthier: z.enum(["higher", "lower", "tested"]),
    /** The step of the customer's journey that it belongs to. */
    stage: id.optional(),
    /** Verb phrases in the past tense that follow "leavers" and "accounts that". */
    says: z.strictObject({ less: z.string().min(1), more: z.string().min(1) }),
    /** Entities that a book must have for this KPI to be on; by default the ones that it reads. */
    needs: z.array(id).min(1).optional(),
  })
  .transform((kpi, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    const { measure } = kpi;
    const own = ownKeys[measure];
    for (const key of measureKeys) {
      const value = kpi[key as keyof typeof kpi];
      const isGiven = value !== undefined && value !== null && !(key === "filter" && Object.keys(value).length === 0);
      if (isGiven && !own.includes(key)) refuse(key, `the measure ${measure} takes no ${key}, only ${own.join(", ")}`);
    }
    const need = (key: keyof typeof kpi, what: string) => {
      if (kpi[key] === undefined || kpi[key] === null) refuse(key, `the measure ${measure} needs ${what}`);
    };
    const isDerived = derivedMeasures.includes(measure);
    const entity = isDerived ? null : (kpi.entity ?? (measure === "milestone" ? "milestone" : null));
    if (!isDerived && entity === null) refuse("entity", `the measure ${measure} needs an entity to read`);
    if (measure === "milestone" && entity !== "milestone") refuse("entity", "the measure milestone reads milestone");
    const of = own.includes("of") ? (kpi.of ?? "count") : undefined;
    const inner = of ?? measure;
    const innerName = of === undefined ? measure : `${measure} of ${of}`;
    const needsValue = inner === "sum" || inner === "distinct" || inner === "latest";
    if (needsValue && kpi.value === undefined) refuse("value", `the measure ${innerName} needs a value column`);
    if (!needsValue && kpi.value !== undefined && own.includes("value")) {
      refuse("value", `the measure ${innerName} reads no value column`);
    }
    if (kpi.value?.as === "length" && measure !== "latest") {
      refuse("value", `the measure ${measure} reads values, not lengths`);
    }
    if ((measure === "trend" || measure === "slope") && of === "distinct") {
      refuse("of", `the measure ${measure} adds up days: of count, sum or active_days`);
    }
    if (kpi.users !== undefined && own.includes("users") && inner !== "distinct" && inner !== "active_days") {
      refuse("users", `the measure ${innerName} does not look at single users: distinct and active_days do`);
    }
    if (kpi.users !== undefined && entity !== "usage_event") refuse("users", "only usage_event knows its users");
    if (kpi.decay !== undefined) need("window_days", "a look-back to decay over");
    if (kpi.decay !== undefined && kpi.window_days === 1) refuse("window_days", "at least 2 days to decay over");
    switch (measure) {
      case "trend":
        need("window_days", "a look-back to compare");
        need("baseline_days", "the days of the account's own baseline");
        break;
      case "slope":
        need("window_days", "a look-back");
        if (kpi.window_days === 1) refuse("window_days", "at least 2 days for a slope");
        break;
      case "tenure_scaled":
        need("window_days", "a look-back to scale to");
        break;
      case "milestone":
        need("as", `one of ${milestoneMeasures.join(", ")}`);
        break;
      case "ratio":
        need("numerator", "the id of a KPI");
        need("denominator", "the id of a KPI");
        need("zero_denominator", `a rule: ${zeroDenominators.join(" or ")}`);
        break;
      case "expression":
        need("expression", "a text such as tickets_28d / active_users_28d");
        break;
      default:
    }
    if (measure === "expression" && kpi.expression !== undefined) {
      const problem = expressionProblem(kpi.expression);
      if (problem !== undefined) refuse("expression", problem);
    }
    const accumulates = of !== undefined || (innerMeasures as readonly string[]).includes(measure);
    const isState = entity !== null && entities.get(entity)?.kind === "state";
    const hasRowRule = measure !== "trend" && measure !== "slope" && measure !== "milestone";
    if (!hasRowRule && kpi.null_rule?.no_rows !== undefined) {
      refuse(
        "null_rule",
        `the measure ${measure} takes no no_rows: it has a rule of its own for accounts without rows`,
      );
    }
    if (measure === "time_to_first" && kpi.null_rule?.no_rows === "zero") {
      refuse("null_rule", "a reason in no_rows: what has not happened took no number of days");
    }
    return {
      ...kpi,
      entity,
      of,
      min_tenure_days: measure === "tenure_scaled" ? (kpi.min_tenure_days ?? 14) : undefined,
      min_active_days: measure === "slope" ? (kpi.min_active_days ?? 3) : undefined,
      from: measure === "time_to_first" ? (kpi.from ?? "period_start") : undefined,
      times: measure === "ratio" ? (kpi.times ?? 1) : undefined,
      zero_denominator: measure === "trend" ? (kpi.zero_denominator ?? "not_applicable") : kpi.zero_denominator,
      needs: kpi.needs ?? [...(entity === null ? [] : [entity]), ...(kpi.users === undefined ? [] : ["user"])],
      null_rule: {
        no_rows: kpi.null_rule?.no_rows ?? (accumulates ? ("zero" as const) : ("not_yet" as const)),
        no_value: kpi.null_rule?.no_value ?? ("unanswered" as const),
        feed_gap_days:
          kpi.null_rule?.feed_gap_days !== undefined
            ? kpi.null_rule.feed_gap_days
            : accumulates && !isState
              ? 14
              : null,
        tenure:
          kpi.null_rule?.tenure ??
          (accumulates && measure !== "tenure_scaled" ? ("whole_window" as const) : ("any" as const)),
      },
    };
  });

/** A KPI definition with its defaults filled in. */
export type KpiDefinition = Readonly<z.output<typeof kpiSchema>>;

/** Why a text is no expression over KPIs; undefined when it is one. */
function expressionProblem(text: string): string | undefined {
  let tree: ExpressionTree;
  try {
    tree = parseExpression(text);
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
  return kpisOf(tree).size === 0 ? `found no KPI in "${text}", expected the id of at least one` : undefined;
}

/** The KPIs that a ratio or an expression reads, in reading order; none for the other measures. */
export function referencesOf(kpi: KpiDefinition): readonly string[] {
  if (kpi.measure === "expression") return [...kpisOf(parseExpression(kpi.expression as string)).keys()];
  return [kpi.numerator, kpi.denominator].filter((id) => id !== undefined);
}

/** A KPI, or what it is made of down to those that read rows. `known`: every KPI by id. */
export function basesOf(kpi: KpiDefinition, known: ReadonlyMap<string, KpiDefinition>): readonly KpiDefinition[] {
  if (kpi.entity !== null) return [kpi];
  const bases = referencesOf(kpi).flatMap((id) => {
    const input = known.get(id);
    return input === undefined ? [] : basesOf(input, known);
  });
  return [...new Set(bases)];
}

/** All days before s that a KPI looks at; null without a look-back. A trend looks at its baseline, too. */
export const lookbackDays = (kpi: KpiDefinition): number | null =>
  kpi.window_days === null ? null : kpi.window_days + (kpi.baseline_days ?? 0);

/** A KPI's filter on single usage rows, where the roll-ups' own columns cannot answer it. */
export interface UsageFilter {
  /** A column name that says nothing but which filter it is: the same filter has the same name in every book. */
  readonly name: string;
  /** The condition, over event_time, known_at, event, user_id, quantity and event_id. */
  readonly sql: string;
}

/**
 * What the roll-ups hold beside their own columns because some KPI of the book asks for it. Their grain stays as it is, so that
 * a KPI adds columns and no rows.
 */
export interface UsageRollUp {
  /** rollup.account_day: `<name>` events that pass, `<name>_quantity` what their quantities add up to. */
  readonly account: readonly UsageFilter[];
  /** rollup.user_day: `<name>`, the first date that knew of an event of the user on that day which passes; null without. */
  readonly user: readonly UsageFilter[];
  /**
   * rollup.account_last, only if there are any: per account, day, visible_on and `filter` (a name) the latest event that passes
   * and has a quantity: last_at, quantity; the larger quantity where two share the time.
   */
  readonly last: readonly UsageFilter[];
}

export const plainRollUp: UsageRollUp = { account: [], user: [], last: [] };

/**
 * What validation holds beside a KPI of usage to see whether it only rides on use (rule 9): columns of features.usage with all
 * events of its look-back and with those that it counts itself. Undefined for KPIs that count no usage.
 */
export function useBeside(kpi: KpiDefinition): { readonly all: string; readonly own: string } | undefined {
  const isCounted = ["count", "sum", "distinct", "active_days"].includes(kpi.measure);
  if (kpi.entity !== "usage_event" || !isCounted) return undefined;
  const isPlainCount = kpi.measure === "count" && kpi.cap === undefined && kpi.decay === undefined;
  // Two underscores in a row: no id of a user can be the same.
  return { all: `use__${kpi.window_days ?? "ever"}`, own: isPlainCount ? kpi.id : `own__${kpi.id}` };
}
