/** Scorecards over rows written by hand: the tables that scores read, in memory, and what they make of them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AppliedScorecard, parseScorecard } from "../pipelines/config/scorecard.ts";
import { projectRoot } from "../pipelines/lib/files.ts";
import { silentLog } from "../pipelines/lib/log.ts";
import { sortNodes } from "../pipelines/models/graph.ts";
import type { Model } from "../pipelines/models/model.ts";
import { type RunResult, runNodes } from "../pipelines/models/run.ts";
import { kpisOf } from "../pipelines/scores/card.ts";
import { scoreNodes } from "../pipelines/scores/compile.ts";
import { Database } from "../pipelines/warehouse/database.ts";
import { literal, SqlDate } from "../pipelines/warehouse/literal.ts";

/** A row of spine.account_snapshot with its KPIs: what is left out is a scored row of one date, a KPI without a value. */
export interface GivenAccount {
  readonly account_id: string;
  readonly snapshot_date?: string;
  readonly segment?: string | null;
  readonly lifecycle?: string | null;
  readonly tenure_days?: number | null;
  readonly mrr_minor?: number | null;
  readonly seats?: number | null;
  readonly is_scored?: boolean;
  readonly is_validated?: boolean;
  readonly kpis: Readonly<Record<string, number | null>>;
}

/** A row of staging.account: visible from the beginning of time, and what is left out is unknown. */
export interface GivenTrait {
  readonly account_id: string;
  readonly product?: string;
  readonly country?: string;
  readonly desired_outcome?: string;
  readonly potential_minor?: number;
  readonly visible_on?: string;
  readonly superseded_on?: string;
}

export interface GivenKnown {
  readonly account_id: string;
  readonly expected_band: string;
  readonly said_by?: string;
  readonly said_on?: string;
}

export interface GivenOverride {
  readonly account_id: string;
  readonly band: string;
  readonly from_on: string;
  readonly expires_on?: string;
  readonly author: string;
}

/** A scorecard from the text of its file. `order` is its place among the assigned; null: only compared. */
export function applied(text: string, order: number | null = 1): AppliedScorecard {
  const { errorAt: _, ...parsed } = parseScorecard(text, "card.yaml");
  return { ...parsed, file: "card.yaml", is_preset: false, assign_order: order };
}

/** A scorecard around groups and whatever else is given; bands at 30 and 70. */
export const cardText = (groups: string, more = ""): string => `
scorecard: card
version: 1
created_on: 2026-01-01
purpose: churn_risk
${groups}
${more.includes("missing:") ? "" : "missing: { rule: reweight, coverage_floor: 0 }"}
${more.includes("bands:") ? "" : "bands: { edge: upper, list: [{ id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 }] }"}
${more}`;

