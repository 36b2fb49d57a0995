import { describe, expect, it } from "vitest";
import { kindOf } from "../../pipelines/init/kinds.ts";
import type { Profile } from "../../pipelines/init/profile.ts";
import { readWords, recognise } from "../../pipelines/init/recognise.ts";
import { isForeign, magicOf, recordsOf, sniffText, textShape } from "../../pipelines/init/sniff.ts";
import { type ExportFile, groupTables, idOf } from "../../pipelines/init/tables.ts";
import { flow, oneLine, shownValue } from "../../pipelines/init/text.ts";
import { columnFinder, parseVendor, readVendors } from "../../pipelines/init/vendors.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

describe("a file by its bytes", () => {
  it.each([
    ["", "is empty"],
    ["PAR1", "parquet"],
    ["%PDF-1.7", "is a PDF"],
    ["PK\u0003\u0004", "is a zip archive or an Excel workbook: export its sheets as CSV"],
    ["a,b\n1,2\n", null],
  ])("%j", (text, expected) => expect(magicOf(bytes(text))).toBe(expected));

  it("is no table when it is a text", () => {
    expect(sniffText(bytes("Dear Ida,\nplease find the exports below.\n"), "none", "utf-8")).toEqual({
      kind: "other",
      why: "is a text without columns",
    });
    expect(sniffText(bytes("a\0b"), "none", "utf-8")).toMatchObject({ kind: "other" });
  });

  it("is no table when it is a dump in SQL", () => {
    const dump = "--\n-- PostgreSQL database dump\n--\nCOPY public.a (id, name) FROM stdin;\n1\tAlder\n2\tBirch\n\\.\n";
    expect(sniffText(bytes(dump), "none", "utf-8")).toEqual({
      kind: "other",
      why: "is a dump in SQL: export its tables as CSV, with a header",
    });
    expect(sniffText(bytes("set,copy\n1,2\n3,4\n"), "none", "utf-8")).toMatchObject({ kind: "csv" });
  });

  it("is refused in encodings that are not read, told by bytes that Western texts have not", () => {
    const japanese = "8cda8b7194d48d862c89ef8ed096bc2c936f985e93fa";
    const russian = "caebe8e5edf23bc4eee3eee2eef03bc4e0f2e020ede0f7e0ebe0";
    const german =
      "4b756e64656e6e723b53747261df653b4dfc6c6c6572202620 53f6686e653b4772f6df653bdc6265726772f6df653bc46e646572756e67";
    const foreign = (hex: string): boolean => isForeign(Buffer.from(hex.replaceAll(" ", ""), "hex"));
    expect([japanese, russian, german].map(foreign)).toEqual([true, true, false]);
    expect(isForeign(bytes("Übergröße, 顧客番号, Договор"))).toBe(false);
  });

  it("has the delimiter that splits its records evenly, below lines that are none", () => {
    const text = 'Report of today, all regions\n\nid;name;city\n1;"Alder; Sons";Ulm\n2;"two\nlines";Bonn\n';
    expect(textShape(text, false)).toMatchObject({ delimiter: ";", skipLines: 2, columns: ["id", "name", "city"] });
  });

  it("needs a header", () => {
    expect(textShape("1,2024-01-01,4.5\n2,2024-01-02,3.5\n", false)).toMatch(/no header/);
  });

  it("keeps quoted delimiters, quotes and line breaks in one field", () => {
    const records = recordsOf('a,"b ""x"", c"\r\n"1\n2",3', ",", '"', 10);
    expect(records.map(({ fields }) => fields)).toEqual([
      ["a", 'b "x", c'],
      ["1\n2", "3"],
    ]);
  });
});

const empty: Profile = {
  name: "x",
  rows: 10,
  filled: 10,
  distinct: 10,
  min: null,
  max: null,
  common: [],
  commonCounts: [],
  longest: 10,
  integer: 0,
  decimalPoint: 0,
  decimalComma: 0,
  thousandsComma: 0,
  thousandsDot: 0,
  thousandsSpace: 0,
  thousandsQuote: 0,
  currency: 0,
  parentheses: 0,
  percent: 0,
  boolean: 0,
  isoDate: 0,
  isoTime: 0,
  zoned: 0,
  epochS: 0,
  epochMs: 0,
  epochUs: 0,
  slashed: 0,
  firstField: null,
  secondField: null,
  compactDate: 0,
  wordDate: 0,
  email: 0,
  domain: 0,
  json: 0,
  nothings: [],
  endless: [],
  endlessCount: 0,
  sums: [],
};

