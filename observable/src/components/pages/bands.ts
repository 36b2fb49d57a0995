import { html } from "htl";
import { actionGroups, bandStyles, styleOf } from "../bands.js";
import { bandsOverTime } from "../charts/bands-over-time.js";
import { rateTop } from "../charts/frame.js";
import { ledger } from "../charts/ledger.js";
import { weightOnEvidence } from "../charts/weight.js";
import { type Column, figure, legend, tableWithCsv } from "../figure.js";
import { count, date, missing, percent, points } from "../format.js";
import { paragraph, plain } from "../prose.js";
import type {
  Band,
  BandChange,
  BandMonth,
  BandOutcome,
  Release,
  Scorecard,
  ScorecardKpi,
  ScorecardState,
  Statement,
  WeightOnEvidence,
} from "../rows.js";
import {
  assignedCards,
  distributionSentence,
  ledgerOf,
  ledgerSentence,
  stateSentence,
  weightSentence,
} from "../sentences.js";
import { caption, section, sqlSection } from "./parts.js";

export interface BandsData {
  readonly release: readonly Release[];
  readonly band: readonly Band[];
  readonly band_change: readonly BandChange[];
  readonly band_month: readonly BandMonth[];
  readonly band_outcome: readonly BandOutcome[];
  readonly scorecard: readonly Scorecard[];
  readonly scorecard_state: readonly ScorecardState[];
  readonly scorecard_kpi: readonly ScorecardKpi[];
  readonly weight_on_evidence: readonly WeightOnEvidence[];
  readonly statement: readonly Statement[];
}

type Styles = ReturnType<typeof bandStyles>;

/** What the bands have meant: who left out of each, how they moved, what they rest on; the simple score beside. */
export function bandsPage(data: BandsData): HTMLElement {
  const release = data.release[0] as Release;
  const styles = bandStyles(data.band);
  const assigned = assignedCards(data.scorecard);
  const simple = data.scorecard.filter(({ scorecard }) => scorecard === "naive_baseline").at(-1);
  const cards = [
    ...assigned,
    ...(simple === undefined || assigned.some((c) => c.scorecard === simple.scorecard) ? [] : [simple]),
  ];
  const main = ledgerOf(data.band_outcome, assigned[0]);
  const ledgers = cards.map((card) => ({ card, rows: ledgerOf(data.band_outcome, card) }));
  const top = rateTop(ledgers.flatMap(({ rows }) => rows.flatMap((r) => [r.rate_high, r.rate])));
  return html`<div class="report">
    ${paragraph(stateSentence(data.scorecard_state, data.scorecard), "lede")}
    ${paragraph(ledgerSentence(main, styles))}
    ${paragraph(distributionSentence(data.band_month, styles))}
    ${paragraph(weightSentence(data.weight_on_evidence, data.scorecard))}
    ${caption("An unhealthy customer may renew and a healthy one may leave, for reasons no KPI sees.")}
    ${section(
      "What became of accounts, by band",
      html`<div class="pair">${ledgers.map(({ card, rows }) => ledgerFigure(card, rows, styles, top))}</div>` as Node,
    )}
    ${section(
      "Bands over time",
      html`<div class="pair">${cards.map((card) => timeFigure(card, data.band_month, styles, release))}</div>` as Node,
    )}
    ${section("Moves over 28 days", movesTable(data.band_change, styles, release))}
    ${section("What the scores rest on", weightFigure(data, cards), weightsTable(data, cards))}
    ${sqlSection(data.statement, ["marts.band_outcome", "marts.band_month", "marts.band_change", "marts.weight_on_evidence", "marts.scorecard_kpi"])}
  </div>` as HTMLElement;
}

function ledgerFigure(card: Scorecard, rows: readonly BandOutcome[], styles: Styles, top: number): HTMLElement {
  const columns: readonly Column<BandOutcome>[] = [
    { name: "Within", text: (r) => `${r.days} days`, value: (r) => r.days, isNumber: true },
    { name: "Band", text: (r) => styleOf(styles, r.band).name, value: (r) => `${r.band_no} ${r.band}` },
    { name: "Left", text: (r) => percent(r.rate), value: (r) => r.rate, isNumber: true },
    {
      name: "95 % interval",
      text: (r) => (r.rate_low === null ? missing : `${percent(r.rate_low)} to ${percent(r.rate_high)}`),
    },
    { name: "Times the rate of all", text: (r) => points(r.lift), value: (r) => r.lift, isNumber: true },
    {
      name: "Share of readings that led to leaving",
      text: (r) => percent(r.share_of_churn),
      value: (r) => r.share_of_churn,
      isNumber: true,
    },
    { name: "Churned", text: (r) => count(r.n_churned), value: (r) => r.n_churned, isNumber: true },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
    { name: "Readings", text: (r) => count(r.n_rows), value: (r) => r.n_rows, isNumber: true },
  ];
  const live = rows[0]?.mode === "as_was";
  return figure({
    title: card.label,
    subtitle: `share of readings followed by a decision to leave; dot with 95 % interval, dashed: all bands; ${live ? "as the score stood then" : "this version restated over all history"}`,
    alt: plain(ledgerSentence(rows, styles)),
    chart: rows.length === 0 ? null : (width) => ledger(rows, { width, styles, top }),
    empty: "No reading of this score has a complete window behind it yet.",
    table: { name: `ledger-${card.scorecard}`, rows, columns },
  });
}

