-- model: marts.band_before
-- grain: scorecard, version, is_departure, days_before, band
-- depends: marts.account_band, scores.scorecard, spine.snapshot, validation.warning_case
-- params: min_cell
-- audits: not_null(scorecard, version, days_before, band, n_cases); unique(scorecard, version, is_departure, days_before, band)
-- The band at fixed days before a decision to leave, in the newest version of each scorecard restated: of those who left,
-- and on the same days of like accounts that stayed (validation.warning_case). Only decisions that have such a like account,
-- and whose earliest look lies within the scored history and after the scorecard was made: every look has the same
-- accounts. A look is the last scored snapshot at most 31 days older than its day, and before the decision;
-- `no_snapshot`: not a paying account then. n_unlike: decisions left out because no like account stayed.
with newest as (
  select scorecard, max(version) as version from scores.scorecard group by scorecard
),
card as (
  select n.scorecard, n.version, greatest(c.created_on, s.first_on) as first_on
  from newest as n
  inner join scores.scorecard as c on c.scorecard = n.scorecard and c.version = n.version
  cross join (select min(snapshot_date) as first_on from spine.snapshot where is_scored) as s
),
matched as (
  select departed_id, decided_on, bool_or(not is_departure) as has_like
  from validation.warning_case
  group by departed_id, decided_on
),
unlike as (
  select k.scorecard, count(*) filter (where not m.has_like) as n_unlike
  from matched as m
  inner join card as k on m.decided_on - 180 >= k.first_on
  group by k.scorecard
),
look as (
  select
    k.scorecard,
    k.version,
    w.departed_id,
    w.decided_on,
    w.account_id,
    w.is_departure,
    d.days_before,
    w.decided_on - greatest(d.days_before, 1) as look_on,
    w.period_started_on
  from validation.warning_case as w
  inner join matched as m on m.departed_id = w.departed_id and m.decided_on = w.decided_on and m.has_like
  inner join card as k on w.decided_on - 180 >= k.first_on
  cross join (values (0), (30), (60), (90), (120), (150), (180)) as d (days_before)
),
standing as (
  select series, account_id, snapshot_date, band
  from marts.account_band
  where is_scored and series <> 'in_force'
),
seen as (
  select l.*, b.snapshot_date, b.band
  from look as l
  asof left join standing as b
    on b.series = l.scorecard and b.account_id = l.account_id and l.look_on >= b.snapshot_date
),
stood as (
  select
    scorecard,
    version,
    is_departure,
    days_before,
    case
      when snapshot_date is null or look_on - snapshot_date > 31 then 'no_snapshot'
      when period_started_on is not null and snapshot_date < period_started_on then 'no_snapshot'
      else band
    end as band
  from seen
),
counted as (
  select scorecard, version, is_departure, days_before, band, count(*) as n_cases
  from stood
  group by scorecard, version, is_departure, days_before, band
),
totalled as (
  select *, sum(n_cases) over (partition by scorecard, version, is_departure, days_before) as n_total from counted
)
select
  t.scorecard,
  cast(t.version as integer) as version,
  t.is_departure,
  cast(t.days_before as integer) as days_before,
  t.band,
  cast(t.n_cases as bigint) as n_cases,
  cast(t.n_total as bigint) as n_total,
  cast(u.n_unlike as bigint) as n_unlike
from totalled as t
inner join unlike as u on u.scorecard = t.scorecard
cross join meta.params as p
where t.n_total >= p.min_cell
order by t.scorecard, t.version, t.is_departure, t.days_before, t.band
