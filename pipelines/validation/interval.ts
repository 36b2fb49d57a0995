/**
 * An interval of A on the logit scale, expit(logit A +- z se / (A (1 - A))), so that it stays within 0 and 1. `centre` is
 * A, or the shrunk A of a perfect separator. Null in, null out. z is 1.96 for 95 %, 1.645 for 90 %.
 */
export function aucInterval(
  centre: number | null,
  se: number | null,
  z = 1.959963984540054,
): { readonly low: number | null; readonly high: number | null } {
  if (centre === null || se === null || centre <= 0 || centre >= 1) return { low: null, high: null };
  const logit = Math.log(centre / (1 - centre));
  const half = (z * se) / (centre * (1 - centre));
  const expit = (x: number) => 1 / (1 + Math.exp(-x));
  return { low: expit(logit - half), high: expit(logit + half) };
}
