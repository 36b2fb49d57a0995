/** What a trial found, counted: who was called what, and the bars. Pure: results in, tables out. */
import type { SimulateOptions } from "../simulate/simulate.ts";
import { atLeast, atMost, exactInterval } from "../validation/binomial.ts";

/** One KPI of one seed: what was planted and what was said. */
export interface KpiResult {
  readonly kpi: string;
  readonly role: string;
  readonly expected: readonly string[];
  readonly verdict: string;
  readonly rule: string;
  readonly auc: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly crude: number | null;
  readonly late: number | null;
  readonly churned: number;
}

export interface SeedResult {
  readonly kind: SimulateOptions["kind"];
  readonly accounts: number;
  readonly seed: number;
  /** Hash of the code that made it. */
  readonly code: string;
  readonly assay: string;
  readonly duckdb: string;
  /** Churned accounts with a complete outcome window, of the KPI that has most. */
  readonly churned: number;
  readonly seconds: number;
  readonly kpis: readonly KpiResult[];
}

/** A demand on the rates. */
interface Bar {
  readonly what: string;
  readonly side: "at least" | "at most";
  readonly limit: number;
  /** What each seed contributes: yes or no per KPI that the bar is about, or one number. */
  readonly of: (seed: SeedResult) => readonly (boolean | number)[];
  /**
   * `exact`: fails if so few (or many) had a probability of at most .025 were the true rate the limit. `plain`: fails if the rate is
   * beyond the limit. `noise`: fails beyond the limit and two standard errors of it.
   */
  readonly rule: "exact" | "plain" | "noise";
}

export interface MeasuredBar {
  readonly what: string;
  readonly limit: string;
  readonly rate: string;
  readonly k: number | null;
  readonly n: number;
  /** The exact 95 % interval of the rate; null for means. */
  readonly low: number | null;
  readonly high: number | null;
  readonly p: number | null;
  readonly holds: boolean;
}

export interface Trial {
  readonly kind: SimulateOptions["kind"];
  readonly accounts: number;
  readonly seeds: number;
  readonly versions: { readonly assay: string; readonly duckdb: string };
  readonly churned: { readonly least: number; readonly mean: number; readonly most: number };
  readonly kpis: readonly {
    readonly kpi: string;
    readonly role: string;
    /** Means over the seeds: over all accounts, like for like, and in the days before the decision. */
    readonly crude: number | null;
    readonly adjusted: number | null;
    readonly late: number | null;
    readonly asExpected: number;
    readonly verdicts: Readonly<Record<string, number>>;
  }[];
  readonly bars: readonly MeasuredBar[];
}

const positive = (verdict: string): boolean => verdict === "predicts" || verdict === "weak";
/** Rows 9 to 13 and 18 of the decision table: something is said of the KPI that rests on the primary family. */
const claims = new Set(["confounded_by_use", "reversed_adjusted", "misleading", "predicts", "weak", "redundant"]);
/** What a world without effects should hardly ever show. */
const findings = new Set([...claims, "non_monotone", "unstable_time", "unstable_segment", "missingness"]);
/** Roles whose KPIs have nothing to do with leaving among like accounts, at the lead that counts. */
const withoutEffect = new Set(["noise", "late", "tenure", "size", "constant", "segment", "late_use"]);

const ofRole = (seed: SeedResult, ...roles: readonly string[]): readonly KpiResult[] =>
  seed.kpis.filter(({ role }) => roles.includes(role));
const isVerdict =
  (roles: readonly string[], ...verdicts: readonly string[]) =>
  (seed: SeedResult): readonly boolean[] =>
    ofRole(seed, ...roles).map(({ verdict }) => verdicts.includes(verdict));
const isPositive =
  (...roles: readonly string[]) =>
  (seed: SeedResult): readonly boolean[] =>
    ofRole(seed, ...roles).map(({ verdict }) => positive(verdict));
/** Exactly one of the twins is called a warning, the other its copy. */
const keepsOneTwin = (seed: SeedResult): readonly boolean[] => {
  const twins = ofRole(seed, "causal", "twin").map(({ verdict }) => verdict);
  return [
    twins.length === 2 && twins.filter(positive).length === 1 && twins.filter((v) => v === "redundant").length === 1,
  ];
};
/** Claims with a sign: of a KPI of which more is healthier, A lies below one half. */
const claimsSign =
  (role: string, sign: -1 | 1) =>
  (seed: SeedResult): readonly boolean[] =>
    ofRole(seed, role).map(
      ({ verdict, auc }) =>
        auc !== null &&
        Math.sign(auc - 0.5) === sign &&
        (sign === -1 ? positive(verdict) || verdict === "reversed_adjusted" : claims.has(verdict)),
    );
