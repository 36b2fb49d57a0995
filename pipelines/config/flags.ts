/** What a file of flags may say: a list of thresholds on KPIs. Flags stand beside scores and never change one. */
import { z } from "zod";
import { type Path, readYaml } from "./yaml.ts";

const id = z
  .string()
  .max(63)
  .regex(/^[a-z][a-z0-9_]*$/, "an id of lower-case letters, digits and underscores that starts with a letter");
const words = z.string().min(1);
const isoDate = z.iso.date("a calendar date like 2026-01-31");
const limit = z
  .number()
  .min(-1e11)
  .max(1e11)
  .refine((value) => /^-?\d+(\.\d{1,6})?$/.test(String(value)), "a number with at most six decimals");

/** How a value is compared with the threshold. */
export const comparisons = ["at_least", "above", "at_most", "below"] as const;
export type Comparison = (typeof comparisons)[number];

const flagSchema = z
  .strictObject({
    id,
    /** What readers see; default: the id with spaces. */
    label: words.optional(),
    kpi: id,
    at_least: limit.optional(),
    above: limit.optional(),
    at_most: limit.optional(),
    below: limit.optional(),
    kind: z.enum(["risk", "opportunity"]),
    /** A raised flag is shown as snoozed before `until`: of one account, or of all. */
    snooze: z
      .array(z.strictObject({ until: isoDate, account: words.optional(), because: words.optional() }))
      .default([]),
  })
  .superRefine((flag, context) => {
    if (comparisons.filter((name) => flag[name] !== undefined).length !== 1) {
      context.addIssue({ code: "custom", path: [], message: `exactly one of ${comparisons.join(", ")}` });
    }
  });

const flagsSchema = z.array(flagSchema).superRefine((flags, context) => {
  for (const [i, flag] of flags.entries()) {
    if (flags.findIndex((other) => other.id === flag.id) < i)
      context.addIssue({ code: "custom", path: [i, "id"], message: "an id that no flag before it has" });
  }
});

export interface Flag {
  readonly id: string;
  readonly label: string;
  readonly kpi: string;
  readonly comparison: Comparison;
  readonly threshold: number;
  readonly kind: "risk" | "opportunity";
  readonly snooze: readonly { readonly until: string; readonly account?: string; readonly because?: string }[];
}

/** The JSON Schema of a file of flags, for editors. */
export const flagsJsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(flagsSchema, { io: "input" }) as Record<string, unknown>;

/** Reads the text of a file of flags; `file` is the name that errors show. Throws a usage error with line and key. */
export function parseFlags(
  text: string,
  file: string,
): { readonly flags: readonly Flag[]; readonly errorAt: (path: Path, sentence: string, hint?: string) => Error } {
  const { value, errorAt } = readYaml({ text, file, schema: flagsSchema });
  const flags = value.map(({ id: flag, label, kpi, kind, snooze, ...rest }): Flag => {
    const comparison = comparisons.find((name) => rest[name] !== undefined) as Comparison;
    return {
      id: flag,
      label: label ?? flag.replaceAll("_", " "),
      kpi,
      comparison,
      threshold: rest[comparison] as number,
      kind,
      snooze: snooze as Flag["snooze"],
    };
  });
  return { flags, errorAt };
}
