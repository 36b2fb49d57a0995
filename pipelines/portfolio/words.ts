/** What came after plays, in words that claim no more than that. */
import type { Query } from "../warehouse/database.ts";

export interface PlayAfter {
  readonly play: string;
  readonly band: string;
  readonly days: number;
  readonly measure: "left" | "better";
  readonly n_plays: number;
  readonly n_matched: number;
  readonly n_accounts: number;
  readonly n_like: number;
  readonly played_rate: number;
  readonly played_low: number;
  readonly played_high: number;
  readonly like_rate: number;
  readonly difference: number;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

export const readPlayAfter = (query: Query): Promise<readonly PlayAfter[]> =>
  query<PlayAfter>(
    "select * from marts.play_after order by play <> 'all', play, band <> 'all', band, measure desc, days",
  );

const percent = (rate: number): string => `${Math.round(rate * 100)} %`;
const signed = (rate: number): string => `${rate < 0 ? "-" : "+"}${Math.abs(Math.round(rate * 100))}`;

/** "In the 90 days after 283 plays (253 accounts) 18 % had decided to leave (14 % to 23 %); of 2147 like accounts without one 4 %: 13 points more (9 to 18)." */
export function afterInWords(row: PlayAfter): string {
  const what = row.measure === "left" ? "decided to leave" : "were in a better band at their end";
  const name = row.play === "all" ? "plays" : `plays '${row.play}'`;
  const where = row.band === "all" ? "" : ` begun in band ${row.band}`;
  const interval =
    row.difference_low === null || row.difference_high === null
      ? "no interval"
      : `${signed(row.difference_low)} to ${signed(row.difference_high)}`;
  return (
    `In the ${row.days} days that came after ${row.n_matched} ${name}${where} (${row.n_accounts} accounts), ${percent(row.played_rate)} ` +
    `(${percent(row.played_low)} to ${percent(row.played_high)}) ${what}; of ${row.n_like} like accounts without one at the same date ` +
    `${percent(row.like_rate)}: difference ${signed(row.difference)} points (${interval}).`
  );
}

/** Stands wherever the numbers stand. */
export const afterCaveat =
  "This is what came after, not what the plays did: they go to accounts that somebody worried about, for reasons that no export holds.";
