import { html } from "htl";
import { type BandStyle, bandStyles, styleOf } from "../bands.js";
import { accountHistory, type ScorePoint } from "../charts/account-history.js";
import { courseMap } from "../charts/course-map.js";
import { type Column, figure, legend, tableWithCsv } from "../figure.js";
import { filtered } from "../filters.js";
import { count, date, money, percent, plural, points, shortDate } from "../format.js";
import {
  accountHref,
  bandMark,
  kindInWords,
  moneyValue,
  outside,
  outsideLine,
  shownMoney,
  shownScore,
  signed,
} from "../managers.js";
import { list, paragraph, say } from "../prose.js";
import type { Band, Release } from "../rows.js";
import { stateInWords } from "../sentences.js";
import { caption, section } from "./parts.js";

/** One account as its shard holds it: `accounts/data/<shard>.json`. */
export interface AccountDetail {
  readonly name: string | null;
  readonly owner: string | null;
  readonly country: string | null;
  readonly lifecycle: string | null;
  readonly parent_id: string | null;
  readonly parent_name: string | null;
  readonly is_paying: boolean;
  readonly segment: string | null;
  readonly mrr_minor: number | null;
  readonly seats: number | null;
  readonly renews_on: string | null;
  readonly in_notice: boolean | null;
  readonly tenure_days: number | null;
  readonly paid_minor: number | null;
  readonly scorecard: string | null;
  readonly version: number | null;
  readonly score: number | null;
  readonly score_low: number | null;
  readonly score_high: number | null;
  readonly coverage: number | null;
  readonly band: string | null;
  readonly band_before: string | null;
  readonly gated_by: string | null;
  readonly overridden_by: string | null;
  readonly band_since: string | null;
  readonly days_in_band: number | null;
  readonly is_since_first: boolean | null;
  readonly change_28d: number | null;
  readonly slope: number | null;
  readonly place: number | null;
  readonly n_in_band: number | null;
  readonly history: {
    /** Days since 1970-01-01. */
    readonly days: readonly number[] | null;
    readonly scores: readonly (number | null)[] | null;
    /** Numbers of marts.band. */
    readonly bands: readonly (number | null)[] | null;
    /** How far the score could reach on the days without one. */
    readonly ranges: readonly { readonly day: number; readonly low: number; readonly high: number | null }[] | null;
    /** From which day on each scorecard was in force. */
    readonly cards: readonly { readonly day: number; readonly card: string | null }[] | null;
  };
  readonly parts: readonly Part[] | null;
  readonly missing: readonly { readonly kpi: string; readonly label: string | null; readonly why: string }[] | null;
  readonly flags: readonly Flag[] | null;
  readonly events: readonly Event[] | null;
  readonly n_events: number | null;
  readonly children: readonly Child[] | null;
  readonly plays: readonly DuePlay[] | null;
  readonly surprises: readonly SurpriseOf[] | null;
  readonly milestones: readonly Milestone[] | null;
  /** The first paid day, where there are milestones. */
  readonly started_on: string | null;
}

interface Milestone {
  readonly milestone: string;
  readonly expected_on: string | null;
  readonly reached_on: string | null;
  readonly expected_day: number | null;
  readonly reached_day: number | null;
  readonly days_late: number | null;
  readonly state: string;
}

/** Quartiles of the milestones that accounts had passed by a day since they began to pay. */
export interface CoursePoint {
  readonly series: string;
  readonly day: number;
  readonly n_accounts: number;
  readonly q25: number;
  readonly q50: number;
  readonly q75: number;
}

