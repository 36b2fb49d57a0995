-- model: marts.band
-- grain: band
-- depends: scores.account_score, scores.scorecard
-- audits: not_null(band, band_no); unique(band)
-- The bands that any scorecard of the book knows, riskiest first; unknown (too little of the score has a value) last.
with listed as (
  select
    json_extract_string(b.item, '$.id') as band,
    b.position
  from scores.scorecard as s
  cross join unnest(json_extract(s.bands, '$.list[*]')) with ordinality as b (item, position)
),
seen as (
  select distinct band from scores.account_score where band is not null
),
places as (
  select band, min(position) as position from listed where band is not null group by band
)
select
  coalesce(p.band, s.band) as band,
  cast(case when coalesce(p.band, s.band) = 'unknown' then 99 else coalesce(p.position, 50) end as integer) as band_no
from places as p
full join seen as s on s.band = p.band
order by band_no, band
