import { literal, SqlDate } from "../warehouse/literal.ts";
import type { Plan } from "./plan.ts";

/** The data cover `[start, end)`; accounts may have started up to `history` months earlier. */
export interface Span {
  readonly start: string;
  readonly end: string;
  readonly months: number;
  readonly history: number;
  /** The day on which the product was redesigned: the middle of the data. */
  readonly redesign: string;
}

/** A date as SQL. */
export const date = (iso: string): string => literal(new SqlDate(iso));

/** The segment of the account with this number. */
export const segmentOf = (accountNo: string): string => `case
      when uniform_a(draw('segment', ${accountNo}, 0)) < 0.66 then 'solo'
      when uniform_a(draw('segment', ${accountNo}, 0)) < 0.89 then 'studio'
      else 'enterprise'
    end`;

/** The columns of a segment's log seats: mean and standard deviation. */
export const logSeats = (segment: string): string =>
  `case ${segment} when 'solo' then 0.35 when 'studio' then 2.0 else 3.5 end as log_seats_mean,
    case ${segment} when 'solo' then 0.45 else 0.5 end as log_seats_sd`;

export const firstSeats = (mean: string, sd: string, trait: string): string =>
  `greatest(1, cast(round(exp(${mean} + ${sd} * ${trait})) as integer))`;

/** The day on which an account of the table `account` signed up: up to 14 days before it paid. */
export const createdOn =
  "cast(started_on - cast(floor(uniform_bits(draw('name', account_no, 0), 48, 256) * 15) as integer) as date)";

/** Calendar months from the first start to the end of data; month 0 is the first month with data. */
export const monthTable = (span: Span): string => `
create table month as
select
  cast(m as integer) as month_no,
  cast(${date(span.start)} + to_months(cast(m as integer)) as date) as starts_on,
  cast(${date(span.start)} + to_months(cast(m + 1 as integer)) as date) as ends_on
from range(${-span.history}, ${span.months}) as r(m);
`;

/** One row per account that ever paid (the share `opening` of them started before the data): segment, start, size and the traits that stay with it for life. */
export const accountTable = (span: Span, ever: number, opening: number): string => `
create table account as
with numbered as (
  select cast(i as integer) as account_no from range(1, ${ever + 1}) as r(i)
),
placed as (
  select
    account_no,
    ${segmentOf("account_no")} as segment,
      case
        when uniform_a(draw('start', account_no, 0)) < ${opening.toFixed(4)}
          then cast(floor(uniform_a(draw('start', account_no, 1)) * ${span.history}) as integer) - ${span.history}
        else cast(floor(uniform_a(draw('start', account_no, 1)) * ${span.months}) as integer)
      end as start_month,
    1 + cast(floor(uniform_b(draw('start', account_no, 0)) * 28) as integer) as start_day
  from numbered
),
traits as (
  select
    placed.*,
    cast(month.starts_on + start_day - 1 as date) as started_on,
    ${logSeats("segment")},
    gauss_a(draw('size', account_no, 0)) as size_trait,
    gauss_b(draw('size', account_no, 0)) as login_trait,
    gauss_a(draw('causal', account_no, 0)) as causal_trait,
    gauss_b(draw('causal', account_no, 0)) as wrong_way_trait,
    gauss_a(draw('reversed', account_no, 0)) as reversed_trait,
    gauss_b(draw('reversed', account_no, 0)) as fading_trait,
    gauss_a(draw('ticket', account_no, 0)) as ticket_trait,
    gauss_b(draw('ticket', account_no, 0)) as report_trait,
    gauss_a(draw('letter', account_no, 0)) as newsletter_trait,
    gauss_b(draw('letter', account_no, 0)) as webinar_trait,
    gauss_a(draw('dark', account_no, 0)) as dark_trait,
    gauss_b(draw('dark', account_no, 0)) as draft_trait,
    gauss_a(draw('rating', account_no, 0)) as rating_trait,
    uniform_a(draw('silent', account_no, 0)) < 0.35 as is_silent,
    segment = 'enterprise' and uniform_b(draw('silent', account_no, 0)) < 0.06 as has_sso
  from placed
  join month on month.month_no = placed.start_month
)
select
  *,
  'F' || lpad(cast(account_no as varchar), 5, '0') as account_id,
  ${firstSeats("log_seats_mean", "log_seats_sd", "size_trait")} as first_seats,
  case segment when 'solo' then 0 when 'studio' then 30 else 90 end as notice_days,
  case segment when 'solo' then 1 else 12 end as term_months,
  case segment when 'solo' then 1900 when 'studio' then 2900 else 3900 end as seat_price_minor
from traits;
`;