interface Part {
  readonly on: string;
  readonly kind: string;
  readonly group: string | null;
  readonly kpi: string | null;
  readonly label: string | null;
  readonly unit: string | null;
  readonly value: number | null;
  readonly points: number | null;
  readonly weight: number | null;
  readonly contribution: number;
}
interface Flag {
  readonly label: string;
  readonly kind: string;
  readonly words: string;
  readonly since: string;
  readonly until: string | null;
  readonly value: number | null;
  readonly raised: boolean;
  readonly snoozed: string | null;
}
interface Event {
  readonly on: string;
  readonly kind: string;
  readonly what: string;
  readonly detail: string;
  readonly n: number;
}
interface Child {
  readonly id: string;
  readonly name: string | null;
  readonly level: number;
  readonly score: number | null;
  readonly band: string | null;
  readonly mrr_minor: number | null;
}
interface DuePlay {
  readonly label: string;
  readonly steps: string;
  readonly owner: string | null;
  readonly since: string;
  readonly due_on: string;
  readonly started_on: string | null;
  readonly state: string;
}
interface SurpriseOf {
  readonly kind: string;
  readonly since: string;
  readonly decided_on: string | null;
  readonly score_then: number;
  readonly visible_then: string | null;
  readonly disposition: string | null;
}

export interface AccountData {
  readonly release: Release;
  readonly band: readonly Band[];
  readonly course: readonly CoursePoint[];
  readonly scorecard: readonly {
    readonly scorecard: string;
    readonly version: number;
    readonly label: string;
    readonly purpose?: string;
  }[];
  readonly state: readonly { readonly scorecard: string; readonly version: number; readonly sentence: string | null }[];
}

const isoOf = (day: number): string => new Date(day * 86_400_000).toISOString().slice(0, 10);

/** What a link without an account, or with one that has no page, leads to. */
export function noAccountPage(id: string, release: Release): HTMLElement {
  const sentence =
    id === ""
      ? say`No account was named in the address. The list of accounts links to the page of each.`
      : say`No account ${outsideLine(id, 80)} has a page: one does that paid in the last 365 days before ${date(release.as_of)}, that surprised the score, or that has other accounts below it.`;
  return html`<div class="report"><h1>Account</h1>${paragraph(sentence, "lede")}
    <p><a href="./index.html">All accounts</a>, or search for one above: the search knows names and ids.</p></div>` as HTMLElement;
}

/** Everything about one account: score and what it is made of, flags, plays, what happened, and the accounts below it. */
export function accountPage(id: string, a: AccountDetail, data: AccountData): HTMLElement {
  const { release } = data;
  const styles = bandStyles(data.band);
  return html`<div class="report">
    <p class="crumb"><a href="./index.html">Accounts</a></p>
    <h1>${outside(a.name ?? id, 200)}</h1>
    ${paragraph(standing(a, styles, release), "lede")}
    ${known(a)}
    ${facts(id, a, release)}
    ${history(a, styles, data)}
    ${section("What the score is made of", ...parts(a, release))}
    ${section("Flags", flags(a.flags ?? []))}
    ${section("Plays", plays(a.plays ?? []))}
    ${(a.milestones ?? []).length === 0 ? null : section("Milestones", milestones(a, data))}
    ${section("What happened", ...timeline(a, release))}
    ${(a.children ?? []).length === 0 ? null : section("Accounts below it", children(a.children ?? [], styles, release))}
    ${(a.surprises ?? []).length === 0 ? null : section("Surprises", surprises(a.surprises ?? []))}
  </div>` as HTMLElement;
}

function standing(a: AccountDetail, styles: readonly BandStyle[], release: Release) {
  if (!a.is_paying) return say`Does not pay on ${date(release.as_of)}: what stands here is its past.`;
  if (a.scorecard === null) return say`Pays, and no scorecard is in force for it.`;
  const band = outsideLine(styleOf(styles, a.band ?? "unknown").name, 30);
  const since =
    a.band_since === null
      ? ""
      : ` since ${date(a.band_since)}${a.is_since_first ? " or longer" : ""}, ${plural(a.days_in_band ?? 0, "day")}`;
  if (a.score === null)
    return say`${"Not scored"}${since}: ${percent(a.coverage)} of the weight is known, too little. The score could be anything from ${points(a.score_low)} to ${points(a.score_high)}.`;
  const place =
    a.place === null ? "" : `; ${count(a.place)} of ${count(a.n_in_band)} in its band, the steepest fall first`;
  return say`Score ${points(a.score)}, ${band}${since}${a.change_28d === null ? "" : `; ${signed(a.change_28d)} points in 28 days`}${place}.`;
}

