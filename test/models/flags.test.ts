import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { parseFlags } from "../../pipelines/config/flags.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { sortNodes } from "../../pipelines/models/graph.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import { resolveFlags } from "../../pipelines/scores/flag-files.ts";
import { flagNodes } from "../../pipelines/scores/flags.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal, SqlDate } from "../../pipelines/warehouse/literal.ts";

const days = ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23", "2026-03-30"] as const;

/** Readings of one KPI on the five Mondays: a value, null (not yet), "broken" (the feed), "gone" (no row). */
type Readings = readonly (number | null | "broken" | "gone")[];

async function raised(text: string, accounts: Readonly<Record<string, Readings>>, select: string) {
  const database = await Database.open({ path: ":memory:" });
  try {
    await database.run("create schema spine; create schema features");
    await database.run(
      "create table spine.account_snapshot (account_id varchar, snapshot_date date, is_scored boolean)",
    );
    await database.run("create table features.account_kpi (account_id varchar, snapshot_date date, x double)");
    await database.run(
      "create table features.kpi_why_null (account_id varchar, snapshot_date date, kpi varchar, why varchar)",
    );
    // An unscored date in between is not a date that anybody saw.
    await database.run("insert into spine.account_snapshot values ('a', date '2026-03-05', false)");
    for (const [account, readings] of Object.entries(accounts)) {
      for (const [i, reading] of readings.entries()) {
        if (reading === "gone") continue;
        const key = `${literal(account)}, ${literal(new SqlDate(days[i] as string))}`;
        const value = typeof reading === "number" ? reading : null;
        await database.run(`insert into spine.account_snapshot values (${key}, true)`);
        await database.run(`insert into features.account_kpi values (${key}, ${literal(value)})`);
        if (value === null)
          await database.run(
            `insert into features.kpi_why_null values (${key}, 'x', ${reading === "broken" ? "'feed_broken'" : "'not_yet'"})`,
          );
      }
    }
    const models = flagNodes(parseFlags(text, "flags.yaml").flags);
    const given = new Set(["spine.account_snapshot", "features.account_kpi", "features.kpi_why_null"]);
    await runNodes(database, sortNodes(models, given), silentLog, () => 0);
    const rows = await database.query(`select ${select} from scores.account_flag order by account_id, flag, since`);
    return rows.map((row) => Object.values(row));
  } finally {
    database.close();
  }
}

const low = "- { id: low, kpi: x, below: 5, kind: risk }";

describe("flags over history", () => {
  it("begin and end with the snapshots on which the threshold is met", async () => {
    const rows = await raised(
      low,
      {
        a: [4, 3, 5, 2, 1],
        b: [9, 9, 9, 9, 4],
        c: [4, 4, "gone", 4, 4],
        d: [1, "gone", "gone", "gone", "gone"],
        e: [9, 9, 9, 9, 9],
      },
      "account_id, since, until, first_value, value, is_raised, is_new",
    );
    expect(rows).toEqual([
      ["a", "2026-03-02", "2026-03-16", 4, 3, false, false],
      ["a", "2026-03-23", null, 2, 1, true, false],
      ["b", "2026-03-30", null, 4, 4, true, true],
      ["c", "2026-03-02", "2026-03-16", 4, 4, false, false],
      ["c", "2026-03-23", null, 4, 4, true, false],
      ["d", "2026-03-02", "2026-03-09", 1, 1, false, false],
    ]);
  });

  it("stay as they were where the feed is broken, and end where a value is missing for another reason", async () => {
    const rows = await raised(
      low,
      {
        a: [4, "broken", "broken", 3, null],
        b: ["broken", 9, "broken", 9, "broken"],
        c: [9, 9, 9, 4, "broken"],
        d: [4, 4, "gone", "broken", "broken"],
      },
      "account_id, since, until, value, is_raised",
    );
    expect(rows).toEqual([
      ["a", "2026-03-02", "2026-03-30", 3, false],
      ["c", "2026-03-23", null, 4, true],
      ["d", "2026-03-02", "2026-03-16", 4, false],
    ]);
  });

  it.each([
    ["at_least: 5", [4, 5, 6], [false, true, true]],
    ["above: 5", [4, 5, 6], [false, false, true]],
    ["at_most: 5", [4, 5, 6], [true, true, false]],
    ["below: 5", [4, 5, 6], [true, false, false]],
    ["below: 0.3", [0.299999, 0.3, 0.1 + 0.2], [true, false, false]],
  ])("%s", async (rule, values, expected) => {
    const accounts = Object.fromEntries(
      values.map((value, i) => [`a${i}`, ["gone", "gone", "gone", "gone", value] as Readings]),
    );
    const rows = await raised(`- { id: f, kpi: x, ${rule}, kind: opportunity }`, accounts, "account_id");
    expect(rows.flat()).toEqual(expected.flatMap((isRaised, i) => (isRaised ? [`a${i}`] : [])));
  });

  it("are snoozed until a date: of one account or of all, never beyond it, and only while raised", async () => {
    const four: Readings = [9, 9, 4, 4, 4];
    const text = `
- { id: all_of_it, kpi: x, below: 5, kind: risk, snooze: [{ until: 2026-03-31, because: spring break }] }
- id: some
  kpi: x
  below: 5
  kind: risk
  snooze: [{ until: 2026-05-01, account: a, because: call booked }, { until: 2026-04-01, account: a }, { until: 2026-03-30, account: b }]
`;
    const rows = await raised(
      text,
      { a: four, b: four, c: [4, 9, 9, 9, 9] },
      "account_id, flag, snoozed_until, snoozed_because",
    );
    expect(rows).toEqual([
      ["a", "all_of_it", "2026-03-31", "spring break"],
      ["a", "some", "2026-05-01", "call booked"],
      ["b", "all_of_it", "2026-03-31", "spring break"],
      ["b", "some", null, null],
      ["c", "all_of_it", null, null],
      ["c", "some", null, null],
    ]);
  });

  it("are an empty table in a book without flags", async () => {
    expect(await raised("[]", { a: [1, 1, 1, 1, 1] }, "*")).toEqual([]);
  });
});

