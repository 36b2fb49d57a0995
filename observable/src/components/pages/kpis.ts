import { html } from "htl";
import { addressState, chosen } from "../address.js";
import { actionGroups } from "../bands.js";
import { forest } from "../charts/forest.js";
import { pairDomain } from "../charts/frame.js";
import { intervals } from "../charts/intervals.js";
import { type Column, figure, tableWithCsv } from "../figure.js";
import { count, missing, onHundred, pairs, percent, plural } from "../format.js";
import { paragraph, plain, say } from "../prose.js";
import type { Kpi, Statement, ValidationFact } from "../rows.js";
import type { RandomControl } from "../rows-evidence.js";
import { historySentence, isTested, kpiSummarySentence, powerSentence } from "../sentences.js";
import { badgesInWords, controlSentence } from "../sentences-kpi.js";
import { caption, section, sqlSection } from "./parts.js";

export interface KpisData {
  readonly kpi: readonly Kpi[];
  readonly random_control: readonly RandomControl[];
  readonly validation_fact: readonly ValidationFact[];
  readonly statement: readonly Statement[];
}

const howToRead =
  "How to read the charts: line and dot are like for like with the 95 % interval; below them, the hollow dot is the plain comparison and the arrow what size, age and segment change.";

const pageOf = (kpi: Kpi): string => `./${kpi.kpi}.html`;

const orders = ["strength", "ahead", "coverage", "stability", "name"] as const;
type Order = (typeof orders)[number];
const orderNames: Readonly<Record<Order, string>> = {
  strength: "what sorts most first",
  ahead: "what shows earliest first",
  coverage: "what most accounts have first",
  stability: "what held longest first",
  name: "by name",
};

const distance = (kpi: Kpi): number => (kpi.auc === null || !isTested(kpi) ? -1 : Math.abs(kpi.auc - 0.5));
const keyOf: Readonly<Record<Order, (kpi: Kpi) => number>> = {
  strength: distance,
  ahead: (kpi) => (isTested(kpi) ? (kpi.months_ahead ?? -1) : -1),
  coverage: (kpi) => kpi.coverage ?? -1,
  stability: (kpi) => (kpi.held ?? -1) + (kpi.n_periods === null ? 0 : (kpi.n_periods_same ?? 0) / (kpi.n_periods + 1)),
  name: () => 0,
};

/** The KPIs in the wanted order; equals by strength, then by name. */
export function sortKpis(kpis: readonly Kpi[], order: Order): readonly Kpi[] {
  const key = keyOf[order];
  return [...kpis].sort(
    (a, b) =>
      key(b) - key(a) ||
      (order === "name" ? 0 : distance(b) - distance(a)) ||
      a.label.localeCompare(b.label, "en") ||
      (a.kpi < b.kpi ? -1 : 1),
  );
}

/** Those whose name, id, verdict or sentence holds the words. */
export function searchKpis(kpis: readonly Kpi[], words: string): readonly Kpi[] {
  const wanted = words.trim().toLowerCase();
  if (wanted === "") return kpis;
  return kpis.filter((k) =>
    [k.label, k.kpi, k.verdict_label ?? "", k.sentence ?? "", k.action_group].join(" ").toLowerCase().includes(wanted),
  );
}

/** All KPIs in five groups by what to do with them, each group as sentences and as a forest on one axis. */
export function kpisPage(data: KpisData): HTMLElement {
  const { kpi: kpis, random_control: controls } = data;
  const domain = pairDomain([
    ...kpis.filter(isTested).flatMap((k) => [k.auc_low, k.auc_high, k.auc, k.crude_auc]),
    ...controls.flatMap((c) => [c.auc_low, c.auc_high]),
  ]);
  const hasHeld = kpis.some((k) => k.held !== null);
  return html`<div class="report">
    ${paragraph(kpiSummarySentence(kpis), "lede")}
    ${paragraph(historySentence(data.validation_fact[0]))}
    ${paragraph([...powerSentence(kpis), ...(controls.length === 0 ? [] : [" ", ...controlSentence(controls)])])}
    ${kpis.some(isTested) ? caption(howToRead) : null}
    ${kpis.length === 0 ? emptyBook() : [groups(kpis, domain), controlSection(controls, domain)]}
    ${kpis.length === 0 ? null : section("All KPIs", tableWithCsv({ name: "kpis", label: "All KPIs", rows: kpis, columns: hasHeld ? [...columns, held] : columns, search: true }))}
    ${sqlSection(data.statement, ["marts.kpi", "marts.random_control", "marts.validation_fact"])}
  </div>` as HTMLElement;
}

