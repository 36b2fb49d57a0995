import { html } from "htl";
import { around, intervals } from "../charts/intervals.js";
import { pairLine } from "../charts/pair-line.js";
import { type Column, figure, tableWithCsv } from "../figure.js";
import { count, date, missing, onHundred, percent, plural, signedPairs, times } from "../format.js";
import { paragraph } from "../prose.js";
import type { Kpi, Statement } from "../rows.js";
import type { Folklore, Gate, KpiCount, ScorecardVersion, WeightHumility } from "../rows-evidence.js";
import { countSentence, gateSentence } from "../sentences-evidence.js";
import { humilitySentence } from "../sentences-scorecard.js";
import { caption, section, sqlSection } from "./parts.js";

export interface AdviceData {
  readonly folklore: readonly Folklore[];
  readonly kpi: readonly Kpi[];
  readonly kpi_count: readonly KpiCount[];
  readonly gate: readonly Gate[];
  readonly scorecard: readonly ScorecardVersion[];
  readonly weight_humility: readonly WeightHumility[];
  readonly statement: readonly Statement[];
}

const tests: Readonly<Record<string, string>> = {
  half_and_half: "Half proactive, half reactive",
  sentiment: "What is measured against what people say",
  more_than_five: "More than five KPIs",
  under_three: "Fewer than three KPIs",
  per_segment: "A score of its own for each segment",
};

/** Advice that is often given about health scores, tried on this book's own history. */
export function advicePage(data: AdviceData): HTMLElement {
  return html`<div class="report">
    <p class="lede">What is often said about health scores, tried on this company's own history. A difference whose interval holds 0 is no finding, for or against.</p>
    ${folklore(data)}
    ${howMany(data)}
    ${section(
      "How sure are the weights?",
      ...(data.weight_humility.length === 0
        ? [
            html`<p class="empty">No scorecard with at least two KPIs was checked: thousands of other weightings need a score in force and departures to rank.</p>` as Node,
          ]
        : data.weight_humility.map(
            (row) =>
              html`<div><h3>${data.scorecard.find((c) => c.scorecard === row.scorecard && c.version === row.version)?.label ?? row.scorecard}</h3>${paragraph(humilitySentence(row))}</div>` as Node,
          )),
    )}
    ${gates(data.gate)}
    ${sqlSection(data.statement, ["marts.folklore", "marts.kpi_count", "marts.weight_humility", "marts.gate"])}
  </div>` as HTMLElement;
}

function folklore({ folklore: rows, scorecard: cards }: AdviceData): HTMLElement {
  const nameOf = (r: Folklore): string => {
    const card = cards.find((c) => c.scorecard === r.scorecard && c.version === r.version);
    return card === undefined ? `${r.scorecard} v${r.version}` : card.label;
  };
  const isOneCard =
    new Set(rows.flatMap((r) => (r.scorecard === null ? [] : [`${r.scorecard} ${r.version}`]))).size < 2;
  const named = rows.map((r) => ({
    ...r,
    label: `${tests[r.test] ?? r.test.replaceAll("_", " ")}${r.scorecard === null || isOneCard ? "" : ` (${nameOf(r)})`}`,
  }));
  const lines = named.map((r) => ({
    label: r.label,
    value: r.difference === null ? null : 100 * r.difference,
    low: r.difference_low === null ? null : 100 * r.difference_low,
    high: r.difference_high === null ? null : 100 * r.difference_high,
    note: r.n_churned === null ? "" : `${count(r.n_churned)} churned`,
  }));
  const columns: readonly Column<(typeof named)[number]>[] = [
    { name: "Advice", text: (r) => r.label },
    { name: "This", text: (r) => r.a ?? "" },
    { name: "Against", text: (r) => r.b ?? "" },
    {
      name: "Difference, of 100 pairs",
      text: (r) =>
        r.difference === null
          ? missing
          : `${signedPairs(r.difference)} (${signedPairs(r.difference_low)} to ${signedPairs(r.difference_high)})`,
      value: (r) => r.difference,
      isNumber: true,
    },
    { name: "Churned", text: (r) => count(r.n_churned), value: (r) => r.n_churned, isNumber: true },
  ];
  return section(
    "Rules of thumb",
    rows.length === 0
      ? (html`<p class="empty">Nothing could be tried: it takes a scorecard in force or two KPIs with an early warning, and 50 departures after the months to learn from.</p>` as Node)
      : (html`<ul class="verdicts">${named.map(
          (r) => html`<li><span class="kpi-name">${r.label}</span><p>${r.sentence}</p></li>`,
        )}</ul>` as Node),
    rows.length === 0
      ? null
      : figure({
          id: "folklore",
          title: "What following the advice changes",
          subtitle:
            "pairs of 100 in the right order, first against second, on the same account-months; dot with 95 % interval",
          alt: named
            .filter(({ difference }) => difference !== null)
            .map(
              (r) =>
                `${r.label}: ${signedPairs(r.difference)} of 100 pairs (${signedPairs(r.difference_low)} to ${signedPairs(r.difference_high)}).`,
            )
            .join(" "),
          chart: lines.every(({ value }) => value === null)
            ? null
            : (width) =>
                intervals(lines, {
                  width,
                  domain: around(0, 5, 5, lines),
                  origin: 0,
                  ends: ["worse", "better"],
                  format: (x) => x.toFixed(1),
                }),
          empty: "No comparison has enough departures.",
          table: { name: "folklore", rows: named, columns },
        }),
  );
}

