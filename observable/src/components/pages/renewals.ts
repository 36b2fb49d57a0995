import { html } from "htl";
import { addressState, choice } from "../address.js";
import { bandStyles, styleOf } from "../bands.js";
import { rateRows } from "../charts/rate-rows.js";
import { type Column, figure } from "../figure.js";
import { count, date, inMajor, missing, money, percent, quarters } from "../format.js";
import { paragraph, plain } from "../prose.js";
import type {
  Band,
  Release,
  RenewalAhead,
  RenewalBand,
  RenewalMonth,
  RenewalQuarter,
  Scorecard,
  ScorecardState,
  Statement,
} from "../rows.js";
import { aheadSentence, assignedCards } from "../sentences.js";
import { coloursCaveat, renewalBandSentence, renewalQuarterSentence, renewalSentence } from "../sentences-bands.js";
import { renewalFigure } from "./home.js";
import { caption, section, sqlSection, statementsOf } from "./parts.js";

export interface RenewalsData {
  readonly release: readonly Release[];
  readonly band: readonly Band[];
  readonly renewal_ahead: readonly RenewalAhead[];
  readonly renewal_band: readonly RenewalBand[];
  readonly renewal_month: readonly RenewalMonth[];
  readonly renewal_quarter: readonly RenewalQuarter[];
  readonly scorecard: readonly Scorecard[];
  readonly scorecard_state: readonly ScorecardState[];
  readonly statement: readonly Statement[];
}

type Styles = ReturnType<typeof bandStyles>;

/** What comes up for renewal and in which colour, and how earlier renewals went. */
export function renewalsPage(data: RenewalsData): HTMLElement {
  const release = data.release[0] as Release;
  const styles = bandStyles(data.band);
  const caveat = plain(coloursCaveat(data.scorecard_state, data.scorecard));
  const isScored = assignedCards(data.scorecard).length > 0;
  const ahead = aheadSentence(data.renewal_ahead, styles, release, isScored);
  return html`<div class="report">
    ${paragraph(caveat === "" ? ahead : [...ahead, ` ${caveat}`], "lede")}
    ${paragraph(renewalSentence(data.renewal_month, release.min_cell))}
    ${paragraph(renewalQuarterSentence(data.renewal_quarter, release.min_cell))}
    ${caption("A renewal is a date on a contract. Customers who pay by the month have none here, and a customer who has given notice stands in its month until the contract ends.")}
    ${section("The next twelve months", monthsPart(data, styles, release, caveat))}
    ${section("How renewals went, by quarter", quarterPart(data, release))}
    ${section("How renewals went, by the band 90 days before", bandFigure(data, styles))}
    ${sqlSection(data.statement, ["marts.renewal_ahead", "marts.renewal_month", "marts.renewal_due", "marts.renewal_quarter", "marts.renewal_band"])}
  </div>` as HTMLElement;
}

/** All bands, or one of them alone: the choice lives in the address. */
function monthsPart(data: RenewalsData, styles: Styles, release: Release, note: string): HTMLElement {
  const used = styles.filter(({ band }) => data.renewal_month.some((r) => r.band === band));
  const draw = (band: string): Node =>
    renewalFigure(band === "all" ? data.renewal_month : data.renewal_month.filter((r) => r.band === band), {
      styles,
      release,
      note,
      statement: data.statement,
    });
  if (used.length < 2) return draw("all") as HTMLElement;
  return choice({
    label: "Show",
    state: addressState("band", "all", ["all", ...used.map(({ band }) => band)]),
    options: [
      { value: "all", text: "all bands" },
      ...used.map(({ band, name }) => ({ value: band, text: `${name} alone` })),
    ],
    render: draw,
  });
}

