import { html } from "htl";
import { actionGroups } from "../bands.js";
import { around, intervals } from "../charts/intervals.js";
import { pairLine } from "../charts/pair-line.js";
import { type Range, valueRanges } from "../charts/value-ranges.js";
import { valueShift } from "../charts/value-shift.js";
import { weekly } from "../charts/weekly.js";
import { type Column, figure, sqlBlock, tableWithCsv } from "../figure.js";
import {
  bound,
  count,
  date,
  missing,
  month,
  monthSpan,
  onHundred,
  percent,
  percentTick,
  plural,
  points,
  shortDate,
} from "../format.js";
import { paragraph, type Sentence } from "../prose.js";
import type { Kpi, KpiRange, KpiSegment, Note, Release, Statement } from "../rows.js";
import type { KpiCohort, KpiCut, KpiDetail } from "../rows-evidence.js";
import { isTested } from "../sentences.js";
import { noteMarks } from "../sentences-bands.js";
import {
  badgesInWords,
  coverageSentence,
  cutLabel,
  cutSentence,
  driftSentence,
  groupSentence,
  interventionSentence,
  kinSentence,
  labelSentence,
  leadSentence,
  looksSentence,
  periodSentence,
} from "../sentences-kpi.js";
import { caption, finding, section, sqlSection } from "./parts.js";