describe("what a column holds", () => {
  it.each([
    ["31.12.2024", { slashed: 10, firstField: 31, secondField: 12 }, { format: "%d.%m.%Y", isUnsure: false }],
    [
      "12/31/2024 01:05 PM",
      { slashed: 10, firstField: 12, secondField: 31 },
      { format: "%m/%d/%Y %I:%M %p", isUnsure: false },
    ],
    // No value tells day and month apart: a dot means that the day comes first, a slash says nothing.
    ["03.04.2024", { slashed: 10, firstField: 9, secondField: 9 }, { format: "%d.%m.%Y", isUnsure: false }],
    ["03/04/2024", { slashed: 10, firstField: 9, secondField: 9 }, { format: "%m/%d/%Y", isUnsure: true }],
    ["1709287200", { epochS: 10, integer: 10 }, { unit: "s" }],
    ["1709287200000", { epochMs: 10, integer: 10 }, { unit: "ms" }],
    ["2024-03-01T10:00:00Z", { isoTime: 10, zoned: 10 }, { isZoned: true }],
    ["20240301", { compactDate: 10, integer: 10 }, { format: "%Y%m%d" }],
    ["5 Mar 2024", { wordDate: 10 }, { format: "%d %b %Y" }],
  ])("%s", (value, counts, expected) => {
    expect(kindOf({ ...empty, common: [value], ...counts }).time).toMatchObject(expected);
  });

  it("is a time where people write it in two ways", () => {
    const kept = { ...empty, common: ["2024-01-31", "02/28/2024", "2024-03-01"], isoDate: 7, slashed: 3 };
    expect(kindOf({ ...kept, firstField: 2, secondField: 28 }).time).toMatchObject({
      format: ["%m/%d/%Y", "%Y-%m-%d"],
      isDay: true,
      isUnsure: false,
    });
    expect(kindOf({ ...kept, firstField: 2, secondField: 4 }).time).toMatchObject({ isUnsure: true });
  });

  it.each([
    [
      "1.234,56 €",
      { decimalComma: 10, thousandsDot: 10, currency: 10 },
      { decimal: ",", thousands: ".", strip: ["€"] },
      "EUR",
    ],
    ["$1,234.50", { thousandsComma: 10, currency: 10 }, { thousands: ",", strip: ["$"] }, "USD"],
    ["12.50", { decimalPoint: 10 }, null, null],
    ["12,50", { decimalComma: 10 }, { decimal: "," }, null],
  ])("%s", (value, counts, number, currency) => {
    expect(kindOf({ ...empty, common: [value], ...counts })).toMatchObject({ isNumber: true, number, currency });
  });
});

const file = (name: string, columns: readonly string[]): ExportFile => ({
  name,
  path: `/x/${name}`,
  bytes: 1,
  modifiedMs: 0,
  columns,
  inner: [],
  sniffed: {
    kind: "csv",
    compression: "none",
    encoding: "utf-8",
    text: { delimiter: ",", quote: '"', skipLines: 0, columns, hasMixedEnds: false, rows: [] },
  },
});

describe("a table by the names of its columns", () => {
  const time = { isoDate: 10, common: ["2024-01-31"] };
  const text = { common: ["a"], distinct: 9 };
  const column = (name: string, counts: Partial<Profile>): Profile => ({ ...empty, name, ...counts });
  const found = async (fileName: string, profiles: readonly Profile[]) =>
    recognise(
      { fileName, profiles, kinds: profiles.map(kindOf), dumps: 1, isVersioned: false, accountColumns: [] },
      await readWords(),
    );

  it("is a contract of a warehouse, whose times end in TS", async () => {
    const profiles = [
      column("SUBSCRIPTION_ID", { ...text, distinct: 10 }),
      column("ACCOUNT_ID", { ...text, distinct: 5 }),
      column("START_TS", time),
      column("END_TS", time),
      column("CANCEL_REQUESTED_TS", time),
    ];
    expect(await found("data_0_0_0.csv.gz", profiles)).toMatchObject({
      entity: "subscription",
      columns: {
        started_on: "START_TS",
        ended_on: "END_TS",
        notice_on: "CANCEL_REQUESTED_TS",
        account_id: "ACCOUNT_ID",
      },
    });
  });

  it("is a Polish contract", async () => {
    const profiles = [
      column("Numer umowy", { ...text, distinct: 10 }),
      column("Numer klienta", text),
      column("Data rozpoczęcia", time),
      column("Data zakończenia", time),
      column("Data wypowiedzenia", time),
    ];
    expect(await found("Umowy.txt", profiles)).toMatchObject({
      entity: "subscription",
      columns: {
        subscription_id: "Numer umowy",
        account_id: "Numer klienta",
        started_on: "Data rozpoczęcia",
        ended_on: "Data zakończenia",
        notice_on: "Data wypowiedzenia",
      },
    });
  });
});

