import { date, type Span } from "./accounts.ts";

/** The two weeks in which the ticket feed delivered nothing: the second half of the month before month 15. */
export const outage = (span: Span): { readonly from: string; readonly to: string } => {
  const to = new Date(`${span.start}T00:00:00Z`);
  to.setUTCMonth(to.getUTCMonth() + Math.floor((span.months * 15) / 36));
  const from = new Date(to.getTime() - 15 * 86_400_000);
  return { from: from.toISOString().slice(0, 10), to: to.toISOString().slice(0, 10) };
};

/**
 * Account-months with data, and what people wrote down in them. Ticket intensity is a trait that both ends of which
 * leave; ratings are noise until 25 days before the decision; surveys go unanswered by the silent.
 */
export const crmTables = (span: Span, lateRating: boolean): string => `
create table account_month as
select
  s.account_no,
  s.spell_no,
  m.month_no,
  m.starts_on,
  m.ends_on - m.starts_on as n_days,
  s.started_on,
  s.decided_on,
  coalesce(s.ended_on, date '9999-12-31') as ended_on
from spell as s
join month as m on m.month_no >= 0 and m.ends_on > s.started_on and (s.ended_on is null or m.starts_on < s.ended_on);

create table ticket as
with counted as (
  select *, poisson(mean, h) as n
  from (
    select
      am.*,
      2.7 * exp(0.95 * l.ticket) as mean,
      draw('tickets', am.account_no, am.spell_no * 1000 + am.month_no) as h
    from account_month as am
    join latent as l using (account_no, month_no)
  )
),
placed as (
  select
    *,
    draw('ticket.row', account_no, concat(spell_no, '.', month_no, '.', i)) as g
  from (select *, unnest(range(n)) as i from counted)
),
timed as (
  select
    account_no,
    spell_no,
    month_no,
    i,
    ended_on,
    started_on,
    uniform_bits(g, 0, 4096) as pick,
    uniform_bits(g, 52, 4096) as satisfied,
    starts_on + cast(floor(uniform_bits(g, 12, 1024) * n_days) as integer) + to_seconds(25200 + floor(uniform_bits(g, 22, 16384) * 46000)) as opened_at,
    -- Days until closed: exponential with a mean of 34.
    -34 * ln((1 + floor(uniform_bits(g, 36, 16384) * 16384)) / 16384.0) as open_days
  from placed
)
select
  account_no,
  'T' || cast(((cast(account_no as bigint) * 10 + spell_no) * 100 + month_no) * 1000 + i as varchar) as ticket_id,
  opened_at,
  opened_at + to_seconds(900 + cast(floor(satisfied * 40000) as integer)) as first_response_at,
  opened_at + to_seconds(3600 + cast(floor(open_days * 86400) as integer)) as closed_at,
  case when pick < 0.1 then 'urgent' when pick < 0.3 then 'high' when pick < 0.8 then 'normal' else 'low' end as priority,
  case floor(pick * 97) % 5 when 0 then 'billing' when 1 then 'integration' when 2 then 'question' when 3 then 'bug' else 'import' end as category,
  case when satisfied < 0.45 then 1 + cast(floor(satisfied / 0.45 * 5) as integer) end as csat,
  pick
from timed
where opened_at >= started_on and opened_at < ended_on and opened_at < ${date(span.end)}
  and not (opened_at >= ${date(outage(span).from)} and opened_at < ${date(outage(span).to)});

create table rating as
with planned as (
  select
    am.account_no,
    am.started_on,
    am.ended_on,
    am.decided_on,
    a.rating_trait,
    starts_on + cast(floor(uniform_bits(h, 0, 1024) * n_days) as integer) as day,
    uniform_bits(h, 10, 1024) as shown,
    gauss_a(draw('rating.noise', am.account_no, am.spell_no * 1000 + am.month_no)) as noise,
    h
  from account_month as am
  join account as a using (account_no)
  cross join lateral (select draw('rating', am.account_no, concat(am.spell_no, '.', am.month_no)) as h)
),
written as (
  select account_no, started_on, ended_on, decided_on, day, 3.4 + 0.6 * rating_trait + 0.8 * noise as mood, h
  from planned
  where shown < 0.9
${
  lateRating
    ? `  union all
  -- The manager hears of it and marks the account down, 25 to 20 days before the decision is on record.
  select s.account_no, s.started_on, coalesce(s.ended_on, date '9999-12-31'), s.decided_on,
    s.decided_on - 25 + cast(floor(uniform_a(h) * 5) as integer), 3.2, h
  from spell as s
  cross join lateral (select draw('marked', s.account_no, s.spell_no) as h)
  where s.decided_on is not null and uniform_b(h) < 0.9`
    : ""
}
)
select
  account_no,
  day + to_seconds(28800 + cast(floor(uniform_bits(h, 24, 1024) * 28000) as integer)) as rated_at,
  greatest(1, least(5, cast(round(mood${lateRating ? " - case when decided_on is not null and day >= decided_on - 25 then 2.0 else 0 end" : ""}) as integer))) as rating,
  uniform_bits(h, 40, 4096) as pick
from written
where day >= started_on and day < ended_on and day >= ${date(span.start)} and day < ${date(span.end)};

create table survey as
with asked as (
  select
    am.account_no,
    am.started_on,
    am.ended_on,
    a.is_silent,
    starts_on + cast(floor(uniform_bits(h, 0, 1024) * n_days) as integer) + to_hours(9) as asked_at,
    uniform_bits(h, 10, 4096) as chance,
    gauss_a(draw('nps.noise', am.account_no, am.spell_no * 1000 + am.month_no)) as noise,
    h
  from account_month as am
  join account as a using (account_no)
  cross join lateral (select draw('survey', am.account_no, concat(am.spell_no, '.', am.month_no)) as h)
  where (am.account_no + am.month_no) % 3 = 0
)
select
  account_no,
  asked_at,
  case when chance < case when is_silent then 0.12 else 0.8 end
    then asked_at + to_seconds(3600 + cast(floor(uniform_bits(h, 24, 4096) * 400000) as integer)) end as responded_at,
  case when chance < case when is_silent then 0.12 else 0.8 end
    then greatest(0, least(10, cast(round(7 + 2.2 * noise) as integer))) end as score
from asked
where asked_at >= started_on and asked_at < ended_on and asked_at < ${date(span.end)};

create table engagement as
with counted as (
  select *, poisson(mean, h) as n from (
  select am.*, kind.kind, kind.status, kind.kind_no,
      case kind.kind_no
        when 0 then 1.6 * exp(0.6 * a.newsletter_trait)
        when 1 then 0.35 * exp(0.5 * a.webinar_trait)
        else case a.segment when 'solo' then 0.1 when 'studio' then 0.5 else 1.5 end
      end as mean,
      draw('engagements', am.account_no, concat(am.spell_no, '.', am.month_no, '.', kind.kind_no)) as h
  from account_month as am
  join account as a using (account_no)
  cross join (values (0, 'campaign', 'opened'), (1, 'community', null), (2, 'meeting', 'held')) as kind (kind_no, kind, status)
  )
),
placed as (
  select *, draw('engagement', account_no, concat(spell_no, '.', month_no, '.', kind_no, '.', i)) as g
  from (select *, unnest(range(n)) as i from counted)
),
timed as (
  select
    *,
    starts_on + cast(floor(uniform_bits(g, 0, 4096) * n_days) as integer) + to_seconds(25200 + cast(floor(uniform_bits(g, 12, 65536) * 46000) as integer)) as occurred_at
  from placed
)
select
  account_no,
  occurred_at,
  kind,
  case when kind = 'meeting' then 'outbound' when kind = 'campaign' then 'outbound' else 'inbound' end as direction,
  case when kind = 'meeting' and uniform_bits(g, 30, 1024) < 0.12 then 'cancelled' else status end as status,
  i
from timed
where occurred_at >= started_on and occurred_at < ended_on and occurred_at < ${date(span.end)};

create table play as
select distinct
  r.account_no,
  r.play_on as started_on,
  case when uniform_bits(draw('play.kind', r.account_no, r.month_no), 0, 1024) < 0.6 then 'rescue call' else 'training offer' end as play,
  cast(r.play_on + 21 as date) as ended_on,
  case when s.decided_on is null or s.decided_on > r.play_on + 60 then 'stayed' else 'open' end as outcome
from risk as r
join spell as s using (account_no, spell_no)
where r.play_on is not null
  and r.play_on >= greatest(s.started_on, ${date(span.start)}) and r.play_on < ${date(span.end)}
  and (s.decided_on is null or r.play_on < s.decided_on);
`;
