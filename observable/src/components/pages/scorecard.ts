import { html } from "htl";
import { actionGroups } from "../bands.js";
import { driftLine } from "../charts/drift-line.js";
import { around, intervals } from "../charts/intervals.js";
import { pairLine } from "../charts/pair-line.js";
import { pointsBeside } from "../charts/points-beside.js";
import { weightOnEvidence } from "../charts/weight.js";
import { type Column, figure, legend, sqlBlock, tableWithCsv } from "../figure.js";
import {
  count,
  date,
  missing,
  monthSpan,
  onHundred,
  percent,
  plural,
  points,
  shortDate,
  signedPairs,
  times,
} from "../format.js";
import { paragraph, type Sentence, say } from "../prose.js";
import type { Note, Release, ScorecardKpi, Statement } from "../rows.js";
import type {
  ScorecardCalibration,
  ScorecardCard,
  ScorecardDetail,
  ScorecardDifference,
  ScorecardLeftOut,
  ScorecardPlay,
  ScorecardTest,
} from "../rows-evidence.js";
import { stateInWords, weightSentence } from "../sentences.js";
import { noteMarks } from "../sentences-bands.js";
import {
  calibrationSentence,
  caughtSentence,
  decaySentence,
  differenceSentence,
  humilitySentence,
  isProbability,
  leftOutSentence,
  lintSentence,
  outcomeWords,
  purposeSentence,
  rankSentence,
  scoreDriftSentence,
  sharesSentence,
  signOffSentence,
} from "../sentences-scorecard.js";
import { caption, finding, section, sqlSection } from "./parts.js";
import { newestVersions } from "./scorecards.js";

type OfVersion = { readonly version: number };

/** The model card of one scorecard: what it is for, what it counts, what history says of it, and its statement. */
export function scorecardPage(
  data: ScorecardDetail,
  release: Release,
  statements: readonly Statement[],
  today: Date,
  notes: readonly Note[],
): HTMLElement {
  const version = newestVersions(data.versions)[0]?.version ?? 1;
  const of = <T extends OfVersion>(rows: readonly T[]): readonly T[] => rows.filter((r) => r.version === version);
  const card = of(data.cards)[0];
  const head = data.versions.find((v) => v.version === version);
  if (card === undefined || head === undefined)
    return html`<div class="report"><h1>${head?.label ?? "Scorecard"}</h1><p class="empty">This release holds no card of this scorecard.</p></div>` as HTMLElement;
  const whole = of(data.tests).find(({ period }) => period === "out_of_time");
  const state = of(data.states)[0];
  return html`<div class="report">
    <p class="crumb"><a href="./index.html">All scorecards</a></p>
    <h1>${card.label}</h1>
    <p class="verdict-line"><span class="verdict-label">version ${String(version)}, ${card.is_assigned ? "assigned to accounts" : "computed for comparison"}</span></p>
    ${paragraph(purposeSentence(card), "lede")}
    ${paragraph([stateInWords(state?.sentence ?? "Not checked against history in this release."), " ", ...signOffSentence(card, today)])}
    ${paragraph([...weightSentence(data.weights, [{ ...head, is_assigned: true }]), " ", ...sharesSentence(card)])}
    ${facts(card)}
    ${formula(of(data.kpis), of(data.weights), card)}
    ${ranking(of(data.tests), whole, card)}
    ${besides(of(data.differences), card)}
    ${isProbability(card.purpose) ? calibration(of(data.calibrations)) : noCalibration(card)}
    ${overTime(of(data.decays)[0], data, version, notes)}
    ${weights(data, card)}
    ${leaveOneOut(of(data.leftOut), card, release)}
    ${plays(of(data.plays), card)}
    ${findings(of(data.lint), card)}
    ${steps(of(data.steps))}
    ${versionTable(data, today)}
    ${card.sql_text === null ? null : section("The score's own SQL", sqlBlock(`How ${card.label}, version ${version}, is computed`, card.sql_text))}
    ${sqlSection(statements, ["marts.scorecard", "marts.scorecard_kpi", "marts.scorecard_state", "marts.scorecard_test", "marts.scorecard_difference", "marts.scorecard_calibration", "marts.scorecard_decay", "marts.scorecard_drift", "marts.suggested_weight", "marts.weight_humility", "marts.scorecard_left_out", "marts.weight_on_evidence"])}
  </div>` as HTMLElement;
}

