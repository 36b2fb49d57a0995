import { html } from "htl";
import { addressState, choice } from "../address.js";
import { actionGroups, bandStyles, styleOf } from "../bands.js";
import { bandsOverTime } from "../charts/bands-over-time.js";
import { capacityCurve } from "../charts/capacity.js";
import { colourBefore } from "../charts/colour-before.js";
import { pairDomain, rateTop } from "../charts/frame.js";
import { intervals } from "../charts/intervals.js";
import { ledger } from "../charts/ledger.js";
import { migration } from "../charts/migration.js";
import { scoreOverTime } from "../charts/score-over-time.js";
import { weightOnEvidence } from "../charts/weight.js";
import { type Column, figure, legend, tableWithCsv } from "../figure.js";
import { count, date, inMajor, missing, money, onHundred, percent, points, shortDate } from "../format.js";
import { paragraph, plain } from "../prose.js";
import type {
  Band,
  BandBefore,
  BandChange,
  BandMonth,
  BandOutcome,
  BandRecovery,
  Capacity,
  Note,
  Release,
  Scorecard,
  ScorecardKpi,
  ScorecardState,
  ScoreMonth,
  Statement,
  WeightOnEvidence,
} from "../rows.js";
import {
  assignedCards,
  changeSentence,
  distributionSentence,
  ledgerOf,
  ledgerSentence,
  stateInWords,
  stateName,
  stateSentence,
  weightSentence,
} from "../sentences.js";
import {
  capacitySentence,
  colourBeforeSentence,
  noteMarks,
  recoverySentence,
  sharesInWords,
  signOffSentence,
} from "../sentences-bands.js";
import { caption, ofCard, section, sqlSection, statementsOf } from "./parts.js";

export interface BandsData {
  readonly release: readonly Release[];
  readonly band: readonly Band[];
  readonly band_before: readonly BandBefore[];
  readonly band_change: readonly BandChange[];
  readonly band_month: readonly BandMonth[];
  readonly note: readonly Note[];
  readonly band_outcome: readonly BandOutcome[];
  readonly band_recovery: readonly BandRecovery[];
  readonly capacity: readonly Capacity[];
  readonly score_month: readonly ScoreMonth[];
  readonly scorecard: readonly Scorecard[];
  readonly scorecard_state: readonly ScorecardState[];
  readonly scorecard_kpi: readonly ScorecardKpi[];
  readonly weight_on_evidence: readonly WeightOnEvidence[];
  readonly statement: readonly Statement[];
}

type Styles = ReturnType<typeof bandStyles>;

interface Context extends BandsData {
  readonly now: Release;
  readonly styles: Styles;
  /** The first assigned card; undefined when the book assigns none. */
  readonly main: Scorecard | undefined;
  readonly simple: Scorecard | undefined;
  /** Assigned cards, then those that are compared, then the simple one. */
  readonly cards: readonly Scorecard[];
}

/** What the bands have meant: the score against chance, its colours before leaving, a team's list, moves, the ledger. */
export function bandsPage(data: BandsData, today: Date): HTMLElement {
  const assigned = assignedCards(data.scorecard);
  const newest = data.scorecard.filter((card) =>
    data.scorecard.every((o) => o.scorecard !== card.scorecard || o.version <= card.version),
  );
  const simple = newest.find(({ scorecard }) => scorecard === "naive_baseline");
  const others = newest.filter((card) => !card.is_assigned && card !== simple);
  const page: Context = {
    ...data,
    now: data.release[0] as Release,
    styles: bandStyles(data.band),
    main: assigned[0],
    simple,
    cards: [...assigned, ...others, ...(simple === undefined || assigned.includes(simple) ? [] : [simple])],
  };
  const main = ledgerOf(data.band_outcome, page.main);
  return html`<div class="report">
    ${paragraph([...stateSentence(data.scorecard_state, data.scorecard), ...signOffSentence(data.scorecard, today)], "lede")}
    ${paragraph(colourBeforeSentence(beforeOf(page), page.styles, page.now.gap_days))}
    ${assigned.length === 0 ? null : paragraph(distributionSentence(data.band_month, page.styles))}
    ${paragraph(weightSentence(data.weight_on_evidence, data.scorecard))}
    ${caption("An unhealthy customer may renew and a healthy one may leave, for reasons no KPI sees.")}
    ${section("Every scorecard beside the simple one", besideFigure(page), besideTable(page))}
    ${section("Colour before leaving", beforeFigure(page))}
    ${section("What a list of so many accounts a month would have held", capacityPart(page))}
    ${section(
      "What became of accounts, by band",
      paragraph(ledgerSentence(main, page.styles)),
      ledgerPart(page),
      paragraph(recoverySentence(data.band_recovery, page.main, page.styles)),
    )}
    ${section("Moves over 28 days", migrationFigure(page))}
    ${section("Bands over time", timePart(page))}
    ${section("What the scores rest on", weightFigure(page), weightsTable(page))}
    ${sqlSection(data.statement, ["marts.scorecard_state", "marts.band_before", "marts.capacity", "marts.band_outcome", "marts.band_recovery", "marts.band_change", "marts.band_month", "marts.score_month", "marts.weight_on_evidence", "marts.scorecard_kpi"])}
  </div>` as HTMLElement;
}