const falseDiscoveries = (seed: SeedResult): readonly number[] => {
  const claimed = seed.kpis.filter(({ verdict }) => claims.has(verdict));
  return [claimed.filter(({ role }) => withoutEffect.has(role)).length / Math.max(1, claimed.length)];
};
const covers = (seed: SeedResult): readonly boolean[] =>
  ofRole(seed, "noise").flatMap(({ low, high }) => (low === null || high === null ? [] : [low <= 0.5 && high >= 0.5]));

const bar = (
  what: string,
  side: Bar["side"],
  limit: number | null,
  of: Bar["of"],
  rule: Bar["rule"] = "exact",
): readonly Bar[] => (limit === null ? [] : [{ what, side, limit, of, rule }]);

/** The bars of the planted world at about 260 and about 1,000 churned accounts. */
const plantedBars = (size: 260 | 1000): readonly Bar[] => {
  const at = <T>(small: T, large: T): T => (size === 260 ? small : large);
  return [
    ...bar(
      "causal: early warning, or the same as its twin",
      "at least",
      at(0.85, 0.97),
      isVerdict(["causal"], "predicts", "redundant"),
    ),
    ...bar("causal and twin: exactly one kept", "at least", at(0.8, 0.9), keepsOneTwin),
    ...bar("moderate: early or weak warning", "at least", at(0.4, 0.95), isPositive("moderate")),
    ...bar("trend: early or weak warning", "at least", at(0.4, 0.9), isPositive("trend")),
    ...bar("rare: early or weak warning", "at least", at(null, 0.7), isPositive("rare")),
    ...bar("wrong way: misleading", "at least", at(0.65, 0.95), isVerdict(["wrong_way"], "misleading")),
    ...bar("wrong way: called a warning", "at most", 0.01, isPositive("wrong_way")),
    ...bar(
      "late: late alarm or leak",
      "at least",
      at(0.92, 0.98),
      isVerdict(["late"], "late_only", "mostly_late", "leaks", "too_good"),
    ),
    ...bar("late: called a warning", "at most", 0.01, isPositive("late")),
    ...bar("tenure: confounded", "at least", 0.95, isVerdict(["tenure"], "confounded")),
    ...bar("tenure: called a warning", "at most", 0.02, isPositive("tenure")),
    ...bar("size: confounded", "at least", 0.95, isVerdict(["size"], "confounded")),
    ...bar("size: called a warning", "at most", 0.02, isPositive("size")),
    ...bar("reversed by the mix: right sign", "at least", at(0.65, 0.95), claimsSign("reversed", -1)),
    ...bar("reversed by the mix: wrong sign", "at most", 0.01, claimsSign("reversed", 1)),
    ...bar(
      "reversed by the mix: said to be so",
      "at least",
      at(null, 0.8),
      isVerdict(["reversed"], "reversed_adjusted"),
    ),
    ...bar("both ends: warning at both ends", "at least", at(0.4, 0.95), isVerdict(["both_ends"], "non_monotone")),
    ...bar("silence: silence is the signal", "at least", at(0.35, 0.92), isVerdict(["silence"], "missingness")),
    ...bar("faded: unstable over time", "at least", at(0.25, 0.92), isVerdict(["faded"], "unstable_time")),
    ...bar("constant: not tested", "at least", 1, isVerdict(["constant"], "not_tested")),
    ...bar("noise: called a warning", "at most", at(0.018, 0.025), isPositive("noise")),
    ...bar("noise: called an early warning", "at most", 0.005, isVerdict(["noise"], "predicts")),
    ...bar("false claims among all claims, mean of the seeds", "at most", 0.05, falseDiscoveries, "noise"),
    ...coverage,
  ];
};

const coverage: readonly Bar[] = [
  ...bar("noise: the 95 % interval holds one half", "at least", 0.93, covers),
  ...bar("noise: the 95 % interval holds one half", "at most", 0.97, covers),
];

/** A world in which no KPI matters; use still falls after the decision, which is a late alarm and no false claim. */
const nullBars: readonly Bar[] = [
  ...bar(
    "any claim of the primary family",
    "at most",
    0.05,
    (seed) => [seed.kpis.some(({ verdict }) => claims.has(verdict))],
    "noise",
  ),
  ...bar("any claim, or a finding of shape, time, segment or silence", "at most", 0.12, (seed) => [
    seed.kpis.some(({ verdict }) => findings.has(verdict)),
  ]),
  ...coverage,
];

