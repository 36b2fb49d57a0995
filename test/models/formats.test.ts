import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { Database } from "../../pipelines/warehouse/database.ts";
import { type TestBook, testBook } from "../loading.ts";

const books: TestBook[] = [];
afterAll(async () => {
  for (const book of books) await book.drop();
});

async function book(
  sources: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  rest = "",
): Promise<TestBook> {
  const made = await testBook(sources, rest);
  books.push(made);
  for (const [name, content] of Object.entries(files)) await made.write(name, content);
  return made;
}

type Row = Record<string, unknown>;

/** What the store holds of a source, in the order of the files. */
async function stored(made: TestBook, source: string, columns: string): Promise<readonly Row[]> {
  const load = await made.load();
  const database = await Database.open({ path: ":memory:" });
  try {
    const files = load.deliveries.filter((one) => one.source === source).map(({ rows }) => `'${rows}'`);
    return await database.query<Row>(`select ${columns} from read_parquet([${files.join(", ")}])`);
  } finally {
    database.close();
  }
}

/** Tickets of one file, as [account, category]. */
async function tickets(content: string | Uint8Array, formats = "", file = "t.csv"): Promise<readonly unknown[]> {
  const made = await book(
    `tickets: { entity: ticket, files: "${file}"${formats === "" ? "" : `, formats: { ${formats} }`} }`,
    { [file]: content },
  );
  return (await stored(made, "tickets", "account_id, category")).map((row) => [row.account_id, row.category]);
}

const text = "account_id,opened_at,category\na,2024-02-01,Zürich €\nb,2024-02-02,naïve\n";
const rows = [
  ["a", "Zürich €"],
  ["b", "naïve"],
];
const utf16be = (of: string): Buffer => Buffer.from(`\ufeff${of}`, "utf16le").swap16();
const windows1252 = Buffer.from(text.replace("€", "\u0080"), "latin1");

async function zstd(content: string): Promise<Uint8Array> {
  const { mkdtemp, readFile, rm, writeFile } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const folder = await mkdtemp(join(tmpdir(), "assay-zstd-"));
  const database = await Database.open({ path: ":memory:" });
  try {
    await writeFile(join(folder, "plain"), content);
    await database.run(
      `copy (select content from read_text('${join(folder, "plain")}'))
       to '${join(folder, "packed")}' (format csv, header false, quote '', escape '', delimiter '\u0001', compression zstd)`,
    );
    return await readFile(join(folder, "packed"));
  } finally {
    database.close();
    await rm(folder, { recursive: true });
  }
}