describe("a file of flags", () => {
  it.each([
    ["- { id: Low, kpi: x, below: 5, kind: risk }", /flags\.yaml:1: \[0\]\.id: found "Low", expected an id/],
    [
      "- { id: low, kpi: x, kind: risk }",
      /flags\.yaml:1: \[0\]: found .*exactly one of at_least, above, at_most, below/,
    ],
    ["- { id: low, kpi: x, below: 5, above: 3, kind: risk }", /exactly one of/],
    ["- { id: low, kpi: x, below: 5, kind: danger }", /\[0\]\.kind: found "danger", expected one of risk, opportunity/],
    ["- { id: low, kpi: x, bellow: 5, kind: risk }", /\[0\]\.bellow: found an unknown key/],
    ["- { id: low, kpi: x, below: many, kind: risk }", /\[0\]\.below: found "many", expected a number/],
    [`${low}\n${low}`, /flags\.yaml:2: \[1\]\.id: found "low", expected an id that no flag before it has/],
    ["- { id: low, kpi: x, below: 5, kind: risk, snooze: [{ until: soon }] }", /snooze\[0\]\.until: found "soon"/],
    ["low: { kpi: x }", /flags\.yaml:1: the file: found .* expected a list/],
    ["", /the file: found {}, expected a list/],
  ])("is refused: %s", (text, message) => {
    expect(() => parseFlags(text, "flags.yaml")).toThrow(message);
  });
});

describe("the flags of a book", () => {
  let folder = "";
  afterEach(async () => {
    if (folder !== "") await rm(folder, { recursive: true, force: true });
    folder = "";
  });
  const resolved = async (
    file: string | null,
    book: { readonly flags?: string | string[]; readonly kpis?: string[] } = {},
    computed: readonly string[] = book.kpis ?? ["x"],
  ) => {
    folder = await mkdtemp(join(tmpdir(), "assay-flags-"));
    if (file !== null) await writeFile(join(folder, "flags.yaml"), file);
    return resolveFlags(
      { folder, flags: book.flags, kpis: book.kpis ?? ["x"] },
      computed.map((id) => ({ id })),
    );
  };

  it("are those of flags.yaml beside assay.yaml, or none", async () => {
    expect(await resolved(low)).toEqual({
      flags: [{ id: "low", label: "low", kpi: "x", comparison: "below", threshold: 5, kind: "risk", snooze: [] }],
      off: [],
    });
    expect(await resolved(null)).toEqual({ flags: [], off: [] });
  });

  it("are a set that ships with Assay and files together; what a set needs and the book has not is off", async () => {
    const { flags, off } = await resolved(low, { flags: ["at_risk", "flags.yaml"], kpis: ["x", "logins_28d"] });
    expect(flags.map(({ id }) => id)).toEqual(["no_login", "low"]);
    expect(off).toEqual([
      { id: "lost_stakeholder", why: "KPI lost_stakeholder_180d is not listed under kpis" },
      { id: "no_key_feature", why: "KPI key_feature_days_28d is not listed under kpis" },
      { id: "business_event", why: "KPI acquired_365d is not listed under kpis" },
    ]);
  });

  it("are off with a KPI that is off, and refused on one that nobody listed", async () => {
    expect((await resolved(low, { kpis: ["x", "y"] }, ["y"])).off).toEqual([{ id: "low", why: "KPI x is off" }]);
    await expect(resolved(low.replace("kpi: x", "kpi: logins"), { kpis: ["logins_28d"] })).rejects.toMatchObject({
      exitCode: 2,
      message: /flags\.yaml:1: \[0\]\.kpi: found logins, expected a KPI that the book lists/,
    });
  });

  it("are refused where the file is not there or an id stands in two files", async () => {
    await expect(resolved(null, { flags: ["at_risk", "mine.yaml"] })).rejects.toThrow(
      /assay\.yaml: flags\[1\]: found mine\.yaml, expected a file of the book or one of the sets at_risk/,
    );
    await expect(
      resolved("- { id: no_login, kpi: x, below: 1, kind: risk }", {
        flags: ["at_risk", "flags.yaml"],
        kpis: ["x", "logins_28d"],
      }),
    ).rejects.toThrow(/flags\.yaml:1: \[0\]\.id: found no_login/);
  });
});
