// Parts that several pages use.

import { html } from "htl";
import { anchor, goToIfWanted, lowerTitles, slug, sqlBlock, statementTitle } from "../figure.js";
import { marked, paragraph, type Sentence } from "../prose.js";
import type { Statement } from "../rows.js";

/** Sentences with the question that each answers in front. */
export const answers = (
  items: readonly { readonly question: string; readonly sentence: Sentence; readonly more?: readonly Sentence[] }[],
): HTMLElement =>
  html`<dl class="answers">${items.map(
    ({ question, sentence, more = [] }) =>
      html`<div><dt>${question}</dt><dd>${[sentence, ...more].filter(({ length }) => length > 0).map((s) => paragraph(s))}</dd></div>`,
  )}</dl>` as HTMLElement;

/** The rows of one version of a scorecard. */
export const ofCard = <Row extends { readonly scorecard: string; readonly version: number }>(
  rows: readonly Row[],
  card: { readonly scorecard: string; readonly version: number } | undefined,
): readonly Row[] =>
  rows.filter((r) => card !== undefined && r.scorecard === card.scorecard && r.version === card.version);

/** A part of a page under a heading, with a link to it. */
export function section(title: string, ...children: readonly (Node | string | null)[]): HTMLElement {
  // A figure in it may have the same name; a count at its end is another one tomorrow, and the link stays.
  const id = `section-${slug(title.replace(/[:(\s]+[\d,]+\)?$/, ""))}`;
  const part =
    html`<section class="report-section" id=${id}><h2>${title}</h2>${anchor(id, title)}${children}</section>` as HTMLElement;
  lowerTitles(part);
  goToIfWanted(part);
  return part;
}

/** The statements of these models, in this order; one that the release does not have is left out. */
export const statementsOf = (statements: readonly Statement[], models: readonly string[]): readonly Statement[] =>
  models.flatMap((model) => statements.filter((s) => s.model === model));

/** The statements behind a page; `compiled/` of the release has them and what they read. */
export function sqlSection(statements: readonly Statement[], models: readonly string[]): HTMLElement {
  const shown = statementsOf(statements, models);
  return section(
    "The SQL behind this page",
    html`<p class="note-line">Each statement runs as it is on the release's warehouse; <code>compiled/</code> of the release holds them with everything they read.</p>` as Node,
    ...shown.map((s) => sqlBlock(statementTitle(s), s.sql)),
  );
}

export const caption = (text: string): HTMLElement => html`<p class="caption">${text}</p>` as HTMLElement;

/** What a chart shows in words, for a figure's note, and the notes on its dates after it; nothing where there is nothing to say. */
export const finding = (sentence: Sentence, words = ""): { readonly note?: Node } =>
  sentence.length === 0 && words === ""
    ? {}
    : {
        note: html`<span>${sentence.length === 0 ? null : html`<span class="finding">${marked(sentence)}</span>`} ${words}</span>` as Node,
      };
