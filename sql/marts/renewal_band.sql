-- model: marts.renewal_band
-- grain: band
-- depends: marts.band, marts.renewal_due
-- params: as_of, min_cell
-- audits: not_null(band, band_no, n_accounts, kept_rate); unique(band)
-- Renewals that came due in the 365 days before as_of and are settled, by the band that people saw 90 days before: how
-- many accounts stayed, with the 95 % Wilson interval, and how much of their money. An account counts by its last
-- renewal. Those who had given notice by then are counted apart in n_decided, over all bands: their score foresees nothing.
-- Bands with fewer than min_cell accounts are left out.
with last_due as (
  select account_id, max(renews_on) as renews_on
  from marts.renewal_due
  cross join meta.params as p
  where renews_on >= p.as_of - 365
  group by account_id
),
due as (
  select d.* from last_due as l inner join marts.renewal_due as d on d.account_id = l.account_id and d.renews_on = l.renews_on
),
summed as (
  select
    d.band,
    (select count(*) from due where had_decided) as n_decided,
    count(*) as n_accounts,
    count(*) filter (where d.is_kept) as n_kept,
    sum(d.before_minor) filter (where d.after_minor is not null) as before_minor,
    sum(least(d.before_minor, d.after_minor)) filter (where d.before_minor is not null and d.after_minor is not null) as kept_minor,
    min(d.renews_on) as first_on,
    max(d.renews_on) as last_on
  from due as d
  where not d.had_decided
  group by d.band
)
select
  s.band,
  cast(coalesce(b.band_no, 50) as integer) as band_no,
  cast(s.n_accounts as bigint) as n_accounts,
  cast(s.n_kept as bigint) as n_kept,
  twelve_digits(s.n_kept / s.n_accounts) as kept_rate,
  twelve_digits(wilson_low(s.n_kept / s.n_accounts, s.n_accounts)) as rate_low,
  twelve_digits(wilson_high(s.n_kept / s.n_accounts, s.n_accounts)) as rate_high,
  twelve_digits(cast(s.kept_minor as double) / nullif(s.before_minor, 0)) as gross_rate,
  cast(s.n_decided as bigint) as n_decided,
  min(s.first_on) over () as first_on,
  max(s.last_on) over () as last_on
from summed as s
left join marts.band as b on b.band = s.band
cross join meta.params as p
where s.n_accounts >= p.min_cell
order by band_no, s.band
