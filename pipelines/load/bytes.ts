/** What kind of file this is, told by its first bytes, and its bytes unpacked: what a name says is the last to be believed. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import * as zlib from "node:zlib";
import { Decompress } from "fzstd";
import { type Formats, sizeBytes } from "../config/formats.ts";
import { machineError, refusedError } from "../lib/errors.ts";

export type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "windows-1252";

export interface FileKind {
  readonly type: "csv" | "json" | "parquet";
  readonly compression: "none" | "gzip" | "zstd";
  readonly encoding: Encoding;
  /** Bytes of the byte order mark. */
  readonly mark: number;
}

/** What other files begin with, and what to do about them. */
const strangers: readonly (readonly [name: string, start: string, hint?: string])[] = [
  ["an Excel workbook or a zip archive", "504b0304", "save the sheet as CSV, or unpack the archive"],
  ["an empty zip archive", "504b0506"],
  ["an old Excel workbook", "d0cf11e0a1b11ae1", "save the sheet as CSV"],
  ["a PDF", "255044462d"],
  ["a file packed with bzip2", "425a68", "pack it as .gz or .zst, or not at all"],
  ["a file packed with xz", "fd377a585a00", "pack it as .gz or .zst, or not at all"],
  ["a file packed with 7-Zip", "377abcaf271c", "pack it as .gz or .zst, or not at all"],
  ["a RAR archive", "526172211a07", "pack it as .gz or .zst, or not at all"],
  ["an Avro file", "4f626a01", "export CSV, JSON lines or Parquet"],
  ["an ORC file", "4f5243", "export CSV, JSON lines or Parquet"],
  ["an Arrow file", "4152524f5731", "export CSV, JSON lines or Parquet"],
  ["a SQLite database", "53514c69746520666f726d6174203300", "export its table as CSV"],
  ["a PNG picture", "89504e470d0a1a0a"],
  ["a JPEG picture", "ffd8ff"],
  ["UTF-32 text", "fffe0000", "save it as UTF-8"],
  ["UTF-32 text", "0000feff", "save it as UTF-8"],
];

const startsWith = (bytes: Buffer, hex: string): boolean => bytes.subarray(0, hex.length / 2).toString("hex") === hex;

