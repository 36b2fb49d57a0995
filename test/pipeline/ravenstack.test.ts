import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dataFolder, hasData } from "../data.ts";
import { openBrowser } from "../site/browser.ts";
import { pagesOf, walk } from "../site/walk.ts";
import { assay, complaint } from "./assay.ts";

// A public book without any signal, from export to site: what it must not say matters as much as what it counts.
describe.runIf(hasData("ravenstack"))("RavenStack, the negative control", () => {
  const state = mkdtempSync(join(tmpdir(), "assay-ravenstack-state-"));
  const book = "test/books/ravenstack";
  const env = { ASSAY_DATA: dataFolder };
  const ask = async (sql: string): Promise<unknown> => {
    const ran = await assay(["query", book, sql, "--state", state, "--json"], { env });
    expect([complaint(ran), ran.code]).toEqual(["", 0]);
    return JSON.parse(ran.stdout);
  };

  beforeAll(async () => {
    const ran = await assay(["refresh", book, "--state", state], { env });
    expect([complaint(ran), ran.code]).toEqual(["", 0]);
  });
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  test("shows every kind of page without an error, an empty chart or a dead link", async () => {
    const site = join(state, "current", "site");
    const browser = await openBrowser();
    try {
      expect(await walk(browser, site, await pagesOf(site, ["usage_count_28d"]))).toEqual([]);
    } finally {
      await browser.close();
    }
  });

  test("counts what does not fit together in the exports", async () => {
    const wanted = [
      "usage_before_subscription",
      "usage_before_sign_up",
      "usage_ids_with_other_content",
      "tickets_before_sign_up",
    ];
    const rows = await ask(
      `select "check", n from validation.data_check where "check" in (${wanted.map((w) => `'${w}'`).join(", ")}) order by n`,
    );
    expect(rows).toEqual([
      { check: "usage_ids_with_other_content", n: 21 },
      { check: "tickets_before_sign_up", n: 1077 },
      { check: "usage_before_sign_up", n: 13_198 },
      { check: "usage_before_subscription", n: 19_142 },
    ]);
  });

  test("calls nothing an early warning, and leaves nothing untested for want of churn", async () => {
    const rows = (await ask(
      "select kpi, verdict, reason, n_churned from validation.kpi_verdict where definition = 'cancel' and group_kind = 'all'",
    )) as { kpi: string; verdict: string; reason: string | null; n_churned: number }[];
    expect(rows.length).toBeGreaterThanOrEqual(5);
    expect(rows.filter(({ verdict }) => verdict === "predicts" || verdict === "weak")).toEqual([]);
    expect(
      rows.filter(({ reason }) => ["no_churn", "too_few_churned", "no_labelled_rows"].includes(reason ?? "")),
    ).toEqual([]);
    expect(Math.min(...rows.map((row) => row.n_churned))).toBeGreaterThan(100);
  });

  test("finds that the CRM's flag contradicts the events for 312 of 500 accounts", async () => {
    expect(
      await ask(
        "select n_only_one + n_only_other as n from validation.label_agreement where definition = 'cancel' and other = 'crm'",
      ),
    ).toEqual([{ n: 312 }]);
  });

  test("says in words that the contracts' ends are a trap, and what the CRM's flag is worth", async () => {
    const ran = await assay(["audit", book, "--labels", "--json", "--state", state], { env });
    const { sections } = JSON.parse(ran.stdout) as {
      sections: { id: string; findings: { severity: string; sentence: string }[] }[];
    };
    const warnings = (sections.find(({ id }) => id === "labels")?.findings ?? [])
      .filter(({ severity }) => severity === "warning")
      .map(({ sentence }) => sentence);
    expect(warnings).toContain(
      "cancel and crm contradict each other for 312 of 500 accounts: both call 75 churned, only cancel 277, only crm 35",
    );
    expect(warnings.some((sentence) => sentence.includes("by subscription_end hardly anybody ever leaves"))).toBe(true);
  });

  test("suggests no scorecard where no KPI is an early warning", async () => {
    const ran = await assay(["suggest", book, "scorecard", "--state", state], { env });
    expect([ran.code, ran.stdout]).toEqual([3, ""]);
    expect(ran.stderr).toContain("none is an early warning");
  });
});
