/** What an explanation reads beside the tables of test/scored.ts: snapshot calendar, parameters, reasons, units. */

import type { Database } from "../pipelines/warehouse/database.ts";
import { literal, SqlDate } from "../pipelines/warehouse/literal.ts";

export async function addExplained(
  database: Database,
  why: readonly (readonly [account: string, date: string, kpi: string, why: string])[] = [],
): Promise<void> {
  await database.run("alter table staging.account add column if not exists name varchar");
  await database.run("alter table staging.account add column if not exists visible_on date");
  await database.run("alter table spine.account_snapshot add column if not exists mrr_minor bigint");
  await database.run(
    "create table spine.snapshot as select snapshot_date, bool_or(is_scored) as is_scored from spine.account_snapshot group by snapshot_date",
  );
  await database.run(
    "create schema if not exists meta; create table if not exists meta.params as select 'USD' as currency, 'subscription_end' as primary_definition, (select max(snapshot_date) from spine.account_snapshot) as as_of",
  );
  await database.run("alter table features.kpi_definition add column if not exists unit varchar");
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
