import { exactMoney } from "../config/currency.ts";
import { toMillionths } from "../scores/exact.ts";
import { type ExplainedLine, type Explanation, explainAccount, type Since } from "../scores/explain.ts";
import { lostInShowing, shownTenths, signedTenths, toTenths } from "../scores/shown.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { wrap } from "./table.ts";

/** Why one account has its score, and with `since` why it is another one than then. */
export async function explain(
  context: Context,
  name: string,
  account: string,
  options: BookOptions & {
    readonly at?: string;
    readonly since?: string;
    readonly scorecard?: string;
    readonly days?: number;
    readonly json?: boolean;
  },
): Promise<void> {
  const { database } = await openRelease(context, name, options);
  try {
    const { at, since, scorecard, days } = options;
    const answer = await explainAccount({ query: database.query, account, at, since, scorecard, days });
    context.print(options.json ? JSON.stringify(answer, null, 2) : describeExplanation(answer));
  } finally {
    database.close();
  }
}

const width = 112;
const shown = (value: number): string => shownTenths(toMillionths(value));
/** A KPI's value: as it is, with at most two digits. */
const plain = (value: number): string => String(Math.round(value * 100) / 100);
const percent = (share: number): string => `${Math.round(share * 100)} %`;

export function withUnit(value: number | null, unit: string | null): string {
  if (value === null) return "no value";
  if (unit === "yes or no") return value === 0 ? "no" : value === 1 ? "yes" : plain(value);
  const one = value === 1 && unit !== null && /[^s]s$/.test(unit) ? unit.slice(0, -1) : unit;
  return one === null ? plain(value) : `${plain(value)} ${one}`;
}

const purposeWords: Readonly<Record<string, string>> = {
  churn_risk: "about churn risk",
  behaviour_index: "an index of behaviour, no probability of churn",
  expansion: "about expansion",
  loyalty: "about loyalty",
};

const whyWords: Readonly<Record<string, string>> = {
  not_applicable: "does not apply",
  not_yet: "not yet: too new for its window, or no row in it",
  unanswered: "asked, not answered",
  feed_broken: "its feed delivered nothing",
  no_export: "the book has no export for it",
  too_few_weeks: "too few weeks for a slope",
  not_listed: "the card has no points for this rating",
};
const whyInWords = (why: string): string => whyWords[why] ?? why.replaceAll("_", " ");

/** For a terminal: what the score is, what it is made of, what could change it, and what changed. */
export function describeExplanation(e: Explanation): string {
  const money = e.mrr_minor === null ? [] : [`${exactMoney(e.mrr_minor, e.currency)} ${e.currency} a month`];
  const head = [
    e.name === null ? e.account_id : `${e.account_id} ${e.name}`,
    ...(e.segment === null || e.segment === "all" ? [] : [e.segment]),
    ...money,
    `on ${e.snapshot_date}`,
  ].join(", ");
  const facts: (readonly [string, string])[] = [];
  const state = e.draft !== null ? `, a draft (${e.draft})` : "";
  const applies = e.is_in_force ? "" : e.draft === null ? ", not in force for it" : ", which does not apply to it";
  const purpose = purposeWords[e.purpose] ?? e.purpose;
  facts.push(["scorecard", `${e.label}, ${e.scorecard} v${e.version}, ${purpose}${state}${applies}`]);
  if (e.trend !== null) {
    const { days, from_date, from_score } = e.trend;
    facts.push(["trend", `${e.trend.words} over ${days} days (${shown(from_score)} on ${from_date})`]);
  }
  if (e.rank !== null) {
    const slope =
      e.rank.slope === null ? "" : `, ${signedTenths(toMillionths(sixDigits(e.rank.slope)))} points in 28 days`;
    facts.push(["rank", `${e.rank.place} of ${e.rank.of} in ${e.band}, the steepest fall first, then money${slope}`]);
  }
  facts.push(["known", knownInWords(e)]);
  for (const gate of gatesInWords(e)) facts.push(["gate", gate]);
  if (e.override !== null) facts.push(["override", overrideInWords(e.override)]);
  for (const { label, kind, since, value, threshold, snoozed_until } of e.flags ?? []) {
    const now = value === null ? "no value" : plain(value);
    const snoozed = snoozed_until === null ? "" : `, snoozed until ${snoozed_until}`;
    facts.push(["flag", `${label} (${kind}) since ${since}: ${threshold}, now ${now}${snoozed}`]);
  }
  const evidence = evidenceInWords(e);
  if (evidence !== null) facts.push(["evidence", evidence]);
  if (e.validation !== null) facts.push(["history", e.validation]);
  if (e.sign_off?.is_expired) facts.push(["sign-off", `expired on ${e.sign_off.until}: review the scorecard`]);
  const labelled = facts.map(([label, text]) => `  ${label.padEnd(10)}${wrap(text, width - 12, " ".repeat(12))}`);
  return [
    head,
    `${scoreInWords(e)}`,
    ...labelled,
    ...(e.parts.length === 0 ? [] : ["", ...partLines(e)]),
    ...(e.since === null ? [] : ["", ...sinceLines(e, e.since)]),
  ].join("\n");
}

