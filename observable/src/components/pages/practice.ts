import { html } from "htl";
import { type RateRow, rateRows } from "../charts/rate-rows.js";
import { type Column, figure } from "../figure.js";
import { count, date, missing, percent, shortDate } from "../format.js";
import { paragraph } from "../prose.js";
import type { Release, Scorecard, Statement } from "../rows.js";
import { caption, section, sqlSection, statementsOf } from "./parts.js";

type Cell = string | number | boolean | null;
/** Rows as the artefacts hold them; docs/practice.md names the columns. */
type Row = Readonly<Record<string, Cell>>;

export interface PracticeData {
  readonly release: readonly Release[];
  readonly scorecard: readonly Scorecard[];
  readonly sentence: readonly { readonly topic: string; readonly place_no: number; readonly sentence: string }[];
  readonly usage_cluster: readonly Row[];
  readonly usage_cluster_choice: readonly Row[];
  readonly usage_cluster_kpi: readonly Row[];
  readonly reference_profile: readonly Row[];
  readonly archetype: readonly Row[];
  readonly outcome_summary: readonly Row[];
  readonly course_milestone: readonly Row[];
  readonly goal_summary: readonly Row[];
  readonly funnel_month: readonly Row[];
  readonly journey_stage: readonly Row[];
  readonly assignment_gap: readonly Row[];
  readonly statement: readonly Statement[];
}

const number = (value: Cell | undefined): number | null => (typeof value === "number" ? value : null);
const text = (value: Cell | undefined): string => (value === null || value === undefined ? "" : String(value));
const shown = (value: number | null): string => (value === null ? missing : String(Number(value.toPrecision(3))));

/** Columns of the kinds that these tables have. */
const words = (name: string, key: string, empty = ""): Column<Row> => ({ name, text: (r) => text(r[key]) || empty });
const whole = (name: string, key: string): Column<Row> => ({
  name,
  text: (r) => count(number(r[key])),
  value: (r) => number(r[key]),
  isNumber: true,
});
const value = (name: string, key: string): Column<Row> => ({
  name,
  text: (r) => shown(number(r[key])),
  value: (r) => number(r[key]),
  isNumber: true,
});
const share = (name: string, key: string): Column<Row> => ({
  name,
  text: (r) => percent(number(r[key])),
  value: (r) => number(r[key]),
  isNumber: true,
});
const interval = (low: string, high: string): Column<Row> => ({
  name: "95 % interval",
  text: (r) => (number(r[low]) === null ? missing : `${percent(number(r[low]))} to ${percent(number(r[high]))}`),
});

const rates = (
  rows: readonly Row[],
  label: (row: Row) => string,
  keys: {
    readonly rate: string;
    readonly low: string;
    readonly high: string;
    readonly n: string;
    readonly unit: string;
  },
): readonly RateRow[] =>
  rows.flatMap((row) => {
    const [rate, low, high] = [number(row[keys.rate]), number(row[keys.low]), number(row[keys.high])];
    return rate === null || low === null || high === null
      ? []
      : [
          {
            label: label(row),
            rate,
            low,
            high,
            n: `${count(number(row[keys.n]))} ${keys.unit}`,
            brief: count(number(row[keys.n])),
          },
        ];
  });

/** What customer-success teams ask beside scores: groups of use, archetypes, outcomes, the funnel, and whether any of it holds here. */
export function practicePage(data: PracticeData): HTMLElement {
  const said = (topic: string): readonly Node[] =>
    data.sentence.filter((s) => s.topic === topic).map((s) => paragraph([s.sentence]));
  return html`<div class="report">
    ${paragraph(["How accounts use the product, what they want and how far they come, and whether any of it goes with leaving in this book."], "lede")}
    ${caption("Associations on this book's own history, beside accounts of like age, segment and size; nothing here says what a change would do.")}
    ${section("Groups of use", ...said("clusters"), clusterFigure(data), apartFigure(data), choiceFigure(data))}
    ${section("Reference profiles", profileFigure(data))}
    ${section("Archetypes", ...said("archetypes"), archetypeFigure(data))}
    ${section("What customers want", ...said("outcomes"), outcomeFigure(data), milestoneFigure(data), goalFigure(data))}
    ${section("From trial to gate", ...said("funnel"), funnelFigure(data))}
    ${section("Stages", ...said("stages"), stageFigure(data))}
    ${section("Scorecards and accounts", ...said("assignment"), assignmentFigure(data))}
    ${caption("Groups of use are found in several passes over the KPIs, for which no single statement stands: docs/practice.md of the project says how.")}
    ${sqlSection(data.statement, ["marts.reference_profile", "marts.account_archetype", "marts.archetype", "marts.account_outcome", "marts.outcome_score", "marts.outcome_summary", "marts.course_milestone", "marts.goal_summary", "marts.account_trial", "marts.funnel_month", "marts.funnel_split", "marts.journey_stage", "marts.assignment_gap"])}
  </div>` as HTMLElement;
}

