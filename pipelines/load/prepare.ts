/**
 * Makes a text file one that the engine reads without losing a record: goes over its bytes once (what is wrong is told by its line), finds
 * its header, and writes a plain UTF-8 copy where it is packed or in another encoding, or its lines end in two ways.
 */
import { open, rename, rm } from "node:fs/promises";
import type { Formats } from "../config/formats.ts";
import { refusedError } from "../lib/errors.ts";
import { ListCut } from "../lib/list-cut.ts";
import { decoderOf, type FileKind, maxLineOf, unpacked } from "./bytes.ts";
import { CsvScan, type Flaw, JsonScan } from "./scan.ts";

export interface Prepared {
  /** The file itself, or a plain UTF-8 copy of it. */
  readonly path: string;
  readonly compression: FileKind["compression"];
  /** Records that the file holds, the header among them; null where nobody counted: an array of JSON. */
  readonly records: number | null;
  /** The first record behind `skip_lines`, as text; null for JSON and where there is none. */
  readonly first: string | null;
  /** Lines down to and with that record. */
  readonly firstLines: number;
  /** Line breaks stand inside quotes: a record's place is not its line. */
  readonly hasBreaks: boolean;
  /** JSON lines: how many records stand before each blank line. */
  readonly blanks: readonly number[];
  /** JSON: one array, not a record a line. */
  readonly isArray: boolean;
}

/** What is packed is unpacked for the engine up to so many bytes; beyond, the room on the disk is worth more than the time. */
const mostUnpacked = 2e9;

/** `copy`: where a copy may be written. Throws a refusal. */
export async function prepare(options: {
  readonly path: string;
  readonly shown: string;
  readonly kind: FileKind;
  readonly formats: Formats;
  readonly copy: string;
}): Promise<Prepared> {
  const { path, shown, kind, formats, copy } = options;
  const maxLine = maxLineOf(formats);
  const quote = formats.quote ?? '"';
  const cut = kind.type === "json" && formats.list !== undefined ? new ListCut(formats.list) : null;
  const needsCopy = kind.encoding !== "utf-8" || (kind.type === "json" && (kind.mark > 0 || cut !== null));
  const decoder = kind.encoding === "utf-8" ? null : decoderOf(kind.encoding, true);
  // What is packed would be unpacked once more by the engine, on one thread.
  const isPacked = kind.compression !== "none";
  let out = needsCopy || isPacked ? await open(copy, "w") : null;
  let written = 0;
  const first = kind.type === "csv" ? new FirstRecord(formats.skip_lines, quote, maxLine) : null;
  let scan: CsvScan | JsonScan | null = null;
  let isArray = false;
  let delimiter = 0;
  let unmarked = kind.mark;
  const begin = (bytes: Buffer): CsvScan | JsonScan => {
    if (kind.type === "json") {
      // One line that is a list, with more lines behind it, is a record that is none.
      const [line = "", ...more] = bytes.toString("utf8").trimStart().split("\n", 20);
      isArray = line.startsWith("[") && !(/\]\s*,?\s*$/.test(line) && more.some((text) => text.trim() !== ""));
      return new JsonScan({ maxLine, isArray });
    }
    delimiter =
      delimiterOf(first?.text ?? first?.unfinished() ?? "", formats)
        .at(-1)
        ?.charCodeAt(0) ?? 44;
    const one = quote.charCodeAt(0);
    return new CsvScan({
      quote: one,
      escaper: formats.escape?.charCodeAt(0) ?? one,
      delimiter,
      skipLines: formats.skip_lines,
      maxLine,
    });
  };
  const take = async (all: Buffer): Promise<void> => {
    const bytes = cut === null ? all : cut.push(all);
    if ((cut?.found ?? 0) > 1) throw listError(shown, formats, "more than one");
    if (bytes.length === 0) return;
    first?.push(bytes);
    scan ??= begin(bytes);
    const flaw = scan.push(bytes);
    if (flaw !== null) throw refusalOf(flaw, shown, formats);
    if (out === null) return;
    written += bytes.length;
    if (!needsCopy && written > mostUnpacked) {
      await out.close();
      out = null;
      await rm(copy, { force: true });
      return;
    }
    await out.appendFile(bytes);
  };
  try {
    for await (const chunk of unpacked(path, shown, kind.compression, formats)) {
      const skipped = Math.min(unmarked, chunk.length);
      unmarked -= skipped;
      const rest = chunk.subarray(skipped);
      await take(decoder === null ? rest : Buffer.from(decode(decoder, rest, shown, kind, scan)));
    }
    if (decoder !== null) await take(Buffer.from(decode(decoder, null, shown, kind, scan)));
  } finally {
    await out?.close();
  }
  if (cut?.found === 0) throw listError(shown, formats, "none");
  const hasCopy = out !== null;
  const done = scan as CsvScan | JsonScan | null;
  const flaw = done?.end() ?? null;
  if (flaw !== null) throw refusalOf(flaw, shown, formats);
  const text = first?.finish() ?? null;
  const facts = {
    first: text,
    firstLines: first?.lines ?? 0,
    records: isArray ? null : (done?.records ?? 0),
    isArray,
    hasBreaks: done instanceof CsvScan && done.hasBreaks,
    blanks: done instanceof JsonScan ? done.blanks : [],
  };
  if (done instanceof CsvScan) {
    const { lf, crlf, cr } = done.ends;
    if ([lf, crlf, cr].filter((n) => n > 0).length > 1) {
      await copyWithOneEnd(hasCopy ? null : options, copy);
      return { path: copy, compression: "none", ...facts };
    }
  }
  return hasCopy ? { path: copy, compression: "none", ...facts } : { path, compression: kind.compression, ...facts };
}

