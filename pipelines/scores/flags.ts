/** Flags -> `scores.flag` and `scores.account_flag`. */
import { sql } from "kysely";
import type { Comparison, Flag } from "../config/flags.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { number } from "./exact.ts";
import { as, table, unionOf } from "./nodes.ts";

const signs: Readonly<Record<Comparison, string>> = { at_least: ">=", above: ">", at_most: "<=", below: "<" };

/** "at least 3". */
export const thresholdInWords = ({ comparison, threshold }: Pick<Flag, "comparison" | "threshold">): string =>
  `${comparison.replace("_", " ")} ${threshold}`;

export const flagNodes = (flags: readonly Flag[]): readonly Model[] => [flagTable(flags), accountFlag(flags)];

/** One row a flag, in the order of the files. */
function flagTable(flags: readonly Flag[]): Model {
  const columns = [
    ["flag_no", "integer"],
    ["flag", "varchar"],
    ["label", "varchar"],
    ["kind", "varchar"],
    ["kpi", "varchar"],
    ["comparison", "varchar"],
    ["threshold", "decimal(18,6)"],
    ["in_words", "varchar"],
  ] as const;
  const selects = flags.map((flag, i) =>
    compile(
      builder.selectNoFrom([
        as(sql`${i + 1}`, "integer", "flag_no"),
        as(sql`${flag.id}`, "varchar", "flag"),
        as(sql`${flag.label}`, "varchar", "label"),
        as(sql`${flag.kind}`, "varchar", "kind"),
        as(sql`${flag.kpi}`, "varchar", "kpi"),
        as(sql`${flag.comparison}`, "varchar", "comparison"),
        as(number(flag.threshold), "decimal(18,6)", "threshold"),
        as(sql`${`${flag.kpi} ${thresholdInWords(flag)}`}`, "varchar", "in_words"),
      ]),
    ),
  );
  return table(unionOf(selects, columns), { name: "scores.flag", grain: ["flag"], depends: [] });
}

const columns = [
  ["account_id", "varchar"],
  ["flag", "varchar"],
  ["since", "date"],
  ["until", "date"],
  ["value", "decimal(18,6)"],
  ["first_value", "decimal(18,6)"],
  ["threshold", "decimal(18,6)"],
  ["is_raised", "boolean"],
  ["is_new", "boolean"],
  ["snoozed_until", "date"],
  ["snoozed_because", "varchar"],
] as const;

/**
 * One row for each time that a flag was raised, over all scored snapshots. `since` is the first snapshot on which the KPI met
 * the threshold, `until` the first on which it did not or the account was gone; null while it is raised. `value` is the
 * newest value of that time, `first_value` the one that raised it. A broken feed neither raises nor lowers a flag; a
 * value that is missing for any other reason lowers it. `is_new`: raised now and not on the scored snapshot before.
 * `snoozed_until` is null unless the flag is raised and a snooze of its file reaches beyond the newest snapshot.
 */
