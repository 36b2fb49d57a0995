-- model: validation.score_forecast
-- grain: subject, slice, observation_no
-- depends: validation.score_period, validation.score_probability, validation.score_row
-- Labelled rows out of time with the probability of leaving that stands behind their score: fitted on rows whose outcome was
-- known before the row's period began (validation.score_calibrator). Once for the period and once for the whole part.
with forecast as (
  select
    r.subject, d.period_no, r.observation_no, r.account_no, r.y, p.probability, p.base_rate
  from validation.score_row as r
  inner join validation.score_period as d on d.subject = r.subject and d.block = r.block and d.sample = 'out_of_time'
  inner join validation.score_probability as p
    on p.subject = r.subject and p.period_no = d.period_no and p.hundredth = r.hundredth
  where r.is_out_of_time and r.score is not null
)
select subject, 'out_of_time' as slice, observation_no, account_no, y, probability, base_rate from forecast
union all
select subject, 'out_of_time:' || period_no, observation_no, account_no, y, probability, base_rate from forecast
