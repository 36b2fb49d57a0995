import { literal } from "../warehouse/literal.ts";

/**
 * SQL macros that turn (seed, stream, entity, index) into numbers by md5, so that a book is a function of its seed:
 * the order of rows, the number of threads and the version of the engine change nothing, and drawing one more number
 * in one stream moves no number in another.
 */
export function randomMacros(seed: number): string {
  return `
-- 64 bits of md5; the text is the whole state of the generator.
create macro draw(stream, entity, idx) as
  (md5_number(concat(${literal(`${seed}.`)}, stream, '.', entity, '.', idx)) & 18446744073709551615::uhugeint)::ubigint;
-- Two independent uniforms on [0, 1), from the low and the high half of one draw.
create macro uniform_a(h) as (h & 4294967295::ubigint)::double / 4294967296.0;
create macro uniform_b(h) as (h >> 32)::double / 4294967296.0;
-- A uniform on [0, 1) from some of the bits of a draw.
create macro uniform_bits(h, first_bit, n_values) as ((h >> first_bit) & (n_values - 1)::ubigint)::double / n_values;
-- Two independent standard normals from one draw (Box and Muller 1958), rounded so that sums of them are exact.
create macro normal_a(h) as
  round(10000 * sqrt(-2 * ln(((h & 4294967295::ubigint)::double + 1) / 4294967296.0)) * cos(2 * pi() * uniform_b(h)))::integer;
create macro normal_b(h) as
  round(10000 * sqrt(-2 * ln(((h & 4294967295::ubigint)::double + 1) / 4294967296.0)) * sin(2 * pi() * uniform_b(h)))::integer;
-- The same as doubles.
create macro gauss_a(h) as normal_a(h) / 10000.0;
create macro gauss_b(h) as normal_b(h) / 10000.0;
-- A Poisson count: by inversion up to a mean of 2.5, above it by the square-root normal approximation (Anscombe 1948).
create macro poisson(mean, h) as
  case
    when mean <= 0 then 0
    when mean < 2.5 then
      (uniform_a(h) >= exp(-mean))::integer
      + (uniform_a(h) >= exp(-mean) * (1 + mean))::integer
      + (uniform_a(h) >= exp(-mean) * (1 + mean + mean ** 2 / 2))::integer
      + (uniform_a(h) >= exp(-mean) * (1 + mean + mean ** 2 / 2 + mean ** 3 / 6))::integer
      + (uniform_a(h) >= exp(-mean) * (1 + mean + mean ** 2 / 2 + mean ** 3 / 6 + mean ** 4 / 24))::integer
      + (uniform_a(h) >= exp(-mean) * (1 + mean + mean ** 2 / 2 + mean ** 3 / 6 + mean ** 4 / 24 + mean ** 5 / 120))::integer
    else greatest(0, round((sqrt(mean + 0.125) + gauss_a(h) / 2) ** 2 - 0.25))::integer
  end;
create macro logistic(x) as 1 / (1 + exp(-x));
`;
}