const beforeOf = (page: Context): readonly BandBefore[] => ofCard(page.band_before, page.main);

function besideFigure(page: Context): HTMLElement {
  const rows = page.cards.flatMap((card) => {
    const state = ofCard(page.scorecard_state, card)[0];
    return state === undefined ? [] : [{ card, state }];
  });
  const drawn = rows.filter(({ state }) => state.auc !== null);
  const [low, high] = pairDomain(drawn.flatMap(({ state }) => [state.auc_low, state.auc_high]));
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { name: "Scorecard", text: (r) => r.card.label },
    { name: "State", text: (r) => stateName(r.state.state) },
    {
      name: "Ranked rightly, of 100 pairs",
      text: (r) => onHundred(r.state.auc),
      value: (r) => r.state.auc,
      isNumber: true,
    },
    {
      name: "90 % interval",
      text: (r) =>
        r.state.auc_low === null ? missing : `${onHundred(r.state.auc_low)} to ${onHundred(r.state.auc_high)}`,
    },
    {
      name: "More than the simple score",
      text: (r) => (r.state.difference === null ? "" : onHundred(r.state.difference)),
      value: (r) => r.state.difference,
      isNumber: true,
    },
    {
      name: "Interval of the difference",
      text: (r) =>
        r.state.difference_low === null
          ? ""
          : `${onHundred(r.state.difference_low)} to ${onHundred(r.state.difference_high)}`,
    },
    {
      name: "Churned accounts",
      text: (r) => count(r.state.n_churned),
      value: (r) => r.state.n_churned,
      isNumber: true,
    },
  ];
  return figure({
    title: "How often the score ranks a leaver below a like customer that stayed",
    subtitle: `of 100 pairs, ${count(page.now.gap_days)} to ${count(page.now.gap_days + page.now.horizon_days)} days ahead, from after each scorecard was made; dot with 90 % interval; 50 is a coin toss`,
    alt:
      drawn.length === 0
        ? "No scorecard could be checked against leaving."
        : drawn
            .map(({ card, state }) => `${card.label}: ${onHundred(state.auc)} of 100, ${stateName(state.state)}.`)
            .join(" "),
    chart:
      drawn.length === 0
        ? null
        : (width) =>
            intervals(
              drawn.map(({ card, state }) => ({
                label: card.label,
                value: onAxis(state.auc),
                low: onAxis(state.auc_low),
                high: onAxis(state.auc_high),
                note: stateName(state.state),
                isHollow: state.state === "not checked",
              })),
              {
                width,
                domain: [low, high],
                origin: 50,
                ends: ["worse than chance", "better"],
                format: (v) => String(Math.round(v)),
              },
            ),
    empty: "No scorecard could be checked against leaving yet: too few customers left after it was made.",
    table: { name: "scorecards-beside", rows, columns },
    sql: statementsOf(page.statement, ["marts.scorecard_state"]),
  });
}

