/**
 * Files that nobody would write on purpose. Each of them is loaded, loaded with some of its rows rejected, or refused with one
 * sentence that names it; what was read is what was loaded and what was rejected, and no refused file leaves a trace.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { createGzip, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { readBook } from "../../pipelines/config/book.ts";
import { AssayError } from "../../pipelines/lib/errors.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { loadDeliveries } from "../../pipelines/load/load.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { type TestBook, testBook } from "../loading.ts";

type Content = string | Uint8Array;

/** What may come of a file: rows, some of them rejected perhaps, or a sentence. */
interface Case {
  readonly name: string;
  readonly content: Content;
  /** `rows`: all are loaded; `some`: some are rejected; `refused`; `any`: whatever it is, the rules hold. */
  readonly ends: "rows" | "some" | "refused" | "any";
  readonly says?: RegExp;
}

const header = "account_id,opened_at,category,csat";
const line = (i: number): string => `a${i % 7},2024-02-0${1 + (i % 9)} 10:00:00,"kind ${i}",${i % 5}`;
const good = (n: number, from = 0): string => Array.from({ length: n }, (_, i) => line(from + i)).join("\n");
const whole = `${header}\n${good(400)}\n`;
const json = (n: number): string =>
  Array.from({ length: n }, (_, i) =>
    JSON.stringify({ account_id: `a${i % 7}`, opened_at: "2024-02-01", category: `k${i}` }),
  ).join("\n");
const bytes = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));

const cases: Case[] = [];
const add = (ends: Case["ends"], name: string, content: Content, says?: RegExp): void => {
  cases.push({ ends, name, content, ...(says === undefined ? {} : { says }) });
};

// Cut anywhere, packed or not.
for (const share of [0.1, 0.3, 0.5, 0.7, 0.9]) {
  const cut = Math.floor(whole.length * share);
  add("any", `cut_${share}.csv`, whole.slice(0, cut));
  add(
    "refused",
    `cut_packed_${share}.csv.gz`,
    gzipSync(whole).subarray(0, Math.floor(gzipSync(whole).length * share)),
    /cut short/,
  );
  const records = json(300);
  add("any", `cut_${share}.jsonl`, records.slice(0, Math.floor(records.length * share)));
  const array = `[${json(300).replaceAll("\n", ",\n")}]`;
  add("refused", `cut_array_${share}.json`, array.slice(0, Math.floor(array.length * share)));
}
for (let cut = 0; cut < 45; cut += 3) add("any", `short_${cut}.csv`, whole.slice(0, cut));
for (const at of [0, 3, 10, 200, 900]) {
  const packed = Buffer.from(gzipSync(whole));
  packed[Math.min(at, packed.length - 1)] = (packed[Math.min(at, packed.length - 1)] as number) ^ 0xff;
  add("any", `flipped_${at}.csv.gz`, packed);
}

// Nothing, or hardly anything.
for (const ending of ["csv", "tsv", "txt", "csv.gz"])
  add("refused", `empty.${ending}`, ending.endsWith("gz") ? gzipSync("") : "", /empty|header/);
add("refused", "empty.parquet", "", /Parquet/);
add("any", "empty.jsonl", "");
add("rows", "only_header.csv", `${header}\n`);
add("rows", "only_header_no_newline.csv", header);
add("refused", "only_newlines.csv", "\n\n\n\n");
add("refused", "only_spaces.csv", "   ");
add("refused", "one_byte.csv", "x", /missing/);
add("any", "only_newlines.jsonl", "\n\n\n");
add("refused", "only_a_mark.csv", Buffer.from("\ufeff"));
add("refused", "only_a_mark_16.csv", Buffer.from([0xff, 0xfe]));
add("refused", "packed_nothing_twice.csv.gz", gzipSync(gzipSync(whole)));

