import { afterEach, describe, expect, it } from "vitest";
import { csvText } from "../../pipelines/lib/csv.ts";
import { effectiveOn } from "../../pipelines/load/hand-written.ts";
import { type TestBook, testBook } from "../loading.ts";

const usage = (...days: readonly string[]): string =>
  ["account_id,event_time,event", ...days.map((day) => `a,${day} 10:00:00,login`), ""].join("\n");
const header = "account_id,band,from_on,expires_on,reason,author\n";

describe("a file that a person edits in place", () => {
  let book: TestBook | undefined;
  afterEach(async () => {
    await book?.drop();
    book = undefined;
  });
  const start = async (sources = "overrides: { entity: override, files: overrides.csv }"): Promise<TestBook> => {
    book = await testBook(`usage: { entity: usage_event, files: "usage_*.csv" }\n${sources}`);
    await book.write("usage_1.csv", usage("2024-05-30", "2024-05-31"));
    return book;
  };
  const staged = async (from: TestBook, now: string, table = "override") => {
    const { database } = await from.stage(await from.load(now));
    try {
      return await database.query(
        `select * exclude (source, delivery_id, line_no) from staging.${table} order by account_id, visible_on, line_no`,
      );
    } finally {
      database.close();
    }
  };
  const line = (band: string, visible_on: string, superseded_on: string | null, more = {}) => ({
    account_id: "a",
    band,
    from_on: "2024-03-01",
    expires_on: null,
    reason: "merger",
    author: "Ida",
    visible_on,
    superseded_on,
    ...more,
  });

  it("counts from its own dates when nothing was shown before it", async () => {
    const own = await start();
    await own.write("overrides.csv", `${header}a,green,2024-03-01,,merger,Ida\n`);
    expect(await staged(own, "2024-06-10T08:00:00Z")).toEqual([line("green", "2024-03-01", null)]);
  });

  it("changes nothing of what was shown before an edit, whatever date the line gives", async () => {
    const own = await start();
    await own.write("overrides.csv", `${header}a,green,2024-03-01,,merger,Ida\n`);
    await own.load("2024-06-01T08:00:00Z");
    await own.write("usage_2.csv", usage("2024-06-07"));
    await own.write("overrides.csv", `${header}a,red,2024-03-01,,merger,Ida\nb,red,2024-02-01,,left,Bo\n`);
    const expected = [
      line("green", "2024-03-01", "2024-06-08"),
      line("red", "2024-06-08", null),
      line("red", "2024-06-08", null, { account_id: "b", from_on: "2024-02-01", reason: "left", author: "Bo" }),
    ];
    expect(await staged(own, "2024-06-08T08:00:00Z")).toEqual(expected);
    // A later night does not move it.
    await own.write("usage_3.csv", usage("2024-06-20"));
    expect(await staged(own, "2024-06-21T08:00:00Z")).toEqual(expected);
  });

  it("keeps a line that was deleted, up to the edit, and takes one up again that comes back", async () => {
    const own = await start();
    await own.write("overrides.csv", `${header}a,green,2024-03-01,,merger,Ida\n`);
    await own.load("2024-06-01T08:00:00Z");
    await own.write("usage_2.csv", usage("2024-06-07"));
    await own.write("overrides.csv", header);
    await own.load("2024-06-08T08:00:00Z");
    await own.write("usage_3.csv", usage("2024-06-14"));
    await own.write("overrides.csv", `${header}a,green,2024-03-01,,merger,Ida\n`);
    expect(await staged(own, "2024-06-15T08:00:00Z")).toEqual([
      line("green", "2024-03-01", "2024-06-08"),
      line("green", "2024-06-15", null),
    ]);
  });

  it("shows an edit at once, in the newest snapshot, when no new data came", async () => {
    const own = await start();
    await own.write("overrides.csv", header);
    await own.load("2024-06-10T08:00:00Z");
    await own.write("overrides.csv", `${header}a,green,2024-03-01,,merger,Ida\n`);
    expect(await staged(own, "2024-06-10T09:00:00Z")).toEqual([line("green", "2024-06-01", null)]);
  });

  it("keeps both of two lines with one account and date", async () => {
    const own = await start();
    await own.write("overrides.csv", `${header}a,green,2024-03-01,,merger,Ida\na,red,2024-03-01,,merger,Ida\n`);
    expect(await staged(own, "2024-06-10T08:00:00Z")).toEqual([
      line("green", "2024-03-01", null),
      line("red", "2024-03-01", null),
    ]);
  });

  it("refuses a line without an author", async () => {
    const own = await start();
    await own.write("overrides.csv", `${header}a,green,2024-03-01,,merger,\n`);
    await expect(own.load("2024-06-10T08:00:00Z")).rejects.toMatchObject({ exitCode: 3, message: /author/ });
  });

  it("knows accounts by what each person said of them", async () => {
    const own = await start("known: { entity: known_account, files: known_accounts.csv }");
    const lines = "account_id,expected_band,said_by,said_on\na,green,Ida,2024-05-01\na,red,Bo,\n";
    await own.write("known_accounts.csv", lines);
    const said = { account_id: "a", visible_on: "1900-01-01", superseded_on: null };
    expect(await staged(own, "2024-06-10T08:00:00Z", "known_account")).toEqual([
      { ...said, expected_band: "green", said_by: "Ida", said_on: "2024-05-01" },
      { ...said, expected_band: "red", said_by: "Bo", said_on: null },
    ]);
  });

  it("takes the list of surprises back as it was handed out, answered line by line", async () => {
    const own = await start("surprises: { entity: disposition, files: surprises.csv }");
    const columns =
      "account_id,name,kind,scorecard,version,since,decided_on,score_then,band,money,reason,disposition,said_by,said_on";
    const answered =
      "a,Alder,green_churner,health,1,2024-01-01,2024-02-10,91.5,green,4900,price,unforeseeable,Ida,2024-05-01";
    const open = "b,'=1+1,chronic_red,health,1,2024-01-01,,12,red,900,,,,";
    await own.write("surprises.csv", `${columns}\n${answered}\n${open}\n`);
    const said = { note: null, visible_on: "1900-01-01", superseded_on: null };
    expect(await staged(own, "2024-06-10T08:00:00Z", "disposition")).toEqual([
      {
        ...said,
        account_id: "a",
        kind: "green_churner",
        disposition: "unforeseeable",
        said_by: "Ida",
        said_on: "2024-05-01",
      },
      { ...said, account_id: "b", kind: "chronic_red", disposition: null, said_by: null, said_on: null },
    ]);
  });

  it("names the same accounts as the list that was handed out, whatever their ids begin with", async () => {
    const ids = ["+4930", "-7", "=1+1", "@home", "'=x", "''-y", "'quoted", "o'neil"];
    const rows = ids.map((account_id) => ({
      account_id,
      kind: "chronic_red",
      disposition: "expected",
      said_by: "@Ida",
    }));
    const own = await start("surprises: { entity: disposition, files: surprises.csv }");
    const text = csvText(["account_id", "kind", "disposition", "said_by"], rows);
    // Nothing in the file is a formula.
    expect(text.split(/[,\n]/).filter((cell) => /^[=+@-]/.test(cell))).toEqual([]);
    await own.write("surprises.csv", text);
    const back = await staged(own, "2024-06-10T08:00:00Z", "disposition");
    expect(back.map(({ account_id }) => account_id).sort()).toEqual([...ids].sort());
    expect(new Set(back.map(({ said_by }) => said_by))).toEqual(new Set(["@Ida"]));
  });

  it.each([
    ["mode: append", /sources\.overrides\.mode: found append/],
    ["key: [account_id]", /sources\.overrides\.key: found \["account_id"\]/],
  ])("is not read with %s", async (key, message) => {
    const own = await start(`overrides: { entity: override, files: overrides.csv, ${key} }`);
    await expect(own.read()).rejects.toMatchObject({ exitCode: 2, message });
  });
});

