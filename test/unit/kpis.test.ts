import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readFixture, runFixture } from "../../pipelines/commands/fixture.ts";
import { parseFlags } from "../../pipelines/config/flags.ts";
import { basesOf, factors, type KpiDefinition, measures } from "../../pipelines/config/kpi.ts";
import { libraryIds, parseKpi, readLibrary, resolveKpis } from "../../pipelines/features/library.ts";
import { AssayError } from "../../pipelines/lib/errors.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
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
      "assay.yaml: kpis[0]: found login_28d, expected an id of the library (npx assay kpis lists them) or a definition",
    );
    await expect(resolveKpis(smallBook({ kpis: ["nps", "nps"] }))).rejects.toThrow("kpis[1]: found nps a second time");
    expect(await mistake({ measure: "counts" })).toMatch(
      /^assay\.yaml: kpis\[1\]\.measure: found "counts", expected one of count, sum/,
    );
    expect(await mistake({ says: { less: "did less" } })).toMatch(/says\.more: found nothing, expected a text/);
    expect(await mistake({ windowdays: 28 })).toMatch(/windowdays: found an unknown key/);
    expect(await mistake({ id: "Report views" })).toMatch(/id: found "Report views", expected an id/);
    expect(await mistake({ window_days: 0 })).toMatch(/window_days: found 0/);
    expect(await mistake({ measure: "sum" })).toMatch(/value: found nothing, but the measure sum needs a value column/);
    expect(await mistake({ entity: "tickets" })).toMatch(
      /entity: found tickets, expected one of account, .*did you mean ticket\?/,
    );
    expect(await mistake({ filter: { evnt: "x" } })).toMatch(
      /filter\.evnt: found evnt, expected a column of usage_event.*did you mean event\?/,
    );
    expect(await mistake({ filter: { event: 3 } })).toMatch(/filter\.event: found 3, expected a text/);
    expect(await mistake({ filter: { event: { less_than: 3 } } })).toMatch(/filter\.event: found a comparison of size/);
    expect(await mistake({ filter: { account_id: "a" } })).toMatch(
      /filter\.account_id: found account_id, expected another/,
    );
    expect(await mistake({ entity: "ticket", filter: { opened_at: { at_least: "2024-02-30" } } })).toMatch(
      /filter\.opened_at: found "2024-02-30", expected a date like/,
    );
    expect(await mistake({ measure: "latest", entity: "ticket", value: "priority", filter: {} })).toMatch(
      /value: found priority, expected a column of numbers: it is text/,
    );
    expect(await mistake({ measure: "distinct", value: "quantity" })).toMatch(
      /value: found quantity, expected user_id or event/,
    );
    expect(await mistake({ id: "a__rows" })).toMatch(/two underscores/);
    expect(await mistake({ id: "snapshot_date" })).toMatch(/other than the key columns/);
    expect(await mistake({ id: "both" })).toMatch(/id: found "both", expected an id that is no word of SQL/);
  });
});