const emptyBook = (): HTMLElement =>
  html`<p class="empty">No KPI is switched on. A book names its KPIs in assay.yaml; those that lack an export stay off until it comes.</p>` as HTMLElement;

/** Search and order, which live in the address, and below them the five groups. */
function groups(kpis: readonly Kpi[], domain: readonly [number, number]): HTMLElement {
  const words = addressState<string>("find", "");
  const order = addressState<Order>("order", "strength", orders);
  const shown = html`<div></div>` as HTMLElement;
  const found = html`<span class="length"></span>` as HTMLElement;
  const said = chosen();
  const input =
    html`<input type="search" placeholder="Find a KPI" aria-label="Find a KPI by name, verdict or sentence" value=${words.get()}>` as HTMLInputElement;
  const select = html`<select aria-label="Order of the KPIs">${orders.map(
    (value) => html`<option value=${value}>${orderNames[value]}</option>`,
  )}</select>` as HTMLSelectElement;
  let typed: ReturnType<typeof setTimeout> | undefined;
  input.oninput = () => {
    clearTimeout(typed);
    typed = setTimeout(() => words.set(input.value.trim()), 150);
  };
  select.onchange = () => order.set(select.value as Order);
  const labels = kpis.map(({ label }) => label);
  let last: string | null = null;
  const fill = (): void => {
    const now = `${words.get()}\n${order.get()}`;
    if (now === last) return;
    last = now;
    select.value = order.get();
    const wanted = searchKpis(kpis, words.get());
    const isSearch = words.get().trim() !== "";
    found.textContent = isSearch ? `${wanted.length} of ${plural(kpis.length, "KPI")}` : "";
    said.tell(isSearch ? `Shown only KPIs that hold "${words.get().trim()}": ${found.textContent}.` : "");
    const drawn = actionGroups.filter(({ group }) => !isSearch || wanted.some((k) => k.action_group === group));
    shown.replaceChildren(
      ...(drawn.length === 0
        ? [html`<p class="empty">No KPI matches.</p>` as Node]
        : drawn.map((group) => groupSection(group, sortKpis(wanted, order.get()), { domain, labels }))),
    );
  };
  words.listen(fill, shown);
  order.listen(fill, shown);
  fill();
  return html`<div><div class="controls" role="search">${input}${select}${found}</div>${said.line}${shown}</div>` as HTMLElement;
}

/** A reader takes in about a dozen sentences; the rest on demand. */
const atFirst = 12;

function groupSection(
  group: (typeof actionGroups)[number],
  kpis: readonly Kpi[],
  axis: { readonly domain: readonly [number, number]; readonly labels: readonly string[] },
): HTMLElement {
  const rows = kpis.filter(({ action_group }) => action_group === group.group);
  const drawn = rows.filter((kpi) => isTested(kpi) && kpi.auc !== null);
  return section(
    `${group.group} (${rows.length})`,
    html`<p class="note-line">${group.what}</p>` as Node,
    rows.length === 0 ? (html`<p class="empty">No KPI of this book.</p>` as Node) : verdictList(rows),
    drawn.length === 0
      ? null
      : figure({
          id: `forest-${group.group.toLowerCase().replaceAll(" ", "-")}`,
          title: `${group.group}: what leavers had, like for like`,
          subtitle: "of 100 pairs of a leaver and a like account, how often the leaver had more",
          alt: drawn
            .slice(0, 40)
            .map(
              (k) =>
                `${k.label}: ${onHundred(k.auc)} of 100, interval ${onHundred(k.auc_low)} to ${onHundred(k.auc_high)}.`,
            )
            .join(" "),
          chart: (width) => forest(drawn, { width, domain: axis.domain, colour: group.colour, labels: axis.labels }),
          ...(drawn.length < rows.length
            ? {
                note: plain(
                  say`${rows.length - drawn.length} of ${rows.length} could not be tested and ${[rows.length - drawn.length === 1 ? "is" : "are"]} not drawn.`,
                ),
              }
            : {}),
          table: { name: `kpis-${group.group.toLowerCase().replaceAll(" ", "-")}`, rows: drawn, columns },
        }),
  );
}