const clusterColumns: readonly Column<Row>[] = [
  whole("Group", "cluster"),
  words("How it uses the product", "label"),
  words("Success", "success", "not written down"),
  whole("Accounts", "n_accounts"),
  whole("With a complete window", "n_labelled"),
  whole("Left", "n_churned"),
  share("Share that left", "churn_rate"),
  interval("churn_low", "churn_high"),
  share("Accounts of the same segment and size", "expected_rate"),
  { name: "Differs", text: (r) => (r.differs === true ? "yes" : "no") },
  whole("Accounts now", "n_now"),
  words("Main segment", "main_segment"),
  share("Of that segment", "main_segment_share"),
];

function clusterFigure(data: PracticeData): HTMLElement {
  const rows = rates(data.usage_cluster, (r) => `${text(r.cluster)}  ${text(r.label)}`, {
    rate: "churn_rate",
    low: "churn_low",
    high: "churn_high",
    n: "n_labelled",
    unit: "accounts",
  });
  const on = text(data.usage_cluster[0]?.fitted_on);
  return figure<Row>({
    title: "Left later, by group of use",
    subtitle: `share of accounts with 95 % interval${on === "" ? "" : `; groups as of ${date(on)}, windows complete since`}`,
    alt: rows.map((r) => `${r.label}: ${percent(r.rate)}`).join("; ") || "No groups.",
    chart: rows.length === 0 ? null : (width) => rateRows(rows, { width, label: "left" }),
    empty: "There are no groups to show, or what became of them is not known yet.",
    table: { name: "usage-clusters", rows: data.usage_cluster, columns: clusterColumns },
  });
}

const apartFigure = (data: PracticeData): HTMLElement =>
  figure<Row>({
    title: "What tells the groups apart",
    subtitle: "quartiles per group at the date of the grouping, beside the median of all",
    alt: "A table of quartiles per KPI and group.",
    chart: null,
    isTable: true,
    empty: "There are no groups.",
    table: {
      name: "usage-cluster-kpis",
      rows: data.usage_cluster_kpi,
      columns: [
        words("KPI", "label"),
        whole("Group", "cluster"),
        whole("Values", "n_values"),
        value("Lower quartile", "q25"),
        value("Median", "q50"),
        value("Upper quartile", "q75"),
        value("Median of all", "q50_of_all"),
      ],
    },
  });

const choiceFigure = (data: PracticeData): HTMLElement =>
  figure<Row>({
    title: "How many groups",
    subtitle: "agreement of resamples with the whole (adjusted Rand index), and the smallest group",
    alt: "A table of what was tried.",
    chart: null,
    isTable: true,
    empty: "Nothing was tried.",
    table: {
      name: "usage-cluster-choice",
      rows: data.usage_cluster_choice,
      columns: [
        whole("Groups", "k"),
        value("Stability", "stability"),
        value("Lowest", "stability_low"),
        value("Separation", "separation"),
        whole("Smallest group", "smallest"),
        whole("Smallest allowed", "smallest_allowed"),
        { name: "Result", text: (r) => (r.is_chosen === true ? "chosen" : text(r.why_not)) },
      ],
    },
  });

const profileFigure = (data: PracticeData): HTMLElement =>
  figure<Row>({
    title: "The most valuable, the lost, and everyone",
    subtitle: "median of each KPI with its 95 % interval, and quartiles; leavers as they stood before they decided",
    alt: "A table of medians per KPI and profile.",
    chart: null,
    isTable: true,
    empty: "There is no profile to show.",
    table: {
      name: "reference-profiles",
      rows: data.reference_profile,
      columns: [
        words("KPI", "label"),
        words("Profile", "profile_label"),
        whole("Accounts", "n_accounts"),
        whole("Values", "n_values"),
        value("Lower quartile", "q25"),
        value("Median", "q50"),
        {
          name: "95 % interval",
          text: (r) =>
            number(r.q50_low) === null ? missing : `${shown(number(r.q50_low))} to ${shown(number(r.q50_high))}`,
        },
        value("Upper quartile", "q75"),
      ],
    },
    sql: statementsOf(data.statement, ["marts.reference_profile"]),
  });