function facts(card: ScorecardCard): HTMLElement {
  const rows: readonly (readonly [string, string])[] = [
    ["Purpose", card.purpose.replaceAll("_", " ")],
    ["Outcome wanted", card.objective ?? "none is written down"],
    ["Owner", card.owner ?? "nobody is named"],
    ["Audience", card.audience ?? "not said"],
    ["Applies to", card.applies_in_words ?? "every account"],
    ["Formula", card.formula_in_words ?? "not said"],
    ["Missing values", card.missing_in_words ?? "not said"],
    ["Gates", card.gates_in_words ?? "none"],
    ["Bands", card.bands_in_words ?? "none"],
    [
      "Known accounts",
      card.n_known === null || card.n_known === 0
        ? "none are listed"
        : card.n_known_agree === null
          ? `${plural(card.n_known, "account")} listed, too few to say how many stand in the band that people expected`
          : `${count(card.n_known_agree)} of ${count(card.n_known)} listed accounts stand in the band that people expected`,
    ],
  ];
  return section(
    "What it is",
    html`<dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>` as Node,
  );
}

function formula(kpis: readonly ScorecardKpi[], weights: ScorecardDetail["weights"], card: ScorecardCard): HTMLElement {
  const columns: readonly Column<ScorecardKpi>[] = [
    {
      name: "KPI",
      text: (k) => (k.has_page ? html`<a href=${`../kpis/${k.kpi}.html`}>${k.label}</a>` : k.label),
      value: (k) => k.label,
    },
    { name: "Group", text: (k) => k.group_id.replaceAll("_", " ") },
    { name: "Points of 100", text: (k) => points(k.points), value: (k) => k.points, isNumber: true },
    { name: "How points are given", text: (k) => k.points_in_words ?? "" },
    { name: "What history says", text: (k) => `${k.action_group}: ${k.verdict_label}` },
  ];
  return section(
    "What it counts",
    kpis.length === 0
      ? (html`<p class="empty">This version counts no KPI.</p>` as Node)
      : tableWithCsv({ name: "points", label: "KPIs and their points", rows: kpis, columns }),
    weights.length === 0
      ? null
      : figure({
          id: "evidence",
          title: "What the points rest on",
          subtitle: "100 points by what history says of the KPIs that they are on",
          alt: weights
            .filter((w) => w.points > 0)
            .map((w) => `${w.action_group}: ${points(w.points)} points.`)
            .join(" "),
          legend: legend(actionGroups.map(({ group, colour }) => ({ name: group, colour }))),
          chart: (width) => weightOnEvidence(weights, { width, names: new Map([[card.scorecard, card.label]]) }),
          table: {
            name: "weight-on-evidence",
            rows: weights,
            columns: [
              { name: "What to do", text: (w) => w.action_group },
              { name: "Points", text: (w) => points(w.points), value: (w) => w.points, isNumber: true },
            ],
          },
        }),
  );
}

const samples: Readonly<Record<string, string>> = {
  out_of_time: "all months after it was made",
  as_was: "as it was live",
  without_plays: "without months of the team's work (a selection)",
  in_sample: "months that its author could have seen",
};

const range = (from: string | null, to: string | null): string =>
  from === null || to === null ? "" : monthSpan(`${from.slice(0, 7)}-01`, `${to.slice(0, 7)}-01`, true);

const withInterval = (
  value: number | null,
  low: number | null,
  high: number | null,
  text: (x: number | null) => string,
): string => (value === null ? missing : low === null ? text(value) : `${text(value)} (${text(low)} to ${text(high)})`);

