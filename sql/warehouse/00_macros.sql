-- Macros that compiled statements rely on: load this file first in a plain DuckDB shell. Sorted by name.

-- Trino's bitwise_and and bitwise_or_agg, of bigints, in the statements that both engines run.
create or replace macro bitwise_and(a, b) as (a) & (b);
create or replace macro bitwise_or_agg(x) as bit_or(x);

-- Trino's date_add, for dates and days only, in the statements that both engines run. It hides DuckDB's own date_add.
create or replace macro date_add(unit, n, day) as case unit when 'day' then day + cast(n as integer) end;

-- Integer division, rounded to the nearest whole number, halves away from zero. d > 0.
create or replace macro divide_half_up(n, d) as (2 * (n) + sign(n) * (d)) // (2 * (d));

-- As exact_sum, faster, for terms between -999 and 999: each is rounded to 15 decimals first.
create or replace macro exact_share_sum(x) as cast(sum(cast(x as decimal(18, 15))) as double);

-- A sum of doubles that is the same on any number of threads: each term is rounded to 20 decimals first. Terms below 1e18.
create or replace macro exact_sum(x) as cast(sum(cast(x as decimal(38, 20))) as double);

-- As from_millionths, faster, for fewer than 10^12 of them.
create or replace macro from_few_millionths(n) as cast(n as decimal(12, 0)) * cast(0.000001 as decimal(6, 6));

-- A whole number of millionths as a decimal of six digits.
create or replace macro from_millionths(n) as cast(cast(n as decimal(18, 0)) * 0.000001 as decimal(18, 6));

-- Integer division, rounded to the nearest whole number, halves upwards. n >= 0, d > 0.
create or replace macro half_up(n, d) as (2 * (n) + (d)) // (2 * (d));

-- x, or the limit that it lies beyond; null stays null, where least and greatest alone would make it a limit.
create or replace macro held_between(x, low, high) as case when x is not null then least(greatest(x, low), high) end;

-- Numbers of groups for counts in their order, each group of at least `least_count`: a small one goes together with those after it, what is
-- left at the end with the group before it. adds: a group's count is the sum of its parts', else the largest of them (accounts
-- that may be in several parts). One group when all of them are too few.
create or replace macro merged_groups(counts, least_count, adds) as
  list_transform(
    [
      list_reduce(
        list_transform(counts, lambda n: {'groups': [1], 'no': 1, 'n': cast(n as bigint)}),
        lambda a, b: case
          when a.n >= least_count then {'groups': list_append(a.groups, a.no + 1), 'no': a.no + 1, 'n': b.n}
          else {'groups': list_append(a.groups, a.no), 'no': a.no, 'n': case when adds then a.n + b.n else greatest(a.n, b.n) end}
        end
      )
    ],
    lambda r: list_transform(r.groups, lambda g: case when r.n < least_count and g = r.no and g > 1 then g - 1 else g end)
  )[1];

-- A decimal of six digits as a whole number of millionths, for every value that decimal(18, 6) holds.
create or replace macro millionths(x) as
  cast(trunc(x) as bigint) * 1000000 + cast((x - trunc(x)) * 1000000 as bigint);

