/** What a scorecard file may say: `<folder>/v<N>.yaml`, one version a file. See docs/scorecards.md. */
import { z } from "zod";
import { canonicalJson, sha256 } from "../lib/files.ts";
import { buildStepIds, lintRuleIds } from "./lint-rules.ts";
import { type Path, readYaml } from "./yaml.ts";

const id = z
  .string()
  .max(63)
  .regex(
    /^[a-z][a-z0-9_]*$/,
    "an id of lower-case letters, digits and underscores that starts with a letter and has at most 63",
  );
const isoDate = z.iso.date("a calendar date like 2026-01-31");
const words = z.string().min(1);
const sixDigits = (value: number): boolean => /^-?\d+(\.\d{1,6})?$/.test(String(value));

/** A value of a KPI, where points start, end or change. */
const limit = z.number().min(-1e11).max(1e11).refine(sixDigits, "a number with at most six decimals");
/** Points, or a place on the scale. */
const point = z.number().min(-1e5).max(1e5).refine(sixDigits, "a number with at most six decimals");
const weight = z.int("a whole number").min(0).max(10_000);
/** Rounding to whole points, halves away from zero. */
const round = z.literal("integer");
/** Points at the unhealthy end and at the healthy end. */
const ends = z.tuple([point, point]);

/** A standardised slope. */
const slopeLimit = z.number().min(-1).max(1).refine(sixDigits, "a number with at most six decimals");

const missingRule = z.enum(["reweight", "zero", "neutral"]);

export const pointsKinds = ["linear", "tiers", "ratings", "additive", "midrank", "peak", "u", "slope"] as const;

const pointsSchema = z
  .strictObject({
    /** Straight line; at `zero_at` and beyond the first of `give`, at `full_at` and beyond the second. */
    linear: z.strictObject({ zero_at: limit, full_at: limit, give: ends.optional() }).optional(),
    /** Steps: n cuts, n + 1 points. `edge: upper`: a value on a cut belongs to the tier that ends there. */
    tiers: z
      .strictObject({
        upto: z.array(limit).min(1).max(50),
        give: z.array(point).min(2).max(51),
        edge: z.enum(["upper", "lower"]),
      })
      .optional(),
    /** A value -> its points; a value that is not listed counts as missing. */
    ratings: z
      .record(z.string().regex(/^-?\d{1,11}(\.\d{1,6})?$/, "a rating like 3 or 2.5"), point)
      .refine((ratings) => Object.keys(ratings).length <= 50, "at most 50 ratings")
      .optional(),
    /** `each` point a unit of the value, from none at 0 up to `most`; both below 0 where more of it is worse. */
    additive: z.strictObject({ each: point, most: point }).optional(),
    /** The share of accounts of the same snapshot that stand below, ties counted half. */
    midrank: z
      .strictObject({
        healthier: z.enum(["higher", "lower"]),
        within: z.enum(["snapshot", "segment"]).default("snapshot"),
        give: ends.optional(),
      })
      .optional(),
    /** The second of `give` between the two `best`, the first of `give` at `zero_at` and beyond, straight lines between. */
    peak: z
      .strictObject({ best: z.tuple([limit, limit]), zero_at: z.tuple([limit, limit]), give: ends.optional() })
      .optional(),
    /** The first of `give` between the two `worst`, the second of `give` at `full_at` and beyond, straight lines between. */
    u: z
      .strictObject({ worst: z.tuple([limit, limit]), full_at: z.tuple([limit, limit]), give: ends.optional() })
      .optional(),
    /**
     * A straight line over the standardised slope, -1 to 1, of the KPI's own values at the account's scored snapshots of
     * the last `days`; fewer than `min_active_weeks` of them above 0 count as missing.
     */
    slope: z
      .strictObject({
        days: z.int("a whole number").min(14).max(730).default(180),
        zero_at: slopeLimit,
        full_at: slopeLimit,
        min_active_weeks: z.int("a whole number").min(2).max(104).default(3),
        give: ends.optional(),
      })
      .optional(),
  })
  .superRefine((points, context) => {
    const refuse = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    const kinds = Object.keys(points);
    if (kinds.length !== 1)
      refuse([], `exactly one of ${pointsKinds.slice(0, -1).join(", ")} or ${pointsKinds.at(-1)}`);
    const { linear, tiers, ratings, additive, peak, u, slope } = points;
    for (const [kind, line] of Object.entries({ linear, slope })) {
      if (line !== undefined && line.zero_at === line.full_at) refuse([kind, "full_at"], "another value than zero_at");
    }
    if (tiers !== undefined) {
      const unordered = tiers.upto.findIndex((cut, i) => i > 0 && cut <= (tiers.upto[i - 1] as number));
      if (unordered > 0) refuse(["tiers", "upto", unordered], `more than ${tiers.upto[unordered - 1]}, the cut before`);
      if (tiers.give.length !== tiers.upto.length + 1) {
        refuse(["tiers", "give"], `${tiers.upto.length + 1} points, one more than there are cuts`);
      }
    }
    if (ratings !== undefined && Object.keys(ratings).length < 2) refuse(["ratings"], "at least two ratings");
    if (additive !== undefined) {
      if (additive.each === 0) refuse(["additive", "each"], "points other than 0");
      else if (additive.most * additive.each <= 0) {
        refuse(["additive", "most"], `${additive.each > 0 ? "more" : "less"} than 0, as each is`);
      }
    }
    if (peak !== undefined) {
      if (peak.best[0] > peak.best[1]) refuse(["peak", "best"], "two values in ascending order");
      if (peak.zero_at[0] > peak.best[0] || peak.zero_at[1] < peak.best[1]) {
        refuse(["peak", "zero_at"], "two values on either side of best");
      }
    }
    if (u !== undefined) {
      if (u.worst[0] > u.worst[1]) refuse(["u", "worst"], "two values in ascending order");
      if (u.full_at[0] > u.worst[0] || u.full_at[1] < u.worst[1]) {
        refuse(["u", "full_at"], "two values on either side of worst");
      }
    }
  });

