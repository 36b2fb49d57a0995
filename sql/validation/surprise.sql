-- model: validation.surprise
-- grain: kind, account_id
-- depends: scores.account_override, scores.account_score, scores.scorecard, spine.account_period, spine.account_snapshot,
--   staging.disposition, validation.decision, validation.definition, validation.score_caught
-- params: as_of
-- audits: unique(kind, account_id)
-- Accounts that the score in force at the time got wrong, for people to say why. green_churner: in the best band at the last
-- scored snapshot at least the gap before its decision (its latest departure); since: that day. chronic_red: in the worst
-- band at every scored snapshot of the last 180 days, at least one of them older, and no decision; since: the first red one of
-- the run. score_then and band are the scorecard's own, whatever a person set. disposition: what a person answered in the file of entity
-- disposition, the newest visible at as_of. is_counted: no answer, or one that leaves the fault with the score (missed,
-- false_alarm); the other answers (unforeseeable, rescued, expected, data_error) take it out of the count.
with answered as (
  select account_id, kind, lower(trim(disposition)) as disposition, said_by, said_on
  from (
    select
      d.*,
      row_number() over (
        partition by d.account_id, d.kind order by d.said_on desc nulls last, d.visible_on desc, d.source, d.line_no desc
      ) as place
    from staging.disposition as d
    cross join meta.params as p
    where d.visible_on <= p.as_of and (d.superseded_on is null or p.as_of < d.superseded_on)
      and trim(d.disposition) <> ''
  ) as d
  where place = 1
),
green as (
  select
    'green_churner' as kind, c.account_id, c.scorecard, c.version, c.snapshot_date as since, c.decided_on, c.score, c.band,
    c.mrr_minor
  from validation.score_caught as c
  where c.is_as_was and c.is_missed
  qualify row_number() over (partition by c.account_id order by c.decided_on desc) = 1
),
shown as (
  select
    a.account_id,
    a.snapshot_date,
    a.scorecard,
    a.version,
    cast(a.score as double) as score,
    coalesce(o.band_without, a.band) as band,
    s.period_started_on,
    s.mrr_minor,
    coalesce(coalesce(o.band_without, a.band) = json_extract_string(c.bands, '$.list[0].id'), false) as is_worst
  from scores.account_score as a
  inner join spine.account_snapshot as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date and s.is_scored
  inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  left join scores.account_override as o
    on o.account_id = a.account_id and o.snapshot_date = a.snapshot_date
    and o.scorecard = a.scorecard and o.version = a.version
  where a.is_in_force and a.snapshot_date >= c.created_on
),
present as (
  select n.*
  from shown as n
  cross join meta.params as p
  where n.snapshot_date = p.as_of and n.is_worst
),
history as (
  select
    n.account_id,
    max(case when not h.is_worst then h.snapshot_date end) as last_other_on,
    min(h.snapshot_date) as first_on
  from present as n
  inner join shown as h on h.account_id = n.account_id and h.period_started_on = n.period_started_on
  group by n.account_id
),
chronic as (
  select
    'chronic_red' as kind, n.account_id, n.scorecard, n.version,
    (
      select min(r.snapshot_date)
      from shown as r
      where r.account_id = n.account_id and r.period_started_on = n.period_started_on
        and (h.last_other_on is null or r.snapshot_date > h.last_other_on)
    ) as since,
    cast(null as date) as decided_on, n.score, n.band, n.mrr_minor
  from present as n
  inner join history as h on h.account_id = n.account_id
  cross join meta.params as p
  where h.first_on <= p.as_of - 180
    and (h.last_other_on is null or h.last_other_on < p.as_of - 180)
    and not exists (
      select 1
      from validation.decision as d
      inner join validation.definition as v on v.definition = d.definition and v.is_primary
      where d.account_id = n.account_id and d.decided_on >= p.as_of - 180
    )
),
found as (
  select * from green
  union all
  select * from chronic
)
select
  f.kind,
  f.account_id,
  f.scorecard,
  f.version,
  f.since,
  f.decided_on,
  twelve_digits(f.score) as score_then,
  f.band,
  f.mrr_minor as money,
  e.end_reason as reason,
  a.disposition,
  a.said_by,
  a.said_on,
  coalesce(a.disposition, '') not in ('unforeseeable', 'rescued', 'expected', 'data_error') as is_counted
from found as f
left join answered as a on a.account_id = f.account_id and a.kind = f.kind
left join spine.account_period as e
  on f.kind = 'green_churner' and e.account_id = f.account_id
  and e.started_on <= f.since and (e.ended_on is null or f.since < e.ended_on)