describe("the first snapshot that an edit informs", () => {
  const seen = [
    { first_seen_at: "2024-06-01T08:00:00.000Z", newest: "2024-05-31 23:00:00" },
    { first_seen_at: "2024-06-08T08:00:00.000Z", newest: "2024-06-07 23:00:00" },
  ];
  const at = (first_seen_at: string, delivered_at: string | null = null, isFirst = true) => ({
    first_seen_at,
    delivered_at,
    isFirst,
  });
  it.each([
    ["latest", at("2024-06-01T08:00:00.000Z"), null, "nothing was shown: its own dates stand"],
    ["latest", at("2024-06-01T08:00:00.000Z", null, false), "1900-01-01", "replaced before anybody saw it"],
    ["latest", at("2024-06-05T08:00:00.000Z"), "2024-06-01", "the release of that day still reached to June 1"],
    ["latest", at("2024-06-08T08:00:00.000Z"), "2024-06-08", "came with the second usage file"],
    ["2024-05-20", at("2024-06-08T08:00:00.000Z"), "2024-05-20", "the book shows nothing newer"],
    ["latest", at("2024-06-08T08:00:00.000Z", "2024-06-20T00:00:00.000Z"), "2024-06-20", "its name says later"],
    ["latest", at("2024-06-08T08:00:00.000Z", "2024-01-20T00:00:00.000Z"), "2024-06-08", "its name says earlier"],
  ])("as_of %s, delivery %o: %s, %s", (as_of, delivery, expected, _why) => {
    expect(effectiveOn({ as_of }, delivery, seen)).toBe(expected);
  });
});
