-- model: validation.kpi_ranking
-- grain: definition_no, series_no, kind, place
-- depends: features.kpi_definition, validation.kpi_account, validation.ranked_row
-- The statistics of validation.kpi_account by name: main, missing, half_1, half_2, period_<no>, segment_<name>, late, crude.
with found as (
  select distinct definition_no, series_no, kind, place from validation.kpi_account
)
select
  f.definition_no,
  f.series_no,
  f.kind,
  f.place,
  d.definition,
  k.id as subject,
  case f.kind
    when 0 then case when f.series_no > 0 then 'main' else 'missing' end
    when 1 then 'half_' || f.place
    when 2 then 'period_' || f.place
    when 3 then 'segment_' || s.segment
    when 4 then 'late'
    else 'crude'
  end as statistic
from found as f
inner join features.kpi_definition as k on k.kpi_no = abs(f.series_no)
inner join (select distinct definition_no, definition from validation.ranked_row) as d on d.definition_no = f.definition_no
left join (select distinct segment_no, segment from validation.ranked_row) as s on s.segment_no = f.place and f.kind = 3
