/** Reference profiles: what the KPIs of the most valuable accounts look like, of those that left, and of everyone. docs/practice.md. */
import type { Model } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";

export const profiles = [
  { id: "everyone", label: "Everyone, now" },
  { id: "cltv_top_decile", label: "The tenth that has paid most, now" },
  { id: "everyone_year", label: "Everyone, over the year of the departures" },
  { id: "churned_30", label: "Leavers, 30 days before they decided" },
  { id: "churned_60", label: "Leavers, 60 days before they decided" },
  { id: "churned_90", label: "Leavers, 90 days before they decided" },
] as const;

const everyHalfPercent = Array.from({ length: 201 }, (_, i) => String(i / 200)).join(", ");

export function profileModels(kpis: readonly string[]): readonly Model[] {
  const sql = `
with profile as (
  select * from (values ${profiles.map(({ id, label }, i) => `(${i + 1}, ${literal(id)}, ${literal(label)})`).join(", ")}) as t (profile_no, profile, label)
),
newest as (select max(snapshot_date) as snapshot_date from spine.snapshot where is_scored),
-- Customer lifetime value until today: invoices paid and known by now, in the book's currency.
paid as (
  select i.account_id, sum(i.amount_minor) as paid_minor
  from staging.invoice as i
  cross join newest as n
  where i.visible_on <= n.snapshot_date and (i.superseded_on is null or n.snapshot_date < i.superseded_on)
    and i.paid_on < n.snapshot_date and i.account_id is not null
  group by i.account_id
),
valued as (
  select s.account_id, s.snapshot_date, p.paid_minor, row_number() over (order by p.paid_minor desc, s.account_id) as nth, count(*) over () as n
  from spine.account_snapshot as s
  inner join newest as n on n.snapshot_date = s.snapshot_date
  inner join paid as p on p.account_id = s.account_id and p.paid_minor > 0
),
decided as (
  select d.account_id, d.decided_on
  from validation.decision as d
  cross join meta.params as p
  where d.definition = p.primary_definition and d.kind <> 'other_exit'
    and d.decided_on >= p.as_of - 365 and d.decided_on < p.as_of
),
before as (
  -- The last scored snapshot so many days before the decision, not more than a month earlier, in a period that was paid.
  select concat('churned_', t.days) as profile, d.account_id, d.decided_on, max(s.snapshot_date) as snapshot_date
  from decided as d
  cross join (values (30), (60), (90)) as t (days)
  inner join spine.account_snapshot as s
    on s.account_id = d.account_id and s.is_scored and s.snapshot_date <= d.decided_on - t.days and s.snapshot_date > d.decided_on - t.days - 32
  group by t.days, d.account_id, d.decided_on
),
member as (
  select 'everyone' as profile, s.account_id, s.snapshot_date from spine.account_snapshot as s inner join newest as n on n.snapshot_date = s.snapshot_date
  union all
  select 'cltv_top_decile', account_id, snapshot_date from valued where nth <= ceil(n / 10e0)
  union all
  select 'everyone_year', s.account_id, s.snapshot_date
  from spine.account_snapshot as s
  inner join spine.snapshot as d on d.snapshot_date = s.snapshot_date and d.is_validated
  cross join meta.params as p
  where s.snapshot_date >= p.as_of - 365 and s.snapshot_date < p.as_of
  union all
  select profile, account_id, snapshot_date from before
),
counted as (select profile, count(*) as n_rows, count(distinct account_id) as n_accounts from member group by profile),
measured as (
  select m.profile, m.account_id${kpis.map((kpi) => `, cast(k.${quoteIdentifier(kpi)} as double) as ${quoteIdentifier(kpi)}`).join("")}
  from member as m
  inner join features.account_kpi as k on k.account_id = m.account_id and k.snapshot_date = m.snapshot_date
),
long as (
  ${kpis
    .map((kpi) => {
      const column = quoteIdentifier(kpi);
      return `select profile, ${literal(kpi)} as kpi, count(${column}) as n_values, count(distinct case when ${column} is not null then account_id end) as n_with,
    quantile_cont(${column}, [0.1, 0.25, 0.5, 0.75, 0.9]) as q,
    quantile_cont(${column}, [${everyHalfPercent}]) as every
  from measured group by profile`;
    })
    .join("\n  union all\n  ")}
)
select
  p.profile_no,
  p.profile,
  p.label as profile_label,
  d.kpi_no,
  l.kpi,
  d.label,
  d.unit,
  c.n_rows,
  c.n_accounts,
  l.n_values,
  case when l.n_with >= greatest(q.min_cell, 20) then twelve_digits(l.q[1]) end as q10,
  case when l.n_with >= greatest(q.min_cell, 20) then twelve_digits(l.q[2]) end as q25,
  case when l.n_with >= greatest(q.min_cell, 20) then twelve_digits(l.q[3]) end as q50,
  case when l.n_with >= greatest(q.min_cell, 20) then twelve_digits(l.every[1 + cast(floor(200 * (0.5e0 - r.half)) as integer)]) end as q50_low,
  case when l.n_with >= greatest(q.min_cell, 20) then twelve_digits(l.every[1 + cast(ceil(200 * (0.5e0 + r.half)) as integer)]) end as q50_high,
  case when l.n_with >= greatest(q.min_cell, 20) then twelve_digits(l.q[4]) end as q75,
  case when l.n_with >= greatest(q.min_cell, 20) then twelve_digits(l.q[5]) end as q90
from long as l
inner join profile as p on p.profile = l.profile
inner join counted as c on c.profile = l.profile
inner join features.kpi_definition as d on d.id = l.kpi
cross join meta.params as q
-- Half the width of a median's 95 % interval, as a share of the order (binomial, by its normal approximation), with as many
-- independent values as accounts; outwards to the next half percent.
cross join lateral (select least(0.5e0, 0.979981992270027e0 / sqrt(greatest(1, l.n_with))) as half) as r
where c.n_accounts >= q.min_cell
order by d.kpi_no, p.profile_no`;
  if (kpis.length === 0) return [];
  return [
    {
      kind: "table",
      name: "marts.reference_profile",
      grain: ["profile", "kpi"],
      depends: [
        "features.account_kpi",
        "features.kpi_definition",
        "spine.account_snapshot",
        "spine.snapshot",
        "staging.invoice",
        "validation.decision",
      ],
      params: ["as_of", "min_cell", "primary_definition"],
      audits: [],
      portable: false,
      sql: sql.trim(),
    },
  ];
}