describe("a text gives the same rows", () => {
  it.each<[string, string | Uint8Array, string?, string?]>([
    ["in UTF-8", text],
    ["with a byte order mark", `\ufeff${text}`],
    ["in UTF-16, little-endian", Buffer.from(`\ufeff${text}`, "utf16le")],
    ["in UTF-16, big-endian", utf16be(text)],
    ["in UTF-16 without a mark", Buffer.from(text, "utf16le")],
    ["in UTF-16 without a mark, declared", Buffer.from(text, "utf16le"), "encoding: utf-16"],
    ["in Windows-1252", windows1252, "encoding: windows-1252"],
    ["in Windows-1252 that calls itself Latin-1", windows1252, "encoding: latin-1"],
    ["with CRLF", text.replaceAll("\n", "\r\n")],
    ["with CR alone", text.replaceAll("\n", "\r")],
    ["with lines that end now so, now so", text.replace("\n", "\r\n")],
    ["with semicolons", text.replaceAll(",", ";")],
    ["with tabs", text.replaceAll(",", "\t")],
    ["with bars", text.replaceAll(",", "|")],
    ["with a sign that is declared", text.replaceAll(",", "^"), 'delimiter: "^"'],
    ["with two signs", text.replaceAll(",", "~|"), 'delimiter: "~|"'],
    ["all in quotes", text.replaceAll(/[^,\n]+/g, '"$&"')],
    ["with other quotes", text.replaceAll(/[^,\n]+/g, "'$&'"), 'quote: "\'"'],
    ["without a newline at the end", text.trimEnd()],
    ["with blank lines", text.replaceAll("\n", "\n\n")],
    ["below two lines of a heading", `Report of "today\n\n${text}`, "skip_lines: 2"],
    ["without a header", text.slice(text.indexOf("\n") + 1), "header: [account_id, opened_at, category]"],
    [
      "with rows below the header that are no data",
      text.replace("\n", '\n"Which\naccount?",when,"what, say"\n{"id":1},x,y\n'),
      "skip_rows: 2",
    ],
    ["packed with gzip", gzipSync(text), "", "t.csv.gz"],
    ["packed with gzip under another name", gzipSync(text)],
    ["packed with gzip, in Windows-1252", gzipSync(windows1252), "encoding: windows-1252", "t.csv.gz"],
    ["packed with gzip, in UTF-16", gzipSync(utf16be(text)), "", "t.csv.gz"],
  ])("%s", async (_how, content, formats, file) => {
    expect(await tickets(content, formats, file)).toEqual(rows);
  });

  it("packed with zstd", async () => {
    expect(await tickets(await zstd(text), "", "t.csv.zst")).toEqual(rows);
    const json = rows.map(([account_id, category]) =>
      JSON.stringify({ account_id, category, opened_at: "2024-02-01" }),
    );
    expect(await tickets(await zstd(json.join("\n")), "", "t.jsonl.zst")).toEqual(rows);
  });

  it("as JSON lines, as an array, and as an array over many lines", async () => {
    const records = rows.map(([account_id, category]) => ({ opened_at: "2024-02-01T10:00:00Z", account_id, category }));
    const lines = records.map((record) => JSON.stringify(record)).join("\n");
    expect(await tickets(lines, "", "t.jsonl")).toEqual(rows);
    expect(await tickets(`\ufeff\n${lines}\n\n`, "", "t.json")).toEqual(rows);
    expect(await tickets(JSON.stringify(records), "", "t.json")).toEqual(rows);
    expect(await tickets(JSON.stringify(records, null, 2), "", "t.json")).toEqual(rows);
    expect(await tickets(gzipSync(lines), "", "t.json.gz")).toEqual(rows);
    expect(await tickets(Buffer.from(`\ufeff${lines}`, "utf16le"), "", "t.ndjson")).toEqual(rows);
  });

  it("in many files with the columns in another order each", async () => {
    const made = await book('tickets: { entity: ticket, files: "t/**/*.csv" }', {
      "t/1.csv": text,
      "t/deep/2.csv": "category;account_id;opened_at\nx;c;2024-02-03\n",
    });
    expect(await stored(made, "tickets", "account_id, category")).toEqual([
      { account_id: "a", category: "Zürich €" },
      { account_id: "b", category: "naïve" },
      { account_id: "c", category: "x" },
    ]);
  });
});

it("the name of a file says the day of its delivery, or the month, whose last day counts", async () => {
  const files = ["a_Apr-2023.csv", "a_2024-02.csv", "a_202401.csv", "a_Dez_2023.csv", "a_2023_06.csv"];
  const made = await book(
    'tickets: { entity: ticket, files: "a_*.csv", delivered: { from: file_name, pattern: "a_{month}.csv" } }\nnps: { entity: survey_response, files: "n_*.csv", delivered: { from: file_name, pattern: "n_{date}.csv" } }',
    {
      ...Object.fromEntries(files.map((name, i) => [name, `account_id,opened_at\na${i},2023-01-01\n`])),
      "n_31.12.2023.csv": "account_id,kind,asked_at\na,nps,2023-01-01\n",
      "n_1-Mar-2023.csv": "account_id,kind,asked_at\nb,nps,2023-01-01\n",
    },
  );
  const { deliveries } = await made.load();
  const named = (source: string) =>
    deliveries
      .filter((one) => one.source === source)
      .map(({ file, delivered_at }) => [file, delivered_at.slice(0, 10)]);
  expect(named("tickets")).toEqual([
    ["a_Apr-2023.csv", "2023-04-30"],
    ["a_2023_06.csv", "2023-06-30"],
    ["a_Dez_2023.csv", "2023-12-31"],
    ["a_202401.csv", "2024-01-31"],
    ["a_2024-02.csv", "2024-02-29"],
  ]);
  expect(named("nps")).toEqual([
    ["n_1-Mar-2023.csv", "2023-03-01"],
    ["n_31.12.2023.csv", "2023-12-31"],
  ]);
  await made.write("a_13-2024.csv", "account_id,opened_at\na,2023-01-01\n");
  await expect(made.load()).rejects.toThrow("a_13-2024.csv: its name has no date of delivery, expected a_{month}.csv");
});