const listError = (shown: string, { list }: Formats, found: string): Error =>
  refusedError(`${shown}: expected one JSON document with a list at ${list}, as formats.list says, found ${found}`);

function decode(
  decoder: TextDecoder,
  bytes: Buffer | null,
  shown: string,
  kind: FileKind,
  scan: CsvScan | JsonScan | null,
): string {
  try {
    return bytes === null ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch {
    const near = scan === null ? "" : ` behind record ${scan.records}`;
    throw refusedError(
      `${shown}: cannot be read: expected ${kind.encoding.toUpperCase().replace(/(LE|BE)$/, "")} text, found other bytes${near}`,
    );
  }
}

function refusalOf({ line, what }: Flaw, shown: string, formats: Formats): Error {
  switch (what) {
    case "open quote":
      return refusedError(
        `${shown}: line ${line} opens a quote that is never closed, expected a closing ${formats.quote ?? '"'}`,
        "the file may be cut short; if its quotes are letters, write another sign as formats.quote",
      );
    case "long line":
      return refusedError(
        `${shown}: line ${line} is longer than ${formats.max_line}, expected a shorter one`,
        "a quote may stand where none belongs; if the line is right, raise formats.max_line of its source",
      );
    case "deep nesting":
      return refusedError(`${shown}: line ${line} nests lists or objects more than 1000 deep, expected a plain record`);
  }
}

/** Writes a text whose lines end now in LF, now in CRLF with LF alone, and `end` behind it. `from` null: the copy itself is the text. */
async function copyWithOneEnd(
  from: { readonly path: string; readonly shown: string; readonly kind: FileKind; readonly formats: Formats } | null,
  copy: string,
  end = "",
): Promise<void> {
  const aside = `${copy.replace(/\.tmp$/, "")}.lf.tmp`;
  const out = await open(aside, "w");
  const bytes =
    from === null
      ? unpacked(copy, copy, "none", {} as Formats)
      : unpacked(from.path, from.shown, from.kind.compression, from.formats);
  let held = false;
  try {
    for await (const chunk of bytes) {
      // A CR at the end of a piece waits for what follows it.
      const text: string = `${held ? "\r" : ""}${chunk.toString("latin1")}`;
      held = text.endsWith("\r");
      const plain = Buffer.from((held ? text.slice(0, -1) : text).replaceAll("\r\n", "\n"), "latin1");
      await out.appendFile(plain);
    }
    await out.appendFile(`${held ? "\r" : ""}${end}`);
  } finally {
    await out.close();
  }
  await rename(aside, copy);
}

/** Collects the first record behind some lines; line breaks inside quotes belong to it. */
class FirstRecord {
  readonly #skip: number;
  readonly #quote: string;
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  text: string | null = null;
  lines = 0;

  constructor(skip: number, quote: string, limit: number) {
    this.#skip = skip;
    this.#quote = quote;
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    if (this.text !== null || this.#bytes > this.#limit) return;
    this.#chunks.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
    this.text = this.#find(false);
    if (this.text !== null) this.#chunks = [];
  }

  /** What there is of it, before it has ended. */
  unfinished(): string {
    return (
      Buffer.concat(this.#chunks)
        .toString("utf8")
        .split(/\r\n|\n|\r/)[this.#skip] ?? ""
    );
  }

  finish(): string | null {
    this.text ??= this.#find(true);
    return this.text;
  }

  #find(isWhole: boolean): string | null {
    const text = Buffer.concat(this.#chunks).toString("utf8");
    let at = text.startsWith("\ufeff") ? 1 : 0;
    const end = /\r\n|\n|\r/g;
    let lines = 0;
    for (; lines < this.#skip; lines += 1) {
      end.lastIndex = at;
      const match = end.exec(text);
      if (match === null) return null;
      at = match.index + match[0].length;
    }
    const from = at;
    for (;;) {
      end.lastIndex = at;
      const match = end.exec(text);
      lines += 1;
      if (match === null) {
        if (!isWhole) return null;
        this.lines = lines;
        return text.slice(from) === "" ? null : text.slice(from);
      }
      // A CR at the end of what is there may be half of a CRLF.
      if (!isWhole && match.index + match[0].length === text.length && match[0] === "\r") return null;
      const record = text.slice(from, match.index);
      at = match.index + match[0].length;
      if (record.split(this.#quote).length % 2 === 1) {
        this.lines = lines;
        return record;
      }
    }
  }
}

/** The declared delimiter, or of comma, semicolon, tab and bar the one that splits a header into most names; comma on a tie. */
export function delimiterOf(header: string, formats: Pick<Formats, "delimiter" | "quote">): string {
  if (formats.delimiter !== undefined) return formats.delimiter === "\\t" ? "\t" : formats.delimiter;
  const quote = formats.quote ?? '"';
  const counts = [",", ";", "\t", "|"].map((delimiter) => ({
    delimiter,
    n: splitRecord(header, delimiter, quote).length,
  }));
  return counts.reduce((best, next) => (next.n > best.n ? next : best)).delimiter;
}

/** The fields of one record; quotes are doubled inside quotes. */
export function splitRecord(line: string, delimiter: string, quote: string): readonly string[] {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < line.length; i += 1) {
    if (quoted) {
      if (line[i] !== quote) field += line[i];
      else if (line[i + 1] === quote) {
        field += quote;
        i += 1;
      } else quoted = false;
    } else if (line[i] === quote && field.trim() === "") quoted = true;
    else if (line.startsWith(delimiter, i)) {
      fields.push(field);
      field = "";
      i += delimiter.length - 1;
    } else field += line[i];
  }
  return [...fields, field].map((name) => name.trim());
}