const kpiSchema = z.strictObject({
  kpi: id.regex(/^(?!.*__)/, "an id without two underscores in a row"),
  weight: weight.default(1),
  points: pointsSchema,
  /** Overrides the scorecard's rule for this KPI. */
  missing: missingRule.optional(),
  /** Points of a missing KPI under the rule `neutral`; default: the middle of the scale. */
  neutral: point.optional(),
});

/** What a group's points are held within, before they are rounded. */
const cap = z
  .strictObject({ min: point.optional(), max: point.optional() })
  .refine(({ min, max }) => min !== undefined || max !== undefined, "a min, a max or both")
  .refine(({ min, max }) => min === undefined || max === undefined || min < max, "a max above the min");
const leafFields = {
  id,
  label: words.optional(),
  weight: weight.default(1),
  cap: cap.optional(),
  round: round.optional(),
};
const kpiList = z.array(kpiSchema).min(1).max(100);
const subgroup = z.strictObject({ ...leafFields, kpis: kpiList });
const group = z
  .strictObject({ ...leafFields, kpis: kpiList.optional(), groups: z.array(subgroup).min(1).max(50).optional() })
  .refine((g) => (g.kpis === undefined) !== (g.groups === undefined), "either kpis or groups");

const condition = z.array(words).min(1).max(500);
const amount = z.number().min(0).max(1e15);
const bounds = { at_least: amount.optional(), below: amount.optional() };
interface Range {
  readonly at_least?: number | undefined;
  readonly below?: number | undefined;
}
const hasBound = ({ at_least, below }: Range): boolean => at_least !== undefined || below !== undefined;
const isOrdered = ({ at_least, below }: Range): boolean =>
  at_least === undefined || below === undefined || at_least < below;
const bothWords = ["an at_least, a below or both", "a below above at_least"] as const;
/** From `at_least` on, below `below`; an account without the number is outside. */
const range = z.strictObject(bounds).refine(hasBound, bothWords[0]).refine(isOrdered, bothWords[1]);
const valueRange = z
  .strictObject({ ...bounds, of: z.enum(["current", "potential"]).default("current") })
  .refine(hasBound, bothWords[0])
  .refine(isOrdered, bothWords[1]);

const cut = z.strictObject({
  id,
  label: words.optional(),
  /** Where the band before ends; only said to be checked. */
  from: point.optional(),
  to: point,
});

