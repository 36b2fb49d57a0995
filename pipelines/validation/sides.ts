/**
 * The two-lines test for a warning at both ends or in the middle (Simonsohn 2018): the values up to and from the 30, 50 and
 * 70 % quantile, ranked apart. One pass over the rows serves all six sides: what a side's ranking says of a value follows
 * from the counts of the whole ranking and those of the side.
 */
import type { Model } from "../models/model.ts";
import { table } from "./tables.ts";

const sides = [30, 50, 70].flatMap((percent) => [
  { name: `left_${percent}`, percent, of: "<=" },
  { name: `right_${percent}`, percent, of: ">=" },
]);

const perSide = (column: (side: (typeof sides)[number]) => string): string => sides.map(column).join(",\n    ");

/**
 * validation.kpi_side_part: what an account's rows won and met on each side, as in validation.kpi_account; pairs of equal
 * values are not counted apart (event_tied is null). Only for KPIs whose five bins differ at all (raw p < .01), because the
 * other ones cannot pass the first gate of rule 3.
 */
export const kpiSides: Model = table(
  "validation.kpi_side_part",
  ["definition", "subject", "statistic", "account_no"],
  ["validation.kpi_bin", "validation.kpi_shape", "validation.kpi_value", "validation.ranked_row"],
  `
with split as (
  select
    n.definition_no,
    b.definition,
    b.kpi_no,
    b.kpi,
    ${[30, 50, 70].map((percent) => `min(case when (b.n_below + b.n_rows) * 100 >= ${percent} * b.n_all then b.value end) as at_${percent}`).join(",\n    ")}
  from validation.kpi_bin as b
  inner join validation.kpi_shape as s on s.definition = b.definition and s.kpi = b.kpi
  inner join (select distinct definition_no, definition from validation.ranked_row) as n on n.definition = b.definition
  where s.p < 0.01 and s.n_distinct >= 3
  group by n.definition_no, b.definition, b.kpi_no, b.kpi
),
observed as materialized (
  select r.definition_no, r.account_no, r.place, r.y, v.kpi_no, v.value
  from validation.kpi_value as v
  inner join validation.ranked_row as r on r.observation_no = v.observation_no
  inner join split as s on s.definition_no = r.definition_no and s.kpi_no = v.kpi_no
  where r.y is not null
),
counted as (
  select
    definition_no,
    kpi_no,
    place,
    value,
    count(case when y = 1 then 1 end) as events,
    count(case when y = 0 then 1 end) as others
  from observed
  group by definition_no, kpi_no, place, value
),
ranked as (
  select
    c.*,
    ${perSide(({ name, percent, of }) => `c.value ${of} s.at_${percent} as is_${name}`)},
    sum(c.events) over upto as events_upto,
    sum(c.others) over upto as others_upto,
    sum(c.events) over whole as all_events,
    sum(c.others) over whole as all_others,
    ${perSide(({ name, percent, of }) => `sum(case when c.value ${of} s.at_${percent} then c.events end) over whole as events_${name}`)},
    ${perSide(({ name, percent, of }) => `sum(case when c.value ${of} s.at_${percent} then c.others end) over whole as others_${name}`)}
  from counted as c
  inner join split as s on s.definition_no = c.definition_no and s.kpi_no = c.kpi_no
  window
    whole as (partition by c.definition_no, c.kpi_no, c.place),
    upto as (
      partition by c.definition_no, c.kpi_no, c.place order by c.value rows between unbounded preceding and current row
    )
),
cell as (
  -- Of a value on a side with both classes: the pairs won by an event and by another row, over the rows of the side.
  select
    definition_no,
    kpi_no,
    place,
    value,
    ${perSide(({ name, of }) => {
      const [othersBefore, eventsUpToEnd] =
        of === "<=" ? ["0", `events_${name}`] : [`(all_others - others_${name})`, "all_events"];
      const size = `(events_${name} + others_${name})`;
      return `case when is_${name} and events_${name} > 0 and others_${name} > 0 then {
      'event_won': (2 * (others_upto - ${othersBefore}) - others) / 2e0 / ${size},
      'other_won': (2 * (${eventsUpToEnd} - events_upto) + events) / 2e0 / ${size},
      'event_met': others_${name} / cast(${size} as double),
      'other_met': events_${name} / cast(${size} as double)
    } end as ${name}`;
    })}
  from ranked
),
of_account as materialized (
  select
    o.definition_no,
    o.kpi_no,
    o.account_no,
    ${perSide(
      ({ name }) => `count(c.${name}) as rows_${name},
    count(case when o.y = 1 then c.${name} end) as event_rows_${name},
    exact_share_sum(case when o.y = 1 then c.${name}.event_won else c.${name}.other_won end) as won_${name},
    exact_share_sum(case when o.y = 1 then c.${name}.event_met else c.${name}.other_met end) as met_${name},
    coalesce(exact_share_sum(case when o.y = 1 then c.${name}.event_won end), 0e0) as event_won_${name},
    coalesce(exact_share_sum(case when o.y = 1 then c.${name}.event_met end), 0e0) as event_met_${name}`,
    )}
  from observed as o
  inner join cell as c
    on c.definition_no = o.definition_no and c.kpi_no = o.kpi_no and c.place = o.place and c.value = o.value
  group by o.definition_no, o.kpi_no, o.account_no
)
${sides
  .map(
    ({ name }) => `select
  s.definition, s.kpi as subject, '${name}' as statistic, a.account_no,
  a.rows_${name} as n_rows, a.event_rows_${name} as n_event_rows,
  a.won_${name} as won, a.met_${name} as met, a.event_won_${name} as event_won, a.event_met_${name} as event_met,
  cast(null as double) as event_tied
from of_account as a
inner join split as s on s.definition_no = a.definition_no and s.kpi_no = a.kpi_no
where a.rows_${name} > 0`,
  )
  .join("\nunion all\n")}`,
);