describe("files of one table", () => {
  it("are dumps by date, monthly parts, and single files", () => {
    const tables = groupTables([
      file("accounts_2024-01-31.csv", ["id", "name"]),
      file("accounts_2024-02-29.csv", ["name", "id"]),
      file("usage/events-202401.csv", ["id", "ts"]),
      file("usage/events-202402.csv", ["id", "ts"]),
      file("tickets.csv", ["id"]),
    ]);
    expect(tables.map(({ id, glob, dated }) => ({ id, glob, dated }))).toEqual([
      {
        id: "accounts",
        glob: "accounts_*.csv",
        dated: { pattern: "accounts_{date}.csv", dates: ["2024-01-31", "2024-02-29"] },
      },
      {
        id: "events",
        glob: "usage/events-*.csv",
        dated: { pattern: "events-{month}.csv", dates: ["2024-01-31", "2024-02-29"] },
      },
      { id: "tickets", glob: "tickets.csv", dated: null },
    ]);
  });

  it("are dated in many ways; a month of one file alone dates nothing", () => {
    const dated = (...names: readonly string[]): unknown =>
      groupTables(names.map((name) => file(name, ["id"])))[0]?.dated;
    expect(dated("subs_2024_01.csv", "subs_2024_02.csv")).toEqual({
      pattern: "subs_{month}.csv",
      dates: ["2024-01-31", "2024-02-29"],
    });
    expect(dated("accounts-Apr-2025.csv", "accounts-Jan-2025.csv")).toEqual({
      pattern: "accounts-{month}.csv",
      dates: ["2025-04-30", "2025-01-31"],
    });
    expect(dated("Kunden 31.01.2025.csv", "Kunden 28.02.2025.csv")).toEqual({
      pattern: "Kunden {date}.csv",
      dates: ["2025-01-31", "2025-02-28"],
    });
    expect(dated("dump_2025_01_31.csv")).toEqual({ pattern: "dump_{date}.csv", dates: ["2025-01-31"] });
    expect(dated("accounts-Apr-2025.csv")).toBeNull();
    expect(dated("summary_2025-02-30.csv")).toBeNull();
  });

  it("with other headers are tables of their own, listed by name", () => {
    const tables = groupTables([file("part_1.csv", ["id", "name", "since"]), file("part_2.csv", ["ticket", "opened"])]);
    expect(tables.map(({ glob, files }) => [glob, files.length])).toEqual([
      ["part_1.csv", 1],
      ["part_2.csv", 1],
    ]);
  });

  it("get ids that need no quotes", () => {
    expect(["Kunden (final).csv", "2024.csv", "Öl & Gas.csv", "x/Export_Accounts.CSV.gz"].map(idOf)).toEqual([
      "kunden",
      "table",
      "ol_gas",
      "accounts",
    ]);
  });
});

describe("vendors", () => {
  it("ship as data that is right", async () => {
    const vendors = await readVendors();
    expect(vendors.map(({ vendor }) => vendor)).toEqual([
      "amplitude",
      "hubspot",
      "intercom",
      "iterable",
      "klaviyo",
      "marketo",
      "mixpanel",
      "pendo",
      "qualtrics",
      "recurly",
      "salesforce",
      "sap",
      "segment",
      "stripe",
      "zendesk",
      "zuora",
    ]);
  });

  it("name columns in one way, however they are written", () => {
    const find = columnFinder(["ACCOUNTID", "Plan_Tier__c", "property_createdate"]);
    expect([find("AccountId"), find("plan_tier"), find("createdate"), find("other")]).toEqual([
      "ACCOUNTID",
      "Plan_Tier__c",
      "property_createdate",
      undefined,
    ]);
  });

  it("say in one sentence what is wrong with a file of one's own", () => {
    const text =
      "vendor: mine\nlabel: Mine\nkind: crm\ntables:\n  - { table: a, label: a, entity: account, has: [x, y], columns: { name: x } }\n";
    expect(() => parseVendor(text, "vendors/mine.yaml")).toThrow(
      "vendors/mine.yaml:5: tables[0].columns: found no account_id, expected one: account needs it",
    );
  });
});

describe("what people read", () => {
  it("holds no control characters and no long values", () => {
    expect(shownValue("\u001b[31mred\u0007\n\u202e")).toBe('"\ufffd[31mred\ufffd\ufffd\ufffd"');
    expect(shownValue("x".repeat(50))).toBe(`"${"x".repeat(25)}..."`);
    expect(oneLine("a\nb: c\r\n# d")).toBe("a b: c # d");
  });

  it("is YAML on one line", () => {
    expect(flow({ from: "Gekündigt am", format: "%d.%m.%Y", count: 1, list: ["yes", "a b"], none: undefined })).toBe(
      '{ from: "Gekündigt am", format: "%d.%m.%Y", count: 1, list: ["yes", a b] }',
    );
  });
});
