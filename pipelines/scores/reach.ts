/** Which scores a scorecard can give, and which of its cuts, bands and gates no account can come to. */
import type { KpiDefinition } from "../config/kpi.ts";
import type { PointsRule, Scorecard } from "../config/scorecard.ts";
import { combinePoints } from "./combine.ts";
import { toMillionths } from "./exact.ts";
import { magnitude, type WeightedKpi, weighKpis } from "./weights.ts";

type Path = readonly (string | number)[];
export interface ReachProblem {
  readonly path: Path;
  readonly sentence: string;
}

/** The values that a KPI can take, in its own unit; infinite where its definition does not say. */
export interface ValueRange {
  readonly lowest: number;
  readonly highest: number;
}

/** The parts of a KPI's definition that bound its values. */
export type Bounding = Pick<KpiDefinition, "id"> &
  Partial<Pick<KpiDefinition, "measure" | "cap" | "window_days" | "of">>;

const anything: ValueRange = { lowest: Number.NEGATIVE_INFINITY, highest: Number.POSITIVE_INFINITY };

/** What a definition says about its values: a count is never below 0, active days never above the window. */
export function valueRange(kpi: Bounding): ValueRange {
  const upTo = (highest: number): ValueRange => ({ lowest: 0, highest });
  switch (kpi.measure) {
    case "count":
    case "distinct":
    case "days_since":
    case "time_to_first":
    case "per_seat":
    case "tenure_scaled":
      return upTo(kpi.cap ?? Number.POSITIVE_INFINITY);
    case "active_days":
      return upTo(Math.min(kpi.cap ?? Number.POSITIVE_INFINITY, kpi.window_days ?? Number.POSITIVE_INFINITY));
    case "share":
      return kpi.of === "sum" ? anything : upTo(100);
    default:
      return anything;
  }
}

/** What is wrong with a scorecard although every key of its file is right; null when nothing is. `kpis` bound the values. */
export function reachProblem(card: Scorecard, kpis: readonly Bounding[] = []): ReachProblem | null {
  const weighted = weighKpis(card);
  if (magnitude(card, weighted).type === null) {
    return {
      path: ["groups"],
      sentence: "found weights too fine for exact arithmetic, expected smaller whole numbers",
    };
  }
  const [lowest, highest] = reachedScores(card, weighted);
  if (card.combine === "sum" && (lowest < toMillionths(card.scale.from) || highest > toMillionths(card.scale.to))) {
    return {
      path: ["scale"],
      sentence: `found ${card.scale.from} to ${card.scale.to}, expected a scale that holds every sum from ${amount(lowest)} to ${amount(highest)}, or combine: start_and_clamp`,
    };
  }
  const ranges = new Map(kpis.map((kpi) => [kpi.id, valueRange(kpi)]));
  return (
    unreachedPoints(card, ranges) ?? unreachedGate(card, ranges) ?? unreachedBand(card, weighted, [lowest, highest])
  );
}

const amount = (millionths: bigint): string => String(Number(millionths) / 1e6);

/** Every KPI entry with the path of its key. */
function* entriesOf(card: Scorecard) {
  for (const [i, group] of card.groups.entries()) {
    for (const [k, entry] of (group.kpis ?? []).entries()) yield { entry, path: ["groups", i, "kpis", k] };
    for (const [j, inner] of (group.groups ?? []).entries()) {
      for (const [k, entry] of inner.kpis.entries()) yield { entry, path: ["groups", i, "groups", j, "kpis", k] };
    }
  }
}

/** The first cut of points that lies beyond the KPI's values. */
function unreachedPoints(card: Scorecard, ranges: ReadonlyMap<string, ValueRange>): ReachProblem | null {
  for (const { entry, path } of entriesOf(card)) {
    const range = ranges.get(entry.kpi);
    if (range === undefined) continue;
    const problem = (keys: Path, value: number): ReachProblem => ({
      path: [...path, "points", ...keys],
      sentence: `found ${value}, expected a value that an account can reach: ${inWords(entry.kpi, range)}`,
    });
    for (const { keys, value, isReached } of cutsOf(entry.points, range)) {
      if (!isReached) return problem(keys, value);
    }
  }
  return null;
}

/** "open_tickets is never below 0". */
function inWords(kpi: string, { lowest, highest }: ValueRange): string {
  if (highest === Number.POSITIVE_INFINITY) return `${kpi} is never below ${lowest}`;
  return `${kpi} is always between ${lowest} and ${highest}`;
}