const onAxis = (auc: number | null): number | null => (auc === null ? null : 100 * auc);

/** The sentence of each card in full: a dot alone says too much. */
const besideTable = (page: Context): HTMLElement | null =>
  page.cards.length === 0
    ? null
    : (html`<ul class="verdicts">${page.cards.map((card) => {
        const state = ofCard(page.scorecard_state, card)[0];
        return html`<li><span class="kpi-name">${card.label}</span> <span class="verdict-label">${card.is_assigned ? "in use" : "compared"}</span>
          <p>${state === undefined ? "Not checked against history in this release." : stateInWords(state.sentence)}</p></li>`;
      })}</ul>` as HTMLElement);

function beforeFigure(page: Context): HTMLElement {
  const rows = beforeOf(page);
  const left = rows.find((r) => r.is_departure);
  const stayed = rows.find((r) => !r.is_departure);
  const columns: readonly Column<BandBefore>[] = [
    { name: "Who", text: (r) => (r.is_departure ? "left" : "stayed, like for like") },
    { name: "Days before", text: (r) => String(r.days_before), value: (r) => r.days_before, isNumber: true },
    { name: "Band", text: (r) => styleOf(page.styles, r.band).name },
    { name: "Share", text: (r) => percent(r.n_cases / r.n_total), value: (r) => r.n_cases / r.n_total, isNumber: true },
    { name: "Accounts", text: (r) => count(r.n_cases), value: (r) => r.n_cases, isNumber: true },
    { name: "Of", text: (r) => count(r.n_total), value: (r) => r.n_total, isNumber: true },
  ];
  return figure({
    title: "The colours of those who left, and of like customers that stayed, on the same days",
    subtitle: `% of accounts by band; ${left === undefined ? "no decisions" : `${count(left.n_total)} decisions to leave`}, each beside up to five accounts of the same segment, size, age and time (${count(stayed?.n_total ?? 0)}); "last" is the last reading before the decision`,
    alt: plain(colourBeforeSentence(rows, page.styles, page.now.gap_days)),
    legend: legend(page.styles.filter(({ band }) => rows.some((row) => row.band === band))),
    chart: rows.length === 0 ? null : (width) => colourBefore(rows, { width, styles: page.styles }),
    empty: plain(colourBeforeSentence(rows, page.styles, page.now.gap_days)),
    note: `Every look has the same accounts: decisions with half a year of scores before them.${left !== undefined && left.n_unlike > 0 ? ` ${count(left.n_unlike)} more had no like account that stayed and are left out.` : ""} A colour that differs only at the last reading is news of a decision already made.`,
    table: { name: "colour-before", rows, columns },
    sql: statementsOf(page.statement, ["marts.band_before"]),
  });
}