const fields = z.strictObject({
  scorecard: id,
  version: z.int().min(1).max(9999),
  label: words.optional(),
  description: words.optional(),
  created_on: isoDate,
  /** The first snapshot that people saw with this version; absent: always. */
  in_force_from: isoDate.optional(),
  purpose: z.enum(["churn_risk", "behaviour_index", "expansion", "loyalty"]),
  desired_outcome: words.optional(),
  owner: words.optional(),
  audience: z.array(z.enum(["managers", "leadership"])).default(["managers", "leadership"]),
  /** Which accounts get this scorecard; absent: all. Every key must hold. */
  applies_to: z
    .strictObject({
      segment: condition.optional(),
      lifecycle: condition.optional(),
      /** Monthly money in minor units: what the account pays, or what it could pay (`potential_minor` of its export). */
      value: valueRange.optional(),
      /** Paid seats. */
      users: range.optional(),
      product: condition.optional(),
      /** Days since the account began to pay. */
      maturity: range.optional(),
      geography: condition.optional(),
      desired_outcome: condition.optional(),
    })
    .optional(),
  scale: z.strictObject({ from: point, to: point }).default({ from: 0, to: 100 }),
  combine: z.enum(["weighted_mean", "sum", "start_and_clamp"]).default("weighted_mean"),
  /** Where start_and_clamp begins. */
  start: point.optional(),
  /** The score in whole points. */
  round: round.optional(),
  groups: z.array(group).min(1).max(50),
  missing: z.strictObject({
    rule: missingRule,
    neutral: point.optional(),
    coverage_floor: z.number().min(0).max(1).refine(sixDigits, "a share with at most six decimals"),
  }),
  gates: z
    .array(
      z
        .strictObject({
          id,
          label: words.optional(),
          kpi: id,
          min: limit.optional(),
          max: limit.optional(),
          /** The most that the score can be when the gate fails. */
          score: point.optional(),
          /** The best band that the account can be in when the gate fails, whatever its score. */
          band: id.optional(),
        })
        .refine((gate) => gate.min !== undefined || gate.max !== undefined, "a min, a max or both")
        .refine((gate) => (gate.score === undefined) !== (gate.band === undefined), "either a score or a band"),
    )
    .max(50)
    .default([]),
  bands: z.strictObject({ edge: z.enum(["upper", "lower"]), list: z.array(cut).min(2).max(12) }),
  grades: z
    .strictObject({
      letters: z
        .record(z.string().min(1).max(3), point)
        .refine((letters) => Object.keys(letters).length <= 26, "at most 26 letters"),
    })
    .optional(),
  /** A person's sign-off; not part of what makes a version immutable. */
  validated: z.strictObject({ on: isoDate, by: words }).optional(),
  valid_for: z
    .string()
    .regex(/^[1-9]\d* (day|week|month|year)s?$/, "a duration like 6 months")
    .optional(),
  /** Rules of `assay audit` that this scorecard breaks on purpose; not part of what makes a version immutable. */
  silence: z.array(z.strictObject({ rule: z.enum(lintRuleIds), because: words })).default([]),
  /** What people did of the steps that lead to a score, in a few words each; not part of what makes it immutable. */
  steps: z.partialRecord(z.enum(buildStepIds), words).default({}),
});