const whyWords: Readonly<Record<string, string>> = {
  not_applicable: "does not apply",
  not_yet: "too new for its window",
  unanswered: "asked, not answered",
  feed_broken: "its feed delivered nothing",
};

function known(a: AccountDetail): Node | null {
  const none = a.missing ?? [];
  if (!a.is_paying || none.length === 0) return null;
  const names = none.map(({ kpi, label, why }) => `${label ?? kpi} (${whyWords[why] ?? why.replaceAll("_", " ")})`);
  const range =
    a.score === null || a.score_low === null || a.score_high === null
      ? ""
      : a.score_low === a.score_high
        ? ""
        : ` With ${none.length === 1 ? "it" : "them"} the score would lie between ${points(a.score_low)} and ${points(a.score_high)}.`;
  return paragraph(say`Without a value: ${list(names)}; ${percent(a.coverage)} of the weight is known.${range}`);
}

function facts(id: string, a: AccountDetail, release: Release): Node {
  const rows: readonly (readonly [string, Node | string | null])[] = [
    ["Id", outside(id, 200)],
    ["Owner", a.owner === null ? "no owner" : outside(a.owner, 80)],
    ["Segment", a.segment === null || a.segment === "all" ? null : outside(a.segment, 80)],
    [
      "Pays",
      a.is_paying
        ? `${shownMoney(a.mrr_minor, release.currency)} a month${a.seats === null ? "" : `, ${plural(a.seats, "seat")}`}`
        : "nothing now",
    ],
    ["Customer for", a.tenure_days === null ? null : plural(a.tenure_days, "day")],
    ["Renews on", a.renews_on === null ? null : `${date(a.renews_on)}${a.in_notice ? "; notice was given" : ""}`],
    ["Paid so far", a.paid_minor === null ? null : money(a.paid_minor, release.currency)],
    ["Country", a.country === null ? null : outside(a.country, 80)],
    ["Lifecycle", a.lifecycle === null ? null : outside(a.lifecycle, 80)],
    [
      "Belongs to",
      a.parent_id === null
        ? null
        : (html`<a href=${accountHref(a.parent_id, "accounts/")}>${outside(a.parent_name ?? a.parent_id, 80)}</a>` as Node),
    ],
    [
      "Gate",
      a.gated_by === null
        ? null
        : `${a.gated_by.replaceAll("_", " ")} failed; without it the band would be ${a.band_before ?? "another"}`,
    ],
    ["Band set by", a.overridden_by === null ? null : outside(a.overridden_by, 80)],
    [
      "Name in full",
      a.name !== null && [...a.name].length > 200
        ? (html`<details><summary>${count([...a.name].length)} characters</summary>${outside(a.name, 20000)}</details>` as Node)
        : null,
    ],
  ];
  return html`<dl class="facts">${rows
    .filter(([, value]) => value !== null)
    .map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>` as Node;
}

