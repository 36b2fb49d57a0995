select
  "row".account_id,
  "row".snapshot_date,
  case
    when (
      case
        when raw.nps__rows = 0 then 'not_applicable'
        when (
          raw.nps is null
          and raw.nps__rows > 0
        ) then 'unanswered'
      end is null
      and isfinite(cast(coalesce(raw.nps, 0) as double precision))
    ) then cast(coalesce(raw.nps, 0) as double precision)
  end as nps
from
  spine.account_snapshot as "row"
  inner join features.survey_response_window as raw on raw.account_id = "row".account_id
  and raw.snapshot_date = "row".snapshot_date
order by
  "row".account_id,
  "row".snapshot_date