function capacityPart(page: Context): HTMLElement {
  const mine = ofCard(page.capacity, page.main);
  // Both over the same months, or the later one looks better or worse by its months alone.
  const from = mine.map((r) => r.from_on).sort()[0];
  const rows = mine.filter((r) => r.from_on === from);
  const simple = page.main === page.simple ? [] : ofCard(page.capacity, page.simple).filter((r) => r.from_on === from);
  const sizes = rows.map((r) => String(r.capacity));
  const wanted = ["25", "20", "10", "5"].find((n) => sizes.includes(n)) ?? sizes[0] ?? "25";
  const drawn = (at: number): HTMLElement => {
    const sentence = capacitySentence(rows, simple, at, { gap: page.now.gap_days, horizon: page.now.horizon_days });
    const columns: readonly Column<Capacity>[] = [
      { name: "Accounts a month", text: (r) => count(r.capacity), value: (r) => r.capacity, isNumber: true },
      {
        name: "Held of those who left",
        text: (r) => percent(r.caught_share),
        value: (r) => r.caught_share,
        isNumber: true,
      },
      { name: "95 % interval", text: (r) => `${percent(r.caught_low)} to ${percent(r.caught_high)}` },
      {
        name: "Simple score",
        text: (r) => percent(simple.find((s) => s.capacity === r.capacity)?.caught_share),
        value: (r) => simple.find((s) => s.capacity === r.capacity)?.caught_share ?? null,
        isNumber: true,
      },
      { name: "By lot", text: (r) => percent(r.chance_share), value: (r) => r.chance_share, isNumber: true },
      {
        name: "Their monthly revenue",
        text: (r) => money(r.money_caught, page.now.currency),
        value: (r) => (r.money_caught === null ? null : inMajor(r.money_caught, page.now.currency)),
        isNumber: true,
      },
      { name: "Left", text: (r) => count(r.n_departures), value: (r) => r.n_departures, isNumber: true },
    ];
    return html`<div>${paragraph(sentence)}${figure({
      id: "capacity",
      title: "Leavers held in time, by the length of the list",
      subtitle: `share of customers that left whom the lowest scores of a month's list held ${count(page.now.gap_days)} to ${count(page.now.gap_days + page.now.horizon_days)} days before; shaded: 95 % interval; dashed: lists drawn by lot${rows[0] === undefined ? "" : `; ${count(rows[0].n_lists)} lists from ${date(rows[0].from_on)}, ${count(rows[0].n_departures)} leavers`}`,
      alt: plain(sentence),
      chart:
        rows.length < 2
          ? null
          : (width) =>
              capacityCurve(rows, { width, scorecard: page.main?.label ?? "", simple, label: "this score", at }),
      empty: plain(sentence),
      table: { name: "capacity", rows, columns },
      sql: statementsOf(page.statement, ["marts.capacity"]),
    })}</div>` as HTMLElement;
  };
  if (rows.length < 2) return drawn(Number(wanted));
  return choice({
    label: "We can work",
    state: addressState("a-month", wanted, sizes),
    options: sizes.map((value) => ({ value, text: `${count(Number(value))} accounts a month` })),
    render: (value) => drawn(Number(value)),
  });
}

function ledgerPart(page: Context): HTMLElement {
  const shown = page.cards.filter((card) => card.is_assigned || card === page.simple);
  const ledgers = shown.map((card) => ({ card, rows: ledgerOf(page.band_outcome, card) }));
  const top = rateTop(ledgers.flatMap(({ rows }) => rows.flatMap((r) => [r.rate_high, r.rate])));
  return html`<div class="pair">${ledgers.map(({ card, rows }) => ledgerFigure(page, card, rows, top))}</div>` as HTMLElement;
}

function ledgerFigure(page: Context, card: Scorecard, rows: readonly BandOutcome[], top: number): HTMLElement {
  const { styles } = page;
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
      name: "Of all readings that led to leaving",
      text: (r) => percent(r.share_of_churn),
      value: (r) => r.share_of_churn,
      isNumber: true,
    },
    {
      name: "Interval of that share",
      text: (r) => (r.share_low === null ? missing : `${percent(r.share_low)} to ${percent(r.share_high)}`),
    },
    {
      name: "Monthly revenue that left",
      text: (r) => money(r.money_minor, page.now.currency),
      value: (r) => (r.money_minor === null ? null : inMajor(r.money_minor, page.now.currency)),
      isNumber: true,
    },
    { name: "Churned", text: (r) => count(r.n_churned), value: (r) => r.n_churned, isNumber: true },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
    { name: "Readings", text: (r) => count(r.n_rows), value: (r) => r.n_rows, isNumber: true },
  ];
  // as_was: what people saw. as_if: this version applied to the readings from the day on which it was made.
  const since = card.created_on === null ? "" : ` from ${date(card.created_on)}, the day it was made`;
  const mode = rows[0]?.mode === "as_was" ? "as the score stood then" : `this version applied to all readings${since}`;
  return figure({
    title: card.label,
    subtitle: `share of readings followed by a decision to leave; dot with 95 % interval, dashed: all bands; ${mode}`,
    alt: plain(ledgerSentence(rows, styles)),
    chart: rows.length === 0 ? null : (width) => ledger(rows, { width, styles, top }),
    empty: "No reading of this score has a complete window behind it yet.",
    note: `Counted from the reading, the last days before a decision among them, and without asking that accounts are alike: what the colours went with, not what they foresaw. A band that held fewer than ${count(page.now.min_cell)} accounts has no row.`,
    table: { name: `ledger-${card.scorecard}`, rows, columns },
    sql: statementsOf(page.statement, ["marts.band_outcome"]),
  });
}

function migrationFigure(page: Context): HTMLElement {
  const { styles, now } = page;
  const rows = [...page.band_change].sort(
    (a, b) => (a.from_no ?? 50) - (b.from_no ?? 50) || (a.to_no ?? 50) - (b.to_no ?? 50),
  );
  const before = rows[0]?.before_on;
  // Without a scorecard every account is "not scored" at both ends, and nothing moves.
  const isScored = rows.some((r) => r.from_no !== null || r.to_no !== null);
  return figure({
    title: "From band to band",
    subtitle:
      before === undefined
        ? "accounts that paid at both ends"
        : `% of each row's accounts and their number; rows: on ${date(before)}, columns: on ${date(now.as_of)}; ${count(rows[0]?.n_total ?? 0)} accounts, one scorecard version`,
    alt: plain(changeSentence(page.band_change, now)),
    chart: isScored ? (width) => migration(rows, { width, styles }) : null,
    empty:
      rows.length === 0
        ? `Fewer than ${count(now.min_cell)} accounts paid at both ends.`
        : "No account had a score at either end.",
    ...(isScored ? { note: plain(changeSentence(page.band_change, now)) } : {}),
    table: {
      name: "moves",
      rows,
      columns: [
        {
          name: "Band then",
          text: (r: BandChange) => styleOf(styles, r.from_band).name,
          value: (r: BandChange) => `${r.from_no ?? 50} ${r.from_band}`,
        },
        {
          name: "Band now",
          text: (r: BandChange) => styleOf(styles, r.to_band).name,
          value: (r: BandChange) => `${r.to_no ?? 50} ${r.to_band}`,
        },
        {
          name: "Accounts",
          text: (r: BandChange) => count(r.n_accounts),
          value: (r: BandChange) => r.n_accounts,
          isNumber: true,
        },
        {
          name: "Share of all",
          text: (r: BandChange) => percent(r.n_accounts / r.n_total),
          value: (r: BandChange) => r.n_accounts / r.n_total,
          isNumber: true,
        },
      ],
    },
    sql: statementsOf(page.statement, ["marts.band_change"]),
  });
}