function archetypeFigure(data: PracticeData): HTMLElement {
  const rows = rates(data.archetype, (r) => text(r.label), {
    rate: "churn_rate",
    low: "churn_low",
    high: "churn_high",
    n: "n_accounts",
    unit: "accounts",
  });
  return figure<Row>({
    title: "Readings that led to leaving, by archetype",
    subtitle: `share with 95 % interval, clustered by account; ${text(data.archetype[0]?.quantiles)}`,
    alt: rows.map((r) => `${r.label}: ${percent(r.rate)}`).join("; ") || "Not known yet.",
    chart: rows.length === 0 ? null : (width) => rateRows(rows, { width, label: "led to leaving" }),
    empty: "Too few accounts with a complete window.",
    table: {
      name: "archetypes",
      rows: data.archetype,
      columns: [
        words("Archetype", "label"),
        words("Rule", "rule"),
        whole("Accounts now", "n_now"),
        value("Mean score", "mean_score"),
        words("Health expected", "expected_health"),
        words("The score", "health_agrees"),
        whole("Readings", "n_rows"),
        whole("Accounts", "n_accounts"),
        whole("Churned", "n_churned"),
        share("Led to leaving", "churn_rate"),
        interval("churn_low", "churn_high"),
        share("Like accounts", "expected_rate"),
        { name: "Differs", text: (r) => (r.differs === true ? "yes" : "no") },
      ],
    },
    sql: statementsOf(data.statement, ["marts.archetype"]),
  });
}

function outcomeFigure(data: PracticeData): HTMLElement {
  const rows = rates(data.outcome_summary, (r) => text(r.label), {
    rate: "met_rate",
    low: "met_low",
    high: "met_high",
    n: "n_measured",
    unit: "accounts",
  });
  return figure<Row>({
    title: "Have what they want, by desired outcome",
    subtitle: "share of the accounts that want it and have a value, with 95 % interval",
    alt: rows.map((r) => `${r.label}: ${percent(r.rate)}`).join("; ") || "No outcome is measured.",
    chart: rows.length === 0 ? null : (width) => rateRows(rows, { width, label: "have it" }),
    empty: "No outcome is measured: outcomes.yaml says what reaching one looks like.",
    table: {
      name: "desired-outcomes",
      rows: data.outcome_summary,
      columns: [
        words("Outcome", "label"),
        words("Success", "success_in_words", "not written down"),
        whole("Accounts", "n_accounts"),
        value("Mean score", "mean_score"),
        whole("Measured", "n_measured"),
        share("Have it", "met_rate"),
        interval("met_low", "met_high"),
        share("Left, with it", "met_churn_rate"),
        interval("met_churn_low", "met_churn_high"),
        whole("Readings with it", "met_rows"),
        share("Left, without it", "unmet_churn_rate"),
        interval("unmet_churn_low", "unmet_churn_high"),
        whole("Readings without it", "unmet_rows"),
      ],
    },
    sql: statementsOf(data.statement, ["marts.outcome_summary"]),
  });
}

function milestoneFigure(data: PracticeData): HTMLElement {
  const rows = rates(data.course_milestone, (r) => `${text(r.milestone)}, day ${text(r.expected_day)}`, {
    rate: "on_time_rate",
    low: "on_time_low",
    high: "on_time_high",
    n: "n_due",
    unit: "accounts",
  });
  return figure<Row>({
    title: "Milestones passed on time",
    subtitle: "share of accounts that were due, with 95 % interval; days since the first paid day",
    alt: rows.map((r) => `${r.label}: ${percent(r.rate)}`).join("; ") || "No milestones.",
    chart: rows.length === 0 ? null : (width) => rateRows(rows, { width, label: "on time" }),
    empty: "No milestone is on record.",
    note: "Quartiles of days are those of accounts that stayed a year: who stayed is known only afterwards.",
    table: {
      name: "milestones",
      rows: data.course_milestone,
      columns: [
        words("Milestone", "milestone"),
        whole("Expected day", "expected_day"),
        whole("Due", "n_due"),
        whole("Passed", "n_reached"),
        share("On time", "on_time_rate"),
        interval("on_time_low", "on_time_high"),
        value("A quarter by day", "day_q25"),
        value("Half by day", "day_q50"),
        value("Three quarters by day", "day_q75"),
        whole("Stayed", "n_stayed"),
      ],
    },
  });
}

