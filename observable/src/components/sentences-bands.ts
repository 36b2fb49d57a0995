// What the report says of bands and renewals in words; each sentence has a form for when the answer is not known.

import { type BandStyle, styleOf } from "./bands.js";
import type { DateMark } from "./charts/frame.js";
import { count, date, datesInWords, monthSpan, percent, plural, points, quarters } from "./format.js";
import { list, type Sentence, say } from "./prose.js";
import type {
  BandBefore,
  BandRecovery,
  Capacity,
  Note,
  RenewalBand,
  RenewalMonth,
  RenewalQuarter,
  Scorecard,
  ScorecardState,
} from "./rows.js";
import { assignedCards } from "./sentences.js";

const sameCard = <Row extends { readonly scorecard: string; readonly version: number }>(
  rows: readonly Row[],
  card: Scorecard | undefined,
): readonly Row[] =>
  rows.filter((r) => card !== undefined && r.scorecard === card.scorecard && r.version === card.version);

/**
 * Whether history lets a reader take the colours as foresight: stands wherever colours are counted ahead. Empty when every
 * assigned score ranks leavers.
 */
export function coloursCaveat(states: readonly ScorecardState[], cards: readonly Scorecard[]): Sentence {
  const assigned = assignedCards(cards);
  if (assigned.length === 0) return [];
  const shown = new Set(["works", "no better than the simple one"]);
  const state = (card: Scorecard): string | undefined => sameCard(states, card)[0]?.state;
  const blind = assigned.filter((card) => !shown.has(state(card) ?? ""));
  if (blind.length === 0) return [];
  const whose =
    assigned.length === 1
      ? "this score"
      : blind.length === assigned.length
        ? "these scores"
        : list(blind.map(({ label }) => `"${label}"`));
  return [`History does not show that the colours of ${whose} foresee who leaves.`];
}

/** A scorecard's file may say until when its check holds; whether that day is past is the reader's clock's to say. */
export function signOffSentence(cards: readonly Scorecard[], today: Date): Sentence {
  const now = today.toISOString().slice(0, 10);
  const expired = assignedCards(cards).filter((card) => card.valid_until !== null && card.valid_until <= now);
  return expired.flatMap(
    (card): Sentence => say` The check of "${[card.label]}" expired on ${date(card.valid_until)}: it is due again.`,
  );
}

/** What the colours were before a decision, beside like accounts that stayed. */
export function colourBeforeSentence(rows: readonly BandBefore[], styles: readonly BandStyle[], gap: number): Sentence {
  const riskiest = styleOf(styles, styles[0]?.band ?? "red");
  const days = [...new Set(rows.map((r) => r.days_before))];
  const early = days.includes(gap) ? gap : Math.min(...days.filter((d) => d >= gap), 180);
  const share = (isDeparture: boolean, day: number): number | null => {
    const mine = rows.filter((r) => r.is_departure === isDeparture && r.days_before === day);
    const total = mine[0]?.n_total;
    return total === undefined ? null : (mine.find((r) => r.band === riskiest.band)?.n_cases ?? 0) / total;
  };
  const n = rows.find((r) => r.is_departure)?.n_total;
  if (n === undefined || share(false, early) === null) {
    return say`What colour customers had before they left, beside like ones that stayed, is not known: too few decisions have half a year of scores before them.`;
  }
  return [
    ...say`${percent(share(true, early))} of ${count(n)} customers were ${[riskiest.name]} ${count(early)} days before they decided to leave, against ${percent(share(false, early))} of like customers that stayed`,
    ...say`; at the last reading before the decision it was ${percent(share(true, 0))} against ${percent(share(false, 0))}.`,
  ];
}

/** How many like customers that stayed had the colour too: without it, a count of red leavers says nothing. */
export function besideStayersSentence(
  rows: readonly BandBefore[],
  styles: readonly BandStyle[],
  days: number,
  /** The scorecard is named where accounts have several. */
  { named = null }: { readonly named?: string | null } = {},
): Sentence {
  const riskiest = styleOf(styles, styles[0]?.band ?? "red");
  const at = rows.filter((r) => r.days_before === days);
  const share = (isDeparture: boolean): number | null => {
    const mine = at.filter((r) => r.is_departure === isDeparture);
    const total = mine[0]?.n_total;
    return total === undefined ? null : (mine.find((r) => r.band === riskiest.band)?.n_cases ?? 0) / total;
  };
  const [left, stayed] = [share(true), share(false)];
  const n = at.find((r) => r.is_departure)?.n_total;
  if (left === null || stayed === null || n === undefined) return [];
  const by = named === null ? "" : ` by "${named}"`;
  return say`Over all years${[by]}, ${percent(left)} of ${count(n)} leavers with half a year of scores were ${[riskiest.name]} ${[`${days} days before`]}, and ${percent(stayed)} of like customers (same segment, size and age) that stayed.`;
}

export function capacitySentence(
  rows: readonly Capacity[],
  simple: readonly Capacity[],
  at: number,
  days: { readonly gap: number; readonly horizon: number },
): Sentence {
  const row = rows.find((r) => r.capacity === at);
  if (row === undefined)
    return say`How many leavers a monthly list would have held is not known: too few decisions lie after the scorecard was made.`;
  const beside = simple.find((r) => r.capacity === at);
  const overlap = row.caught_low <= row.chance_share;
  return [
    ...say`A list of the ${count(at)} lowest scores each month would have held ${percent(row.caught_share)} of ${count(row.n_departures)} leavers ${count(days.gap)} to ${count(days.gap + days.horizon)} days before they decided (95 % interval ${percent(row.caught_low)} to ${percent(row.caught_high)})`,
    ...say`; lists drawn by lot ${percent(row.chance_share)}`,
    ...(beside === undefined ? [] : say`, the simple score's ${percent(beside.caught_share)}`),
    overlap ? ". More than chance is not shown." : ".",
  ];
}

