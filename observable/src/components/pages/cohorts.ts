import { html } from "htl";
import { cohortCurves } from "../charts/cohort-curves.js";
import { cohortHeat } from "../charts/cohorts.js";
import { rateRows } from "../charts/rate-rows.js";
import { type Column, figure } from "../figure.js";
import { count, percent, quarters } from "../format.js";
import { paragraph, plain } from "../prose.js";
import type { CohortCell, CohortRetention, Release, Statement } from "../rows.js";
import { cohortSentence } from "../sentences.js";
import { caption, sqlSection, statementsOf } from "./parts.js";

export interface CohortsData {
  readonly release: readonly Release[];
  readonly cohort_heat: readonly CohortCell[];
  readonly cohort_retention: readonly CohortRetention[];
  readonly statement: readonly Statement[];
}

/** Who stays, by the quarter of sign-up: twelve months with intervals first, then every age as heat maps. */
export function cohortsPage(data: CohortsData): HTMLElement {
  const release = data.release[0] as Release;
  const sentence = cohortSentence(data.cohort_retention, release);
  const name = (d: { readonly cohort_from: string; readonly cohort_to: string }): string =>
    quarters(d.cohort_from, d.cohort_to);
  const columns: readonly Column<CohortRetention>[] = [
    { name: "Signed up", text: name, value: (r) => r.cohort_from },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
    { name: "Kept", text: (r) => count(r.n_kept), value: (r) => r.n_kept, isNumber: true },
    { name: "Share kept", text: (r) => percent(r.kept_rate), value: (r) => r.kept_rate, isNumber: true },
    { name: "95 % interval", text: (r) => `${percent(r.rate_low)} to ${percent(r.rate_high)}` },
    { name: "Of first revenue", text: (r) => percent(r.money_rate), value: (r) => r.money_rate, isNumber: true },
  ];
  return html`<div class="report">
    ${paragraph(sentence, "lede")}
    ${caption("Customers who had signed up before the data begins are left out: of them, only those who stayed are known.")}
    ${figure({
      title: "Still paying after twelve months, by quarter of sign-up",
      subtitle: "share of accounts with 95 % interval; cohorts whose youngest account is a year old",
      alt: plain(sentence),
      chart:
        data.cohort_retention.length === 0
          ? null
          : (width) =>
              rateRows(
                data.cohort_retention.map((r) => ({
                  label: name(r),
                  rate: r.kept_rate,
                  low: r.rate_low,
                  high: r.rate_high,
                  n: `${count(r.n_accounts)} accounts`,
                  brief: count(r.n_accounts),
                })),
                { width, label: "still paying after 12 months" },
              ),
      empty: plain(sentence),
      table: { name: "retention-12-months", rows: data.cohort_retention, columns },
      sql: statementsOf(data.statement, ["marts.cohort_retention", "marts.cohort_heat"]),
    })}
    ${curveFigure(data, release)}
    ${heatFigure(data, "kept_rate", release)}
    ${heatFigure(data, "money_rate", release)}
    ${sqlSection(data.statement, ["marts.cohort_account", "marts.cohort_heat", "marts.cohort_retention"])}
  </div>` as HTMLElement;
}

function curveFigure(data: CohortsData, release: Release): HTMLElement {
  const rows = data.cohort_heat.filter((cell) => cell.kept_rate !== null);
  const at = (months: number): readonly CohortCell[] => rows.filter((cell) => cell.months === months);
  const age = [12, 6, 3].find((months) => at(months).length > 0);
  const rates = at(age ?? 0).map((cell) => cell.kept_rate as number);
  const columns: readonly Column<CohortCell>[] = [
    { name: "Signed up", text: (r) => quarters(r.cohort_from, r.cohort_to), value: (r) => r.cohort_from },
    { name: "Months", text: (r) => String(r.months), value: (r) => r.months, isNumber: true },
    { name: "Share kept", text: (r) => percent(r.kept_rate), value: (r) => r.kept_rate, isNumber: true },
    { name: "Kept", text: (r) => count(r.n_kept), value: (r) => r.n_kept, isNumber: true },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
  ];
  const hasCurve = rows.some((cell) => cell.months > 0);
  return figure({
    title: "Cohort curves",
    subtitle:
      "share of each cohort's accounts that pay at an age; the newer, the stronger; each ends at the age that all its accounts have reached",
    alt:
      age === undefined || rates.length === 0
        ? "No cohort is three months old yet."
        : `After ${age} months between ${percent(Math.min(...rates))} and ${percent(Math.max(...rates))} of a cohort's accounts still pay, over ${count(rates.length)} ${rates.length === 1 ? "cohort" : "cohorts"}.`,
    chart: hasCurve ? (width) => cohortCurves(rows, { width }) : null,
    empty: `No cohort of at least ${count(release.min_cell)} accounts is three months old yet.`,
    table: { name: "cohort-curves", rows, columns },
    sql: statementsOf(data.statement, ["marts.cohort_heat", "marts.cohort_account"]),
  });
}

function heatFigure(data: CohortsData, measure: "kept_rate" | "money_rate", release: Release): HTMLElement {
  const rows = data.cohort_heat.filter((cell) => cell[measure] !== null);
  const merged = rows.some((cell) => cell.n_quarters > 1);
  const what = measure === "kept_rate" ? "accounts" : "first revenue";
  const oldest = rows.reduce((most, cell) => Math.max(most, cell.months), 0);
  const last = rows.filter((cell) => cell.months === oldest)[0];
  const columns: readonly Column<CohortCell>[] = [
    { name: "Signed up", text: (r) => quarters(r.cohort_from, r.cohort_to), value: (r) => r.cohort_from },
    { name: "Months", text: (r) => String(r.months), value: (r) => r.months, isNumber: true },
    {
      name: measure === "kept_rate" ? "Share kept" : "Share of first revenue",
      text: (r) => percent(r[measure]),
      value: (r) => r[measure],
      isNumber: true,
    },
    { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
  ];
  return figure({
    title: measure === "kept_rate" ? "Accounts kept, by cohort and age" : "Money kept, by cohort and age",
    subtitle:
      measure === "kept_rate"
        ? "% of the cohort's accounts that pay at that age; stronger colour is more"
        : "monthly revenue at that age as % of the cohort's first revenue, expansion included; stronger colour is more",
    alt:
      last === undefined
        ? "No cohort to show."
        : `After ${oldest} months the cohort of ${quarters(last.cohort_from, last.cohort_to)} has ${percent(last[measure])} of its ${what}.`,
    chart: rows.length === 0 ? null : (width) => cohortHeat(rows, { width, measure }),
    empty:
      measure === "kept_rate"
        ? `No cohort of at least ${count(release.min_cell)} accounts began within the data.`
        : "No revenue is known for these cohorts.",
    note: `Ages that a cohort has not reached in full are left empty.${merged ? ` Hatched: quarters with fewer than ${release.min_cell} sign-ups, merged with their neighbours.` : ""}`,
    table: { name: `cohorts-${measure === "kept_rate" ? "accounts" : "money"}`, rows, columns },
    sql: statementsOf(data.statement, ["marts.cohort_heat"]),
  });
}
