/** What an explanation reads beside the tables of test/scored.ts: snapshot calendar, parameters, reasons, units. */

import type { Database } from "../pipelines/warehouse/database.ts";
import { literal, SqlDate } from "../pipelines/warehouse/literal.ts";

export async function addExplained(
  database: Database,
  why: readonly (readonly [account: string, date: string, kpi: string, why: string])[] = [],
): Promise<void> {
  const named = await database.query<{ column_name: string }>("describe staging.account");
  if (!named.some(({ column_name }) => column_name === "visible_on")) {
    await database.run(
      "alter table staging.account add column name varchar; alter table staging.account add column visible_on date",
    );
  }
  const columns = await database.query<{ column_name: string }>("describe spine.account_snapshot");
  const has = (name: string): boolean => columns.some(({ column_name }) => column_name === name);
  if (!has("mrr_minor"))
    await database.run("alter table spine.account_snapshot add column mrr_minor bigint default 10000");
  await database.run(
    "create table spine.snapshot as select snapshot_date, bool_or(is_scored) as is_scored from spine.account_snapshot group by snapshot_date",
  );
  await database.run(
    "create schema if not exists meta; create table if not exists meta.params as select 'USD' as currency, 'subscription_end' as primary_definition, (select max(snapshot_date) from spine.account_snapshot) as as_of",
  );
  const kpi = await database.query<{ column_name: string }>("describe features.kpi_definition");
  if (!kpi.some(({ column_name }) => column_name === "unit")) {
    await database.run("alter table features.kpi_definition add column unit varchar");
  }
  // The tests of scores leave the list of definitions empty: here every KPI has one, called as its id.
  await database.run(
    "insert into features.kpi_definition (id, label) select column_name, column_name from information_schema.columns " +
      "where table_schema = 'features' and table_name = 'account_kpi' and column_name not in ('account_id', 'snapshot_date') " +
      "and column_name not in (select id from features.kpi_definition)",
  );
  await database.run(
    "create table features.kpi_why_null (account_id varchar, snapshot_date date, kpi varchar, why varchar)",
  );
  for (const [account, date, kpi_, reason] of why) {
    await database.run(
      `insert into features.kpi_why_null values (${[account, new SqlDate(date), kpi_, reason].map(literal).join(", ")})`,
    );
  }
}