// Encodings that are not what they seem.
const latin = Buffer.from(whole.replaceAll("kind", "Zürich"), "latin1");
add("refused", "latin1.csv", latin, /UTF-8|bad values/);
add("some", "one_latin_line.csv", bytes(`${header}\n${good(400)}\n`, "a,2024-02-01,caf", [0xe9], ",1\n"));
add("refused", "latin_header.csv", Buffer.from(`account_id,opened_at,category,größe\n${good(9)}`, "latin1"), /UTF-8/);
add("rows", "utf16le.csv", Buffer.from(`\ufeff${whole}`, "utf16le"));
add("rows", "utf16be.csv", Buffer.from(`\ufeff${whole}`, "utf16le").swap16());
add("rows", "utf16_no_mark.csv", Buffer.from(whole, "utf16le"));
add("any", "utf16_odd.csv", Buffer.from(`\ufeff${whole}`, "utf16le").subarray(0, -1));
add(
  "refused",
  "utf16_lone_surrogate.csv",
  bytes([0xff, 0xfe], [...Buffer.from(whole, "utf16le")], [0x00, 0xd8, 0x41, 0x00]),
  /UTF-16/,
);
add("any", "utf16_then_utf8.csv", bytes([...Buffer.from(`\ufeff${whole}`, "utf16le")], whole));
add("any", "utf8_then_utf16.csv", bytes(whole, [...Buffer.from(whole, "utf16le")]));
add("refused", "utf32.csv", bytes([0xff, 0xfe, 0x00, 0x00, 0x61, 0x00, 0x00, 0x00]), /UTF-32/);
add("any", "overlong.csv", bytes(`${header}\na,2024-02-01,`, [0xc0, 0xaf], ",1\n"));
add("any", "mark_in_the_middle.csv", `${header}\n${good(5)}\n\ufeff${header}\n${good(5)}\n`);
add("any", "lone_continuation.csv", bytes(whole, [0x80, 0x80, 0x80]));
for (const byte of [0x00, 0x01, 0x07, 0x0b, 0x0c, 0x1a, 0x1b, 0x7f]) {
  add("any", `control_${byte}.csv`, bytes(`${header}\n${good(300)}\na,2024-02-01,x`, [byte], "y,1\n", good(300)));
  add("any", `control_${byte}.jsonl`, bytes(`${json(300)}\n{"account_id":"a`, [byte], '","opened_at":"2024-02-01"}\n'));
}
add("any", "nul_everywhere.csv", bytes(whole.replaceAll("a", "\u0000")));
add(
  "any",
  "nul_tail.csv",
  bytes(
    whole,
    Array.from({ length: 5000 }, () => 0),
  ),
);
add("refused", "nul_only.csv", Buffer.alloc(5000));
add("any", "right_to_left.csv", whole.replaceAll("kind", "\u202eقيمة\u202c"));
add("any", "emoji.csv", whole.replaceAll("kind", "👩‍👩‍👧 \u0301"));

// Headers.
add("refused", "twice_the_same.csv", `account_id,opened_at,opened_at\na,2024-02-01,2024-02-02\n`, /stands 2 times/);
add("rows", "twice_another.csv", `account_id,opened_at,x,x\na,2024-02-01,1,2\n`);
add("refused", "other_case.csv", whole.replace("account_id", "ACCOUNT_ID"), /account_id is missing/);
add("refused", "no_header.csv", `${good(50)}\n`, /missing/);
add("rows", "spaces_in_header.csv", whole.replace(header, " account_id , opened_at ,category, csat "));
add("rows", "quoted_header.csv", whole.replace(header, '"account_id","opened_at","cate\ngory","csat"'));
add("refused", "header_with_open_quote.csv", `"account_id,opened_at\na,2024-02-01\n`, /never closed/);
add("rows", "empty_names.csv", `account_id,opened_at,,,\na,2024-02-01,,,\n`);
add("refused", "injection_header.csv", `account_id"); drop table x; --,opened_at\na,2024-02-01\n`, /missing/);
add(
  "rows",
  "injection_extra.csv",
  `account_id,opened_at,"'); drop table broken_line; --","c0","file_row_number"\na,2024-02-01,1,2,3\n`,
);
const wideNames = Array.from({ length: 10_000 }, (_, i) => `column_${i}`);
add(
  "rows",
  "ten_thousand_columns.csv",
  `account_id,opened_at,${wideNames.join(",")}\n${[0, 1, 2].map((i) => `a,2024-02-0${i + 1},${wideNames.map((_, j) => j).join(",")}`).join("\n")}\n`,
);
add(
  "refused",
  "ten_thousand_without.csv",
  `${wideNames.join(",")}\n${wideNames.map((_, j) => j).join(",")}\n`,
  /missing/,
);
add("any", "ten_thousand_ragged.csv", `account_id,opened_at,${wideNames.join(",")}\na,2024-02-01\n`);
add(
  "any",
  "wide.jsonl",
  `${JSON.stringify(Object.fromEntries([["account_id", "a"], ["opened_at", "2024-02-01"], ...wideNames.map((name) => [name, 1])]))}\n`,
);

