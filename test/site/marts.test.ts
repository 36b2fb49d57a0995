import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { readModels } from "../../pipelines/models/header.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal, SqlDate } from "../../pipelines/warehouse/literal.ts";

/** Models of sql/marts over rows written by hand. As of 2026-01-01, min_cell 3. */
let database: Database;
afterEach(() => database?.close());

type Value = string | number | boolean | null;

async function open(
  tables: Readonly<Record<string, { readonly columns: string; readonly rows: readonly (readonly Value[])[] }>>,
): Promise<void> {
  database = await Database.open({ path: ":memory:", threads: 1 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  for (const schema of ["meta", "spine", "scores", "validation", "features", "marts", "given"])
    await database.run(`create schema ${schema}`);
  await database.run(
    "create table meta.params as select date '2026-01-01' as as_of, 28 as window_days, 30 as gap_days, 90 as horizon_days, " +
      "'end' as primary_definition, 3 as min_cell",
  );
  for (const [name, { columns, rows }] of Object.entries(tables)) {
    await database.run(`create table ${name} (${columns})`);
    const values = rows.map(
      (row) =>
        `(${row.map((v) => (typeof v === "string" && /^\d{4}-\d\d-\d\d$/.test(v) ? literal(new SqlDate(v)) : literal(v))).join(", ")})`,
    );
    if (values.length > 0) await database.run(`insert into ${name} values ${values.join(", ")}`);
  }
}

const models = readModels("marts");
async function build(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const model = (await models).find((m) => m.name === name) as Model;
    await database.run(`create ${model.kind} ${name} as ${model.sql}`);
  }
}

test.each([
  [
    "a group is full before the next begins; the rest goes to the one before it",
    [5, 1, 2, 3, 9, 1],
    true,
    [1, 2, 2, 2, 3, 3],
  ],
  ["all of them too few: one group", [1, 1], true, [1, 1]],
  ["one alone", [2], true, [1]],
  ["several left at the end", [9, 9, 1, 1, 1], true, [1, 2, 2, 2, 2]],
  ["accounts that are in several parts are not added up", [4, 4, 5, 6, 1], false, [1, 1, 1, 2, 2]],
  ["the same, added up", [4, 4, 5, 6, 1], true, [1, 1, 2, 3, 3]],
] as const)("small counts merge in their order: %s", async (_, counts, adds, groups) => {
  await open({});
  const [row] = await database.query<{ groups: string }>(
    `select cast(merged_groups([${counts.join(", ")}], 5, ${adds}) as varchar) as groups`,
  );
  expect(row?.groups).toBe(`[${groups.join(", ")}]`);
});

const snapshots = {
  columns: "snapshot_date date, is_scored boolean",
  rows: [
    ["2024-01-01", true],
    ["2025-01-01", true],
    ["2026-01-01", true],
  ] as const,
};
const accountColumns =
  "account_id varchar, snapshot_date date, mrr_minor bigint, segment varchar, renews_on date, is_scored boolean";
const paying = (id: string, on: string, mrr: number | null, renews: string | null = null): readonly Value[] => [
  id,
  on,
  mrr,
  "all",
  renews,
  true,
];

const noOverrides = {
  columns: "account_id varchar, snapshot_date date, scorecard varchar, version integer, band_without varchar",
  rows: [],
};

describe("kept_money", () => {
  test("gross counts each customer at most at its old money, net all of it; new and trial customers are out", async () => {
    await open({
      "spine.snapshot": snapshots,
      "spine.account_snapshot": {
        columns: accountColumns,
        rows: [
          // Grew, shrank, left, unknown money at the end, and one that is new.
          paying("grew", "2025-01-01", 1000),
          paying("grew", "2026-01-01", 1500),
          paying("shrank", "2025-01-01", 1000),
          paying("shrank", "2026-01-01", 400),
          paying("left", "2025-01-01", 2000),
          paying("unknown", "2025-01-01", 5000),
          paying("unknown", "2026-01-01", null),
          paying("new", "2026-01-01", 9000),
        ],
      },
    });
    await build("marts.kept_money");
    const rows = await database.query("select * from marts.kept_money");
    // The year before has no customer at its start: it is left out rather than blank.
    expect(rows).toEqual([
      {
        period_no: 0,
        base_on: "2025-01-01",
        end_on: "2026-01-01",
        n_base: 4,
        n_kept: 3,
        n_money_unknown: 1,
        base_minor: 4000,
        kept_minor: 1400,
        end_minor: 1900,
        gross_rate: 0.35,
        net_rate: 0.475,
        kept_rate: 0.75,
      },
    ]);
  });
});

describe("renewals that came due", () => {
  // Monthly scored snapshots from 2024-06-01; lapses are mended within 30 days.
  const months = ["2024-06-01", "2024-07-01", "2024-08-01", "2024-09-01", "2024-10-01", "2025-01-01", "2025-06-01"];
  const snapshot = (id: string, on: string, mrr: number | null, renews: string, inNotice = false): readonly Value[] => [
    id,
    on,
    mrr,
    renews,
    inNotice,
  ];
  const due = "2024-10-05";
  const openRenewals = async (rows: readonly (readonly Value[])[], periods: readonly (readonly Value[])[]) => {
    await open({
      "spine.snapshot": {
        columns: "snapshot_date date, is_scored boolean",
        rows: months.map((on) => [on, true] as const),
      },
      "spine.account_period": {
        columns: "account_id varchar, started_on date, ended_on date",
        rows: periods,
      },
      "given.account": {
        columns: "account_id varchar, snapshot_date date, mrr_minor bigint, renews_on date, in_notice boolean",
        rows,
      },
      "scores.scorecard": { columns: "scorecard varchar, version integer, bands varchar", rows: [] },
      "scores.account_override": noOverrides,
      "scores.account_score": {
        columns:
          "account_id varchar, snapshot_date date, scorecard varchar, version integer, is_in_force boolean, score double, band varchar",
        rows: rows.map(([id, on]) => [id as string, on as string, "s", 1, true, 10, "red"]),
      },
      "marts.band": { columns: "band varchar, band_no integer", rows: [["red", 1]] },
    });
    await database.run("alter table meta.params add column reactivation_grace_days integer default 30");
    await database.run(
      "create table spine.account_snapshot as select *, 'all' as segment, true as is_scored from given.account",
    );
    await build("marts.account_band", "marts.renewal_due", "marts.renewal_quarter", "marts.renewal_band");
  };

  test("kept is paying once lapses are mended; the look is 90 days ahead; unknown money is counted, not guessed", async () => {
    await openRenewals(
      [
        // 90 days before 5 October is 7 July: the look is that of 1 July, not the one of 1 September.
        snapshot("kept", "2024-07-01", 1000, due),
        snapshot("kept", "2024-09-01", 9000, due),
        snapshot("kept", "2025-01-01", 800, "2025-10-05"),
        snapshot("grew", "2024-07-01", 1000, due),
        snapshot("grew", "2025-01-01", 1500, "2025-10-05"),
        snapshot("gone", "2024-07-01", 2000, due, true),
        snapshot("blank", "2024-07-01", 5000, due),
        snapshot("blank", "2025-01-01", null, "2025-10-05"),
        // Seen too early or too late to count, and one that is not settled yet.
        snapshot("early", "2024-06-01", 1000, due),
        snapshot("late", "2024-08-01", 1000, due),
        snapshot("open", "2024-10-01", 1000, "2025-12-20"),
      ],
      [
        ["kept", "2023-10-05", null],
        ["grew", "2023-10-05", null],
        // A lapse of 20 days is mended: a new period holds 5 November.
        ["blank", "2023-10-05", "2024-10-05"],
        ["blank", "2024-10-25", null],
        ["gone", "2023-10-05", "2024-11-05"],
      ],
    );
    expect(
      await database.query(
        "select quarter_from, quarter_to, n_accounts, n_kept, n_money_unknown, before_minor, gross_rate, net_rate from marts.renewal_quarter",
      ),
    ).toEqual([
      {
        quarter_from: "2024-10-01",
        quarter_to: "2025-01-01",
        n_accounts: 4,
        n_kept: 3,
        n_money_unknown: 1,
        before_minor: 4000,
        gross_rate: 0.45,
        net_rate: 0.575,
      },
    ]);
  });

  test("who had given notice is counted apart: the colour of that day foresees nothing", async () => {
    const renews = "2025-04-30";
    await openRenewals(
      [
        ...["a", "b", "c", "d"].map((id) => snapshot(id, "2025-01-01", 100, renews, id === "d")),
        snapshot("a", "2025-06-01", 50, "2026-04-30"),
        snapshot("b", "2025-06-01", 130, "2026-04-30"),
      ],
      [
        ["a", "2024-01-01", null],
        ["b", "2024-01-01", null],
        ["c", "2024-01-01", "2025-04-30"],
        ["d", "2024-01-01", "2025-04-30"],
      ],
    );
    expect(
      await database.query(
        "select band, band_no, n_accounts, n_kept, n_decided, gross_rate, first_on, last_on from marts.renewal_band",
      ),
    ).toEqual([
      {
        band: "red",
        band_no: 1,
        n_accounts: 3,
        n_kept: 2,
        n_decided: 1,
        // 50 and 100 of the three accounts' 300.
        gross_rate: 0.5,
        first_on: renews,
        last_on: renews,
      },
    ]);
  });
});

describe("band_before", () => {
  test("the same accounts at every look, beside like ones that stayed; decisions without a like account are counted out", async () => {
    const decided = "2025-09-01";
    const on = ["2025-02-20", "2025-03-01", "2025-07-30", "2025-08-30"] as const;
    const score = (id: string, day: string, band: string): readonly Value[] => [id, day, "s", 1, true, 10, band];
    await open({
      "spine.snapshot": {
        columns: "snapshot_date date, is_scored boolean",
        rows: on.map((day) => [day, true] as const),
      },
      "spine.account_snapshot": {
        columns: accountColumns,
        rows: ["l1", "l2", "l3", "s1", "s2", "s3"].flatMap((id) => on.slice(1).map((day) => paying(id, day, 100))),
      },
      "scores.scorecard": {
        columns: "scorecard varchar, version integer, bands varchar, created_on date",
        rows: [["s", 1, "", "2020-01-01"]],
      },
      "scores.account_override": noOverrides,
      "scores.account_score": {
        columns:
          "account_id varchar, snapshot_date date, scorecard varchar, version integer, is_in_force boolean, score double, band varchar",
        rows: [
          score("l1", "2025-08-30", "red"),
          score("l2", "2025-08-30", "red"),
          score("l3", "2025-08-30", "green"),
          score("l1", "2025-07-30", "green"),
          score("l2", "2025-07-30", "red"),
          score("s1", "2025-08-30", "green"),
          score("s2", "2025-08-30", "red"),
          score("s3", "2025-08-30", "green"),
        ],
      },
      "validation.warning_case": {
        columns:
          "departed_id varchar, decided_on date, account_id varchar, period_started_on date, is_departure boolean",
        rows: [
          ...["l1", "l2", "l3"].map((id): readonly Value[] => [id, decided, id, "2025-03-15", true]),
          ...["l1", "l2", "l3"].map((id, i): readonly Value[] => [id, decided, `s${i + 1}`, null, false]),
          // No like account stayed; and a decision whose earliest look lies before the scored history.
          ["l4", decided, "l4", null, true],
          ["l5", "2025-03-01", "l5", null, true],
          ["l5", "2025-03-01", "s1", null, false],
        ],
      },
    });
    await build("marts.account_band", "marts.band_before");
    const rows = await database.query<{ is_departure: boolean; days_before: number; band: string; n_cases: number }>(
      "select is_departure, days_before, band, n_cases, n_total, n_unlike from marts.band_before where days_before in (0, 30, 180)",
    );
    const row = (isDeparture: boolean, days: number, band: string, n: number) => ({
      is_departure: isDeparture,
      days_before: days,
      band,
      n_cases: n,
      n_total: 3,
      n_unlike: 1,
    });
    expect(rows).toEqual([
      row(false, 0, "green", 2),
      row(false, 0, "red", 1),
      // The look of 30 July is three days old on 2 August; nobody of these has a score there.
      row(false, 30, "unknown", 3),
      row(false, 180, "unknown", 3),
      row(true, 0, "green", 1),
      row(true, 0, "red", 2),
      row(true, 30, "green", 1),
      row(true, 30, "red", 1),
      row(true, 30, "unknown", 1),
      // 5 March: the snapshot of 1 March lies before their paid period.
      row(true, 180, "no_snapshot", 3),
    ]);
  });
});

describe("renewal_month", () => {
  const scored = { columns: "scorecard varchar, version integer, bands varchar", rows: [] };
  const scores = {
    columns:
      "account_id varchar, snapshot_date date, scorecard varchar, version integer, is_in_force boolean, score double, band varchar",
    rows: [["a", "2026-01-01", "s", 1, true, 10, "red"]] as const,
  };
  test("months under min_cell are merged with the next, the last with those before; each account once", async () => {
    const due = [
      "2026-01-10",
      "2026-02-03",
      "2026-02-04",
      "2026-04-01",
      "2026-04-02",
      "2026-04-03",
      "2026-12-01",
      "2027-01-01",
      "2025-12-31",
    ];
    await open({
      "scores.scorecard": scored,
      "scores.account_override": noOverrides,
      "scores.account_score": scores,
      "spine.account_snapshot": {
        columns: accountColumns,
        rows: due.map((on, i) => paying("abcdefghi"[i] as string, "2026-01-01", 100, on)),
      },
    });
    await build("marts.account_band", "marts.renewal_month");
    expect(
      await database.query(
        "select from_month, to_month, band, n_accounts, n_total, mrr_minor from marts.renewal_month",
      ),
    ).toEqual([
      // One of January joins the two of February; the lone one of December joins the three of April.
      { from_month: "2026-01-01", to_month: "2026-02-01", band: "red", n_accounts: 1, n_total: 3, mrr_minor: 100 },
      { from_month: "2026-01-01", to_month: "2026-02-01", band: "unknown", n_accounts: 2, n_total: 3, mrr_minor: 200 },
      { from_month: "2026-04-01", to_month: "2026-12-01", band: "unknown", n_accounts: 4, n_total: 4, mrr_minor: 400 },
    ]);
  });

  test("fewer than min_cell renewals in all show nothing", async () => {
    await open({
      "scores.scorecard": scored,
      "scores.account_override": noOverrides,
      "scores.account_score": scores,
      "spine.account_snapshot": {
        columns: accountColumns,
        rows: [paying("a", "2026-01-01", 100, "2026-02-01"), paying("b", "2026-01-01", 100, "2026-03-01")],
      },
    });
    await build("marts.account_band", "marts.renewal_month", "marts.renewal_ahead");
    expect(await database.query("select * from marts.renewal_month")).toEqual([]);
    expect(await database.query("select * from marts.renewal_ahead")).toEqual([]);
  });
});

describe("leaver_band", () => {
  test("looks gap_days back, at a scored snapshot; exits that the customer did not decide are left out", async () => {
    await open({
      "scores.scorecard": { columns: "scorecard varchar, version integer, bands varchar", rows: [] },
      "scores.account_override": noOverrides,
      "scores.account_score": {
        columns:
          "account_id varchar, snapshot_date date, scorecard varchar, version integer, is_in_force boolean, score double, band varchar",
        rows: [
          ["a", "2025-06-01", "s", 1, true, 90, "green"],
          ["a", "2025-06-29", "s", 1, true, 5, "red"],
          ["b", "2025-06-01", "s", 1, true, 5, "red"],
          ["c", "2025-06-01", "s", 1, true, 50, "yellow"],
          ["d", "2025-06-01", "s", 1, true, 5, "red"],
        ],
      },
      "spine.account_snapshot": {
        columns: accountColumns,
        rows: [
          paying("a", "2025-06-01", 1),
          paying("a", "2025-06-29", 1),
          paying("b", "2025-06-01", 1),
          paying("c", "2025-06-01", 1),
          paying("d", "2025-06-01", 1),
          paying("e", "2025-06-29", 1),
        ],
      },
      "validation.decision": {
        columns: "definition varchar, account_id varchar, decided_on date, kind varchar",
        rows: [
          // a: green at the last reading 30 days before, red only in between; its earlier decision does not count again.
          ["end", "a", "2025-03-01", "end"],
          ["end", "a", "2025-07-03", "end"],
          ["end", "b", "2025-07-01", "notice"],
          ["end", "c", "2025-07-02", "end"],
          ["end", "d", "2025-07-01", "other_exit"],
          ["other", "d", "2025-07-01", "end"],
          // e had not begun to pay 30 days before; f decided too long ago.
          ["end", "e", "2025-07-10", "end"],
          ["end", "f", "2024-12-31", "end"],
        ],
      },
    });
    await build("marts.account_band", "marts.leaver_band");
    expect(await database.query("select * from marts.leaver_band")).toEqual([
      { series: "in_force", band: "green", n_leavers: 1, n_total: 4 },
      { series: "in_force", band: "no_snapshot", n_leavers: 1, n_total: 4 },
      { series: "in_force", band: "red", n_leavers: 1, n_total: 4 },
      { series: "in_force", band: "yellow", n_leavers: 1, n_total: 4 },
    ]);
  });
});

describe("cohorts", () => {
  const dates = ["2024-01-29", "2024-02-05", "2024-05-06", "2024-08-05", "2025-02-03", "2025-05-05", "2026-01-01"];
  const periods: readonly (readonly Value[])[] = [
    // Before the data: only those who stayed are known, so they are cut.
    ["old", "2023-12-30", null],
    ["a", "2024-01-10", null],
    ["b", "2024-02-01", "2025-01-20"],
    ["c", "2024-02-10", "2025-02-10"],
    ["d", "2024-03-31", null],
    // Left and came back: paying again at twelve months.
    ["e", "2024-04-01", "2024-08-01"],
    ["e", "2025-03-01", null],
    ["f", "2024-05-01", null],
    // Too few and too late to have matured: joins the quarters before.
    ["g", "2025-11-01", null],
  ];
  test("quarters are merged up to min_cell; twelve months count to the day; only matured cohorts show", async () => {
    await open({
      "spine.snapshot": { columns: "snapshot_date date, is_scored boolean", rows: dates.map((d) => [d, true]) },
      "spine.account_period": { columns: "account_id varchar, started_on date, ended_on date", rows: periods },
      "spine.account_snapshot": {
        columns: accountColumns,
        rows: [
          ...dates.map((d) => paying("a", d, d < "2025" ? 1000 : 1200)),
          // Paid 2000 and is gone at twelve months: of the money there is 1200 of 3000.
          paying("b", "2024-02-05", 2000),
          // Pays to the end, but nobody knows how much then: out of both sides of the rate, as unknown is not nothing.
          paying("d", "2024-04-15", 1000),
          paying("d", "2025-05-05", null),
        ],
      },
    });
    await database.run("update meta.params set min_cell = 2");
    await build("marts.cohort_account", "marts.cohort_heat", "marts.cohort_retention");
    expect(await database.query("select account_id, cohort_from, cohort_to from marts.cohort_account")).toEqual([
      ...["a", "b", "c", "d"].map((account_id) => ({ account_id, cohort_from: "2024-01-01", cohort_to: "2024-04-01" })),
      // The lone one of 2025 Q4 is merged into 2024 Q2, which therefore has not matured.
      ...["e", "f", "g"].map((account_id) => ({ account_id, cohort_from: "2024-04-01", cohort_to: "2026-01-01" })),
    ]);
    const [row, ...others] = await database.query("select * from marts.cohort_retention");
    expect(others).toEqual([]);
    // b ended before its year, c on the very day: an end is exclusive, so neither pays at twelve months.
    expect(row).toMatchObject({ cohort_from: "2024-01-01", n_accounts: 4, n_kept: 2, kept_rate: 0.5, money_rate: 0.4 });
    // Of two accounts with known money a rate may be told, of one alone not.
    await database.run("delete from spine.account_snapshot where account_id = 'b'; drop table marts.cohort_heat");
    await build("marts.cohort_heat");
    expect(await database.query("select n_accounts, money_rate from marts.cohort_heat where months = 12")).toEqual([
      { n_accounts: 4, money_rate: null },
    ]);
    // Wilson's interval of 2 of 4, from statsmodels' proportion_confint(2, 4, method="wilson").
    expect(row?.rate_low).toBeCloseTo(0.150039, 6);
    expect(row?.rate_high).toBeCloseTo(0.849961, 6);
  });
});

describe("kpi_range", () => {
  const columns =
    "kpi varchar, bin integer, value_from double, value_to double, mean_value double, n_rows bigint, n_accounts bigint, n_churned bigint, rate double, rate_low double, rate_high double, expected_rate double";
  const bin = (no: number, from: number | null, to: number | null, accounts: number, rate = 0.1): readonly Value[] => [
    "k",
    no,
    from,
    to,
    from,
    100,
    accounts,
    1,
    rate,
    rate / 2,
    rate * 2,
    0.1,
  ];
  test("bounds are no account's: ends open, whole numbers kept where they follow each other, else the middle of the gap", async () => {
    await open({
      "validation.kpi_decile": {
        columns,
        rows: [bin(0, null, null, 9), bin(1, 0, 0, 9), bin(2, 1, 7, 9), bin(3, 8, 113, 9), bin(4, 240, 999, 9)],
      },
    });
    await build("marts.kpi_bin", "marts.kpi_range");
    expect(await database.query("select range_no, is_missing, value_from, value_to from marts.kpi_range")).toEqual([
      { range_no: 0, is_missing: true, value_from: null, value_to: null },
      { range_no: 1, is_missing: false, value_from: 0, value_to: 0 },
      { range_no: 2, is_missing: false, value_from: 1, value_to: 7 },
      { range_no: 3, is_missing: false, value_from: 8, value_to: 180 },
      { range_no: 4, is_missing: false, value_from: 180, value_to: null },
    ]);
  });

  test("ranges under min_cell are merged, weighted by their rows; the missing ones are left out", async () => {
    await open({
      "validation.kpi_decile": {
        columns,
        rows: [bin(0, null, null, 2), bin(1, 1, 3, 2, 0.3), bin(2, 4, 6, 9, 0.1), bin(3, 7, 9, 2, 0.7)],
      },
    });
    await build("marts.kpi_bin", "marts.kpi_range");
    const rows = await database.query(
      "select range_no, value_from, value_to, n_rows, n_accounts, rate from marts.kpi_range",
    );
    expect(rows).toEqual([
      { range_no: 1, value_from: null, value_to: null, n_rows: 300, n_accounts: 9, rate: 0.366666666667 },
    ]);
  });
});

describe("weight_on_evidence", () => {
  test("points by verdict group sum to 100; a KPI without a verdict is not known", async () => {
    await open({
      "scores.scorecard_weight": {
        columns: "scorecard varchar, version integer, group_id varchar, kpi varchar, share decimal(18,6)",
        rows: [
          ["s", 1, "g", "a", 40],
          ["s", 1, "g", "b", 30],
          ["s", 1, "g", "nowhere", 30],
        ],
      },
      "marts.kpi": {
        columns: "kpi varchar, action_group varchar",
        rows: [
          ["a", "Use"],
          ["b", "Leave out"],
        ],
      },
    });
    await build("marts.weight_on_evidence");
    expect(await database.query("select action_group, points from marts.weight_on_evidence")).toEqual([
      { action_group: "Use", points: 40 },
      { action_group: "Use with care", points: 0 },
      { action_group: "Score differently", points: 0 },
      { action_group: "Leave out", points: 30 },
      { action_group: "Not known", points: 30 },
    ]);
  });
});
