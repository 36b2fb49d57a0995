/** Statements marked portable run in DuckDB and in Trino: the grammar is checked, then every function and type they use. */
import { TrinoSQL } from "dt-sql-parser";
import { beforeAll, describe, expect, it } from "vitest";
import { plainRollUp } from "../../pipelines/config/kpi.ts";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { readLibrary } from "../../pipelines/features/library.ts";
import { rollUpStatements } from "../../pipelines/load/rollup.ts";
import { readModels } from "../../pipelines/models/header.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { smallBook } from "../small-warehouse.ts";

/** Functions with one meaning in both engines (date_add, date_diff and sequence by macros, on dates only). */
const allowedFunctions = new Set([
  "cast",
  "coalesce",
  "count",
  "date_add",
  "date_diff",
  "date_trunc",
  "greatest",
  "least",
  "max",
  "min",
  "row_number",
  "sequence",
  "sum",
  "unnest",
]);
const allowedTypes = /^(bigint|integer|date|timestamp|varchar|boolean|double precision|decimal\(\d+, ?\d+\))$/;
/** Words before a parenthesis that are no function calls. */
const syntax = new Set(
  "as in and or not on over when then else case where select from join by exists using decimal".split(" "),
);

const parser = new TrinoSQL();

/** What keeps a statement from running in both engines; empty when nothing does. */
function problems(sql: string): readonly string[] {
  const found: string[] = [];
  for (const error of parser.validate(sql)) found.push(`line ${error.startLine}: ${error.message}`);
  const bare = sql.replaceAll(/'(?:[^']|'')*'/g, "''").replaceAll(/--.*$/gm, "");
  if (bare.includes(";")) found.push("a second statement");
  for (const [, name] of bare.matchAll(/([a-z_][a-z0-9_]*)\s*\(/gi)) {
    const word = (name as string).toLowerCase();
    if (!syntax.has(word) && !allowedFunctions.has(word)) found.push(`function ${word}`);
  }
  for (const [, type] of bare.matchAll(/\bas\s+([a-z ]+(?:\(\d+, ?\d+\))?)\s*\)/gi)) {
    const text = (type as string).trim();
    if (!allowedTypes.test(text)) found.push(`type ${text}`);
  }
  if (/(least|greatest)\([^)]*\bnull\b/i.test(bare)) found.push("null inside least or greatest");
  if (/\/\/|\s\/\s/.test(bare)) found.push("a division");
  return found;
}

let portable: readonly Model[];
beforeAll(async () => {
  const base = await readLibrary();
  // Every measure that usage has, with and without a look-back.
  const [logins] = base.filter((kpi) => kpi.id === "logins_28d");
  if (logins === undefined) throw new Error("logins_28d is not in the library");
  const more = [
    {
      ...logins,
      id: "quantity_84d",
      measure: "sum" as const,
      value: { column: "quantity", as: "value" as const },
      window_days: 84,
    },
    { ...logins, id: "days_since_login", measure: "days_since" as const, window_days: null },
    { ...logins, id: "logins_ever", window_days: null },
    { ...logins, id: "days_ever", measure: "active_days" as const, window_days: null },
    {
      ...logins,
      id: "users_ever",
      filter: {},
      measure: "distinct" as const,
      value: { column: "user_id", as: "value" as const },
      window_days: null,
    },
  ];
  const spine = await readModels("spine");
  portable = [...spine, ...featureNodes([...base, ...more], smallBook())].filter((model) => model.portable);
});

describe("portable statements", () => {
  it("are those that read the roll-ups, and only those", async () => {
    const all = [...(await readModels("spine")), ...featureNodes(await readLibrary(), smallBook())];
    const reading = all.filter((model) => model.depends.some((table) => table.startsWith("rollup.")));
    expect(reading.map((model) => model.name).sort()).toEqual(
      all
        .filter((m) => m.portable)
        .map((m) => m.name)
        .sort(),
    );
    expect(reading.map((model) => model.name)).toContain("features.usage_window");
  });

  it("parse as Trino SQL and use only what both engines have", () => {
    expect(portable.length).toBeGreaterThan(3);
    for (const model of portable)
      expect({ model: model.name, problems: problems(model.sql) }).toEqual({ model: model.name, problems: [] });
  });

  it("the roll-ups themselves, too", () => {
    const filter = { name: "passes_1", sql: "user_id is not null and quantity > 1.5" };
    const statements = rollUpStatements({ account: [filter], user: [filter], last: [filter] });
    expect([...statements, ...rollUpStatements(plainRollUp)].map(({ name }) => name)).toEqual([
      "account_day",
      "user_day",
      "account_last",
      "account_day",
      "user_day",
    ]);
    for (const { sql } of statements) expect(problems(sql)).toEqual([]);
    for (const { sql } of rollUpStatements(plainRollUp)) expect(problems(sql)).toEqual([]);
  });

  it.each([
    ["select a::bigint from t", "a cast that Trino does not know"],
    ["select a from t qualify row_number() over (order by a) = 1", "qualify"],
    ["select a, count(*) from t group by all", "group by all"],
    ["select * exclude (a) from t", "exclude"],
    ["select arg_max(a, b) from t", "a function of DuckDB alone"],
    ["select cast(a as hugeint) from t", "a type of DuckDB alone"],
    ["select greatest(a, null) from t", "null inside greatest"],
    ["select a from t; select b from t", "a second statement"],
  ])("would refuse %s", (sql) => {
    expect(problems(sql)).not.toEqual([]);
  });
});