function history(a: AccountDetail, styles: readonly BandStyle[], data: AccountData): Node {
  const { days, scores, bands, ranges, cards } = a.history;
  const names = new Map(data.band.map(({ band, band_no }) => [band_no, band]));
  const reach = new Map((ranges ?? []).map((range) => [range.day, range]));
  const begun = cards ?? [];
  const rows: readonly (ScorePoint & { readonly card: string | null })[] = (days ?? []).map((day, i) => ({
    on: isoOf(day),
    score: scores?.[i] ?? null,
    low: reach.get(day)?.low ?? null,
    high: reach.get(day)?.high ?? null,
    band: names.get(bands?.[i] ?? -1) ?? "unknown",
    card: begun.findLast((card) => card.day <= day)?.card ?? null,
  }));
  const labelOf = (name: string): string => {
    const known = data.scorecard.find((c) => `${c.scorecard} v${c.version}` === name);
    return known === undefined ? name : `"${known.label}" v${known.version}`;
  };
  const marks = begun
    .slice(1)
    .flatMap(({ day, card }) => (card === null ? [] : [{ on: isoOf(day), card }]))
    .map(({ on, card }, i) => ({
      on,
      label: String(i + 1),
      words: `${i + 1}, ${date(on)}: ${outsideLine(labelOf(card), 80)} begins.`,
    }));
  const scored = rows.filter(({ score }) => score !== null);
  const values = rows.flatMap(({ score, low, high }) => [score, low, high]).filter((v): v is number => v !== null);
  const top = Math.max(100, ...values);
  const bottom = Math.min(0, ...values);
  const card = data.scorecard.find((c) => c.scorecard === a.scorecard && c.version === a.version);
  const state = data.state.find((s) => s.scorecard === a.scorecard && s.version === a.version);
  const first = scored[0];
  const last = scored.at(-1);
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { name: "Date", text: (r) => shortDate(r.on), value: (r) => r.on },
    {
      name: "Score",
      text: (r) => (r.score === null ? `no score: ${points(r.low)} to ${points(r.high)}` : points(r.score)),
      value: (r) => r.score,
      isNumber: true,
    },
    { name: "Band", text: (r) => bandMark(styles, r.band), value: (r) => r.band },
    { name: "Scorecard", text: (r) => outside(r.card, 80), value: (r) => r.card },
  ];
  const alt =
    first === undefined || last === undefined
      ? "No score could be given at any date."
      : `From ${points(first.score)} on ${date(first.on)} to ${points(last.score)} on ${date(last.on)}, ${plural(scored.length, "score")} of ${plural(rows.length, "snapshot")}.`;
  return figure({
    title: card === undefined ? "Score over time" : outsideLine(card.label, 80),
    subtitle: `score at each snapshot, as the scorecard in force then gave it; dots in the colour of the band, grey bars where no score could be given; ${plural(rows.length, "snapshot")}`,
    alt,
    id: "score-history",
    legend: legend(styles.filter(({ band }) => rows.some((row) => row.band === band))),
    chart: rows.length === 0 ? null : (width) => accountHistory(rows, { width, styles, from: bottom, to: top, marks }),
    empty: "No scored snapshot lies in a paid period of this account.",
    note: [
      ...marks.map(({ words }) => words),
      state?.sentence === undefined || state.sentence === null
        ? "Not checked against history."
        : `What history says of this scorecard: ${stateInWords(state.sentence)}`,
    ].join(" "),
    table: { name: "score-history-data", rows, columns },
  });
}

function parts(a: AccountDetail, release: Release): readonly Node[] {
  const rows = (a.parts ?? []).filter(({ on }) => on === release.as_of);
  if (rows.length === 0)
    return [
      html`<p class="empty">${a.is_paying ? "There is no score to take apart: too little of its weight has a value." : "It does not pay now, so it has no score now."}</p>` as Node,
    ];
  const kinds: Readonly<Record<string, string>> = {
    start: "start",
    clamp: "held at its limit",
    gate: "gate",
    rounding: "rounding",
  };
  const value = (r: Part): string =>
    r.kind !== "kpi" ? "" : r.value === null ? "no value" : `${points(r.value)}${r.unit === null ? "" : ` ${r.unit}`}`;
  return [
    tableWithCsv({
      name: "parts",
      label: "Parts of the score",
      rows,
      columns: [
        {
          name: "KPI",
          text: (r) => (r.kind === "kpi" ? outside(r.label ?? r.kpi, 80) : (kinds[r.kind] ?? r.kind)),
          value: (r) => r.label ?? r.kpi ?? r.kind,
        },
        { name: "Group", text: (r) => (r.group ?? "").replaceAll("_", " ") },
        { name: "Value", text: value, value: (r) => r.value, isNumber: true },
        {
          name: "Points",
          text: (r) => (r.points === null ? "" : points(r.points)),
          value: (r) => r.points,
          isNumber: true,
        },
        {
          name: "Weight",
          text: (r) => (r.weight === null ? "" : points(r.weight)),
          value: (r) => r.weight,
          isNumber: true,
        },
        { name: "Adds", text: (r) => points(r.contribution), value: (r) => r.contribution, isNumber: true },
      ],
    }),
    caption(
      `On ${date(release.as_of)}. What each part adds sums to the score; 'npx assay explain' says what changed it since a date.`,
    ),
  ];
}