describe("docs/kpis.md", () => {
  const text = readFileSync(join(projectRoot, "docs", "kpis.md"), "utf8");
  const section = (title: string): string => text.split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? "";
  const examples = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] as string);
  const idsIn = (part: string): readonly string[] =>
    [...part.matchAll(/^\|(.*)\|$/gm)].flatMap(
      (row) => (row[1] as string).match(/[a-z]+(?:_[a-z0-9]+)+|\b(?:nps|pmf)\b/g) ?? [],
    );

  it("has every KPI of the library in its table, as it is defined", async () => {
    const library = await readLibrary();
    const rows = [
      ...section("The library").matchAll(/^\| ([a-z][a-z0-9_]*) \| (.*) \| (.*) \| (.*) \| (.*) \| (.*) \|$/gm),
    ];
    const known = new Map(library.map((kpi) => [kpi.id, kpi]));
    expect(rows.map((row) => row[1]).sort()).toEqual(library.map(({ id }) => id));
    for (const [, id, what, unit, sides, healthier, needs] of rows) {
      const kpi = known.get(id as string) as KpiDefinition;
      expect({ id, unit, sides, healthier }).toEqual({
        id,
        unit: kpi.unit,
        sides: `${kpi.kind}, ${kpi.side}`,
        healthier: kpi.healthier,
      });
      expect(kpi.description.startsWith(what as string), `${id}: ${what}`).toBe(true);
      expect(needs?.split(", "), id).toEqual([...new Set(basesOf(kpi, known).flatMap((base) => base.needs))]);
    }
    expect(section("The library")).toContain(`\n${library.length} KPIs,`);
  });

  it("names KPIs for the eleven signs and the four flags, and every one of them exists", async () => {
    const ids = await libraryIds();
    const [signs = "", flags = ""] = section("What makes an account healthy, and what is a flag").split("\n| flag |");
    expect(signs.match(/^\| /gm)?.length).toBe(12);
    expect(flags.match(/^\| /gm)?.length).toBe(4);
    const named = [...idsIn(signs), ...idsIn(flags)];
    expect(named.length).toBeGreaterThan(25);
    expect(named.filter((id) => !ids.includes(id))).toEqual([]);
  });

  it("has examples that work: a definition, flags on KPIs of the library, a test that passes", async () => {
    const [definitions, flags, fixture] = examples as [string, string, string];
    const ids = await libraryIds();
    expect(parseFlags(flags, "flags.yaml").flags.filter(({ kpi }) => !ids.includes(kpi))).toEqual([]);
    const book = smallBook({ kpis: parse(definitions).kpis });
    const read = await readFixture({ text: fixture, file: "tests/report_views_28d.yaml", book });
    const checks = await runFixture(read, book);
    expect(checks.map(({ found }) => found?.value)).toEqual([2, 0]);
    expect(checks.every(({ passed }) => passed)).toBe(true);
  });
});

describe("what an analyst gets wrong", () => {
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
    [{ window: 28 }, /window: found an unknown key, .*did you mean window_days\?/],
    [
      { measure: "trend", baseline: 84 },
      /baseline: found an unknown key, .*zero_denominator.*did you mean baseline_days/,
    ],
    [{ window_days: "28d" }, /window_days: found "28d", expected a whole number$/],
    [{ window_days: 99_999 }, /window_days: found 99999, expected at most 3650$/],
    [{ label: "x".repeat(61) }, /label: found "x+", expected at most 60 letters$/],
    [{ filter: "event = 'login'" }, /filter: found .*, expected a mapping of columns .* like \{ event: login \}$/],
    [{ filter: { event: { in: ["a"] } } }, /filter\.event\.in: found an unknown key, .*itself: event: \[one, other\]/],
    [{ filter: { event: {} } }, /filter\.event: found \{\}, expected a comparison with one of not,/],
    [
      { null_rule: { no_row: "zero" } },
      /null_rule\.no_row: found an unknown key, expected one of no_rows, .*mean no_rows\?/,
    ],
    [{ says: "opened fewer" }, /says: found "opened fewer", expected \{ less: a phrase, more: a phrase \}$/],
    [{ entity: "usage" }, /entity: found usage, .*did you mean usage_event\?/],
    [{ entity: "usage_daily" }, /entity: found usage_daily, .*usage that comes by the day is read with it/],
    [{ account: "parent_id" }, /account: found parent_id, expected none: usage is rolled up by account_id$/],
    [
      { entity: "account", account: "parent", filter: {} },
      /account: found parent, expected a column of account: .*did you mean parent_id\?/,
    ],
    [
      { entity: "account", account: "is_test", filter: {} },
      /account: found is_test, expected a column with the id of an account$/,
    ],
    [{ entity: "note" }, /entity: found note, expected one of account, user/],
    [
      { value: "quantity" },
      /value: found "quantity", but the measure count takes no value, only entity, account, filter/,
    ],
  ];

  it.each(cases)("%j", async (change, sentence) => {
    expect(await mistake(change)).toMatch(sentence);
  });
});

