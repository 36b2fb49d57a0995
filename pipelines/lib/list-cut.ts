/** Cuts a list of records out of a JSON document that wraps it, as an API answers: `{"total": 2, "data": [{...}, {...}]}`. */

const quote = 34;
const backslash = 92;
const colon = 58;
const openList = 91;
const closeList = 93;
const openObject = 123;
const closeObject = 125;
const comma = 44;

/** Goes over the bytes of a document, in pieces, and gives those of the list at a path of keys. */
export class ListCut {
  readonly #path: readonly string[];
  /** For every bracket that is open: the key that is being read of an object, null of a list. */
  readonly #open: { key: string | null; readonly isList: boolean }[] = [];
  #isText = false;
  #isEscaped = false;
  #isKey = false;
  #key: number[] = [];
  /** Brackets that are open inside the list; 0 outside of it. */
  #inside = 0;
  #found = 0;

  constructor(path: string) {
    this.#path = path.split(".");
  }

  /** How many lists stood at the path so far. */
  get found(): number {
    return this.#found;
  }

  /** The part of the next bytes that belongs to the list. */
  push(chunk: Buffer): Buffer {
    let from = this.#inside > 0 ? 0 : -1;
    const parts: Buffer[] = [];
    for (let i = 0; i < chunk.length; i += 1) {
      const byte = chunk[i] as number;
      if (this.#isText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === backslash) this.#isEscaped = true;
        else if (byte === quote) this.#isText = false;
        if (this.#isText && this.#isKey && this.#inside === 0) this.#key.push(byte);
      } else if (byte === quote) {
        this.#isText = true;
        this.#key = [];
      } else if (this.#inside > 0) {
        if (byte === openList || byte === openObject) this.#inside += 1;
        else if (byte === closeList || byte === closeObject) {
          this.#inside -= 1;
          if (this.#inside === 0) {
            parts.push(chunk.subarray(from, i + 1));
            from = -1;
          }
        }
      } else if (byte === openList && this.#isWanted()) {
        this.#inside = 1;
        this.#found += 1;
        from = i;
      } else this.#outside(byte);
    }
    if (from !== -1) parts.push(chunk.subarray(from));
    return Buffer.concat(parts);
  }

  #outside(byte: number): void {
    const last = this.#open.at(-1);
    if (byte === openObject || byte === openList) {
      this.#open.push({ key: null, isList: byte === openList });
      this.#isKey = byte === openObject;
    } else if (byte === closeObject || byte === closeList) {
      this.#open.pop();
      this.#isKey = false;
    } else if (byte === colon && last !== undefined) {
      last.key = Buffer.from(this.#key).toString("utf8");
      this.#isKey = false;
    } else if (byte === comma) this.#isKey = last?.isList === false;
  }

  #isWanted(): boolean {
    return (
      this.#open.length === this.#path.length &&
      this.#open.every(({ key, isList }, i) => !isList && key === this.#path[i])
    );
  }
}