function accountFlag(flags: readonly Flag[]): Model {
  const name = "scores.account_flag";
  const grain = ["account_id", "flag", "since"];
  if (flags.length === 0) return table(unionOf([], columns), { name, grain, depends: [] });
  const kpis = [...new Set(flags.map(({ kpi }) => kpi))].sort();
  const readings = flags.map(
    (flag) => `  select
    account_id,
    day_no,
    presence_no,
    ${literal(flag.id)} as flag,
    cast(${flag.threshold} as decimal(18,6)) as threshold,
    ${quoteIdentifier(flag.kpi)} as value,
    case
      when ${quoteIdentifier(flag.kpi)} is not null then ${quoteIdentifier(flag.kpi)} ${signs[flag.comparison]} ${flag.threshold}
      when ${quoteIdentifier(`${flag.kpi}_why`)} is distinct from 'feed_broken' then false
    end as is_met
  from present`,
  );
  const snoozes = flags.flatMap((flag) =>
    flag.snooze.map(
      ({ until, account, because }) =>
        `  (${literal(flag.id)}, ${literal(account ?? null)}, date ${literal(until)}, ${literal(because ?? null)})`,
    ),
  );
  const snooze =
    snoozes.length === 0
      ? "select cast(null as varchar) as flag, cast(null as varchar) as account_id, cast(null as date) as snoozed_until, cast(null as varchar) as because where false"
      : `select flag, cast(account_id as varchar) as account_id, snoozed_until, cast(because as varchar) as because\n  from (values\n${snoozes.join(",\n")}\n  ) as given (flag, account_id, snoozed_until, because)`;
  return table(
    `with day as (
  select snapshot_date, row_number() over (order by snapshot_date) as day_no
  from (select distinct snapshot_date from spine.account_snapshot where is_scored)
),
newest as (
  select max(day_no) as day_no, max(snapshot_date) as snapshot_date from day
),
broken as (
  select account_id, snapshot_date, kpi from features.kpi_why_null
  where why = 'feed_broken' and kpi in (${kpis.map(literal).join(", ")})
),
present as (
  select
    s.account_id,
    day.day_no,
    -- The same number for snapshots in a row; another one after the account was away.
    day.day_no - row_number() over (partition by s.account_id order by day.day_no) as presence_no,
    ${kpis
      .map(
        (kpi, i) =>
          `try_cast(k.${quoteIdentifier(kpi)} as decimal(18,6)) as ${quoteIdentifier(kpi)},\n    case when b${i}.kpi is not null then 'feed_broken' end as ${quoteIdentifier(`${kpi}_why`)}`,
      )
      .join(",\n    ")}
  from spine.account_snapshot as s
  inner join day on day.snapshot_date = s.snapshot_date
  left join features.account_kpi as k on k.account_id = s.account_id and k.snapshot_date = s.snapshot_date${kpis
    .map(
      (kpi, i) =>
        `\n  left join broken as b${i}\n    on b${i}.account_id = s.account_id and b${i}.snapshot_date = s.snapshot_date and b${i}.kpi = ${literal(kpi)}`,
    )
    .join("")}
  where s.is_scored
),
reading as (
${readings.join("\n  union all\n")}
),
held as (
  -- Where the feed is broken a flag stays as it was.
  select
    *,
    coalesce(is_met, last_value(is_met ignore nulls) over (
      partition by account_id, flag, presence_no order by day_no rows between unbounded preceding and 1 preceding
    )) as is_up
  from reading
),
raised as (
  select *, day_no - row_number() over (partition by account_id, flag order by day_no) as run_no
  from held
  where is_up
),
run as (
  select
    account_id,
    flag,
    threshold,
    min(day_no) as first_no,
    max(day_no) as last_no,
    arg_max(value, day_no) filter (where value is not null) as value,
    arg_min(value, day_no) filter (where value is not null) as first_value
  from raised
  group by account_id, flag, threshold, presence_no, run_no
),
snooze as (
  ${snooze}
),
dated as (
  select
    run.*,
    began.snapshot_date as since,
    ended.snapshot_date as until,
    run.last_no = newest.day_no as is_raised,
    newest.day_no as newest_no,
    newest.snapshot_date as newest_date
  from run
  cross join newest
  inner join day as began on began.day_no = run.first_no
  left join day as ended on ended.day_no = run.last_no + 1
)
select
  dated.account_id,
  dated.flag,
  dated.since,
  dated.until,
  dated.value,
  dated.first_value,
  dated.threshold,
  dated.is_raised,
  dated.is_raised and dated.first_no = dated.newest_no as is_new,
  max(snooze.snoozed_until) as snoozed_until,
  arg_max(snooze.because, (snooze.snoozed_until, snooze.because)) as snoozed_because
from dated
left join snooze
  on snooze.flag = dated.flag
  and (snooze.account_id is null or snooze.account_id = dated.account_id)
  and dated.is_raised
  and snooze.snoozed_until > dated.newest_date
group by all`,
    {
      name,
      grain,
      depends: ["features.account_kpi", "features.kpi_why_null", "spine.account_snapshot"],
    },
  );
}
