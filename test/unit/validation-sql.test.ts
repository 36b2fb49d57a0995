/** The statements of validation whose shape depends on the book, and what rule L reads of a definition. */
import { describe, expect, it } from "vitest";
import { type Book, bookSchema } from "../../pipelines/config/book.ts";
import { kpiSchema } from "../../pipelines/config/kpi.ts";
import { labelAgreementModel } from "../../pipelines/validation/labels.ts";
import { kpiValueModel, lineageOf, validationNodes } from "../../pipelines/validation/nodes.ts";
import { checkNotice, decisionModel, definitionModel } from "../../pipelines/validation/outcomes.ts";
import { rankModels } from "../../pipelines/validation/rank.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal } from "../../pipelines/warehouse/literal.ts";
import { expectGolden } from "../golden.ts";

const book: Book = {
  ...bookSchema.parse({
    book: "b",
    sources: { usage: { entity: "usage_event", files: "x.csv" } },
    kpis: ["a"],
    baseline: ["tenure", "segment"],
    churn: {
      primary: "ends",
      definitions: {
        ends: { type: "subscription_end" },
        cancel: { type: "event", entity: "churn_event" },
        silent: { type: "inactivity", days: 60 },
        crm: { type: "account_flag", column: "churn_flag" },
      },
    },
  }),
  folder: "/",
  file: "assay.yaml",
  config_sha256: "",
};
const kpi = (changes: Record<string, unknown>) =>
  kpiSchema.parse({
    id: "k",
    label: "K",
    description: "k",
    factor: "control",
    kind: "objective",
    side: "reactive",
    unit: "k",
    measure: "count",
    entity: "usage_event",
    healthier: "tested",
    says: { less: "had less", more: "had more" },
    ...changes,
  });

describe("compiled statements", () => {
  it.each([
    ["validation.definition", definitionModel(book)],
    ["validation.decision", decisionModel(book)],
    ["validation.label_agreement", labelAgreementModel(book)],
    ["validation.kpi_value", kpiValueModel([{ id: "logins_28d" }, { id: "nps" }])],
    ["validation.kpi_cell", rankModels({ name: "kpi", source: "validation.kpi_observed" })[0]],
  ] as const)("%s", async (name, model) => {
    expect(model?.name).toBe(name);
    await expectGolden(`${name}.sql`, `${model?.sql}\n`);
  });
  it("depends on what the book's definitions read, and on nothing else", () => {
    expect([...decisionModel(book).depends].sort()).toEqual([
      "rollup.account_day",
      "spine.account_period",
      "staging.churn_event",
    ]);
    const { definitions: _, ...churn } = book.churn;
    const events = {
      ...book,
      churn: { ...churn, primary: "c", definitions: { c: { type: "event", entity: "churn_event" } } },
    } as Book;
    expect(decisionModel(events).depends).toEqual(["staging.churn_event"]);
    expect(checkNotice(events)).toBeNull();
  });
  it("refuses a flag's column that is not a plain name", () => {
    const definitions = { ...book.churn.definitions, crm: { type: "account_flag", column: 'x"; drop' } } as const;
    expect(() => labelAgreementModel({ ...book, churn: { ...book.churn, definitions } } as Book)).toThrow(
      /churn\.definitions\.crm\.column/,
    );
  });
});

describe("every model of the layer", () => {
  it("declares the tables and parameters that its statement reads", async () => {
    const database = await Database.open({ path: ":memory:", threads: 1 });
    const nodes = await validationNodes(book, [kpi({})], []);
    for (const node of nodes) {
      if (node.kind === "step") continue;
      const tree = String(await database.scalar(`select cast(json_serialize_sql(${literal(node.sql)}) as varchar)`));
      expect([node.name, tree.slice(0, 14)]).toEqual([node.name, '{"error":false']);
      const read = [...tree.matchAll(/"schema_name":"(\w+)","table_name":"(\w+)"/g)].map(([, s, t]) => `${s}.${t}`);
      const tables = [...new Set(read)].filter((table) => table !== "meta.params").sort();
      expect([node.name, tables]).toEqual([node.name, [...node.depends].sort()]);
      const params = [
        ...new Set(
          [...node.sql.matchAll(/\b(?:p|params)\.([a-z_]+_days|as_of|currency|validate_every)\b/g)].map(
            ([, name]) => name,
          ),
        ),
      ];
      expect([node.name, params.sort()]).toEqual([node.name, [...node.params].sort()]);
    }
    database.close();
  });
});

describe("lineage (rule L)", () => {
  const leaks = (changes: Record<string, unknown>) => lineageOf(book, [kpi(changes)]).get("k");
  it("a KPI made from churn events or plays records the decision", () => {
    expect(leaks({ entity: "churn_event" })).toBe("churn_event");
    expect(leaks({ entity: "play" })).toBe("play");
  });
  it("so does one that reads a notice, an end or its reason, as a value or in a filter", () => {
    expect(leaks({ entity: "subscription", filter: { notice_on: { not: null } } })).toBe("subscription.notice_on");
    expect(leaks({ entity: "subscription", measure: "latest", value: "end_reason" })).toBe("subscription.end_reason");
    expect(leaks({ entity: "subscription", filter: { ended_on: { not: null } } })).toBe("subscription.ended_on");
    expect(leaks({ entity: "subscription", filter: { ended_on: "2024-01-31" } })).toBe("subscription.ended_on");
    expect(leaks({ entity: "subscription", measure: "sum", value: "seats" })).toBeUndefined();
  });
  it("but not one that only leaves out the contracts that have ended", () => {
    const running = { entity: "subscription", measure: "sum", value: "seats", filter: { ended_on: null } };
    expect(leaks(running)).toBeUndefined();
    expect(leaks({ ...running, filter: { ended_on: null, notice_on: null } })).toBe("subscription.notice_on");
    expect(leaks({ ...running, value: "ended_on" })).toBe("subscription.ended_on");
  });
  it("and one that reads the flag of a definition; a ticket's end is not a contract's", () => {
    expect(leaks({ entity: "account", measure: "latest", value: "churn_flag" })).toBe("account.churn_flag");
    expect(leaks({ entity: "ticket", filter: { closed_at: null } })).toBeUndefined();
  });
});