function flags(rows: readonly Flag[]): Node {
  if (rows.length === 0)
    return html`<p class="empty">No flag was ever raised for this account, or the book has none.</p>` as Node;
  return tableWithCsv({
    name: "flags",
    label: "Flags",
    rows,
    columns: [
      { name: "Flag", text: (r) => outside(r.label, 80), value: (r) => r.label },
      { name: "Kind", text: (r) => r.kind },
      { name: "When", text: (r) => outside(r.words, 80), value: (r) => r.words },
      { name: "Since", text: (r) => shortDate(r.since), value: (r) => r.since },
      {
        name: "Until",
        text: (r) =>
          r.until === null
            ? r.snoozed === null
              ? "raised"
              : `raised, snoozed until ${shortDate(r.snoozed)}`
            : shortDate(r.until),
        value: (r) => r.until,
      },
      {
        name: "Value",
        text: (r) => (r.value === null ? "no value" : points(r.value)),
        value: (r) => r.value,
        isNumber: true,
      },
    ],
  });
}

function plays(rows: readonly DuePlay[]): Node {
  if (rows.length === 0) return html`<p class="empty">No play of the book is for an account like this now.</p>` as Node;
  return html`<dl class="plays">${rows.map(
    (r) =>
      html`<div><dt>${r.label}</dt><dd><p class="note-line">${
        r.started_on === null
          ? `${r.state === "overdue" ? "Overdue" : "Due"}: to begin by ${date(r.due_on)}, the condition holds since ${date(r.since)}`
          : `Begun on ${date(r.started_on)}`
      }; ${outsideLine(r.owner ?? "no owner", 60)}.</p><ol>${r.steps
        .split("\n")
        .map((step) => html`<li>${step.replace(/^\d+\. /, "")}</li>`)}</ol></dd></div>`,
  )}</dl>` as Node;
}

function milestones(a: AccountDetail, data: AccountData): Node {
  const rows = a.milestones ?? [];
  const course = data.course.filter(({ series }) => series === "stayed");
  const until = a.tenure_days ?? Math.max(0, ...rows.map(({ reached_day }) => reached_day ?? 0));
  const passed = rows
    .flatMap(({ reached_day }) => (reached_day === null || reached_day < 0 ? [] : [reached_day]))
    .sort((x, y) => x - y);
  const late = rows.filter(({ state }) => state === "late" || state === "overdue").length;
  const alt = `${count(passed.length)} of ${plural(rows.length, "milestone")} passed, ${count(late)} late or overdue${course.length === 0 ? "" : `; beside ${plural(Math.max(...course.map(({ n_accounts }) => n_accounts)), "account")} that stayed a year`}.`;
  return figure({
    title: "Milestones passed, by day since the first paid day",
    subtitle: `${course.length === 0 ? "too few accounts stayed a year to draw their course" : "grey: the middle half of the accounts that stayed a year, at most that many (their course is known only now)"}; line: this account`,
    alt,
    id: "course",
    chart:
      passed.length === 0 && course.length === 0
        ? null
        : (width) =>
            courseMap(course, {
              width,
              passed,
              until,
              expected: rows.flatMap(({ expected_day, milestone }) =>
                expected_day === null ? [] : [{ day: expected_day, name: outsideLine(milestone, 24) }],
              ),
            }),
    empty: "No milestone has been passed yet.",
    table: {
      name: "milestones",
      rows,
      columns: [
        { name: "Milestone", text: (r) => outside(r.milestone, 80), value: (r) => r.milestone },
        { name: "Expected on", text: (r) => shortDate(r.expected_on), value: (r) => r.expected_on },
        {
          name: "Passed on",
          text: (r) => (r.reached_on === null ? "open" : shortDate(r.reached_on)),
          value: (r) => r.reached_on,
        },
        {
          name: "Days late",
          text: (r) => (r.days_late === null ? "" : count(r.days_late)),
          value: (r) => r.days_late,
          isNumber: true,
        },
        { name: "State", text: (r) => r.state },
      ],
    },
  });
}