export const scorecardSchema = fields.superRefine((card, context) => {
  const refuse = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
  const { from, to } = card.scale;
  if (from >= to) refuse(["scale", "to"], `more than ${from}, where the scale starts`);
  const onScale = (value: number): boolean => value >= from && value <= to;
  const scaleText = `a value on the scale from ${from} to ${to}`;
  const isMean = card.combine === "weighted_mean";

  if (card.combine === "start_and_clamp") {
    if (card.start === undefined) refuse(["start"], "the points that an account starts with");
    else if (!onScale(card.start)) refuse(["start"], scaleText);
  } else if (card.start !== undefined) refuse(["start"], "no start unless combine is start_and_clamp");

  let nKpis = 0;
  const seenGroups = new Set<string>();
  const checkNeutral = (path: (string | number)[], neutral: number | undefined) => {
    if (isMean && neutral !== undefined && !onScale(neutral)) refuse([...path, "neutral"], scaleText);
  };
  const checkLeaf = (leaf: z.output<typeof subgroup>, path: (string | number)[]) => {
    if (leaf.kpis.every((entry) => entry.weight === 0)) {
      refuse([...path, "kpis", 0, "weight"], "a weight above 0 for at least one KPI of the group");
    }
    checkShape(leaf, path);
    const seenKpis = new Set<string>();
    for (const [i, entry] of leaf.kpis.entries()) {
      const here = [...path, "kpis", i];
      if (seenKpis.has(entry.kpi)) {
        refuse([...here, "kpi"], `each KPI once in a group, and ${entry.kpi} is there already`);
      }
      seenKpis.add(entry.kpi);
      nKpis += 1;
      if (nKpis === 101) refuse([...here, "kpi"], "at most 100 KPIs in a scorecard");
      const rule = entry.missing ?? card.missing.rule;
      if (!isMean && rule === "reweight") {
        refuse(
          entry.missing === undefined ? ["missing", "rule"] : [...here, "missing"],
          `zero or neutral: points that are added up have no weights to spread (combine: ${card.combine})`,
        );
      }
      const neutral = entry.neutral ?? card.missing.neutral;
      if (rule === "neutral" && !isMean && neutral === undefined) {
        refuse([...here, "missing"], `neutral: the points of a missing KPI (combine: ${card.combine})`);
      }
      checkNeutral(here, entry.neutral);
      const [kind, rest] = Object.entries(entry.points)[0] ?? [];
      if (kind === undefined) continue;
      const give =
        kind === "ratings"
          ? Object.values(rest as Record<string, number>)
          : kind === "additive"
            ? [0, (rest as { most: number }).most]
            : (rest as { give?: number[] }).give;
      const givePath =
        kind === "ratings"
          ? [...here, "points", kind]
          : [...here, "points", kind, kind === "additive" ? "most" : "give"];
      if (isMean && give?.some((value) => !onScale(value)))
        refuse(givePath, `points on the scale from ${from} to ${to}`);
      if (!isMean && give === undefined) {
        refuse([...here, "points", kind], `give: the points at either end (combine: ${card.combine})`);
      }
    }
  };
  const checkShape = (
    shaped: { cap?: z.output<typeof cap> | undefined; round?: unknown },
    path: (string | number)[],
  ) => {
    const limits = Object.entries(shaped.cap ?? {}).filter(([, value]) => value !== undefined);
    for (const [end, value] of limits) {
      if (isMean && !onScale(value as number)) refuse([...path, "cap", end], scaleText);
      if (shaped.round !== undefined && !Number.isInteger(value)) {
        refuse([...path, "cap", end], "a whole number, as the group is rounded to one");
      }
    }
  };
  const checkGroupId = (groupId: string, path: (string | number)[]) => {
    if (seenGroups.has(groupId)) refuse([...path, "id"], `each group once, and ${groupId} is there already`);
    seenGroups.add(groupId);
  };
  const checkGroupWeights = (groups: readonly { weight: number }[], path: (string | number)[]) => {
    if (groups.every((g) => g.weight === 0)) refuse([...path, 0, "weight"], "a weight above 0 for at least one group");
    const odd = groups.findIndex((g) => g.weight !== 1);
    if (!isMean && odd >= 0) refuse([...path, odd, "weight"], `no weight of a group where points are added up`);
  };
  checkNeutral(["missing"], card.missing.neutral);
  checkGroupWeights(card.groups, ["groups"]);
  for (const [i, g] of card.groups.entries()) {
    checkGroupId(g.id, ["groups", i]);
    if (g.kpis !== undefined) checkLeaf({ ...g, kpis: g.kpis }, ["groups", i]);
    if (g.groups !== undefined) {
      checkShape(g, ["groups", i]);
      checkGroupWeights(g.groups, ["groups", i, "groups"]);
    }
    for (const [j, inner] of (g.groups ?? []).entries()) {
      checkGroupId(inner.id, ["groups", i, "groups", j]);
      checkLeaf(inner, ["groups", i, "groups", j]);
    }
  }

  const seenGates = new Set<string>();
  for (const [i, gate] of card.gates.entries()) {
    if (seenGates.has(gate.id)) refuse(["gates", i, "id"], `each gate once, and ${gate.id} is there already`);
    seenGates.add(gate.id);
    if (gate.score !== undefined && !onScale(gate.score)) refuse(["gates", i, "score"], scaleText);
    if (gate.band !== undefined && !card.bands.list.slice(0, -1).some(({ id: band }) => band === gate.band)) {
      refuse(
        ["gates", i, "band"],
        `one of ${card.bands.list
          .slice(0, -1)
          .map(({ id: band }) => band)
          .join(", ")}: a band below the best`,
      );
    }
    if (gate.min !== undefined && gate.max !== undefined && gate.min > gate.max) {
      refuse(["gates", i, "max"], `at least ${gate.min}, the min`);
    }
  }

  const seenBands = new Set<string>(["unknown"]);
  let before = from;
  for (const [i, band] of card.bands.list.entries()) {
    const here = ["bands", "list", i];
    if (band.id === "unknown") refuse([...here, "id"], "another id: unknown is the band of accounts without a score");
    else if (seenBands.has(band.id)) refuse([...here, "id"], `each band once, and ${band.id} is there already`);
    seenBands.add(band.id);
    if (band.from !== undefined && band.from !== before) {
      refuse(
        [...here, "from"],
        i === 0
          ? `${from}, the start of the scale`
          : `${before}, where ${card.bands.list[i - 1]?.id} ends: no gap between bands`,
      );
    }
    if (band.to <= before) refuse([...here, "to"], `more than ${before}, where the band starts`);
    before = band.to;
  }
  if (card.round !== undefined && !(Number.isInteger(from) && Number.isInteger(to))) {
    refuse(["scale"], "whole numbers, as the score is rounded to one");
  }
  const last = card.bands.list.length - 1;
  if (card.bands.list[last]?.to !== to) {
    refuse(["bands", "list", last, "to"], `${to}, the end of the scale, so that no score is without a band`);
  }

  const letters = Object.values(card.grades?.letters ?? {});
  if (letters.length > 0 && Math.min(...letters) !== from) {
    refuse(["grades", "letters"], `a letter that starts at ${from}, so that no score is without a letter`);
  }
  if (new Set(letters).size !== letters.length) refuse(["grades", "letters"], "a start of its own for every letter");
  if (card.valid_for !== undefined && card.validated === undefined) {
    refuse(["valid_for"], "no valid_for without validated: a duration needs a date to start at");
  }
});