// Rows that do not split.
const ragged: readonly (readonly [string, string])[] = [
  ["too_few", "a,2024-02-01"],
  ["too_many", "a,2024-02-01,x,1,2,3"],
  ["one_field", "a"],
  ["only_commas", ",,,"],
  ["quote_in_the_middle", 'a,2024-02-01,x"y,1'],
  ["quote_then_text", 'a,2024-02-01,"x"y,1'],
  ["quote_of_backslash", 'a,2024-02-01,"x\\"y",1'],
  ["single_quotes", "a,2024-02-01,'x,y',1"],
  ["break_in_quotes", 'a,2024-02-01,"x\ny\r\nz",1'],
  ["comma_in_quotes", 'a,2024-02-01,"x,y",1'],
  ["tabs", "a\t2024-02-01\tx\t1"],
  ["semicolons", "a;2024-02-01;x;1"],
  ["spaces", "   "],
  ["a_comment", "# made by a tool"],
  ["a_total", "Total,400,,"],
  ["another_header", header],
  ["long_value", `a,2024-02-01,${"x".repeat(3_000_000)},1`],
];
for (const [name, text] of ragged) {
  add("any", `ragged_${name}.csv`, `${header}\n${good(300)}\n${text}\n${good(300)}\n`);
  add("any", `ragged_${name}_first.csv`, `${header}\n${text}\n${good(10)}\n`);
  add("any", `ragged_${name}_last.csv`, `${header}\n${good(300)}\n${text}`);
}
add(
  "refused",
  "open_quote.csv",
  `${header}\n${good(300)}\na,2024-02-01,"x,1\n${good(300).replaceAll('"', "")}\n`,
  /line 302 opens a quote/,
);
add("refused", "open_quote_last.csv", `${header}\n${good(300)}\na,2024-02-01,"x`, /line 302 opens a quote/);
add("refused", "all_ragged.csv", `${header}\n${"a,b\n".repeat(100)}`, /100 of 100 rows/);
add(
  "rows",
  "all_mixed_ends.csv",
  whole
    .split("\n")
    .map((text, i) => text + (i % 2 === 0 ? "\r\n" : "\n"))
    .join(""),
);
add("any", "cr_in_the_middle.csv", `${header}\n${good(9)}\na,2024-02-01,x\ry,1\n${good(9)}`);

// Values that no column holds.
const values: readonly (readonly [string, string, string])[] = [
  ["year_0", "a,0000-01-01,x,1", "some"],
  ["year_1", "a,0001-01-01,x,1", "some"],
  ["year_9999", "a,9999-12-31 23:59:59,x,1", "any"],
  ["year_10000", "a,10000-01-01,x,1", "some"],
  ["year_294247", "a,294247-01-10 04:00:54.775806,x,1", "some"],
  ["before_christ", "a,0044-03-15 (BC),x,1", "some"],
  ["infinity", "a,infinity,x,1", "some"],
  ["minus_infinity", "a,-infinity,x,1", "some"],
  ["epoch_text", "a,epoch,x,1", "some"],
  ["future", "a,2199-01-01,x,1", "rows"],
  ["thirtieth_of_february", "a,2024-02-30,x,1", "some"],
  ["month_13", "a,2024-13-01,x,1", "some"],
  ["hour_25", "a,2024-02-01 25:00:00,x,1", "some"],
  ["second_60", "a,2024-02-01 10:00:60,x,1", "any"],
  ["unix_time", "a,1706781600,x,1", "some"],
  ["american", "a,02/01/2024,x,1", "some"],
  ["a_formula", "a,=1+1,x,1", "some"],
  ["zone_of_99", "a,2024-02-01 10:00:00+99:00,x,1", "some"],
  ["beyond_64_bit", "a,2024-02-01,x,99999999999999999999999999", "some"],
  ["beyond_double", "a,2024-02-01,x,1e999", "some"],
  ["nan", "a,2024-02-01,x,NaN", "rows"],
  ["inf", "a,2024-02-01,x,-inf", "rows"],
  ["hex", "a,2024-02-01,x,0xff", "some"],
  ["a_word", "a,2024-02-01,x,five", "some"],
  ["thousands", 'a,2024-02-01,x,"1,000"', "some"],
  ["many_decimals", `a,2024-02-01,x,0.${"1".repeat(500)}`, "any"],
  ["many_digits", `a,2024-02-01,x,${"1".repeat(5000)}`, "some"],
  ["arabic_digits", "a,2024-02-01,x,٣", "some"],
  ["no_id", ",2024-02-01,x,1", "some"],
  ["no_time", "a,,x,1", "some"],
];
for (const [name, text, ends] of values)
  add(ends as Case["ends"], `value_${name}.csv`, `${header}\n${good(400)}\n${text}\n`);

