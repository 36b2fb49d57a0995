/** A scorecard's weights: shares of 100, and the whole numbers that SQL spreads over the KPIs an account has. */
import { sql } from "kysely";
import type { Scorecard, ScorecardKpi } from "../config/scorecard.ts";
import { gcd, integer, type Sql, sum, toMillionths } from "./exact.ts";
import { compilePoints, type Points } from "./points.ts";

export interface WeightedKpi {
  readonly entry: ScorecardKpi;
  readonly kpi: string;
  /** The innermost group. */
  readonly group_id: string;
  /** The group around it, when groups are nested. */
  readonly parent_group_id: string | null;
  readonly points: Points;
  /** Points in place of a missing value; null: its weight goes to the others of its group. */
  readonly fallback: number | null;
  /** Its part of a full scorecard in the smallest whole numbers. */
  readonly nominal: bigint;
  /** `nominal` as a share of 100 in millionths; all shares sum to 100 exactly. */
  readonly share: bigint;
}

interface Leaf {
  readonly id: string;
  readonly parent: string | null;
  readonly kpis: readonly ScorecardKpi[];
}

/** Divides by what all have in common, so that the numbers in SQL stay small. */
function reduced(weights: readonly bigint[]): readonly bigint[] {
  const shared = weights.reduce(gcd, 0n) || 1n;
  return weights.map((weight) => weight / shared);
}

const leavesOf = (card: Scorecard): readonly Leaf[] =>
  card.groups.flatMap((group): readonly Leaf[] =>
    group.kpis !== undefined
      ? [{ id: group.id, parent: null, kpis: group.kpis }]
      : (group.groups ?? []).map((inner) => ({ id: inner.id, parent: group.id, kpis: inner.kpis })),
  );

/** The KPIs of a scorecard in the order of its file. */
export function weighKpis(card: Scorecard): readonly WeightedKpi[] {
  const scale: readonly [number, number] = [card.scale.from, card.scale.to];
  const isMean = card.combine === "weighted_mean";
  const kpis = leavesOf(card).flatMap((leaf) =>
    leaf.kpis.map((entry) => {
      const rule = entry.missing ?? card.missing.rule;
      const neutral = entry.neutral ?? card.missing.neutral ?? (scale[0] + scale[1]) / 2;
      return {
        entry,
        kpi: entry.kpi,
        group_id: leaf.id,
        parent_group_id: leaf.parent,
        points: compilePoints(entry.kpi, entry.points, scale),
        fallback: rule === "reweight" ? null : rule === "neutral" ? neutral : isMean ? scale[0] : 0,
      };
    }),
  );
  const parts = isMean ? nominalOfMean(card) : kpis.map(({ entry, points }) => reachOf(entry, points));
  const shared = parts.reduce(gcd, 0n) || 1n;
  const nominal = parts.map((part) => part / shared);
  const shares = spread(100_000_000n, nominal);
  return kpis.map((kpi, i) => ({ ...kpi, nominal: nominal[i] as bigint, share: shares[i] as bigint }));
}

/** Where points are added up, a KPI's part is how far it can move the score. */
const reachOf = (entry: ScorecardKpi, points: Points): bigint =>
  BigInt(entry.weight) * (toMillionths(points.highest) - toMillionths(points.lowest));

/** Weight of the KPI within its group times the weight of the group within the card, over a common denominator. */
function nominalOfMean(card: Scorecard): readonly bigint[] {
  const total = (weights: readonly { readonly weight: number }[]): bigint =>
    weights.reduce((all, { weight }) => all + BigInt(weight), 0n);
  const fractions = card.groups.flatMap((group) => {
    const leaves = group.groups ?? [{ weight: 1, kpis: group.kpis ?? [] }];
    return leaves.flatMap((leaf) =>
      leaf.kpis.map((entry) => ({
        numerator: BigInt(group.weight) * BigInt(leaf.weight) * BigInt(entry.weight),
        denominator: total(leaves) * total(leaf.kpis),
      })),
    );
  });
  const common = fractions.reduce((all, { denominator }) => (all * denominator) / gcd(all, denominator), 1n);
  return fractions.map(({ numerator, denominator }) => numerator * (common / denominator));
}

/** A total cut in proportion to the parts; what rounding leaves goes to the largest remainders, the first of equals. */
export function spread(total: bigint, parts: readonly bigint[]): readonly bigint[] {
  const whole = parts.reduce((all, part) => all + part, 0n);
  if (whole === 0n) return parts.map(() => 0n);
  const floors = parts.map((part) => (total * part) / whole);
  let left = total - floors.reduce((all, part) => all + part, 0n);
  const order = parts
    .map((part, i) => ({ i, remainder: (total * part) % whole }))
    .sort((a, b) => (a.remainder === b.remainder ? a.i - b.i : a.remainder > b.remainder ? -1 : 1));
  const shares = [...floors];
  for (const { i } of order) {
    if (left === 0n) break;
    shares[i] = (shares[i] as bigint) + 1n;
    left -= 1n;
  }
  return shares;
}