function timeline(a: AccountDetail, release: Release): readonly Node[] {
  const rows = a.events ?? [];
  if (rows.length === 0)
    return [
      html`<p class="empty">No ticket, meeting, play, survey or notice in the 365 days before ${date(release.as_of)}.</p>` as Node,
    ];
  const all = a.n_events ?? rows.length;
  return [
    caption(
      `In the 365 days before ${date(release.as_of)}, as known then, newest first: ${all > rows.length ? `the newest ${count(rows.length)} of ${plural(all, "entry", "entries")}` : plural(all, "entry", "entries")}.`,
    ),
    filtered(
      rows,
      [{ name: "kind", label: "Kind", all: "everything", value: (r) => r.kind, text: kindInWords }],
      (shown) =>
        tableWithCsv({
          name: "timeline",
          label: "What happened",
          rows: shown,
          columns: [
            { name: "Date", text: (r) => shortDate(r.on), value: (r) => r.on },
            { name: "Kind", text: (r) => outside(kindInWords(r.kind), 40), value: (r) => r.kind },
            {
              name: "What",
              text: (r) => outside(`${kindInWords(r.what)}${r.n > 1 ? ` (${r.n} times)` : ""}`, 120),
              value: (r) => r.what,
            },
            {
              name: "More",
              text: (r) =>
                outside(
                  r.detail
                    .replace(/\bcsat (?=\d)/, "CSAT ")
                    .split(", ")
                    .map(kindInWords)
                    .join(", "),
                  300,
                ),
              value: (r) => r.detail,
            },
          ],
        }),
    ),
  ];
}

function children(rows: readonly Child[], styles: readonly BandStyle[], release: Release): Node {
  return tableWithCsv({
    name: "children",
    label: "Accounts below it",
    rows,
    columns: [
      {
        name: "Account",
        text: (r) => html`<a href=${accountHref(r.id, "accounts/")}>${outside(r.name ?? r.id, 60)}</a>` as Node,
        value: (r) => r.name ?? r.id,
      },
      { name: "Level", text: (r) => count(r.level), value: (r) => r.level, isNumber: true },
      {
        name: "Score",
        text: (r) => (r.band === null ? "not paying" : shownScore(r.score)),
        value: (r) => r.score,
        isNumber: true,
      },
      { name: "Band", text: (r) => (r.band === null ? "" : bandMark(styles, r.band)), value: (r) => r.band },
      {
        name: "A month",
        text: (r) => (r.band === null ? "" : shownMoney(r.mrr_minor, release.currency)),
        value: (r) => moneyValue(r.mrr_minor, release.currency),
        isNumber: true,
      },
    ],
  });
}

function surprises(rows: readonly SurpriseOf[]): Node {
  return html`<ul>${rows.map(
    (r) =>
      html`<li>${r.kind === "green_churner" ? `In the best band with ${points(r.score_then)} on ${date(r.since)}, decided to leave on ${date(r.decided_on)}` : `In the worst band since ${date(r.since)} without a decision to leave`}. ${r.visible_then === null ? "" : html`Visible then: ${outside(r.visible_then, 300)}. `}${r.disposition === null ? "Nobody has said why." : html`Answered: ${outside(r.disposition, 80)}.`}</li>`,
  )}</ul>` as Node;
}