// JSON that is none.
const records: readonly (readonly [string, string])[] = [
  ["a_word", "nope"],
  ["a_number", "17"],
  ["null", "null"],
  ["a_list", "[1,2]"],
  ["half", '{"account_id":"a","opened_at":'],
  ["two", '{"account_id":"a","opened_at":"2024-02-01"} {"account_id":"b","opened_at":"2024-02-01"}'],
  ["single_quotes", "{'account_id':'a','opened_at':'2024-02-01'}"],
  ["trailing_comma", '{"account_id":"a","opened_at":"2024-02-01",}'],
  ["same_key_twice", '{"account_id":"a","account_id":"b","opened_at":"2024-02-01"}'],
  ["nan", '{"account_id":"a","opened_at":"2024-02-01","csat":NaN}'],
  ["huge_number", `{"account_id":"a","opened_at":"2024-02-01","csat":${"9".repeat(400)}}`],
  ["exponent", '{"account_id":"a","opened_at":"2024-02-01","csat":1e999}'],
  ["an_object_for_text", '{"account_id":{"x":1},"opened_at":"2024-02-01"}'],
  ["a_list_for_time", '{"account_id":"a","opened_at":["2024-02-01"]}'],
  ["nothing_in_it", "{}"],
  ["escaped_nul", '{"account_id":"a\\u0000b","opened_at":"2024-02-01"}'],
  ["lone_surrogate", '{"account_id":"a\\ud800","opened_at":"2024-02-01"}'],
  ["a_comment", "// made by a tool"],
  ["a_csv_line", "a,2024-02-01,x"],
  ["deep_800", `{"account_id":"a","opened_at":"2024-02-01","x":${"[".repeat(800)}${"]".repeat(800)}}`],
];
for (const [name, text] of records) {
  add("any", `record_${name}.jsonl`, `${json(300)}\n${text}\n${json(10)}\n`);
  add("any", `record_${name}_first.jsonl`, `${text}\n${json(300)}\n`);
}
add(
  "refused",
  "deep.jsonl",
  `${json(3)}\n{"account_id":"a","opened_at":"2024-02-01","x":${"[".repeat(100_000)}${"]".repeat(100_000)}}\n`,
  /line 4 nests/,
);
add("refused", "deep.json", `[{"account_id":"a","x":${'{"y":'.repeat(50_000)}1${"}".repeat(50_000)}}]`, /nests/);
add("refused", "no_record.jsonl", "one\ntwo\nthree\n");
add("refused", "no_key.jsonl", '{"a":1}\n{"a":2}\n', /account_id is missing/);
add("any", "pretty.json", JSON.stringify({ account_id: "a", opened_at: "2024-02-01" }, null, 2));
add("refused", "array_of_numbers.json", "[1,2,3]");
add("any", "empty_array.json", "[]");
add("refused", "array_with_a_comma.json", '[{"account_id":"a","opened_at":"2024-02-01"},]');

