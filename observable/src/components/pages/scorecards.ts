import { html } from "htl";
import { actionGroups } from "../bands.js";
import { around, intervals } from "../charts/intervals.js";
import { weightOnEvidence } from "../charts/weight.js";
import { type Column, figure, legend, tableWithCsv } from "../figure.js";
import { count, missing, points, shortDate, signedPairs } from "../format.js";
import { paragraph, say } from "../prose.js";
import type { ScorecardState, Statement, WeightOnEvidence } from "../rows.js";
import type { ScorecardTest, ScorecardVersion } from "../rows-evidence.js";
import { stateInWords, stateName, weightSentence } from "../sentences.js";
import { section, sqlSection } from "./parts.js";

export interface ScorecardsData {
  readonly scorecard: readonly ScorecardVersion[];
  readonly scorecard_state: readonly ScorecardState[];
  readonly scorecard_test: readonly ScorecardTest[];
  readonly weight_on_evidence: readonly WeightOnEvidence[];
  readonly statement: readonly Statement[];
}

/** The version in force of each card, else its newest. */
export function newestVersions(cards: readonly ScorecardVersion[]): readonly ScorecardVersion[] {
  const best = new Map<string, ScorecardVersion>();
  for (const card of cards) {
    const found = best.get(card.scorecard);
    const isBetter =
      found === undefined ||
      Number(card.is_current) > Number(found.is_current) ||
      (card.is_current === found.is_current && card.version > found.version);
    if (isBetter) best.set(card.scorecard, card);
  }
  return [...best.values()];
}

