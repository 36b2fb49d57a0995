/**
 * KPIs that say the same (rule 18, and the groups of validation.kpi_pair): which of two alike ones is kept, and whether the
 * other adds anything beyond it.
 */
import type { Step, StepContext } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import { countLabels } from "./baseline.ts";
import { type Beside, layBaseline } from "./lens.ts";
import { fitLogistic } from "./newton.ts";
import { doubleLiteral, tenDigits, twelveDigits, writeTable } from "./tables.ts";

/** |rho| from which two KPIs count as alike. */
export const alike = 0.7;
/** The clustered Wald |z| that a KPI needs beyond one like it to be kept beside it. */
const addsSomething = 2.58;

/** A KPI with a claim (rules 12 and 13), as far as the order of keeping reads it. */
export interface Candidate {
  readonly id: string;
  /** A is P(value of a churner > value of another); its distance from 1/2 is the strength. */
  readonly auc: number;
  readonly z: number;
  readonly coverage: number;
  /** It has points in a scorecard that is in force. */
  readonly isLive: boolean;
}

export interface Redundant {
  /** The KPI that is kept. */
  readonly other: string;
  readonly spearman: number;
}

export interface PairFacts {
  readonly spearmanOf: (a: string, b: string) => number | null;
  /** The z of |A_a - 1/2| - |A_b - 1/2|, paired over accounts; null when it is not defined. */
  readonly differenceZOf: (a: Candidate, b: Candidate) => Promise<number | null>;
  /** The clustered Wald z of `id` in the regression that also holds the baseline and `kept`; null without a fit. */
  readonly incrementalZOf: (id: string, kept: string) => Promise<number | null>;
}

/**
 * Keeps the first of KPIs that are alike: one with points in a live scorecard first (unless one that is not live is shown to
 * rank better, paired |z| >= 1.96), then coverage in steps of 10 %, then |z|, then the id. The largest |A - 1/2| is no
 * order: between twins it is a coin toss. Any other is redundant with the first kept one that it is like and beyond which it
 * adds nothing (incremental |z| < 2.58); a z that could not be computed keeps both. One that does add something, and beyond
 * which an earlier kept one adds nothing, takes that one's place: |z| alone orders twins by chance, the two together do not.
 */
export async function findRedundant(
  candidates: readonly Candidate[],
  facts: PairFacts,
): Promise<ReadonlyMap<string, Redundant>> {
  const isAlike = (a: string, b: string): boolean => Math.abs(facts.spearmanOf(a, b) ?? 0) >= alike;
  const displaced = new Set<string>();
  for (const live of candidates.filter((candidate) => candidate.isLive)) {
    for (const other of candidates) {
      if (other.isLive || displaced.has(live.id) || !isAlike(live.id, other.id)) continue;
      const z = await facts.differenceZOf(other, live);
      if (z !== null && z >= 1.96) displaced.add(live.id);
    }
  }
  const held = new Set(candidates.flatMap(({ id, isLive }) => (isLive && !displaced.has(id) ? [id] : [])));
  const isHeld = (id: string): boolean => held.has(id);
  const order = [...candidates].sort(
    (a, b) =>
      Number(isHeld(b.id)) - Number(isHeld(a.id)) ||
      step(b.coverage) - step(a.coverage) ||
      Math.abs(b.z) - Math.abs(a.z) ||
      (a.id < b.id ? -1 : 1),
  );
  const kept: string[] = [];
  const redundant = new Map<string, Redundant>();
  const addsTo = async (id: string, other: string): Promise<boolean> => {
    const z = await facts.incrementalZOf(id, other);
    return z === null || Math.abs(z) >= addsSomething;
  };
  const drop = (id: string, other: string): void => {
    redundant.set(id, { other, spearman: facts.spearmanOf(id, other) as number });
  };
  /** True when the KPI stays. */
  const place = async (id: string): Promise<boolean> => {
    for (const other of kept) {
      if (!isAlike(id, other) || (await addsTo(id, other))) continue;
      drop(id, other);
      return false;
    }
    redundant.delete(id);
    kept.push(id);
    return true;
  };
  for (const { id } of order) {
    if (!(await place(id))) continue;
    for (const earlier of kept.filter((other) => other !== id && isAlike(id, other) && !isHeld(other))) {
      if (await addsTo(earlier, id)) continue;
      kept.splice(kept.indexOf(earlier), 1);
      drop(earlier, id);
      const leaning = [...redundant].flatMap(([lean, { other }]) => (other === earlier ? [lean] : []));
      for (const lean of leaning) await place(lean);
    }
  }
  return redundant;
}

