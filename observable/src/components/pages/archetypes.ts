import { html } from "htl";
import { bandStyles } from "../bands.js";
import { rateRows } from "../charts/rate-rows.js";
import { figure, tableWithCsv } from "../figure.js";
import { filtered } from "../filters.js";
import { bound, count, date, missing, percent, plural, points } from "../format.js";
import { accountLink, bandMark, type ListedAccount, moneyValue, outside, shownMoney, shownScore } from "../managers.js";
import { list, paragraph } from "../prose.js";
import type { Band, Kpi, Release, Statement } from "../rows.js";
import { caption, section, sqlSection } from "./parts.js";

export interface Archetype {
  readonly archetype: string;
  readonly label: string;
  readonly rule: string;
  readonly does: string | null;
  readonly expected_health: string | null;
  readonly quantiles: string;
  readonly usage_kpis: string;
  readonly tickets_kpis: string;
  readonly marketing_kpis: string;
  readonly n_now: number;
  readonly n_of: number;
  readonly share_now: number | null;
  readonly mrr_minor: number | null;
  readonly mean_score: number | null;
  readonly score_low: number | null;
  readonly score_high: number | null;
  readonly health_agrees: string | null;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly churn_rate: number | null;
  readonly churn_low: number | null;
  readonly churn_high: number | null;
  readonly expected_rate: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly differs: boolean;
}

export interface ArchetypeAccount extends ListedAccount {
  readonly archetype: string;
  readonly usage_place: number | null;
  readonly tickets_place: number | null;
  readonly marketing_place: number | null;
}

export interface UsageCluster {
  readonly cluster: number;
  readonly label: string;
  readonly success: string | null;
  readonly n_accounts: number;
  readonly n_labelled: number;
  readonly n_churned: number;
  readonly churn_rate: number | null;
  readonly churn_low: number | null;
  readonly churn_high: number | null;
  readonly expected_rate: number | null;
  readonly n_now: number | null;
  readonly share_now: number | null;
}

export interface UsageClusterKpi {
  readonly cluster: number;
  readonly kpi: string;
  readonly label: string | null;
  readonly unit: string | null;
  readonly n_values: number;
  readonly q25: number | null;
  readonly q50: number | null;
  readonly q75: number | null;
  readonly q50_of_all: number | null;
}

export interface ArchetypesData {
  readonly release: readonly Release[];
  readonly band: readonly Band[];
  readonly archetype: readonly Archetype[];
  readonly account: readonly ArchetypeAccount[];
  readonly cluster: readonly UsageCluster[];
  readonly cluster_kpi: readonly UsageClusterKpi[];
  readonly sentence: readonly { readonly topic: string; readonly place_no: number; readonly sentence: string }[];
  readonly kpi: readonly Kpi[];
  readonly statement: readonly Statement[];
}

/** Who is which archetype now, what became of each in the past beside like accounts, and the groups that usage itself falls into. */
export function archetypesPage(data: ArchetypesData): HTMLElement {
  const release = data.release[0] as Release;
  const told = (topic: string): readonly Node[] =>
    data.sentence.filter((row) => row.topic === topic).map((row) => paragraph([row.sentence]));
  const first = data.archetype[0];
  const labels = new Map(data.kpi.map(({ kpi, label }) => [kpi, label]));
  const named = (ids: string): string =>
    ids === ""
      ? "nothing, the book has none"
      : list(ids.split(", ").map((id) => labels.get(id)?.replace(/^[A-Z](?![A-Z])/, (c) => c.toLowerCase()) ?? id));
  const hasRule = first !== undefined && first.usage_kpis !== "";
  return html`<div class="report">
    ${told("archetypes")}
    ${
      hasRule
        ? caption(
            `By place among all accounts of the day (${first.quantiles}): usage by ${named(first.usage_kpis)}; tickets by ${named(first.tickets_kpis)}; marketing by ${named(first.marketing_kpis)}. The first rule that fits counts.`,
          )
        : html`<p class="empty">No KPI of the book says how much accounts use: there are no archetypes.</p>`
    }
    ${hasRule ? section("What became of them", became(data, release)) : null}
    ${hasRule ? section("Who is which", who(data, release)) : null}
    ${section("Usage clusters", ...told("clusters"), clusters(data))}
    ${sqlSection(data.statement, ["marts.archetype", "marts.account_archetype"])}
  </div>` as HTMLElement;
}

const range = (low: number | null, high: number | null): string =>
  low === null || high === null ? missing : `${percent(low)} to ${percent(high)}`;

