/** What stands beside a verdict: cohorts, random controls and interventions, each against pairs counted one by one. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { type Panel, plantedPanel, validatePanel } from "../planted-panel.ts";

interface Observed {
  readonly account_id: string;
  readonly snapshot_date: string;
  readonly stratum: number;
  readonly cohort: string;
  readonly causal: number | null;
  readonly y: number;
  readonly is_played: boolean;
}

/** A over pairs of a stratum, a stratum with e events and n others weighing 1 / (e + n): counted pair by pair. */
function aucOf(rows: readonly { readonly stratum: number; readonly value: number; readonly y: number }[]): number {
  const strata = new Map<number, { events: number[]; others: number[] }>();
  for (const { stratum, value, y } of rows) {
    const own = strata.get(stratum) ?? { events: [], others: [] };
    (y === 1 ? own.events : own.others).push(value);
    strata.set(stratum, own);
  }
  let won = 0;
  let met = 0;
  for (const { events, others } of strata.values()) {
    const weight = 1 / (events.length + others.length);
    for (const e of events) {
      for (const o of others) {
        won += weight * (e > o ? 1 : e === o ? 0.5 : 0);
        met += weight;
      }
    }
  }
  return won / met;
}

describe("beside the verdicts", () => {
  const planted = plantedPanel(5, 460, 26);
  // Most signed up in two quarters, so that each has enough of them.
  const accounts = planted.accounts.map((account, i) =>
    account.startedOn < "2023-06-01" ? { ...account, startedOn: i % 2 === 0 ? "2021-02-10" : "2021-05-10" } : account,
  );
  const panel: Panel = { ...planted, accounts, kpis: ["causal", "noise_a"] };
  let database: Database;
  let rows: readonly Observed[];
  const withCausal = (some: readonly Observed[]) =>
    some.flatMap((row) => (row.causal === null ? [] : [{ ...row, value: row.causal }]));
  beforeAll(async () => {
    const plays = [
      // Somebody calls every account that looks bad, ten days later, and one account in nine otherwise.
      `insert into staging.play
select account_id, snapshot_date + 10, 'call', snapshot_date + 11, null, 'plays' from features.account_kpi
where causal < -1.1 or (substr(account_id, 6) = '7' and extract(month from snapshot_date) = 3)`,
      // A play that a later delivery took back is none.
      `insert into staging.play select account_id, snapshot_date, 'call', snapshot_date, snapshot_date + 2, 'plays' from features.account_kpi`,
    ];
    database = await validatePanel(panel, { before: plays }, [
      "validation.kpi_cohort",
      "validation.kpi_intervention",
      "validation.random_control",
    ]);
    rows = await database.query<Observed>(`
select s.account_id, s.snapshot_date, s.stratum, c.cohort, k.causal, s.y,
  exists (
    select 1 from staging.play as p
    where p.account_id = s.account_id and p.superseded_on is null
      and p.started_on >= s.snapshot_date and p.started_on < s.snapshot_date + 120
  ) as is_played
from validation.stratum as s
inner join validation.account_cohort as c on c.account_no = s.account_no
inner join features.account_kpi as k on k.account_id = s.account_id and k.snapshot_date = s.snapshot_date
where s.y is not null`);
  });
  afterAll(() => database?.close());

  it("names a cohort by the first paid day: quarters where two reach 50 of each, else years", async () => {
    const first = new Map<string, string>();
    for (const { id, startedOn } of panel.accounts) if (startedOn < (first.get(id) ?? "9")) first.set(id, startedOn);
    const name = (account: string, isFine: boolean): string => {
      const on = first.get(account) ?? "";
      const year = on.slice(0, 4);
      return isFine ? `${year}-Q${Math.ceil(Number(on.slice(5, 7)) / 3)}` : year;
    };
    const large = (isFine: boolean): number => {
      const sizes = new Map<string, { churned: Set<string>; staying: Set<string> }>();
      for (const { account_id, y } of rows) {
        const key = name(account_id, isFine);
        const own = sizes.get(key) ?? { churned: new Set(), staying: new Set() };
        (y === 1 ? own.churned : own.staying).add(account_id);
        sizes.set(key, own);
      }
      return [...sizes.values()].filter(({ churned, staying }) => Math.min(churned.size, staying.size) >= 50).length;
    };
    const isFine = large(true) >= 2;
    expect(isFine).toBe(true);
    for (const { account_id, cohort } of rows) expect(cohort).toBe(name(account_id, isFine));
  });

  it("ranks a cohort within its own pairs, and gives no verdict below 50 of each", async () => {
    const found = await database.query<{
      cohort: string;
      auc: number;
      auc_low: number | null;
      n_churned: number;
      n_staying: number;
      verdict: string | null;
    }>("select * from validation.kpi_cohort where kpi = 'causal' order by cohort");
    expect(found.length).toBeGreaterThanOrEqual(2);
    for (const { cohort, auc, n_churned, n_staying, verdict } of found) {
      expect(auc).toBeCloseTo(aucOf(withCausal(rows.filter((row) => row.cohort === cohort))), 9);
      expect(verdict === null).toBe(Math.min(n_churned, n_staying) < 50);
    }
    expect(found.some(({ verdict }) => verdict !== null)).toBe(true);
    expect(
      await database.scalar(
        "select count(*) from validation.kpi_verdict where group_kind = 'cohort' and (rule is null) <> (label is null)",
      ),
    ).toBe(0);
  });

  it("makes controls of nothing but names and dates, and ranks them as a KPI", async () => {
    const found = await database.query<{ control: string; kind: string; auc: number; p: number; n_churned: number }>(
      "select * from validation.random_control order by control",
    );
    expect(found.map(({ control, kind }) => `${control} ${kind}`)).toEqual([
      "persistent_1 persistent",
      "persistent_2 persistent",
      "persistent_3 persistent",
      "transient_1 transient",
      "transient_2 transient",
      "transient_3 transient",
    ]);
    for (const { control, kind, auc, p } of found) {
      const drawn = rows.map((row) => {
        const key = `${control}:${row.account_id}${kind === "transient" ? `:${row.snapshot_date}` : ""}`;
        const digest = createHash("md5").update(key).digest("hex");
        return { ...row, value: Number(BigInt(`0x${digest.slice(0, 13)}`)) };
      });
      expect(auc).toBeCloseTo(aucOf(drawn), 9);
      expect(p).toBeGreaterThan(0);
      expect(p).toBeLessThanOrEqual(1);
    }
    expect(await database.scalar("select count(*) from validation.kpi_verdict where kpi like 'transient%'")).toBe(0);
    expect(await database.scalar("select count(*) from validation.kpi_test where kpi like 'persistent%'")).toBe(0);
  });

  it("shows a KPI with and without the account-months in which a play started", async () => {
    const [row] = await database.query<Record<string, number | string | boolean>>(
      "select * from validation.kpi_intervention where kpi = 'causal'",
    );
    const all = withCausal(rows);
    const without = all.filter(({ is_played }) => !is_played);
    expect(row?.auc_with).toBeCloseTo(aucOf(all), 9);
    expect(row?.auc_without).toBeCloseTo(aucOf(without), 9);
    expect(row?.n_rows).toBe(all.length);
    expect(row?.n_played).toBe(all.length - without.length);
    expect(row?.population_without).toBe("selected");
    // Low values are risky here: the lowest fifth, ties at its edge included.
    const sorted = all.map(({ value }) => value).sort((a, b) => a - b);
    const edge = sorted[Math.ceil(sorted.length / 5) - 1] as number;
    const rate = (some: typeof all) => some.filter(({ is_played }) => is_played).length / some.length;
    const riskiest = all.filter(({ value }) => value <= edge);
    const rest = all.filter(({ value }) => value > edge);
    expect(row?.play_rate_riskiest_fifth).toBeCloseTo(rate(riskiest), 9);
    expect(row?.play_rate_rest).toBeCloseTo(rate(rest), 9);
    expect(row?.is_contaminated).toBe(true);
    expect(
      await database.scalar("select badges from validation.kpi_verdict where kpi = 'causal' and group_kind = 'all'"),
    ).toMatch(/intervention_contaminated/);
    const noise = await database.query<{ is_contaminated: boolean; badges: string }>(
      `select i.is_contaminated, v.badges from validation.kpi_intervention as i
       inner join validation.kpi_verdict as v on v.kpi = i.kpi and v.group_kind = 'all' where i.kpi = 'noise_a'`,
    );
    expect(noise[0]?.is_contaminated).toBe(false);
    expect(noise[0]?.badges).not.toMatch(/intervention/);
  });

  it("has nothing to say of interventions in a book without plays", async () => {
    const without = await validatePanel(
      {
        ...panel,
        accounts: panel.accounts.slice(0, 120),
        rows: panel.rows.filter(({ account }) => account < "A00120"),
      },
      {},
      ["validation.kpi_intervention"],
    );
    expect(await without.scalar("select count(*) from validation.kpi_intervention")).toBe(0);
    without.close();
  });
});

