/** Days and months as the names of files hold them. */

const months: Readonly<Record<string, string>> = {
  jan: "01",
  feb: "02",
  mar: "03",
  mrz: "03",
  apr: "04",
  may: "05",
  mai: "05",
  jun: "06",
  jul: "07",
  aug: "08",
  sep: "09",
  oct: "10",
  okt: "10",
  nov: "11",
  dec: "12",
  dez: "12",
};

const monthName =
  "(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|mrz|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)";
const year = "(?:19|20)\\d{2}";

/**
 * What `{date}` and `{month}` stand for in a name, as regular expressions without groups, to be read in any case: 2026-01-31, 20260131,
 * 2026_01_31, 31.01.2026, 31-Jan-2026; 2026-01, 202601, 2026_01, Jan-2026, 2026-January; of folders 2026/01/31 and 2026/01.
 */
export const namedDay = `(?:${year}[-_./]?\\d{2}[-_./]?\\d{2}|\\d{1,2}\\.\\d{1,2}\\.${year}|\\d{1,2}[-_ ]?${monthName}[-_ ]?${year})`;
export const namedMonth = `(?:${year}[-_./]?(?:0[1-9]|1[0-2])|${monthName}[-_ ]?${year}|${year}[-_ ]?${monthName})`;

/** The day that a text of a name means, as 2026-01-31: of a month its last one. Null where there is no such day. */
export function dayOf(text: string): string | null {
  const day =
    /^(\d{4})[-_./]?(\d{2})[-_./]?(\d{2})$/.exec(text)?.slice(1) ??
    /^(\d{1,2})\.(\d{1,2})\.(\d{4})$/.exec(text)?.slice(1).reverse() ??
    /^(\d{1,2})[-_ ]?([a-zä]+)[-_ ]?(\d{4})$/i.exec(text)?.slice(1).reverse();
  if (day !== undefined) return existing(day[0] as string, numbered(day[1] as string), day[2] as string);
  const month =
    /^(\d{4})[-_./]?(\d{2})$/.exec(text)?.slice(1) ??
    /^([a-zä]+)[-_ ]?(\d{4})$/i.exec(text)?.slice(1).reverse() ??
    /^(\d{4})[-_ ]?([a-zä]+)$/i.exec(text)?.slice(1);
  if (month === undefined) return null;
  const [of, name] = [month[0] as string, numbered(month[1] as string)];
  const last = new Date(Date.UTC(Number(of), Number(name), 0)).getUTCDate();
  return existing(of, name, String(last));
}

const numbered = (month: string): string =>
  /^\d/.test(month) ? month.padStart(2, "0") : (months[month.toLowerCase().replace("ä", "a").slice(0, 3)] ?? "");

function existing(ofYear: string, month: string, day: string): string | null {
  const text = `${ofYear}-${month}-${day.padStart(2, "0")}`;
  const at = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== text ? null : text;
}