function quarterPart(data: RenewalsData, release: Release): HTMLElement {
  const rows = data.renewal_quarter;
  const isOpen = (r: RenewalQuarter): boolean => r.quarter_to > lastSettled(release);
  const name = (r: RenewalQuarter): string => `${quarters(r.quarter_from, r.quarter_to)}${isOpen(r) ? " so far" : ""}`;
  const merged = rows.some((r) => Date.parse(r.quarter_to) - Date.parse(r.quarter_from) > 95 * 86_400_000);
  const columns: readonly Column<RenewalQuarter>[] = [
    { name: "Came due in", text: name, value: (r) => r.quarter_from },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
    { name: "Stayed", text: (r) => count(r.n_kept), value: (r) => r.n_kept, isNumber: true },
    { name: "Share that stayed", text: (r) => percent(r.kept_rate), value: (r) => r.kept_rate, isNumber: true },
    { name: "95 % interval", text: (r) => `${percent(r.rate_low)} to ${percent(r.rate_high)}` },
    { name: "Money kept", text: (r) => percent(r.gross_rate), value: (r) => r.gross_rate, isNumber: true },
    { name: "With expansion", text: (r) => percent(r.net_rate), value: (r) => r.net_rate, isNumber: true },
    {
      name: "Monthly revenue that came due",
      text: (r) => money(r.before_minor, release.currency),
      value: (r) => (r.before_minor === null ? null : inMajor(r.before_minor, release.currency)),
      isNumber: true,
    },
    { name: "Money unknown", text: (r) => count(r.n_money_unknown), value: (r) => r.n_money_unknown, isNumber: true },
  ];
  return figure<RenewalQuarter>({
    title: "Stayed, of the accounts whose renewal came due",
    subtitle:
      "share of accounts with 95 % interval, by the quarter of the renewal date; hollow: the quarter is not settled in full",
    alt: plain(renewalQuarterSentence(rows, release.min_cell)),
    chart:
      rows.length === 0
        ? null
        : (width) =>
            rateRows(
              rows.map((r) => ({
                label: name(r),
                rate: r.kept_rate,
                low: r.rate_low,
                high: r.rate_high,
                n: `${count(r.n_accounts)} accounts`,
                brief: count(r.n_accounts),
                isHollow: isOpen(r),
              })),
              { width, label: "stayed" },
            ),
    empty: plain(renewalQuarterSentence(rows, release.min_cell)),
    note: `An account counts when it paid 90 days before its renewal, and has stayed when it pays ${release.reactivation_grace_days} days after it.${merged ? ` Quarters with fewer than ${release.min_cell} renewals are merged with their neighbours.` : ""}`,
    table: { name: "renewals-by-quarter", rows, columns },
    sql: statementsOf(data.statement, ["marts.renewal_quarter", "marts.renewal_due"]),
  });
}

/** Renewals up to this day are settled: the days in which a lapse is mended are over. */
function lastSettled(release: Release): string {
  const day = Date.parse(`${release.as_of}T00:00:00Z`) - release.reactivation_grace_days * 86_400_000;
  return new Date(day).toISOString().slice(0, 10);
}

function bandFigure(data: RenewalsData, styles: Styles): HTMLElement {
  const rows = data.renewal_band;
  const columns: readonly Column<RenewalBand>[] = [
    { name: "Band 90 days before", text: (r) => styleOf(styles, r.band).name, value: (r) => `${r.band_no} ${r.band}` },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
    { name: "Stayed", text: (r) => count(r.n_kept), value: (r) => r.n_kept, isNumber: true },
    { name: "Share that stayed", text: (r) => percent(r.kept_rate), value: (r) => r.kept_rate, isNumber: true },
    { name: "95 % interval", text: (r) => `${percent(r.rate_low)} to ${percent(r.rate_high)}` },
    {
      name: "Money kept",
      text: (r) => (r.gross_rate === null ? missing : percent(r.gross_rate)),
      value: (r) => r.gross_rate,
      isNumber: true,
    },
  ];
  const [first] = rows;
  return figure<RenewalBand>({
    title: "Stayed, by the band that people saw 90 days before the renewal",
    subtitle: `share of accounts with 95 % interval${first === undefined ? "" : `; renewals from ${date(first.first_on)} to ${date(first.last_on)}, without ${count(first.n_decided)} accounts that had given notice by then`}`,
    alt: plain(renewalBandSentence(rows, styles)),
    chart:
      rows.length === 0
        ? null
        : (width) =>
            rateRows(
              rows.map((r) => ({
                label: `${styleOf(styles, r.band).letter}  ${styleOf(styles, r.band).name}`,
                rate: r.kept_rate,
                low: r.rate_low,
                high: r.rate_high,
                n: `${count(r.n_accounts)} accounts`,
                brief: count(r.n_accounts),
                colour: styleOf(styles, r.band).colour,
              })),
              { width, label: "stayed" },
            ),
    empty: plain(renewalBandSentence(rows, styles)),
    note: `${plain(renewalBandSentence(rows, styles))} Accounts are not asked to be alike here: a difference may be one of size, age or segment. A band that held fewer than ${count((data.release[0] as Release).min_cell)} of them has no row.`,
    table: { name: "renewals-by-band", rows, columns },
    sql: statementsOf(data.statement, ["marts.renewal_band", "marts.renewal_due"]),
  });
}