/** One KPI: its sentence, what happened by value, when the link shows, whether it lasts, and how it is made. */
export function kpiPage(
  data: KpiDetail,
  release: Release,
  statements: readonly Statement[],
  notes: readonly Note[],
): HTMLElement {
  const kpi = data.kpi[0] as Kpi;
  const group = actionGroups.find((g) => g.group === kpi.action_group) ?? actionGroups[4];
  const sql = data.sql[0]?.sql_text ?? null;
  return html`<div class="report">
    <p class="crumb"><a href="./index.html">All KPIs</a></p>
    <h1>${kpi.label}</h1>
    <p class="verdict-line"><span class="badge" style=${{ background: group.colour }}>${kpi.action_group}</span> <span class="verdict-label">${kpi.verdict_label ?? "Not enough data"}</span></p>
    <p class="lede">${kpi.sentence ?? "Not tested in this release."}</p>
    ${kpi.small_print === null || !isTested(kpi) ? null : html`<p class="small-print">${kpi.small_print}</p>`}
    ${badgesInWords(kpi.badges).length === 0 ? null : html`<p class="small-print">Marks: ${badgesInWords(kpi.badges).join("; ")}.</p>`}
    ${rangeFigure(data, kpi, release)}
    ${isTested(kpi) ? [leadFigure(data, kpi, release), periodFigure(data, kpi), segmentFigure(data, kpi), cohortFigure(data, kpi)] : null}
    ${cutSection(data, kpi)}
    ${nowFigure(data, kpi)}
    ${isTested(kpi) ? [looksFigure(data, kpi), interventionFigure(data, kpi)] : null}
    ${kinSection(data, kpi)}
    ${weeksFigure(data, kpi, notes)}
    ${definition(data, kpi)}
    ${sql === null ? null : section("SQL", sqlBlock("How the KPI is computed for every account and snapshot", sql))}
    ${sqlSection(statements, ["marts.kpi", "marts.kpi_range", "marts.kpi_lead", "marts.kpi_period", "marts.kpi_segment", "marts.kpi_cohort", "marts.kpi_group", "marts.kpi_cut", "marts.kpi_shift", "marts.kpi_drift", "marts.kpi_look", "marts.kpi_intervention", "marts.kpi_pair", "marts.kpi_week"])}
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

/** Two ranges may round to the same words; a band axis needs them apart. */
function apart<Row extends { readonly label: string }>(rows: readonly Row[]): readonly Row[] {
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const n = (seen.get(row.label) ?? 0) + 1;
    seen.set(row.label, n);
    return n === 1 ? row : { ...row, label: `${row.label} (${n})` };
  });
}

function rangeFigure({ ranges }: KpiDetail, kpi: Kpi, release: Release): HTMLElement {
  const rows = apart(rangeLabels(ranges));
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

const statementNote = "50 is a coin toss";

function leadFigure({ leads }: KpiDetail, kpi: Kpi, release: Release): HTMLElement | null {
  const rows = [...leads]
    .sort((a, b) => b.months_before - a.months_before)
    .map((lead) => ({
      ...lead,
      label: String(lead.months_before),
      isInGap: lead.months_before * 30 <= release.gap_days,
    }));
  const drawn = rows.filter(({ auc }) => auc !== null);
  if (drawn.length === 0) return null;
  return figure({
    title: "How early it shows",
    subtitle: `months before the decision, leavers beside like accounts that stayed; ${statementNote}`,
    alt: drawn.map((r) => `${plural(r.months_before, "month")} before: ${onHundred(r.auc)} of 100.`).join(" "),
    chart: (width) => pairLine(rows, { width, label: "months before the decision", connect: true }),
    ...finding(leadSentence(kpi, leads, release)),
    table: { name: `${kpi.kpi}-lead-time`, rows, columns: pairColumns("Months before") },
  });
}

function periodFigure({ periods }: KpiDetail, kpi: Kpi): HTMLElement | null {
  const rows = periods.map((period) => ({
    ...period,
    label: monthSpan(monthOf(period.first_on), monthOf(period.last_on), true),
  }));
  if (rows.filter(({ auc }) => auc !== null).length < 2) return null;
  return figure({
    title: "Does it last?",
    subtitle: `like for like by period (quarters are merged until each has enough churned accounts); ${statementNote}`,
    alt: rows.map((r) => `${r.label}: ${onHundred(r.auc)} of 100.`).join(" "),
    chart: (width) => pairLine(rows, { width, label: "period of the snapshots", connect: false }),
    ...finding(periodSentence(kpi, periods)),
    table: { name: `${kpi.kpi}-periods`, rows, columns: pairColumns("Period") },
  });
}

const monthOf = (iso: string): string => `${iso.slice(0, 7)}-01`;

type Group = Omit<KpiSegment, "segment"> & { readonly label: string };

/** Segments or cohorts, one line each, with the verdict that each one's own test gave. */
function groupFigure(
  rows: readonly Group[],
  options: { readonly title: string; readonly word: string; readonly name: string; readonly said: Sentence },
): HTMLElement | null {
  const drawn = rows.filter(({ auc }) => auc !== null);
  if (drawn.length < 2) return null;
  const lines = rows.map((r) => ({
    label: r.label,
    value: r.auc === null ? null : 100 * r.auc,
    low: r.auc_low === null ? null : 100 * r.auc_low,
    high: r.auc_high === null ? null : 100 * r.auc_high,
    note: r.verdict === null ? `no verdict: ${count(r.n_churned)} churned` : (r.verdict_label ?? ""),
    isHollow: r.verdict === null,
  }));
  const columns: readonly Column<Group>[] = [
    ...pairColumns<Group>(options.word),
    { name: "Staying", text: (r) => count(r.n_staying), value: (r) => r.n_staying, isNumber: true },
    { name: "Verdict", text: (r) => (r.verdict === null ? "none: too few accounts" : (r.verdict_label ?? "")) },
    { name: "In words", text: (r) => r.sentence ?? "" },
  ];
  return figure({
    title: options.title,
    subtitle: `of 100 pairs within one ${options.word.toLowerCase()}, how often the leaver had more; dot with 95 % interval, hollow where there is no verdict`,
    alt: drawn.map((r) => `${r.label}: ${onHundred(r.auc)} of 100, ${r.verdict_label ?? "no verdict"}.`).join(" "),
    chart: (width) =>
      intervals(lines, {
        width,
        domain: around(50, 15, 5, lines).map((x) => Math.min(100, Math.max(0, x))) as [number, number],
        origin: 50,
        ends: ["leavers had less", "leavers had more"],
        band: [45, 55],
        format: (x) => x.toFixed(1),
      }),
    ...finding(options.said),
    table: { name: options.name, rows, columns },
  });
}

function segmentFigure({ segments, groups }: KpiDetail, kpi: Kpi): HTMLElement | null {
  return groupFigure(
    segments.map((s) => ({ ...s, label: s.segment })),
    {
      title: "Is it the same in every segment?",
      word: "Segment",
      name: `${kpi.kpi}-segments`,
      said: groupSentence(
        segments,
        { one: "segment", many: "segments" },
        groups.find((g) => g.group_kind === "segment"),
      ),
    },
  );
}

function cohortFigure({ cohorts, groups }: KpiDetail, kpi: Kpi): HTMLElement | null {
  return groupFigure(
    cohorts.map((c: KpiCohort) => ({ ...c, label: c.cohort.replace("-", " ") })),
    {
      title: "Is it the same for every sign-up cohort?",
      word: "Cohort",
      name: `${kpi.kpi}-cohorts`,
      said: groupSentence(
        cohorts,
        { one: "cohort", many: "cohorts" },
        groups.find((g) => g.group_kind === "cohort"),
      ),
    },
  );
}

const rateWith = (rate: number | null, low: number | null, high: number | null): string =>
  rate === null ? missing : `${percent(rate)} (${percent(low)} to ${percent(high)})`;

/** What a flag at each cut would have caught: the table that a scorecard's author needs. */
function cutSection({ cuts }: KpiDetail, kpi: Kpi): HTMLElement | null {
  const [first] = cuts;
  if (first === undefined) return null;
  const columns: readonly Column<KpiCut>[] = [
    { name: "Flag", text: cutLabel, value: (r) => r.cut_value },
    { name: "Flagged", text: (r) => percent(r.flagged_share), value: (r) => r.flagged_share, isNumber: true },
    {
      name: "Leavers caught",
      text: (r) => rateWith(r.caught_share, r.caught_low, r.caught_high),
      value: (r) => r.caught_share,
      isNumber: true,
    },
    {
      name: "Left, flagged",
      text: (r) => rateWith(r.rate_flagged, r.rate_flagged_low, r.rate_flagged_high),
      value: (r) => r.rate_flagged,
      isNumber: true,
    },
    {
      name: "Left, others",
      text: (r) => rateWith(r.rate_others, r.rate_others_low, r.rate_others_high),
      value: (r) => r.rate_others,
      isNumber: true,
    },
    { name: "Accounts flagged", text: (r) => count(r.n_flagged), value: (r) => r.n_flagged, isNumber: true },
  ];
  const bothEnds =
    kpi.verdict === "non_monotone"
      ? "This KPI warns at both ends; a flag on one side sees one of them."
      : "These are plain rates: size, age and segment are not allowed for, and a flag chosen from this table because it looks best will do less well.";
  return section(
    "What a flag would have caught",
    paragraph(cutSentence(cuts)),
    tableWithCsv({ name: `${kpi.kpi}-cuts`, label: "Cut-offs", rows: cuts, columns }),
    caption(
      `Shares of ${count(first.n_rows)} account-months with ${plural(first.n_churned, "churned account")}; 95 % intervals by account. ${bothEnds}`,
    ),
  );
}

/** Today's values beside those that the verdict was learned on. */
function nowFigure({ shift, ranges, drift }: KpiDetail, kpi: Kpi): HTMLElement | null {
  if (shift.length === 0) return null;
  const named = new Map(ranges.map((r) => [r.is_missing ? 0 : r.range_no, rangeLabels([r])[0]?.label ?? ""] as const));
  const rows = apart(
    [...shift.filter((s) => !s.is_missing), ...shift.filter((s) => s.is_missing)].flatMap((s) => {
      const label = s.is_missing ? "no value" : named.get(s.range_no);
      return label === undefined ? [] : [{ ...s, label }];
    }),
  );
  if (rows.length === 0) return null;
  return figure({
    title: "Where accounts stand now",
    subtitle: `bar: share of ${plural(shift[0]?.n_now ?? 0, "account")} now; tick: share of the ${count(shift[0]?.n_rows_then)} account-months of history`,
    alt: rows.map((r) => `${r.label}: ${percent(r.share_now)} now, ${percent(r.share_then)} in history.`).join(" "),
    chart: (width) => valueShift(rows, { width, unit: kpi.unit }),
    ...finding(driftSentence(drift[0])),
    table: {
      name: `${kpi.kpi}-now`,
      rows,
      columns: [
        { name: kpi.unit, text: (r) => r.label },
        { name: "Now", text: (r) => percent(r.share_now), value: (r) => r.share_now, isNumber: true },
        { name: "In history", text: (r) => percent(r.share_then), value: (r) => r.share_then, isNumber: true },
      ],
    },
  });
}

/** The verdict at each of the last month starts. */
function looksFigure({ looks }: KpiDetail, kpi: Kpi): HTMLElement | null {
  if (looks.length === 0) return null;
  const ordered = [...looks].sort((a, b) => a.look_on.localeCompare(b.look_on));
  const lines = ordered.map((l) => ({
    label: month(l.look_on),
    value: l.auc === null ? null : 100 * l.auc,
    low: l.auc_low === null ? null : 100 * l.auc_low,
    high: l.auc_high === null ? null : 100 * l.auc_high,
    note: l.verdict_label,
  }));
  return figure({
    title: "What was said before",
    subtitle:
      "the verdict at each of the last month starts, made anew from what was known then; dot with 95 % interval",
    alt: ordered.map((l) => `${month(l.look_on)}: ${l.verdict_label}.`).join(" "),
    chart: lines.every(({ value }) => value === null)
      ? null
      : (width) =>
          intervals(lines, {
            width,
            domain: around(50, 15, 5, lines),
            origin: 50,
            ends: ["leavers had less", "leavers had more"],
            band: [45, 55],
            format: (x) => x.toFixed(1),
          }),
    empty: "No earlier month could be tested.",
    ...finding(looksSentence(kpi, looks)),
    table: {
      name: `${kpi.kpi}-looks`,
      rows: ordered.map((l) => ({ ...l, label: shortDate(l.look_on) })),
      columns: [
        ...pairColumns<(typeof ordered)[number] & { readonly label: string }>("As of"),
        { name: "Verdict", text: (l) => l.verdict_label },
      ],
    },
  });
}

/** With and without the account-months in which somebody stepped in. */
function interventionFigure({ interventions }: KpiDetail, kpi: Kpi): HTMLElement | null {
  const [row] = interventions;
  if (row === undefined || row.auc_with === null || row.auc_without === null) return null;
  const rows = [
    {
      label: "all account-months",
      auc: row.auc_with,
      auc_low: row.auc_with_low,
      auc_high: row.auc_with_high,
      n_churned: row.n_churned_with,
    },
    {
      label: "without plays (a selection)",
      auc: row.auc_without,
      auc_low: row.auc_without_low,
      auc_high: row.auc_without_high,
      n_churned: row.n_churned_without,
    },
  ];
  const lines = rows.map((r) => ({
    label: r.label,
    value: 100 * r.auc,
    low: r.auc_low === null ? null : 100 * r.auc_low,
    high: r.auc_high === null ? null : 100 * r.auc_high,
    note: `${count(r.n_churned)} churned`,
  }));
  return figure({
    title: "With and without the team's work",
    subtitle: `like for like; ${statementNote}`,
    alt: rows.map((r) => `${r.label}: ${onHundred(r.auc)} of 100.`).join(" "),
    chart: (width) =>
      intervals(lines, {
        width,
        domain: around(50, 15, 5, lines),
        origin: 50,
        ends: ["leavers had less", "leavers had more"],
        band: [45, 55],
        format: (x) => x.toFixed(1),
      }),
    ...finding(interventionSentence(row)),
    table: { name: `${kpi.kpi}-plays`, rows, columns: pairColumns("Account-months") },
  });
}

/** Other KPIs that rank accounts alike, and other definitions of leaving. */
function kinSection({ kin, labels }: KpiDetail, kpi: Kpi): HTMLElement | null {
  if (!isTested(kpi)) return null;
  const others = kin.map(
    (k) =>
      html`<li><a href=${`./${k.other}.html`}>${k.other_label}</a> <span class="verdict-label">rank correlation ${k.spearman.toFixed(2)}${k.is_twin ? ", one group" : ""}</span></li>`,
  );
  return section(
    "What goes with it",
    paragraph(kinSentence(kin)),
    others.length === 0 ? null : (html`<ul class="links">${others}</ul>` as Node),
    labels.length === 0
      ? null
      : (html`<div>${paragraph(labelSentence(labels))}<p class="note-line"><a href="../labels.html">All definitions of leaving</a></p></div>` as Node),
  );
}

/** Coverage by week, with the steps in what feeds the KPI. */
function weeksFigure({ weeks }: KpiDetail, kpi: Kpi, all: readonly Note[]): HTMLElement | null {
  if (weeks.length === 0) return null;
  const rows = [...weeks].sort((a, b) => a.week.localeCompare(b.week));
  const last = rows.at(-1) as (typeof rows)[number];
  const notes = noteMarks(
    all,
    rows.map((r) => r.week),
  );
  return figure({
    title: "How many accounts have a value",
    subtitle: `share of accounts at each weekly snapshot, ${count(last.n_accounts)} accounts at the last; rule: a step in the rows that feed it`,
    alt: `${percent(last.coverage)} in the newest week.`,
    chart: (width) =>
      weekly(
        rows.map((r) => ({ week: r.week, value: r.coverage })),
        {
          width,
          label: "share with a value",
          top: 1,
          notes: notes.marks,
          marks: rows.flatMap((r) => (r.step === null ? [] : [{ on: r.week, label: `step ${r.step}` }])),
          format: percentTick,
        },
      ),
    ...finding(coverageSentence(rows), notes.words),
    table: {
      name: `${kpi.kpi}-coverage`,
      rows,
      columns: [
        { name: "Week of", text: (r) => shortDate(r.week), value: (r) => r.week },
        { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
        { name: "With a value", text: (r) => percent(r.coverage), value: (r) => r.coverage, isNumber: true },
        {
          name: "Of these zero",
          text: (r) => percent(r.share_zero),
          value: (r) => r.share_zero,
          isNumber: true,
        },
        { name: "Rows fed", text: (r) => count(r.n_input_rows), value: (r) => r.n_input_rows, isNumber: true },
        { name: "Step", text: (r) => r.step ?? "" },
      ],
    },
  });
}

function definition({ cards }: KpiDetail, kpi: Kpi): HTMLElement {
  const facts: readonly (readonly [string, string | Node])[] = [
    ["What", kpi.description],
    [
      "Measure",
      `${kpi.measure.replaceAll("_", " ")} over rows of ${kpi.entity.replaceAll("_", " ")}${kpi.window_days === null ? "" : `, the ${kpi.window_days} days before the snapshot`}`,
    ],
    ["Unit", kpi.unit],
    ["Kind", `${kpi.kind}, ${kpi.side}`],
    ["Thought healthier", kpi.healthier === "tested" ? "no opinion: history decides" : kpi.healthier],
    ["Has a value", kpi.coverage === null ? missing : `${percent(kpi.coverage)} of account-months`],
    ["Version", String(kpi.version)],
    ...(kpi.strength === null ? [] : [["Strength", kpi.strength] as const]),
    [
      "This verdict",
      kpi.held === null
        ? "no earlier validation to compare with"
        : `held at ${kpi.held} of the last 6 month starts${kpi.first_seen_on === null ? "" : `, the first of them ${date(kpi.first_seen_on)}`}`,
    ],
    ...(kpi.redundant_label === null
      ? []
      : [["Same as", html`<a href=${`./${kpi.redundant_with}.html`}>${kpi.redundant_label}</a>` as Node] as const]),
    ...(kpi.reason === null ? [] : [["Reason", kpi.reason.replaceAll("_", " ")] as const]),
    [
      "Counts in",
      cards.length === 0
        ? "no scorecard"
        : (html`<span>${cards.map(
            (c, i) =>
              html`${i === 0 ? "" : ", "}<a href=${`../scorecards/${c.scorecard}.html`}>${c.card_label}, version ${c.version}</a> (${points(c.points)} of 100 points)`,
          )}</span>` as Node),
    ],
  ];
  return section(
    "Definition",
    html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>` as Node,
    caption(
      kpi.n_accounts === null ? "" : `${plural(kpi.n_accounts, "account")} have a value and a complete outcome window.`,
    ),
  );
}
