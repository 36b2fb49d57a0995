/** A scorecard's weights: shares of 100, and the whole numbers that SQL spreads over the KPIs an account has. */
import { sql } from "kysely";
import type { Scorecard, ScorecardGroup, ScorecardKpi } from "../config/scorecard.ts";
import { gcd, integer, integerType, type Sql, sum, toMillionths } from "./exact.ts";
import { compilePoints, type Points } from "./points.ts";

export interface WeightedKpi {
  readonly entry: ScorecardKpi;
  readonly kpi: string;
  /** Names the columns of this place: the KPI's id, with a number after its first place. */
  readonly slot: string;
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

/** The KPIs of a scorecard in the order of its file; one that stands in several groups comes several times. */
export function weighKpis(card: Scorecard): readonly WeightedKpi[] {
  const scale: readonly [number, number] = [card.scale.from, card.scale.to];
  const isMean = card.combine === "weighted_mean";
  const places = new Map<string, number>();
  const kpis = leavesOf(card).flatMap((leaf) =>
    leaf.kpis.map((entry) => {
      const rule = entry.missing ?? card.missing.rule;
      const neutral = entry.neutral ?? card.missing.neutral ?? (scale[0] + scale[1]) / 2;
      const place = (places.get(entry.kpi) ?? 0) + 1;
      places.set(entry.kpi, place);
      return {
        entry,
        kpi: entry.kpi,
        slot: place === 1 ? entry.kpi : `${entry.kpi}__${place}`,
        group_id: leaf.id,
        parent_group_id: leaf.parent,
        points: compilePoints(entry.kpi, entry.points, scale),
        fallback: rule === "reweight" ? null : rule === "neutral" ? neutral : isMean ? scale[0] : 0,
      };
    }),
  );
  const parts = isMean ? nominalOfMean(card) : nominalOfSum(card, kpis);
  const shared = parts.reduce(gcd, 0n) || 1n;
  const nominal = parts.map((part) => part / shared);
  const shares = spread(100_000_000n, nominal);
  return kpis.map((kpi, i) => ({ ...kpi, nominal: nominal[i] as bigint, share: shares[i] as bigint }));
}

interface Share {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Fractions as whole numbers over a common denominator. */
function overCommon(fractions: readonly Share[]): readonly bigint[] {
  const common = fractions.reduce((all, { denominator }) => (all * denominator) / gcd(all, denominator), 1n);
  return fractions.map(({ numerator, denominator }) => numerator * (common / denominator));
}

/** Where points are added up, a KPI's part is how far it can move the score: its reach, cut where a cap cuts its group's. */
function nominalOfSum(
  card: Scorecard,
  kpis: readonly { readonly entry: ScorecardKpi; readonly points: Points; readonly group_id: string }[],
): readonly bigint[] {
  const reaches = kpis.map(
    ({ entry, points }) => BigInt(entry.weight) * (toMillionths(points.highest) - toMillionths(points.lowest)),
  );
  const of = (belongs: (group: string) => boolean): bigint =>
    kpis.reduce((all, { group_id }, i) => (belongs(group_id) ? all + (reaches[i] as bigint) : all), 0n);
  /** The share of a group's reach that its cap leaves. */
  const left = ({ cap }: Pick<ScorecardGroup, "cap">, reach: bigint): Share => {
    if (cap?.min === undefined || cap.max === undefined || reach === 0n) return { numerator: 1n, denominator: 1n };
    const width = toMillionths(cap.max) - toMillionths(cap.min);
    return width < reach ? { numerator: width, denominator: reach } : { numerator: 1n, denominator: 1n };
  };
  const shares = new Map<string, Share>();
  for (const group of card.groups) {
    if (group.groups === undefined) {
      shares.set(
        group.id,
        left(
          group,
          of((id) => id === group.id),
        ),
      );
      continue;
    }
    const ids = new Set(group.groups.map(({ id }) => id));
    const outer = left(
      group,
      of((id) => ids.has(id)),
    );
    for (const inner of group.groups) {
      const own = left(
        inner,
        of((id) => id === inner.id),
      );
      shares.set(inner.id, {
        numerator: own.numerator * outer.numerator,
        denominator: own.denominator * outer.denominator,
      });
    }
  }
  return overCommon(
    kpis.map(({ group_id }, i) => {
      const { numerator, denominator } = shares.get(group_id) as Share;
      return { numerator: numerator * (reaches[i] as bigint), denominator };
    }),
  );
}

/** Weight of the KPI within its group times the weight of the group within the card, over a common denominator. */
function nominalOfMean(card: Scorecard): readonly bigint[] {
  const total = (weights: readonly { readonly weight: number }[]): bigint =>
    weights.reduce((all, { weight }) => all + BigInt(weight), 0n);
  return overCommon(
    card.groups.flatMap((group) => {
      const leaves = group.groups ?? [{ weight: 1, kpis: group.kpis ?? [] }];
      return leaves.flatMap((leaf) =>
        leaf.kpis.map((entry) => ({
          numerator: BigInt(group.weight) * BigInt(leaf.weight) * BigInt(entry.weight),
          denominator: total(leaves) * total(leaf.kpis),
        })),
      );
    }),
  );
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

/** What a unit adds up: a KPI, a group that is a unit of its own, or a group whose KPIs count as if they stood here. */
export type Item =
  | { readonly kind: "kpi"; readonly weight: bigint; readonly kpi: WeightedKpi }
  | { readonly kind: "unit"; readonly weight: bigint; readonly unit: Unit }
  | { readonly kind: "group"; readonly weight: bigint; readonly id: string; readonly items: readonly Item[] };

/**
 * Something that is computed to the end before it counts in what is around it: the whole scorecard, or a group with a cap
 * or a rounding.
 */
export interface Unit {
  /** The group; null: the scorecard. */
  readonly id: string | null;
  /** 0 for the scorecard, 1 for a group, 2 for a group in a group. */
  readonly depth: number;
  readonly items: readonly Item[];
  readonly cap: { readonly min?: number | undefined; readonly max?: number | undefined };
  readonly isRounded: boolean;
}

/** The scorecard as a unit, and all its units from the innermost to it. */
export function unitsOf(
  card: Scorecard,
  kpis: readonly WeightedKpi[],
): { readonly whole: Unit; readonly inner: readonly Unit[] } {
  const inner: Unit[] = [];
  const kpiItems = (groupId: string): readonly Item[] =>
    kpis
      .filter(({ group_id }) => group_id === groupId)
      .map((kpi) => ({ kind: "kpi", weight: BigInt(kpi.entry.weight), kpi }));
  const itemOf = (
    group: Pick<ScorecardGroup, "id" | "weight" | "cap" | "round">,
    items: readonly Item[],
    depth: number,
  ): Item => {
    const weight = BigInt(group.weight);
    if (group.cap === undefined && group.round === undefined) return { kind: "group", weight, id: group.id, items };
    const unit: Unit = { id: group.id, depth, items, cap: group.cap ?? {}, isRounded: group.round !== undefined };
    inner.push(unit);
    return { kind: "unit", weight, unit };
  };
  const items = card.groups.map((group) =>
    itemOf(
      group,
      group.groups === undefined ? kpiItems(group.id) : group.groups.map((one) => itemOf(one, kpiItems(one.id), 2)),
      1,
    ),
  );
  const cap = card.combine === "start_and_clamp" ? { min: card.scale.from, max: card.scale.to } : {};
  const whole: Unit = { id: null, depth: 0, items, cap, isRounded: card.round !== undefined };
  return { whole, inner: inner.sort((a, b) => b.depth - a.depth) };
}

/** A KPI or an inner unit, as something that counts in a unit. */
export interface Counted {
  /** The suffix of its columns: a slot, or `group__<id>`, which no slot can be. */
  readonly name: string;
  /** The column of its points, null where it is missing. */
  readonly points: string;
  readonly mayMiss: boolean;
  readonly kpi: WeightedKpi | null;
  readonly unit: Unit | null;
  /** Its part of the full unit in the smallest whole numbers, where units are means; else its weight. */
  readonly nominal: bigint;
}

/** All that counts in a unit, in the order of the file. */
export function countedIn(unit: Unit, isMean: boolean): readonly Counted[] {
  const walk = (items: readonly Item[], share: Share): readonly (Omit<Counted, "nominal"> & { share: Share })[] => {
    const whole = items.reduce((all, { weight }) => all + weight, 0n);
    return items.flatMap((item) => {
      const own = isMean
        ? { numerator: share.numerator * item.weight, denominator: share.denominator * whole }
        : { numerator: share.numerator * item.weight, denominator: 1n };
      if (item.kind === "group") return walk(item.items, own);
      return item.kind === "kpi"
        ? [
            {
              name: item.kpi.slot,
              points: `points_${item.kpi.slot}`,
              mayMiss: item.kpi.fallback === null,
              kpi: item.kpi,
              unit: null,
              share: own,
            },
          ]
        : [
            {
              name: `group__${item.unit.id}`,
              points: `points_group__${item.unit.id}`,
              mayMiss: isMean && mayMiss(item.unit),
              kpi: null,
              unit: item.unit,
              share: own,
            },
          ];
    });
  };
  const all = walk(unit.items, { numerator: 1n, denominator: 1n });
  const parts = overCommon(all.map(({ share }) => share));
  const nominal = isMean ? reduced(parts) : parts;
  return all.map(({ share: _, ...counted }, i) => ({ ...counted, nominal: nominal[i] as bigint }));
}

/** True unless something of weight in the unit always has points. */
const mayMiss = (unit: Unit): boolean => {
  const always = (items: readonly Item[]): boolean =>
    items.some(
      (item) =>
        item.weight > 0n &&
        (item.kind === "kpi"
          ? item.kpi.fallback !== null
          : always(item.kind === "unit" ? item.unit.items : item.items)),
    );
  return !always(unit.items);
};

export interface Factors {
  /** Columns over the points of what counts, that `factors` read; a later one may read an earlier one. */
  readonly denominators: readonly { readonly name: string; readonly sql: Sql }[];
  /** In the order of {@link countedIn}: the whole-number weight for this account, 0 when it is missing. */
  readonly factors: readonly Sql[];
  /** The largest sum of factors that can occur. */
  readonly bound: bigint;
}

/** A KPI or a group of them, on the way up to the whole unit. */
interface Branch {
  readonly weight: bigint;
  /** What counts below it. */
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
export function reweigh(unit: Unit, isMean: boolean): Factors {
  const counted = countedIn(unit, isMean);
  if (!isMean) {
    const factors = counted.map(({ nominal }) => integer(nominal));
    return { denominators: [], factors, bound: counted.reduce((all, { nominal }) => all + nominal, 0n) };
  }
  const byName = new Map(counted.map((one) => [one.name, one]));
  const factors = new Map(counted.map(({ name }) => [name, { weight: 1n, columns: [] as string[] }]));
  const denominators: { readonly name: string; readonly sql: Sql; readonly reads: readonly string[] }[] = [];

  const combine = (name: string, children: readonly Branch[]): Omit<Branch, "weight"> => {
    const weights = reduced(children.map(({ weight }) => weight));
    const beside = (child: Branch): readonly string[] =>
      children.flatMap((other) => (other === child || other.left === null ? [] : [other.left]));
    for (const [i, child] of children.entries()) {
      for (const factor of child.below.map((one) => factors.get(one) as { weight: bigint; columns: string[] })) {
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
    if (children.length === 1 && only?.left === null) return { below, isThere: only.isThere, left: null, most };
    const left = `left_${name}`;
    denominators.push({ name: left, sql: product(columns, total), reads: columns });
    return { below, isThere: sql`${sql.ref(left)} > 0`, left, most };
  };
  const branchOf = (item: Item): Branch => {
    if (item.kind === "group") return { ...combine(item.id, item.items.map(branchOf)), weight: item.weight };
    const name = item.kind === "kpi" ? item.kpi.slot : `group__${item.unit.id}`;
    const { points, mayMiss: misses } = byName.get(name) as Counted;
    return {
      weight: item.weight,
      below: [name],
      isThere: misses ? sql`${sql.ref(points)} is not null` : null,
      left: null,
      most: 1n,
    };
  };
  const whole = combine(unit.id === null ? "" : `in_${unit.id}`, unit.items.map(branchOf));

  const read = new Set([...factors.values()].flatMap(({ columns }) => columns));
  for (const { name, reads } of [...denominators].reverse()) {
    if (read.has(name)) for (const column of reads) read.add(column);
  }
  return {
    denominators: denominators.filter(({ name }) => read.has(name)),
    factors: counted.map(({ name, points, mayMiss: misses }) => {
      const { weight, columns } = factors.get(name) as { weight: bigint; columns: string[] };
      const factor = product(columns, integer(weight));
      return misses ? sql`case when ${sql.ref(points)} is null then 0 else ${factor} end` : factor;
    }),
    bound: whole.most,
  };
}

/** Sums of weights multiplied with a factor; a group that has nothing left does not count. */
const product = (columns: readonly string[], factor: Sql): Sql =>
  sql.join([...columns.map((column) => sql`greatest(${sql.ref(column)}, 1)`), factor], sql` * `);

/**
 * The largest score, part or share that a scorecard can come to, in millionths, and the integers that hold every product on
 * the way; null when none do.
 */
export function magnitude(
  card: Scorecard,
  kpis: readonly WeightedKpi[],
): { readonly largest: bigint; readonly type: "bigint" | "hugeint" | null } {
  const isMean = card.combine === "weighted_mean";
  const amounts = [
    card.scale.from,
    card.scale.to,
    card.start ?? 0,
    ...kpis.flatMap(({ points, fallback }) => [points.lowest, points.highest, fallback ?? 0]),
    // Shares of 100.
    100,
  ].map((value) => toMillionths(Math.abs(value)));
  const largest = (list: readonly bigint[]): bigint => list.reduce((a, b) => (a > b ? a : b));
  const added = kpis.reduce((all, { entry }) => all + BigInt(entry.weight), 2n);
  const nominal = kpis.reduce((all, kpi) => all + kpi.nominal, 0n);
  const { whole, inner } = unitsOf(card, kpis);
  const bounds = isMean ? [whole, ...inner].map((unit) => reweigh(unit, isMean).bound) : [added];
  return {
    largest: largest(amounts) * (isMean ? 1n : added),
    type: integerType(4n * (largest([nominal, ...bounds]) + 1n) * largest(amounts)),
  };
}