interface Cut {
  readonly keys: Path;
  readonly value: number;
  readonly isReached: boolean;
}

function cutsOf(rule: PointsRule, { lowest, highest }: ValueRange): readonly Cut[] {
  const within = (value: number): boolean => value >= lowest && value <= highest;
  const at = (keys: Path, value: number): Cut => ({ keys, value, isReached: within(value) });
  if (rule.linear !== undefined) {
    return [at(["linear", "zero_at"], rule.linear.zero_at), at(["linear", "full_at"], rule.linear.full_at)];
  }
  if (rule.tiers !== undefined) {
    const { upto, edge } = rule.tiers;
    // A cut parts two tiers; both must have a value.
    return upto.map((cut, i) => ({
      keys: ["tiers", "upto", i],
      value: cut,
      isReached: edge === "upper" ? cut >= lowest && cut < highest : cut > lowest && cut <= highest,
    }));
  }
  if (rule.ratings !== undefined) {
    return Object.keys(rule.ratings).map((rating) => at(["ratings", rating], Number(rating)));
  }
  // Of a peak or a U, one side may lie where no value is: it only has to have a value between its ends.
  if (rule.peak !== undefined) return rule.peak.best.map((value, i) => at(["peak", "best", i], value));
  if (rule.u !== undefined) return rule.u.worst.map((value, i) => at(["u", "worst", i], value));
  return [];
}

function unreachedGate(card: Scorecard, ranges: ReadonlyMap<string, ValueRange>): ReachProblem | null {
  for (const [i, { kpi, min, max }] of card.gates.entries()) {
    const range = ranges.get(kpi);
    if (range === undefined) continue;
    const found = (key: string, value: number, right: string): ReachProblem => ({
      path: ["gates", i, key],
      sentence: `found ${value}, expected ${right}: ${inWords(kpi, range)}`,
    });
    if (min !== undefined && min > range.highest) return found("min", min, "a value that an account can reach");
    if (max !== undefined && max < range.lowest) return found("max", max, "a value that an account can reach");
    const canFail = (min !== undefined && min > range.lowest) || (max !== undefined && max < range.highest);
    if (!canFail) {
      return min !== undefined
        ? found("min", min, "a gate that an account can fail")
        : found("max", max as number, "a gate that an account can fail");
    }
  }
  return null;
}

/** A band, or a letter, that neither the points nor a gate can lead to. */
function unreachedBand(
  card: Scorecard,
  kpis: readonly WeightedKpi[],
  [lowest, highest]: readonly [bigint, bigint],
): ReachProblem | null {
  const { edge, list } = card.bands;
  const attained = attainedScores(card, kpis);
  const gateScores = card.gates.flatMap(({ score }) => (score === undefined ? [] : [toMillionths(score)]));
  const gateBands = new Set(card.gates.flatMap(({ band }) => (band === undefined ? [] : [band])));
  const [from, to] = [toMillionths(card.scale.from), toMillionths(card.scale.to)];
  /** True when a score of [first, last], both included, can occur. */
  const isReached = (first: bigint, last: bigint): boolean =>
    (attained === null
      ? first <= highest && last >= lowest && (card.round === undefined || wholeBetween(first, last))
      : attained.some((score) => score >= first && score <= last)) ||
    gateScores.some((score) => score >= first && score <= last);
  const [first, ...others] = attained ?? [];
  const steps =
    first === undefined
      ? `scores run from ${amount(lowest)} to ${amount(highest)}`
      : `scores run from ${amount(others.reduce((a, b) => (a < b ? a : b), first))} to ${amount(others.reduce((a, b) => (a > b ? a : b), first))} in steps`;
  let start = from;
  for (const [i, band] of list.entries()) {
    const end = toMillionths(band.to);
    const isLast = i === list.length - 1;
    const [first, last] = edge === "upper" ? [i === 0 ? from : start + 1n, end] : [start, isLast ? end : end - 1n];
    if (!gateBands.has(band.id) && !isReached(first, isLast ? to : last)) {
      return {
        path: ["bands", "list", i, "to"],
        sentence: `found ${band.to}, expected a band that an account can reach: ${steps}`,
      };
    }
    start = end;
  }
  const letters = Object.entries(card.grades?.letters ?? {}).sort(([, a], [, b]) => a - b);
  for (const [i, [letter, at]] of letters.entries()) {
    const next = letters[i + 1]?.[1];
    if (!isReached(toMillionths(at), next === undefined ? to : toMillionths(next) - 1n)) {
      return {
        path: ["grades", "letters", letter],
        sentence: `found ${at}, expected a letter that an account can reach: ${steps}`,
      };
    }
  }
  return null;
}

