import { html } from "htl";
import { actionGroups } from "../bands.js";
import { pairLine } from "../charts/pair-line.js";
import { type Range, valueRanges } from "../charts/value-ranges.js";
import { type Column, figure, sqlBlock } from "../figure.js";
import { bound, count, date, missing, monthSpan, onHundred, percent, plural } from "../format.js";
import type { Kpi, KpiLead, KpiPeriod, KpiRange, KpiSegment, Release } from "../rows.js";
import { isTested } from "../sentences.js";
import { caption, section } from "./parts.js";

export interface KpiData {
  readonly kpi: Kpi;
  readonly ranges: readonly KpiRange[];
  readonly leads: readonly KpiLead[];
  readonly periods: readonly KpiPeriod[];
  readonly segments: readonly KpiSegment[];
}

/** One KPI: its sentence, what happened by value, when the link shows, whether it lasts, and how it is made. */
export function kpiPage(data: KpiData, release: Release): HTMLElement {
  const { kpi } = data;
  const group = actionGroups.find((g) => g.group === kpi.action_group) ?? actionGroups[4];
  return html`<div class="report">
    <p class="crumb"><a href="./index.html">All KPIs</a></p>
    <h1>${kpi.label}</h1>
    <p class="verdict-line"><span class="badge" style=${{ background: group.colour }}>${kpi.action_group}</span> <span class="verdict-label">${kpi.verdict_label ?? "Not enough data"}</span></p>
    <p class="lede">${kpi.sentence ?? "Not tested in this release."}</p>
    ${kpi.small_print === null || !isTested(kpi) ? null : html`<p class="small-print">${kpi.small_print}</p>`}
    ${rangeFigure(data, release)}
    ${isTested(kpi) ? [leadFigure(data, release), periodFigure(data), segmentFigure(data)] : null}
    ${definition(kpi)}
    ${kpi.sql_text === null ? null : section("SQL", sqlBlock("How the KPI is computed for every account and snapshot", kpi.sql_text))}
  </div>` as HTMLElement;
}

/** Value ranges in words, lowest first, then the rows without a value. A bound that is missing is an open end. */
export function rangeLabels(ranges: readonly KpiRange[]): readonly Range[] {
  const ordered = [...ranges.filter((r) => !r.is_missing), ...ranges.filter((r) => r.is_missing)];
  return ordered.map(
    (r): Range => ({
      label: rangeLabel(r),
      isMissing: r.is_missing,
      rate: r.rate,
      rate_low: r.rate_low,
      rate_high: r.rate_high,
      expected_rate: r.expected_rate,
      n_accounts: r.n_accounts,
    }),
  );
}

function rangeLabel({ is_missing, value_from: from, value_to: to }: KpiRange): string {
  if (is_missing) return "no value";
  if (from === null) return to === null ? "any value" : `up to ${bound(to)}`;
  if (to === null) return `${bound(from)} and more`;
  return from === to ? bound(from) : `${bound(from)} to ${bound(to)}`;
}

function rangeFigure({ kpi, ranges }: KpiData, release: Release): HTMLElement {
  const seen = new Map<string, number>();
  // Two ranges may round to the same words; a band axis needs them apart.
  const rows = rangeLabels(ranges).map((row) => {
    const n = (seen.get(row.label) ?? 0) + 1;
    seen.set(row.label, n);
    return n === 1 ? row : { ...row, label: `${row.label} (${n})` };
  });
  const from = release.gap_days;
  const to = release.gap_days + release.horizon_days;
  const known = rows.filter((r) => !r.isMissing && r.rate !== null);
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { name: kpi.unit, text: (r) => r.label },
    { name: "Left", text: (r) => percent(r.rate), value: (r) => r.rate, isNumber: true },
    {
      name: "95 % interval",
      text: (r) => (r.rate_low === null ? missing : `${percent(r.rate_low)} to ${percent(r.rate_high)}`),
    },
    { name: "Like accounts", text: (r) => percent(r.expected_rate), value: (r) => r.expected_rate, isNumber: true },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
  ];
  return figure({
    title: `Leaving by value of ${kpi.label}`,
    subtitle: `share of account-months followed by a decision to leave ${from} to ${to} days later; dot with 95 % interval, tick: what accounts of the same size, age and segment did`,
    alt:
      known.length === 0
        ? "No value range could be computed."
        : `From ${percent(known[0]?.rate)} in the lowest range (${known[0]?.label}) to ${percent(known.at(-1)?.rate)} in the highest (${known.at(-1)?.label}).`,
    chart: rows.length === 0 ? null : (width) => valueRanges(rows, { width, unit: kpi.unit }),
    empty: "No account-month with a complete outcome window has a value of this KPI.",
    table: { name: `${kpi.kpi}-ranges`, rows, columns },
  });
}

