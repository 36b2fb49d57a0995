import { date, type Span } from "./accounts.ts";

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
    account_id,
    3.5 * seats ** 0.75 * exp(0.18 * login) as login,
    5.0 * seats ** 0.6 * exp(0.9 * report_trait) as report_view,
    case segment when 'solo' then 3.0 when 'studio' then 3.5 else 4.0 end * exp(0.4 * draft_trait) as invoice_created,
    case segment when 'solo' then 6.5 when 'studio' then 8.0 else 10.0 end * exp(0.8 * causal) as invoice_sent,
    3.5 * exp(0.7 * wrong_way) as data_export,
    case segment when 'solo' then 13.0 when 'studio' then 1.9 else 0.7 end * exp(0.65 * reversed) as template_use,
    7.0 * exp(0.75 * fading) as mobile_session,
    case when dark_trait > 0.3 then 4.0 * exp(0.5 * dark_trait) else 0.4 end as dark_mode,
    0.5 as profile_photo,
    case when has_sso then 6.0 else 0.0 end as sso_login
  from active
  join account using (account_no)
  join latent using (account_no, month_no)
)
select
  account_no,
  account_id,
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

/** Events for each one that the rates expect: weekday and season take away a quarter, payments follow invoices. */
export const eventsPerExpected = 0.905;

/**
 * All events, one table clustered by month. A draw of 64 bits places each: the day (16 bits), weekday and season by thinning
 * (12), the time of day (16), the user (10), lateness (10). After the decision a third of the use is gone.
 */
export const usageTable = `
create table usage (
  event_id bigint, account_id varchar, user_id varchar, event varchar, event_time timestamp, loaded_at timestamp,
  load_month date, is_repeated boolean
);
`;

/** Summer and Christmas are quieter. */
const season = (span: Span, monthNo: number): number => {
  const month = new Date(`${span.start}T00:00:00Z`);
  month.setUTCMonth(month.getUTCMonth() + monthNo);
  return { 7: 0.82, 11: 0.88 }[month.getUTCMonth()] ?? 1;
};

export const usageOfMonth = (span: Span, monthNo: number): string => `
insert into usage
with drawn as materialized (
  select *, draw('count', account_no, concat(month_no, '.', event_no, '.', spell_no)) as h
  from rate
  where month_no = ${monthNo}
),
counted as materialized (
  select
    account_no,
    concat(account_id, '-') as user_prefix,
    account_id,
    seats,
    event,
    ((cast(account_no as bigint) * 1000 + month_no) * 16 + event_no) * 65536 + spell_no * 32768 as first_id,
    concat(month_no, '.', event_no, '.', spell_no, '.') as place,
    epoch_us(starts_on) as month_us,
    ends_on - starts_on as n_days,
    epoch_us(active_from) as active_from_us,
    epoch_us(active_to) as active_to_us,
    epoch_us(coalesce(decided_on, date '9999-12-31')) as decided_us,
    epoch_us(coalesce(ended_on, date '9999-12-31')) as ended_us,
    poisson(mean, h) as n
  from drawn
),
placed as (
  select
    *,
    month_us + cast(floor(uniform_bits(h, 0, 65536) * n_days) as bigint) * 86400000000 as day_us
  from (
    select *, first_id + i as event_id, draw('event', account_no, place || i) as h
    from (select *, unnest(range(n)) as i from counted)
  )
),
kept as (
  select
    *,
    day_us + 25200000000 + (h >> 28 & 65535::ubigint)::bigint * 701000 as occurred_us
  from placed
  where day_us >= active_from_us and day_us < active_to_us
    and uniform_bits(h, 16, 4096)
      < (case (day_us // 86400000000 + 4) % 7 when 6 then 0.4 when 0 then 0.3 else 1.0 end)
        * ${season(span, monthNo)}
        * (case when decided_us <= day_us then 0.66 else 1.0 end)
),
-- A payment is matched within a day of nineteen in twenty invoices that were sent.
matched as (
  select
    event_id + 65536 * 7 as event_id,
    account_id,
    user_prefix,
    seats,
    'payment_matched' as event,
    occurred_us + (g & 1::ubigint)::bigint * 86400000000 + 60000000 + (g >> 6 & 4095::ubigint)::bigint * 700000 as occurred_us,
    g as h,
    ended_us
  from (select *, draw('matched', event_id, 0) as g from kept where event = 'invoice_sent')
  where uniform_bits(g, 18, 1024) < 0.95
),
both_kinds as (
  select event_id, account_id, user_prefix, seats, event, occurred_us, h from kept
  union all
  select event_id, account_id, user_prefix, seats, event, occurred_us, h from matched where occurred_us < ended_us
),
arrived as (
  select
    *,
    -- One row in fifty comes from a device that was offline for up to nine days; the others within the half hour.
    occurred_us + case
      when uniform_bits(h, 54, 1024) < 0.02 then 86400000000 + (h >> 30 & 16383::ubigint)::bigint * 42000000
      else 60000000 + (h >> 30 & 1023::ubigint)::bigint * 1700000
    end as loaded_us
  from both_kinds
)
select
  event_id,
  account_id,
  user_prefix || (1 + (h >> 44 & 1023::ubigint)::bigint * seats // 1024) as user_id,
  event,
  make_timestamp(occurred_us) as event_time,
  make_timestamp(loaded_us) as loaded_at,
  cast(date_trunc('month', make_timestamp(loaded_us)) as date) as load_month,
  -- One row in 400 is delivered again with the next month's file.
  (h >> 28) % 400::ubigint = 7 as is_repeated
from arrived
where loaded_us < epoch_us(${date(span.end)});
`;
