-- model: marts.account_timeline
-- kind: view
-- grain: account_id, on_date, kind, what, detail
-- depends: scores.account_override, staging.business_event, staging.csm_rating, staging.engagement, staging.goal, staging.invoice,
--   staging.milestone, staging.play, staging.survey_response, staging.ticket, spine.account_period, validation.decision,
--   validation.definition
-- params: as_of
-- What happened with an account, as known at as_of: tickets, meetings and calls, plays, surveys, ratings, news, milestones, goals, overdue
-- invoices, the begin, notice and end of paid periods, bands that a person set. what and detail are texts of the exports as they came; several
-- things of one day and kind that read the same are one row with their number in n.
with p as (
  select as_of from meta.params
),
ticket as (
  select t.account_id, cast(t.opened_at as date) as on_date, 'ticket' as kind,
    coalesce(t.category, 'ticket') as what,
    concat_ws(', ', t.priority,
      case when t.closed_at < p.as_of then 'closed ' || strftime(t.closed_at, '%-d %b %Y') else 'open' end,
      case when t.closed_at < p.as_of and t.csat is not null then 'csat ' || regexp_replace(cast(t.csat as varchar), '\.?0+$', '') end) as detail
  from staging.ticket as t cross join p
  where t.visible_on <= p.as_of and (t.superseded_on is null or p.as_of < t.superseded_on) and t.opened_at < p.as_of
),
contact as (
  select e.account_id, cast(e.occurred_at as date) as on_date, e.kind,
    e.kind as what, concat_ws(', ', e.direction, e.status) as detail
  from staging.engagement as e cross join p
  where e.kind in ('meeting', 'call') and e.visible_on <= p.as_of and (e.superseded_on is null or p.as_of < e.superseded_on)
    and e.occurred_at < p.as_of
),
play as (
  select y.account_id, y.started_on as on_date, 'play' as kind, coalesce(y.play, 'play') as what,
    concat_ws(', ', 'by ' || y.author,
      case when y.ended_on < p.as_of then 'ended ' || strftime(y.ended_on, '%Y-%m-%d') end,
      case when y.ended_on < p.as_of then y.outcome end) as detail
  from staging.play as y cross join p
  where y.visible_on <= p.as_of and (y.superseded_on is null or p.as_of < y.superseded_on) and y.started_on < p.as_of
),
survey as (
  select s.account_id, cast(coalesce(s.responded_at, s.asked_at) as date) as on_date, 'survey' as kind, s.kind as what,
    concat_ws(', ', s.campaign,
      case when s.responded_at < p.as_of then 'answered ' || coalesce(regexp_replace(cast(s.score as varchar), '\.?0+$', ''), 'without a score') else 'not answered' end) as detail
  from staging.survey_response as s cross join p
  where s.visible_on <= p.as_of and (s.superseded_on is null or p.as_of < s.superseded_on)
    and coalesce(s.responded_at, s.asked_at) < p.as_of
),
rating as (
  select r.account_id, cast(r.rated_at as date) as on_date, 'rating' as kind,
    'rated ' || regexp_replace(cast(r.rating as varchar), '\.?0+$', '') as what,
    concat_ws(', ', 'by ' || r.author, r.comment) as detail
  from staging.csm_rating as r cross join p
  where r.visible_on <= p.as_of and (r.superseded_on is null or p.as_of < r.superseded_on) and r.rated_at < p.as_of
),
news as (
  select b.account_id, b.occurred_on as on_date, 'news' as kind, b.kind as what, '' as detail
  from staging.business_event as b cross join p
  where b.visible_on <= p.as_of and (b.superseded_on is null or p.as_of < b.superseded_on) and b.occurred_on < p.as_of
),
milestone as (
  select m.account_id, m.reached_on as on_date, 'milestone' as kind, m.milestone as what,
    case when m.expected_on is null then '' when m.reached_on > m.expected_on
      then (m.reached_on - m.expected_on) || ' days late' else 'on time' end as detail
  from staging.milestone as m cross join p
  where m.visible_on <= p.as_of and (m.superseded_on is null or p.as_of < m.superseded_on) and m.reached_on < p.as_of
),
goal as (
  select g.account_id, g.met_on as on_date, 'goal' as kind, g.goal as what, 'met' as detail
  from staging.goal as g cross join p
  where g.visible_on <= p.as_of and (g.superseded_on is null or p.as_of < g.superseded_on) and g.met_on < p.as_of
),
overdue as (
  select i.account_id, i.due_on as on_date, 'invoice' as kind, 'not paid when due' as what,
    case when i.paid_on < p.as_of then 'paid ' || strftime(i.paid_on, '%Y-%m-%d') else 'still open' end as detail
  from staging.invoice as i cross join p
  where i.visible_on <= p.as_of and (i.superseded_on is null or p.as_of < i.superseded_on) and i.due_on < p.as_of
    and (i.paid_on is null or i.paid_on > i.due_on)
),
begun as (
  select account_id, started_on as on_date, 'start' as kind, 'began to pay' as what, '' as detail from spine.account_period
),
ended as (
  select e.account_id, e.ended_on as on_date, 'end' as kind, 'last paid day over' as what, coalesce(e.end_reason, '') as detail
  from spine.account_period as e cross join p
  where e.ended_on < p.as_of
),
decided as (
  select d.account_id, d.decided_on as on_date, 'notice' as kind, 'decided to leave' as what, replace(d.kind, '_', ' ') as detail
  from validation.decision as d
  inner join validation.definition as v on v.definition = d.definition and v.is_primary
  cross join p
  where d.decided_on < p.as_of
),
overridden as (
  select account_id, min(snapshot_date) as on_date, 'override' as kind, 'band set to ' || band as what,
    concat_ws(', ', 'by ' || author, reason) as detail
  from scores.account_override
  group by account_id, band, author, reason
),
together as (
  select * from ticket union all select * from contact union all select * from play union all select * from survey
  union all select * from rating union all select * from news union all select * from milestone union all select * from goal
  union all select * from overdue union all select * from begun union all select * from ended union all select * from decided
  union all select * from overridden
)
select account_id, on_date, kind, what, coalesce(detail, '') as detail, count(*) as n
from together
where account_id is not null
group by account_id, on_date, kind, what, coalesce(detail, '')
