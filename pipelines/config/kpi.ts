/** What a KPI definition may say, in the library (`sql/kpis/*.yaml`) and in a book's `kpis:` alike. See docs/kpis.md. */
import { z } from "zod";
import { entities } from "./entities.ts";

/** An id that becomes a column or table name: it never needs quoting. */
export const idPattern = /^[a-z][a-z0-9_]*$/;
const id = z
  .string()
  .max(63)
  .regex(idPattern, "an id starts with a lower-case letter and has only lower-case letters, digits and underscores");

/** Every measure that the definition language knows. {@link builtMeasures} are those that compile. */
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

export const builtMeasures = ["count", "sum", "distinct", "active_days", "days_since", "latest"] as const;
export type BuiltMeasure = (typeof builtMeasures)[number];

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
      "a comparison needs one of not, at_least, more_than, at_most, less_than",
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

export const kpiSchema = z
  .strictObject({
    id: id
      .regex(/^(?!.*__)/, "an id without two underscores in a row")
      .refine((name) => name !== "account_id" && name !== "snapshot_date", "an id other than the key columns"),
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
    entity: id,
    /** The column that sum, distinct and latest read; `as: length` counts the letters of a text. */
    value: z
      .union([id, z.strictObject({ column: id, as: z.enum(["value", "length"]) })])
      .transform((value) => (typeof value === "string" ? { column: value, as: "value" as const } : value))
      .optional(),
    /** Column of the entity -> what it must be; all conditions hold together. */
    filter: z.record(id, condition).default({}),
    /** Larger values are shown as this one: 1 turns a count into yes or no. */
    cap: z.int().min(1).optional(),
    null_rule: nullRule.default({}),
    /** Which way is thought to be healthy; `tested`: no opinion, history decides. */
    healthier: z.enum(["higher", "lower", "tested"]),
    /** The step of the customer's journey that it belongs to. */
    stage: id.optional(),
    /** Verb phrases in the past tense that follow "leavers" and "accounts that". */
    says: z.strictObject({ less: z.string().min(1), more: z.string().min(1) }),
    /** Entities that a book must have for this KPI to be on; by default the one that it reads. */
    needs: z.array(id).min(1).optional(),
  })
  .transform((kpi, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    const needsValue = kpi.measure === "sum" || kpi.measure === "distinct" || kpi.measure === "latest";
    if (needsValue && kpi.value === undefined) refuse("value", `the measure ${kpi.measure} needs a value column`);
    if (!needsValue && kpi.value !== undefined && (builtMeasures as readonly string[]).includes(kpi.measure)) {
      refuse("value", `the measure ${kpi.measure} reads no value column`);
    }
    if (kpi.cap !== undefined && (kpi.measure === "latest" || kpi.measure === "days_since")) {
      refuse("cap", `the measure ${kpi.measure} takes no cap`);
    }
    if (kpi.value?.as === "length" && kpi.measure !== "latest") {
      refuse("value", `the measure ${kpi.measure} reads values, not lengths`);
    }
    const isState = entities.get(kpi.entity)?.kind === "state";
    const accumulates = kpi.measure !== "latest" && kpi.measure !== "days_since";
    return {
      ...kpi,
      needs: kpi.needs ?? [kpi.entity],
      null_rule: {
        no_rows: kpi.null_rule.no_rows ?? (accumulates ? ("zero" as const) : ("not_yet" as const)),
        no_value: kpi.null_rule.no_value ?? ("unanswered" as const),
        feed_gap_days:
          kpi.null_rule.feed_gap_days !== undefined ? kpi.null_rule.feed_gap_days : accumulates && !isState ? 14 : null,
        tenure: kpi.null_rule.tenure ?? (accumulates ? ("whole_window" as const) : ("any" as const)),
      },
    };
  });

/** A KPI definition with its defaults filled in. */
export type KpiDefinition = Readonly<z.output<typeof kpiSchema>>;
