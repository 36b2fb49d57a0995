select
  d.definition,
  d.type,
  d.is_primary,
  d.has_outcome,
  cast(greatest(p.reactivation_grace_days, d.silence_days) as integer) as settle_days,
  true as use_tenure,
  true as use_segment,
  false as use_size,
  false as use_renewal_due
from (values ('cancel', 'event', false, true, 0), ('crm', 'account_flag', false, false, 0), ('ends', 'subscription_end', true, true, 0), ('silent', 'inactivity', false, true, 60)) as d(definition, type, is_primary, has_outcome, silence_days)
cross join meta.params as p