const sixDigits = (value: number): number => Math.round(value * 1e6) / 1e6;

function scoreInWords(e: Explanation): string {
  const edges = e.band_edges === null ? "" : ` (${e.band} is ${e.band_edges}, on ${e.scale_from} to ${e.scale_to})`;
  if (e.score === null) {
    const band = e.band === "unknown" ? "band unknown" : `band ${e.band}`;
    return `NO SCORE, ${band}: ${percent(e.coverage)} of the weight is known, ${percent(e.coverage_floor)} needed; it could be ${rangeOf(e)}`;
  }
  return `${shown(e.score)} ${e.band.toUpperCase()}${edges}`;
}
const rangeOf = ({ score_low, score_high }: Pick<Explanation, "score_low" | "score_high">): string =>
  score_low === score_high ? shown(score_low) : `anything from ${shown(score_low)} to ${shown(score_high)}`;

function knownInWords(e: Explanation): string {
  if (e.missing.length === 0) return "every KPI of the card has a value";
  const list = e.missing.map(({ label, why, share }) => `${label} (${whyInWords(why)}; ${plain(share)} of 100 points)`);
  const range =
    e.score === null ? "" : `; with ${e.missing.length === 1 ? "it" : "them"} the score would be ${rangeOf(e)}`;
  return `${percent(e.coverage)} of the weight${range}. Without a value: ${list.join(", ")}`;
}

/** One sentence a gate that did not pass: "failed ...: would be 74.0 yellow without the gate". */
function gatesInWords(e: Explanation): readonly string[] {
  return e.gates.flatMap(({ id, label, value, state, min, max, score, band }) => {
    if (state === "passed") return [];
    const limit =
      min !== null && (value === null || value < min) ? `at least ${plain(min)}` : `at most ${plain(max ?? 0)}`;
    const holds = score === null ? `band ${band} or worse` : `${plain(score)} at most`;
    if (state === "unknown") return [`${id} cannot be told: ${label} has no value (${limit} needed, else ${holds})`];
    const failed = `${id} failed: ${label} is ${plain(value ?? 0)}, ${limit} needed`;
    if (e.score === null) return [`${failed}; it takes nothing where there is no score`];
    if (e.gated_by !== id) return [`${failed}; it takes nothing more`];
    return [`${failed}; would be ${shown(e.score_before ?? e.score)} ${e.band_before} without the gate`];
  });
}

function overrideInWords({
  band,
  card_band,
  author,
  reason,
  from_on,
  expires_on,
}: NonNullable<Explanation["override"]>): string {
  const span = [
    from_on === null ? "" : ` from ${from_on}`,
    expires_on === null ? ", no end" : ` until ${expires_on}`,
  ].join("");
  return `${author} set the band to ${band}, the card says ${card_band}${span}: ${reason ?? "no reason given"}`;
}

const adviceOf: Readonly<Record<string, string>> = {
  "Use with care": "to be used with care",
  "Score differently": "to be scored differently",
  "Leave out": "better left out",
  "Not known": "not known",
};

/** "0 of 100 points rest on an early warning; 30 to be used with care, 40 better left out". */
function evidenceInWords(e: Explanation): string | null {
  const [use, ...others] = e.evidence;
  if (use === undefined) return null;
  const rest = others.flatMap(({ action_group, points }) =>
    points === 0 ? [] : [`${Math.round(points)} ${adviceOf[action_group]}`],
  );
  return `${Math.round(use.points)} of 100 points rest on an early warning${rest.length === 0 ? "" : `; ${rest.join(", ")}`}`;
}

/** Columns of text, numbers to the right. */
function columns(rows: readonly (readonly string[])[], right: readonly boolean[]): readonly string[] {
  const widths = right.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  return rows.map((row) =>
    row
      .map((text, i) => (right[i] ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)))
      .join("  ")
      .trimEnd(),
  );
}

function partLines(e: Explanation): readonly string[] {
  const isMean = e.combine === "weighted_mean";
  const contributions = e.parts.map(({ contribution }) => toMillionths(contribution));
  const isShown = (i: number): boolean =>
    e.parts[i]?.kind !== "rounding" || toTenths(contributions[i] as bigint) !== 0n;
  const rows = e.parts.flatMap((part, i) => {
    if (!isShown(i)) return [];
    const { kind, kpi, label, points, weight } = part;
    const name =
      kind === "kpi" || kind === "gate"
        ? `${kind === "gate" ? "gate: " : ""}${label ?? kpi ?? kind}`
        : `${nameOf[kind] ?? kind}${part.group_id === null ? "" : ` of ${part.group_id}`}`;
    const amount = kind === "kpi" ? withUnit(part.value, part.unit) : part.value === null ? "" : plain(part.value);
    const scored = kind !== "kpi" ? "" : points === null ? "not scored" : shown(points);
    const share =
      kind !== "kpi" || points === null ? "" : isMean ? `${plain(weight ?? 0)} %` : `x ${plain(weight ?? 1)}`;
    const adds = kind === "kpi" ? shown(part.contribution) : signedTenths(contributions[i] as bigint);
    return [[`  ${name}`, amount, scored, share, adds, part.action_group ?? ""]];
  });
  const told = contributions.filter((_, i) => isShown(i));
  const lost = lostInShowing(told, toTenths(toMillionths(e.score ?? 0)));
  return columns(
    [
      ["PARTS", "value", "points", "weight", "adds", "history says"],
      ...rows,
      ...(lost === 0n ? [] : [["  rounding to one digit", "", "", "", signedTenths(lost), ""]]),
      ["  score", "", "", "", shown(e.score ?? 0), ""],
    ],
    [false, false, true, true, true, false],
  );
}
const nameOf: Readonly<Record<string, string>> = {
  start: "start",
  clamp: "held at its limit",
  rounding: "rounding",
};

