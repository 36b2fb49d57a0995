-- model: marts.account_shard
-- grain: account_id
-- depends: marts.hierarchy, spine.account_period, validation.surprise
-- params: as_of
-- audits: unique(account_id); not_null(shard)
-- The accounts that have a page, and the file that holds it: whoever paid in the last 365 days, surprised, or has accounts below it. The file
-- follows from the id alone (the characters of its UTF-8 bytes in hex, folded with 31 modulo 65521, modulo n_shards), so that a browser finds
-- it without a list. n_shards: a power of two with about 32 accounts a file.
with wanted as (
  select e.account_id
  from spine.account_period as e
  cross join meta.params as p
  where e.ended_on is null or e.ended_on > p.as_of - 365
  union
  select account_id from validation.surprise
  union
  select account_id from marts.hierarchy
),
sized as (
  select cast(least(1024, 2 ** ceil(log2(greatest(1, count(*) / 32e0)))) as integer) as n_shards from wanted
)
select
  w.account_id,
  cast(
    list_reduce(
      list_transform(string_split(hex(w.account_id), ''), lambda c: cast(ascii(c) as bigint)),
      lambda h, c: (h * 31 + c) % 65521
    ) % s.n_shards as integer
  ) as shard,
  s.n_shards
from wanted as w
cross join sized as s
where w.account_id <> ''
