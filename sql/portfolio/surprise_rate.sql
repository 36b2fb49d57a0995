-- model: marts.surprise_rate
-- kind: view
-- grain: kind
-- depends: validation.surprise_rate
-- How often the score in force is surprised, with what people answered (validation.surprise_rate).
select
  kind, n_asked, n, n_answered, n_counted, share, share_low, share_high, counted_share, counted_low, counted_high, money,
  n_meetings, n_meetings_with_them
from validation.surprise_rate
