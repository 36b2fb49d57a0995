/** The label audit: definitions of churn counted, and verdicts under another one. */
import { expect, it } from "vitest";
import {
  agreementFindings,
  definitionFindings,
  type LabelDefinition,
  verdictFindings,
} from "../../pipelines/validation/label-words.ts";
import { type Panel, panelDatabase, upTo, validatePanel } from "../planted-panel.ts";

const panel: Panel = {
  asOf: "2024-12-31",
  accounts: [
    { id: "a", startedOn: "2023-01-01", endedOn: "2024-06-01", noticeOn: null },
    { id: "b", startedOn: "2023-01-01", endedOn: null, noticeOn: null },
    { id: "c", startedOn: "2023-01-01", endedOn: null, noticeOn: null },
  ],
  rows: ["a", "b"].map((account) => ({
    account,
    on: "2024-04-01",
    tenureDays: 456,
    segment: "s",
    seats: 1,
    values: { k: 1 },
  })),
  unanswered: [],
  kpis: ["k"],
};
const churn = {
  primary: "ends",
  definitions: {
    ends: { type: "subscription_end" },
    cancel: { type: "event", entity: "churn_event" },
    crm: { type: "account_flag", column: "churned" },
  },
} as const;

it("counts whom each definition calls churned, and whom of them a verdict sees", async () => {
  const database = await validatePanel(
    panel,
    {
      churn,
      before: [
        "insert into staging.churn_event (account_id, occurred_on, is_reactivation) values ('b', '2024-05-22', false), ('c', '2024-05-22', false), ('c', '2023-05-22', false)",
        "insert into staging.account (account_id, churned) values ('a', 'false'), ('b', 'true'), ('d', 'true')",
      ],
    },
    ["validation.label_definition"],
  );
  const rows = await database.query("select * from validation.label_definition order by definition");
  database.close();
  // d stands in the accounts alone: it never paid. c has no account-month to be tested on.
  expect(rows).toEqual([
    {
      definition: "cancel",
      type: "event",
      is_primary: false,
      n_accounts: 4,
      n_churned: 2,
      n_tested_churned: 1,
      n_tested_staying: 1,
    },
    {
      definition: "crm",
      type: "account_flag",
      is_primary: false,
      n_accounts: 4,
      n_churned: 2,
      n_tested_churned: null,
      n_tested_staying: null,
    },
    {
      definition: "ends",
      type: "subscription_end",
      is_primary: true,
      n_accounts: 4,
      n_churned: 1,
      n_tested_churned: 1,
      n_tested_staying: 1,
    },
  ]);
});

it("lets a verdict survive another of its kind and sign, change, or not be told", async () => {
  const { database, nodes } = await panelDatabase(panel, { churn });
  await database.run(`create schema if not exists validation;
create table validation.definition (definition varchar, is_primary boolean);
insert into validation.definition values ('ends', true), ('cancel', false);
create table validation.kpi_verdict (kpi varchar, definition varchar, group_kind varchar, verdict varchar, label varchar, auc double, n_churned bigint);
insert into validation.kpi_verdict values
  ('same', 'ends', 'all', 'predicts', 'Early warning', 0.4, 90), ('same', 'cancel', 'all', 'weak', 'Weak early warning', 0.45, 60),
  ('turned', 'ends', 'all', 'predicts', 'Early warning', 0.4, 90), ('turned', 'cancel', 'all', 'predicts', 'Early warning', 0.6, 60),
  ('gone', 'ends', 'all', 'predicts', 'Early warning', 0.4, 90), ('gone', 'cancel', 'all', 'no_useful_effect', 'Too small to matter', 0.5, 60),
  ('dark', 'ends', 'all', 'predicts', 'Early warning', 0.4, 90), ('dark', 'cancel', 'all', 'inconclusive', 'Cannot tell yet', 0.5, 60),
  ('none', 'ends', 'all', 'not_tested', 'Not enough data', null, null), ('none', 'cancel', 'all', 'weak', 'Weak early warning', 0.45, 60),
  ('late', 'ends', 'all', 'late_only', 'Late alarm', 0.5, 90), ('late', 'cancel', 'all', 'mostly_late', 'Mostly a late alarm', 0.45, 60),
  ('late', 'cancel', 'segment', 'weak', 'Weak early warning', 0.45, 60);
insert into features.kpi_definition (id, label) values ('gone', 'Gone')`);
  const model = upTo(nodes, ["validation.label_verdict"]).find(({ name }) => name === "validation.label_verdict");
  if (model === undefined || model.kind === "step") throw new Error("no model");
  const rows = await database.query<{ kpi: string; outcome: string; sentence: string }>(
    `select kpi, outcome, sentence from (${model.sql}) as v order by kpi`,
  );
  database.close();
  expect(rows.map(({ kpi, outcome }) => [kpi, outcome])).toEqual([
    ["dark", "cannot tell"],
    ["gone", "changes"],
    ["late", "survives"],
    ["none", "cannot tell"],
    ["same", "survives"],
    ["turned", "changes"],
  ]);
  expect(rows[1]?.sentence).toBe(
    "Gone: Early warning by ends (90 churned accounts), Too small to matter by cancel (60): changes.",
  );
  expect(rows[3]?.sentence).toBe(
    "none: Not enough data by ends (0 churned accounts), Weak early warning by cancel (60): cannot tell.",
  );
});

const row = (definition: string, more: Partial<LabelDefinition>): LabelDefinition => ({
  definition,
  type: "event",
  is_primary: false,
  n_accounts: 500,
  n_churned: 352,
  n_tested_churned: 156,
  n_tested_staying: 300,
  ...more,
});

it("shows a definition by which hardly anybody leaves as the trap that it is", () => {
  const [primary, trap, flag] = definitionFindings([
    row("cancel", { is_primary: true }),
    row("ends", { n_churned: 2, n_tested_churned: 0 }),
    row("crm", { type: "account_flag", n_churned: 110, n_tested_churned: null }),
  ]);
  expect(primary).toEqual({
    isWarning: false,
    sentence:
      "cancel (the primary one) calls 352 of 500 accounts churned, 156 of them within a complete outcome window",
  });
  expect(trap?.isWarning).toBe(true);
  expect(trap?.sentence).toBe(
    "ends calls 2 of 500 accounts churned, 0 of them within a complete outcome window, where cancel calls 352 churned: " +
      "by ends hardly anybody ever leaves, and no verdict can rest on it",
  );
  expect(flag?.sentence).toBe(
    "crm calls 110 of 500 accounts churned; a flag has no date, so no KPI is tested against it",
  );
});

it("counts the accounts that two definitions disagree about", () => {
  const [found] = agreementFindings(
    [{ definition: "cancel", other: "crm", n_both: 100, n_only_one: 252, n_only_other: 60, median_days_apart: null }],
    [row("cancel", {})],
  );
  expect(found).toEqual({
    isWarning: true,
    sentence:
      "cancel and crm contradict each other for 312 of 500 accounts: both call 100 churned, only cancel 252, only crm 60",
  });
});

it("says which verdicts hang on the definition", () => {
  const verdict = (kpi: string, outcome: "survives" | "changes" | "cannot tell") => ({
    kpi,
    outcome,
    definition: "cancel",
    primary_definition: "ends",
    sentence: "",
  });
  expect(verdictFindings([verdict("a", "survives"), verdict("b", "changes"), verdict("c", "cannot tell")])).toEqual([
    {
      isWarning: true,
      sentence: "of 3 verdicts by ends, 1 survives a change to cancel, 1 changes (b), of 1 it cannot be told",
    },
  ]);
});