/**
 * What an account is like in a month, one standard normal per planted signal: a part for life and a part that drifts as
 * a moving average of six months, so that a level seen today still says something about the next four months.
 */
export const latentTable = (span: Span): string => `
create table latent as
with shocks as (
  select
    account.account_no,
    cast(m as integer) as month_no,
    draw('shock.a', account_no, m) as a,
    draw('shock.b', account_no, m) as b,
    draw('shock.c', account_no, m) as c
  from account
  join range(${-span.history - 5}, ${span.months}) as r(m) on m >= start_month - 5
),
drift as (
  select
    account_no,
    month_no,
    sum(normal_a(a)) over six as causal,
    sum(normal_b(a)) over six as wrong_way,
    sum(normal_a(b)) over six as reversed,
    sum(normal_b(b)) over six as fading,
    sum(normal_a(c)) over six as ticket,
    sum(normal_b(c)) over six as login
  from shocks
  window six as (partition by account_no order by month_no rows between 5 preceding and current row)
)
select
  drift.account_no,
  drift.month_no,
  round(0.75 * causal_trait + 0.66 * causal / 10000.0 / sqrt(6), 6) as causal,
  round(0.75 * wrong_way_trait + 0.66 * wrong_way / 10000.0 / sqrt(6), 6) as wrong_way,
  round(0.75 * reversed_trait + 0.66 * reversed / 10000.0 / sqrt(6), 6) as reversed,
  round(0.75 * fading_trait + 0.66 * fading / 10000.0 / sqrt(6), 6) as fading,
  round(0.85 * ticket_trait + 0.53 * ticket / 10000.0 / sqrt(6), 6) as ticket,
  round(0.6 * login_trait + 0.8 * login / 10000.0 / sqrt(6), 6) as login
from drift
join account using (account_no)
where month_no >= start_month;
`;

/** Empty tables that each pass of {@link spellPass} adds to. */
export const spellTables = `
create table spell_start (account_no integer, spell_no integer, started_on date);
create table term (
  account_no integer, spell_no integer, term_no integer, starts_on date, ends_on date, seats integer
);
create table risk (
  account_no integer, spell_no integer, month_no integer, decided_on date, term_no integer, probability double,
  play_on date
);
create table spell (
  account_no integer, spell_no integer, started_on date, decided_on date, ended_on date, is_recorded boolean
);
`;

/** The first paid spell of every account. */
export const firstSpells = "insert into spell_start select account_no, 1, started_on from account;";

/** One leaver in fourteen comes back: one in five of them within a month, which undoes the churn. */
export const returns = (span: Span): string => `
insert into spell_start
with leavers as (
  select account_no, ended_on, draw('return', account_no, 0) as h
  from spell
  where ended_on < ${date(span.end)}
),
back as (
  select
    account_no,
    ended_on + cast(
      case
        when uniform_bits(h, 40, 1024) < 0.2 then 4 + floor(uniform_b(h) * 22)
        else 60 + floor(uniform_b(h) * 200)
      end
    as integer) as day
  from leavers
  where uniform_a(h) < 0.07
)
-- Days 29 to 31 become the 28th, so that every month has the anniversary.
select account_no, 2, cast(case when day(day) > 28 then date_trunc('month', day) + interval 27 day else day end as date)
from back
where day < ${date(span.end)} - 5;
`;

/**
 * In a small book more notices may be missing by chance than a book may lack (5 % of those who left): beyond 4 % they are on record.
 * Larger books come nowhere near, and stay as they were drawn.
 */
export const keepNotices = (span: Span): string => `
update spell set is_recorded = true
where (account_no, spell_no) in (
  select (account_no, spell_no)
  from spell
  where ended_on < ${date(span.end)} and not is_recorded
  qualify row_number() over (order by account_no, spell_no)
    > 0.04 * (select count(*) from spell where ended_on < ${date(span.end)})
);
`;

/**
 * Terms, monthly risk, plays and the decision of every spell with this number. Each month offers one candidate date; the
 * account decides on the first one whose uniform lies below that month's risk. Annual contracts can only be left up to
 * the notice period before their term ends; then nothing is decided until the next term.
 */