/** Coverage in steps of ten percent; a share a hair below a step by rounding counts as on it. */
const step = (coverage: number): number => Math.floor(10 * coverage + 1e-9);

/** The facts of one definition, read from the warehouse. */
export async function pairFactsOf(context: StepContext, definition: string): Promise<PairFacts> {
  const { query } = context;
  const pairs = await query<{ kpi: string; other: string; spearman: number | null }>(
    `select kpi, other, spearman from validation.kpi_rank_pair where definition = ${literal(definition)}`,
  );
  const spearman = new Map(pairs.flatMap((p) => [both(p.kpi, p.other, p.spearman), both(p.other, p.kpi, p.spearman)]));
  let laid: Promise<Beside | null> | undefined;
  const layOnce = async (): Promise<Beside | null> => {
    const labels = (await countLabels(query)).find((row) => row.definition === definition);
    return labels === undefined ? null : layBaseline(context, labels);
  };
  return {
    spearmanOf: (a, b) => spearman.get(`${a} ${b}`) ?? null,
    differenceZOf: (a, b) => differenceZ(query, definition, a, b),
    incrementalZOf: async (id, kept) => {
      laid ??= layOnce();
      const beside = await laid;
      return beside === null ? null : incrementalZ(context, definition, beside, id, kept);
    },
  };
}

const both = (a: string, b: string, value: number | null): readonly [string, number | null] => [`${a} ${b}`, value];

/** An account that moves only one of the two counts with 0 for the other. Variance as for A itself: I/(I-1) sum d^2. */
async function differenceZ(
  query: StepContext["query"],
  definition: string,
  a: Candidate,
  b: Candidate,
): Promise<number | null> {
  const signOf = (candidate: Candidate): number => (candidate.auc < 0.5 ? -1 : 1);
  const psi = (id: string) =>
    `select account_no, psi from validation.kpi_influence where definition = ${literal(definition)} and statistic = 'main' and subject = ${literal(id)}`;
  const [row] = await query<{ squares: number | null; n: number }>(`
with difference as (
  select ${signOf(a)} * coalesce(a.psi, 0e0) - ${signOf(b)} * coalesce(b.psi, 0e0) as d
  from (${psi(a.id)}) as a
  full join (${psi(b.id)}) as b on b.account_no = a.account_no
)
select exact_sum(d * d) as squares, count(case when d <> 0 then 1 end) as n from difference`);
  if (row === undefined || row.squares === null || row.squares <= 0 || row.n < 2) return null;
  const se = Math.sqrt((row.squares * row.n) / (row.n - 1));
  return (Math.abs(a.auc - 0.5) - Math.abs(b.auc - 0.5)) / se;
}

/** Of the variance of a KPI on the normal scale: less than this beyond a straight line of another one is rounding and ties. */
const nothingBeyond = 1e-6;

/**
 * As the lens (lens.ts), over the rows on which both KPIs have a value, with the kept one as a further covariate. What enters is
 * the KPI's remainder beyond a straight line of the kept one, on its own scale: without a penalty z is the same, and with one
 * the ridge cannot share the effect out between two that are nearly the same, which would make both look needed. 0 where nothing
 * remains.
 */