function ranking(tests: readonly ScorecardTest[], whole: ScorecardTest | undefined, card: ScorecardCard): HTMLElement {
  const { leavers, stayers } = outcomeWords(card.purpose);
  const byPeriod = tests
    .filter(({ period, sample }) => period.includes("/") && sample === "out_of_time")
    .sort((a, b) => (a.first_on ?? "").localeCompare(b.first_on ?? ""))
    .map((t) => ({ ...t, label: range(t.first_on, t.last_on) }));
  const named = tests
    .filter(({ period }) => samples[period] !== undefined)
    .sort((a, b) => Object.keys(samples).indexOf(a.period) - Object.keys(samples).indexOf(b.period))
    .map((t) => ({ ...t, label: `${samples[t.period]}, ${range(t.first_on, t.last_on)}` }));
  const columns: readonly Column<ScorecardTest & { readonly label: string }>[] = [
    { name: "On", text: (t) => t.label },
    {
      name: "Ranked rightly, of 100",
      text: (t) => withInterval(t.auc, t.auc_low, t.auc_high, onHundred),
      value: (t) => t.auc,
      isNumber: true,
    },
    {
      name: "Average precision",
      text: (t) => withInterval(t.average_precision, t.average_precision_low, t.average_precision_high, percent),
      value: (t) => t.average_precision,
      isNumber: true,
    },
    { name: "Any order gives", text: (t) => percent(t.base_rate), value: (t) => t.base_rate, isNumber: true },
    {
      name: "Lift of the lowest tenth",
      text: (t) => withInterval(t.lift_10, t.lift_10_low, t.lift_10_high, times),
      value: (t) => t.lift_10,
      isNumber: true,
    },
    { name: "Scored", text: (t) => percent(t.coverage), value: (t) => t.coverage, isNumber: true },
    { name: "Account-months", text: (t) => count(t.n_rows), value: (t) => t.n_rows, isNumber: true },
    { name: "Churned", text: (t) => count(t.n_churned), value: (t) => t.n_churned, isNumber: true },
  ];
  const said: readonly Sentence[] = [
    rankSentence(whole, card.purpose),
    isProbability(card.purpose) || card.purpose === "behaviour_index" ? caughtSentence(whole) : [],
  ].filter((s) => s.length > 0);
  return section(
    "How well it ranks",
    ...said.map((s) => paragraph(s)),
    figure({
      id: "ranking",
      title: `${leavers.slice(0, 1).toUpperCase()}${leavers.slice(1)} below ${stayers}, by period`,
      subtitle: `of 100 pairs of like accounts, how many stood in the right order, on months after the version was made; 90 % intervals; 50 is a coin toss`,
      alt: byPeriod.map((t) => `${t.label}: ${onHundred(t.auc)} of 100.`).join(" "),
      chart:
        byPeriod.filter(({ auc }) => auc !== null).length === 0
          ? null
          : (width) =>
              pairLine(byPeriod, {
                width,
                label: "period of the snapshots",
                connect: false,
                yLabel: "of 100 pairs, in the right order",
              }),
      empty: "No period after this version was made holds enough departures.",
      table: { name: "ranking-periods", rows: byPeriod, columns },
    }),
    named.length === 0
      ? null
      : tableWithCsv({ name: "ranking", label: "How well it ranks, by sample", rows: named, columns }),
    caption(
      "90 % intervals, by account. Average precision: the share among those listed so far, averaged over all departures; lift: the share in the tenth with the lowest scores over the share of all.",
    ),
  );
}

/** "-3.3 of 100 pairs (-4.9 to -1.8)": what a dot and its line say. */
const inWords = (l: { readonly value: number | null; readonly low: number | null; readonly high: number | null }) =>
  l.value === null || l.low === null || l.high === null
    ? "not known"
    : `${l.value.toFixed(1)} of 100 pairs (${l.low.toFixed(1)} to ${l.high.toFixed(1)})`;