describe("JSON", () => {
  it("is read by paths, through lists too; a key with a dot comes before a path", async () => {
    const made = await book(
      `tickets: { entity: ticket, files: t.jsonl, columns: { account_id: ids.account, opened_at: { from: at.created, unit: s }, category: custom.kind, priority: labels.1.name, csat: { from: "a.b", nulls: [none] }, ticket_id: ids } }`,
      {
        "t.jsonl": [
          '{"ids":{"account":"a","x":1},"at":{"created":1706781600.5},"custom":{"kind":"bug"},"labels":[{"name":"p"},{"name":"q"}],"a.b":3,"a":{"b":9}}',
          '{"ids":{"account":17},"at":{"created":1706781600},"labels":[],"a.b":"none"}',
        ].join("\n"),
      },
    );
    const columns =
      "account_id, cast(opened_at as varchar) as opened_at, category, priority, cast(csat as varchar) as csat, ticket_id";
    expect(await stored(made, "tickets", columns)).toEqual([
      {
        account_id: "a",
        opened_at: "2024-02-01 10:00:00.5",
        category: "bug",
        priority: "q",
        csat: "3.000000",
        ticket_id: '{"account":"a","x":1}',
      },
      {
        account_id: "17",
        opened_at: "2024-02-01 10:00:00",
        category: null,
        priority: null,
        csat: null,
        ticket_id: '{"account":17}',
      },
    ]);
  });

  it("is read out of the document that wraps it", async () => {
    const records = Array.from({ length: 50 }, (_, i) => ({
      account_id: `a${i}`,
      opened_at: "2024-02-01",
      // Brackets and quotes inside texts open and close nothing.
      category: 'x]"}[{"data": [1',
      tags: [{ data: [1, 2] }],
    }));
    const wrapped = JSON.stringify(
      { note: 'not "data": [here]', pages: { data: 3 }, result: { data: records }, more: false },
      null,
      1,
    );
    const formats = "list: result.data";
    const all = records.map(({ account_id, category }) => [account_id, category]);
    expect(await tickets(wrapped, formats, "t.json")).toEqual(all);
    expect(await tickets(gzipSync(`\ufeff${wrapped}`), formats, "t.json.gz")).toEqual(all);
    expect(await tickets('{"result":{"data":[]}}', formats, "t.json")).toEqual([]);
    await expect(tickets(wrapped, "list: data", "t.json")).rejects.toThrow(
      "t.json: expected one JSON document with a list at data, as formats.list says, found none",
    );
    await expect(tickets(`${wrapped}\n${wrapped}`, formats, "t.json")).rejects.toThrow("found more than one");
    await expect(tickets(wrapped.slice(0, 3000), formats, "t.json")).rejects.toThrow("t.json: cannot be read");
  });

  it("tells a line that is no record by its number, and a record without what it needs", async () => {
    const good = '{"account_id":"a","opened_at":"2024-02-01"}\n'.repeat(3);
    const made = await book("tickets: { entity: ticket, files: t.jsonl, max_rejected: 1 }", {
      "t.jsonl": `${good}\n{"account_id":\n[1]\n{"opened_at":"2024-02-01"}\n{"account_id":"a","opened_at":"soon"}\n${good}`,
    });
    const load = await made.load();
    const delivery = load.deliveries.find((one) => one.source === "tickets");
    expect(delivery).toMatchObject({ rows_read: 10, rows_loaded: 6, rows_rejected: 4 });
    const { database } = await made.stage(load);
    try {
      expect(await database.query('select line, "column", reason, value from meta.reject order by line')).toEqual([
        { line: 5, column: "", reason: "expected a JSON object, found no JSON", value: '{"account_id":' },
        { line: 6, column: "", reason: "expected a JSON object, found another value", value: "[1]" },
        { line: 7, column: "account_id", reason: "expected a value, found nothing", value: null },
        { line: 8, column: "opened_at", reason: "expected a time", value: "soon" },
      ]);
      expect(await database.query("select _line from raw.ticket order by _line")).toEqual(
        [1, 2, 3, 9, 10, 11].map((_line) => ({ _line })),
      );
    } finally {
      database.close();
    }
  });
});

