import { literal, SqlDate } from "../warehouse/literal.ts";
import type { Span } from "./accounts.ts";

const date = (iso: string): string => literal(new SqlDate(iso));

/**
 * Expected events per account, month and kind of event, at full strength (before weekday, season and partial months).
 * Logins follow seats and nothing else; every other kind has a trait of its own, so that none stands in for another.
 * `scale` multiplies all of them.
 */
export const rateTable = (scale: number): string => `
create table rate as
with active as (
  select
    s.account_no,
    s.spell_no,
    m.month_no,
    m.starts_on,
    m.ends_on,
    greatest(s.started_on, m.starts_on) as active_from,
    least(coalesce(s.ended_on, m.ends_on), m.ends_on) as active_to,
    s.decided_on,
    s.ended_on,
    t.seats
  from spell as s
  join month as m on m.month_no >= 0 and m.ends_on > s.started_on and (s.ended_on is null or m.starts_on < s.ended_on)
  join term as t
    on t.account_no = s.account_no and t.spell_no = s.spell_no
    and greatest(s.started_on, m.starts_on) >= t.starts_on
    and (t.ends_on is null or greatest(s.started_on, m.starts_on) < t.ends_on)
),
level as (
  select
    active.*,
    5.0 * seats ** 0.75 * exp(0.18 * login) as login,
    3.0 * seats ** 0.6 * exp(0.6 * report_trait) as report_view,
    case segment when 'solo' then 4.0 when 'studio' then 5.0 else 6.0 end * exp(0.4 * draft_trait) as invoice_created,
    case segment when 'solo' then 8.0 when 'studio' then 10.0 else 13.0 end * exp(0.65 * causal) as invoice_sent,
    3.5 * exp(0.7 * wrong_way) as data_export,
    case segment when 'solo' then 16.0 when 'studio' then 2.2 else 0.8 end * exp(0.65 * reversed) as template_use,
    8.0 * exp(0.75 * fading) as mobile_session,
    case when dark_trait > 0.3 then 5.0 * exp(0.5 * dark_trait) else 0.4 end as dark_mode,
    0.5 as profile_photo,
    case when has_sso then 6.0 else 0.0 end as sso_login
  from active
  join account using (account_no)
  join latent using (account_no, month_no)
)
select
  account_no,
  spell_no,
  month_no,
  starts_on,
  ends_on,
  active_from,
  active_to,
  decided_on,
  ended_on,
  seats,
  event_no,
  event,
  mean * ${scale} as mean
from (
  unpivot level
  on login, report_view, invoice_created, invoice_sent, data_export, template_use, mobile_session, dark_mode, profile_photo, sso_login
  into name event value mean
)
join (
  values
    ('login', 0), ('report_view', 1), ('invoice_created', 2), ('invoice_sent', 3), ('data_export', 4),
    ('template_use', 5), ('mobile_session', 6), ('dark_mode', 7), ('profile_photo', 8), ('sso_login', 9)
) as kind (event, event_no) using (event);
`;

/** The share of a full-strength rate that weekday, season and the missing ends of months leave over, roughly. */
export const keptShare = 0.74;

/**
 * All events, one table clustered by month. A draw of 64 bits places each: the day (16 bits), weekday and season by thinning
 * (12), the time of day (16), the user (10), lateness (10). After the decision a third of the use is gone.
 */
export const usageTable = `
create table usage (
  event_id bigint, account_no integer, user_no smallint, event varchar, occurred_at timestamp, loaded_at timestamp,
  load_month date
);
`;

export const usageOfMonth = (span: Span, monthNo: number): string => `
insert into usage
with counted as (
  select *, poisson(mean, draw('count', account_no, concat(month_no, '.', event_no, '.', spell_no))) as n
  from rate
  where month_no = ${monthNo}
),
placed as (
  select
    account_no,
    seats,
    event,
    ((cast(account_no as bigint) * 1000 + month_no) * 16 + event_no) * 65536 + spell_no * 32768 + i as event_id,
    active_from,
    active_to,
    decided_on,
    ended_on,
    h,
    starts_on + cast(floor(uniform_bits(h, 0, 65536) * (ends_on - starts_on)) as integer) as day
  from (
    select *, draw('event', account_no, concat(month_no, '.', event_no, '.', spell_no, '.', i)) as h
    from (select *, unnest(range(n)) as i from counted)
  )
),
kept as (
  select
    *,
    day + to_seconds(25200 + floor(uniform_bits(h, 28, 65536) * 46000)) as occurred_at
  from placed
  where day >= active_from and day < active_to
    and uniform_bits(h, 16, 4096)
      < case isodow(day) when 6 then 0.4 when 7 then 0.3 else 1.0 end
        * case month(day) when 8 then 0.82 when 12 then 0.88 else 1.0 end
        * case when decided_on <= day then 0.66 else 1.0 end
),
-- A payment is matched a few days after nine in ten invoices that were sent.
matched as (
  select
    event_id + 65536 * 7 as event_id,
    account_no,
    seats,
    'payment_matched' as event,
    day + cast(floor(uniform_bits(g, 0, 64) * 2) as integer) as day,
    occurred_at + to_days(cast(floor(uniform_bits(g, 0, 64) * 2) as integer)) + to_seconds(60 + floor(uniform_bits(g, 6, 4096) * 3000)) as occurred_at,
    g as h,
    ended_on
  from (select *, draw('matched', event_id, 0) as g from kept where event = 'invoice_sent')
  where uniform_bits(g, 18, 1024) < 0.95
),
both_kinds as (
  select event_id, account_no, seats, event, occurred_at, h from kept
  union all
  select event_id, account_no, seats, event, occurred_at, h from matched
  where ended_on is null or day < ended_on
),
arrived as (
  select
    *,
    -- One row in fifty comes from a device that was offline for up to nine days; the others within the half hour.
    occurred_at + case
      when uniform_bits(h, 54, 1024) < 0.02 then to_seconds(86400 + floor(uniform_bits(h, 30, 16384) * 700000))
      else to_seconds(60 + floor(uniform_bits(h, 30, 1024) * 1740))
    end as loaded_at
  from both_kinds
)
select
  event_id,
  account_no,
  cast(1 + floor(uniform_bits(h, 44, 1024) * seats) as smallint),
  event,
  occurred_at,
  loaded_at,
  cast(date_trunc('month', loaded_at) as date)
from arrived
where loaded_at < ${date(span.end)};
`;
