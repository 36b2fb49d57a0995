import { html } from "htl";
import { actionGroups } from "../bands.js";
import { forest } from "../charts/forest.js";
import { pairDomain } from "../charts/frame.js";
import { type Column, figure, tableWithCsv } from "../figure.js";
import { count, missing, onHundred, pairs, percent } from "../format.js";
import { paragraph, plain, say } from "../prose.js";
import type { Kpi, Statement, ValidationFact } from "../rows.js";
import { historySentence, isTested, kpiSummarySentence, powerSentence } from "../sentences.js";
import { caption, section, sqlSection } from "./parts.js";

export interface KpisData {
  readonly kpi: readonly Kpi[];
  readonly validation_fact: readonly ValidationFact[];
  readonly statement: readonly Statement[];
}

const howToRead =
  "How to read the charts: line and dot are like for like with the 95 % interval; below them, the hollow dot is the plain comparison and the arrow what size, age and segment change.";

const pageOf = (kpi: Kpi): string => `./${kpi.kpi}.html`;

/** All KPIs in five groups by what to do with them, each group as sentences and as a forest on one axis. */
export function kpisPage(data: KpisData): HTMLElement {
  const domain = pairDomain(data.kpi.filter(isTested).flatMap((k) => [k.auc_low, k.auc_high, k.auc, k.crude_auc]));
  return html`<div class="report">
    ${paragraph(kpiSummarySentence(data.kpi), "lede")}
    ${paragraph(historySentence(data.validation_fact[0]))}
    ${paragraph(powerSentence(data.kpi))}
    ${caption(howToRead)}
    ${actionGroups.map((group) => groupSection(group, data.kpi, domain))}
    ${data.kpi.length === 0 ? null : section("All KPIs", tableWithCsv({ name: "kpis", label: "All KPIs", rows: data.kpi, columns: data.kpi.some((k) => k.held !== null) ? [...columns, held] : columns, search: true }))}
    ${sqlSection(data.statement, ["marts.kpi", "marts.validation_fact"])}
  </div>` as HTMLElement;
}

function groupSection(
  group: (typeof actionGroups)[number],
  kpis: readonly Kpi[],
  domain: readonly [number, number],
): HTMLElement {
  const rows = kpis.filter(({ action_group }) => action_group === group.group);
  const labels = kpis.map(({ label }) => label);
  const drawn = rows.filter((kpi) => isTested(kpi) && kpi.auc !== null);
  const subtitle = "of 100 pairs of a leaver and a like account, how often the leaver had more";
  return section(
    `${group.group} (${rows.length})`,
    html`<p class="note-line">${group.what}</p>` as Node,
    rows.length === 0
      ? (html`<p class="empty">No KPI of this book.</p>` as Node)
      : (html`<ul class="verdicts">${rows.map(
          (
            kpi,
          ) => html`<li><a class="kpi-name" href=${pageOf(kpi)}>${kpi.label}</a> <span class="verdict-label">${kpi.verdict_label ?? "Not enough data"}</span>
            <p>${kpi.sentence ?? "Not tested in this release."}</p></li>`,
        )}</ul>` as Node),
    drawn.length === 0
      ? null
      : figure({
          title: `${group.group}: what leavers had, like for like`,
          subtitle,
          alt: drawn
            .map(
              (k) =>
                `${k.label}: ${onHundred(k.auc)} of 100, interval ${onHundred(k.auc_low)} to ${onHundred(k.auc_high)}.`,
            )
            .join(" "),
          chart: (width) => forest(drawn, { width, domain, colour: group.colour, labels }),
          ...(drawn.length < rows.length
            ? {
                note: plain(
                  say`${rows.length - drawn.length} of ${rows.length} could not be tested and are not drawn.`,
                ),
              }
            : {}),
          table: { name: `kpis-${group.group.toLowerCase().replaceAll(" ", "-")}`, rows: drawn, columns },
        }),
  );
}

/** The KPI where its estimates may be shown; without enough data there is none to show. */
const estimates = (kpi: Kpi): Kpi =>
  isTested(kpi) ? kpi : { ...kpi, auc: null, auc_low: null, auc_high: null, crude_auc: null, late_auc: null };

const interval = (kpi: Kpi): string =>
  kpi.auc_low === null ? missing : `${onHundred(kpi.auc_low)} to ${onHundred(kpi.auc_high)}`;

const estimate = (name: string, text: (kpi: Kpi) => string, value: (kpi: Kpi) => number | null): Column<Kpi> => ({
  name,
  text: (kpi) => text(estimates(kpi)),
  value: (kpi) => value(estimates(kpi)),
  isNumber: true,
});

const columns: readonly Column<Kpi>[] = [
  { name: "KPI", text: (k) => html`<a href=${pageOf(k)}>${k.label}</a>`, value: (k) => k.label },
  { name: "What to do", text: (k) => k.action_group, value: (k) => `${k.action_no} ${k.action_group}` },
  { name: "Verdict", text: (k) => k.verdict_label ?? "Not enough data" },
  estimate(
    "Sorts of 100 pairs",
    (k) => pairs(k.auc),
    (k) => (k.auc === null ? null : 50 + 100 * Math.abs(k.auc - 0.5)),
  ),
  estimate("Leavers had more", interval, (k) => (k.auc === null ? null : 100 * k.auc)),
  estimate(
    "Plain comparison",
    (k) => onHundred(k.crude_auc),
    (k) => k.crude_auc,
  ),
  estimate(
    "Last days",
    (k) => onHundred(k.late_auc),
    (k) => k.late_auc,
  ),
  { name: "Has a value", text: (k) => percent(k.coverage), value: (k) => k.coverage, isNumber: true },
  { name: "Churned", text: (k) => count(k.n_churned), value: (k) => k.n_churned, isNumber: true },
];

const held: Column<Kpi> = {
  name: "Held",
  text: (k) => (k.held === null ? missing : `${k.held} of 6`),
  value: (k) => k.held,
  isNumber: true,
};