/** Beside the simple score, other cards, and other versions of its own. */
function besides(rows: readonly ScorecardDifference[], card: ScorecardCard): HTMLElement | null {
  if (card.scorecard === "naive_baseline") return null;
  const whole = rows.filter(({ period }) => period === "out_of_time");
  const nameOf = (r: ScorecardDifference): string =>
    r.other === "naive_baseline"
      ? "the simple score"
      : r.other === card.scorecard
        ? `its version ${r.other_version}`
        : `"${r.other_label}"`;
  const simple = whole.find(({ other }) => other === "naive_baseline");
  const lines = whole.map((r) => ({
    label: nameOf(r),
    value: r.difference === null ? null : 100 * r.difference,
    low: r.difference_low === null ? null : 100 * r.difference_low,
    high: r.difference_high === null ? null : 100 * r.difference_high,
    note: `${count(r.n_churned)} churned`,
  }));
  const columns: readonly Column<ScorecardDifference>[] = [
    { name: "Beside", text: nameOf },
    { name: "Months", text: (r) => range(r.first_on, r.last_on), value: (r) => r.first_on },
    { name: "This score", text: (r) => onHundred(r.auc), value: (r) => r.auc, isNumber: true },
    { name: "The other", text: (r) => onHundred(r.other_auc), value: (r) => r.other_auc, isNumber: true },
    {
      name: "Difference",
      text: (r) => withInterval(r.difference, r.difference_low, r.difference_high, signedPairs),
      value: (r) => r.difference,
      isNumber: true,
    },
    { name: "Churned", text: (r) => count(r.n_churned), value: (r) => r.n_churned, isNumber: true },
  ];
  const others = whole.filter(({ other }) => other !== "naive_baseline");
  return section(
    "Beside other scores",
    paragraph(differenceSentence(simple, "the simple score (logins, NPS, feature events, tickets)")),
    ...others.map((r) => paragraph(differenceSentence(r, nameOf(r)))),
    figure({
      id: "beside",
      title: "Difference on the same account-months",
      subtitle: "pairs of 100 that this score has in the right order beyond the other; dot with 90 % interval, paired",
      alt: lines.map((l) => `Beside ${l.label}: ${inWords(l)}.`).join(" "),
      chart: lines.every(({ value }) => value === null)
        ? null
        : (width) =>
            intervals(lines, {
              width,
              domain: around(0, 5, 5, lines),
              origin: 0,
              ends: ["the other ranks better", "this one ranks better"],
              format: (x) => x.toFixed(1),
            }),
      empty: "No other score has enough account-months in common with this one.",
      table: { name: "beside", rows, columns },
    }),
  );
}

const calibrationColumns: readonly Column<ScorecardCalibration>[] = [
  {
    name: "Months",
    text: (c) => (c.period === "out_of_time" ? "all" : range(c.first_on, c.last_on)),
    value: (c) => c.first_on,
  },
  {
    name: "Expected",
    text: (c) => count(c.expected === null ? null : Math.round(c.expected)),
    value: (c) => c.expected,
    isNumber: true,
  },
  { name: "Came", text: (c) => count(c.observed), value: (c) => c.observed, isNumber: true },
  {
    name: "Came / expected",
    text: (c) => withInterval(c.ratio, c.ratio_low, c.ratio_high, times),
    value: (c) => c.ratio,
    isNumber: true,
  },
  {
    name: "Slope (1 is right)",
    text: (c) => withInterval(c.slope, c.slope_low, c.slope_high, times),
    value: (c) => c.slope,
    isNumber: true,
  },
  {
    name: "Brier score",
    text: (c) => withInterval(c.brier, c.brier_low, c.brier_high, (x) => (x ?? 0).toFixed(3)),
    value: (c) => c.brier,
    isNumber: true,
  },
  {
    name: "One rate for everybody",
    text: (c) => (c.base_brier === null ? missing : c.base_brier.toFixed(3)),
    value: (c) => c.base_brier,
    isNumber: true,
  },
  {
    name: "Calibration error",
    text: (c) => (c.ece === null ? missing : c.ece.toFixed(3)),
    value: (c) => c.ece,
    isNumber: true,
  },
  {
    name: "By chance alone",
    text: (c) => (c.ece_null === null ? missing : c.ece_null.toFixed(3)),
    value: (c) => c.ece_null,
    isNumber: true,
  },
  { name: "Churned", text: (c) => count(c.n_churned), value: (c) => c.n_churned, isNumber: true },
];

