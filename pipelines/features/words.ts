/** A KPI definition in words, for people who do not read SQL. */
import type { FilterCondition, KpiDefinition } from "../config/kpi.ts";
import { readsUsers } from "./usage-filter.ts";

/** One sentence: what is counted, of which rows, over which days. */
export function kpiInWords(kpi: KpiDefinition): string {
  const days = kpi.window_days === null ? "" : ` in the ${counted(kpi.window_days, "day")} before the snapshot`;
  const rows = rowsInWords(kpi);
  const inner = amountInWords(kpi.of ?? kpi.measure, kpi, rows);
  const capped = kpi.cap === undefined ? "" : kpi.cap === 1 ? ", as 1 (yes) or 0 (no)" : `, at most ${kpi.cap}`;
  const decay = kpi.decay === undefined ? "" : ", each counting 1 on the last day and linearly less the longer ago";
  switch (kpi.measure) {
    case "count":
    case "sum":
    case "distinct":
    case "active_days":
      return `${inner}${days || " that the snapshot may know"}${decay}${capped}`;
    case "days_since":
      return `the days since the last of ${rows}${days}`;
    case "latest":
      return kpi.value?.as === "length"
        ? `the number of letters of the latest ${kpi.value.column} of ${rows}${days}`
        : `the latest ${kpi.value?.column} of ${rows}${days}`;
    case "share":
      return `${inner}${days}, in percent of the same of all paying accounts`;
    case "per_seat":
      return `${inner}${days}, divided by the seats of the account`;
    case "tenure_scaled":
      return `${inner}${days}, scaled up to ${kpi.window_days} days for accounts that have paid for fewer, from ${kpi.min_tenure_days} on`;
    case "trend":
      return `${inner}${days}, by the day, as a change in percent against the ${counted(kpi.baseline_days as number, "day")} before those`;
    case "slope":
      return `the slope of ${inner}${days}, by the day, in percent of its mean a week; at least ${counted(kpi.min_active_days as number, "day")} must have rows`;
    case "time_to_first":
      return `the days from the ${kpi.from === "account_created" ? "account's creation" : "first paid day"} to the first of ${rows}; 0 if that came before`;
    case "milestone":
      return milestoneWords[kpi.as as keyof typeof milestoneWords] + filterInWords(kpi.filter, " where ");
    case "ratio": {
      const times = kpi.times === 1 ? "" : `${kpi.times} x `;
      return `${times}${kpi.numerator} / ${kpi.denominator}; ${kpi.zero_denominator === "zero" ? "0" : "not applicable"} where ${kpi.denominator} is 0`;
    }
    case "expression":
      return kpi.expression as string;
  }
}

const milestoneWords = {
  share_on_time:
    "of the milestones expected before the snapshot, the percentage that was reached on or before the expected day",
  share_reached: "of the milestones expected before the snapshot, the percentage that was reached before the snapshot",
  days_late:
    "the mean days from the expected day to the day reached, or to the snapshot, of the milestones expected before it; early counts as 0",
} as const;

function amountInWords(measure: string, kpi: KpiDefinition, rows: string): string {
  switch (measure) {
    case "sum":
      return `the sum of ${kpi.value?.column} over ${rows}`;
    case "distinct":
      return `the number of different ${kpi.value?.column} among ${rows}`;
    case "active_days":
      return `the number of days with any of ${rows}`;
    default:
      return `the number of ${rows}`;
  }
}

function rowsInWords(kpi: KpiDefinition): string {
  const users = kpi.users === undefined ? "" : ` by users, not deactivated,${filterInWords(kpi.users, " whose ")}`;
  const account = kpi.account === undefined ? "" : ` whose ${kpi.account} is the account`;
  return `rows of ${kpi.entity}${account}${users}${filterInWords(kpi.filter, " where ")}`;
}

function filterInWords(filter: Readonly<Record<string, FilterCondition>>, lead: string): string {
  const parts = Object.entries(filter).map(([column, condition]) => `${column} ${conditionInWords(condition)}`);
  return parts.length === 0 ? "" : `${lead}${parts.join(" and ")}`;
}

function conditionInWords(condition: FilterCondition): string {
  const list = (values: readonly unknown[]) => values.map(String).join(" or ");
  if (condition === null) return "is empty";
  if (Array.isArray(condition)) return `is ${list(condition)}`;
  if (typeof condition !== "object") return `is ${String(condition)}`;
  const { not, ...bounds } = condition;
  const parts: string[] = [];
  if (not === null) parts.push("is not empty");
  else if (Array.isArray(not)) parts.push(`is not ${list(not)}`);
  else if (not !== undefined) parts.push(`is not ${String(not)}`);
  for (const [key, value] of Object.entries(bounds)) {
    if (value !== undefined) parts.push(`is ${key.replaceAll("_", " ")} ${String(value)}`);
  }
  return parts.join(" and ");
}

/** When a KPI has no value, in the order in which its rules are asked; without the rules of its inputs. */
export function whyInWords(kpi: KpiDefinition): readonly string[] {
  const { null_rule: rule, window_days: window, measure } = kpi;
  const lines: string[] = [];
  const lookback = window === null ? null : window + (kpi.baseline_days ?? 0);
  if (measure === "ratio" || measure === "expression") {
    return [
      "the reason of the first input that has no value",
      ...(measure === "expression" || kpi.zero_denominator === "not_applicable"
        ? ["not_applicable: a division by zero"]
        : []),
    ];
  }
  if (rule.tenure === "whole_window" && lookback !== null)
    lines.push(`not_yet: the account has paid for fewer than ${counted(lookback, "day")}`);
  if (measure === "tenure_scaled")
    lines.push(`not_yet: the account has paid for fewer than ${kpi.min_tenure_days} days`);
  if (rule.feed_gap_days !== null) {
    const days = counted(rule.feed_gap_days, "day");
    lines.push(
      `feed_broken: no account has a row of ${kpi.entity} on ${days} in a row${lookback === null ? " right before the snapshot" : ""}`,
    );
  }
  if (readsUsers(kpi)) lines.push("not_applicable: no row has named a user of the product yet");
  switch (measure) {
    case "milestone":
      lines.push("not_applicable: no milestone was expected before the snapshot");
      break;
    case "trend":
      lines.push(
        `${kpi.zero_denominator === "zero" ? "no reason, but 0" : "not_applicable"}: nothing to compare with in the baseline`,
      );
      break;
    case "slope":
      lines.push(`not_applicable: rows on fewer than ${counted(kpi.min_active_days as number, "day")}`);
      break;
    case "time_to_first":
      if (kpi.from === "account_created") lines.push("not_applicable: nobody knows when the account was created");
      lines.push(`${rule.no_rows}: it has not happened`);
      break;
    default:
      if (measure === "share") lines.push("not_applicable: no account has any");
      if (measure === "per_seat") lines.push("not_applicable: seats are unknown or 0");
      if (rule.no_rows !== "zero") lines.push(`${rule.no_rows}: no row counts`);
      if (measure === "latest") lines.push(`${rule.no_value}: rows count, and none has a ${kpi.value?.column}`);
  }
  return lines;
}

const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;
