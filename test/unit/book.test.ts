import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bookJsonSchema, durationSeconds, parseBook, readBook } from "../../pipelines/config/book.ts";
import { nearest } from "../../pipelines/config/yaml.ts";
import type { AssayError } from "../../pipelines/lib/errors.ts";

const text = `book: demo
exports_root: \${EXPORTS}/demo
sources:
  accounts: { entity: account, files: accounts.csv, columns: { tier: plan_tier } }
  subscriptions:
    entity: subscription
    files: subscriptions_*.csv
    mode: snapshot
    key: [subscription_id]
    delivered: { from: file_name, pattern: "subscriptions_{date}.csv" }
  usage:
    entity: usage_event
    files: [usage/*.parquet]
    columns: { account_id: { from: subscription_id, via: subscriptions }, event_time: { from: ts, unit: ms } }
segments: { by: tier }
kpis: [logins_28d, { id: own }]
`;

/** The error of a book in which one part of the text is another. */
function errorOf(part: string, instead: string): AssayError {
  expect(text).toContain(part);
  try {
    parseBook(text.replace(part, instead), "assay.yaml");
  } catch (error) {
    return error as AssayError;
  }
  throw new Error(`no error for ${instead}`);
}

describe("a book that is right", () => {
  it("has every default filled in", () => {
    const book = parseBook(text, "assay.yaml");
    expect(book.as_of).toBe("latest");
    expect(book.calendar).toEqual({
      score_every: "week",
      validate_every: "month",
      window_days: 28,
      gap_days: 30,
      horizon_days: 90,
      min_tenure_days: 90,
      reactivation_grace_days: 30,
    });
    expect(book.churn).toEqual({
      primary: "subscription_end",
      definitions: { subscription_end: { type: "subscription_end" } },
    });
    expect(book.site).toEqual({ title: "demo", min_cell: 5, managers: false, owner_bands: false });
    expect(book.baseline).toEqual(["tenure", "segment", "size", "renewal_due"]);
    expect(book.sources.accounts).toMatchObject({
      mode: "append",
      max_rejected: 0.005,
      latency_days: 0,
      settle: "60s",
    });
    expect(book.keep).toBe(5);
  });

  it("is described for editors by the same schema", () => {
    const schema = bookJsonSchema() as { properties: Record<string, unknown>; required: readonly string[] };
    expect(Object.keys(schema.properties)).toContain("sources");
    expect(schema.required).toEqual(["book", "sources", "kpis"]);
  });
});

