import { html } from "htl";
import { tableWithCsv } from "../figure.js";
import { count, percent, plural } from "../format.js";
import { paragraph } from "../prose.js";
import type { Statement } from "../rows.js";
import type { LabelAgreement, LabelDefinition, LabelVerdict } from "../rows-evidence.js";
import { definitionInWords, labelsSentence, survivalSentence } from "../sentences-evidence.js";
import { caption, section, sqlSection } from "./parts.js";

export interface LabelsData {
  readonly label_definition: readonly LabelDefinition[];
  readonly label_agreement: readonly LabelAgreement[];
  readonly label_verdict: readonly LabelVerdict[];
  readonly statement: readonly Statement[];
}

/** What counts as leaving, whether the definitions name the same accounts, and which verdicts hang on the choice. */
export function labelsPage(data: LabelsData): HTMLElement {
  const { label_definition: definitions, label_agreement: agreement, label_verdict: verdicts } = data;
  const hanging = verdicts.filter(({ outcome }) => outcome === "changes");
  return html`<div class="report">
    ${paragraph(labelsSentence(definitions, agreement), "lede")}
    ${verdicts.length === 0 ? null : paragraph(survivalSentence(verdicts))}
    ${section(
      "Definitions of leaving",
      definitions.length === 0
        ? (html`<p class="empty">No definition names enough accounts to be shown.</p>` as Node)
        : tableWithCsv({
            name: "definitions",
            label: "Definitions of leaving",
            rows: definitions,
            columns: [
              { name: "Definition", text: (d) => d.definition },
              { name: "An account has left when", text: (d) => definitionInWords(d.type) },
              { name: "Role", text: (d) => (d.is_primary ? "this report goes by it" : "for comparison") },
              { name: "Accounts", text: (d) => count(d.n_accounts), value: (d) => d.n_accounts, isNumber: true },
              { name: "Left", text: (d) => count(d.n_churned), value: (d) => d.n_churned, isNumber: true },
              {
                name: "Left, in the tests",
                text: (d) => (d.n_tested_churned === null ? "not tested" : count(d.n_tested_churned)),
                value: (d) => d.n_tested_churned,
                isNumber: true,
              },
            ],
          }),
    )}
    ${section("Do they name the same accounts?", matrix(definitions, agreement))}
    ${section(
      "Verdicts that hang on the definition",
      hanging.length === 0
        ? (html`<p class="empty">${verdicts.length === 0 ? "There is no other definition under which a verdict could change." : "No verdict changes under another definition."}</p>` as Node)
        : (html`<ul class="verdicts">${hanging.map(
            (v) =>
              html`<li><a class="kpi-name" href=${`./kpis/${v.kpi}.html`}>${v.label ?? v.kpi}</a> <span class="verdict-label">under ${v.definition}</span><p>${v.sentence ?? ""}</p></li>`,
          )}</ul>` as Node),
      verdicts.length === 0
        ? null
        : tableWithCsv({
            name: "label-verdicts",
            label: "Every KPI under every definition",
            rows: verdicts,
            columns: [
              {
                name: "KPI",
                text: (v) => html`<a href=${`./kpis/${v.kpi}.html`}>${v.label ?? v.kpi}</a>`,
                value: (v) => v.label ?? v.kpi,
              },
              { name: "Definition", text: (v) => v.definition },
              { name: "Outcome", text: (v) => v.outcome },
              { name: "Churned by it", text: (v) => count(v.n_churned), value: (v) => v.n_churned, isNumber: true },
              { name: "In words", text: (v) => v.sentence ?? "" },
            ],
          }),
      caption(
        "Other definitions are a family of tests of their own and serve this comparison alone; no headline rests on them.",
      ),
    )}
    ${sqlSection(data.statement, ["marts.label_definition", "marts.label_agreement", "marts.label_verdict"])}
  </div>` as HTMLElement;
}

const apart = (days: number | null): string => {
  if (days === null) return "no dates to compare";
  if (days === 0) return "on the same day";
  return `half of them ${plural(Math.abs(days), "day")} or more apart`;
};

/** Rows: left by this definition. Columns: of these, left by that one too. */
function matrix(definitions: readonly LabelDefinition[], agreement: readonly LabelAgreement[]): HTMLElement {
  const names = definitions.map(({ definition }) => definition);
  if (agreement.length === 0)
    return html`<p class="empty">The book has ${names.length === 1 ? "one definition" : "no two definitions"} of leaving that can be compared. A second one in assay.yaml (churn: definitions) shows here whether the two agree.</p>` as HTMLElement;
  const cell = (one: string, other: string): Node => {
    if (one === other) return html`<td class="same">the same</td>` as Node;
    const found = agreement.find((a) => a.definition === one && a.other === other);
    if (found === undefined) return html`<td>not enough data</td>` as Node;
    return html`<td style=${{ background: `color-mix(in srgb, var(--accent) ${Math.round(found.share * 35)}%, transparent)` }}><strong>${percent(found.share)}</strong><br>${count(found.n_both)} of ${count(found.n_one)}<br><span class="verdict-label">${apart(found.median_days_apart)}</span></td>` as Node;
  };
  return html`<div>
    <div class="table-scroll" role="region" tabindex="0" aria-label="Agreement of the definitions"><table class="matrix">
      <caption>Of the accounts that left by the row's definition, how many also left by the column's</caption>
      <thead><tr><th scope="col">Left by</th>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${names.map((one) => html`<tr><th scope="row">${one}</th>${names.map((other) => cell(one, other))}</tr>`)}</tbody>
    </table></div>
    ${tableWithCsv({
      name: "agreement",
      label: "Agreement of the definitions, as a list",
      rows: agreement,
      folded: true,
      columns: [
        { name: "Left by", text: (a) => a.definition },
        { name: "Also by", text: (a) => a.other },
        { name: "Both", text: (a) => count(a.n_both), value: (a) => a.n_both, isNumber: true },
        { name: "Of", text: (a) => count(a.n_one), value: (a) => a.n_one, isNumber: true },
        { name: "Share", text: (a) => percent(a.share), value: (a) => a.share, isNumber: true },
        {
          name: "Days between, median",
          text: (a) => (a.median_days_apart === null ? "no dates" : String(a.median_days_apart)),
          value: (a) => a.median_days_apart,
          isNumber: true,
        },
      ],
    })}
  </div>` as HTMLElement;
}