describe("resolveKpis of KPIs of KPIs", () => {
  const { entity: _, filter: __, window_days: ___, ...plain } = own;
  const ratio = (id: string, numerator: string, denominator: string, more: Readonly<Record<string, unknown>> = {}) => ({
    ...plain,
    id,
    measure: "ratio",
    numerator,
    denominator,
    zero_denominator: "zero",
    ...more,
  });
  const expression = (id: string, text: string) => ({ ...plain, id, measure: "expression", expression: text });
  const failing = async (...kpis: readonly unknown[]): Promise<string> => {
    try {
      await resolveKpis(smallBook({ kpis }));
    } catch (error) {
      expect((error as AssayError).exitCode).toBe(2);
      const { message, hint } = error as AssayError;
      return hint === undefined ? message : `${message} (${hint})`;
    }
    throw new Error("no mistake was found");
  };

  it("computes what they read and the book does not list, and needs what that needs", async () => {
    const { kpis, inputs } = await resolveKpis(
      smallBook({ kpis: ["logins_28d", ratio("k", "open_tickets", "logins_28d"), expression("e", "k * 2 + nps")] }),
    );
    expect(kpis.map(({ id }) => id)).toEqual(["logins_28d", "k", "e"]);
    // The last is for the verdict on logins_28d: all use in its look-back (config/kpi.ts, useBeside).
    expect(inputs.map(({ id }) => id)).toEqual(["open_tickets", "nps", "use__28"]);
    expect(kpis[1]?.needs).toEqual(["ticket", "usage_event"]);
    expect(kpis[2]?.needs).toEqual(["ticket", "usage_event", "survey_response"]);
  });

  it("switches off what reads a KPI that is off, through others too", async () => {
    const sources = {
      accounts: { entity: "account", files: "a.csv" },
      usage: { entity: "usage_event", files: "u.csv" },
    };
    const kpis = [expression("e", "k + logins_28d"), ratio("k", "open_tickets", "logins_28d")];
    expect(await resolveKpis(smallBook({ sources, kpis }))).toMatchObject({
      kpis: [],
      inputs: [],
      off: [
        { id: "e", why: "reads k, which reads open_tickets, which needs a source of entity ticket" },
        { id: "k", why: "reads open_tickets, which needs a source of entity ticket" },
      ],
    });
  });

  it("names the circle, the unknown id, and the place in the expression", async () => {
    expect(await failing(expression("a", "b + 1"), ratio("b", "c", "nps"), ratio("c", "a", "nps"))).toMatch(
      /found a circle, a reads b reads c reads a, expected none/,
    );
    expect(await failing(ratio("a", "nps", "a"))).toMatch(/kpis\[0\]\.denominator: found a circle, a reads a,/);
    expect(await failing(ratio("a", "open_ticket", "logins_28d"))).toMatch(
      /kpis\[0\]\.numerator: found open_ticket, expected the id of a KPI of the book or of the library \(did you mean open_tickets\?\)/,
    );
    expect(await failing(expression("a", "nps / login_28d"))).toMatch(
      /kpis\[0\]\.expression: found login_28d at character 7 of "nps \/ login_28d", expected .* \(did you mean logins_28d\?\)/,
    );
    expect(await failing(expression("a", "nps / )"))).toMatch(
      /kpis\[0\]\.expression: found "\)" at character 7 of "nps \/ \)", expected a number, the id of a KPI, a function or "\("$/,
    );
    expect(await failing(expression("a", "2 * 3"))).toMatch(/expression: found no KPI in "2 \* 3"/);
    expect(await failing(expression("a", "nps / 0.0"))).toMatch(
      /found a division by 0 at character 5 of "nps \/ 0\.0", expected another divisor/,
    );
    expect(await failing(expression("a", "sqrt(nps)"))).toMatch(
      /found "sqrt\(" at character 1 .*, expected a function: abs,/,
    );
    expect(await failing(expression("a", "max(nps)"))).toMatch(
      /found max of 1 at character 1 .*, expected 2 to 20 values/,
    );
    expect(await failing(ratio("a", "nps", "logins_28d", { zero_denominator: undefined }))).toMatch(
      /zero_denominator: found nothing, but the measure ratio needs a rule: not_applicable or zero/,
    );
    expect(await failing(ratio("a", "nps", "logins_28d", { window_days: 28 }))).toMatch(
      /window_days: found 28, but the measure ratio takes no window_days/,
    );
  });
});