/** Looks at the beginning of a file, unpacked. Refuses what is neither text nor Parquet. */
export async function kindOf(path: string, shown: string, formats: Formats): Promise<FileKind> {
  const raw = await firstBytes(path);
  const compression = startsWith(raw, "1f8b") ? "gzip" : startsWith(raw, "28b52ffd") ? "zstd" : "none";
  const head = compression === "none" ? raw : await firstUnpacked(path, shown, compression, formats);
  for (const [name, start, hint] of strangers) {
    if (startsWith(head, start)) throw refusedError(`${shown}: is ${name}, expected CSV, JSON lines or Parquet`, hint);
  }
  const isParquet = startsWith(head, "50415231");
  const wanted = formats.type;
  if (isParquet && compression === "none" && (wanted ?? "parquet") === "parquet")
    return { type: "parquet", compression, encoding: "utf-8", mark: 0 };
  if (isParquet)
    throw refusedError(
      `${shown}: is Parquet${compression === "none" ? "" : ` packed with ${compression}`}, expected ${compression === "none" ? `${wanted} as formats.type says` : "Parquet that is not packed once more"}`,
    );
  if (wanted === "parquet" || (wanted === undefined && /\.(parquet|pq)$/i.test(path)))
    throw refusedError(`${shown}: is no Parquet file, or one that is cut off at the start`);
  const { encoding, mark } = encodingOf(head, formats.encoding);
  const text = decoderOf(encoding)
    .decode(head.subarray(mark, mark + 4096))
    .trimStart();
  if (/^<(!doctype|html|\?xml|head|body)/i.test(text))
    throw refusedError(
      `${shown}: is a web page or XML, expected CSV, JSON lines or Parquet`,
      "perhaps a page for signing in was saved instead of the export",
    );
  const isJsonName = /\.(json|jsonl|ndjson)(\.(gz|zst))?$/i.test(path);
  const looksJson = /^\{/.test(text) || (isJsonName && (text === "" || text.startsWith("[")));
  return { type: wanted ?? (looksJson ? "json" : "csv"), compression, encoding, mark };
}

async function firstBytes(path: string): Promise<Buffer> {
  const handle = await open(path, "r");
  try {
    const buffer = Buffer.alloc(1 << 16);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function firstUnpacked(
  path: string,
  shown: string,
  compression: FileKind["compression"],
  formats: Formats,
): Promise<Buffer> {
  for await (const chunk of unpacked(path, shown, compression, formats)) return chunk.subarray(0, 1 << 16);
  return Buffer.alloc(0);
}

/** A byte order mark stands before what is declared; without both it is UTF-8, or UTF-16 where every other byte is 0. */
function encodingOf(
  head: Buffer,
  declared: Formats["encoding"],
): { readonly encoding: Encoding; readonly mark: number } {
  if (startsWith(head, "efbbbf")) return { encoding: "utf-8", mark: 3 };
  if (startsWith(head, "fffe")) return { encoding: "utf-16le", mark: 2 };
  if (startsWith(head, "feff")) return { encoding: "utf-16be", mark: 2 };
  const sample = head.subarray(0, 4096);
  const zeros = (odd: 0 | 1): number => sample.filter((byte, i) => byte === 0 && i % 2 === odd).length;
  const most = 0.3 * sample.length;
  const isBig = zeros(0) > most && zeros(1) === 0;
  if (declared === "utf-16") return { encoding: isBig ? "utf-16be" : "utf-16le", mark: 0 };
  if (declared === "latin-1" || declared === "windows-1252") return { encoding: "windows-1252", mark: 0 };
  if (declared === undefined && isBig) return { encoding: "utf-16be", mark: 0 };
  if (declared === undefined && zeros(1) > most && zeros(0) === 0) return { encoding: "utf-16le", mark: 0 };
  return { encoding: "utf-8", mark: 0 };
}

export const decoderOf = (encoding: Encoding, fatal = false): TextDecoder =>
  new TextDecoder(encoding, { fatal, ignoreBOM: true });

const chunkBytes = 1 << 20;

/** Unpacks at least so much before the ratio of a packed file says anything. */
const ratioFrom = 1e9;

/**
 * The bytes of a file in pieces of up to 1 MB, unpacked and checked by the format's own checksum. A piece is good until the next one is
 * asked for. Refuses a file that is cut short or damaged, and one that unpacks to more than `max_ratio` times its size.
 */
export async function* unpacked(
  path: string,
  shown: string,
  compression: FileKind["compression"],
  formats: Formats,
): AsyncGenerator<Buffer> {
  if (compression === "none") {
    yield* plain(path);
    return;
  }
  const file = createReadStream(path, { highWaterMark: chunkBytes });
  try {
    let packed = 0;
    file.on("data", (chunk) => {
      packed += chunk.length;
    });
    file.pause();
    const bytes = compression === "gzip" ? through(file, zlib.createGunzip({ chunkSize: chunkBytes })) : unzstd(file);
    let out = 0;
    for await (const chunk of bytes) {
      out += chunk.length;
      if (out > ratioFrom && out > packed * formats.max_ratio) {
        throw refusedError(
          `${shown}: unpacks to more than ${formats.max_ratio} times its size, expected less`,
          "if that is right, raise formats.max_ratio of its source",
        );
      }
      yield chunk;
    }
  } catch (error) {
    const trouble = machineError(error);
    if (trouble !== null) throw trouble;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw refusedError(
      `${shown}: cannot be read: it is cut short or damaged, ${compression} says: ${why}`,
      "fetch it again",
    );
  } finally {
    file.destroy();
  }
}

/** The bytes of a plain file, all through one buffer: a new one for every piece costs more than the reading. */
async function* plain(path: string): AsyncGenerator<Buffer> {
  const handle = await open(path, "r");
  try {
    const buffer = Buffer.allocUnsafeSlow(chunkBytes);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw machineError(error) ?? error;
  } finally {
    await handle.close();
  }
}

async function* through(file: NodeJS.ReadableStream, unpack: NodeJS.ReadWriteStream): AsyncGenerator<Buffer> {
  file.on("error", (error) => unpack.emit("error", error));
  try {
    yield* file.pipe(unpack) as AsyncIterable<Buffer>;
  } finally {
    (unpack as unknown as { destroy(): void }).destroy();
  }
}

/** Node has zstd of its own from 22.15 on, which checks a file's checksum, too. */
export const hasOwnZstd = "createZstdDecompress" in zlib;

/** Before that it takes a slower one. */
async function* unzstd(file: NodeJS.ReadableStream): AsyncGenerator<Buffer> {
  const { createZstdDecompress } = zlib as unknown as { createZstdDecompress?: () => NodeJS.ReadWriteStream };
  if (createZstdDecompress !== undefined) {
    yield* through(file, createZstdDecompress());
    return;
  }
  let ready: Uint8Array[] = [];
  const unpack = new Decompress((chunk) => ready.push(chunk));
  const take = function* (): Generator<Buffer> {
    for (const chunk of ready) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    ready = [];
  };
  for await (const chunk of file as AsyncIterable<Buffer>) {
    // Small pieces: what comes out of one is held until it is taken.
    for (let at = 0; at < chunk.length; at += 1 << 14) {
      unpack.push(chunk.subarray(at, at + (1 << 14)));
      yield* take();
    }
  }
  unpack.push(new Uint8Array(0), true);
  yield* take();
}

/** How long a line or record may be. */
export const maxLineOf = (formats: Formats): number => sizeBytes(formats.max_line);