-- Inverse of the standard normal distribution function, 0 < p < 1; relative error about 1e-15 (Wichura 1988, AS 241).
create or replace macro normal_quantile(p) as
  case
    when p is null or p <= 0 or p >= 1 then null
    when abs(p - 0.5e0) <= 0.425e0 then
      (p - 0.5e0)
      * (((((((((0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) * 2509.0809287301226727e0 + 33430.575583588128105e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 67265.770927008700853e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 45921.953931549871457e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 13731.693765509461125e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 1971.5909503065514427e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 133.14166789178437745e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 3.387132872796366608e0))
      / (((((((((0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) * 5226.495278852545925e0 + 28729.085735721942674e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 39307.89580009271061e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 21213.794301586595867e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 5394.1960214247511077e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 687.1870074920579083e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 42.313330701600911252e0)
        * (0.180625e0 - (p - 0.5e0) * (p - 0.5e0)) + 1e0))
    else
      sign(p - 0.5e0)
      * case
        when sqrt(-ln(least(p, 1e0 - p))) <= 5e0 then
          normal_tail_middle(sqrt(-ln(least(p, 1e0 - p))) - 1.6e0)
        else normal_tail_far(sqrt(-ln(least(p, 1e0 - p))) - 5e0)
      end
  end;

-- The far tail of normal_quantile: r is sqrt(-ln p) - 5.
create or replace macro normal_tail_far(r) as
  (((((((r * 2.01033439929228813265e-7 + 2.71155556874348757815e-5) * r + 0.0012426609473880784386e0) * r
    + 0.026532189526576123093e0) * r + 0.29656057182850489123e0) * r + 1.7848265399172913358e0) * r
    + 5.4637849111641143699e0) * r + 6.6579046435011037772e0)
  / (((((((r * 2.04426310338993978564e-15 + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r
    + 7.868691311456132591e-4) * r + 0.0148753612908506148525e0) * r + 0.13692988092273580531e0) * r
    + 0.59983220655588793769e0) * r + 1e0);

-- The near tail of normal_quantile: r is sqrt(-ln p) - 1.6.
create or replace macro normal_tail_middle(r) as
  (((((((r * 7.7454501427834140764e-4 + 0.0227238449892691845833e0) * r + 0.24178072517745061177e0) * r
    + 1.27045825245236838258e0) * r + 3.64784832476320460504e0) * r + 5.7694972214606914055e0) * r
    + 4.6303378461565452959e0) * r + 1.42343711074968357734e0)
  / (((((((r * 1.05075007164441684324e-9 + 5.475938084995344946e-4) * r + 0.0151986665636164571966e0) * r
    + 0.14810397642748007459e0) * r + 0.68976733498510000455e0) * r + 1.6763848301838038494e0) * r
    + 2.05319162663775882187e0) * r + 1e0);

-- x where at least `least_count` stand behind it, else null: a figure made of fewer would be somebody's own.
create or replace macro of_enough(x, n, least_count) as case when n >= least_count then x end;

-- Trino's sequence of integers, both ends included: from unnest(sequence(0, 9)) as t(n).
create or replace macro sequence(first, last) as generate_series(first, last);

-- A sum of values of any size: as exact_sum below a thousand million, with compensated rounding errors from there.
create or replace macro steady_sum(x) as
  exact_sum(case when abs(x) >= 1e9 then 0e0 else x end) + fsum(case when abs(x) >= 1e9 then x else 0e0 end);

-- As exact_share_sum, as a decimal for further sums; 0 of none.
create or replace macro sum_of_shares(x) as
  cast(coalesce(sum(cast(x as decimal(18, 15))), 0) as decimal(18, 15));

-- Rounds to 12 significant digits, the precision in which statistics are stored.
create or replace macro twelve_digits(x) as
  case when x = 0 then 0e0 else round(x, 11 - cast(floor(log10(abs(x))) as integer)) end;

-- Rounds to two significant digits: bounds that readers see.
create or replace macro two_digits(x) as
  case when x = 0 then 0e0 else round(x, 1 - cast(floor(log10(abs(x))) as integer)) end;

-- Upper end of Wilson's 95 % interval of a share p among n (n may be an effective number, with decimals). Null in, null out.
create or replace macro wilson_high(p, n) as
  held_between(
    (p + 1.9207294103470627e0 / n + 1.959963984540054e0 * sqrt(greatest(0e0, p * (1e0 - p) / n + 0.9603647051735313e0 / (n * n))))
    / (1e0 + 3.8414588206941254e0 / n),
    0e0,
    1e0
  );

-- Lower end of Wilson's 95 % interval of a share p among n. Null in, null out.
create or replace macro wilson_low(p, n) as
  held_between(
    (p + 1.9207294103470627e0 / n - 1.959963984540054e0 * sqrt(greatest(0e0, p * (1e0 - p) / n + 0.9603647051735313e0 / (n * n))))
    / (1e0 + 3.8414588206941254e0 / n),
    0e0,
    1e0
  );