describe("values", () => {
  /** The typed values of one column, null where it was rejected. */
  async function values(column: string, options: string, texts: readonly string[], formats = ""): Promise<unknown[]> {
    const made = await book(
      `invoices: { entity: invoice, files: i.csv, max_rejected: 1, formats: { delimiter: "|"${formats} }, columns: { ${column}: ${options} } }`,
      { "i.csv": `no|account_id|x|issued_on\n${texts.map((one, i) => `${i}|a|${one}|2024-01-01`).join("\n")}\n` },
      "",
    );
    const found = await stored(made, "invoices", `_line, cast(${column} as varchar) as v`);
    // Rejected rows are gone, and the others know their lines.
    const byLine = new Map(found.map((row, i) => [Number(row._line ?? i + 2), row.v]));
    return texts.map((_, i) => byLine.get(i + 2) ?? null);
  }

  it("reads amounts as they are declared, and nothing else", async () => {
    const german =
      '{ from: x, unit: major, number: { decimal: ",", thousands: ".", strip: ["€", EUR], parentheses: true } }';
    expect(
      await values("amount_minor", german, ["1.234,56", "€ 1.234,5", "(12,50 €)", "EUR -3", "12.34", "1,234.56", "x"]),
    ).toEqual(["123456", "123450", "-1250", "-300", null, null, null]);
    expect(await values("amount_minor", "{ from: x, unit: major }", ["1234.56", "1e3", "1,234.56", "$5"])).toEqual([
      "123456",
      "100000",
      null,
      null,
    ]);
    const spaced = "{ from: x, unit: major }";
    expect(
      await values("amount_minor", spaced, ["1\u00a0234,5", "7"], ', number: { decimal: ",", thousands: " " }'),
    ).toEqual(["123450", "700"]);
  });

  it("keeps of an amount for a year or a quarter what it is a month, halves away from zero", async () => {
    // 1234.50 / 12 = 102.875; 0.06 / 12 = 0.005; 100 / 3 = 33.333...; the largest that fits stays whole numbers throughout.
    expect(
      await values("amount_minor", "{ from: x, unit: major, per: year }", [
        "1234.50",
        "0.06",
        "-0.06",
        "0.05",
        "0",
        "x",
      ]),
    ).toEqual(["10288", "1", "-1", "0", "0", null]);
    expect(await values("amount_minor", "{ from: x, per: quarter }", ["10000", "9007199254740993"])).toEqual([
      "3333",
      "3002399751580331",
    ]);
    expect(
      await values("amount_minor", "{ from: x, per: year }", ["9223372036854775807", "92233720368547758070"]),
    ).toEqual(["768614336404564651", null]);
  });

  it("reads days in every declared way", async () => {
    expect(
      await values("due_on", '{ from: x, format: ["%d.%m.%Y", "%m/%d/%Y"] }', ["31.01.2024", "1/31/2024", "2024"]),
    ).toEqual(["2024-01-31", "2024-01-31", null]);
    expect(
      await values("due_on", "{ from: x, timezone: Europe/Berlin }", [
        "2024-01-31",
        "2024-07-01 00:30",
        "2024-06-30T22:30:00Z",
        "2024-07-01T00:30:00+02:00",
      ]),
    ).toEqual(["2024-01-31", "2024-07-01", "2024-07-01", "2024-07-01"]);
    expect(await values("due_on", "{ from: x, unit: s, timezone: Europe/Berlin }", ["1719786600"])).toEqual([
      "2024-07-01",
    ]);
  });

  it("joins a day and its time of day that stand in two columns", async () => {
    const made = await book(
      'tickets: { entity: ticket, files: t.csv, max_rejected: 1, columns: { account_id: id, opened_at: { from: Datum, clock: Uhrzeit, format: ["%d.%m.%Y %H:%M", "%d.%m.%Y"], timezone: Europe/Berlin } } }',
      {
        "t.csv":
          "id,Datum,Uhrzeit\na,31.01.2024,08:30\nb,01.07.2024, 23:59 \nc,01.02.2024,\nd,,10:00\ne,01.02.2024,soon\n",
      },
    );
    expect(await stored(made, "tickets", "account_id, cast(opened_at as varchar) as at")).toEqual([
      { account_id: "a", at: "2024-01-31 07:30:00" },
      { account_id: "b", at: "2024-07-01 21:59:00" },
      { account_id: "c", at: "2024-01-31 23:00:00" },
    ]);
    const { deliveries } = await made.load();
    expect(deliveries.find(({ source }) => source === "tickets")).toMatchObject({
      rows_read: 5,
      rows_rejected: 2,
      ignored: [],
    });
    const wrong = await book(
      "tickets: { entity: ticket, files: t.csv, columns: { opened_at: { from: Datum, clock: Uhrzei } } }",
      { "t.csv": "account_id,Datum,Uhrzeit\na,2024-01-31,08:30\n" },
    );
    await expect(wrong.load()).rejects.toThrow(/column Uhrzei is missing, expected it for opened_at/);
    const twice = await book(
      "tickets: { entity: ticket, files: t.csv, columns: { opened_at: { from: Datum, clock: Uhrzeit } } }",
      { "t.csv": "account_id,Datum,Uhrzeit,Uhrzeit\na,2024-01-31,08:30,09:30\n" },
    );
    await expect(twice.load()).rejects.toThrow(/column Uhrzeit stands 2 times/);
  });

  it("reads a value inside the JSON of a column of CSV; a name with a dot comes first", async () => {
    const made = await book(
      "tickets: { entity: ticket, files: t.csv, max_rejected: 1, columns: { account_id: groups.company.id, category: a.b, priority: groups.tags.0 } }",
      {
        "t.csv": [
          "groups,opened_at,a.b,a",
          '"{""company"": {""id"": ""a""}, ""tags"": [""x"", ""y""]}",2024-02-01,one,"{""b"": ""two""}"',
          '"{""company"": {}}",2024-02-01,one,',
          "{broken,2024-02-01,one,",
        ].join("\n"),
      },
    );
    expect(await stored(made, "tickets", "account_id, category, priority")).toEqual([
      { account_id: "a", category: "one", priority: "x" },
    ]);
    const { deliveries } = await made.load();
    expect(deliveries.find(({ source }) => source === "tickets")).toMatchObject({ rows_read: 3, rows_rejected: 2 });
  });

  it("knows that an hour comes twice in autumn and is skipped in spring", async () => {
    const made = await book(
      "tickets: { entity: ticket, files: t.csv, formats: { timezone: Europe/Berlin }, columns: { closed_at: { from: closed_at, timezone: America/New_York } } }",
      {
        "t.csv": [
          "account_id,opened_at,closed_at",
          "a,2024-03-31 01:59:59,2024-03-31 00:00:00",
          "a,2024-03-31 02:30:00,",
          "a,2024-10-27 02:30:00,",
          "a,2024-10-27 00:30:00Z,",
          "a,2024-07-01T10:00:00.123456789+0000,",
          "a,2024-07-01 10:00:00.5 -0800,",
        ].join("\n"),
      },
    );
    expect(
      await stored(made, "tickets", "cast(opened_at as varchar) as at, cast(closed_at as varchar) as closed"),
    ).toEqual([
      { at: "2024-03-31 00:59:59", closed: "2024-03-31 04:00:00" },
      { at: "2024-03-31 01:30:00", closed: null },
      { at: "2024-10-27 01:30:00", closed: null },
      { at: "2024-10-27 00:30:00", closed: null },
      { at: "2024-07-01 10:00:00.123456", closed: null },
      { at: "2024-07-01 18:00:00.5", closed: null },
    ]);
  });

  it("puts the meaning of a text in its place, and takes the domain of an address", async () => {
    const made = await book(
      'accounts: { entity: account, files: a.csv, columns: { account_id: { from: mail, take: domain }, is_test: { from: state, map: { Probe: "true", Kunde: "false" }, nulls: ["?"] } } }',
      { "a.csv": "mail,state\nAnn@Acme.COM,Probe\nhttps://www.b.org/x,Kunde\nc.io,?\nd.io,yes\n" },
    );
    expect(await stored(made, "accounts", "account_id, is_test")).toEqual([
      { account_id: "acme.com", is_test: true },
      { account_id: "b.org", is_test: false },
      { account_id: "c.io", is_test: null },
      { account_id: "d.io", is_test: true },
    ]);
  });

  it("leaves out rows that are none of the source's, and keeps the lines of the others", async () => {
    const made = await book(
      'tickets: { entity: ticket, files: t.csv, max_rejected: 1, drop: { _deleted: ["true", "1"] }, keep: { kind: [ticket, incident] } }',
      {
        "t.csv": [
          "account_id,opened_at,_deleted,kind",
          "a,2024-01-01,false,ticket",
          "b,never,true,ticket",
          "c,2024-01-01,,incident",
          "d,2024-01-01,,chat",
          "e,soon,,ticket",
        ].join("\n"),
      },
    );
    const load = await made.load();
    expect(load.deliveries.find((one) => one.source === "tickets")).toMatchObject({
      rows_read: 3,
      rows_loaded: 2,
      rows_rejected: 1,
      rows_left_out: 2,
    });
    const { database } = await made.stage(load, ["raw.ticket", "meta.reject"]);
    try {
      expect(await database.query("select account_id, _line from raw.ticket")).toEqual([
        { account_id: "a", _line: 2 },
        { account_id: "c", _line: 4 },
      ]);
      expect(await database.query("select line, value from meta.reject")).toEqual([{ line: 6, value: "soon" }]);
    } finally {
      database.close();
    }
  });

  it("by a cell without a value, which an empty text stands for", async () => {
    const made = await book('accounts: { entity: account, files: v.csv, keep: { valid_to: "" } }', {
      "v.csv": "account_id,valid_to\na,2024-01-01\na,\nb,\n",
    });
    const load = await made.load();
    expect(load.deliveries.find((one) => one.source === "accounts")).toMatchObject({ rows_read: 2, rows_left_out: 1 });
  });
});

