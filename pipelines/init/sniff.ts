/** What a file is, by its bytes and not by its name: the kind, the compression, and how its text is written. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";

export type Encoding = "utf-8" | "utf-16" | "latin-1" | "windows-1252";

/** How a text with one record a line is written. */
export interface TextShape {
  readonly delimiter: string;
  readonly quote: string;
  /** Lines above the header. */
  readonly skipLines: number;
  readonly columns: readonly string[];
  /** Lines end now in LF, now in CRLF: the engine reads only one of them. */
  readonly hasMixedEnds: boolean;
  /** The first records below the header. */
  readonly rows: readonly (readonly string[])[];
}

export type Sniffed =
  | { readonly kind: "csv"; readonly compression: Compression; readonly encoding: Encoding; readonly text: TextShape }
  | {
      readonly kind: "json";
      readonly compression: Compression;
      readonly encoding: Encoding;
      readonly head: string;
      /** Of a document that wraps its records: the path to their list. */
      readonly list: string | null;
    }
  | { readonly kind: "parquet" }
  /** Not a table that Assay reads; `why` follows the file's name in a sentence. */
  | { readonly kind: "other"; readonly why: string };

export type Compression = "none" | "gzip" | "zstd";

/** How much of a file's beginning is looked at. */
const headBytes = 1 << 18;

/** Looks at a file; `unzip` gives the first bytes of what Node cannot unpack. */
export async function sniffFile(path: string, unzip: (path: string) => Promise<string>): Promise<Sniffed> {
  const raw = await headOf(path);
  const known = magicOf(raw);
  if (known === "zstd") return sniffText(Buffer.from(await unzip(path)), "zstd", "utf-8");
  if (known === "gzip") {
    const head = await gunzippedHead(path);
    if (head === null) return { kind: "other", why: "is a .gz file that cannot be unpacked" };
    if (head.length > 0 && magicOf(head) !== null) return { kind: "other", why: "is a .gz file without text in it" };
    return isForeign(head) ? foreign : sniffText(head, "gzip", await encodingOf(path, head, true));
  }
  if (known !== null) return known === "parquet" ? { kind: "parquet" } : { kind: "other", why: known };
  return isForeign(raw) ? foreign : sniffText(raw, "none", await encodingOf(path, raw, false));
}

const foreign: Sniffed = {
  kind: "other",
  why: "is text in an encoding that Assay does not read (such as Shift-JIS, Windows-1250 or Windows-1251): save it as UTF-8",
};

/**
 * Whether a text is in none of the encodings that are read: no UTF, and with bytes that Windows-1252 does not use, or words of letters beyond ASCII alone.
 * (Latin-1 has letters in the place of bytes that Central European encodings use for others: those cannot be told by their bytes.)
 */
export function isForeign(head: Uint8Array): boolean {
  if (markedEncoding(head) !== null) return false;
  const high = head.filter((byte) => byte >= 0x80).length;
  if (high === 0 || isUtf8(head)) return false;
  const unused = head.filter((byte) => [0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte)).length;
  let inRuns = 0;
  let run = 0;
  for (let i = 0; i <= head.length; i += 1) {
    if ((head[i] ?? 0) >= 0x80) run += 1;
    else {
      if (run >= 3) inRuns += run;
      run = 0;
    }
  }
  return high >= 8 && (unused >= 0.05 * high || inRuns > 0.5 * high);
}

/** The last letter may be cut off. */
function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function gunzippedHead(path: string): Promise<Buffer | null> {
  const file = createReadStream(path);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of file.pipe(createGunzip()) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= headBytes) break;
    }
  } catch {
    return null;
  } finally {
    file.destroy();
  }
  return Buffer.concat(chunks).subarray(0, headBytes);
}

/** A kind that the first bytes give away: a compression, Parquet, or the words for something that is no export. */
export function magicOf(head: Uint8Array): "gzip" | "zstd" | "parquet" | string | null {
  const starts = (...bytes: readonly number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  const text = Buffer.from(head.subarray(0, 16)).toString("latin1");
  if (head.length === 0) return "is empty";
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (text.startsWith("PAR1")) return "parquet";
  if (text.startsWith("%PDF")) return "is a PDF";
  if (starts(0x50, 0x4b)) return "is a zip archive or an Excel workbook: export its sheets as CSV";
  if (starts(0xd0, 0xcf, 0x11, 0xe0)) return "is an old Excel or Word file: export it as CSV";
  if (text.startsWith("SQLite format 3")) return "is an SQLite database: export its tables as CSV";
  if (text.startsWith("Obj\x01")) return "is an Avro file: export it as Parquet or CSV";
  if (text.startsWith("ORC")) return "is an ORC file: export it as Parquet or CSV";
  if (starts(0x89, 0x50, 0x4e, 0x47) || starts(0xff, 0xd8, 0xff) || text.startsWith("GIF8")) return "is a picture";
  return null;
}

/**
 * The encoding of a text: what a byte order mark says; UTF-16 where every other byte is zero; UTF-8 where all bytes are valid; otherwise
 * Latin-1, or Windows-1252 where bytes occur that Latin-1 does not use. Reads the whole file: one byte decides.
 */
async function encodingOf(path: string, head: Uint8Array, isGzip: boolean): Promise<Encoding> {
  const marked = markedEncoding(head);
  if (marked !== null) return marked;
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const bytes = isGzip ? file.pipe(createGunzip()) : file;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let isUtf8 = true;
  let hasWindows = false;
  try {
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      if (isUtf8) {
        try {
          decoder.decode(chunk, { stream: true });
        } catch {
          isUtf8 = false;
        }
      }
      if (!isUtf8) hasWindows ||= chunk.some((byte) => byte >= 0x80 && byte <= 0x9f);
      if (!isUtf8 && hasWindows) break;
    }
  } catch {
    // A file that cannot be read to its end is for the loading to refuse.
  } finally {
    file.destroy();
  }
  return isUtf8 ? "utf-8" : hasWindows ? "windows-1252" : "latin-1";
}

