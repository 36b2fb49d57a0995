/** The names that a book's own columns may not have are those that staging itself writes. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { entityOf, stagedNames } from "../../pipelines/config/entities.ts";
import { stagingNodes } from "../../pipelines/load/stage.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { type TestBook, testBook } from "../loading.ts";

let made: TestBook;
beforeAll(async () => {
  made = await testBook(
    [
      "accounts: { entity: account, files: accounts.csv, columns: { tier: tier } }",
      "keys: { entity: account_key, files: keys.csv }",
      "rates: { entity: rate, files: rates.csv }",
      'contracts: { entity: subscription, files: "c_*.csv", columns: { account_id: { from: account_id, via: keys }, tier: tier } }',
      "dumps: { entity: subscription, files: d.csv, mode: snapshot, delivered: first_seen, key: [subscription_id] }",
    ].join("\n"),
    "segments: { by: tier }",
  );
  const contracts = "subscription_id,account_id,started_on,mrr_minor,currency,tier\n1,x,2024-01-01,5,USD,gold\n";
  await made.write("accounts.csv", "account_id,created_at,tier\na,2024-01-01,gold\n");
  await made.write("keys.csv", "source,source_id,account_id\ncontracts,x,a\n");
  await made.write("rates.csv", "currency,from_on,rate\nUSD,2024-01-01,0.9\n");
  await made.write("c_2024-02-01.csv", contracts);
  await made.write("d.csv", contracts);
});
afterAll(() => made.drop());

it.each([
  "account",
  "subscription",
])("staging.%s calls no column of its own by a name that a book may use", async (entity) => {
  const nodes = await stagingNodes(await made.read(), await made.load());
  const { sql } = nodes.find(({ name }) => name === `staging.${entity}`) as Model;
  const relations = new Set(
    [...sql.matchAll(/(?:from|join)\s+[\w.]+\s+as\s+(\w+)|\)\s+as\s+(\w+)\s+on\b/g)].map(([, a, b]) => a ?? b),
  );
  const types = /^(varchar|date|bigint|integer|double|boolean|timestamp|struct|decimal)$/;
  const written = [...new Set([...sql.matchAll(/\bas\s+([a-z]\w*)/g)].map(([, name]) => name as string))];
  // The first start of an account's contracts stands in a relation of its own, and is always called by that.
  const known = new Set([...entityOf(entity).columns.map(({ name }) => name), "tier", "started_on"]);
  const free = written.filter(
    (name) => !stagedNames.has(name) && !known.has(name) && !relations.has(name) && !types.test(name),
  );
  expect(written).toContain("visible_on");
  expect(free).toEqual([]);
});