function howMany({ kpi_count: rows, kpi: kpis }: AdviceData): HTMLElement {
  const name = (id: string | null): string => kpis.find((k) => k.kpi === id)?.label ?? id ?? "";
  const drawn = rows
    .filter(({ k, auc }) => k > 0 && auc !== null)
    .map((r) => ({ ...r, label: String(r.k), n_churned: r.n_churned ?? 0 }));
  const columns: readonly Column<KpiCount>[] = [
    { name: "KPIs", text: (r) => String(r.k), value: (r) => r.k, isNumber: true },
    { name: "Added", text: (r) => name(r.added) },
    { name: "Of an early warning", text: (r) => (r.is_candidate === true ? "yes" : "no") },
    {
      name: "Ranked rightly, of 100",
      text: (r) =>
        r.auc === null ? missing : `${onHundred(r.auc)} (${onHundred(r.auc_low)} to ${onHundred(r.auc_high)})`,
      value: (r) => r.auc,
      isNumber: true,
    },
    { name: "Spread", text: (r) => times(r.spread), value: (r) => r.spread, isNumber: true },
    { name: "Churned", text: (r) => count(r.n_churned), value: (r) => r.n_churned, isNumber: true },
  ];
  const [first] = drawn;
  return section(
    "How many KPIs are enough?",
    paragraph(countSentence(rows)),
    figure({
      id: "how-many",
      title: "Scores of more and more KPIs",
      subtitle:
        first === undefined
          ? "of 100 pairs of like accounts, how many stood in the right order"
          : `of 100 pairs of like accounts, how many stood in the right order, on account-months from ${date(first.tested_from)} on that no model had seen; 95 % intervals; ${count(first.n_churned)} churned accounts`,
      alt: drawn.map((r) => `${plural(r.k, "KPI")}: ${onHundred(r.auc)} of 100.`).join(" "),
      chart:
        drawn.length === 0
          ? null
          : (width) =>
              pairLine(drawn, {
                width,
                label: "KPIs in the score",
                connect: true,
                yLabel: "of 100 pairs, in the right order",
              }),
      empty: "Too few departures to learn from and to test on.",
      table: { name: "how-many", rows: rows.filter(({ k }) => k > 0), columns },
    }),
    drawn.length === 0
      ? null
      : caption(
          "Early warnings are counted here as the earlier months showed them; the page of KPIs judges all of history. Spread: the standard deviation of an equal-weight score of that many KPIs, in units of one KPI. The smaller, the more alike accounts look. From the first KPI without an early warning on, the order of adding is chance.",
        ),
  );
}

function gates(rows: readonly Gate[]): HTMLElement {
  const columns: readonly Column<Gate>[] = [
    { name: "KPI", text: (g) => html`<a href=${`./kpis/${g.kpi}.html`}>${g.label}</a>`, value: (g) => g.label },
    { name: "Gate", text: (g) => `${g.side.replaceAll("_", " ")} ${g.threshold}` },
    { name: "Held out", text: (g) => g.state },
    {
      name: "Left, behind it",
      text: (g) =>
        g.rate_failing === null
          ? missing
          : `${percent(g.rate_failing)} (${percent(g.rate_failing_low)} to ${percent(g.rate_failing_high)})`,
      value: (g) => g.rate_failing,
      isNumber: true,
    },
    {
      name: "Left, others",
      text: (g) =>
        g.rate_passing === null
          ? missing
          : `${percent(g.rate_passing)} (${percent(g.rate_passing_low)} to ${percent(g.rate_passing_high)})`,
      value: (g) => g.rate_passing,
      isNumber: true,
    },
    { name: "Accounts behind it", text: (g) => count(g.n_failing), value: (g) => g.n_failing, isNumber: true },
  ];
  return section(
    "One gate on one metric",
    html`<p class="note-line">A guide lets one metric overrule the whole score. The earlier history proposes at most three such gates; each is looked at once on months that it has not seen.</p>` as Node,
    ...(rows.length === 0
      ? [html`<p class="empty">No gate was proposed, or history is too short to hold months back.</p>` as Node]
      : [
          html`<ul class="verdicts">${rows.map(
            (g) =>
              html`<li><a class="kpi-name" href=${`./kpis/${g.kpi}.html`}>${g.label}</a> <span class="verdict-label">${g.state}</span>${paragraph(gateSentence(g))}</li>`,
          )}</ul>` as Node,
          tableWithCsv({ name: "gates", label: "Gates", rows, columns }),
        ]),
  );
}
