import { date, type Span } from "./accounts.ts";

/**
 * What else the company and its customers had to do with each other, from streams of their own. Nothing here moves a
 * decision, and nothing happens after an account has left. `lateSign`: what is due shortly before a decision is often left unpaid.
 */
export const dealingTables = (span: Span, lateSign: boolean): string => `
-- Other dealings than the meetings, newsletters and webinars of the table engagement: how many in a month, then of each
-- what it was, by the thousandth that its draw falls in.
create table contact as
with counted as (
  select
    am.account_no,
    am.spell_no,
    am.month_no,
    am.starts_on,
    am.n_days,
    am.started_on,
    am.ended_on,
    poisson(
      case segment when 'solo' then 2.4 else 3.2 end,
      draw('contacts', am.account_no, am.spell_no * 1000 + am.month_no)
    ) as n
  from account_month as am
  join account using (account_no)
),
placed as (
  select *, draw('contact', account_no, (spell_no * 1000 + month_no) * 1000 + i) as g
  from (select *, unnest(range(n)) as i from counted)
),
timed as (
  select
    *,
    starts_on + cast(floor(uniform_bits(g, 0, 4096) * n_days) as integer) + to_seconds(25200 + cast(floor(uniform_bits(g, 12, 65536) * 46000) as integer)) as occurred_at,
    1000 * uniform_bits(g, 30, 4096) as pick,
    uniform_bits(g, 42, 4096) as chance
  from placed
)
select
  account_no,
  occurred_at,
  kind,
  direction,
  case when chance < first_share then first_status else second_status end as status,
  100 + i as i
from timed
join (
  values
    (0, 250, 'email', 'outbound', 0.45, 'opened', 'ignored'),
    (250, 310, 'email', 'inbound', 0.9, 'replied', 'ignored'),
    (310, 430, 'chat', 'outbound', 0.6, 'replied', 'ignored'),
    (430, 490, 'chat', 'inbound', 0.95, 'replied', 'ignored'),
    (490, 550, 'call', 'outbound', 0.6, 'held', 'ignored'),
    (550, 750, 'campaign', 'outbound', 0.0, null, 'ignored'),
    (750, 790, 'social', 'inbound', 0.0, null, null),
    (790, 1000, 'web_visit', 'inbound', 0.0, null, null)
) as k (pick_from, pick_to, kind, direction, first_share, first_status, second_status)
  on pick >= pick_from and pick < pick_to
where occurred_at >= started_on and occurred_at < ended_on and occurred_at < ${date(span.end)};

-- Beside NPS: after one ticket in seven the form on its way out, and twice a year the question how much they would miss it.
create table other_survey as
with asked as (
  select
    'csat' as kind,
    t.account_no,
    t.closed_at + interval 1 hour as asked_at,
    case when csat is not null then t.closed_at + to_seconds(7200 + cast(floor(uniform_bits(h, 20, 4096) * 150000) as integer)) end as responded_at,
    csat as score
  from (select * from ticket where second(opened_at) % 7 = 3) as t
  cross join lateral (select draw('csat', ticket_id, 0) as h)
  union all
  select
    'pmf',
    account_no,
    asked_at,
    case when answers then asked_at + to_seconds(3600 + cast(floor(uniform_bits(h, 24, 4096) * 500000) as integer)) end,
    case when answers then greatest(1, least(3, cast(round(2.1 + 0.35 * causal + 0.6 * gauss_a(draw('pmf.noise', account_no, concat(spell_no, '.', month_no)))) as integer))) end
  from (
    select
      am.*,
      causal,
      h,
      starts_on + cast(floor(uniform_bits(h, 0, 1024) * n_days) as integer) + interval 10 hour as asked_at,
      uniform_bits(h, 10, 4096) < case when is_silent then 0.15 else 0.6 end as answers
    from account_month as am
    join account as a using (account_no)
    join latent using (account_no, month_no)
    cross join lateral (select draw('pmf', am.account_no, concat(am.spell_no, '.', am.month_no)) as h)
    where (am.account_no + am.month_no) % 6 = 4
  )
  where asked_at >= started_on + interval 60 day
)
select asked.*
from asked
where asked_at < ${date(span.end)}
  and exists (
    from spell as s
    where s.account_no = asked.account_no and asked_at >= s.started_on and (s.ended_on is null or asked_at < s.ended_on)
  );

-- Every month, every quarter or every year in advance, by plan.
create table invoice as
with billed as (
  select
    t.account_no,
    a.segment,
    case a.segment when 'solo' then 1 when 'studio' then 12 else 3 end as n_months,
    cast(t.starts_on + to_months(cast(k as integer)) as date) as issued_on,
    t.ends_on,
    s.ended_on,
    s.decided_on,
    t.seats * cast(a.seat_price_minor as bigint) as month_minor
  from term as t
  join spell as s using (account_no, spell_no)
  join account as a using (account_no)
  cross join range(0, ${span.months + span.history + 1}) as r(k)
  where t.starts_on < ${date(span.end)}
    and k % (case a.segment when 'solo' then 1 when 'studio' then 12 else 3 end) = 0
    and (a.term_months = 1 or k < 12)
),
lived as (
  select
    *,
    issued_on + case segment when 'solo' then 7 when 'studio' then 30 else 45 end as due_on,
    draw('invoice', account_no, issued_on) as h,
    gauss_a(draw('payer', account_no, 0)) as payer_trait
  from billed
  where issued_on < ${date(span.end)} and (ended_on is null or issued_on < ended_on)
),
delayed as (
  select
    *,
    case
      when segment <> 'solo' then greatest(1, cast(due_on - issued_on as integer) + cast(round(-14 + 6 * payer_trait + 8 * gauss_a(h)) as integer))
      -- Cards: at once, or after some attempts.
      when uniform_bits(h, 0, 1024) < 0.9 - 0.03 * payer_trait then cast(uniform_bits(h, 10, 1024) < 0.3 as integer)
      else 2 + cast(floor(uniform_bits(h, 20, 1024) * 28) as integer)
    end as days
  from lived
)
select
  account_no,
  issued_on,
  due_on,
  case
    -- Most of what leavers owe is collected months later, some of it never.
    when ${lateSign} and due_on >= decided_on - 25 and uniform_bits(h, 40, 1024) < 0.1 then null
    when ${lateSign} and due_on >= decided_on - 25 and uniform_bits(h, 40, 1024) < 0.4
      then due_on + 50 + cast(floor(uniform_bits(h, 50, 1024) * 60) as integer)
    else issued_on + days
  end as paid_on,
  month_minor * n_months as amount_minor,
  row_number() over (order by account_no, issued_on) as row_no
from delayed;

-- The plan of the first weeks, for accounts that started with the data, and a review before every anniversary.
create table milestone as
with planned as (
  select account_no, spell_no, label as milestone, cast(started_on + day as date) as expected_on, started_on, ended_on, label_no
  from spell
  join account as a using (account_no, started_on)
  cross join (values
    (0, 'company details', 5), (1, 'first invoice sent', 14), (2, 'bank connected', 30), (3, 'team invited', 45), (4, 'first books closed', 75)
  ) as m (label_no, label, day)
  where spell_no = 1 and started_on >= ${date(span.start)} and (label_no <> 3 or segment <> 'solo')
  union all
  select account_no, spell_no, concat('review ', term_no + 1), cast(t.ends_on - 75 as date), t.starts_on, s.ended_on, 10 + term_no
  from term as t
  join spell as s using (account_no, spell_no)
  where spell_no = 1 and t.ends_on is not null and t.starts_on < ${date(span.end)} and t.ends_on - 75 >= ${date(span.start)}
),
first_invoice as (
  select account_id, cast(min(event_time) as date) as sent_on
  from usage
  where event = 'invoice_sent'
  group by account_id
),
drawn as (
  select
    p.*,
    case
      when label_no = 1 then sent_on
      when uniform_bits(h, 0, 1024) < 0.9
        then greatest(p.started_on, p.expected_on + cast(round(-4 + 9 * gauss_a(draw('milestone.days', account_no, label_no)) + 4 * trait) as integer))
    end as reached_on
  from planned as p
  join (select account_no, account_id, gauss_a(draw('onboarding', account_no, 0)) as trait from account) using (account_no)
  left join first_invoice using (account_id)
  cross join lateral (select draw('milestone', account_no, label_no) as h)
)
select account_no, label_no, milestone, started_on, expected_on, case when ended_on is null or reached_on < ended_on then reached_on end as reached_on
from drawn
-- Of what was planned for a time after the end nothing is left in the plan.
where ended_on is null or expected_on < ended_on;

create table goal as
with agreed as (
  select
    account_no,
    term_no,
    t.starts_on + 5 + cast(floor(uniform_bits(h, 0, 1024) * 25) as integer) as agreed_on,
    case when uniform_bits(h, 10, 1024) < 0.65 then 60 + cast(floor(uniform_bits(h, 20, 1024) * 240) as integer) end as days,
    (account_no + term_no) % 6 as goal_no,
    s.ended_on
  from term as t
  join spell as s using (account_no, spell_no)
  join account as a using (account_no)
  cross join lateral (select draw('goal', account_no, term_no) as h)
  where t.spell_no = 1 and term_no < 6 and t.starts_on < ${date(span.end)}
    and (segment <> 'solo' or uniform_bits(h, 30, 1024) < 0.4)
)
select
  account_no,
  ['invoices out within a day', 'half the reminders', 'one place for expenses', 'books closed by the fifth', 'no paper', 'paid within two weeks'][goal_no + 1] as goal,
  agreed_on,
  case when ended_on is null or agreed_on + days < ended_on then agreed_on + days end as met_on
from agreed
where agreed_on < ${date(span.end)} and (ended_on is null or agreed_on < ended_on);

create table business_event as
select account_no, occurred_on, kind, copies
from (
  select
    account_no,
    ended_on,
    started_on,
    starts_on + cast(floor(uniform_bits(h, 32, 1024) * n_days) as integer) as occurred_on,
    case
      when chance < 0.002 then 'acquired'
      when chance < 0.008 then 'executive_left'
      when chance < 0.017 then 'champion_left'
      when chance < 0.020 then 'layoff'
      when chance < 0.024 then 'funding'
    end as kind,
    -- One in thirty is entered twice, by two people.
    case when uniform_bits(h, 42, 1024) < 0.033 then 2 else 1 end as copies
  from account_month
  cross join lateral (select draw('news', account_no, concat(spell_no, '.', month_no)) as h)
  cross join lateral (select uniform_bits(h, 0, 65536) as chance)
)
where kind is not null and occurred_on >= started_on and occurred_on < ended_on and occurred_on < ${date(span.end)};
`;