async function incrementalZ(
  { query, run }: StepContext,
  definition: string,
  { table, columns, problem }: Beside,
  id: string,
  kept: string,
): Promise<number | null> {
  const paired = `
from validation.kpi_placed as own
inner join validation.kpi_placed as kept
  on kept.definition = own.definition and kept.observation_no = own.observation_no and kept.kpi = ${literal(kept)}
inner join ${table} as r on r.observation_no = own.observation_no
where own.definition = ${literal(definition)} and own.kpi = ${literal(id)}`;
  const [sums] = await query<{ n: number; a: number; b: number; aa: number; bb: number; ab: number }>(`
select count(*) as n, exact_sum(own.x) as a, exact_sum(kept.x) as b, exact_sum(own.x * own.x) as aa,
  exact_sum(kept.x * kept.x) as bb, exact_sum(own.x * kept.x) as ab ${paired}`);
  if (sums === undefined || sums.n === 0) return null;
  const { n, a, b, aa, bb, ab } = sums;
  const [own, other, both] = [aa - (a * a) / n, bb - (b * b) / n, ab - (a * b) / n];
  if (own <= 0 || other <= 0) return null;
  const slope = both / other;
  const left = (own - slope * both) / n;
  if (left < nothingBeyond * (own / n)) return 0;
  const remainder = `(own.x - ${doubleLiteral(a / n)} - ${doubleLiteral(slope)} * (kept.x - ${doubleLiteral(b / n)})) / ${doubleLiteral(Math.sqrt(left))}`;
  await run(`
create or replace temp table pair_row as
select
  1 as fit, r.account_no, r.block, r.part, r.y, ${remainder} as kpi_x, kept.x as kept_x${columns.map((name) => `, r.${name}`).join("")}
${paired}`);
  const fits = await fitLogistic(query, { rows: "select * from pair_row", ...problem("kept_x", "kpi_x") });
  await run("drop table pair_row");
  const z = fits.get("1")?.z ?? null;
  return z === null ? null : tenDigits(z);
}

/** Pairs whose sums one statement takes. */
const pairsAtOnce = 200;

/**
 * validation.kpi_rank_pair: Spearman's rank correlation of every two KPIs over the labelled rows on which both have a value:
 * each KPI is ranked once, over its own rows (midranks, doubled to whole numbers), and the sums are exact. kpi stands before
 * other in the book's order. Null where one of them is constant. The ranks are laid side by side first: a join of all pairs of
 * a row's KPIs makes hundreds of rows of it.
 */
export const rankPairs: Step = {
  kind: "step",
  name: "validation.rank_pairs",
  depends: ["features.kpi_definition", "validation.definition", "validation.kpi_placed"],
  params: [],
  produces: ["validation.kpi_rank_pair"],
  version: "1",
  async run(context) {
    const { query, run } = context;
    const kpis = await query<{ kpi_no: number; id: string }>(
      "select kpi_no, id from features.kpi_definition order by kpi_no",
    );
    const definitions = await query<{ definition: string }>(
      "select definition from validation.definition where has_outcome order by definition",
    );
    const rows: { definition: string; kpi: string; other: string; n_rows: number; spearman: number | null }[] = [];
    for (const { definition } of definitions) {
      if (kpis.length < 2) continue;
      await run(`
create or replace temp table pair_rank as
select ${kpis.map(({ kpi_no }) => `max(case when kpi_no = ${kpi_no} then doubled_rank end) as r${kpi_no}`).join(", ")}
from validation.kpi_placed where definition = ${literal(definition)} group by observation_no`);
      const [whole] = await query<Record<string, number | null>>(
        `select count(*) as n, ${kpis
          .map(
            ({ kpi_no: k }) =>
              `count(r${k}) as n${k}, cast(sum(r${k}) as double) as s${k}, cast(sum(r${k} * r${k}) as double) as ss${k}`,
          )
          .join(", ")} from pair_rank`,
      );
      const of = (name: string): number => whole?.[name] ?? 0;
      const valued = kpis.filter(({ kpi_no }) => of(`n${kpi_no}`) > 0);
      const pairs = valued.flatMap((kpi, i) => valued.slice(i + 1).map((other) => [kpi, other] as const));
      for (let from = 0; from < pairs.length; from += pairsAtOnce) {
        const asked = pairs.slice(from, from + pairsAtOnce);
        // The sums of a KPI beside another one that always has a value are its own.
        const beside = (sum: string, other: number): string =>
          `cast(sum(case when r${other} is not null then ${sum} end) as double)`;
        const sums = asked.flatMap(([{ kpi_no: a }, { kpi_no: b }], i) => [
          `cast(sum(r${a} * r${b}) as double) as ab${i}`,
          ...(of(`n${b}`) === of("n")
            ? []
            : [`${beside(`r${a}`, b)} as a${i}`, `${beside(`r${a} * r${a}`, b)} as aa${i}`]),
          ...(of(`n${a}`) === of("n")
            ? []
            : [`${beside(`r${b}`, a)} as b${i}`, `${beside(`r${b} * r${b}`, a)} as bb${i}`]),
          ...(of(`n${a}`) === of("n") || of(`n${b}`) === of("n") ? [] : [`count(r${a} + r${b}) as n${i}`]),
        ]);
        const [found] = await query<Record<string, number | null>>(`select ${sums.join(", ")} from pair_rank`);
        for (const [i, [{ id: kpi, kpi_no: a }, { id: other, kpi_no: b }]] of asked.entries()) {
          const n = found?.[`n${i}`] ?? Math.min(of(`n${a}`), of(`n${b}`));
          if (n === 0) continue;
          const own = (name: string, total: string): number => found?.[`${name}${i}`] ?? of(total);
          const [sa, saa, sb, sbb] = [
            own("a", `s${a}`),
            own("aa", `ss${a}`),
            own("b", `s${b}`),
            own("bb", `ss${b}`),
          ] as const;
          const spread = Math.max(0, (saa - (sa * sa) / n) * (sbb - (sb * sb) / n));
          const together = (found?.[`ab${i}`] ?? 0) - (sa * sb) / n;
          rows.push({
            definition,
            kpi,
            other,
            n_rows: n,
            spearman: spread === 0 ? null : twelveDigits(together / Math.sqrt(spread)),
          });
        }
      }
      await run("drop table pair_rank");
    }
    await writeTable(
      context,
      "validation.kpi_rank_pair",
      { definition: "varchar", kpi: "varchar", other: "varchar", n_rows: "bigint", spearman: "double" },
      rows,
    );
  },
};

