-- model: marts.weight_humility
-- grain: scorecard, version
-- depends: validation.weight_humility
-- audits: not_null(scorecard, version, sentence); unique(scorecard, version)
-- How many of thousands of weightings rank leavers as well as the best of them, as far as can be told, and how the accounts
-- that are red today fare in those: in nine of ten of them, in under half of them.
with accounts as (
  select
    scorecard,
    version,
    count(*) filter (where is_red) as n_red,
    count(*) filter (where is_red and red_share >= 0.9) as n_red_always,
    count(*) filter (where is_red and red_share < 0.5) as n_red_rarely
  from validation.weight_humility
  where account_id is not null
  group by scorecard, version
)
select
  w.scorecard,
  cast(w.version as integer) as version,
  cast(w.n_weightings as integer) as n_weightings,
  cast(w.n_kept as integer) as n_kept,
  of_enough(w.kept_share, least(w.n_churned, w.n_accounts), p.min_cell) as kept_share,
  cast(w.n_churned as bigint) as n_churned,
  cast(w.n_accounts as bigint) as n_accounts,
  of_enough(w.auc_current, least(w.n_churned, w.n_accounts), p.min_cell) as auc_current,
  of_enough(w.auc_equal, least(w.n_churned, w.n_accounts), p.min_cell) as auc_equal,
  of_enough(w.auc_best, least(w.n_churned, w.n_accounts), p.min_cell) as auc_best,
  w.is_current_kept,
  w.is_equal_kept,
  case when a.n_red >= p.min_cell then cast(a.n_red as bigint) end as n_red,
  case when a.n_red >= p.min_cell then cast(a.n_red_always as bigint) end as n_red_always,
  case when a.n_red >= p.min_cell then cast(a.n_red_rarely as bigint) end as n_red_rarely,
  w.sentence
from validation.weight_humility as w
cross join meta.params as p
left join accounts as a on a.scorecard = w.scorecard and a.version = w.version
where w.account_id is null
order by w.scorecard, version
