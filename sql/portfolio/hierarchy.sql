-- model: marts.hierarchy
-- grain: account_id
-- depends: marts.account_now, marts.hierarchy_member, marts.portfolio_account
-- audits: unique(account_id)
-- Each account that has others below it, with all that pay at as_of among itself and them. worst_*: the lowest score (of two the one with more money);
-- money_score: the mean of the scores by their monthly money, of the accounts that have both; money_share: the share of
-- the money that those are. Accounts without a score are counted apart and make no number.
with member as (
  select m.head_id, m.level, p.*
  from marts.hierarchy_member as m
  inner join marts.portfolio_account as p on p.account_id = m.account_id
),
counted as (
  select
    head_id,
    count(*) as n_paying,
    count(case when level > 0 then 1 end) as n_paying_below,
    count(score) as n_scored,
    count(case when is_red then 1 end) as n_red,
    cast(sum(mrr_minor) as bigint) as mrr_minor,
    cast(sum(case when is_red then mrr_minor end) as bigint) as red_mrr_minor,
    twelve_digits(
      cast(sum(case when mrr_minor > 0 then score * cast(mrr_minor as decimal(18, 0)) end) as double)
      / nullif(cast(sum(case when mrr_minor > 0 and score is not null then mrr_minor end) as double), 0e0)
    ) as money_score,
    twelve_digits(
      cast(sum(case when mrr_minor > 0 and score is not null then mrr_minor end) as double)
      / nullif(cast(sum(case when mrr_minor > 0 then mrr_minor end) as double), 0e0)
    ) as money_share
  from member
  group by head_id
),
worst as (
  select head_id, account_id, name, score, band
  from member
  where score is not null
  qualify row_number() over (partition by head_id order by score, mrr_minor desc nulls last, account_id) = 1
),
sized as (
  select head_id, count(case when level > 0 then 1 end) as n_below, max(level) as n_levels from marts.hierarchy_member group by head_id
)
select
  s.head_id as account_id,
  a.name,
  a.owner,
  a.parent_id,
  s.n_below,
  cast(s.n_levels as integer) as n_levels,
  coalesce(c.n_paying, 0) as n_paying,
  coalesce(c.n_paying_below, 0) as n_paying_below,
  coalesce(c.n_scored, 0) as n_scored,
  coalesce(c.n_red, 0) as n_red,
  c.mrr_minor,
  c.red_mrr_minor,
  c.money_score,
  c.money_share,
  w.account_id as worst_account_id,
  w.name as worst_name,
  w.score as worst_score,
  w.band as worst_band
from sized as s
left join marts.account_now as a on a.account_id = s.head_id
left join counted as c on c.head_id = s.head_id
left join worst as w on w.head_id = s.head_id
