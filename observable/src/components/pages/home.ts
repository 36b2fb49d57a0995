import { html } from "htl";
import { bandStyles, styleOf } from "../bands.js";
import { type BandShare, bandsOverTime } from "../charts/bands-over-time.js";
import { leavers } from "../charts/leavers.js";
import { renewals } from "../charts/renewals.js";
import { type Column, figure, legend } from "../figure.js";
import { count, date, inMajor, money, monthSpan, percent, plural, shortDate } from "../format.js";
import { plain } from "../prose.js";
import type {
  Band,
  BandBefore,
  BandChange,
  BandMonth,
  DataSource,
  KeptMoney,
  LeaverBand,
  Note,
  Release,
  RenewalAhead,
  RenewalMonth,
  Scorecard,
  ScorecardState,
  ScoreMonth,
  Statement,
  ValidationFact,
  WeightOnEvidence,
} from "../rows.js";
import {
  aheadSentence,
  assignedCards,
  changeSentence,
  dataSentence,
  keptCaveat,
  keptSentence,
  simpleScoreSentence,
  stateSentence,
  trustSentence,
  weightSentence,
} from "../sentences.js";
import { besideStayersSentence, coloursCaveat, noteMarks, signOffSentence } from "../sentences-bands.js";
import { answers, ofCard, sqlSection, statementsOf } from "./parts.js";

export interface HomeData {
  readonly release: readonly Release[];
  readonly band: readonly Band[];
  readonly band_before: readonly BandBefore[];
  readonly band_change: readonly BandChange[];
  readonly band_month: readonly BandMonth[];
  readonly note: readonly Note[];
  readonly data_source: readonly DataSource[];
  readonly kept_money: readonly KeptMoney[];
  readonly leaver_band: readonly LeaverBand[];
  readonly renewal_ahead: readonly RenewalAhead[];
  readonly renewal_month: readonly RenewalMonth[];
  readonly score_month: readonly ScoreMonth[];
  readonly scorecard: readonly Scorecard[];
  readonly scorecard_state: readonly ScorecardState[];
  readonly weight_on_evidence: readonly WeightOnEvidence[];
  readonly statement: readonly Statement[];
  readonly validation_fact: readonly ValidationFact[];
}

/** Six sentences for 30 seconds, then three charts. */
export function homePage(data: HomeData, today: Date): HTMLElement {
  const release = data.release[0] as Release;
  const styles = bandStyles(data.band);
  const caveat = coloursCaveat(data.scorecard_state, data.scorecard);
  const assigned = assignedCards(data.scorecard);
  const isScored = assigned.length > 0;
  return html`<div class="report">
    <p class="caption">${isScored ? "Every paying account gets a health score, made from KPIs; bands are ranges of it, from the riskiest to the healthiest. " : ""}An early warning is a KPI that moved well before customers left, beside like customers that stayed. <a href="./method.html#reading-the-numbers">All words</a></p>
    ${answers([
      {
        question: "Kept",
        sentence: [...keptSentence(data.kept_money, release), ...keptCaveat(data.validation_fact[0])],
      },
      {
        question: "Ahead",
        sentence: [
          ...aheadSentence(data.renewal_ahead, styles, release, isScored),
          ...(caveat.length === 0 ? [] : [" ", ...caveat]),
        ],
      },
      {
        question: "Trust",
        sentence: [
          ...trustSentence(data.leaver_band, styles, release, isScored),
          ...simpleScoreSentence(data.leaver_band, styles),
        ],
        more: [
          // Of several the one for everybody comes first; what the others' leavers had stands on their own pages.
          assigned.slice(0, 1).flatMap((card) =>
            besideStayersSentence(ofCard(data.band_before, card), styles, release.gap_days, {
              named: assigned.length > 1 ? card.label : null,
            }),
          ),
          [...stateSentence(data.scorecard_state, data.scorecard), ...signOffSentence(data.scorecard, today)],
        ],
      },
      { question: "Weight", sentence: weightSentence(data.weight_on_evidence, data.scorecard) },
      { question: "Change", sentence: changeSentence(data.band_change, release) },
      { question: "Data", sentence: dataSentence(data.data_source, release, today) },
    ])}
    ${moneyFigure(data, styles, release)}
    ${renewalFigure(data.renewal_month, { styles, release, note: plain(caveat), statement: data.statement })}
    ${leaverFigure(data, styles, release)}
    ${sqlSection(data.statement, ["marts.kept_money", "marts.renewal_ahead", "marts.leaver_band", "marts.scorecard_state", "marts.weight_on_evidence", "marts.band_change", "marts.data_source", "marts.band_month", "marts.renewal_month"])}
  </div>` as HTMLElement;
}