// Other files under a wrong name.
const strangers: readonly (readonly [string, readonly number[] | string])[] = [
  ["zip", [0x50, 0x4b, 3, 4, 20, 0, 0, 0]],
  ["pdf", "%PDF-1.7\n%"],
  ["excel", [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]],
  ["bzip2", "BZh91AY&SY"],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
  ["png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["sqlite", "SQLite format 3\u0000"],
  ["avro", "Obj\u0001"],
  ["html", "<!DOCTYPE html><html><body>Sign in</body></html>"],
  ["xml", '<?xml version="1.0"?><rows></rows>'],
];
for (const [name, start] of strangers) {
  add("refused", `${name}.csv`, bytes(start, "rest of it\n"), /: is /);
  add("refused", `${name}.csv.gz`, gzipSync(bytes(start, "rest of it\n")), /: is /);
}
add("refused", "text.parquet", whole, /no Parquet/);
add("refused", "magic.parquet", "PAR1 and nothing else");
add(
  "refused",
  "magic_twice.parquet",
  bytes(
    "PAR1",
    Array.from({ length: 100 }, (_, i) => i),
    "PAR1",
  ),
);
add("refused", "excels_line.csv", `sep=;\n${whole.replaceAll(",", ";")}`, /account_id is missing/);
add("rows", "two_members.csv.gz", Buffer.concat([gzipSync(whole), gzipSync(`${good(50)}\n`)]));
add("refused", "garbage_behind.csv.gz", Buffer.concat([gzipSync(whole), Buffer.from("garbage")]), /damaged/);
add("some", "half_a_letter.jsonl", `${json(300)}\n{"account_id":"a","opened_at":"2024-02-01","category":"\\ud800"}\n`);
add("rows", "number_for_an_id.jsonl", `{"account_id":${"9".repeat(40)},"opened_at":"2024-02-01"}\n`);
add("refused", "names_of_nothing.csv", `,,,\n${good(3)}\n`, /account_id is missing/);
add("refused", "two_returns.csv", whole.replaceAll("\n", "\r\r\n"), /LF or in CRLF/);
add("some", "no_such_day.csv", `${whole}a,2023-02-29,x,1\n`);
add("some", "other_digits.csv", `${whole}a,٢٠٢٤-٠٢-٠١,x,1\n`);
add("refused", "unseen_letter_in_header.csv", whole.replace("account_id", "account\u200b_id"), /account_id is missing/);
add("rows", "text.csv.gz", whole);
add("rows", "packed.csv", gzipSync(whole));
add("rows", "records.csv", json(10));
add("rows", "values.json", whole);
add("any", "random.csv", Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 2654435761) % 251)));
add("any", "random.jsonl", Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 40503) % 256)));
add(
  "any",
  "random.csv.gz",
  bytes(
    [0x1f, 0x8b],
    Array.from({ length: 5000 }, (_, i) => (i * 40503) % 256),
  ),
);
add(
  "any",
  "random.csv.zst",
  bytes(
    [0x28, 0xb5, 0x2f, 0xfd],
    Array.from({ length: 5000 }, (_, i) => (i * 40503) % 256),
  ),
);

const made: TestBook[] = [];
afterAll(async () => {
  for (const one of made) await one.drop();
});

