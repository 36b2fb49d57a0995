/** How sentences to readers write what tables hold in codes. */

const months = "January February March April May June July August September October November December".split(" ");

/** A date within a sentence: 1 March 2025. */
export function dateInWords(iso: string): string {
  const [year, month, day] = iso.slice(0, 10).split("-").map(Number) as [number, number, number];
  return `${day} ${months[month - 1]} ${year}`;
}
