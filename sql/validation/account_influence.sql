-- model: validation.account_influence
-- kind: view
-- grain: kpi, definition, statistic, account_id
-- depends: validation.kpi_influence, validation.observation
-- psi: an account's share in A - 1/2's sampling error. Var(A) = I/(I-1) sum psi^2, and the variance of a difference of two
-- statistics is the sum of squared differences of their psi's.
select i.subject as kpi, i.definition, i.statistic, a.account_id, i.psi
from validation.kpi_influence as i
inner join (select distinct account_no, account_id from validation.observation) as a on a.account_no = i.account_no
where i.statistic in ('main', 'crude', 'late', 'missing', 'half_1', 'half_2')