/** One version of a scorecard with its defaults filled in. */
export type Scorecard = Readonly<z.output<typeof fields>>;
export type ScorecardKpi = Readonly<z.output<typeof kpiSchema>>;
export type ScorecardGroup = Readonly<z.output<typeof group>>;
export type AppliesTo = NonNullable<Scorecard["applies_to"]>;
export type PointsRule = Readonly<z.output<typeof pointsSchema>>;

/** A scorecard as a book uses it. Plain JSON: it is hashed into the release, so it holds no absolute path. */
export interface AppliedScorecard {
  readonly card: Scorecard;
  /** Hash of what the file says, comments, order of keys and sign-off apart: the same number needs the same hash. */
  readonly definition_sha256: string;
  /** What the file says, as canonical JSON. */
  readonly definition: string;
  /** The file as errors show it: below the project for a preset, below the book otherwise. */
  readonly file: string;
  readonly is_preset: boolean;
  /** Place in the book's order of assignment, from 1; null for a scorecard that is only compared. */
  readonly assign_order: number | null;
}

/** The JSON Schema of a scorecard file, for editors. */
export const scorecardJsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(fields, { io: "input" }) as Record<string, unknown>;

export interface ParsedScorecard {
  readonly card: Scorecard;
  readonly definition: string;
  readonly definition_sha256: string;
  /** A usage error at a key of this file. */
  readonly errorAt: (path: Path, sentence: string, hint?: string) => Error;
}

interface Weighed {
  readonly weight?: unknown;
  readonly groups?: readonly Weighed[];
  readonly kpis?: readonly Weighed[];
}

/** The first entry of a list that has no weight although another of the list has one. */
function firstUnweighted(of: unknown, path: Path = []): Path | undefined {
  for (const key of ["groups", "kpis"] as const) {
    const entries = (of as Weighed)[key] ?? [];
    const without = entries.findIndex((entry) => entry.weight === undefined);
    if (without >= 0 && entries.some((entry) => entry.weight !== undefined)) return [...path, key, without, "weight"];
    for (const [i, entry] of entries.entries()) {
      const inner = firstUnweighted(entry, [...path, key, i]);
      if (inner !== undefined) return inner;
    }
  }
  return undefined;
}

/** Reads the text of a scorecard file; `file` is the name that errors show. Throws a usage error with line and key. */
export function parseScorecard(text: string, file: string): ParsedScorecard {
  const { value: card, raw, errorAt } = readYaml({ text, file, schema: scorecardSchema });
  const unweighted = card.combine === "weighted_mean" ? firstUnweighted(raw) : undefined;
  if (unweighted !== undefined) {
    throw errorAt(unweighted, "found no weight, expected one as its neighbours have: a missing one would count as 1");
  }
  const {
    validated: _on,
    valid_for: _for,
    silence: _rules,
    steps: _steps,
    ...defining
  } = raw as Record<string, unknown>;
  return { card, definition: canonicalJson(raw), definition_sha256: sha256(canonicalJson(defining)), errorAt };
}
