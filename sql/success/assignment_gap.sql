-- model: marts.assignment_gap
-- grain: kind, scorecard
-- depends: marts.account_assignment_gap, scores.account_assignment, spine.account_snapshot, spine.snapshot
-- params: min_cell
-- audits: unique(kind, scorecard)
-- How accounts and scorecards fit at the newest scored snapshot: accounts of each scorecard (kind `assigned`), and those
-- that marts.account_assignment_gap lists, with their monthly money, of all accounts.
-- Empty when these are fewer than min_cell, and no money of fewer.
with newest as (
  select max(snapshot_date) as snapshot_date from spine.snapshot where is_scored
),
present as (
  select a.account_id, a.scorecard, s.mrr_minor
  from scores.account_assignment as a
  inner join newest as n on n.snapshot_date = a.snapshot_date
  inner join spine.account_snapshot as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date
),
counted as (
  select 'assigned' as kind, scorecard, account_id, mrr_minor from present where scorecard is not null
  union all
  select g.kind, g.scorecard, g.account_id, p.mrr_minor
  from marts.account_assignment_gap as g inner join present as p on p.account_id = g.account_id
),
kind as (
  select * from (values (1, 'assigned'), (2, 'none'), (3, 'several'), (4, 'stage_moved')) as t (kind_no, kind)
)
select
  cast(k.kind_no as integer) as kind_no,
  k.kind,
  c.scorecard,
  count(c.account_id) as n_accounts,
  (select count(*) from present) as n_total,
  of_enough(cast(sum(c.mrr_minor) as bigint), count(c.account_id), p.min_cell) as mrr_minor
from kind as k
cross join meta.params as p
left join counted as c on c.kind = k.kind
where (select count(*) from present) >= p.min_cell
group by k.kind_no, k.kind, c.scorecard, p.min_cell
order by k.kind_no, c.scorecard