function calibration(rows: readonly ScorecardCalibration[]): HTMLElement {
  const periods = rows
    .filter(({ period, ratio }) => period.includes("/") && ratio !== null)
    .sort((a, b) => (a.first_on ?? "").localeCompare(b.first_on ?? ""));
  const lines = periods.map((c) => ({
    label: range(c.first_on, c.last_on),
    value: c.ratio,
    low: c.ratio_low,
    high: c.ratio_high,
    note: `${count(c.observed)} came, ${count(Math.round(c.expected ?? 0))} expected`,
  }));
  const reach = Math.max(1, ...lines.map((l) => l.high ?? 1)) * 1.05;
  return section(
    "Does it say how many?",
    paragraph(calibrationSentence(rows)),
    figure({
      id: "calibration",
      title: "Account-months that led to leaving, over those expected",
      subtitle: "expected from the score by what earlier months taught; dot with 90 % interval; 1 is right",
      alt: lines.map((l) => `${l.label}: ${times(l.value)} times.`).join(" "),
      chart:
        lines.length === 0
          ? null
          : (width) =>
              intervals(lines, {
                width,
                domain: [0, Math.ceil(reach * 2) / 2],
                origin: 1,
                ends: ["fewer came", "more came"],
                format: times,
              }),
      empty: "No period has enough departures before it to learn a rate from.",
      table: { name: "calibration", rows, columns: calibrationColumns },
    }),
  );
}

const noCalibration = (card: ScorecardCard): HTMLElement =>
  section(
    "Does it say how many?",
    html`<p class="empty">${
      card.purpose === "behaviour_index"
        ? "Not asked of it: a behaviour index is no probability of leaving, and none is made of it here."
        : "Not asked of it: only a score that is meant to forecast leaving is turned into a rate."
    }</p>` as Node,
  );

function overTime(
  decay: ScorecardDetail["decays"][number] | undefined,
  data: ScorecardDetail,
  version: number,
  all: readonly Note[],
): HTMLElement {
  const drifts = data.drifts
    .filter((d) => d.version === version)
    .sort((a, b) => a.snapshot_date.localeCompare(b.snapshot_date));
  const notes = noteMarks(
    all,
    drifts.map((d) => d.snapshot_date),
  );
  return section(
    "Does it wear off?",
    paragraph(decaySentence(decay)),
    figure({
      id: "drift",
      title: "How far scores have moved",
      subtitle:
        "population stability index against the first reading; dashed: what chance alone passes once in a hundred, at least 0.1; filled: more than that",
      alt: drifts.map((d) => `${date(d.snapshot_date)}: ${d.psi?.toFixed(2) ?? "unknown"}.`).join(" "),
      chart: drifts.length === 0 ? null : (width) => driftLine(drifts, { width, marks: notes.marks }),
      empty: "There are no two readings to compare.",
      ...finding(scoreDriftSentence(drifts), notes.words),
      table: {
        name: "drift",
        rows: drifts,
        columns: [
          { name: "Reading", text: (d) => shortDate(d.snapshot_date), value: (d) => d.snapshot_date },
          { name: "Index", text: (d) => d.psi?.toFixed(3) ?? missing, value: (d) => d.psi, isNumber: true },
          { name: "Bar", text: (d) => d.bar?.toFixed(3) ?? missing, value: (d) => d.bar, isNumber: true },
          { name: "Moved", text: (d) => (d.is_alarm ? "yes" : "no") },
          { name: "Accounts", text: (d) => count(d.n_accounts), value: (d) => d.n_accounts, isNumber: true },
        ],
      },
    }),
  );
}

/** What history would weigh, and how firmly it can say so. */
function weights(data: ScorecardDetail, card: ScorecardCard): HTMLElement | null {
  const rows = data.suggested.filter((s) => s.version === card.version);
  const humility = data.humility.find((h) => h.version === card.version);
  if (rows.length === 0 && humility === undefined) return null;
  const [first] = rows;
  const named = rows.map((r) => ({ ...r, label: r.label ?? r.kpi }));
  return section(
    "What history would weigh",
    first?.sentence === undefined || first.sentence === null
      ? null
      : paragraph([first.sentence.replace(card.scorecard, () => `"${card.label}"`)]),
    humility === undefined ? null : paragraph(humilitySentence(humility)),
    rows.length === 0
      ? null
      : figure({
          id: "weights",
          title: "Points as they are, equal, and suggested",
          subtitle: `bar: as it is; tick: equal points; dot: as history suggests${first?.tested_from == null ? "" : `, tested on account-months from ${date(first.tested_from)} on (${count(first.n_churned)} churned accounts)`}`,
          alt: named.map((r) => `${r.label}: ${points(r.current)} now, ${points(r.suggested)} suggested.`).join(" "),
          chart: (width) => pointsBeside(named, { width }),
          table: {
            name: "weights",
            rows: named,
            columns: [
              { name: "KPI", text: (r) => r.label },
              { name: "As it is", text: (r) => points(r.current), value: (r) => r.current, isNumber: true },
              { name: "Equal", text: (r) => points(r.equal), value: (r) => r.equal, isNumber: true },
              { name: "Suggested", text: (r) => points(r.suggested), value: (r) => r.suggested, isNumber: true },
            ],
          },
        }),
  );
}