function timePart(page: Context): HTMLElement {
  const shown = page.cards.filter((card) => card.is_assigned || card === page.simple);
  return html`<div><div class="pair">${shown.map((card) => timeFigure(page, card))}</div>
    ${shown.filter((card) => card.is_assigned).map((card) => meanFigure(page, card))}</div>` as HTMLElement;
}

function timeFigure(page: Context, card: Scorecard): HTMLElement {
  const { styles, now } = page;
  // One card is assigned to an account at a time: with several, each shows its own accounts by its own version.
  const isAlone = assignedCards(page.scorecard).length === 1;
  const series = card.is_assigned && isAlone ? "in_force" : card.scorecard;
  const rows = page.band_month.filter((row) => row.series === series);
  const shares = rows.map((r) => ({ snapshot_date: r.snapshot_date, band: r.band, share: r.n_accounts / r.n_total }));
  const last = rows
    .map((r) => r.snapshot_date)
    .sort()
    .at(-1);
  const newest = shares.filter((r) => r.snapshot_date === last);
  const total = rows.find((r) => r.snapshot_date === last)?.n_total;
  const marks = page.score_month
    .filter((r) => card.is_assigned && r.scorecard === card.scorecard && r.is_new_version)
    .map((r) => ({ on: r.snapshot_date, label: `v${r.version}` }));
  const notes = noteMarks(page.note, [...new Set(rows.map((r) => r.snapshot_date))].sort());
  const columns: readonly Column<BandMonth>[] = [
    { name: "Date", text: (r) => shortDate(r.snapshot_date), value: (r) => r.snapshot_date },
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
    subtitle: `share of paying accounts at the last scored date of each month${total === undefined ? "" : `; ${count(total)} on ${date(last)}`}; ${series === "in_force" ? "the bands that people saw" : "this version applied to every date, those before it was made too"}`,
    alt: last === undefined ? "No accounts to show." : `On ${date(last)}: ${sharesInWords(newest, styles)}.`,
    legend: legend(styles.filter(({ band }) => rows.some((row) => row.band === band))),
    chart:
      rows.length === 0
        ? null
        : (width) => bandsOverTime(shares, { width, styles, what: "accounts", marks: [...marks, ...notes.marks] }),
    empty: `Fewer than ${count(now.min_cell)} accounts have paid at any date.`,
    ...(notes.words === "" ? {} : { note: notes.words }),
    table: { name: `bands-over-time-${card.scorecard}`, rows, columns },
    sql: statementsOf(page.statement, ["marts.band_month"]),
  });
}

