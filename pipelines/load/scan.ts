/**
 * Goes over the bytes of a text file once before the engine reads it: how many records there are, whether a quote is never closed, a
 * line too long, a record nested too deep. The engine's own parallel reader loses records of such files without a word.
 */

export interface ScanOptions {
  /** One byte each. */
  readonly quote: number;
  readonly escaper: number;
  /** The last byte of the delimiter. */
  readonly delimiter: number;
  readonly skipLines: number;
  readonly maxLine: number;
}

/** What is wrong with a text, and on which line. */
export interface Flaw {
  readonly line: number;
  readonly what: "open quote" | "long line" | "deep nesting";
}

/** Line ends by what they are. */
interface Ends {
  readonly lf: number;
  readonly crlf: number;
  readonly cr: number;
}

const LF = 10;
const CR = 13;

/** Records of a text with delimiters: lines, except that a line break inside quotes belongs to its record; blank lines are none. */
export class CsvScan {
  readonly #options: ScanOptions;
  /** Physical lines that have ended. */
  #lines = 0;
  #records = 0;
  #length = 0;
  #quoted = false;
  #quotedSince = 0;
  #escaped = false;
  #atStart = true;
  #previous = 0;
  #isCrOnly: boolean | null = null;
  #hasBreaks = false;
  readonly #ends = { lf: 0, crlf: 0, cr: 0 };

  constructor(options: ScanOptions) {
    this.#options = options;
  }

  get records(): number {
    return this.#records;
  }

  /** Whether a line break stands inside quotes. */
  get hasBreaks(): boolean {
    return this.#hasBreaks;
  }

  get ends(): Ends {
    return this.#ends;
  }

  /** Takes the next bytes; a flaw ends the scan. */
  push(chunk: Buffer): Flaw | null {
    this.#isCrOnly ??= chunk.includes(CR) && !chunk.includes(LF);
    const { quote } = this.#options;
    return this.#quoted || this.#isCrOnly || chunk.includes(quote) ? this.#slow(chunk) : this.#fast(chunk);
  }