const pairColumns = <
  T extends {
    readonly label: string;
    readonly auc: number | null;
    readonly auc_low: number | null;
    readonly auc_high: number | null;
    readonly n_churned: number;
  },
>(
  first: string,
): readonly Column<T>[] => [
  { name: first, text: (r) => r.label },
  { name: "Of 100 pairs, leavers had more", text: (r) => onHundred(r.auc), value: (r) => r.auc, isNumber: true },
  {
    name: "95 % interval",
    text: (r) => (r.auc_low === null ? missing : `${onHundred(r.auc_low)} to ${onHundred(r.auc_high)}`),
  },
  { name: "Churned accounts", text: (r) => count(r.n_churned), value: (r) => r.n_churned, isNumber: true },
];

function leadFigure({ kpi, leads }: KpiData, release: Release): HTMLElement | null {
  const rows = [...leads]
    .sort((a, b) => b.months_before - a.months_before)
    .map((lead) => ({
      ...lead,
      label: String(lead.months_before),
      isInGap: lead.months_before * 30 <= release.gap_days,
    }));
  if (rows.every(({ auc }) => auc === null)) return null;
  const drawn = rows.filter(({ auc }) => auc !== null);
  return figure({
    title: "How early it shows",
    subtitle: "months before the decision, leavers beside like accounts that stayed; 50 is a coin toss",
    alt: drawn.map((r) => `${r.label} months before: ${onHundred(r.auc)} of 100.`).join(" "),
    chart: (width) => pairLine(rows, { width, label: "months before the decision", connect: true }),
    table: { name: `${kpi.kpi}-lead-time`, rows, columns: pairColumns("Months before") },
  });
}

function periodFigure({ kpi, periods }: KpiData): HTMLElement | null {
  const rows = periods.map((period) => ({
    ...period,
    label: monthSpan(monthOf(period.first_on), monthOf(period.last_on), true),
  }));
  if (rows.filter(({ auc }) => auc !== null).length < 2) return null;
  return figure({
    title: "Does it last?",
    subtitle: "like for like by period (quarters are merged until each has enough churned accounts); 50 is a coin toss",
    alt: rows.map((r) => `${r.label}: ${onHundred(r.auc)} of 100.`).join(" "),
    chart: (width) => pairLine(rows, { width, label: "period of the snapshots", connect: false }),
    table: { name: `${kpi.kpi}-periods`, rows, columns: pairColumns("Period") },
  });
}

const monthOf = (iso: string): string => `${iso.slice(0, 7)}-01`;

function segmentFigure({ kpi, segments }: KpiData): HTMLElement | null {
  const rows = segments.map((segment) => ({ ...segment, label: segment.segment }));
  if (rows.length < 2 || rows.every(({ auc }) => auc === null)) return null;
  return figure({
    title: "Is it the same in every segment?",
    subtitle: "like for like within each segment; intervals only, no verdicts; 50 is a coin toss",
    alt: rows.map((r) => `${r.label}: ${onHundred(r.auc)} of 100.`).join(" "),
    chart: (width) => pairLine(rows, { width, label: "segment", connect: false }),
    table: { name: `${kpi.kpi}-segments`, rows, columns: pairColumns("Segment") },
  });
}

function definition(kpi: Kpi): HTMLElement {
  const facts: readonly (readonly [string, string])[] = [
    ["What", kpi.description],
    [
      "Measure",
      `${kpi.measure} of ${kpi.entity}${kpi.window_days === null ? "" : `, the ${kpi.window_days} days before the snapshot`}`,
    ],
    ["Unit", kpi.unit],
    ["Kind", `${kpi.kind}, ${kpi.side}`],
    ["Thought healthier", kpi.healthier === "tested" ? "no opinion: history decides" : kpi.healthier],
    ["Has a value", `${percent(kpi.coverage)} of account-months`],
    ["Version", String(kpi.version)],
    ...(kpi.strength === null ? [] : [["Strength", kpi.strength] as const]),
    [
      "This verdict",
      kpi.held === null
        ? "no earlier validation to compare with"
        : `held at ${kpi.held} of the last 6 month starts${kpi.first_seen_on === null ? "" : `, first seen ${date(kpi.first_seen_on)}`}`,
    ],
    ...(kpi.badges === null || kpi.badges === "" ? [] : [["Marks", kpi.badges.replaceAll("_", " ")] as const]),
    ...(kpi.reason === null ? [] : [["Reason", kpi.reason.replaceAll("_", " ")] as const]),
  ];
  return section(
    "Definition",
    html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>` as Node,
    caption(
      kpi.n_accounts === null ? "" : `${plural(kpi.n_accounts, "account")} have a value and a complete outcome window.`,
    ),
  );
}
