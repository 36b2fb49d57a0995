-- model: validation.stratum
-- grain: account_id, snapshot_date, definition
-- depends: validation.baseline_coefficient, validation.baseline_fit, validation.baseline_row, validation.observation
-- Strata: block x segment x renewal due x bin of the baseline predictor. Cuts are taken within the segment over the
-- labelled rows of all dates, at the k/bins quantiles; the predictor is rounded first, so that no thread moves a cut.
with formula as (
  -- At most two coefficients fall on one variable (one for all segments, one for its own), so their sum has one order.
  select
    g.definition,
    g.segment,
    sum(case when c.variable = 'one' then c.coefficient else 0e0 end) as b_one,
    sum(case when c.variable = 'tenure' then c.coefficient else 0e0 end) as b_tenure,
    sum(case when c.variable = 'tenure_squared' then c.coefficient else 0e0 end) as b_tenure_squared,
    sum(case when c.variable = 'seats' then c.coefficient else 0e0 end) as b_seats,
    sum(case when c.variable = 'seats_squared' then c.coefficient else 0e0 end) as b_seats_squared,
    sum(case when c.variable = 'seats_missing' then c.coefficient else 0e0 end) as b_seats_missing,
    sum(case when c.variable = 'mrr' then c.coefficient else 0e0 end) as b_mrr,
    sum(case when c.variable = 'mrr_squared' then c.coefficient else 0e0 end) as b_mrr_squared,
    sum(case when c.variable = 'mrr_missing' then c.coefficient else 0e0 end) as b_mrr_missing,
    sum(case when c.variable = 'renewal_due' then c.coefficient else 0e0 end) as b_renewal_due
  from (select distinct definition, segment from validation.baseline_row) as g
  left join validation.baseline_coefficient as c
    on c.definition = g.definition and (c.segment is null or c.segment = g.segment)
  group by g.definition, g.segment
),
predicted as (
  select
    r.*,
    round(
      f.b_one
      + f.b_tenure * r.log_tenure + f.b_tenure_squared * r.log_tenure * r.log_tenure
      + f.b_seats * r.log_seats + f.b_seats_squared * r.log_seats * r.log_seats + f.b_seats_missing * r.seats_missing
      + f.b_mrr * r.log_mrr + f.b_mrr_squared * r.log_mrr * r.log_mrr + f.b_mrr_missing * r.mrr_missing
      + f.b_renewal_due * case when r.is_renewal_due then 1e0 else 0e0 end,
      8
    ) as predictor
  from validation.baseline_row as r
  inner join formula as f on f.definition = r.definition and f.segment = r.segment
),
counted as (
  select definition, segment, predictor, count(y) as n_labelled
  from predicted
  group by definition, segment, predictor
),
placed as (
  select
    definition,
    segment,
    predictor,
    coalesce(
      sum(n_labelled) over (
        partition by definition, segment order by predictor rows between unbounded preceding and 1 preceding
      ),
      0
    ) as n_below,
    sum(n_labelled) over (partition by definition, segment) as n_all
  from counted
),
binned as (
  -- The number of k in 1 .. bins - 1 whose quantile lies strictly below the predictor: ties share a bin.
  select
    p.definition,
    p.segment,
    p.predictor,
    cast(least(f.bins - 1, (p.n_below * f.bins) // greatest(p.n_all, 1)) as integer) as bin
  from placed as p
  inner join validation.baseline_fit as f on f.definition = p.definition
)
select
  o.account_id,
  o.snapshot_date,
  p.definition,
  cast(
    dense_rank() over (partition by p.definition order by p.block, p.segment, p.is_renewal_due, b.bin) as integer
  ) as stratum,
  p.observation_no,
  p.account_no,
  p.snapshot_no,
  p.block,
  p.segment,
  p.own_segment,
  p.is_renewal_due,
  b.bin,
  p.predictor,
  p.y,
  p.late_y
from predicted as p
inner join binned as b on b.definition = p.definition and b.segment = p.segment and b.predictor = p.predictor
inner join validation.observation as o on o.observation_no = p.observation_no
