import { createdOn, date, firstSeats, logSeats, type Span, segmentOf } from "./accounts.ts";

/**
 * Everyone who signed up, one row each: the accounts that pay one day, and `prospects` that never do. A trial lasts from
 * the sign-up to the first paid day, of those who never pay 14 days; who pays within two days of signing up had none, and
 * before the data began there were none.
 */
export const signUpTable = (span: Span, ever: number, prospects: number): string => `
create table sign_up as
with paying as (
  select account_no, account_id, segment, first_seats, started_on as paid_from, ${createdOn} as created_on
  from account
),
prospect as (
  select
    account_no,
    'F' || lpad(cast(account_no as varchar), 5, '0') as account_id,
    segment,
    ${firstSeats("log_seats_mean", "log_seats_sd", "gauss_a(draw('size', account_no, 0))")} as first_seats,
    cast(null as date) as paid_from,
    cast(${date(span.start)} + cast(floor(uniform_a(draw('prospect', account_no, 0)) * (${date(span.end)} - ${date(span.start)})) as integer) as date) as created_on
  from (
    select cast(i as integer) as account_no, ${segmentOf("i")} as segment
    from range(${ever + 1}, ${ever + prospects + 1}) as r(i)
  )
  cross join lateral (select ${logSeats("segment")})
)
select
  *,
  cast(created_on as timestamp) + interval 10 hour as created_at,
  case
    when paid_from is null then created_on + 14
    when paid_from - created_on >= 3 and created_on >= ${date(span.start)} then paid_from
  end as trial_ended_on
from (from paying union all from prospect);
`;

/**
 * What was done in the trials, in the table of all events. Five in six of those who pay later, and one in three of the
 * others, came as far as the gate: an invoice that was sent. The first three people take part.
 */
export const trialUsage = (span: Span): string => `
insert into usage
with counted as (
  select
    account_no,
    account_id,
    least(first_seats, 3) as people,
    epoch_us(created_on) as start_us,
    trial_ended_on - created_on as n_days,
    event,
    event_no,
    case
      when event <> 'invoice_sent' then poisson(per_day * (trial_ended_on - created_on) * case when paid_from is null then 0.5 else 1 end, h)
      when uniform_a(draw('trial.gate', account_no, 0)) < case when paid_from is null then 0.34 else 0.84 end
        then 1 + poisson(per_day * (trial_ended_on - created_on), h)
      else 0
    end as n
  from sign_up
  cross join (
    values ('login', 0, 0.9), ('report_view', 1, 0.3), ('invoice_created', 2, 0.4), ('invoice_sent', 3, 0.15), ('template_use', 5, 0.2)
  ) as kind (event, event_no, per_day)
  cross join lateral (select draw('trial.count', account_no, event_no) as h)
  where trial_ended_on is not null
),
placed as (
  select
    *,
    -- From eleven in the morning: on the first day the three have been invited by then.
    start_us + cast(floor(uniform_bits(h, 0, 65536) * n_days) as bigint) * 86400000000
      + 39600000000 + (h >> 28 & 65535::ubigint)::bigint * 480000 as occurred_us
  from (
    select *, draw('trial.event', account_no, concat(event_no, '.', i)) as h
    from (select *, unnest(range(n)) as i from counted)
  )
),
arrived as (
  select
    *,
    occurred_us + case
      when uniform_bits(h, 54, 1024) < 0.02 then 86400000000 + (h >> 30 & 16383::ubigint)::bigint * 42000000
      else 60000000 + (h >> 30 & 1023::ubigint)::bigint * 1700000
    end as loaded_us
  from placed
)
select
  -- Above every id of paid use.
  40000000000000 + (cast(account_no as bigint) * 16 + event_no) * 4096 + i as event_id,
  account_id,
  account_id || '-' || (1 + (h >> 44 & 1023::ubigint)::bigint * people // 1024) as user_id,
  event,
  make_timestamp(occurred_us) as event_time,
  make_timestamp(loaded_us) as loaded_at,
  cast(date_trunc('month', make_timestamp(loaded_us)) as date) as load_month,
  (h >> 28) % 400::ubigint = 7 as is_repeated
from arrived
where loaded_us < epoch_us(${date(span.end)});
`;
