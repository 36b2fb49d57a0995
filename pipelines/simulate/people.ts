import { date, type Span } from "./accounts.ts";

/**
 * The people of every account, `F00001-1` and on, as usage names them: one row per person and stretch of time in which
 * there was a seat for them. Who had a seat may have used it to the end of the month in which a term ended.
 */
export const personTables = (span: Span): string => `
create table seat_time as
with term_lived as (
  select
    t.account_no,
    t.spell_no,
    t.term_no,
    t.seats,
    t.starts_on,
    case
      when s.ended_on is not null and (t.ends_on is null or s.ended_on <= t.ends_on) then s.ended_on
      when t.ends_on is not null then cast(date_trunc('month', t.ends_on) + interval 1 month as date)
    end as ends_on
  from term as t
  join spell as s using (account_no, spell_no)
  where t.starts_on < ${date(span.end)} and (s.ended_on is null or t.starts_on < s.ended_on)
)
select account_no, cast(unnest(range(1, seats + 1)) as integer) as person_no, starts_on, ends_on
from term_lived
union all
-- Of those who only tried, the three who came.
select account_no, cast(unnest(range(1, least(first_seats, 3) + 1)) as integer), created_on, trial_ended_on
from sign_up
where paid_from is null;

create table person as
with seated as (
  select account_no, person_no, min(starts_on) as seated_on
  from seat_time
  group by account_no, person_no
),
placed as (
  select
    seated.*,
    created_at,
    created_on,
    coalesce(paid_from, trial_ended_on) as started_on,
    draw('person', account_no, person_no) as h
  from seated
  join sign_up using (account_no)
),
described as (
  select
    account_no,
    person_no,
    case
      -- A seat that a renewal brought; nobody works before seven.
      when seated_on > started_on then seated_on + interval 6 hour + to_seconds(person_no)
      -- Signed up and paid on one day.
      when created_on = started_on and person_no > 3 then seated_on + interval 6 hour + to_seconds(person_no)
      when person_no <= 3 then least(created_at, started_on + interval 6 hour) + to_minutes(5 * (person_no - 1))
      else created_at + to_seconds(cast(floor(uniform_bits(h, 0, 4096) * (epoch(cast(started_on as timestamp)) - epoch(created_at))) as bigint))
    end as created_at,
    case
      when person_no = 1 then 'owner'
      when uniform_bits(h, 12, 1024) < 0.30 then 'bookkeeper'
      when uniform_bits(h, 12, 1024) < 0.52 then 'accountant'
      when uniform_bits(h, 12, 1024) < 0.74 then 'sales'
      when uniform_bits(h, 12, 1024) < 0.92 then 'assistant'
      else 'director'
    end as role,
    uniform_bits(h, 24, 1024) as shown
  from placed
)
select
  *,
  -- The address book is incomplete.
  case when shown >= 0.03 then role = 'director' or (role = 'owner' and shown < 0.8) end as is_executive,
  row_number() over (order by account_no, person_no) as row_no
from described;
`;

/** The address book on the evening of a day: a person is switched off when no seat is left. */
export const peopleOn = (day: string): string => `
  with seat as (
    select account_no, person_no, max(coalesce(ends_on, date '9999-12-31')) as seated_to
    from seat_time
    where starts_on <= ${date(day)}
    group by account_no, person_no
  )
  select
    account_id || '-' || person_no as user_id,
    account_id,
    role,
    is_executive,
    -- One in 1,500 was typed in by hand; one in 1,000 is listed twice.
    case when row_no % 1500 = 700 then 'last spring' else strftime(person.created_at, '%Y-%m-%dT%H:%M:%S') end as created_at,
    case when seated_to <= ${date(day)} then seated_to + interval 8 hour end as deactivated_at
  from person
  join seat using (account_no, person_no)
  join sign_up using (account_no)
  cross join lateral (select unnest(range(case when row_no % 1000 = 400 then 2 else 1 end)))
  where cast(person.created_at as date) <= ${date(day)}
  order by account_no, person_no`;
