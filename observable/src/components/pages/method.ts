import { html } from "htl";
import { actionGroups } from "../bands.js";
import { plural } from "../format.js";
import { paragraph } from "../prose.js";
import type { Release, ValidationFact } from "../rows.js";
import { historySentence } from "../sentences.js";

export interface MethodData {
  readonly release: readonly Release[];
  readonly validation_fact: readonly ValidationFact[];
}

/** The parts of the method page that depend on the book: its calendar, groups and words. */
export function methodParts(data: MethodData): {
  readonly design: HTMLElement;
  readonly groups: HTMLElement;
  readonly glossary: HTMLElement;
} {
  const release = data.release[0] as Release;
  return {
    design: html`<div>${timeline(release)}${paragraph(historySentence(data.validation_fact[0]))}</div>` as HTMLElement,
    groups: html`<dl class="facts">${actionGroups.map(
      ({ group, what }) => html`<div><dt>${group}</dt><dd>${what}</dd></div>`,
    )}</dl>` as HTMLElement,
    glossary: html`<dl class="facts">${glossary(release).map(
      ([word, meaning]) => html`<div><dt>${word}</dt><dd>${meaning}</dd></div>`,
    )}</dl>` as HTMLElement,
  };
}

/** The design as a strip: what a KPI sees, the date of the look, the gap, the horizon. Widths follow the days. */
function timeline({ window_days: window, gap_days: gap, horizon_days: horizon }: Release): HTMLElement {
  const parts = [
    { name: "what a KPI sees", days: window, className: "sees" },
    { name: "gap: too late to act", days: gap, className: "gap" },
    { name: "leaving counts here", days: horizon, className: "counts" },
  ];
  const words = `A KPI sees the ${plural(window, "day")} before a date; decisions in the ${plural(gap, "day")} after it are set apart; decisions in the ${plural(horizon, "day")} after those count.`;
  return html`<figure class="report-figure"><div class="timeline" role="img" aria-label=${words}>${parts
    .filter(({ days }) => days > 0)
    .map(
      ({ name, days, className }) =>
        html`<div class=${className} style=${{ flexGrow: String(Math.max(days, 20)) }}><strong>${plural(days, "day")}</strong><span>${name}</span></div>`,
    )}</div><figcaption><span class="figure-subtitle">${words}</span></figcaption></figure>` as HTMLElement;
}

const glossary = (release: Release): readonly (readonly [string, string])[] => [
  ["Account", "the paying customer; trials are not counted"],
  [
    "Decision to leave",
    `the earliest evidence of it: a notice, or the end of the last paid period; a return within ${release.reactivation_grace_days} days undoes it`,
  ],
  [
    "Early warning",
    "the verdict for KPIs that move before the gap, like for like, by more than a trifle; nothing else is called so",
  ],
  [
    "Of 100 pairs",
    "a leaver and a like account that stayed, drawn 100 times: how often the leaver has more (ties count half)",
  ],
  ["95 % interval", "a range drawn so that, of 100 such histories, it holds the true number in 95"],
  ["Plain comparison", "the same count without asking that the two are alike"],
  ["Band", "the range of a score: red, yellow, green; not scored when too little of the score has a value"],
  [
    "GRR, NRR",
    "of the money that customers paid a year ago: what the same customers pay now, without and with expansion",
  ],
  [
    "At least",
    `every total in this report counts ${release.min_cell} accounts or more; smaller ones are merged with a neighbour`,
  ],
];
