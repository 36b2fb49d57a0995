// The only place where a number, date or absence becomes text. "not enough data" stands for every missing number.

export const missing = "not enough data";

type Maybe = number | null | undefined;

const known = (value: Maybe): value is number => typeof value === "number" && Number.isFinite(value);

const group = (digits: number): Intl.NumberFormat =>
  new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const whole = group(0);
const tenth = group(1);

/** 1,234. */
export const count = (value: Maybe): string => (known(value) ? whole.format(value) : missing);

/** 4.1 %, from a rate of 0 to 1; whole per cents from 10 % on. */
export function percent(rate: Maybe): string {
  if (!known(rate)) return missing;
  const value = rate * 100;
  if (value > 0 && value < 0.05) return "under 0.1 %";
  return `${value === 0 || Math.abs(value) >= 9.95 ? whole.format(value) : tenth.format(value)} %`;
}

/** 13.1 %: where all shares of one whole stand in a sentence and readers add them up. */
export const percentPart = (rate: Maybe): string => (known(rate) ? `${tenth.format(rate * 100)} %` : missing);

/** 2 %, 2.5 %: for axes, where a trailing zero is noise. */
export const percentTick = (rate: number): string => `${Number((rate * 100).toFixed(1))} %`;

/** 58: of 100 pairs, from an area under the curve; always the side above 50. */
export const pairs = (auc: Maybe): string => (known(auc) ? whole.format(100 * (0.5 + Math.abs(auc - 0.5))) : missing);

/** 58.3, on the axis where 50 is a coin toss and below it leavers had less. */
export const onHundred = (auc: Maybe): string => (known(auc) ? tenth.format(100 * auc) : missing);

/** +1.2, -0.4: a difference of two areas under the curve, in pairs of 100. */
export const signedPairs = (difference: Maybe): string =>
  known(difference) ? `${difference > 0 ? "+" : ""}${tenth.format(100 * difference)}`.replace("-0.0", "0.0") : missing;

/** 1.42: a ratio. */
export const times = (ratio: Maybe): string => (known(ratio) ? group(ratio < 9.95 ? 2 : 0).format(ratio) : missing);

/** 12.5, without trailing zeros: scores' points. */
export const points = (value: Maybe): string =>
  known(value) ? new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 }).format(value) : missing;

/** A bound of a value range as it is: 0.034, 1,200, 27. */
export const bound = (value: Maybe): string =>
  known(value) ? new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6 }).format(value) : missing;

const symbols: Readonly<Record<string, string>> = { USD: "$", EUR: "€", GBP: "£", JPY: "¥" };

/** Minor units in dollars, euros or yen, by the decimals that the currency has. */
export const inMajor = (minor: number, currency: string): number =>
  minor /
  10 ** (new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2);

/** $12.3k, from integer minor units (cents; yen have none). */
export function money(minor: Maybe, currency: string): string {
  if (!known(minor)) return missing;
  const value = inMajor(minor, currency);
  const size = Math.abs(value);
  const [scaled, suffix] = size >= 999_500 ? [value / 1e6, "M"] : size >= 999.5 ? [value / 1e3, "k"] : [value, ""];
  const digits = suffix !== "" && Math.abs(scaled) < 99.95 ? tenth : whole;
  const text = `${digits.format(Math.abs(scaled))}${suffix}`;
  const symbol = symbols[currency];
  return `${scaled < 0 ? "-" : ""}${symbol === undefined ? `${text} ${currency}` : `${symbol}${text}`}`;
}

/** $70k, $2.5M: for axes, where a trailing zero is noise. */
export const moneyTick = (minor: number, currency: string): string => money(minor, currency).replace(/\.0(?=[kM])/, "");

/** Midnight UTC of an ISO date. */
export const toDate = (iso: string): Date => new Date(`${iso.slice(0, 10)}T00:00:00Z`);

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

const fullMonths = "January February March April May June July August September October November December".split(" ");

const dayOf = (iso: string | null | undefined, names: readonly string[]): string => {
  if (iso === null || iso === undefined || iso === "") return "no date";
  const d = toDate(iso);
  return `${d.getUTCDate()} ${names[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
};

/** 3 October 2025: in sentences. */
export const date = (iso: string | null | undefined): string => dayOf(iso, fullMonths);

/** 3 Oct 2025: in tables. */
export const shortDate = (iso: string | null | undefined): string => dayOf(iso, months);

/** A text that somebody wrote, its ISO dates as the sentences around it write theirs. */
export const datesInWords = (text: string): string =>
  text.replace(/\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b/g, (iso) => date(iso));

/** Oct 2025. */
export function month(iso: string): string {
  const d = toDate(iso);
  return `${months[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
}

/** Oct 2025, or Oct to Dec 2025 when months are merged; `short` drops the year. */
export function monthSpan(from: string, to: string, short = false): string {
  const a = toDate(from);
  const b = toDate(to);
  const name = (d: Date, year: boolean): string =>
    `${months[d.getUTCMonth()]}${year ? ` ${short ? String(d.getUTCFullYear()).slice(2) : d.getUTCFullYear()}` : ""}`;
  if (a.getTime() === b.getTime()) return name(a, true);
  return `${name(a, a.getUTCFullYear() !== b.getUTCFullYear())} to ${name(b, true)}`;
}

/** 2025 Q1, or 2025 Q1 to 2025 Q3 for merged quarters; `end` is exclusive. */
export function quarters(from: string, end: string): string {
  const name = (d: Date): string => `${d.getUTCFullYear()} Q${Math.floor(d.getUTCMonth() / 3) + 1}`;
  const first = toDate(from);
  const last = new Date(toDate(end).getTime() - 86_400_000);
  return name(first) === name(last) ? name(first) : `${name(first)} to ${name(last)}`;
}

/** Whole days between two dates. */
export const daysBetween = (from: string, to: string): number =>
  Math.round((toDate(to).getTime() - toDate(from).getTime()) / 86_400_000);

/** "1 account", "2 accounts". */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;
