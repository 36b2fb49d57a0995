-- model: validation.kpi_statistic
-- grain: kpi, definition
-- depends: features.kpi_definition, validation.baseline_audit, validation.definition, validation.kpi_auc,
--   validation.kpi_coverage, validation.kpi_difference, validation.kpi_fifth, validation.kpi_lens, validation.kpi_shape,
--   validation.kpi_side_auc, validation.period, validation.stratum
-- audits: unique(kpi, definition)
-- Everything that the rules of a verdict read, one row a KPI and definition. p-values follow in validation.kpi_test. Halves
-- count only where 25 churned accounts have a value in each.
with statistic as (
  select
    definition,
    subject as kpi,
    max(case when statistic = 'main' then auc end) as auc,
    max(case when statistic = 'main' then se end) as auc_se,
    max(case when statistic = 'main' then z end) as z,
    max(case when statistic = 'main' then centre end) as centre,
    max(case when statistic = 'main' then tied end) as tied,
    max(case when statistic = 'main' then n_accounts end) as n_accounts,
    max(case when statistic = 'main' then n_churned end) as n_churned,
    max(case when statistic = 'main' then n_staying end) as n_staying,
    max(case when statistic = 'main' then n_event_rows end) as n_event_rows,
    max(case when statistic = 'crude' then auc end) as crude_auc,
    max(case when statistic = 'crude' then z end) as crude_z,
    max(case when statistic = 'late' then auc end) as late_auc,
    max(case when statistic = 'late' then z end) as late_z,
    max(case when statistic = 'late' then n_churned end) as late_churned,
    max(case when statistic = 'missing' then auc end) as missing_auc,
    max(case when statistic = 'missing' then z end) as missing_z,
    max(case when statistic = 'half_1' then auc end) as half_1_auc,
    max(case when statistic = 'half_1' then se end) as half_1_se,
    max(case when statistic = 'half_2' then auc end) as half_2_auc,
    max(case when statistic = 'half_2' then se end) as half_2_se,
    max(case when statistic = 'half_2' then z end) as half_2_z,
    coalesce(
      max(case when statistic = 'half_1' then n_churned end) >= 25
      and max(case when statistic = 'half_2' then n_churned end) >= 25,
      false
    ) as has_halves
  from validation.kpi_auc
  where statistic in ('main', 'crude', 'late', 'missing', 'half_1', 'half_2')
  group by definition, subject
),
sides as (
  select
    definition,
    subject as kpi,
    max(case when statistic = 'left_30' then z end) as left_30_z,
    max(case when statistic = 'right_30' then z end) as right_30_z,
    max(case when statistic = 'left_50' then z end) as left_50_z,
    max(case when statistic = 'right_50' then z end) as right_50_z,
    max(case when statistic = 'left_70' then z end) as left_70_z,
    max(case when statistic = 'right_70' then z end) as right_70_z
  from validation.kpi_side_auc
  group by definition, subject
),
split as (
  select definition, max(split_on) as split_on from validation.period group by definition
),
label as (
  select definition, count(y) as n_labelled, coalesce(sum(y), 0) as n_event_labels
  from validation.stratum
  group by definition
)
select
  k.id as kpi,
  d.definition,
  d.is_primary,
  cast(coalesce(l.n_labelled, 0) as bigint) as n_labelled,
  cast(coalesce(l.n_event_labels, 0) as bigint) as n_event_labels,
  a.knows_outcome,
  a.baseline_auc,
  coalesce(s.n_accounts, 0) as n_accounts,
  coalesce(s.n_churned, 0) as n_churned,
  coalesce(s.n_staying, 0) as n_staying,
  c.coverage,
  c.modal_value,
  c.modal_share,
  c.n_distinct,
  c.lowest_value,
  c.lowest_share,
  c.spearman_tenure,
  twelve_digits(s.n_event_rows / nullif(cast(c.n_valued_events as double), 0e0)) as overlap,
  s.auc,
  s.auc_se,
  s.z,
  s.centre,
  s.tied,
  s.crude_auc,
  s.crude_z,
  twelve_digits(
    (abs(s.crude_auc - 0.5e0) - sign(s.crude_auc - 0.5e0) * (s.auc - 0.5e0)) / nullif(f.crude_se, 0e0)
  ) as crude_difference_z,
  s.late_auc,
  s.late_z,
  s.late_churned,
  s.missing_auc,
  s.missing_z,
  case when s.has_halves then s.half_1_auc end as half_1_auc,
  case when s.has_halves then s.half_1_se end as half_1_se,
  case when s.has_halves then s.half_2_auc end as half_2_auc,
  case when s.has_halves then s.half_2_se end as half_2_se,
  case when s.has_halves then s.half_2_z end as half_2_z,
  case
    when s.has_halves then twelve_digits((s.half_1_auc - s.half_2_auc) / nullif(f.halves_se, 0e0))
  end as halves_z,
  p.split_on,
  h.chi2 as shape_chi2,
  h.df as shape_df,
  h.p as shape_p,
  t.left_30_z,
  t.right_30_z,
  t.left_50_z,
  t.right_50_z,
  t.left_70_z,
  t.right_70_z,
  z.z_logit,
  r.rate,
  r.rate_low_fifth,
  r.rate_middle,
  r.rate_high_fifth,
  r.rate_unanswered,
  r.rate_answered
from validation.definition as d
cross join features.kpi_definition as k
left join label as l on l.definition = d.definition
left join validation.baseline_audit as a on a.definition = d.definition
left join split as p on p.definition = d.definition
left join statistic as s on s.definition = d.definition and s.kpi = k.id
left join sides as t on t.definition = d.definition and t.kpi = k.id
left join validation.kpi_coverage as c on c.definition = d.definition and c.kpi = k.id
left join validation.kpi_difference as f on f.definition = d.definition and f.kpi = k.id
left join validation.kpi_shape as h on h.definition = d.definition and h.kpi = k.id
left join validation.kpi_lens as z on z.definition = d.definition and z.kpi = k.id
left join validation.kpi_fifth as r on r.definition = d.definition and r.kpi = k.id
where d.has_outcome
