-- model: marts.band_outcome
-- grain: scorecard, version, mode, days, band
-- depends: marts.band, validation.band_outcome
-- params: min_cell
-- audits: not_null(scorecard, version, mode, days, band, n_accounts)
-- What became of accounts by the band they stood in, per horizon. Bands with fewer than min_cell accounts are left to
-- the warehouse. money_minor: monthly revenue of the accounts that left, each at its last reading in the band.
select
  o.scorecard,
  cast(o.version as integer) as version,
  o.mode,
  cast(o.days as integer) as days,
  o.band,
  cast(coalesce(b.band_no, 50) as integer) as band_no,
  cast(o.n_rows as bigint) as n_rows,
  cast(o.n_accounts as bigint) as n_accounts,
  cast(o.n_churned as bigint) as n_churned,
  o.rate,
  o.rate_low,
  o.rate_high,
  o.lift,
  o.lift_low,
  o.lift_high,
  of_enough(o.share_of_churn, sum(o.n_churned) over churned, p.min_cell) as share_of_churn,
  of_enough(o.share_low, sum(o.n_churned) over churned, p.min_cell) as share_low,
  of_enough(o.share_high, sum(o.n_churned) over churned, p.min_cell) as share_high,
  cast(o.money as bigint) as money_minor
from validation.band_outcome as o
left join marts.band as b on b.band = o.band
cross join meta.params as p
where o.n_accounts >= p.min_cell
window churned as (partition by o.scorecard, o.version, o.mode, o.days)
order by o.scorecard, o.version, o.mode, o.days, band_no, o.band