function became(data: ArchetypesData, release: Release): Node {
  const rows = data.archetype.filter(({ churn_rate }) => churn_rate !== null);
  return figure({
    title: "Left after being one, with 95 % intervals",
    subtitle: `share of account-months followed by leaving ${release.gap_days} to ${release.gap_days + release.horizon_days} days later; an interval that reaches over the others tells nothing apart`,
    alt:
      rows.map((r) => `${r.label} ${percent(r.churn_rate)} (${range(r.churn_low, r.churn_high)})`).join(", ") ||
      "Too few accounts to say.",
    id: "archetype-churn",
    chart:
      rows.length === 0
        ? null
        : (width) =>
            rateRows(
              rows.map((r) => ({
                label: r.label,
                rate: r.churn_rate as number,
                low: r.churn_low ?? 0,
                high: r.churn_high ?? 1,
                n: `${count(r.n_churned)} left of ${count(r.n_accounts)}`,
                brief: count(r.n_accounts),
              })),
              { width, label: "left" },
            ),
    empty: `Fewer than ${count(release.min_cell)} accounts of each have a complete window behind them.`,
    table: {
      name: "archetypes",
      rows: data.archetype,
      columns: [
        { name: "Archetype", text: (r) => r.label },
        { name: "When", text: (r) => r.rule },
        { name: "Now", text: (r) => `${count(r.n_now)} of ${count(r.n_of)}`, value: (r) => r.n_now, isNumber: true },
        {
          name: "A month",
          text: (r) => shownMoney(r.mrr_minor, release.currency),
          value: (r) => moneyValue(r.mrr_minor, release.currency),
          isNumber: true,
        },
        {
          name: "Left",
          text: (r) => `${percent(r.churn_rate)} (${range(r.churn_low, r.churn_high)})`,
          value: (r) => r.churn_rate,
          isNumber: true,
        },
        { name: "Like accounts", text: (r) => percent(r.expected_rate), value: (r) => r.expected_rate, isNumber: true },
        { name: "Differs", text: (r) => (r.churn_rate === null ? missing : r.differs ? "yes" : "not shown") },
        {
          name: "Left / accounts",
          text: (r) => `${count(r.n_churned)} / ${count(r.n_accounts)}`,
          value: (r) => r.n_accounts,
          isNumber: true,
        },
        { name: "Expected health", text: (r) => r.expected_health ?? "" },
        {
          name: "Mean score",
          text: (r) =>
            r.mean_score === null
              ? missing
              : `${points(r.mean_score)} (${points(r.score_low)} to ${points(r.score_high)})`,
          value: (r) => r.mean_score,
          isNumber: true,
        },
        { name: "Agrees", text: (r) => r.health_agrees ?? "" },
      ],
    },
  });
}

function who(data: ArchetypesData, release: Release): Node {
  const styles = bandStyles(data.band);
  const labels = new Map(data.archetype.map(({ archetype, label }) => [archetype, label]));
  const label = (id: string): string => labels.get(id) ?? id.replaceAll("_", " ");
  if (data.account.length === 0) return html`<p class="empty">No account pays on ${date(release.as_of)}.</p>` as Node;
  const place = (value: number | null): string => (value === null ? "not known" : percent(value));
  return filtered(
    data.account,
    [
      { name: "archetype", label: "Archetype", all: "all", value: (r) => r.archetype, text: label },
      { name: "owner", label: "Owner", all: "everybody", value: (r) => r.owner, none: "no owner" },
    ],
    (rows) =>
      tableWithCsv({
        name: "archetype-accounts",
        label: "Accounts by archetype",
        rows,
        columns: [
          { name: "Account", text: (r) => accountLink(r, ""), value: (r) => r.name ?? r.account_id },
          { name: "Archetype", text: (r) => label(r.archetype), value: (r) => label(r.archetype) },
          { name: "Usage place", text: (r) => place(r.usage_place), value: (r) => r.usage_place, isNumber: true },
          { name: "Tickets place", text: (r) => place(r.tickets_place), value: (r) => r.tickets_place, isNumber: true },
          {
            name: "Marketing place",
            text: (r) => place(r.marketing_place),
            value: (r) => r.marketing_place,
            isNumber: true,
          },
          { name: "Score", text: (r) => shownScore(r.score), value: (r) => r.score, isNumber: true },
          { name: "Band", text: (r) => bandMark(styles, r.band), value: (r) => r.band },
          {
            name: "A month",
            text: (r) => shownMoney(r.mrr_minor, release.currency),
            value: (r) => moneyValue(r.mrr_minor, release.currency),
            isNumber: true,
          },
          { name: "Owner", text: (r) => outside(r.owner ?? "no owner", 40), value: (r) => r.owner },
        ],
      }),
  );
}

function clusters(data: ArchetypesData): Node {
  if (data.cluster.length === 0)
    return html`<p class="empty">No grouping of the accounts by usage is stable enough to show.</p>` as Node;
  const parts = data.cluster.map(
    (c) =>
      html`<div class="cluster"><h3>${c.label}</h3>
        <p>${plural(c.n_now ?? 0, "account")} now${c.share_now === null ? "" : ` (${percent(c.share_now)})`}. ${
          c.churn_rate === null
            ? "Too few of them are labelled to say how many left."
            : `${percent(c.churn_rate)} left (${range(c.churn_low, c.churn_high)}; ${count(c.n_churned)} of ${count(c.n_labelled)}); of like accounts ${percent(c.expected_rate)}.`
        }${c.success === null ? "" : html` Success: ${outside(c.success, 200)}.`}</p></div>` as Node,
  );
  return html`<div>${parts}${tableWithCsv({
    name: "usage-clusters",
    label: "What the usage clusters use",
    rows: data.cluster_kpi,
    columns: [
      {
        name: "Cluster",
        text: (r) => data.cluster.find(({ cluster }) => cluster === r.cluster)?.label ?? String(r.cluster),
      },
      { name: "KPI", text: (r) => outside(r.label ?? r.kpi, 80), value: (r) => r.label ?? r.kpi },
      { name: "Median", text: (r) => bound(r.q50), value: (r) => r.q50, isNumber: true },
      { name: "Middle half", text: (r) => `${bound(r.q25)} to ${bound(r.q75)}`, value: (r) => `${r.q25} to ${r.q75}` },
      { name: "Median of all", text: (r) => bound(r.q50_of_all), value: (r) => r.q50_of_all, isNumber: true },
      { name: "Accounts", text: (r) => count(r.n_values), value: (r) => r.n_values, isNumber: true },
    ],
  })}</div>` as Node;
}