function meanFigure(page: Context, card: Scorecard): HTMLElement | null {
  const rows = page.score_month.filter((r) => r.scorecard === card.scorecard && r.mode === "as_was");
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined || rows.length < 2) return null;
  const columns: readonly Column<ScoreMonth>[] = [
    { name: "Date", text: (r) => shortDate(r.snapshot_date), value: (r) => r.snapshot_date },
    { name: "Version", text: (r) => String(r.version), value: (r) => r.version, isNumber: true },
    { name: "Mean score", text: (r) => points(r.mean_score), value: (r) => r.mean_score, isNumber: true },
    { name: "Weighted by money", text: (r) => points(r.mean_by_money), value: (r) => r.mean_by_money, isNumber: true },
    { name: "Accounts with a score", text: (r) => count(r.n_scored), value: (r) => r.n_scored, isNumber: true },
  ];
  const changes = rows.filter((r) => r.is_new_version).length;
  const notes = noteMarks(
    page.note,
    rows.map((r) => r.snapshot_date),
  );
  return figure({
    title: `Mean score over time: ${card.label}`,
    subtitle: `on its scale of ${points(card.scale_from)} to ${points(card.scale_to)}, at the last scored date of each month; line: every account alike, dashed: weighted by money${changes > 0 ? "; upright lines: another version took over, and scores on both sides do not compare" : ""}`,
    alt: `The mean score was ${points(first.mean_score)} on ${date(first.snapshot_date)} and ${points(last.mean_score)} on ${date(last.snapshot_date)}${changes > 0 ? `, under ${count(changes + 1)} versions` : ""}.`,
    chart: (width) => scoreOverTime(rows, { width, domain: [card.scale_from, card.scale_to], marks: notes.marks }),
    ...(notes.words === "" ? {} : { note: notes.words }),
    table: { name: `mean-score-${card.scorecard}`, rows, columns },
    sql: statementsOf(page.statement, ["marts.score_month"]),
  });
}

function weightFigure(page: Context): HTMLElement {
  const rows = page.cards.flatMap((card) => ofCard(page.weight_on_evidence, card));
  const names = new Map(page.cards.map((c) => [c.scorecard, c.label]));
  const columns: readonly Column<WeightOnEvidence>[] = [
    { name: "Scorecard", text: (r) => names.get(r.scorecard) ?? r.scorecard },
    { name: "What to do with the KPIs", text: (r) => r.action_group },
    { name: "Points", text: (r) => points(r.points), value: (r) => r.points, isNumber: true },
  ];
  return figure({
    title: "Points by what history says about their KPIs",
    subtitle: "of 100 points of each scorecard",
    alt: plain(weightSentence(page.weight_on_evidence, page.scorecard)),
    legend: legend(actionGroups.map(({ group, colour }) => ({ name: group, colour }))),
    chart: rows.length === 0 ? null : (width) => weightOnEvidence(rows, { width, names }),
    empty: "No scorecard counts any KPI.",
    table: { name: "weight-on-evidence", rows, columns },
    sql: statementsOf(page.statement, ["marts.weight_on_evidence"]),
  });
}

function weightsTable(page: Context): HTMLElement | null {
  const rows = page.cards.flatMap((card) => ofCard(page.scorecard_kpi, card));
  if (rows.length === 0) return null;
  const names = new Map(page.cards.map((c) => [c.scorecard, c.label]));
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
