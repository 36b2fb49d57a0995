-- model: marts.capacity
-- grain: scorecard, version, from_on, capacity
-- depends: validation.scorecard_capacity
-- params: min_cell
-- audits: not_null(scorecard, version, from_on, capacity, n_departures); unique(scorecard, version, from_on, capacity)
-- Of the customers that decided to leave, the share that a monthly list of the `capacity` lowest scores held in time (gap to
-- gap + horizon days before), and what lists drawn by lot would have held. Lists begin at from_on: compare two versions
-- only over the same one. Fewer than min_cell departures are left to the warehouse.
select
  c.scorecard,
  cast(c.version as integer) as version,
  c.from_on,
  cast(c.capacity as integer) as capacity,
  cast(c.n_lists as bigint) as n_lists,
  cast(c.n_places as bigint) as n_places,
  cast(c.n_departures as bigint) as n_departures,
  c.caught_share,
  c.caught_low,
  c.caught_high,
  c.chance_share,
  cast(c.money_caught as bigint) as money_caught,
  cast(c.money as bigint) as money
from validation.scorecard_capacity as c
cross join meta.params as p
where c.n_departures >= p.min_cell
order by c.scorecard, c.version, c.from_on, c.capacity
