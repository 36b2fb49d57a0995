import { expect, test } from "vitest";
import { fingerprint, sortNodes, unreadAfter } from "../../pipelines/models/graph.ts";
import { parseModel } from "../../pipelines/models/header.ts";
import type { Model } from "../../pipelines/models/model.ts";

const model = (name: string, depends: readonly string[], sql = `select 1 as n /* ${name} */`): Model => ({
  kind: "table",
  name,
  grain: [],
  depends,
  params: [],
  audits: [],
  portable: false,
  sql,
});

test("a header gives a model its facts, continued lines included", () => {
  const text = [
    "-- model: spine.account_period",
    "-- grain: account_id, started_on",
    "-- depends: staging.subscription,",
    "--   staging.account",
    "-- params: as_of",
    "-- audits: not_null(account_id); warn unique(account_id, started_on)",
    "-- portable: trino",
    "-- Paid periods, merged.",
    "select 1 as account_id;",
  ].join("\n");
  const parsed = parseModel(text, "x.sql");
  expect(parsed).toMatchObject({
    kind: "table",
    name: "spine.account_period",
    grain: ["account_id", "started_on"],
    depends: ["staging.subscription", "staging.account"],
    params: ["as_of"],
    portable: true,
    sql: "select 1 as account_id",
  });
  expect(parsed.audits.map((audit) => [audit.name, audit.blocking])).toEqual([
    ["not_null(account_id)", true],
    ["unique(account_id, started_on)", false],
  ]);
});

test("a header without a name, and an unknown audit, are told with the file", () => {
  expect(() => parseModel("select 1", "a.sql")).toThrow(
    "a.sql: the header needs a line '-- model: schema.table', found none",
  );
  expect(() => parseModel("-- model: a.b\n-- audits: shiny(x)\nselect 1", "a.sql")).toThrow(
    /a\.sql: an audit is one of .*, found shiny\(x\)/,
  );
});

test("nodes come after what they depend on, layers in the order of the flow", () => {
  const nodes = [
    model("marts.a", ["validation.v"]),
    model("validation.v", ["spine.s", "scores.x"]),
    model("scores.x", ["spine.s"]),
    model("spine.s", ["staging.t"]),
  ];
  expect(sortNodes(nodes, new Set(["staging.t"])).map((node) => node.name)).toEqual([
    "spine.s",
    "scores.x",
    "validation.v",
    "marts.a",
  ]);
});

test("a cycle, a table made twice and an unknown parent are refused", () => {
  expect(() => sortNodes([model("a.x", ["a.y"]), model("a.y", ["a.x"])], new Set())).toThrow(
    "models depend on each other: a.x > a.y > a.x",
  );
  expect(() => sortNodes([model("a.x", []), model("a.x", [])], new Set())).toThrow("a.x is made twice");
  expect(() => sortNodes([model("a.x", ["a.z"])], new Set())).toThrow("a.x depends on a.z, which nothing makes");
});

test("a fingerprint changes with its own logic, its parameters, its parents and the engine, and with nothing else", () => {
  const parent = model("a.p", []);
  const child = { ...model("a.c", ["a.p"]), params: ["gap"] };
  const print = (nodes: readonly Model[], params = { gap: 1, other: 1 }, engine = "v1", input = "i") =>
    fingerprint(sortNodes(nodes, new Set(["s.t"])), params, engine, new Map([["s.t", input]])).get("a.c");
  const base = print([parent, child]);
  expect(print([parent, child], { gap: 1, other: 2 })).toBe(base);
  expect(print([parent, child, model("a.z", [])])).toBe(base);
  for (const changed of [
    print([parent, { ...child, sql: "select 2 as n" }]),
    print([{ ...parent, sql: "select 2 as n" }, child]),
    print([{ ...parent, depends: ["s.t"] }, child], undefined, undefined, "j"),
    print([parent, child], { gap: 2, other: 1 }),
    print([parent, child], undefined, "v2"),
  ]) {
    expect(changed).not.toBe(base);
  }
});

test("scratch goes once nothing reads it, through views too, readers before what they read", () => {
  const view = (name: string, depends: readonly string[]): Model => ({ ...model(name, depends), kind: "view" });
  const groups = [
    [model("a.cell", ["s.t"]), model("a.part", ["a.cell"]), model("a.kept", ["a.part"])],
    [view("b.seen", ["a.part"]), model("b.alone", [])],
    [model("c.end", ["b.seen"])],
  ];
  const scratch = new Set(["a.cell", "a.part", "b.seen", "b.alone"]);
  expect(unreadAfter(groups, scratch)).toEqual([
    [{ kind: "table", table: "a.cell" }],
    [{ kind: "table", table: "b.alone" }],
    [
      { kind: "view", table: "b.seen" },
      { kind: "table", table: "a.part" },
    ],
  ]);
  expect(() => unreadAfter([[model("a.cell", []), view("a.kept", ["a.cell"])]], scratch)).toThrow(
    "a.kept is a view of a.cell, which no release holds",
  );
});
