-- model: marts.play_after
-- grain: play, band, days, measure
-- depends: marts.band, marts.play_case, scores.account_score, spine.account_snapshot, validation.decision, validation.definition
-- params: as_of, min_cell
-- audits: unique(play, band, days, measure)
-- What came after plays, beside like accounts without one (marts.play_case): never what the play did. Per play and per band at the start, and over all
-- of either ('all'). measure: left, decided to leave within the days; better, in a better band at the first scored snapshot after
-- them (an account that is gone is not; a score that could not be given at either end leaves the account out of this
-- measure). Only plays whose days, and those in which a departure can be undone, lie before as_of. Each play is held
-- against the mean of its own like accounts: like_rate is the mean of those means, difference is played_rate - like_rate.
-- n_plays counts all that could be followed, n_matched those with a like account. Intervals 95 %: of played_rate Wilson with accounts as
-- the units; of the difference from the influence of each account, played or like, with all the plays that it belongs to. Plays of fewer than
-- min_cell accounts are together 'other plays'; a row on fewer than min_cell accounts of either kind is left out.
with dated as (
  select c.*, d.days, c.started_on + d.days as until_on
  from marts.play_case as c
  cross join (values (30), (60), (90)) as d (days)
  inner join validation.definition as v on v.is_primary
  cross join meta.params as p
  where c.started_on + d.days + v.settle_days <= p.as_of
),
day as (
  select distinct snapshot_date from spine.account_snapshot where is_scored
),
ending as (
  select u.until_on, d.snapshot_date as end_on
  from (select distinct until_on from dated) as u
  asof inner join day as d on u.until_on <= d.snapshot_date
),
decided as (
  select d.account_id, d.decided_on
  from validation.decision as d
  inner join validation.definition as v on v.definition = d.definition and v.is_primary
  where d.kind <> 'other_exit'
),
decided_first as (
  select x.play_no, x.account_id, x.days, min(d.decided_on) as decided_on
  from dated as x
  inner join decided as d on d.account_id = x.account_id and d.decided_on >= x.started_on and d.decided_on < x.until_on
  group by x.play_no, x.account_id, x.days
),
standing as (
  select s.account_id, s.snapshot_date, b.band_no, coalesce(a.band, 'unknown') as band
  from spine.account_snapshot as s
  left join scores.account_score as a
    on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date and a.is_in_force
  left join marts.band as b on b.band = a.band
  where s.snapshot_date in (select end_on from ending)
),
followed as (
  select
    x.play_no,
    x.account_id,
    x.is_played,
    x.play,
    x.band,
    x.days,
    case when f.decided_on is null then 0 else 1 end as is_left,
    case
      when x.band = 'unknown' or e.end_on is null then null
      when s.account_id is null then 0
      when s.band = 'unknown' then null
      when s.band_no > b.band_no then 1
      else 0
    end as is_better
  from dated as x
  left join decided_first as f on f.play_no = x.play_no and f.account_id = x.account_id and f.days = x.days
  left join ending as e on e.until_on = x.until_on
  left join standing as s on s.account_id = x.account_id and s.snapshot_date = e.end_on
  left join marts.band as b on b.band = x.band
),
measured as (
  select play_no, account_id, is_played, play, band, days, 'left' as measure, is_left as y from followed
  union all
  select play_no, account_id, is_played, play, band, days, 'better', is_better from followed where is_better is not null
),
small as (
  select play, count(distinct account_id) < any_value(p.min_cell) as is_small
  from marts.play_case
  cross join meta.params as p
  where is_played
  group by play
),
grouped as (
  select
    m.play_no, m.account_id, m.is_played, m.days, m.measure, m.y,
    case when g.by_play then case when z.is_small then 'other plays' else m.play end else 'all' end as play,
    case when g.by_band then m.band else 'all' end as band
  from measured as m
  inner join small as z on z.play = m.play
  cross join (values (true, true), (true, false), (false, true), (false, false)) as g (by_play, by_band)
),
compared as (
  select
    *,
    count(case when not is_played then 1 end) over one as m_like,
    avg(case when not is_played then cast(y as double) end) over one as like_mean,
    max(case when is_played then 1 else 0 end) over one as has_played,
    max(case when is_played then y end) over one as y_played
  from grouped
  window one as (partition by play, band, days, measure, play_no)
),
matched as (
  select
    *,
    count(case when is_played then 1 end) over whole as n_matched,
    sum(case when is_played then y end) over whole / nullif(cast(count(case when is_played then 1 end) over whole as double), 0e0) as played_rate,
    -- As exact_sum, which as a macro cannot have a window.
    cast(sum(cast(case when is_played then like_mean end as decimal(38, 20))) over whole as double)
    / nullif(cast(count(case when is_played then 1 end) over whole as double), 0e0) as like_rate
  from compared
  where m_like > 0 and has_played = 1
  window whole as (partition by play, band, days, measure)
),
by_account as (
  select
    play, band, days, measure, account_id,
    any_value(n_matched) as n_matched,
    any_value(played_rate) as played_rate,
    any_value(like_rate) as like_rate,
    count(case when is_played then 1 end) as m,
    sum(case when is_played then y end) as y,
    bool_or(is_played) as is_played,
    bool_or(not is_played) as is_like,
    exact_sum(
      case
        when is_played then (y - like_mean - (played_rate - like_rate)) / n_matched
        else -(y - like_mean) / m_like / n_matched
      end
    ) as psi
  from matched
  group by play, band, days, measure, account_id
),
summed as (
  select
    play, band, days, measure,
    any_value(n_matched) as n_matched,
    any_value(played_rate) as played_rate,
    any_value(like_rate) as like_rate,
    count(case when is_played then 1 end) as n_accounts,
    count(case when is_like then 1 end) as n_like,
    exact_sum(psi * psi) * count(case when abs(psi) > 1e-15 then 1 end)
    / nullif(count(case when abs(psi) > 1e-15 then 1 end) - 1e0, 0e0) as variance,
    exact_sum(case when is_played then (y - played_rate * m) ** 2 end) * count(case when is_played then 1 end)
    / nullif(count(case when is_played then 1 end) - 1e0, 0e0) / (cast(any_value(n_matched) as double) * any_value(n_matched)) as played_variance
  from by_account
  group by play, band, days, measure
),
all_plays as (
  select play, band, days, measure, count(case when is_played then 1 end) as n_plays
  from grouped
  group by play, band, days, measure
)
select
  s.play,
  s.band,
  s.days,
  s.measure,
  a.n_plays,
  s.n_matched,
  s.n_accounts,
  s.n_like,
  twelve_digits(s.played_rate) as played_rate,
  twelve_digits(wilson_low(s.played_rate, case when s.played_variance > 1e-15 then s.played_rate * (1e0 - s.played_rate) / s.played_variance else s.n_accounts end)) as played_low,
  twelve_digits(wilson_high(s.played_rate, case when s.played_variance > 1e-15 then s.played_rate * (1e0 - s.played_rate) / s.played_variance else s.n_accounts end)) as played_high,
  twelve_digits(s.like_rate) as like_rate,
  twelve_digits(s.played_rate - s.like_rate) as difference,
  case when s.variance > 1e-15 then twelve_digits(greatest(-1e0, s.played_rate - s.like_rate - 1.959963984540054e0 * sqrt(s.variance))) end as difference_low,
  case when s.variance > 1e-15 then twelve_digits(least(1e0, s.played_rate - s.like_rate + 1.959963984540054e0 * sqrt(s.variance))) end as difference_high
from summed as s
inner join all_plays as a on a.play = s.play and a.band = s.band and a.days = s.days and a.measure = s.measure
cross join meta.params as p
where s.n_accounts >= p.min_cell and s.n_like >= p.min_cell