/** Builds every table of `scores` over the given accounts; the caller closes the database. */
export async function scored(
  cards: readonly AppliedScorecard[],
  accounts: readonly GivenAccount[],
  options: {
    readonly overrides?: readonly GivenOverride[];
    readonly known?: readonly GivenKnown[];
    readonly traits?: readonly GivenTrait[];
    readonly off?: readonly string[];
  } = {},
): Promise<{ readonly database: Database; readonly result: RunResult; readonly models: readonly Model[] }> {
  const kpis = [...new Set(cards.flatMap(({ card }) => kpisOf(card)))].filter((id) => !options.off?.includes(id));
  const database = await Database.open({ path: ":memory:" });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await database.run("create schema spine; create schema features; create schema staging");
  await database.run(
    "create table spine.account_snapshot (account_id varchar, snapshot_date date, segment varchar, lifecycle varchar, " +
      "tenure_days integer, mrr_minor bigint, seats bigint, is_scored boolean, is_validated boolean)",
  );
  await database.run(
    `create table features.account_kpi (${["account_id varchar", "snapshot_date date", ...kpis.map((id) => `${id} double`)].join(", ")})`,
  );
  await database.run("create table features.kpi_definition (id varchar, label varchar)");
  const insert = async (table: string, rows: readonly string[]): Promise<void> => {
    if (rows.length > 0) await database.run(`insert into ${table} values ${rows.map((row) => `(${row})`).join(", ")}`);
  };
  const dateOf = (account: GivenAccount): SqlDate => new SqlDate(account.snapshot_date ?? "2026-03-02");
  await insert(
    "spine.account_snapshot",
    accounts.map((a) =>
      [
        ...[a.account_id, dateOf(a), a.segment ?? "all", a.lifecycle ?? null],
        ...[a.tenure_days ?? null, a.mrr_minor ?? null, a.seats ?? null],
        ...[a.is_scored ?? true, a.is_validated ?? false],
      ]
        .map(literal)
        .join(", "),
    ),
  );
  await insert(
    "features.account_kpi",
    accounts.map((a) => [a.account_id, dateOf(a), ...kpis.map((id) => a.kpis[id] ?? null)].map(literal).join(", ")),
  );
  const { overrides } = options;
  await database.run(
    "create table staging.account (account_id varchar, product varchar, country varchar, desired_outcome varchar, " +
      "potential_minor varchar, visible_on date, superseded_on date, source varchar)",
  );
  const traits =
    options.traits ?? [...new Set(accounts.map(({ account_id }) => account_id))].map((account_id) => ({ account_id }));
  await insert(
    "staging.account",
    traits.map((t: GivenTrait) =>
      [
        ...[t.account_id, t.product ?? null, t.country ?? null, t.desired_outcome ?? null],
        t.potential_minor === undefined ? null : String(t.potential_minor),
        new SqlDate(t.visible_on ?? "1900-01-01"),
        t.superseded_on === undefined ? null : new SqlDate(t.superseded_on),
        "accounts",
      ]
        .map(literal)
        .join(", "),
    ),
  );
  if (overrides !== undefined) {
    await database.run(
      "create table staging.override (account_id varchar, band varchar, from_on date, expires_on date, author varchar, " +
        "visible_on date, superseded_on date, reason varchar, line_no bigint, source varchar)",
    );
    await insert(
      "staging.override",
      overrides.map((o, i) =>
        [
          o.account_id,
          o.band,
          new SqlDate(o.from_on),
          o.expires_on === undefined ? null : new SqlDate(o.expires_on),
          o.author,
          new SqlDate(o.from_on),
          null,
          null,
          i + 2,
          "overrides",
        ]
          .map(literal)
          .join(", "),
      ),
    );
  }
  const { known } = options;
  if (known !== undefined) {
    await database.run(
      "create table staging.known_account (account_id varchar, expected_band varchar, said_by varchar, said_on date, line_no bigint, " +
        "source varchar, visible_on date, superseded_on date)",
    );
    await insert(
      "staging.known_account",
      known.map((k, i) =>
        [
          k.account_id,
          k.expected_band,
          k.said_by ?? null,
          k.said_on === undefined ? null : new SqlDate(k.said_on),
          i + 2,
          "known",
          new SqlDate("1900-01-01"),
          null,
        ]
          .map(literal)
          .join(", "),
      ),
    );
  }
  const columns = { product: "product", desired_outcome: "outcome", potential_minor: "potential" };
  const sources = {
    ...(options.traits === undefined ? {} : { accounts: { entity: "account", columns } }),
    ...(overrides === undefined ? {} : { overrides: { entity: "override" } }),
    ...(known === undefined ? {} : { known: { entity: "known_account" } }),
  } as Parameters<typeof scoreNodes>[2]["sources"];
  const models = scoreNodes(
    cards,
    kpis.map((id) => ({ id })),
    { sources },
  );
  const given = new Set([
    "spine.account_snapshot",
    "features.account_kpi",
    "staging.override",
    "staging.known_account",
    "staging.account",
  ]);
  const result = await runNodes(database, sortNodes(models, given), silentLog, () => 0);
  return { database, result, models };
}
