-- model: validation.baseline_audit
-- grain: definition
-- depends: validation.definition, validation.stratum
-- Whether age, size or segment give the outcome away: an AUC of the baseline predictor of .95 and more, or a segment that
-- should have lost five accounts and lost none or all.
with labelled as (
  select definition, account_no, own_segment, predictor, y from validation.stratum where y is not null
),
counted as (
  select definition, predictor, sum(y) as n_events, sum(1 - y) as n_others from labelled group by definition, predictor
),
placed as (
  select
    *,
    coalesce(sum(n_others) over (
      partition by definition order by predictor rows between unbounded preceding and 1 preceding
    ), 0) as others_below
  from counted
),
ranked as (
  select
    definition,
    sum(n_events * (2 * others_below + n_others)) / nullif(2e0 * sum(n_events) * sum(n_others), 0) as baseline_auc
  from placed
  group by definition
),
account_of_segment as (
  select definition, own_segment, account_no, max(y) as ever from labelled group by definition, own_segment, account_no
),
segment_churn as (
  select definition, own_segment, count(*) as n_accounts, sum(ever) as n_churned
  from account_of_segment
  group by definition, own_segment
),
account_churn as (
  select definition, count(*) as n_accounts, sum(ever) as n_churned, sum(1 - ever) as n_staying
  from (select definition, account_no, max(y) as ever from labelled group by definition, account_no) as a
  group by definition
),
telling as (
  select s.definition, count(*) as n_telling, min(s.own_segment) as telling_segment
  from segment_churn as s
  inner join account_churn as a on a.definition = s.definition
  where a.n_churned >= 50 and a.n_staying >= 50
    and s.n_accounts * a.n_churned >= 5 * a.n_accounts
    and (s.n_churned = 0 or s.n_churned = s.n_accounts)
  group by s.definition
)
select
  d.definition,
  twelve_digits(r.baseline_auc) as baseline_auc,
  cast(coalesce(t.n_telling, 0) as bigint) as n_telling_segments,
  t.telling_segment,
  coalesce(r.baseline_auc >= 0.95 or t.n_telling > 0, false) as knows_outcome,
  coalesce(cast(a.n_churned as bigint), 0) as n_churned,
  coalesce(cast(a.n_staying as bigint), 0) as n_staying,
  coalesce(a.n_accounts, 0) as n_accounts
from validation.definition as d
left join ranked as r on r.definition = d.definition
left join telling as t on t.definition = d.definition
left join account_churn as a on a.definition = d.definition
where d.has_outcome
