-- model: marts.renewal_ahead
-- grain: band
-- depends: marts.account_band
-- params: as_of, min_cell
-- audits: not_null(band, n_accounts); unique(band)
-- Monthly revenue whose next renewal falls within 90 days of as_of, by the band its account stands in. Empty when
-- fewer than min_cell accounts renew.
with due as (
  select b.band, b.mrr_minor, count(*) over () as n_total
  from marts.account_band as b
  cross join meta.params as p
  where b.series = 'in_force'
    and b.snapshot_date = p.as_of
    and b.renews_on >= p.as_of
    and b.renews_on < p.as_of + 90
)
select
  d.band,
  cast(count(*) as bigint) as n_accounts,
  cast(d.n_total as bigint) as n_total,
  cast(count(*) filter (where d.mrr_minor is null) as bigint) as n_money_unknown,
  cast(coalesce(sum(d.mrr_minor), 0) as bigint) as mrr_minor
from due as d
cross join meta.params as p
where d.n_total >= p.min_cell
group by d.band, d.n_total
order by d.band
