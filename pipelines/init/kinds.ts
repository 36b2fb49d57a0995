/** From the counts of a column to what it holds, and to how a book says so. */
import { currencySigns, type Profile } from "./profile.ts";

/** How numbers are written, as `number:` says it; null where as 1234.56. */
export interface NumberWriting {
  readonly decimal?: ",";
  readonly thousands?: "," | "." | " " | "'";
  readonly strip?: readonly string[];
  readonly parentheses?: true;
}

/** How times are written, as a column's options say it. */
export interface TimeWriting {
  readonly unit?: "s" | "ms" | "us";
  readonly format?: string | readonly string[];
  /** Dates without a time of day. */
  readonly isDay: boolean;
  /** The texts say how far they are from UTC. */
  readonly isZoned: boolean;
  /** Day and month could stand the other way round: no value tells. */
  readonly isUnsure: boolean;
}

export interface Kind {
  readonly time: TimeWriting | null;
  readonly number: NumberWriting | null;
  readonly isNumber: boolean;
  readonly isInteger: boolean;
  readonly isBoolean: boolean;
  readonly isEmail: boolean;
  readonly isDomain: boolean;
  readonly isJson: boolean;
  /** May name something: neither a number with decimals nor a time, nor a long text. */
  readonly isId: boolean;
  readonly isUnique: boolean;
  readonly isEmpty: boolean;
  /** A handful of values that repeat. */
  readonly isCategory: boolean;
  readonly currency: string | null;
}

const nearlyAll = 0.95;

/** What a column holds. Where values disagree, what nearly all of them are. */
export function kindOf(profile: Profile): Kind {
  const { filled } = profile;
  const share = (n: number): number => (filled === 0 ? 0 : n / filled);
  const time = timeOf(profile);
  const plain = share(profile.integer + profile.decimalPoint);
  const written = Math.max(
    plain,
    share(profile.decimalComma + profile.integer + profile.thousandsDot),
    share(profile.thousandsComma + profile.integer + profile.decimalPoint),
    share(profile.thousandsSpace + profile.integer + profile.decimalComma + profile.decimalPoint),
    share(profile.thousandsQuote + profile.integer + profile.decimalPoint),
    share(profile.currency),
    share(profile.percent),
    share(profile.parentheses + profile.integer + profile.decimalPoint + profile.currency),
  );
  const isNumber = written >= nearlyAll && !(time !== null && profile.isoDate + profile.isoTime + profile.slashed > 0);
  const isInteger = share(profile.integer) >= nearlyAll;
  const isJson = share(profile.json) >= nearlyAll;
  const isTime = time !== null && time.unit === undefined;
  return {
    time,
    number: isNumber ? numberOf(profile) : null,
    isNumber,
    isInteger,
    isBoolean: filled > 0 && profile.boolean === filled && profile.distinct <= 2,
    isEmail: share(profile.email) >= 0.8,
    isDomain: share(profile.domain) >= 0.8 && share(profile.email) < 0.1,
    isJson,
    isId:
      filled > 0 &&
      !isJson &&
      !isTime &&
      profile.longest <= 100 &&
      (isInteger || plain < 0.5) &&
      !(isNumber && !isInteger),
    isUnique: filled > 0 && profile.distinct === filled,
    isEmpty: filled === 0,
    isCategory:
      profile.distinct >= 2 && profile.distinct <= 12 && filled >= 3 * profile.distinct && profile.longest <= 60,
    currency: currencyOf(profile),
  };
}

const signs: Readonly<Record<string, string>> = {
  $: "USD",
  US$: "USD",
  R$: "BRL",
  "€": "EUR",
  "£": "GBP",
  "¥": "JPY",
  "₹": "INR",
  zł: "PLN",
};
const anySign = new RegExp(currencySigns);
const affixes = new RegExp(`${currencySigns}|%|^[A-Z]{3}(?= )|(?<= )[A-Z]{3}$`, "g");

function currencyOf({ common, currency, filled }: Profile): string | null {
  if (currency < 0.2 * filled || filled === 0) return null;
  for (const value of common) {
    const sign = anySign.exec(value)?.[0];
    if (sign !== undefined) return signs[sign] ?? null;
    const code = /^[A-Z]{3}(?= )|(?<= )[A-Z]{3}$/.exec(value)?.[0];
    if (code !== undefined) return code;
  }
  return null;
}