type Styles = ReturnType<typeof bandStyles>;

function moneyFigure(data: HomeData, styles: Styles, release: Release): HTMLElement {
  const isScored = assignedCards(data.scorecard).length > 0;
  const rows = isScored ? data.band_month.filter(({ series }) => series === "in_force") : [];
  const hasMoney = rows.some(({ mrr_minor }) => mrr_minor > 0);
  const what = hasMoney ? "money" : "accounts";
  const share = (row: BandMonth): number =>
    hasMoney ? row.mrr_minor / Math.max(1, row.total_minor) : row.n_accounts / row.n_total;
  const shares: readonly BandShare[] = rows.map((row) => ({
    snapshot_date: row.snapshot_date,
    band: row.band,
    share: share(row),
  }));
  const dates = [...new Set(rows.map(({ snapshot_date }) => snapshot_date))].sort();
  const last = rows.filter(({ snapshot_date }) => snapshot_date === dates.at(-1));
  const riskiest = styleOf(styles, styles[0]?.band ?? "red");
  const at = (on: string | undefined): string =>
    percent(
      shares.filter((s) => s.snapshot_date === on && s.band === riskiest.band).reduce((sum, s) => sum + s.share, 0),
    );
  const first = assignedCards(data.scorecard)[0];
  const marks = data.score_month
    .filter((r) => r.scorecard === first?.scorecard && r.is_new_version)
    .map((r) => ({ on: r.snapshot_date, label: `v${r.version}` }));
  const notes = noteMarks(data.note, dates);
  const below = [notes.words, plain(coloursCaveat(data.scorecard_state, data.scorecard))].filter(Boolean).join(" ");
  const columns: readonly Column<BandMonth>[] = [
    { name: "Date", text: (r) => shortDate(r.snapshot_date), value: (r) => r.snapshot_date },
    { name: "Band", text: (r) => styleOf(styles, r.band).name },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
    {
      name: "Monthly revenue",
      text: (r) => money(r.mrr_minor, release.currency),
      value: (r) => inMajor(r.mrr_minor, release.currency),
      isNumber: true,
    },
    { name: "Share", text: (r) => percent(share(r)), value: share, isNumber: true },
  ];
  return figure({
    title: hasMoney ? "Money by band" : "Accounts by band",
    subtitle: `share of ${hasMoney ? "monthly revenue" : "paying accounts"} at the last scored date of each month; ${last[0] === undefined ? "no accounts" : `${plural(last[0].n_total, "account")} on ${date(last[0].snapshot_date)}`}`,
    alt:
      dates.length === 0
        ? "No accounts to show."
        : `${riskiest.name} held ${at(dates[0])} of ${what} on ${date(dates[0])} and ${at(dates.at(-1))} on ${date(dates.at(-1))}.`,
    legend: legend(styles.filter(({ band }) => rows.some((row) => row.band === band))),
    chart:
      rows.length === 0
        ? null
        : (width) => bandsOverTime(shares, { width, styles, what, marks: [...marks, ...notes.marks] }),
    empty: isScored
      ? `Fewer than ${count(release.min_cell)} accounts have paid at any date: too few to show.`
      : "No scorecard is assigned to accounts: there are no bands to show.",
    ...(below === "" ? {} : { note: below }),
    table: { name: "money-by-band", rows, columns },
    sql: statementsOf(data.statement, ["marts.band_month"]),
  });
}