describe("a file of a spreadsheet", () => {
  it("may hold rows without any value: they are none, and rows that lack a value are rejected as ever", async () => {
    const made = await book("tickets: { entity: ticket, files: t.csv, max_rejected: 1 }", {
      "t.csv": 'account_id;opened_at;category\na;2024-01-01;"x\ny"\n;;\n ;; \n;;only\nb;;\nb;2024-01-02;\n;;\n',
    });
    const load = await made.load();
    expect(load.deliveries.find((one) => one.source === "tickets")).toMatchObject({
      rows_read: 4,
      rows_loaded: 2,
      rows_rejected: 2,
      rows_left_out: 3,
    });
    const { database } = await made.stage(load, ["raw.ticket", "meta.reject"]);
    try {
      expect(await database.query("select account_id, _line from raw.ticket order by _line")).toEqual([
        { account_id: "a", _line: 2 },
        { account_id: "b", _line: 8 },
      ]);
      expect(await database.query('select line, "column" from meta.reject order by all')).toEqual([
        { line: 6, column: "account_id" },
        { line: 6, column: "opened_at" },
        { line: 7, column: "opened_at" },
      ]);
    } finally {
      database.close();
    }
  });
});

describe("a column that files call by several names", () => {
  it("is the first of them that has a value; a file with none of them is refused", async () => {
    const sources =
      'tickets: { entity: ticket, files: "t*.csv", columns: { account_id: { from: [account_no, customer] }, category: { from: [kind, topic] } } }';
    const made = await book(sources, {
      "t1.csv": "customer,opened_at,topic\na,2024-01-01,x\n",
      "t2.csv": "account_no,customer,opened_at,kind\nb,z,2024-01-02,\n,c,2024-01-03,y\n",
    });
    expect(await stored(made, "tickets", "account_id, category")).toEqual([
      { account_id: "a", category: "x" },
      { account_id: "b", category: null },
      { account_id: "c", category: "y" },
    ]);
    const lacks = await book(sources, { "t1.csv": "firm,opened_at,kind\na,2024-01-01,x\n" });
    await expect(lacks.load()).rejects.toThrow("t1.csv: column account_no or customer is missing");
  });
});