/** The score without each of its KPIs: only assigned cards have it in the release. */
function leaveOneOut(rows: readonly ScorecardLeftOut[], card: ScorecardCard, release: Release): HTMLElement {
  if (rows.length === 0)
    return section(
      "What each part adds",
      html`<p class="note-line">The score without each of its ${String(card.n_kpis)} KPIs, in points and in ranking, is computed on demand: <code>npx assay score ${release.book} --scorecard ${card.scorecard} --leave-one-out</code></p>` as Node,
    );
  const lines = [...rows]
    .sort((a, b) => (a.difference ?? 0) - (b.difference ?? 0) || a.kpi.localeCompare(b.kpi))
    .map((r) => ({
      label: r.label,
      value: r.difference === null ? null : 100 * r.difference,
      low: r.difference_low === null ? null : 100 * r.difference_low,
      high: r.difference_high === null ? null : 100 * r.difference_high,
      note: `${count(r.n_churned)} churned`,
    }));
  const [first] = rows;
  const months =
    first?.period === "all" ? "all history, which its author may have looked at" : "months after the version was made";
  return section(
    "What each part adds",
    paragraph(leftOutSentence(rows)),
    figure({
      id: "left-out",
      title: "The score without one of its KPIs",
      subtitle: `pairs of 100 that are in the right order without it, less those with it, on ${months}; dot with 95 % interval, paired`,
      alt: lines.map((l) => `Without ${l.label}: ${inWords(l)}.`).join(" "),
      chart: lines.every(({ value }) => value === null)
        ? null
        : (width) =>
            intervals(lines, {
              width,
              domain: around(0, 2, 2, lines),
              origin: 0,
              ends: ["worse without it", "better without it"],
              format: (x) => x.toFixed(1),
            }),
      empty: "Too few leavers have a score to say how well it would rank: 50 of them and 50 who stayed are needed.",
      table: {
        name: "left-out",
        rows,
        columns: [
          { name: "Without", text: (r) => r.label },
          {
            name: "In another band",
            text: (r) => `${count(r.n_moved)} of ${count(r.n_accounts)}`,
            value: (r) => r.n_moved,
            isNumber: true,
          },
          {
            name: "Scores move by",
            text: (r) => (r.mean_change === null ? missing : r.mean_change.toFixed(1)),
            value: (r) => r.mean_change,
            isNumber: true,
          },
          {
            name: "Ranks with it, of 100",
            text: (r) => onHundred(r.auc_with),
            value: (r) => r.auc_with,
            isNumber: true,
          },
          {
            name: "Without it",
            text: (r) => onHundred(r.auc_without),
            value: (r) => r.auc_without,
            isNumber: true,
          },
          {
            name: "Difference",
            text: (r) => withInterval(r.difference, r.difference_low, r.difference_high, signedPairs),
            value: (r) => r.difference,
            isNumber: true,
          },
          { name: "Churned", text: (r) => count(r.n_churned), value: (r) => r.n_churned, isNumber: true },
        ],
      },
    }),
    caption("The others keep their weights, as when a KPI has no value. On account-months that have both scores."),
  );
}

