/** How many departures a list of N accounts a month would have held, by scorecard. */
import type { Model } from "../models/model.ts";
import { table } from "./tables.ts";

/** Accounts a month, from one person's mornings to a team's. */
export const capacities: readonly number[] = [5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 750, 1000];

/**
 * A select, one row for each first day, version, capacity and departure: in how far the lists held it. A list is made at the
 * first validated snapshot of each month: the `capacity` lowest scores; where the list ends inside equal scores, each of
 * them is on it in proportion. `caught` is 1 less the chance of being on none of the lists that came gap to gap + horizon days
 * before the decision; `by_chance` the same of a list drawn by lot. Accounts without a score are on no list, and count.
 * Lists begin at `from_on`: for each version its first day out of time, and the later ones of the others, so that two
 * versions can be compared over the same months.
 */
export const departureSelect = (sizes: readonly number[] = capacities): string => `
with began as (
  select subject, min(snapshot_date) as from_on
  from validation.score_row
  where is_out_of_time
  group by subject
),
tested as (
  select d.from_on, b.subject
  from (select distinct from_on from began) as d
  inner join began as b on b.from_on <= d.from_on
),
list_on as (
  select min(snapshot_date) as snapshot_date
  from (select distinct snapshot_date from validation.score_row) as d
  group by date_trunc('month', snapshot_date)
),
placed as (
  select
    r.subject, r.account_no, r.snapshot_date, r.y, r.score, r.churned_on, r.mrr_minor,
    count(*) over whole as n_rows,
    rank() over (partition by r.subject, r.snapshot_date order by r.score nulls last) - 1 as n_before,
    count(*) over (partition by r.subject, r.snapshot_date, r.score) as n_tied
  from validation.score_row as r
  inner join list_on as l on l.snapshot_date = r.snapshot_date
  where r.is_out_of_time
  window whole as (partition by r.subject, r.snapshot_date)
),
listed as (
  select
    t.from_on, p.subject, c.capacity, p.account_no, p.churned_on, p.snapshot_date, p.mrr_minor,
    case
      when p.score is null then 0e0
      else held_between((c.capacity - p.n_before) / cast(p.n_tied as double), 0e0, 1e0)
    end as part,
    least(1e0, c.capacity / cast(p.n_rows as double)) as chance
  from placed as p
  inner join tested as t on t.subject = p.subject and p.snapshot_date >= t.from_on
  cross join (values ${sizes.map((size) => `(${size})`).join(", ")}) as c(capacity)
  where p.y = 1
)
select
  from_on,
  subject,
  cast(capacity as integer) as capacity,
  account_no,
  churned_on,
  round(1e0 - product(1e0 - part), 12) as caught,
  round(1e0 - product(1e0 - chance), 12) as by_chance,
  round(exact_sum(part), 12) as places,
  arg_max(mrr_minor, snapshot_date) as mrr_minor
from listed
group by from_on, subject, capacity, account_no, churned_on`;

