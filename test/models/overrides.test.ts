import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { applied, cardText, type GivenOverride, scored } from "../scored.ts";

const linear = "{ linear: { zero_at: 0, full_at: 100 } }";
const card = cardText(
  `groups: [{ id: all, kpis: [{ kpi: x, points: ${linear} }] }]`,
  "gates: [{ id: g, kpi: y, min: 1, score: 20 }]",
);

describe("overrides", () => {
  it("say what became of each line", async () => {
    const on = (account_id: string, more: Partial<GivenOverride> = {}): GivenOverride => ({
      account_id,
      band: "yellow",
      from_on: "2026-03-02",
      author: "kim",
      ...more,
    });
    const { database } = await scored(
      [applied(card)],
      ["2026-03-02", "2026-03-09"].flatMap((snapshot_date) =>
        ["a", "b", "c", "d", "e"].map((account_id) => ({ account_id, snapshot_date, kpis: { x: 80, y: 0 } })),
      ),
      {
        overrides: [
          on("a"),
          on("a", { from_on: "2026-03-09", band: "green" }),
          on("b", { expires_on: "2026-03-09" }),
          on("c", { from_on: "2026-03-10" }),
          on("d", { band: "purple" }),
          on("nobody"),
          on("e"),
          on("e", { band: "green" }),
        ],
      },
    );
    const states = await database.query(
      "select account_id, from_on, band, state from scores.override_state order by line_no",
    );
    const holding = await database.query(
      "select account_id, snapshot_date, band, band_without, author from scores.account_override order by account_id, snapshot_date",
    );
    database.close();
    expect(states.map((row) => [row.account_id, row.from_on, row.band, row.state])).toEqual([
      ["a", "2026-03-02", "yellow", "replaced"],
      ["a", "2026-03-09", "green", "applies"],
      ["b", "2026-03-02", "yellow", "expired"],
      ["c", "2026-03-10", "yellow", "not_yet"],
      ["d", "2026-03-02", "purple", "unknown_band"],
      ["nobody", "2026-03-02", "yellow", "unknown_account"],
      ["e", "2026-03-02", "yellow", "replaced"],
      ["e", "2026-03-02", "green", "applies"],
    ]);
    // The gate holds every score at 20: that is the band without the override.
    const row = (account_id: string, snapshot_date: string, band: string) => ({
      account_id,
      snapshot_date,
      band,
      band_without: "red",
      author: "kim",
    });
    expect(holding).toEqual([
      row("a", "2026-03-02", "yellow"),
      row("a", "2026-03-09", "green"),
      row("b", "2026-03-02", "yellow"),
      row("e", "2026-03-02", "green"),
      row("e", "2026-03-09", "green"),
    ]);
  });

  it("leave empty tables in a book without a source of them", async () => {
    const { database } = await scored([applied(card)], [{ account_id: "a", kpis: { x: 80, y: 1 } }]);
    const counts = await database.query(
      "select (select count(*) from scores.account_override) as holding, (select count(*) from scores.override_state) as lines",
    );
    database.close();
    expect(counts).toEqual([{ holding: 0, lines: 0 }]);
  });

  it("stand where people saw them, and not in restated series", async () => {
    const { database } = await scored(
      [applied(card)],
      ["2026-03-02", "2026-03-09"].map((snapshot_date) => ({ account_id: "a", snapshot_date, kpis: { x: 80, y: 0 } })),
      {
        // The day on which it expires is the first without it.
        overrides: [{ account_id: "a", band: "green", from_on: "2026-03-02", expires_on: "2026-03-09", author: "kim" }],
      },
    );
    await database.run("alter table spine.account_snapshot add column renews_on date");
    const mart = await readFile(join(projectRoot, "sql", "marts", "account_band.sql"), "utf8");
    const rows = await database.query<{ series: string; snapshot_date: string; band: string }>(
      `select series, snapshot_date, band from (${mart}) as t order by series, snapshot_date`,
    );
    database.close();
    expect(rows.map(({ series, snapshot_date, band }) => [series, snapshot_date, band])).toEqual([
      ["card", "2026-03-02", "red"],
      ["card", "2026-03-09", "red"],
      ["in_force", "2026-03-02", "green"],
      ["in_force", "2026-03-09", "red"],
    ]);
  });
});