const causeWords: Readonly<Record<string, string>> = {
  behaviour: "behaviour",
  missing_data: "missing data",
  definition: "definition",
  assignment: "assignment",
  gate: "gate",
  override: "override",
};

/** The ledger: lines of causes that sum to the difference of the two scores as they are shown. */
function sinceLines(e: Explanation, since: Since): readonly string[] {
  const then = since.score === null ? "no score" : `${shown(since.score)} ${since.band}`;
  const now = e.score === null ? "no score" : `${shown(e.score)} ${e.band}`;
  const head = `SINCE ${since.snapshot_date}: ${then} -> ${now}`;
  if (since.difference === null || since.score === null || e.score === null) return [head, ...untoldLines(e, since)];
  const difference = toTenths(toMillionths(e.score)) - toTenths(toMillionths(since.score));
  const amounts = since.lines.map(({ amount }) => toMillionths(amount));
  const lost = lostInShowing(amounts, difference);
  const rows = since.lines.map((line, i) => [
    `  ${causeWords[line.cause] ?? line.cause}`,
    lineInWords(line),
    signedTenths(amounts[i] as bigint),
  ]);
  return columns(
    [
      [head, "", ""],
      ...(rows.length === 0 ? [["  nothing", "that the scorecard reads changed", "0.0"]] : rows),
      ...(lost === 0n ? [] : [["  rounding", "to one digit", signedTenths(lost)]]),
      ["  difference", "", signedTenths(difference * 100_000n)],
    ].map(([a, b, c], i) => (i === 0 ? ["", "", ""] : [a as string, b as string, c as string])),
    [false, false, true],
  ).map((line, i) => (i === 0 ? head : line));
}

/** An end without a score has no difference: what became known or unknown, and how far the range reaches. */
function untoldLines(e: Explanation, since: Since): readonly string[] {
  const listed = (label: string, kpis: readonly string[]): readonly string[] =>
    kpis.length === 0 ? [] : [`  ${label.padEnd(14)}${kpis.join(", ")}`];
  const [from, to] = [
    [since.score ?? since.score_low, since.score ?? since.score_high],
    [e.score ?? e.score_low, e.score ?? e.score_high],
  ] as const;
  const signed = (value: number): string => signedTenths(toMillionths(sixDigits(value)));
  const known = `${percent(since.coverage)} of the weight known then, ${percent(e.coverage)} now`;
  const isComparable = since.scorecard === e.scorecard && since.version === e.version;
  const reach = isComparable ? `; anything from ${signed(to[0] - from[1])} to ${signed(to[1] - from[0])}` : "";
  return [
    `  no difference can be told: ${known}${reach}`,
    ...listed("became known", since.became_known),
    ...listed("became unknown", since.became_unknown),
    ...since.lines.map((line) => `  ${(causeWords[line.cause] ?? line.cause).padEnd(14)}${lineInWords(line)}`),
  ];
}

function lineInWords(line: ExplainedLine): string {
  const { cause, label, kpi, unit, value_from, value_to, from, to, includes } = line;
  const name = label ?? kpi ?? "";
  switch (cause) {
    case "behaviour":
      if (value_from === value_to)
        return `${name}: ${withUnit(value_to, unit)} as before, its points moved with the other accounts or its own past`;
      return `${name}: ${plain(value_from ?? 0)} -> ${withUnit(value_to, unit)}`;
    case "missing_data": {
      const told = (value: number | null, why: string | null): string =>
        `${withUnit(value, unit)}${why === null ? "" : ` (${whyInWords(why)})`}`;
      return `${name}: ${told(value_from, line.why_from)} -> ${told(value_to, line.why_to)}`;
    }
    case "gate":
      if (from === null) return `${to} failed`;
      if (to === null) return `${from} passed again`;
      return from === to ? `${to} still failed, and took another amount` : `${from} -> ${to}`;
    case "override":
      if (from === null) return `band set to ${to}: an override never moves a score`;
      return to === null
        ? `band no longer set to ${from}`
        : from === to
          ? `band still set to ${to}`
          : `band set to ${from} -> ${to}`;
    default: {
      const also = includes.map((step) => causeWords[step]).join(", ");
      return `${from} -> ${to}${also === "" ? "" : ` (with ${also}: ${from} has no score now)`}`;
    }
  }
}