/** A select over rows of {@link departureSelect}: one row for each version, first day and capacity. */
export const capacitySelect = (departures: string): string => `
with list as (
  -- What a version could list at the first validated snapshot of each month.
  select r.subject, r.snapshot_date, count(r.score) as n_scored
  from validation.score_row as r
  inner join (
    select min(snapshot_date) as snapshot_date
    from (select distinct snapshot_date from validation.score_row) as d
    group by date_trunc('month', snapshot_date)
  ) as l on l.snapshot_date = r.snapshot_date
  where r.is_out_of_time
  group by r.subject, r.snapshot_date
),
by_account as (
  select from_on, subject, capacity, account_no, count(*) as n, exact_sum(caught) as caught
  from ${departures}
  group by from_on, subject, capacity, account_no
),
summed as (
  select
    from_on, subject, capacity,
    count(*) as n_departures,
    exact_sum(caught) as caught,
    exact_sum(by_chance) as by_chance,
    exact_sum(places) as hits,
    cast(sum(mrr_minor) as bigint) as money,
    cast(round(exact_sum(caught * mrr_minor)) as bigint) as money_caught
  from ${departures}
  group by from_on, subject, capacity
),
spread as (
  select
    a.from_on, a.subject, a.capacity,
    count(*) as n_accounts,
    exact_sum((a.caught - a.n * s.caught / s.n_departures) ** 2) * count(*) / nullif(count(*) - 1e0, 0e0)
      / (cast(any_value(s.n_departures) as double) ** 2) as variance
  from by_account as a
  inner join summed as s on s.from_on = a.from_on and s.subject = a.subject and s.capacity = a.capacity
  group by a.from_on, a.subject, a.capacity
),
rated as (
  select
    s.*,
    s.caught / s.n_departures as share,
    case
      when p.variance > 1e-15 then s.caught / s.n_departures * (1e0 - s.caught / s.n_departures) / p.variance
      else cast(p.n_accounts as double)
    end as n_eff
  from summed as s
  inner join spread as p on p.from_on = s.from_on and p.subject = s.subject and p.capacity = s.capacity
),
filled as (
  select r.from_on, r.subject, r.capacity, count(*) as n_lists, cast(sum(least(r.capacity, l.n_scored)) as bigint) as n_places
  from summed as r
  inner join list as l on l.subject = r.subject and l.snapshot_date >= r.from_on
  group by r.from_on, r.subject, r.capacity
)
select
  n.scorecard,
  n.version,
  r.from_on,
  r.capacity,
  f.n_lists,
  f.n_places,
  r.n_departures,
  twelve_digits(r.caught) as caught,
  twelve_digits(r.share) as caught_share,
  twelve_digits(wilson_low(r.share, r.n_eff)) as caught_low,
  twelve_digits(wilson_high(r.share, r.n_eff)) as caught_high,
  twelve_digits(r.by_chance / r.n_departures) as chance_share,
  twelve_digits(r.hits) as n_hits,
  r.money_caught,
  r.money
from rated as r
inner join filled as f on f.from_on = r.from_on and f.subject = r.subject and f.capacity = r.capacity
inner join (select distinct subject, scorecard, version from validation.score_row) as n on n.subject = r.subject`;

/** A select over rows of {@link departureSelect}: what each of the `pairs` (subject, other) differs by in the share it caught. */
export const capacityDifferenceSelect = (departures: string, pairs = "validation.score_pair"): string => `
with paired as (
  select
    p.subject, p.other, a.from_on, a.capacity, a.account_no,
    count(*) as n,
    exact_sum(a.caught - b.caught) as won
  from ${pairs} as p
  inner join ${departures} as a on a.subject = p.subject
  inner join ${departures} as b
    on b.subject = p.other and b.from_on = a.from_on and b.capacity = a.capacity
    and b.account_no = a.account_no and b.churned_on = a.churned_on
  group by p.subject, p.other, a.from_on, a.capacity, a.account_no
),
mean as (
  select subject, other, from_on, capacity, cast(sum(n) as double) as n, exact_sum(won) / sum(n) as difference
  from paired
  group by subject, other, from_on, capacity
),
spread as (
  select
    b.subject, b.other, b.from_on, b.capacity,
    sqrt(exact_sum((b.won - b.n * m.difference) ** 2) * count(*) / nullif(count(*) - 1e0, 0e0)) / any_value(m.n) as se
  from paired as b
  inner join mean as m on m.subject = b.subject and m.other = b.other and m.from_on = b.from_on and m.capacity = b.capacity
  group by b.subject, b.other, b.from_on, b.capacity
)
select
  n.scorecard,
  n.version,
  o.scorecard as other,
  o.version as other_version,
  m.from_on,
  m.capacity,
  cast(m.n as bigint) as n_departures,
  twelve_digits(m.difference) as difference,
  twelve_digits(m.difference - 1.959963984540054e0 * s.se) as difference_low,
  twelve_digits(m.difference + 1.959963984540054e0 * s.se) as difference_high
from mean as m
inner join spread as s on s.subject = m.subject and s.other = m.other and s.from_on = m.from_on and s.capacity = m.capacity
inner join (select distinct subject, scorecard, version from validation.score_row) as n on n.subject = m.subject
inner join (select distinct subject, scorecard, version from validation.score_row) as o on o.subject = m.other`;

export const capacityModels: readonly Model[] = [
  table(
    "validation.capacity_departure",
    ["from_on", "subject", "capacity", "account_no", "churned_on"],
    ["validation.score_row"],
    departureSelect(),
  ),
  table(
    "validation.scorecard_capacity",
    ["scorecard", "version", "from_on", "capacity"],
    ["validation.capacity_departure", "validation.score_row"],
    capacitySelect("validation.capacity_departure"),
  ),
  table(
    "validation.scorecard_capacity_difference",
    ["scorecard", "version", "other", "other_version", "from_on", "capacity"],
    ["validation.capacity_departure", "validation.score_pair", "validation.score_row"],
    capacityDifferenceSelect("validation.capacity_departure"),
  ),
];