export interface Factors {
  /** Columns over `points_<kpi>` that `factors` read; a later one may read an earlier one. */
  readonly denominators: readonly { readonly name: string; readonly sql: Sql }[];
  /** Per KPI, in the order of {@link weighKpis}: its whole-number weight for this account, 0 when it is missing. */
  readonly factors: readonly Sql[];
  /** The largest sum of factors that can occur. */
  readonly bound: bigint;
}

/** A KPI or a group of them, on the way up to the whole scorecard. */
interface Branch {
  readonly name: string;
  readonly weight: bigint;
  /** The KPIs below it. */
  readonly below: readonly string[];
  /** True where it has anything to score; null: always. */
  readonly isThere: Sql | null;
  /** The column with the sum of the weights that it still has; null where that is 1 or nothing. */
  readonly left: string | null;
  /** The largest value of `left`. */
  readonly most: bigint;
}

/**
 * Weights after reweighting, without a division: the weight of a missing KPI goes to the others of its group, that of an
 * empty group to the other groups. A KPI's share is its factor over the sum of factors. With d(g) the sum of the weights
 * that a group still has, factor = weight in the group x weight of the group x product of d over the groups beside it.
 */
export function reweigh(card: Scorecard, kpis: readonly WeightedKpi[]): Factors {
  if (card.combine !== "weighted_mean") {
    const factors = kpis.map(({ entry }) => integer(BigInt(entry.weight)));
    return { denominators: [], factors, bound: kpis.reduce((all, { entry }) => all + BigInt(entry.weight), 0n) };
  }
  const mayMiss = new Set(kpis.filter(({ fallback }) => fallback === null).map(({ kpi }) => kpi));
  const factors = new Map(kpis.map(({ kpi }) => [kpi, { weight: 1n, columns: [] as string[] }]));
  const denominators: { readonly name: string; readonly sql: Sql; readonly reads: readonly string[] }[] = [];

  const combine = (name: string, children: readonly Branch[]): Omit<Branch, "weight"> => {
    const weights = reduced(children.map(({ weight }) => weight));
    const beside = (child: Branch): readonly string[] =>
      children.flatMap((other) => (other === child || other.left === null ? [] : [other.left]));
    for (const [i, child] of children.entries()) {
      for (const factor of child.below.map((kpi) => factors.get(kpi) as { weight: bigint; columns: string[] })) {
        factor.weight *= weights[i] as bigint;
        factor.columns.push(...beside(child));
      }
    }
    const present = children.map(({ isThere }, i) => {
      const weight = integer(weights[i] as bigint);
      return isThere === null ? weight : sql`case when ${isThere} then ${weight} else 0 end`;
    });
    const columns = children.flatMap(({ left }) => (left === null ? [] : [left]));
    const total = children.length === 1 ? (present[0] as Sql) : sql`(${sum(present)})`;
    const most = children.reduce(
      (all, child) => all * child.most,
      weights.reduce((all, weight) => all + weight, 0n),
    );
    const below = children.flatMap((child) => child.below);
    const [only] = children;
    if (children.length === 1 && only?.left === null) return { name, below, isThere: only.isThere, left: null, most };
    const left = `left_${name}`;
    denominators.push({ name: left, sql: product(columns, total), reads: columns });
    return { name, below, isThere: sql`${sql.ref(left)} > 0`, left, most };
  };
  const ofKpis = (entries: readonly ScorecardKpi[]): readonly Branch[] =>
    entries.map(({ kpi, weight }) => ({
      name: kpi,
      weight: BigInt(weight),
      below: [kpi],
      isThere: mayMiss.has(kpi) ? sql`${sql.ref(`points_${kpi}`)} is not null` : null,
      left: null,
      most: 1n,
    }));
  const ofGroup = (id: string, weight: number, children: readonly Branch[]): Branch => ({
    ...combine(id, children),
    weight: BigInt(weight),
  });
  const whole = combine(
    "",
    card.groups.map(({ id, weight, kpis: entries, groups }) =>
      ofGroup(
        id,
        weight,
        entries === undefined
          ? (groups ?? []).map((inner) => ofGroup(inner.id, inner.weight, ofKpis(inner.kpis)))
          : ofKpis(entries),
      ),
    ),
  );

  const read = new Set([...factors.values()].flatMap(({ columns }) => columns));
  for (const { name, reads } of [...denominators].reverse()) {
    if (read.has(name)) for (const column of reads) read.add(column);
  }
  return {
    denominators: denominators.filter(({ name }) => read.has(name)),
    factors: kpis.map(({ kpi, fallback }) => {
      const { weight, columns } = factors.get(kpi) as { weight: bigint; columns: string[] };
      const factor = product(columns, integer(weight));
      return fallback === null ? sql`case when ${sql.ref(`points_${kpi}`)} is null then 0 else ${factor} end` : factor;
    }),
    bound: whole.most,
  };
}

/** Sums of weights multiplied with a factor; a group that has nothing left does not count. */
const product = (columns: readonly string[], factor: Sql): Sql =>
  sql.join([...columns.map((column) => sql`greatest(${sql.ref(column)}, 1)`), factor], sql` * `);