function timeFigure(card: Scorecard, all: readonly BandMonth[], styles: Styles, release: Release): HTMLElement {
  const series = card.is_assigned ? "in_force" : card.scorecard;
  const rows = all.filter((row) => row.series === series);
  const shares = rows.map((r) => ({ snapshot_date: r.snapshot_date, band: r.band, share: r.n_accounts / r.n_total }));
  const last = rows
    .map((r) => r.snapshot_date)
    .sort()
    .at(-1);
  const now = rows.filter((r) => r.snapshot_date === last);
  const columns: readonly Column<BandMonth>[] = [
    { name: "Date", text: (r) => date(r.snapshot_date), value: (r) => r.snapshot_date },
    { name: "Band", text: (r) => styleOf(styles, r.band).name },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
    {
      name: "Share",
      text: (r) => percent(r.n_accounts / r.n_total),
      value: (r) => r.n_accounts / r.n_total,
      isNumber: true,
    },
  ];
  return figure({
    title: card.label,
    subtitle: `share of paying accounts at the last scored date of each month${now[0] === undefined ? "" : `; ${count(now[0].n_total)} on ${date(last)}`}`,
    alt:
      now.map((r) => `${styleOf(styles, r.band).name} ${percent(r.n_accounts / r.n_total)}`).join(", ") ||
      "No accounts to show.",
    legend: legend(styles.filter(({ band }) => rows.some((row) => row.band === band))),
    chart: rows.length === 0 ? null : (width) => bandsOverTime(shares, { width, styles, what: "accounts" }),
    empty: `Fewer than ${count(release.min_cell)} accounts have paid at any date.`,
    table: { name: `bands-over-time-${card.scorecard}`, rows, columns },
  });
}

function movesTable(rows: readonly BandChange[], styles: Styles, release: Release): HTMLElement {
  if (rows.length === 0)
    return html`<p class="empty">Fewer than ${count(release.min_cell)} accounts paid at both ends.</p>` as HTMLElement;
  const sorted = [...rows].sort((a, b) => (a.from_no ?? 50) - (b.from_no ?? 50) || (a.to_no ?? 50) - (b.to_no ?? 50));
  return tableWithCsv({
    name: "moves",
    label: "Moves between bands over 28 days",
    rows: sorted,
    columns: [
      {
        name: `Band on ${date(rows[0]?.before_on)}`,
        text: (r) => styleOf(styles, r.from_band).name,
        value: (r) => r.from_no,
      },
      { name: `Band on ${date(release.as_of)}`, text: (r) => styleOf(styles, r.to_band).name, value: (r) => r.to_no },
      { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
      {
        name: "Share",
        text: (r) => percent(r.n_accounts / r.n_total),
        value: (r) => r.n_accounts / r.n_total,
        isNumber: true,
      },
    ],
  });
}

function weightFigure(data: BandsData, cards: readonly Scorecard[]): HTMLElement {
  const rows = data.weight_on_evidence.filter((w) =>
    cards.some((c) => c.scorecard === w.scorecard && c.version === w.version),
  );
  const names = new Map(cards.map((c) => [c.scorecard, c.label]));
  const columns: readonly Column<WeightOnEvidence>[] = [
    { name: "Scorecard", text: (r) => names.get(r.scorecard) ?? r.scorecard },
    { name: "What to do with the KPIs", text: (r) => r.action_group },
    { name: "Points", text: (r) => points(r.points), value: (r) => r.points, isNumber: true },
  ];
  return figure({
    title: "Points by what history says about their KPIs",
    subtitle: "of 100 points of each scorecard",
    alt: plain(weightSentence(data.weight_on_evidence, data.scorecard)),
    legend: legend(actionGroups.map(({ group, colour }) => ({ name: group, colour }))),
    chart: rows.length === 0 ? null : (width) => weightOnEvidence(rows, { width, names }),
    empty: "No scorecard counts any KPI.",
    table: { name: "weight-on-evidence", rows, columns },
  });
}

function weightsTable(data: BandsData, cards: readonly Scorecard[]): HTMLElement | null {
  const rows = data.scorecard_kpi.filter((w) =>
    cards.some((c) => c.scorecard === w.scorecard && c.version === w.version),
  );
  if (rows.length === 0) return null;
  const names = new Map(cards.map((c) => [c.scorecard, c.label]));
  return tableWithCsv({
    name: "scorecard-kpis",
    label: "KPIs that the scorecards count",
    rows,
    columns: [
      { name: "Scorecard", text: (r) => names.get(r.scorecard) ?? r.scorecard },
      {
        name: "KPI",
        text: (r) => (r.has_page ? html`<a href=${`./kpis/${r.kpi}.html`}>${r.label}</a>` : r.label),
        value: (r) => r.label,
      },
      { name: "Points", text: (r) => points(r.points), value: (r) => r.points, isNumber: true },
      { name: "How", text: (r) => r.points_in_words ?? "" },
      { name: "Verdict", text: (r) => r.verdict_label },
      { name: "What to do", text: (r) => r.action_group, value: (r) => `${r.action_no} ${r.action_group}` },
    ],
  });
}