/**
 * validation.kpi_pair: the primary definition's pairs with the number of the group that holds both, null when none does.
 * Groups join by average linkage of 1 - |rho| while that is at most .3; they are numbered in the order of the book.
 */
export const groupKpis: Step = {
  kind: "step",
  name: "validation.group_kpis",
  depends: ["features.kpi_definition", "validation.definition", "validation.kpi_rank_pair"],
  params: [],
  produces: ["validation.kpi_pair"],
  version: "1",
  async run(context) {
    const ids = await context.query<{ id: string }>("select id from features.kpi_definition order by kpi_no");
    const pairs = await context.query<{ kpi: string; other: string; n_rows: number; spearman: number | null }>(`
select p.kpi, p.other, p.n_rows, p.spearman
from validation.kpi_rank_pair as p
inner join validation.definition as d on d.definition = p.definition and d.is_primary
inner join features.kpi_definition as k on k.id = p.kpi
inner join features.kpi_definition as o on o.id = p.other
order by k.kpi_no, o.kpi_no`);
    const rho = new Map(pairs.flatMap((p) => [both(p.kpi, p.other, p.spearman), both(p.other, p.kpi, p.spearman)]));
    const groups = linked(
      ids.map(({ id }) => id),
      (a, b) => Math.abs(rho.get(`${a} ${b}`) ?? 0),
    );
    const groupOf = new Map(groups.flatMap((members, i) => members.map((id) => [id, i + 1] as const)));
    await writeTable(
      context,
      "validation.kpi_pair",
      { kpi: "varchar", other: "varchar", n_rows: "bigint", spearman: "double", group: "integer" },
      pairs.map((pair) => {
        const group = groupOf.get(pair.kpi);
        return { ...pair, group: group !== undefined && group === groupOf.get(pair.other) ? group : null };
      }),
    );
  },
};

/** Groups of at least two: average linkage, merged while the mean |rho| between two groups is at least {@link alike}. */
export function linked(
  ids: readonly string[],
  similarity: (a: string, b: string) => number,
): readonly (readonly string[])[] {
  let groups: readonly (readonly string[])[] = ids.map((id) => [id]);
  for (;;) {
    let best: { readonly i: number; readonly j: number; readonly mean: number } | undefined;
    for (const [i, a] of groups.entries()) {
      for (const [j, b] of groups.entries()) {
        if (j <= i) continue;
        const sum = a.reduce((s, x) => s + b.reduce((t, y) => t + similarity(x, y), 0), 0);
        const mean = Math.round((sum / (a.length * b.length)) * 1e10) / 1e10;
        if (mean >= alike && (best === undefined || mean > best.mean)) best = { i, j, mean };
      }
    }
    if (best === undefined) return groups.filter((members) => members.length > 1);
    const { i, j } = best;
    const merged = [...(groups[i] ?? []), ...(groups[j] ?? [])];
    groups = groups.map((members, k) => (k === i ? merged : members)).filter((_, k) => k !== j);
  }
}