  end(): Flaw | null {
    if (this.#quoted) return { line: this.#quotedSince, what: "open quote" };
    if (this.#length > 0) this.#endRecord();
    return null;
  }

  /** No quote in sight: only line ends matter. */
  #fast(chunk: Buffer): Flaw | null {
    const { maxLine } = this.#options;
    let from = 0;
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      const isCrlf = (at > 0 ? chunk[at - 1] : this.#previous) === CR;
      this.#length += at - from - (isCrlf ? 1 : 0);
      if (this.#length > maxLine) return { line: this.#lines + 1, what: "long line" };
      if (isCrlf) this.#ends.crlf += 1;
      else this.#ends.lf += 1;
      this.#endLine();
      from = at + 1;
    }
    const rest = chunk.length - from;
    if (rest > 0) {
      this.#length += rest;
      const last = chunk[chunk.length - 1] as number;
      this.#atStart = last === this.#options.delimiter;
      this.#previous = last;
    } else if (chunk.length > 0) this.#previous = LF;
    return this.#length > maxLine ? { line: this.#lines + 1, what: "long line" } : null;
  }

  #slow(chunk: Buffer): Flaw | null {
    const { quote, escaper, delimiter, maxLine } = this.#options;
    const isCrOnly = this.#isCrOnly === true;
    const isSkipping = (): boolean => this.#lines < this.#options.skipLines;
    let skipping = isSkipping();
    let quoted = this.#quoted;
    let atStart = this.#atStart;
    let previous = this.#previous;
    let length = this.#length;
    for (let i = 0; i < chunk.length; i += 1) {
      const byte = chunk[i] as number;
      if (quoted) {
        length += 1;
        if (byte === LF || (isCrOnly && byte === CR)) {
          this.#lines += 1;
          this.#hasBreaks = true;
        }
        if (this.#escaped) this.#escaped = false;
        else if (byte === escaper && escaper !== quote) this.#escaped = true;
        else if (byte === quote) quoted = false;
        atStart = false;
      } else if (byte === LF || (isCrOnly && byte === CR)) {
        if (byte === CR) this.#ends.cr += 1;
        else if (previous === CR) this.#ends.crlf += 1;
        else this.#ends.lf += 1;
        this.#length = previous === CR && byte === LF ? length - 1 : length;
        this.#endLine();
        length = 0;
        atStart = true;
        if (skipping) skipping = isSkipping();
      } else {
        length += 1;
        if (byte === quote && !skipping) {
          // A doubled quote inside quotes closes and opens again; elsewhere a quote in the middle of a field is a letter.
          if (atStart || (previous === quote && escaper === quote && this.#wasQuoted)) {
            quoted = true;
            if (atStart) this.#quotedSince = this.#lines + 1;
            this.#wasQuoted = true;
          }
          atStart = false;
        } else {
          if (byte === delimiter) {
            atStart = true;
            this.#wasQuoted = false;
          } else if (byte !== 32 || !atStart) {
            // Spaces before a quote are passed over, as the engine does.
            atStart = false;
            this.#wasQuoted = false;
          }
        }
      }
      previous = byte;
      if (length > maxLine) {
        const line = quoted ? this.#quotedSince : this.#lines + 1;
        return { line, what: "long line" };
      }
    }
    this.#quoted = quoted;
    this.#atStart = atStart;
    this.#previous = previous;
    this.#length = length;
    return null;
  }

  /** The field began with a quote, and nothing stood behind its last one. */
  #wasQuoted = false;

  #endLine(): void {
    this.#lines += 1;
    if (this.#lines > this.#options.skipLines) this.#endRecord();
    this.#length = 0;
    this.#atStart = true;
    this.#previous = LF;
    this.#wasQuoted = false;
  }

  #endRecord(): void {
    if (this.#length > 0) this.#records += 1;
  }
}

/** Deeper than that no export nests; much deeper, and the engine's own reader overflows. */
const maxDepth = 1000;
/** A line shorter than that cannot nest too deep. */
const longLine = 4096;

/** Records of JSON: lines that are not blank; of an array (`isArray`) only the nesting is looked at. */
export class JsonScan {
  readonly #maxLine: number;
  readonly #isArray: boolean;
  #lines = 0;
  #records = 0;
  #length = 0;
  #depth = 0;
  #hasText = false;
  #endsLine = true;

  /** Whether the last byte ends a line. */
  get endsLine(): boolean {
    return this.#endsLine;
  }

  /** How many records stand before each blank line; the first few thousand of them. */
  readonly blanks: number[] = [];

  constructor(options: { readonly maxLine: number; readonly isArray: boolean }) {
    this.#maxLine = options.maxLine;
    this.#isArray = options.isArray;
  }

  get records(): number {
    return this.#records;
  }

  push(chunk: Buffer): Flaw | null {
    if (chunk.length > 0) this.#endsLine = chunk.at(-1) === LF;
    let from = 0;
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      const flaw = this.#take(chunk, from, at);
      if (flaw !== null) return flaw;
      this.#endLine();
      from = at + 1;
    }
    return this.#take(chunk, from, chunk.length);
  }

  end(): Flaw | null {
    if (this.#length > 0) this.#endLine();
    return null;
  }

  #take(chunk: Buffer, from: number, to: number): Flaw | null {
    this.#length += to - from;
    if (!this.#hasText) {
      for (let i = from; i < to && !this.#hasText; i += 1) this.#hasText = (chunk[i] as number) > 32;
    }
    if (this.#isArray) {
      if (to - from > 0) this.#nest(chunk, from, to);
    } else {
      if (this.#length > this.#maxLine) return { line: this.#lines + 1, what: "long line" };
      if (this.#length > longLine) this.#nest(chunk, from, to);
    }
    return this.#depth > maxDepth ? { line: this.#lines + 1, what: "deep nesting" } : null;
  }

  /** Brackets opened and not closed, those in texts too: no text holds a thousand more of one kind. */
  #nest(chunk: Buffer, from: number, to: number): void {
    for (let i = from; i < to; i += 1) {
      const byte = (chunk[i] as number) & 0xdf;
      // [ and { differ in one bit, and so do ] and }.
      if (byte === 0x5b) {
        this.#depth += 1;
        if (this.#depth > maxDepth) return;
      } else if (byte === 0x5d && this.#depth > 0) this.#depth -= 1;
    }
  }

  #endLine(): void {
    this.#lines += 1;
    if (this.#hasText) this.#records += 1;
    else if (this.blanks.length < 5000) this.blanks.push(this.#records);
    this.#length = 0;
    this.#hasText = false;
    if (!this.#isArray) this.#depth = 0;
  }
}
