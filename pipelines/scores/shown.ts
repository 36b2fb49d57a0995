/** Millionths as readers see them, with one digit, and lists that still add up when they are shown like that. */

/** A score or a contribution with one digit, halves away from zero: 47826087n -> "47.8". */
export function shownTenths(millionths: bigint): string {
  const tenths = toTenths(millionths);
  const magnitude = tenths < 0n ? -tenths : tenths;
  return `${tenths < 0n ? "-" : ""}${magnitude / 10n}.${magnitude % 10n}`;
}

/** With its sign; nothing has none. */
export const signedTenths = (millionths: bigint): string =>
  toTenths(millionths) > 0n ? `+${shownTenths(millionths)}` : shownTenths(millionths);

export function toTenths(millionths: bigint): bigint {
  const magnitude = ((millionths < 0n ? -millionths : millionths) + 50_000n) / 100_000n;
  return millionths < 0n ? -magnitude : magnitude;
}

/**
 * What the rounding of each line to one digit takes from a total that is shown with one digit too, in millionths; 0 when
 * the shown lines add up to the shown total.
 */
export const lostInShowing = (lines: readonly bigint[], totalTenths: bigint): bigint =>
  (totalTenths - lines.reduce((all, line) => all + toTenths(line), 0n)) * 100_000n;