/** What people do for accounts of this score, and what came after; no account is named. */
function plays(rows: readonly ScorecardPlay[], card: ScorecardCard): HTMLElement | null {
  if (!card.is_assigned) return null;
  if (rows.length === 0)
    return section(
      "Plays",
      html`<p class="empty">The book has no plays.yaml: nothing says what follows from a band.</p>` as Node,
    );
  return section(
    "Plays",
    tableWithCsv({
      name: "plays",
      label: "Plays of the book",
      rows,
      columns: [
        { name: "Play", text: (r) => r.label },
        { name: "For accounts", text: (r) => r.condition },
        { name: "Who", text: (r) => r.owner ?? "the account's owner" },
        { name: "Within", text: (r) => plural(r.due_days, "day"), value: (r) => r.due_days, isNumber: true },
        {
          name: "Due now",
          text: (r) => `${count(r.n_due)} of ${count(r.n_accounts)}`,
          value: (r) => r.n_due,
          isNumber: true,
        },
        { name: "Of those overdue", text: (r) => count(r.n_overdue), value: (r) => r.n_overdue, isNumber: true },
        {
          name: "Recorded",
          text: (r) =>
            r.n_recorded === null
              ? "not seen"
              : `${count(r.n_recorded)} with ${plural(r.n_recorded_accounts ?? 0, "account")}`,
          value: (r) => r.n_recorded,
          isNumber: true,
        },
        {
          name: "Left within 90 days",
          text: (r) => withInterval(r.left_rate, r.left_low, r.left_high, percent),
          value: (r) => r.left_rate,
          isNumber: true,
        },
        {
          name: "Like accounts without one",
          text: (r) => percent(r.like_rate),
          value: (r) => r.like_rate,
          isNumber: true,
        },
      ],
    }),
    caption(
      "What came after a play, never what it did: plays go to accounts that somebody worried about. Like accounts: same date, band, segment and slice of expected churn, no play from 90 days before.",
    ),
  );
}

function findings(rows: ScorecardDetail["lint"], card: ScorecardCard): HTMLElement {
  return section(
    "What the guides would say",
    rows.length === 0
      ? (html`<p class="empty">No rule of the guides finds anything in this version.</p>` as Node)
      : (html`<ul class="links">${rows.map(
          (r) =>
            html`<li>${lintSentence(r, card.label)} <span class="verdict-label">${r.source}${r.because === null ? "" : `; accepted: ${r.because}`}</span></li>`,
        )}</ul>` as Node),
  );
}

function steps(rows: ScorecardDetail["steps"]): HTMLElement | null {
  if (rows.length === 0) return null;
  const open = rows.filter(({ state }) => state !== "done").length;
  return section(
    "How it was made",
    paragraph(say`${count(rows.length - open)} of ${count(rows.length)} steps are done.`),
    tableWithCsv({
      name: "steps",
      label: "Steps",
      rows,
      columns: [
        { name: "No", text: (r) => String(r.step_no), value: (r) => r.step_no, isNumber: true },
        { name: "Step", text: (r) => r.label },
        { name: "State", text: (r) => r.state },
        { name: "What there is", text: (r) => stateInWords(r.what ?? "") },
      ],
    }),
  );
}

function versionTable(data: ScorecardDetail, today: Date): HTMLElement {
  return section(
    "Versions and sign-offs",
    tableWithCsv({
      name: "versions",
      label: "Versions",
      rows: [...data.versions].sort((a, b) => b.version - a.version),
      columns: [
        { name: "Version", text: (v) => String(v.version), value: (v) => v.version, isNumber: true },
        { name: "Made on", text: (v) => shortDate(v.created_on), value: (v) => v.created_on },
        { name: "In force from", text: (v) => shortDate(v.in_force_from), value: (v) => v.in_force_from },
        { name: "Sign-off", text: (v) => signOffText(v, today) },
        { name: "What it says of itself", text: (v) => v.description ?? "" },
      ],
    }),
  );
}

const signOffText = (v: ScorecardDetail["versions"][number], today: Date): string => {
  if (v.validated_on === null) return "none";
  const isOver = v.valid_until !== null && v.valid_until <= today.toISOString().slice(0, 10);
  return `${date(v.validated_on)}${v.validated_by === null ? "" : `, ${v.validated_by}`}${isOver ? `; expired ${date(v.valid_until)}` : ""}`;
};