function numberOf(profile: Profile): NumberWriting | null {
  const { common } = profile;
  const strip = [...new Set(common.flatMap((value) => value.match(affixes) ?? []))].sort(
    (a, b) => b.length - a.length || (a < b ? -1 : 1),
  );
  const commaDecimals = profile.decimalComma > 0 && profile.decimalComma > profile.thousandsComma;
  const ambiguous =
    profile.decimalComma > 0 && profile.decimalComma === profile.thousandsComma && profile.decimalPoint === 0;
  const isComma =
    (commaDecimals || (ambiguous && profile.thousandsDot > 0)) && profile.decimalPoint <= profile.thousandsDot;
  const thousands =
    isComma && profile.thousandsDot > 0
      ? "."
      : !isComma && profile.thousandsComma > 0
        ? ","
        : profile.thousandsSpace > 0
          ? " "
          : profile.thousandsQuote > 0
            ? "'"
            : undefined;
  if (!isComma && thousands === undefined && strip.length === 0 && profile.parentheses === 0) return null;
  return {
    ...(isComma ? { decimal: "," as const } : {}),
    ...(thousands === undefined ? {} : { thousands }),
    ...(strip.length === 0 ? {} : { strip }),
    ...(profile.parentheses > 0 ? { parentheses: true as const } : {}),
  };
}

function timeOf(profile: Profile): TimeWriting | null {
  const filled = profile.filled - profile.endlessCount;
  if (filled <= 0) return null;
  const most = (n: number): boolean => n >= 0.9 * filled;
  const plain = { isDay: false, isZoned: false, isUnsure: false } as const;
  if (most(profile.isoDate + profile.isoTime))
    return { ...plain, isDay: profile.isoTime === 0, isZoned: profile.zoned >= 0.5 * filled };
  if (most(profile.slashed)) return slashedTime(profile);
  if (most(profile.isoDate + profile.isoTime + profile.slashed)) return mixedTime(profile);
  if (most(profile.compactDate) && profile.distinct > 1) return { ...plain, format: "%Y%m%d", isDay: true };
  if (most(profile.wordDate)) return wordTime(profile);
  if (most(profile.epochUs)) return { ...plain, unit: "us", isZoned: true };
  if (most(profile.epochMs)) return { ...plain, unit: "ms", isZoned: true };
  if (most(profile.epochS)) return { ...plain, unit: "s", isZoned: true };
  // As Db2 writes them.
  if (
    profile.common.length > 0 &&
    profile.common.every((value) => /^\d{4}-\d{2}-\d{2}-\d{2}\.\d{2}\.\d{2}(\.\d+)?$/.test(value))
  )
    return {
      ...plain,
      format: profile.common.some((value) => value.length > 19) ? "%Y-%m-%d-%H.%M.%S.%f" : "%Y-%m-%d-%H.%M.%S",
    };
  const yearFirst = profile.common.filter((value) => /^\d{4}[/.]\d{1,2}[/.]\d{1,2}/.test(value)).length;
  if (profile.common.length > 0 && yearFirst >= 0.9 * profile.common.length) {
    const sign = profile.common.some((value) => value[4] === ".") ? "." : "/";
    const formats = clockOf(profile.common.map((value) => value.replace(/^[\d/.]+/, ""))).map(
      (clock) => `%Y${sign}%m${sign}%d${clock}`,
    );
    return { ...plain, format: one(formats), isDay: formats.every((format) => format.endsWith("%d")) };
  }
  return null;
}

const one = (formats: readonly string[]): string | readonly string[] =>
  formats.length === 1 ? (formats[0] as string) : formats;

/** The clock times behind dates, as strptime says them; `""` where there is none. */
export function clockOf(rests: readonly string[]): readonly string[] {
  const found = rests.map((rest) => {
    if (rest === "") return "";
    const sign = rest.startsWith("T") ? "T" : rest.startsWith(", ") ? ", " : " ";
    const isHalf = /[AaPp]\.?[Mm]/.test(rest);
    const seconds = /\d:\d{2}:\d{2}/.test(rest) ? ":%S" : "";
    const parts = /\d:\d{2}:\d{2}\.\d/.test(rest) ? ".%f" : "";
    const half = isHalf ? (/\d [AaPp]/.test(rest) ? " %p" : "%p") : "";
    return /\d{1,2}:\d{2}/.test(rest) ? `${sign}${isHalf ? "%I" : "%H"}:%M${seconds}${parts}${half}` : "";
  });
  return [...new Set(found)].sort((a, b) => b.length - a.length);
}

