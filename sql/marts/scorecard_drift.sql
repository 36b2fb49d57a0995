-- model: marts.scorecard_drift
-- grain: scorecard, version, snapshot_date
-- depends: validation.scorecard_drift
-- params: min_cell
-- audits: not_null(scorecard, version, snapshot_date); unique(scorecard, version, snapshot_date)
-- How far scores have moved from those of the first reading: population stability index, and the bar that chance alone passes
-- once in a hundred.
select
  d.scorecard,
  cast(d.version as integer) as version,
  d.snapshot_date,
  d.reference_on,
  cast(d.n_reference as bigint) as n_reference,
  cast(d.n_accounts as bigint) as n_accounts,
  d.psi,
  d.null_psi,
  d.bar,
  d.is_alarm
from validation.scorecard_drift as d
cross join meta.params as p
where least(d.n_reference, d.n_accounts) >= p.min_cell
order by d.scorecard, version, d.snapshot_date