function verdictList(rows: readonly Kpi[]): HTMLElement {
  const item = (kpi: Kpi): Node =>
    html`<li><a class="kpi-name" href=${pageOf(kpi)}>${kpi.label}</a> <span class="verdict-label">${kpi.verdict_label ?? "Not enough data"}</span>
      <p>${kpi.sentence ?? "Not tested in this release."}</p>${factsOf(kpi)}</li>` as Node;
  const listed = html`<ul class="verdicts">${rows.slice(0, atFirst).map(item)}</ul>` as HTMLElement;
  if (rows.length <= atFirst) return listed;
  const more = html`<button type="button" class="save">Show all ${String(rows.length)}</button>` as HTMLButtonElement;
  more.onclick = () => {
    listed.append(...rows.slice(atFirst).map(item));
    more.remove();
  };
  return html`<div>${listed}${more}</div>` as HTMLElement;
}

/** Lead time, coverage and stability in one small line. */
function factsOf(kpi: Kpi): HTMLElement | null {
  if (!isTested(kpi)) return null;
  const facts = [
    kpi.months_ahead === null
      ? null
      : kpi.months_ahead === 0
        ? "not clear of a coin toss in the month before"
        : `clear of a coin toss ${plural(kpi.months_ahead, "month")} back`,
    kpi.coverage === null ? null : `${percent(kpi.coverage)} have a value`,
    kpi.n_periods === null || kpi.n_periods < 2
      ? null
      : `same side in ${count(kpi.n_periods_same)} of ${plural(kpi.n_periods, "period")}`,
    kpi.held === null ? null : `held ${kpi.held} of 6 month starts`,
    ...badgesInWords(kpi.badges),
  ].filter((fact) => fact !== null);
  return facts.length === 0 ? null : (html`<p class="note-line">${facts.join(" · ")}</p>` as HTMLElement);
}

/** Three random numbers an account, tested as if they were KPIs: what lies as far out as these may be chance. */
function controlSection(controls: readonly RandomControl[], domain: readonly [number, number]): HTMLElement | null {
  const rows = controls.filter(({ kind }) => kind === "persistent").slice(0, 3);
  if (rows.length === 0) return null;
  const lines = rows.map((c, i) => ({
    label: `random number ${i + 1}`,
    value: 100 * c.auc,
    low: c.auc_low === null ? null : 100 * c.auc_low,
    high: c.auc_high === null ? null : 100 * c.auc_high,
    note: "",
  }));
  return section(
    "What chance looks like",
    html`<p class="note-line">Random numbers given to accounts, tested as if they were KPIs. They count in no family of tests.</p>` as Node,
    figure({
      title: "Random numbers in place of KPIs",
      subtitle:
        "of 100 pairs of a leaver and a like account, how often the leaver had more; the axis of the charts above",
      alt: rows.map((c) => `${onHundred(c.auc)} of 100.`).join(" "),
      chart: (width) =>
        intervals(lines, {
          width,
          domain,
          origin: 50,
          ends: ["leavers had less", "leavers had more"],
          band: [45, 55],
          colour: "var(--act-unknown)",
          format: (x) => x.toFixed(1),
        }),
      table: {
        name: "random-controls",
        rows: controls,
        columns: [
          { name: "Control", text: (c) => c.control.replaceAll("_", " ") },
          { name: "Of 100 pairs", text: (c) => onHundred(c.auc), value: (c) => c.auc, isNumber: true },
          {
            name: "95 % interval",
            text: (c) => (c.auc_low === null ? missing : `${onHundred(c.auc_low)} to ${onHundred(c.auc_high)}`),
          },
          { name: "Churned", text: (c) => count(c.n_churned), value: (c) => c.n_churned, isNumber: true },
        ],
      },
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
  {
    name: "Months ahead",
    text: (k) => (isTested(k) && k.months_ahead !== null ? String(k.months_ahead) : missing),
    value: (k) => (isTested(k) ? k.months_ahead : null),
    isNumber: true,
  },
  {
    name: "Periods on that side",
    text: (k) =>
      isTested(k) && k.n_periods !== null ? `${count(k.n_periods_same)} of ${count(k.n_periods)}` : missing,
    value: (k) => (k.n_periods === null ? null : (k.n_periods_same ?? 0) / k.n_periods),
    isNumber: true,
  },
  { name: "Has a value", text: (k) => percent(k.coverage), value: (k) => k.coverage, isNumber: true },
  { name: "Churned", text: (k) => count(k.n_churned), value: (k) => k.n_churned, isNumber: true },
];

const held: Column<Kpi> = {
  name: "Held",
  text: (k) => (k.held === null ? missing : `${k.held} of 6`),
  value: (k) => k.held,
  isNumber: true,
};