/** The demo: each planted row by itself holds in 27 of 30 seeds. */
const plainRoles = [
  "size",
  "both_ends",
  "late",
  "causal",
  "twin",
  "silence",
  "wrong_way",
  "reversed",
  "faded",
  "constant",
];
const plainBars: readonly Bar[] = [
  ...plainRoles.flatMap((role) =>
    bar(
      `${role}: as expected`,
      "at least",
      0.9,
      (seed) => ofRole(seed, role).map((k) => k.expected.includes(k.verdict)),
      "plain",
    ),
  ),
  ...bar("causal and twin: exactly one kept", "at least", 0.9, keepsOneTwin, "plain"),
  ...bar("noise: called an early warning (3 of 150)", "at most", 3 / 150, isVerdict(["noise"], "predicts"), "plain"),
  ...bar("noise: any claim (8 of 150)", "at most", 8 / 150, isVerdict(["noise"], ...claims), "plain"),
];

/** The bars that a trial of this kind and size has to meet; none where none was ever set. */
export function barsOf(kind: SimulateOptions["kind"], churned: number): readonly Bar[] {
  if (kind === "plain") return churned >= 500 ? plainBars : [];
  if (kind === "null" || kind === "planted_null") return churned >= 50 ? nullBars : [];
  if (kind !== "planted") return [];
  if (churned >= 200 && churned < 500) return plantedBars(260);
  return churned >= 800 && churned < 1500 ? plantedBars(1000) : [];
}

/** Why a trial has no bars, as the end of a sentence. */
export const whyNoBars = (kind: SimulateOptions["kind"], churned: number): string =>
  kind === "tiny"
    ? "a tiny book has too little data for any verdict but not_tested"
    : `those of ${kind} are for other numbers of churned accounts than ${churned} (planted: 200 to 500, and 800 to 1,500; plain: from 500 on; null: from 50 on)`;

/** Everything counted over the seeds. */
export function summarize(kind: SimulateOptions["kind"], accounts: number, results: readonly SeedResult[]): Trial {
  const churned = results.map((result) => result.churned);
  const mean = Math.round(meanOf(churned) ?? 0);
  const [first] = results;
  return {
    kind,
    accounts,
    seeds: results.length,
    versions: { assay: first?.assay ?? "", duckdb: first?.duckdb ?? "" },
    churned: { least: Math.min(...churned), mean, most: Math.max(...churned) },
    kpis: (first?.kpis ?? []).map(({ kpi, role }) => {
      const cells = results.flatMap((result) => result.kpis.filter((row) => row.kpi === kpi));
      const verdicts: Record<string, number> = {};
      for (const { verdict } of cells) verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
      return {
        kpi,
        role,
        crude: threeDigits(meanOf(cells.map((cell) => cell.crude))),
        adjusted: threeDigits(meanOf(cells.map((cell) => cell.auc))),
        late: threeDigits(meanOf(cells.map((cell) => cell.late))),
        asExpected: cells.filter(({ expected, verdict }) => expected.includes(verdict)).length / cells.length,
        verdicts,
      };
    }),
    bars: barsOf(kind, mean).map((one) => measure(one, results)),
  };
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;

function measure({ what, side, limit, of, rule }: Bar, results: readonly SeedResult[]): MeasuredBar {
  const cells = results.flatMap(of);
  const n = cells.length;
  const rate = meanOf(cells.map(Number)) ?? 0;
  const isCount = cells.every((cell) => typeof cell === "boolean");
  const k = cells.filter((cell) => cell === true).length;
  const missed = side === "at least" ? limit - rate : rate - limit;
  // A count's error is that of a share at the limit; a mean's comes from its spread over the seeds.
  const se = isCount ? Math.sqrt((limit * (1 - limit)) / Math.max(1, n)) : standardError(cells.map(Number));
  const p = rule === "exact" ? (side === "at least" ? atMost(k, n, limit) : atLeast(k, n, limit)) : null;
  const shown = `${side} ${percent(limit)}`;
  return {
    what,
    limit: rule === "noise" ? `${shown} + 2 standard errors` : rule === "plain" ? `${shown}, as measured` : shown,
    rate: percent(rate),
    k: isCount ? k : null,
    n,
    low: isCount ? exactInterval(k, n).low : null,
    high: isCount ? exactInterval(k, n).high : null,
    p,
    holds: p !== null ? p > 0.025 : rule === "noise" ? missed <= 2 * se : missed <= 1e-12,
  };
}

const meanOf = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
};

const standardError = (values: readonly number[]): number => {
  if (values.length < 2) return 0;
  const mean = meanOf(values) as number;
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1) / values.length);
};

const threeDigits = (value: number | null): number | null => (value === null ? null : Math.round(value * 1000) / 1000);
