-- model: marts.cltv
-- grain: account_id
-- depends: staging.invoice
-- params: as_of
-- audits: unique(account_id)
-- What an account has paid so far: invoices that were visible and paid before as_of, in minor units of the book's currency.
-- It says nothing of what will be paid. Money without a rate is null and counted in n_unpriced; place 1 has paid the most.
with paid as (
  select
    i.account_id,
    cast(sum(i.amount_minor) as bigint) as paid_minor,
    count(*) as n_paid,
    count(*) - count(i.amount_minor) as n_unpriced,
    min(i.paid_on) as first_paid_on,
    max(i.paid_on) as last_paid_on
  from staging.invoice as i
  cross join meta.params as p
  where i.account_id is not null and i.visible_on <= p.as_of and (i.superseded_on is null or p.as_of < i.superseded_on)
    and i.paid_on < p.as_of
  group by i.account_id
)
select
  account_id,
  paid_minor,
  n_paid,
  n_unpriced,
  first_paid_on,
  last_paid_on,
  cast(row_number() over (order by paid_minor desc nulls last, account_id) as integer) as place,
  cast(count(*) over () as integer) as n_accounts
from paid