export const spellPass = (span: Span, plan: Plan, spellNo: number): string => `
insert into term
with numbered as (
  select
    s.account_no,
    s.spell_no,
    cast(t as integer) as term_no,
    term_months,
    first_seats,
    s.started_on,
    draw('growth', s.account_no, s.spell_no * 100 + t) as h
  from spell_start as s
  join account using (account_no)
  join range(0, 12) as r(t) on t = 0 or (term_months = 12 and s.started_on + to_months(cast(12 * t as integer)) < ${date(span.end)})
  where spell_no = ${spellNo}
),
grown as (
  select
    *,
    -- Basis points of log growth at each renewal; integers, so that the running sum is exact.
    sum(
      case
        when term_no = 0 then 0
        when uniform_a(h) < 0.22 then 800 + cast(floor(uniform_b(h) * 1500) as integer)
        when uniform_a(h) > 0.92 then -800 - cast(floor(uniform_b(h) * 1200) as integer)
        else 0
      end
    ) over (partition by account_no order by term_no rows between unbounded preceding and current row) as growth
  from numbered
)
select
  account_no,
  spell_no,
  term_no,
  cast(started_on + to_months(12 * term_no) as date),
  case when term_months = 12 then cast(started_on + to_months(12 * term_no + 12) as date) end,
  greatest(1, cast(round(first_seats * exp(growth / 10000.0)) as integer))
from grown;

insert into risk
with candidate as (
  select
    s.account_no,
    s.spell_no,
    m.month_no,
    s.started_on,
    cast(m.starts_on + cast(floor(uniform_a(h) * (m.ends_on - m.starts_on)) as integer) as date) as day,
    uniform_b(h) as chance
  from spell_start as s
  join month as m on m.ends_on > s.started_on
  cross join lateral (select draw('decision', s.account_no, s.spell_no * 1000 + m.month_no) as h)
  where s.spell_no = ${spellNo}
),
situated as (
  select
    c.*,
    t.term_no,
    t.seats,
    t.ends_on - a.notice_days - c.day as days_to_deadline,
    a.segment,
    a.is_silent,
    ln((c.day - c.started_on) / 30.44 + 1) as log_tenure,
    (ln(t.seats) - a.log_seats_mean) / a.log_seats_sd as relative_size,
    l.causal,
    l.wrong_way,
    l.reversed,
    l.fading,
    l.ticket
  from candidate as c
  join account as a using (account_no)
  join latent as l on l.account_no = c.account_no and l.month_no = c.month_no
  join term as t
    on t.account_no = c.account_no and t.spell_no = c.spell_no
    and c.day >= t.starts_on and (t.ends_on is null or c.day < t.ends_on)
  where c.day >= c.started_on + 20
),
rated as (
  select
    *,
    case when days_to_deadline < 0 then 0 else logistic(
      case segment when 'solo' then -3.1 when 'studio' then -4.25 else -4.6 end
      + ${plan.level}
      - 0.5 * (log_tenure - 2.3)
      - 0.4 * relative_size
      + case when days_to_deadline is null then 0 when days_to_deadline <= 90 then 0.6 else -0.4 end
      + case when month(day) in (1, 2) then 0.15 else 0 end
      + ${plan.causal} * causal
      + ${plan.bothEnds} * (abs(ticket - 0.15) - 0.8)
      + ${plan.silence} * (cast(is_silent as integer) - 0.35)
      + ${plan.wrongWay} * wrong_way
      + ${plan.reversed} * reversed
      -- Habits outlive the redesign by two months: what was seen before it still counts for decisions soon after it.
      + case
          when day < ${date(span.redesign)} + 60 then ${plan.fading[0]} * fading
          else ${plan.fading[1]} * fading + ${(plan.fading[0] ** 2 * 0.35).toFixed(4)}
        end
    ) end as raw
  from situated
),
played as (
  select
    *,
    case when month_no >= 0 and raw > 0.08 and uniform_a(draw('play', account_no, spell_no * 1000 + month_no)) < 0.15
      then day - 3 end as play_on
  from rated
),
eased as (
  select
    *,
    coalesce(
      lag(play_on, 1) over months is not null or lag(play_on, 2) over months is not null, false
    ) as is_rescued
  from played
  window months as (partition by account_no order by month_no)
)
select
  account_no, spell_no, month_no, case when chance < raw * case when is_rescued then 0.5 else 1 end then day end, term_no, raw, play_on
from eased;

insert into spell
with decision as (
  select account_no, min(decided_on) as decided_on
  from risk
  where spell_no = ${spellNo} and decided_on is not null
  group by account_no
)
select
  s.account_no,
  s.spell_no,
  s.started_on,
  d.decided_on,
  case
    when d.decided_on is null then null
    when a.term_months = 12 then t.ends_on
    else cast(s.started_on + to_months(cast(datesub('month', s.started_on, d.decided_on) as integer) + 1) as date)
  end,
  uniform_a(draw('recorded', s.account_no, s.spell_no)) < ${plan.recorded}
from spell_start as s
join account as a using (account_no)
left join decision as d on d.account_no = s.account_no
left join term as t
  on t.account_no = s.account_no and t.spell_no = s.spell_no
  and d.decided_on >= t.starts_on and d.decided_on < t.ends_on
where s.spell_no = ${spellNo};
`;
