/** What a book may say of customer-success practice: `outcomes.yaml` and `practice.yaml` beside assay.yaml. See docs/practice.md. */
import { z } from "zod";
import { type Path, readYaml } from "./yaml.ts";

const id = z
  .string()
  .max(63)
  .regex(/^[a-z][a-z0-9_]*$/, "an id of lower-case letters, digits and underscores that starts with a letter");
const words = z.string().min(1).max(300);
const isoDate = z.iso.date("a calendar date like 2026-01-31");
const limit = z
  .number()
  .min(-1e11)
  .max(1e11)
  .refine((value) => /^-?\d+(\.\d{1,6})?$/.test(String(value)), "a number with at most six decimals");

/** A KPI and the value from which it counts; exactly one of the two. */
const measureOf = z.strictObject({ kpi: id, at_least: limit.optional(), at_most: limit.optional() });
const oneLimit = (
  rule: { readonly at_least?: number | undefined; readonly at_most?: number | undefined },
  context: z.RefinementCtx,
): void => {
  if ((rule.at_least === undefined) === (rule.at_most === undefined))
    context.addIssue({ code: "custom", path: [], message: "exactly one of at_least, at_most" });
};

const outcomeSchema = z.strictObject({
  /** As `desired_outcome` of the account export says it. */
  id: z.string().min(1).max(63),
  label: words.optional(),
  /** What its being reached looks like in the data. */
  success: measureOf.superRefine(oneLimit),
  /** What accounts pass on the way, and by which day after their start. */
  milestones: z
    .array(z.strictObject({ milestone: words, days: z.int().min(0).max(3650) }))
    .superRefine((list, context) => {
      for (const [i, { milestone }] of list.entries()) {
        if (list.findIndex((other) => other.milestone === milestone) < i)
          context.addIssue({ code: "custom", path: [i, "milestone"], message: "a milestone named once" });
      }
    })
    .default([]),
});

const outcomesSchema = z.array(outcomeSchema).superRefine((outcomes, context) => {
  for (const [i, outcome] of outcomes.entries()) {
    if (outcomes.findIndex((other) => other.id === outcome.id) < i)
      context.addIssue({ code: "custom", path: [i, "id"], message: "an id that no outcome before it has" });
  }
});

export interface SuccessMeasure {
  readonly kpi: string;
  readonly comparison: "at_least" | "at_most";
  readonly threshold: number;
}

export interface DesiredOutcome {
  readonly id: string;
  readonly label: string;
  readonly success: SuccessMeasure;
  readonly milestones: readonly { readonly milestone: string; readonly days: number }[];
}

const practiceSchema = z.strictObject({
  clusters: z
    .strictObject({
      /** What accounts are grouped by; default: what the book measures of use. */
      kpis: z.array(id).min(2).max(12).optional(),
      /** Group them as they were then, so that words written for a group keep their group. */
      on: isoDate.optional(),
      groups: z
        .array(z.strictObject({ cluster: z.int().min(1).max(6), label: words.optional(), success: words.optional() }))
        .superRefine((groups, context) => {
          for (const [i, { cluster }] of groups.entries()) {
            if (groups.findIndex((other) => other.cluster === cluster) < i)
              context.addIssue({ code: "custom", path: [i, "cluster"], message: "a group named once" });
          }
        })
        .default([]),
    })
    .prefault({}),
  archetypes: z
    .strictObject({
      usage: z.array(id).min(1).max(12).optional(),
      tickets: z.array(id).min(1).max(12).optional(),
      marketing: z.array(id).min(1).max(12).optional(),
      /** Percent of accounts below which a place is low, and above which it is high. */
      low: z.number().min(1).max(50).default(33),
      high: z.number().min(50).max(99).default(67),
    })
    .prefault({}),
  funnel: z
    .strictObject({
      /** The usage event that is the key feature; default: that of the book's first KPI of stage `value`. */
      key_feature: words.optional(),
      paid_within_days: z.int().min(1).max(730).default(60),
      gate: z
        .strictObject({
          kpi: id,
          at_least: limit,
          /** Looked at on the first scored date so long after the first paid day. */
          after_days: z.int().min(0).max(730).default(90),
        })
        .optional(),
    })
    .prefault({}),
});

export type Practice = z.output<typeof practiceSchema>;

/** The practice of a book without a file: every default. */
export const defaultPractice: Practice = practiceSchema.parse({});

interface Parsed<Value> {
  readonly value: Value;
  readonly errorAt: (path: Path, sentence: string, hint?: string) => Error;
}

/** Reads the text of an `outcomes.yaml`; `file` is the name that errors show. Throws a usage error with line and key. */
export function parseOutcomes(text: string, file: string): Parsed<readonly DesiredOutcome[]> {
  const { value, errorAt } = readYaml({ text, file, schema: outcomesSchema });
  const outcomes = value.map(
    ({ id: outcome, label, success, milestones }): DesiredOutcome => ({
      id: outcome,
      label: label ?? outcome.replaceAll("_", " "),
      success: {
        kpi: success.kpi,
        comparison: success.at_least === undefined ? "at_most" : "at_least",
        threshold: (success.at_least ?? success.at_most) as number,
      },
      milestones,
    }),
  );
  return { value: outcomes, errorAt };
}

/** Reads the text of a `practice.yaml`. */
export function parsePractice(text: string, file: string): Parsed<Practice> {
  const { value, errorAt } = readYaml({ text, file, schema: practiceSchema });
  return { value, errorAt };
}

/** The JSON Schemas of both files, for editors. */
export const practiceJsonSchemas = (): Readonly<Record<"outcomes" | "practice", Record<string, unknown>>> => ({
  outcomes: z.toJSONSchema(outcomesSchema, { io: "input" }) as Record<string, unknown>,
  practice: z.toJSONSchema(practiceSchema, { io: "input" }) as Record<string, unknown>,
});
