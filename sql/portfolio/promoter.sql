-- model: marts.promoter
-- grain: account_id, user_id
-- depends: marts.account_now, spine.account_snapshot, staging.survey_response
-- params: as_of
-- Who said what in the NPS survey: the latest answer of each person (or of the account, where answers name nobody) of the last 365 days, of
-- accounts that pay at as_of. Promoters gave 9 or 10, detractors 0 to 6; an answer off the scale of 0 to 10 is left out.
with answer as (
  select
    s.account_id,
    s.user_id,
    s.score,
    cast(s.responded_at as date) as answered_on,
    s.campaign,
    row_number() over (
      partition by s.account_id, s.user_id order by s.responded_at desc, s.asked_at desc, s.score, s.campaign
    ) as place
  from staging.survey_response as s
  cross join meta.params as p
  where lower(s.kind) = 'nps' and s.score between 0 and 10 and s.visible_on <= p.as_of
    and (s.superseded_on is null or p.as_of < s.superseded_on)
    and s.responded_at < p.as_of and s.responded_at >= p.as_of - 365
)
select
  n.account_id,
  a.name,
  a.owner,
  w.user_id,
  n.mrr_minor,
  w.score,
  case when w.score >= 9 then 'promoter' when w.score > 6 then 'passive' else 'detractor' end as kind,
  w.answered_on,
  w.campaign
from answer as w
inner join spine.account_snapshot as n on n.account_id = w.account_id
inner join meta.params as p on p.as_of = n.snapshot_date
left join marts.account_now as a on a.account_id = w.account_id
where w.place = 1