function markedEncoding(head: Uint8Array): Encoding | null {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return "utf-8";
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) return "utf-16";
  const pairs = Math.min(head.length, 2000) >> 1;
  let even = 0;
  let odd = 0;
  for (let i = 0; i < pairs; i += 1) {
    if (head[2 * i] === 0) even += 1;
    if (head[2 * i + 1] === 0) odd += 1;
  }
  return pairs > 4 && (odd > 0.6 * pairs || even > 0.6 * pairs) ? "utf-16" : null;
}

/** Bytes as text; a mark at the beginning is gone. */
export function decode(bytes: Uint8Array, encoding: Encoding): string {
  if (encoding === "utf-16") {
    const isBig = (bytes[0] === 0xfe && bytes[1] === 0xff) || (bytes[0] === 0 && bytes[1] !== 0);
    return new TextDecoder(isBig ? "utf-16be" : "utf-16le").decode(bytes);
  }
  return new TextDecoder(encoding === "utf-8" ? "utf-8" : "windows-1252").decode(bytes);
}

const statement = /^(create table |insert into |copy [^\n]+ from stdin)/im;

/** What the beginning of a text is. */
export function sniffText(head: Uint8Array, compression: Compression, encoding: Encoding): Sniffed {
  if (encoding !== "utf-16" && head.includes(0)) return { kind: "other", why: "holds NUL bytes and is no text" };
  const text = decode(head, encoding);
  if (text.trim() === "") return { kind: "other", why: "is empty" };
  const start = text.trimStart();
  if (/^(<\?xml|<!doctype|<html|\{\\rtf)/i.test(start)) return { kind: "other", why: "is a document, no table" };
  if (/^(--|\/\*|set|begin|create|insert|copy|drop)/i.test(start) && statement.test(start))
    return { kind: "other", why: "is a dump in SQL: export its tables as CSV, with a header" };
  if (/^\{\s*["}]/.test(start) || /^\[\s*[{[\]]/.test(start))
    return { kind: "json", compression, encoding, head: start, list: listIn(start) };
  const shape = textShape(text, head.length >= headBytes);
  return typeof shape === "string"
    ? { kind: "other", why: shape }
    : { kind: "csv", compression, encoding, text: shape };
}

/** Where the longest list of objects stands in a document that is one object; null of records a line, and of a list. */
function listIn(head: string): string | null {
  if (!head.startsWith("{")) return null;
  const [first = "", second = ""] = head.split(/\r?\n/).filter((line) => line.trim() !== "");
  const isObject = (line: string): boolean => {
    try {
      return typeof JSON.parse(line) === "object";
    } catch {
      return false;
    }
  };
  if (isObject(first) && second.startsWith("{")) return null;
  const keys: (string | null)[] = [];
  const found: { readonly path: string; length: number }[] = [];
  let text = "";
  let start = 0;
  for (const { 0: token, index } of head.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token.startsWith('"')) text = token.slice(1, -1);
    else if (token === ":") keys[keys.length - 1] = text;
    else if (token === "{" || token === "[") {
      // Inside a list nothing is a list of records.
      const isOutside = keys.length > 0 && keys.length < 4 && !keys.includes(null);
      if (token === "[" && isOutside && /^\[\s*\{/.test(head.slice(index, index + 200))) {
        found.push({ path: keys.join("."), length: head.length - index });
        start = index;
      }
      keys.push(null);
    } else {
      keys.pop();
      const last = found.at(-1);
      if (token === "]" && last?.path === keys.join(".")) last.length = index - start;
    }
  }
  return found.sort((a, b) => b.length - a.length)[0]?.path ?? null;
}

const delimiters = [",", ";", "\t", "|"] as const;

/**
 * The delimiter that splits the records of a text into the same number of fields, at least two; lines above the header that are split
 * otherwise; the header. A sentence's end where there is no table.
 */
export function textShape(text: string, isCut: boolean): TextShape | string {
  const tried = delimiters.map((delimiter) => {
    const found = recordsOf(text, delimiter, '"', 200);
    const records = (isCut && found.length > 2 && found.length < 200 ? found.slice(0, -1) : found).filter(
      ({ fields }) => fields.length > 1 || fields[0]?.trim() !== "",
    );
    const counts = new Map<number, number>();
    for (const { fields } of records) counts.set(fields.length, (counts.get(fields.length) ?? 0) + 1);
    const [width, n] = [...counts].reduce((best, next) => (next[1] > best[1] ? next : best), [0, 0]);
    return { delimiter, records, width, share: records.length === 0 ? 0 : n / records.length };
  });
  const best = tried
    .filter(({ width }) => width > 1)
    .sort((a, b) => Math.round(10 * (b.share - a.share)) || b.width - a.width)[0];
  if (best === undefined || best.share < 0.6) return "is a text without columns";
  const { records, width, delimiter } = best;
  // Rows may end with a delimiter that the header lacks.
  const isWide = ({ fields }: TextRecord): boolean => Math.abs(fields.length - width) <= (width > 3 ? 1 : 0);
  // A spreadsheet fills its title lines up with delimiters.
  const isTitle = ({ fields }: TextRecord): boolean => fields.filter((name) => name.trim() !== "").length * 2 < width;
  const titled = records.findIndex((record) => isWide(record) && !isTitle(record));
  const at = titled === -1 ? records.findIndex(isWide) : titled;
  const header = records[at];
  if (header === undefined) return "is a text without columns";
  const names = header.fields.map((name) => name.trim());
  if (at > 20) return "is a text without columns";
  if (names.filter((name) => name === "").length > names.length / 2) return "has no header line";
  if (
    !looksLikeHeader(
      names,
      records.slice(at + 1).map(({ fields }) => fields),
    )
  )
    return "has no header line: export it with one, or write a book that names its columns, formats: { header: [...] }";
  return {
    delimiter,
    quote: '"',
    skipLines: header.line,
    columns: names,
    hasMixedEnds: /\r\n/.test(text) && /(?<!\r)\n/.test(text),
    rows: records.slice(at + 1).map(({ fields }) => fields),
  };
}

const looksLikeData = (text: string): boolean =>
  /^[+-]?[\d.,]+%?$/.test(text) || /^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}/.test(text) || /^[^@\s]+@[^@\s]+\.\w+$/.test(text);

/** Names are not numbers, dates or addresses, and hardly any stands twice. */
function looksLikeHeader(names: readonly string[], rows: readonly (readonly string[])[]): boolean {
  const given = names.filter((name) => name !== "");
  const data = given.filter(looksLikeData).length;
  if (
    data > Math.max(1, given.length / 10) ||
    given.some((name) => name.length > 120 || (name.length > 40 && /[.!?] [A-Z]/.test(name)))
  )
    return false;
  if (data === 0) return true;
  return !rows.slice(0, 20).some((row) => row.filter((value) => looksLikeData(value.trim())).length === data);
}

interface TextRecord {
  readonly fields: readonly string[];
  /** Lines of the text before it. */
  readonly line: number;
}

/** The first records of a text; a quoted field may hold delimiters, line breaks and doubled quotes. */
export function recordsOf(text: string, delimiter: string, quote: string, most: number): readonly TextRecord[] {
  const records: TextRecord[] = [];
  let fields: string[] = [];
  let field = "";
  let isQuoted = false;
  let line = 0;
  let started = 0;
  for (let i = 0; i < text.length && records.length < most; i += 1) {
    const letter = text[i] as string;
    if (letter === "\n" || (letter === "\r" && text[i + 1] !== "\n")) line += 1;
    if (isQuoted) {
      if (letter !== quote) field += letter;
      else if (text[i + 1] === quote) {
        field += quote;
        i += 1;
      } else isQuoted = false;
    } else if (letter === quote && field === "") isQuoted = true;
    else if (letter === delimiter) {
      fields.push(field);
      field = "";
    } else if (letter === "\n" || letter === "\r") {
      if (letter === "\r" && text[i + 1] === "\n") continue;
      records.push({ fields: [...fields, field], line: started });
      fields = [];
      field = "";
      started = line;
    } else field += letter;
  }
  if (records.length < most && (field !== "" || fields.length > 0))
    records.push({ fields: [...fields, field], line: started });
  return records;
}

/** The paths of the values in a JSON object, nested ones with dots; lists are values of their own. */
export function pathsOf(value: unknown, prefix = ""): readonly string[] {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return prefix === "" ? [] : [prefix];
  const inner = Object.entries(value).filter(([key]) => key !== "");
  return inner.flatMap(([key, part]) => pathsOf(part, prefix === "" ? key : `${prefix}.${key}`));
}