function goalFigure(data: PracticeData): HTMLElement {
  const rows = rates(data.goal_summary, (r) => text(r.goal), {
    rate: "met_rate",
    low: "met_low",
    high: "met_high",
    n: "n_matured",
    unit: "goals",
  });
  return figure<Row>({
    title: "Goals met within 180 days",
    subtitle: "share of goals agreed 180 days ago or earlier, with 95 % interval",
    alt: rows.map((r) => `${r.label}: ${percent(r.rate)}`).join("; ") || "No goals.",
    chart: rows.length === 0 ? null : (width) => rateRows(rows, { width, label: "met" }),
    empty: "No goal was agreed long enough ago.",
    table: {
      name: "goals",
      rows: data.goal_summary,
      columns: [
        words("Goal", "goal"),
        whole("Agreed", "n_agreed"),
        whole("Long enough ago", "n_matured"),
        whole("Met in time", "n_met_180d"),
        share("Met", "met_rate"),
        interval("met_low", "met_high"),
      ],
    },
  });
}

function funnelFigure(data: PracticeData): HTMLElement {
  const rows = rates(
    data.funnel_month.filter((r) => r.cohort_from === null && r.step_no !== 1),
    (r) => text(r.step),
    { rate: "share", low: "share_low", high: "share_high", n: "n_of", unit: "accounts" },
  );
  return figure<Row>({
    title: "Trial, key feature, paid, gate",
    subtitle: "share of trials (of payers at the gate) whose time for the step is over, with 95 % interval",
    alt: rows.map((r) => `${r.label}: ${percent(r.rate)}`).join("; ") || "No trials.",
    chart: rows.length === 0 ? null : (width) => rateRows(rows, { width, label: "came so far" }),
    empty: "No account is known to have begun with a trial.",
    table: {
      name: "funnel",
      rows: data.funnel_month,
      columns: [
        {
          name: "Trials from",
          text: (r) => (r.cohort_from === null ? "all" : shortDate(text(r.cohort_from))),
          value: (r) => text(r.cohort_from),
        },
        words("Step", "step"),
        whole("Accounts", "n_accounts"),
        whole("Of", "n_of"),
        share("Share", "share"),
        interval("share_low", "share_high"),
        { name: "Time is over", text: (r) => (r.is_complete === true ? "yes" : "not for all") },
      ],
    },
    sql: statementsOf(data.statement, ["marts.funnel_month"]),
  });
}

function stageFigure(data: PracticeData): HTMLElement {
  const rows = rates(data.journey_stage, (r) => text(r.stage), {
    rate: "churn_rate",
    low: "churn_low",
    high: "churn_high",
    n: "n_judged",
    unit: "accounts",
  });
  return figure<Row>({
    title: "Readings that led to leaving, by stage",
    subtitle: `share with 95 % interval, clustered by account; stages by ${text(data.journey_stage[0]?.basis) || "lifecycle"}`,
    alt: rows.map((r) => `${r.label}: ${percent(r.rate)}`).join("; ") || "Not known yet.",
    chart: rows.length === 0 ? null : (width) => rateRows(rows, { width, label: "led to leaving" }),
    empty: "Too few accounts with a complete window.",
    table: {
      name: "stages",
      rows: data.journey_stage,
      columns: [
        words("Stage", "stage"),
        whole("Accounts now", "n_accounts"),
        whole("Came in 90 days", "n_came_90d"),
        whole("Went in 90 days", "n_went_90d"),
        whole("Readings", "n_rows"),
        whole("Accounts judged", "n_judged"),
        share("Led to leaving", "churn_rate"),
        interval("churn_low", "churn_high"),
      ],
    },
    sql: statementsOf(data.statement, ["marts.journey_stage"]),
  });
}

const kinds: Readonly<Record<string, string>> = {
  assigned: "has the scorecard",
  none: "no scorecard applies",
  several: "conditions of several hold",
  stage_moved: "went to another stage, kept the scorecard",
};

const assignmentFigure = (data: PracticeData): HTMLElement =>
  figure<Row>({
    title: "Who has which scorecard",
    subtitle: "accounts at the newest scored date",
    alt: "Accounts per scorecard, and how many have none or several.",
    chart: null,
    isTable: true,
    empty: "No scorecard is assigned.",
    table: {
      name: "assignment",
      rows: data.assignment_gap,
      columns: [
        { name: "What", text: (r) => kinds[text(r.kind)] ?? text(r.kind), value: (r) => number(r.kind_no) },
        {
          name: "Scorecard",
          text: (r) => data.scorecard.find(({ scorecard }) => scorecard === r.scorecard)?.label ?? text(r.scorecard),
        },
        whole("Accounts", "n_accounts"),
        whole("Of", "n_total"),
      ],
    },
  });
