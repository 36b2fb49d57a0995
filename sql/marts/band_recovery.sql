-- model: marts.band_recovery
-- grain: scorecard, version
-- depends: validation.recovery
-- params: min_cell
-- audits: not_null(scorecard, version, n_spells); unique(scorecard, version)
-- What followed when accounts turned to the worst band: back in a better one, or gone. Shares are of the spells that
-- have had their time. Fewer than min_cell accounts are left to the warehouse.
select
  r.scorecard,
  cast(r.version as integer) as version,
  cast(r.n_spells as bigint) as n_spells,
  cast(r.n_accounts as bigint) as n_accounts,
  cast(r.n_matured as bigint) as n_matured,
  of_enough(r.recovered_share, r.n_matured, p.min_cell) as recovered_share,
  of_enough(r.recovered_low, r.n_matured, p.min_cell) as recovered_low,
  of_enough(r.recovered_high, r.n_matured, p.min_cell) as recovered_high,
  of_enough(r.left_share, r.n_matured, p.min_cell) as left_share,
  of_enough(r.left_low, r.n_matured, p.min_cell) as left_low,
  of_enough(r.left_high, r.n_matured, p.min_cell) as left_high,
  of_enough(r.median_days_red, r.n_spells, p.min_cell) as median_days_red
from validation.recovery as r
cross join meta.params as p
where r.n_accounts >= p.min_cell
order by r.scorecard, r.version
