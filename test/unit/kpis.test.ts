import { describe, expect, it } from "vitest";
import { parseKpi, readLibrary, resolveKpis } from "../../pipelines/features/library.ts";
import { AssayError } from "../../pipelines/lib/errors.ts";
import { smallBook } from "../small-warehouse.ts";

const own = {
  id: "report_views_28d",
  label: "Report views",
  description: "Reports that were opened.",
  factor: "feature_adoption",
  kind: "objective",
  side: "proactive",
  unit: "views",
  measure: "count",
  entity: "usage_event",
  filter: { event: "report_view" },
  window_days: 28,
  healthier: "higher",
  says: { less: "opened fewer reports", more: "opened more reports" },
};

/** The sentence of the usage error that a book with one definition of its own gives. */
async function mistake(change: Readonly<Record<string, unknown>>): Promise<string> {
  try {
    await resolveKpis(smallBook({ kpis: ["logins_28d", { ...own, ...change }] }));
  } catch (error) {
    expect(error).toBeInstanceOf(AssayError);
    expect((error as AssayError).exitCode).toBe(2);
    const { message, hint } = error as AssayError;
    return hint === undefined ? message : `${message} (${hint})`;
  }
  throw new Error("no mistake was found");
}

describe("resolveKpis", () => {
  it("keeps the order of the book and fills in the defaults", async () => {
    const { kpis, off } = await resolveKpis(smallBook({ kpis: ["nps", own, "logins_28d"] }));
    expect(kpis.map((kpi) => kpi.id)).toEqual(["nps", "report_views_28d", "logins_28d"]);
    expect(off).toEqual([]);
    expect(kpis[1]).toMatchObject({
      version: 1,
      needs: ["usage_event"],
      null_rule: { no_rows: "zero", no_value: "unanswered", feed_gap_days: 14, tenure: "whole_window" },
    });
  });

  it("switches off what no source of the book delivers, and says why", async () => {
    const sources = {
      accounts: { entity: "account", files: "a.csv" },
      usage: { entity: "usage_daily", files: "u.csv" },
    };
    const { kpis, off } = await resolveKpis(smallBook({ sources, kpis: ["nps", "logins_28d", "open_tickets"] }));
    expect(kpis.map((kpi) => kpi.id)).toEqual(["logins_28d"]);
    expect(off).toEqual([
      { id: "nps", why: "needs a source of entity survey_response" },
      { id: "open_tickets", why: "needs a source of entity ticket" },
    ]);
  });

  it("lets a definition of the book replace the library's", async () => {
    const { kpis } = await resolveKpis(smallBook({ kpis: [{ ...own, id: "logins_28d" }] }));
    expect(kpis[0]?.label).toBe("Report views");
  });

  it("takes columns that an account source maps beyond the catalogue", async () => {
    const sources = {
      accounts: { entity: "account", files: "a.csv", columns: { health: { from: "Health", type: "number" } } },
      usage: { entity: "usage_event", files: "u.csv" },
    };
    const kpi = { ...own, measure: "latest", entity: "account", value: "health", filter: {}, window_days: null };
    const { kpis } = await resolveKpis(smallBook({ sources, kpis: [kpi] }));
    expect(kpis[0]?.value).toEqual({ column: "health", as: "value" });
  });

  it("says in one sentence what is wrong, where, and what would be right", async () => {
    await expect(resolveKpis(smallBook({ kpis: ["login_28d"] }))).rejects.toThrow(
      "assay.yaml: kpis[0]: found login_28d, expected a definition or an id of the library",
    );
    await expect(resolveKpis(smallBook({ kpis: ["nps", "nps"] }))).rejects.toThrow("kpis[1]: found nps a second time");
    expect(await mistake({ measure: "counts" })).toMatch(
      /^assay\.yaml: kpis\[1\]\.measure: found "counts", expected one of count, sum/,
    );
    expect(await mistake({ measure: "slope" })).toMatch(
      /measure: found slope, which this version of Assay does not compute yet/,
    );
    expect(await mistake({ says: { less: "did less" } })).toMatch(/says\.more: found nothing, expected a text/);
    expect(await mistake({ windowdays: 28 })).toMatch(/windowdays: found an unknown key/);
    expect(await mistake({ id: "Report views" })).toMatch(/id: found "Report views", expected an id/);
    expect(await mistake({ window_days: 0 })).toMatch(/window_days: found 0/);
    expect(await mistake({ measure: "sum" })).toMatch(
      /value: found nothing, expected otherwise: the measure sum needs a value column/,
    );
    expect(await mistake({ entity: "tickets" })).toMatch(
      /entity: found tickets, expected one of account, .*did you mean ticket\?/,
    );
    expect(await mistake({ filter: { evnt: "x" } })).toMatch(
      /filter\.evnt: found evnt, expected a column of usage_event.*did you mean event\?/,
    );
    expect(await mistake({ filter: { event: 3 } })).toMatch(/filter\.event: found 3, expected a text/);
    expect(await mistake({ filter: { event: { less_than: 3 } } })).toMatch(/filter\.event: found a comparison of size/);
    expect(await mistake({ filter: { user_id: "u" } })).toMatch(/filter\.user_id: found user_id, expected event/);
    expect(await mistake({ entity: "ticket", filter: { opened_at: { at_least: "2024-02-30" } } })).toMatch(
      /filter\.opened_at: found "2024-02-30", expected a date like/,
    );
    expect(await mistake({ measure: "latest", entity: "ticket", value: "priority", filter: {} })).toMatch(
      /value: found priority, expected a column of numbers: it is text/,
    );
    expect(await mistake({ measure: "distinct", value: "user_id" })).toMatch(/filter: found event, expected no filter/);
    expect(await mistake({ id: "a__rows" })).toMatch(/two underscores/);
    expect(await mistake({ id: "snapshot_date" })).toMatch(/other than the key columns/);
  });
});

describe("the library", () => {
  it("reads, and its phrases fit the sentences that quote them", async () => {
    for (const { says, unit, label } of await readLibrary()) {
      for (const phrase of [says.less, says.more]) {
        expect(phrase).toMatch(
          /^(logged|used|had|sent|matched|exported|worked|uploaded|were|gave|opened|signed) [a-zNPS -]+$/,
        );
      }
      expect(says.less).not.toBe(says.more);
      expect(unit).toMatch(/^[a-z]/);
      expect(label).toMatch(/^[A-Z]/);
    }
  });

  it("defines the KPIs that the demo names, in the window that their ids say", async () => {
    const library = new Map((await readLibrary()).map((kpi) => [kpi.id, kpi]));
    for (const [id, kpi] of library) {
      const days = /_(\d+)d$/.exec(id)?.[1];
      if (days !== undefined) expect({ id, window: kpi.window_days }).toEqual({ id, window: Number(days) });
    }
    expect([...library.values()].filter((kpi) => kpi.healthier === "tested").map((kpi) => kpi.id)).toEqual([
      "dark_mode_days",
      "letters_in_name",
      "newsletter_opens",
      "profile_photos",
      "webinar_signups",
    ]);
  });

  it("does not know a definition that is no mapping", () => {
    expect(() => parseKpi("logins", "here")).toThrow(/^here: found "logins", expected a mapping/);
  });
});