describe("keys of measures", () => {
  it("texts that are empty and ids that are none are told as such", async () => {
    expect(await mistake({ description: "" })).toMatch(/description: found "", expected a text that is not empty/);
    expect(await mistake({ id: undefined })).toMatch(/id: found nothing, expected an id: a lower-case letter/);
  });

  it("that one does not take, or lacks, are mistakes", async () => {
    expect(await mistake({ measure: "trend" })).toMatch(/baseline_days: found nothing, .* needs the days of/);
    expect(await mistake({ measure: "trend", baseline_days: 28, of: "distinct", value: "user_id" })).toMatch(
      /of: found "distinct", but the measure trend adds up days/,
    );
    expect(await mistake({ measure: "share", of: "sum" })).toMatch(
      /value: found nothing, .* share of sum needs a value/,
    );
    expect(await mistake({ measure: "share", value: "quantity" })).toMatch(/share of count reads no value column/);
    expect(await mistake({ measure: "count", baseline_days: 3 })).toMatch(
      /baseline_days: found 3, .* takes no baseline_days/,
    );
    expect(await mistake({ measure: "count", users: { role: "admin" } })).toMatch(/the measure count takes no users/);
    expect(await mistake({ measure: "active_days", users: { rol: "admin" } })).toMatch(
      /users\.rol: found rol, expected a column of user: .*did you mean role\?/,
    );
    expect(await mistake({ measure: "active_days", users: { is_executive: "yes" } })).toMatch(
      /users\.is_executive: found "yes", expected true or false/,
    );
    expect(await mistake({ measure: "milestone", filter: {}, window_days: null })).toMatch(
      /entity: found "usage_event", but the measure milestone reads milestone/,
    );
    expect(await mistake({ measure: "time_to_first" })).toMatch(/window_days: found 28, .* takes no window_days/);
    expect(await mistake({ entity: undefined })).toMatch(/entity: found nothing, .* count needs an entity to read/);
    expect(await mistake({ decay: "linear", window_days: 1 })).toMatch(/window_days: found 1, .* 2 days to decay over/);
    expect(await mistake({ measure: "slope", null_rule: { no_rows: "not_yet" } })).toMatch(
      /null_rule: found .* has a rule of its own/,
    );
  });
});

describe("the library", () => {
  it("reads, and its phrases fit the sentences that quote them", async () => {
    const verbs =
      "added|agreed|cancelled|came|exported|gave|got|had|ignored|left|logged|lost|matched|met|named|opened|owed|paid|passed|" +
      "rated|reached|said|sent|signed|subscribed|took|uploaded|used|were|worked|would|answered";
    for (const { id, says, unit, label, description } of await readLibrary()) {
      for (const phrase of [says.less, says.more]) {
        expect(phrase, id).toMatch(new RegExp(`^(${verbs}) [a-zNPS -]+$`));
      }
      expect(says.less, id).not.toBe(says.more);
      expect(unit, id).toMatch(/^[a-z]/);
      expect(label, id).toMatch(/^[A-Z]/);
      expect(description, id).toMatch(/^[A-Z0-9].*\.$/);
    }
  });

  it("looks back over the days that an id names", async () => {
    const library = new Map((await readLibrary()).map((kpi) => [kpi.id, kpi]));
    const days = [...library.values()].flatMap((kpi) => {
      const named = /_(\d+)d(_scaled)?$/.exec(kpi.id)?.[1];
      if (named === undefined) return [];
      const windows = basesOf(kpi, library).flatMap((base) => base.window_days ?? []);
      return [{ id: kpi.id, named: [Number(named)], windows: [...new Set(windows)] }];
    });
    expect(days.length).toBeGreaterThan(35);
    expect(days.filter(({ named, windows }) => String(named) !== String(windows))).toEqual([]);
  });

  it("covers every factor, what is measured and what is felt, the customer's own doing and trouble", async () => {
    const library = await readLibrary();
    expect(new Set(library.map((kpi) => kpi.factor))).toEqual(new Set(factors));
    expect(new Set(library.map((kpi) => kpi.kind))).toEqual(new Set(["objective", "sentiment"]));
    expect(new Set(library.map((kpi) => kpi.side))).toEqual(new Set(["proactive", "reactive"]));
    expect(new Set(library.map((kpi) => kpi.measure))).toEqual(new Set(measures));
  });

  it("assumes no direction for how many tickets an account opens, nor for its controls", async () => {
    const tickets = (await readLibrary()).filter(
      (kpi) => kpi.factor === "control" || /^tickets_|^support_share/.test(kpi.id),
    );
    expect(tickets.map(({ id, healthier }) => `${id} ${healthier}`)).toEqual([
      "letters_in_name tested",
      "support_share_90d tested",
      "tickets_28d tested",
      "tickets_28d_scaled tested",
      "tickets_per_seat_90d tested",
      "tickets_per_user_28d tested",
    ]);
  });

  it("does not know a definition that is no mapping", () => {
    expect(() => parseKpi("logins", "here")).toThrow(/^here: found "logins", expected a mapping/);
  });
});