describe("a stream of calls of which few name the account", () => {
  it("maps what it names; a file in which none does maps nothing", async () => {
    const made = await book(
      'keys: { entity: account_key, files: "c*.jsonl", columns: { source: { value: any }, source_id: user, account_id: group } }',
      {
        "c1.jsonl": '{"user":"u1","group":"a"}\n{"user":"u1"}\n',
        "c2.jsonl": '{"user":"u2"}\n',
      },
    );
    const load = await made.load();
    const { database } = await made.stage(load, ["raw.account_key"]);
    try {
      expect(
        await database.query("select source_id as ref, account_id from raw.account_key where account_id is not null"),
      ).toEqual([{ ref: "u1", account_id: "a" }]);
    } finally {
      database.close();
    }
  });
});

describe("numbers finer than they are kept", () => {
  it("are rounded and counted: six decimals, whole minor units, twelve of a rate; exponents, a declared writing", async () => {
    const made = await book(
      [
        'tickets: { entity: ticket, files: t.csv, columns: { csat: { from: s, number: { decimal: ",", thousands: "." } } } }',
        'subs: { entity: subscription, files: s.csv, columns: { mrr_minor: { from: mrr, unit: major, number: { thousands: "," } } } }',
      ].join("\n"),
      {
        "t.csv":
          "account_id;opened_at;s\na;2024-01-01;1,1234567\na;2024-01-02;1,5e-3\na;2024-01-03;1.234,5\na;2024-01-04;2,1000000\n",
        "s.csv": 'account_id,started_on,mrr\na,2024-01-01,"1,234.50"\nb,2024-01-01,1.239\nb,2024-02-01,1e-12\n',
      },
    );
    expect(await stored(made, "tickets", "cast(csat as varchar) as csat")).toEqual(
      ["1.123457", "0.001500", "1234.500000", "2.100000"].map((csat) => ({ csat })),
    );
    expect(await stored(made, "subs", "mrr_minor")).toEqual([123450, 124, 0].map((mrr_minor) => ({ mrr_minor })));
    const load = await made.load();
    expect(Object.fromEntries(load.deliveries.map((one) => [one.source, one.values_rounded]))).toEqual({
      accounts: 0,
      usage: 0,
      tickets: 1,
      subs: 2,
    });
  });
});