/** The rules that hold for every file, whatever it is. */
async function ending(book: TestBook, name: string): Promise<{ readonly ends: Case["ends"]; readonly says: string }> {
  const file = join(book.folder, "assay.yaml");
  await writeFile(
    file,
    (await readFile(file, "utf8")).replace(/files: "?hostile[^,]*,/, `files: ${JSON.stringify(`hostile/${name}`)},`),
  );
  // What is the same for all files, accounts and usage, is taken once.
  const state = join(book.folder, `.state-${name}`);
  await cp(join(book.folder, ".state"), state, { recursive: true });
  const read = await readBook(book.folder, { cwd: book.folder, env: {} });
  const load = () =>
    loadDeliveries({
      book: read,
      state,
      log: silentLog,
      now: () => new Date("2024-06-01T00:00:00Z"),
      settleSeconds: 0,
    });
  try {
    const { deliveries } = await load();
    const delivery = deliveries.find(({ source }) => source === "tickets");
    if (delivery === undefined) throw new Error(`${name} came to nothing`);
    const { rows_read, rows_loaded, rows_rejected, rows, rejects } = delivery;
    expect(rows_read, name).toBe(rows_loaded + rows_rejected);
    const database = await Database.open({ path: ":memory:", threads: 1 });
    try {
      expect(await database.scalar(`select count(*) from read_parquet('${rows}') where _reject is null`), name).toBe(
        rows_loaded,
      );
      const told =
        rejects === null
          ? 0
          : await database.scalar(`select count(distinct line) from read_parquet('${rejects}') where reason <> ''`);
      expect(told, name).toBe(rows_rejected);
    } finally {
      database.close();
    }
    return { ends: rows_rejected > 0 ? "some" : "rows", says: "" };
  } catch (error) {
    if (!(error instanceof AssayError)) throw new Error(`${name} ends as a bug`, { cause: error });
    const { message, exitCode } = error;
    expect(exitCode, name).toBe(3);
    expect(message.startsWith(`hostile/${name}: `), `${name}: ${message}`).toBe(true);
    expect(message, name).not.toContain("\n");
    expect(message, name).not.toMatch(/\bat .*\.ts|Error:|broken_line|c0\b|\/tmp\//);
    expect(message.length, name).toBeLessThan(2500);
    // Nothing of it stays: neither in the ledger nor in the store.
    expect(await readFile(join(state, "ledger.jsonl"), "utf8").catch(() => ""), name).not.toContain(
      `"hostile/${name}"`,
    );
    const left = (await readdir(join(state, "store"), { recursive: true })).filter((entry) => entry.endsWith(".tmp"));
    expect(left, name).toEqual([]);
    return { ends: "refused", says: message };
  } finally {
    await rm(state, { recursive: true });
  }
}

/** A book whose accounts and usage are taken already. */
async function hostileBook(): Promise<TestBook> {
  const book = await testBook(
    'tickets: { entity: ticket, files: "hostile/x", max_rejected: 0.02, formats: { max_ratio: 40 } }',
    "memory_limit: 500MB\nthreads: 2",
  );
  made.push(book);
  await expect(
    loadDeliveries({
      book: await book.read(),
      state: join(book.folder, ".state"),
      log: silentLog,
      now: () => new Date("2024-06-01T00:00:00Z"),
      settleSeconds: 0,
    }),
  ).rejects.toThrow("no file matches");
  return book;
}

describe("a hostile file", () => {
  it("is one of at least 200", () => {
    expect(cases.length).toBeGreaterThanOrEqual(200);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  it("ends as rows, as rejected rows or as one sentence", { timeout: 600_000 }, async () => {
    const book = await hostileBook();
    const wrong: string[] = [];
    for (const { name, content, ends, says } of cases) {
      await book.write(`hostile/${name}`, content);
      const found = await ending(book, name).catch((error: Error) => ({
        ends: "bug",
        says: `${error.message} ${String((error.cause as Error | undefined)?.stack ?? "")}`.slice(0, 600),
      }));
      const fits =
        found.ends !== "bug" &&
        (ends === "any" || ends === found.ends) &&
        (says === undefined || says.test(found.says));
      if (!fits)
        wrong.push(
          `${name}: expected ${ends}${says === undefined ? "" : ` ${says}`}, found ${found.ends} ${found.says}`,
        );
      if (process.env.ASSAY_HOSTILE === "show")
        process.stderr.write(`${name}: ${found.ends} ${found.says.slice(0, 300)}\n`);
    }
    expect(wrong).toEqual([]);
  });

  it("of many megabytes stays within memory_limit and 500 MB", { timeout: 600_000 }, async () => {
    const book = await hostileBook();
    await book.write("hostile/small.csv", whole);
    await ending(book, "small.csv");
    const before = process.memoryUsage.rss();
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 20);
    const field = Buffer.alloc(1 << 20, "x");
    const lines = Buffer.from(`${good(10_000).replaceAll('"', "")}\n`);
    const write = async (name: string, packed: boolean, parts: readonly (string | readonly [Buffer, number])[]) => {
      const file = createWriteStream(join(book.folder, "hostile", name));
      const gzip = packed ? createGzip({ level: 1 }) : null;
      gzip?.pipe(file);
      const out = gzip ?? file;
      for (const part of parts) {
        const [chunk, times] = typeof part === "string" ? [Buffer.from(part), 1] : part;
        for (let i = 0; i < times; i += 1) if (!out.write(chunk)) await once(out, "drain");
      }
      out.end();
      await finished(file);
    };
    try {
      const start = `${header}\n${good(9)}\n`;
      await write("long.csv", false, [`${start}a,2024-02-01,`, [field, 200], ",1\n"]);
      expect((await ending(book, "long.csv")).says).toMatch(/line 11 is longer than 16MB/);
      await write("quoted.csv", false, [`${start}a,2024-02-01,"`, [field, 200], '",1\n']);
      expect((await ending(book, "quoted.csv")).says).toMatch(/line 11 is longer than 16MB/);
      await write("open.csv", false, [`${start}a,2024-02-01,"x\n`, [lines, 300]]);
      expect((await ending(book, "open.csv")).says).toMatch(/line 11 is longer than 16MB/);
      await write("long.jsonl", false, ['{"account_id":"', [field, 200], '"}\n']);
      expect((await ending(book, "long.jsonl")).says).toMatch(/line 1 is longer than 16MB/);
      await write("bomb.csv.gz", true, [`${start}a,2024-02-01,`, [field, 600]]);
      expect((await ending(book, "bomb.csv.gz")).says).toMatch(/line 11 is longer than 16MB/);
      await write("bomb_of_lines.csv.gz", true, [start, [Buffer.from("a,2024-02-01,x,1\n".repeat(60_000)), 1200]]);
      expect((await ending(book, "bomb_of_lines.csv.gz")).says).toMatch(/unpacks to more than 40 times its size/);
    } finally {
      clearInterval(watch);
    }
    expect((peak - before) / 1e6).toBeLessThan(1000);
  });
});