describe("several definitions of churn", () => {
  const panel: Panel = { ...plantedPanel(6, 330, 26), kpis: ["causal", "size_like", "noise_a"] };
  let database: Database;
  beforeAll(async () => {
    database = await validatePanel(
      panel,
      {
        churn: {
          primary: "ends",
          definitions: {
            ends: { type: "subscription_end" },
            cancel: { type: "event", entity: "churn_event" },
          },
        },
        before: [
          // Who gives notice also cancels, a few days later.
          `insert into staging.churn_event select account_id, notice_on + 3, null, null, false, notice_on + 4, null, 'events'
from spine.account_period where notice_on is not null`,
        ],
      },
      ["validation.kpi_verdict", "validation.kpi_look"],
    );
  });
  afterAll(() => database?.close());

  it("shows of the others only what becomes of the verdict, with numbers of their own", async () => {
    const rows = await database.query<{
      kpi: string;
      verdict: string;
      label: string;
      sentence: string;
      against_primary: string | null;
      n_churned: number;
    }>("select * from validation.kpi_verdict where definition = 'cancel' order by kpi");
    expect(rows.map(({ kpi }) => kpi)).toEqual(["causal", "noise_a", "size_like"]);
    for (const { label, sentence } of rows) {
      expect(["Survives", "Changes", "Cannot tell"]).toContain(label);
      expect(sentence).toMatch(/ends/);
      expect(sentence).toMatch(/churned of [\d,]+ accounts/);
    }
    expect(rows[0]).toMatchObject({ label: "Survives", against_primary: "survives", verdict: "predicts" });
    const own = await database.query<{ against_primary: string | null; label: string }>(
      "select * from validation.kpi_verdict where definition = 'ends' and group_kind = 'all' order by kpi",
    );
    expect(own.map((row) => row.against_primary)).toEqual([null, null, null]);
    expect(own[0]?.label).toMatch(/^Early warning/);
  });
  it("reads the primary one by group, and no other", async () => {
    expect(
      await database.query("select distinct definition from validation.kpi_verdict where group_kind <> 'all'"),
    ).toEqual([{ definition: "ends" }]);
  });
  it("has families of its own for each", async () => {
    const sizes = await database.query(
      "select definition, count(*) as n from validation.kpi_test where family = 'main' group by 1 order by 1",
    );
    expect(sizes).toEqual([
      { definition: "cancel", n: 3 },
      { definition: "ends", n: 3 },
    ]);
  });
  it("keeps what each month start said under its own label", async () => {
    const looks = await database.query<{ definition: string; label: string; look_on: string }>(
      "select * from validation.kpi_look where kpi = 'causal' order by definition",
    );
    expect(looks.map(({ definition }) => definition)).toEqual(["cancel", "ends"]);
    for (const { label, look_on } of looks) {
      expect(label).toMatch(/^Early warning/);
      expect(look_on).toBe(panel.asOf);
    }
  });
});
