/**
 * Points -> score in exact arithmetic, outside the engine: what a scorecard would give to points that no snapshot holds.
 * The statement of card.ts is the score; this is for the steps between two of them (ledger.ts), and has to agree with it.
 */
import type { Scorecard, ScorecardKpi } from "../config/scorecard.ts";
import { gcd, toMillionths } from "./exact.ts";

/** A fraction of millionths; the denominator is above 0. */
interface Fraction {
  readonly n: bigint;
  readonly d: bigint;
}

function fraction(n: bigint, d = 1n): Fraction {
  const shared = gcd(n, d) || 1n;
  return { n: n / shared, d: d / shared };
}
const plus = (a: Fraction, b: Fraction): Fraction => fraction(a.n * b.d + b.n * a.d, a.d * b.d);
const times = (a: Fraction, weight: number): Fraction => fraction(a.n * BigInt(weight), a.d);
const isBelow = (a: Fraction, b: Fraction): boolean => a.n * b.d < b.n * a.d;
const held = (a: Fraction, low: Fraction, high: Fraction): Fraction =>
  isBelow(a, low) ? low : isBelow(high, a) ? high : a;

/** Rounded once, halves away from zero. */
function rounded({ n, d }: Fraction): bigint {
  const magnitude = (2n * (n < 0n ? -n : n) + d) / (2n * d);
  return n < 0n ? -magnitude : magnitude;
}

/** The KPIs of a scorecard in the order of its file: the order of its parts. */
export const entriesOf = (card: Scorecard): readonly ScorecardKpi[] =>
  card.groups.flatMap(({ kpis, groups }) => kpis ?? (groups ?? []).flatMap((inner) => inner.kpis));

interface Weighed {
  readonly weight: number;
  readonly value: Fraction | null;
}

/** The mean of what is there; what is missing gives its weight to the others. Null when nothing is there. */
function mean(children: readonly Weighed[]): Fraction | null {
  const there = children.flatMap(({ weight, value }) => (value === null || weight === 0 ? [] : [{ weight, value }]));
  if (there.length === 0) return null;
  const weights = there.reduce((all, { weight }) => all + BigInt(weight), 0n);
  const sum = there.reduce((all, { weight, value }) => plus(all, times(value, weight)), fraction(0n));
  return fraction(sum.n, sum.d * weights);
}

/** The sum of what is there: a missing part adds nothing. */
const total = (children: readonly Weighed[]): Fraction =>
  children.reduce((all, { weight, value }) => (value === null ? all : plus(all, times(value, weight))), fraction(0n));

/** What a group does to its own points after they are combined. */
interface GroupRule {
  readonly round?: "integer" | undefined;
  readonly cap?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
}

/** Rounded to whole points, halves away from zero. */
const toWhole = ({ n, d }: Fraction): Fraction => fraction(rounded(fraction(n, d * 1_000_000n)) * 1_000_000n);

/** To whole points from the exact value, or a capped group to six digits; then held within the cap. */
function finish(exact: Fraction | null, { round, cap }: GroupRule): Fraction | null {
  if (exact === null || (round === undefined && cap === undefined)) return exact;
  const value = round === undefined ? fraction(rounded(exact)) : toWhole(exact);
  const floored = cap?.min !== undefined && isBelow(value, limit(cap.min)) ? limit(cap.min) : value;
  return cap?.max !== undefined && isBelow(limit(cap.max), floored) ? limit(cap.max) : floored;
}
const limit = (at: number): Fraction => fraction(toMillionths(at));

/**
 * The score in millionths before floor and gate. `points` are millionths in the order of {@link entriesOf}; null is a KPI
 * whose weight goes to the others (a missing one that counts as zero or neutral has those points). Null when nothing is
 * left to score.
 */
export function combinePoints(card: Scorecard, points: readonly (bigint | null)[]): bigint | null {
  const isMean = card.combine === "weighted_mean";
  const combine = (children: readonly Weighed[]): Fraction | null => (isMean ? mean(children) : total(children));
  let next = 0;
  const ofKpis = (kpis: readonly ScorecardKpi[], rule: GroupRule): Fraction | null =>
    finish(
      combine(
        kpis.map(({ weight }) => {
          const given = points[next++] ?? null;
          return { weight, value: given === null ? null : fraction(given) };
        }),
      ),
      rule,
    );
  const groups = card.groups.map((group) => ({
    weight: group.weight,
    value:
      group.kpis !== undefined
        ? ofKpis(group.kpis, group)
        : finish(
            combine(
              (group.groups ?? []).map((inner) => ({
                weight: inner.weight,
                value: ofKpis(inner.kpis, inner),
              })),
            ),
            group,
          ),
  }));
  const combined = combine(groups);
  if (combined === null) return null;
  const whole = (score: Fraction): bigint => rounded(card.round === undefined ? score : toWhole(score));
  if (card.combine !== "start_and_clamp") return whole(combined);
  return whole(held(plus(combined, limit(card.start ?? 0)), limit(card.scale.from), limit(card.scale.to)));
}