/** Renewals of the next months by the band that accounts stand in; the pages of home and renewals both show it. */
export function renewalFigure(
  rows: readonly RenewalMonth[],
  page: {
    readonly styles: Styles;
    readonly release: Release;
    readonly note: string;
    readonly statement: readonly Statement[];
  },
): HTMLElement {
  const { styles, release } = page;
  const months = new Set(rows.map(({ from_month }) => from_month));
  const n = [...months].reduce((sum, m) => sum + (rows.find((r) => r.from_month === m)?.n_total ?? 0), 0);
  const total = rows.reduce((sum, row) => sum + row.mrr_minor, 0);
  const riskiest = styleOf(styles, styles[0]?.band ?? "red");
  const red = rows.filter(({ band }) => band === riskiest.band).reduce((sum, row) => sum + row.mrr_minor, 0);
  const merged = rows.some((row) => row.from_month !== row.to_month);
  const columns: readonly Column<RenewalMonth>[] = [
    { name: "Month", text: (r) => monthSpan(r.from_month, r.to_month), value: (r) => r.from_month },
    { name: "Band now", text: (r) => styleOf(styles, r.band).name },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
    {
      name: "Monthly revenue",
      text: (r) => money(r.mrr_minor, release.currency),
      value: (r) => inMajor(r.mrr_minor, release.currency),
      isNumber: true,
    },
  ];
  return figure({
    title: "Renewals of the next twelve months, by the band accounts stand in now",
    subtitle: `${total > 0 ? "monthly revenue due" : "accounts due"}; each account's next renewal once${n === 0 ? "" : `, ${plural(n, "account")}`}`,
    alt:
      rows.length === 0
        ? "No renewals known."
        : `${money(red, release.currency)} of ${money(total, release.currency)} monthly revenue due within a year stands in ${riskiest.name}.`,
    legend: legend(styles.filter(({ band }) => rows.some((row) => row.band === band))),
    chart: rows.length === 0 ? null : (width) => renewals(rows, { width, styles, currency: release.currency }),
    empty: "No renewal dates were delivered, or too few to show.",
    note: `Accounts without a known renewal in these months are not shown, customers who pay by the month among them.${merged ? ` Months with fewer than ${release.min_cell} renewals are merged with their neighbours.` : ""}${page.note === "" ? "" : ` ${page.note}`}`,
    table: { name: "renewals-by-month", rows, columns },
    sql: statementsOf(page.statement, ["marts.renewal_month"]),
  });
}

function leaverFigure(data: HomeData, styles: Styles, release: Release): HTMLElement {
  const rows = data.leaver_band;
  const isScored = assignedCards(data.scorecard).length > 0;
  const series = [
    ...(isScored
      ? [{ series: "in_force", name: assignedCards(data.scorecard).length > 1 ? "The scores in force" : "This score" }]
      : []),
    { series: "naive_baseline", name: "The simple score: logins, NPS, feature events, tickets" },
  ].filter((s) => rows.some((row) => row.series === s.series));
  const shown = rows.filter((row) => series.some((s) => s.series === row.series));
  const total = shown[0]?.n_total ?? 0;
  const columns: readonly Column<LeaverBand>[] = [
    { name: "Score", text: (r) => series.find((s) => s.series === r.series)?.name ?? r.series },
    { name: "Band before", text: (r) => styleOf(styles, r.band).name },
    { name: "Left", text: (r) => count(r.n_leavers), value: (r) => r.n_leavers, isNumber: true },
    {
      name: "Share",
      text: (r) => percent(r.n_leavers / r.n_total),
      value: (r) => r.n_leavers / r.n_total,
      isNumber: true,
    },
  ];
  return figure({
    title: `Where leavers stood ${release.gap_days} days before`,
    subtitle: `one square a customer that decided to leave in the last 12 months${total === 0 ? "" : `; ${plural(total, "customer")}`}`,
    alt: plain(trustSentence(rows, styles, release, isScored)),
    legend: legend(styles.filter(({ band }) => shown.some((row) => row.band === band))),
    chart: shown.length === 0 ? null : (width) => leavers(shown, { width, styles, series }),
    empty: `${plain(trustSentence(rows, styles, release, isScored))}${isScored ? "" : " No scorecard is assigned or compared: there is no colour to look back at."}`,
    note: "A healthy customer may leave and an unhealthy one renew, for reasons no KPI sees.",
    table: { name: "leavers-by-band", rows: shown, columns },
    sql: statementsOf(data.statement, ["marts.leaver_band"]),
  });
}
