/** What a file of plays may say: who does what, and when, for accounts of a band, an archetype or both. */
import { z } from "zod";
import { readYaml, type YamlFile } from "./yaml.ts";

const id = z
  .string()
  .max(63)
  .regex(/^[a-z][a-z0-9_]*$/, "an id of lower-case letters, digits and underscores that starts with a letter");
const words = z.string().trim().min(1);
const days = z.int().min(0).max(3650);
const oneOrMore = z.union([id, z.array(id).min(1)]).transform((value) => (typeof value === "string" ? [value] : value));

const playSchema = z.strictObject({
  id,
  /** What readers see; default: the id with spaces. */
  label: words.optional(),
  when: z
    .strictObject({
      /** Bands of the scorecard in force, any of them. */
      band: oneOrMore.optional(),
      /** Archetypes, any of them; with a band, both must hold. */
      archetype: oneOrMore.optional(),
      segment: z.union([words, z.array(words).min(1)]).optional(),
      /** Days that the account must have been in its band; default 0, on the first day. */
      days_in_band: days.optional(),
    })
    .refine(({ band, archetype }) => band !== undefined || archetype !== undefined, "a band, an archetype or both")
    .refine(({ band, days_in_band }) => band !== undefined || days_in_band === undefined, {
      message: "days_in_band together with a band",
    }),
  /** What to do, in order, as one would tell a colleague. */
  steps: z.array(words).min(1),
  /** Who does it; default: the account's owner. */
  owner: words.optional(),
  /** Days from the day on which the account first met `when` to the day on which the play should have begun. */
  due_days: days,
  /** What the export of plays calls it; default: the label. */
  recorded_as: words.optional(),
});

const playsSchema = z.array(playSchema).superRefine((plays, context) => {
  for (const [i, play] of plays.entries())
    if (plays.findIndex((other) => other.id === play.id) < i)
      context.addIssue({ code: "custom", path: [i, "id"], message: "an id that no play before it has" });
});

export interface Play {
  readonly id: string;
  readonly label: string;
  /** Empty: any. */
  readonly bands: readonly string[];
  readonly archetypes: readonly string[];
  readonly segments: readonly string[];
  readonly days_in_band: number;
  readonly steps: readonly string[];
  /** Null: the account's owner. */
  readonly owner: string | null;
  readonly due_days: number;
  readonly recorded_as: string;
}

/** The JSON Schema of a file of plays, for editors. */
export const playsJsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(playsSchema, { io: "input" }) as Record<string, unknown>;

/** Reads the text of a file of plays; `file` is the name that errors show. Throws a usage error with line and key. */
export function parsePlays(
  text: string,
  file: string,
): { readonly plays: readonly Play[]; readonly errorAt: YamlFile<unknown>["errorAt"] } {
  const { value, errorAt } = readYaml({ text, file, schema: playsSchema });
  const plays = value.map(({ id: play, label, when, steps, owner, due_days, recorded_as }): Play => {
    const shown = label ?? play.replaceAll("_", " ");
    return {
      id: play,
      label: shown,
      bands: when.band ?? [],
      archetypes: when.archetype ?? [],
      segments: typeof when.segment === "string" ? [when.segment] : (when.segment ?? []),
      days_in_band: when.days_in_band ?? 0,
      steps,
      owner: owner ?? null,
      due_days,
      recorded_as: recorded_as ?? shown,
    };
  });
  return { plays, errorAt };
}