/** Every scorecard beside the others: what it is for, whether it is used, what history says of it. */
export function scorecardsPage(data: ScorecardsData): HTMLElement {
  const cards = newestVersions(data.scorecard);
  const rows = cards.map((card) => {
    const is = (r: { readonly scorecard: string; readonly version: number }): boolean =>
      r.scorecard === card.scorecard && r.version === card.version;
    return {
      card,
      state: data.scorecard_state.find(is),
      test: data.scorecard_test.find((t) => is(t) && t.period === "out_of_time"),
      early: data.weight_on_evidence.find((w) => is(w) && w.action_group === "Use")?.points ?? 0,
    };
  });
  type Row = (typeof rows)[number];
  if (rows.length === 0)
    return html`<div class="report"><p class="empty">This book has no scorecard. It names one in assay.yaml (scorecards: [...]); without one, KPIs are tested all the same.</p></div>` as HTMLElement;
  const inUse = cards.filter(({ is_assigned }) => is_assigned);
  const tested = rows.filter(({ test }) => test !== undefined && test.auc !== null);
  const lines = tested.map(({ card, test, state }) => ({
    label: card.label,
    value: 100 * (test?.auc ?? 0.5),
    low: test?.auc_low === null || test?.auc_low === undefined ? null : 100 * test.auc_low,
    high: test?.auc_high === null || test?.auc_high === undefined ? null : 100 * test.auc_high,
    note: stateName(state?.state ?? ""),
    isHollow: !card.is_assigned,
  }));
  const columns: readonly Column<Row>[] = [
    {
      name: "Scorecard",
      text: ({ card }) => html`<a href=${`./${card.scorecard}.html`}>${card.label}</a>`,
      value: ({ card }) => card.label,
    },
    { name: "Purpose", text: ({ card }) => card.purpose.replaceAll("_", " ") },
    { name: "Used", text: ({ card }) => (card.is_assigned ? "yes" : "for comparison") },
    { name: "State", text: ({ state }) => stateName(state?.state ?? "not checked") },
    {
      name: "Ranked rightly, of 100",
      text: ({ test }) =>
        test === undefined || test.auc === null
          ? missing
          : `${(100 * test.auc).toFixed(1)} (${(100 * (test.auc_low ?? 0)).toFixed(1)} to ${(100 * (test.auc_high ?? 1)).toFixed(1)})`,
      value: ({ test }) => test?.auc ?? null,
      isNumber: true,
    },
    {
      name: "Against the simple score",
      text: ({ card, test }) =>
        card.scorecard === "naive_baseline"
          ? "it is this one"
          : test === undefined || test.difference === null || test.difference_low === null
            ? missing
            : `${signedPairs(test.difference)} (${signedPairs(test.difference_low)} to ${signedPairs(test.difference_high)})`,
      value: ({ test }) => test?.difference ?? null,
      isNumber: true,
    },
    { name: "Points on early warnings", text: (r) => points(r.early), value: (r) => r.early, isNumber: true },
    {
      name: "Churned",
      text: ({ test }) => count(test?.n_churned),
      value: ({ test }) => test?.n_churned ?? null,
      isNumber: true,
    },
  ];
  const names = new Map(cards.map((c) => [c.scorecard, c.label]));
  const current = data.weight_on_evidence.filter((w) =>
    cards.some((c) => c.scorecard === w.scorecard && c.version === w.version),
  );
  return html`<div class="report">
    ${paragraph(
      inUse.length === 0
        ? say`No scorecard is assigned to accounts; ${count(cards.length)} ${[cards.length === 1 ? "is" : "are"]} computed for comparison.`
        : say`${count(inUse.length)} of ${count(cards.length)} scorecards ${[inUse.length === 1 ? "is" : "are"]} assigned to accounts; the others are computed for comparison.`,
      "lede",
    )}
    ${paragraph(weightSentence(data.weight_on_evidence, data.scorecard))}
    <ul class="verdicts">${rows.map(
      ({ card, state }) =>
        html`<li><a class="kpi-name" href=${`./${card.scorecard}.html`}>${card.label}</a> <span class="verdict-label">${stateName(state?.state ?? "not checked")}</span><p>${stateInWords(state?.sentence ?? "Not checked against history in this release.")}</p></li>`,
    )}</ul>
    ${figure({
      id: "scorecards-ranked",
      title: "How rightly each score ranked, out of time",
      subtitle:
        "of 100 pairs of like accounts, how many stood in the right order; dot with 90 % interval, hollow: for comparison only; 50 is a coin toss. Cards of different age are tested on different months: the paired comparisons are on each card's page",
      alt: lines.map((l) => `${l.label}: ${l.value.toFixed(1)} of 100.`).join(" "),
      chart:
        lines.length === 0
          ? null
          : (width) =>
              intervals(lines, {
                width,
                domain: around(50, 10, 5, lines),
                origin: 50,
                ends: ["ranks wrongly", "ranks rightly"],
                format: (x) => x.toFixed(1),
              }),
      empty: "No score could be checked: too few accounts left after one was given, or none was given.",
      table: { name: "scorecards", rows: tested, columns },
    })}
    ${figure({
      id: "scorecards-evidence",
      title: "What the points rest on",
      subtitle: "each score's 100 points by what history says of the KPIs that they are on",
      alt: rows.map((r) => `${r.card.label}: ${points(r.early)} of 100 points on early warnings.`).join(" "),
      legend: legend(actionGroups.map(({ group, colour }) => ({ name: group, colour }))),
      chart: current.length === 0 ? null : (width) => weightOnEvidence(current, { width, names }),
      empty: "No scorecard has points on KPIs.",
      table: {
        name: "weight-on-evidence",
        rows: current,
        columns: [
          { name: "Scorecard", text: (w) => names.get(w.scorecard) ?? w.scorecard },
          { name: "What to do", text: (w) => w.action_group },
          { name: "Points", text: (w) => points(w.points), value: (w) => w.points, isNumber: true },
        ],
      },
    })}
    ${section("All scorecards", tableWithCsv({ name: "all-scorecards", label: "All scorecards", rows, columns }))}
    ${versions(data.scorecard)}
    ${sqlSection(data.statement, ["marts.scorecard", "marts.scorecard_state", "marts.scorecard_test", "marts.weight_on_evidence"])}
  </div>` as HTMLElement;
}

function versions(cards: readonly ScorecardVersion[]): HTMLElement {
  return section(
    "Versions",
    tableWithCsv({
      name: "versions",
      label: "Versions of the scorecards",
      rows: cards,
      columns: [
        { name: "Scorecard", text: (c) => c.label },
        { name: "Version", text: (c) => String(c.version), value: (c) => c.version, isNumber: true },
        { name: "Made on", text: (c) => shortDate(c.created_on), value: (c) => c.created_on },
        { name: "In force from", text: (c) => shortDate(c.in_force_from), value: (c) => c.in_force_from },
        {
          name: "Signed",
          text: (c) => (c.validated_on === null ? "no" : `${shortDate(c.validated_on)}, ${c.validated_by ?? ""}`),
        },
        { name: "Valid until", text: (c) => (c.valid_until === null ? "" : shortDate(c.valid_until)) },
      ],
    }),
  );
}
