-- model: validation.bootstrap_weight
-- grain: account_no, replicate
-- depends: validation.observation
-- The Poisson cluster bootstrap: how often an account counts in each of 200 replicates, Poisson with mean 1, one weight for all rows
-- of the account. The uniform number is the first 13 hex digits of md5('<account_id>:<replicate>:1'), so that any engine and
-- language draws the same. Weights of 0 have no row.
with drawn as (
  select
    a.account_no,
    cast(r.replicate as integer) as replicate,
    cast('0x' || substr(md5(a.account_id || ':' || r.replicate || ':1'), 1, 13) as bigint) / 4503599627370496e0 as u
  from (select distinct account_no, account_id from validation.observation) as a
  cross join range(1, 201) as r(replicate)
)
select
  account_no,
  replicate,
  cast(
    case
      when u < 0.7357588823428847e0 then 1
      when u < 0.9196986029286058e0 then 2
      when u < 0.9810118431238462e0 then 3
      when u < 0.9963401531726563e0 then 4
      when u < 0.9994058151824183e0 then 5
      when u < 0.9999167588507119e0 then 6
      when u < 0.9999897508033253e0 then 7
      when u < 0.9999988747974020e0 then 8
      else 9
    end
    as integer
  ) as weight
from drawn
where u >= 0.36787944117144233e0