export function recoverySentence(
  rows: readonly BandRecovery[],
  card: Scorecard | undefined,
  styles: readonly BandStyle[],
): Sentence {
  const row = sameCard(rows, card)[0];
  const riskiest = styleOf(styles, styles[0]?.band ?? "red").name;
  if (row === undefined || row.recovered_share === null)
    return say`What follows when an account turns ${[riskiest]} is not known yet.`;
  return say`Of ${count(row.n_matured)} times that an account turned ${[riskiest]} and had its time, ${percent(row.recovered_share)} came back to a better band (${percent(row.recovered_low)} to ${percent(row.recovered_high)}) and ${percent(row.left_share)} left (${percent(row.left_low)} to ${percent(row.left_high)})${[row.median_days_red === null ? "" : `; half of the times it lasted ${points(row.median_days_red)} days or less`]}.`;
}

/** Which months hold the most renewals that are at stake. */
export function renewalSentence(rows: readonly RenewalMonth[], minCell: number): Sentence {
  const months = [...new Set(rows.map((r) => r.from_month))].map((from) => rows.filter((r) => r.from_month === from));
  if (months.length === 0) return say`Fewer than ${count(minCell)} renewals are known for the next twelve months.`;
  const money = (month: readonly RenewalMonth[]): number => month.reduce((sum, r) => sum + r.mrr_minor, 0);
  const weight = (month: readonly RenewalMonth[]): number => money(month) || (month[0]?.n_total ?? 0);
  const total = months.reduce((sum, month) => sum + weight(month), 0);
  const n = months.reduce((sum, month) => sum + (month[0]?.n_total ?? 0), 0);
  const largest = [...months].sort((a, b) => weight(b) - weight(a))[0] as readonly RenewalMonth[];
  const [first] = largest;
  return say`${plural(n, "account")} come up for renewal in the next twelve months; the heaviest month is ${monthSpan(first?.from_month ?? "", first?.to_month ?? "")}, with ${percent(weight(largest) / Math.max(1, total))} of the ${[months.some((m) => money(m) > 0) ? "money" : "accounts"]}.`;
}

export function renewalQuarterSentence(rows: readonly RenewalQuarter[], minCell: number): Sentence {
  const newest = rows.at(-1);
  if (newest === undefined) return say`No quarter has ${count(minCell)} renewals that came due and are settled.`;
  const span = quarters(newest.quarter_from, newest.quarter_to);
  const head = say`Of ${plural(newest.n_accounts, "account")} whose renewal came due in ${span} and is settled, ${percent(newest.kept_rate)} stayed (95 % interval ${percent(newest.rate_low)} to ${percent(newest.rate_high)})`;
  const money: Sentence =
    newest.gross_rate === null
      ? ["."]
      : say`, with ${percent(newest.gross_rate)} of their money before expansion and ${percent(newest.net_rate)} after.`;
  return [...head, ...money];
}

export function renewalBandSentence(rows: readonly RenewalBand[], styles: readonly BandStyle[]): Sentence {
  const [risky] = rows.filter((r) => r.band !== "unknown");
  const healthy = rows.filter((r) => r.band !== "unknown").at(-1);
  if (risky === undefined || healthy === undefined || risky === healthy)
    return say`How renewals went by band is not known yet: too few came due in the last twelve months.`;
  const name = (row: RenewalBand): string => styleOf(styles, row.band).name;
  const decided = risky.n_decided;
  const overlap = risky.rate_high >= healthy.rate_low;
  return [
    ...say`Of renewals that came due from ${date(risky.first_on)} to ${date(risky.last_on)}, ${percent(risky.kept_rate)} of accounts that were ${[name(risky)]} 90 days before stayed, against ${percent(healthy.kept_rate)} of ${[name(healthy)]} ones`,
    overlap ? "; the intervals overlap, so the bands are not shown to differ." : ".",
    ...(decided > 0
      ? say` ${plural(decided, "account")} had given notice by then and are left out: their colour foresees nothing.`
      : []),
  ];
}

/** Notes within the dates of a chart: numbered marks for it, and the words below it. More than nine would be a fence. */
export function noteMarks(
  notes: readonly Note[],
  dates: readonly string[],
): { readonly marks: readonly DateMark[]; readonly words: string } {
  const [first, last] = [dates[0] ?? "", dates.at(-1) ?? ""];
  const shown = notes.filter(({ noted_on: on }) => on > first && on <= last).slice(-9);
  return {
    marks: shown.map(({ noted_on }, i) => ({ on: noted_on, label: String(i + 1) })),
    words: shown.map(({ noted_on, label }, i) => `${i + 1}, ${date(noted_on)}: ${datesInWords(label)}.`).join(" "),
  };
}

/** "red 5.2 %, yellow 49 %": a distribution as a text alternative. */
export const sharesInWords = (
  rows: readonly { readonly band: string; readonly share: number }[],
  styles: readonly BandStyle[],
): string => list(rows.map((r) => `${styleOf(styles, r.band).name} ${percent(r.share)}`));