describe("a mistake is told by file and line, key, what was found and what would be right", () => {
  it.each([
    [
      "a misspelt key",
      "files: accounts.csv",
      "file: accounts.csv",
      /^assay\.yaml:4: sources\.accounts\.file: found an unknown key, expected one of entity, files, /,
      "did you mean files?",
    ],
    [
      "a misspelt key in a list's entry",
      "unit: ms",
      "unti: ms",
      /^assay\.yaml:14: sources\.usage\.columns\.event_time\.unti: found an unknown key/,
      "did you mean unit?",
    ],
    [
      "a misspelt key at the top",
      "segments:",
      "segment:",
      /^assay\.yaml:15: segment: found an unknown key/,
      "did you mean segments?",
    ],
    [
      "a wrong type",
      "key: [subscription_id]",
      "key: subscription_id",
      /^assay\.yaml:9: sources\.subscriptions\.key: found "subscription_id", expected a list$/,
      undefined,
    ],
    [
      "a wrong word",
      "mode: snapshot",
      "mode: snapshots",
      /^assay\.yaml:8: sources\.subscriptions\.mode: found "snapshots", expected one of append, snapshot, range$/,
      "did you mean snapshot?",
    ],
    [
      "an unknown entity",
      "entity: usage_event",
      "entity: usage",
      /^assay\.yaml:12: sources\.usage\.entity: found "usage", expected one of account, /,
      undefined,
    ],
    [
      "a missing key",
      "    files: subscriptions_*.csv\n",
      "",
      /^assay\.yaml:5: sources\.subscriptions\.files: found nothing, expected a text or a list$/,
      undefined,
    ],
    [
      "an empty list",
      "kpis: [logins_28d, { id: own }]",
      "kpis: []",
      /^assay\.yaml:16: kpis: found \[\], expected at least 1 entry$/,
      undefined,
    ],
    [
      "a column that the entity lacks",
      "event_time: { from",
      "event_tim: { from",
      /^assay\.yaml:14: sources\.usage\.columns\.event_tim: found a column that usage_event does not have/,
      "did you mean event_time?",
    ],
    [
      "a column with the name of one of Assay's own",
      "{ tier: plan_tier }",
      "{ segment: plan_tier }",
      /^assay\.yaml:4: sources\.accounts\.columns\.segment: found segment, which Assay's own column is called, expected another name, such as account_segment$/,
      undefined,
    ],
    [
      "a source that is not there",
      "via: subscriptions",
      "via: subscription",
      /^assay\.yaml:14: sources\.usage\.columns\.account_id\.via: found "subscription", expected the id of a source$/,
      "did you mean subscriptions?",
    ],
    [
      "a segment without a column",
      "by: tier",
      "by: teir",
      /^assay\.yaml:15: segments\.by: found "teir", expected a column of account or subscription/,
      "did you mean tier?",
    ],
    [
      "a mode that does not fit the entity",
      "mode: snapshot",
      "mode: range",
      /^assay\.yaml:8: sources\.subscriptions\.mode: found range, expected append or snapshot: rows of subscription are of no day/,
      undefined,
    ],
    [
      "a snapshot without an order",
      /.*delivered.*\n/.exec(text)?.[0] ?? "",
      "",
      /^assay\.yaml:8: sources\.subscriptions\.mode: found snapshot without delivered/,
      undefined,
    ],
    [
      "a primary definition that is not there",
      "segments:",
      "churn: { primary: cancel }\nsegments:",
      /^assay\.yaml:15: churn\.primary: found "cancel", expected one of subscription_end$/,
      undefined,
    ],
    [
      "a definition without its source",
      "segments:",
      "churn: { primary: c, definitions: { c: { type: event, entity: churn_event } } }\nsegments:",
      /^assay\.yaml:15: churn\.definitions\.c: found type event without a source of entity churn_event/,
      undefined,
    ],
    [
      "a flag as the primary definition",
      "segments:",
      "churn: { primary: c, definitions: { c: { type: account_flag, column: tier } } }\nsegments:",
      /^assay\.yaml:15: churn\.primary: found an account flag, expected a definition with a date/,
      undefined,
    ],
    ["broken YAML", "segments: { by: tier }", "segments: { by: tier", /^assay\.yaml:1\d: not valid YAML: /, undefined],
  ])("%s", (_what, part, instead, message, hint) => {
    const error = errorOf(part, instead);
    expect(error.exitCode).toBe(2);
    expect(error.message).toMatch(message);
    if (hint === undefined) expect(error.hint ?? "").not.toContain("did you mean");
    else expect(error.hint).toContain(hint);
  });

  it("names the other mistakes in the hint", () => {
    const error = errorOf("book: demo", "book: Demo\nas_of: yesterday\nkeep: 0");
    expect(error.message).toMatch(/^assay\.yaml:1: book: found "Demo"/);
    expect(error.hint).toBe("also wrong: assay.yaml:2 as_of, assay.yaml:3 keep");
  });
});

describe("readBook", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-book-"));
    await writeFile(join(folder, "assay.yaml"), text);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("puts the environment into exports_root, which the hash does not see", async () => {
    const here = await readBook(folder, { cwd: "/", env: { EXPORTS: "/here" } });
    const there = await readBook(folder, { cwd: "/", env: { EXPORTS: "/there" } });
    expect(here.exports_root).toBe("/here/demo");
    expect(there.exports_root).toBe("/there/demo");
    expect(here.config_sha256).toBe(there.config_sha256);
  });

  it("has the same hash for another order of keys, other comments and another share of the machine, and another one for another value", async () => {
    const before = await readBook(folder, { cwd: "/", env: { EXPORTS: "/x" } });
    await writeFile(join(folder, "assay.yaml"), `# a comment\n${text.replace("book: demo\n", "")}book: demo\n`);
    expect((await readBook(folder, { cwd: "/", env: { EXPORTS: "/x" } })).config_sha256).toBe(before.config_sha256);
    await writeFile(join(folder, "assay.yaml"), `${text}threads: 1\nmemory_limit: 3GB\n`);
    expect((await readBook(folder, { cwd: "/", env: { EXPORTS: "/x" } })).config_sha256).toBe(before.config_sha256);
    await writeFile(join(folder, "assay.yaml"), `${text}keep: 4\n`);
    expect((await readBook(folder, { cwd: "/", env: { EXPORTS: "/x" } })).config_sha256).not.toBe(before.config_sha256);
    await writeFile(join(folder, "assay.yaml"), text);
  });

  it("says which variable is missing", async () => {
    await expect(readBook(folder, { cwd: folder, env: {} })).rejects.toThrow(
      /^assay\.yaml:2: exports_root: \$\{EXPORTS\} is not set in the environment/,
    );
  });

  it("says where it looked", async () => {
    await expect(readBook("nowhere", { cwd: folder, env: {} })).rejects.toMatchObject({ exitCode: 2 });
  });
});

it("reads durations", () => {
  expect(["60s", "5m", "2h", "2d"].map(durationSeconds)).toEqual([60, 300, 7200, 172_800]);
});

it("proposes a near key and nothing far", () => {
  expect(nearest("windw_days", ["window_days", "gap_days"])).toBe("window_days");
  expect(nearest("banana", ["window_days", "gap_days"])).toBeUndefined();
});