/** 31.12.2024 and 12/31/2024: a field above 12 is a day; a dot is written where the day comes first. */
function slashedTime({ common, firstField, secondField }: Profile): TimeWriting | null {
  const dates = common.flatMap((value) => /^(\d{1,2})([./-])(\d{1,2})[./-](\d{2,4})(.*)$/.exec(value) ?? []);
  const sign = common.map((value) => /^\d{1,2}([./-])/.exec(value)?.[1]).find((found) => found !== undefined) ?? "/";
  if (dates.length === 0) return null;
  const [first, second] = [firstField ?? 0, secondField ?? 0];
  if (first > 12 && second > 12) return null;
  const isDayFirst = first > 12 || (second <= 12 && sign === ".");
  const isUnsure = first <= 12 && second <= 12 && sign !== ".";
  const year = common.some((value) => /^\d{1,2}[./-]\d{1,2}[./-]\d{4}/.test(value)) ? "%Y" : "%y";
  const days = isDayFirst ? `%d${sign}%m${sign}${year}` : `%m${sign}%d${sign}${year}`;
  const clocks = clockOf(common.map((value) => value.replace(/^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}/, "")));
  return {
    format: one(clocks.map((clock) => days + clock)),
    isDay: clocks.every((clock) => clock === ""),
    isZoned: false,
    isUnsure,
  };
}

/** A list that people keep by hand: `2024-01-31` beside `01/31/2024`. Null where the first kind has zones, which no format of the second has. */
function mixedTime(profile: Profile): TimeWriting | null {
  const isIso = (value: string): boolean => /^\d{4}-/.test(value);
  const slashed = slashedTime({ ...profile, common: profile.common.filter((value) => !isIso(value)) });
  if (slashed === null || profile.zoned > 0) return null;
  const clocks = clockOf(profile.common.filter(isIso).map((value) => value.slice(10)));
  const formats = [slashed.format ?? []].flat().concat(clocks.map((clock) => `%Y-%m-%d${clock}`));
  return { ...slashed, format: one(formats), isDay: slashed.isDay && clocks.every((clock) => clock === "") };
}

function wordTime({ common }: Profile): TimeWriting | null {
  const formats = new Set<string>();
  for (const value of common) {
    const dayFirst = /^\d{1,2}([- ])([A-Za-z]{3,9})([- ,]+)(\d{2,4})(.*)$/.exec(value);
    const monthFirst = /^([A-Za-z]{3,9}) \d{1,2}(,?) (\d{4})(.*)$/.exec(value);
    const month = (text: string): string => (text.length === 3 ? "%b" : "%B");
    const clock = (rest: string): string => clockOf([rest])[0] ?? "";
    if (dayFirst !== null) {
      const [, sign, name, gap, year, rest] = dayFirst as unknown as [string, string, string, string, string, string];
      formats.add(`%d${sign}${month(name)}${gap}${year.length === 4 ? "%Y" : "%y"}${clock(rest)}`);
    } else if (monthFirst !== null) {
      const [, name, comma, , rest] = monthFirst as unknown as [string, string, string, string, string];
      formats.add(`${month(name)} %d${comma} %Y${clock(rest)}`);
    }
  }
  if (formats.size === 0) return null;
  return {
    format: one([...formats].sort()),
    isDay: ![...formats].some((format) => format.includes("%M")),
    isZoned: false,
    isUnsure: false,
  };
}

/** A name as recognition compares it: letters and digits only, `ü` as `ue`, without the suffix of a custom field. */
export const plainName = (name: string): string =>
  squeeze(name.replace(/__c$/i, "").replace(/^(property_|properties[._]|custom_|metadata[._])/i, ""));

/** `workspace_id (metadata)`, as Stripe's downloads call a field of one's own, without what stands in parentheses. */
export const withoutNote = (name: string): string => name.replace(/ *\([^)]*\)$/, "");

/** Letters and digits of a name, in lower case. */
export const squeeze = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll("ä", "ae")
    .replaceAll("ö", "oe")
    .replaceAll("ü", "ue")
    .replaceAll("ß", "ss")
    .replaceAll("ł", "l")
    .normalize("NFKD")
    .replaceAll(/[^a-z0-9]/g, "");