const wholeBetween = (first: bigint, last: bigint): boolean => {
  const up = first >= 0n ? ((first + 999_999n) / 1_000_000n) * 1_000_000n : -((-first / 1_000_000n) * 1_000_000n);
  return up <= last;
};

/** More combinations of points than this are not tried one by one. */
const manyScores = 20_000;
/** More KPIs that may be missing than this are taken as if any one of them could be alone. */
const manyMissing = 12;

/** The points that a KPI can give, when they are few. */
function levelsOf(rule: PointsRule): readonly number[] | null {
  if (rule.tiers !== undefined) return [...new Set(rule.tiers.give)];
  if (rule.ratings !== undefined) return [...new Set(Object.values(rule.ratings))];
  return null;
}

/** Every score before gates, when all points come in few steps; null otherwise. */
function attainedScores(card: Scorecard, kpis: readonly WeightedKpi[]): readonly bigint[] | null {
  const levels = kpis.map(({ entry, fallback }) => {
    const points = levelsOf(entry.points);
    return points === null
      ? null
      : [...points.map((one): bigint | null => toMillionths(one)), fallback === null ? null : toMillionths(fallback)];
  });
  if (levels.some((list) => list === null)) return null;
  const combinations = levels.reduce((all, list) => all * (list as readonly unknown[]).length, 1);
  if (combinations > manyScores) return null;
  const scores = new Set<bigint>();
  for (let n = 0; n < combinations; n += 1) {
    let rest = n;
    let covered = 0n;
    const points = (levels as readonly (readonly (bigint | null)[])[]).map((list, i) => {
      const place = rest % list.length;
      rest = Math.floor(rest / list.length);
      // The last of a list stands for a missing value.
      if (place < list.length - 1) covered += (kpis[i] as WeightedKpi).nominal;
      return list[place] as bigint | null;
    });
    if (!isCovered(card, kpis, covered)) continue;
    const score = combinePoints(card, points);
    if (score !== null) scores.add(score);
  }
  return [...scores];
}

function isCovered(card: Scorecard, kpis: readonly WeightedKpi[], covered: bigint): boolean {
  const full = kpis.reduce((all, { nominal }) => all + nominal, 0n);
  return covered * 1_000_000n >= toMillionths(card.missing.coverage_floor) * full;
}

/** The lowest and the highest score that points and missing KPIs can make, gates apart. */
function reachedScores(card: Scorecard, kpis: readonly WeightedKpi[]): readonly [bigint, bigint] {
  const missing = kpis.flatMap(({ fallback }, i) => (fallback === null ? [i] : []));
  const ends = (end: "lowest" | "highest", absent: ReadonlySet<number>): bigint | null =>
    combinePoints(
      card,
      kpis.map(({ points, fallback }, i) => {
        if (absent.has(i)) return null;
        const known = toMillionths(points[end]);
        if (fallback === null) return known;
        const filled = toMillionths(fallback);
        return (end === "lowest") === filled < known ? filled : known;
      }),
    );
  let [lowest, highest] = [ends("lowest", new Set()), ends("highest", new Set())] as [bigint, bigint];
  const widen = (absent: ReadonlySet<number>): void => {
    const [low, high] = [ends("lowest", absent), ends("highest", absent)];
    if (low !== null && low < lowest) lowest = low;
    if (high !== null && high > highest) highest = high;
  };
  if (missing.length <= manyMissing) {
    for (let n = 1; n < 2 ** missing.length; n += 1) {
      const absent = new Set(missing.filter((_, i) => Math.floor(n / 2 ** i) % 2 === 1));
      const covered = kpis.reduce((all, { nominal }, i) => (absent.has(i) ? all : all + nominal), 0n);
      if (isCovered(card, kpis, covered)) widen(absent);
    }
  } else {
    for (const alone of missing) widen(new Set(missing.filter((i) => i !== alone)));
  }
  return [lowest, highest];
}
