import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Backtest, backtest } from "../../pipelines/commands/backtest.ts";
import type { Context } from "../../pipelines/commands/context.ts";
import { diff } from "../../pipelines/commands/diff.ts";
import { digest } from "../../pipelines/commands/digest.ts";
import { explain } from "../../pipelines/commands/explain.ts";
import { plays } from "../../pipelines/commands/plays.ts";
import { archetypesOf, cardsOf, clusters, outcomesOf } from "../../pipelines/commands/practice.ts";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { score } from "../../pipelines/commands/score.ts";
import { surprises } from "../../pipelines/commands/surprises.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { toMillionths } from "../../pipelines/scores/exact.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

const work = mkdtempSync(join(tmpdir(), "assay-scorecards-"));
const book = join(work, "book");
const state = join(work, "state");
let folder: string;
let database: Database;

/** A small simulated company with monthly scores, and drafts beside it. */
beforeAll(async () => {
  await simulate({ out: book, accounts: 240, months: 18, seed: 3, kind: "plain", log: silentLog });
  const file = join(book, "assay.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace("score_every: week", "score_every: month"));
  const result = await refresh({
    book: await readBook(book, { cwd: work, env: {} }),
    state,
    now: () => new Date("2026-07-02T00:00:00Z"),
    site: false,
    log: silentLog,
  });
  folder = result.release.folder;
  database = await Database.open({ path: join(folder, "warehouse.duckdb"), readOnly: true });
});
afterAll(() => {
  database.close();
  rmSync(work, { recursive: true, force: true });
});

const preset = readFileSync(join(projectRoot, "sql", "scorecards", "freshsuccess_40_30_30", "v1.yaml"), "utf8");
const draft = (name: string, text: string): string => {
  writeFileSync(join(work, name), text);
  return name;
};
/** Runs a command and returns what it printed. */
async function printed(run: (context: Context) => Promise<void>): Promise<string> {
  const out: string[] = [];
  await run({ cwd: work, env: {}, now: () => new Date("2026-07-02"), log: silentLog, print: (text) => out.push(text) });
  return out.join("\n");
}
const json = async <T>(run: (context: Context) => Promise<void>): Promise<T> => JSON.parse(await printed(run)) as T;

describe("the score without each of its KPIs", () => {
  type Left = {
    kpi: string;
    n_accounts: number;
    n_moved: number;
    mean_change: number;
    auc_with: number | null;
    difference: number | null;
  };
  const rows = (): Promise<readonly Left[]> =>
    database.query<Left>("select * from validation.leave_one_out order by kpi");

  test("stands in the release as the command says it, for the assigned card alone", async () => {
    const said = await json<Left[]>((context) => score(context, book, { state, leaveOneOut: true, json: true }));
    const kept = await rows();
    expect(kept.map(({ kpi }) => kpi)).toEqual(["csm_rating", "logins_28d", "open_tickets"]);
    for (const row of kept) {
      const told = said.find(({ kpi }) => kpi === row.kpi) as Left;
      expect(row).toMatchObject({ n_accounts: told.n_accounts, n_moved: told.n_moved, mean_change: told.mean_change });
      expect(row.auc_with === null).toBe(told.auc_with === null);
      if (row.difference !== null) expect(row.difference).toBeCloseTo(told.difference as number, 11);
    }
  });

  test("is what the parts of the whole score add up to when the rest is reweighted", async () => {
    // Points of the other parts over their weights: the card is a weighted mean without gates, and a KPI without a value has no part.
    const parts = await database.query<{ kpi: string; n: number; mean_change: number }>(`
      with newest as (select max(snapshot_date) as on_date from spine.snapshot where is_scored),
      card as (select p.* from scores.score_part as p inner join newest as n on n.on_date = p.snapshot_date
        where p.scorecard = 'freshsuccess_40_30_30' and p.kind = 'kpi' and p.weight > 0),
      whole as (select account_id, sum(contribution) as score from card group by account_id),
      without as (
        select k.kpi, c.account_id, 100 * cast(sum(c.contribution) as double) / cast(sum(c.weight) as double) as score
        from (select distinct kpi from card) as k inner join card as c on c.kpi <> k.kpi group by k.kpi, c.account_id
      )
      select o.kpi, count(*) as n, avg(abs(o.score - cast(w.score as double))) as mean_change
      from without as o inner join whole as w on w.account_id = o.account_id
      inner join scores.account_score as s on s.account_id = o.account_id and s.snapshot_date = (select on_date from newest)
        and s.scorecard = 'freshsuccess_40_30_30' and s.score is not null
      -- What remains must reach the card's floor of coverage, too.
      where (select sum(c.share) from scores.scorecard_weight as c where c.scorecard = 'freshsuccess_40_30_30' and c.kpi <> o.kpi
        and exists (select 1 from card as h where h.account_id = o.account_id and h.kpi = c.kpi))
        >= 0.6 * (select sum(c.share) from scores.scorecard_weight as c where c.scorecard = 'freshsuccess_40_30_30' and c.kpi <> o.kpi)
      group by o.kpi order by o.kpi`);
    const kept = await rows();
    expect(parts.map(({ kpi }) => kpi)).toEqual(kept.map(({ kpi }) => kpi));
    for (const [i, { mean_change }] of parts.entries()) expect(kept[i]?.mean_change).toBeCloseTo(mean_change, 4);
  });
});

describe("a draft", () => {
  test("that says what a version says scores like it, and writes nothing", async () => {
    const before = readdirSync(folder, { recursive: true }).map((name) => [
      name,
      statSync(join(folder, String(name))).mtimeMs,
    ]);
    const same = draft("same.yaml", preset);
    const preview = await json<{
      moved: unknown[];
      bands: { accounts: number; accounts_now: number }[];
      sentence: string;
    }>((context) => score(context, book, { state, scorecard: same, json: true }));
    expect(preview.moved).toEqual([]);
    expect(preview.bands.map(({ accounts }) => accounts)).toEqual(
      preview.bands.map(({ accounts_now }) => accounts_now),
    );
    expect(preview.bands.reduce((all, { accounts }) => all + accounts, 0)).toBeGreaterThan(50);
    const percents = [...preview.sentence.matchAll(/(\d+) %/g)].map(([, n]) => Number(n));
    expect(percents.reduce((all, n) => all + n, 0)).toBe(100);
    expect(
      readdirSync(folder, { recursive: true }).map((name) => [name, statSync(join(folder, String(name))).mtimeMs]),
    ).toEqual(before);
  });
  test("with a mistake is refused with file, line and key", async () => {
    const wrong = draft("wrong.yaml", preset.replace("kpi: csm_rating", "kpi: csm_raiting"));
    const line = preset.split("\n").findIndex((text) => text.includes("kpi: csm_rating")) + 1;
    await expect(printed((context) => score(context, book, { state, scorecard: wrong }))).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        new RegExp(`^wrong.yaml:${line}: groups\\[2\\]\\.kpis\\[0\\]\\.kpi: found csm_raiting`),
      ),
      hint: expect.stringContaining("did you mean csm_rating?"),
    });
  });
  test("explains one account without what history says of the version that it would replace", async () => {
    const account = await database.scalar<string>(
      "select min(account_id) from scores.account_score where is_in_force and score is not null and snapshot_date = (select as_of from meta.params)",
    );
    const more = draft("more.yaml", preset.replaceAll("weight: 40", "weight: 60"));
    const text = await printed((context) => score(context, book, { state, scorecard: more, account: account ?? "" }));
    expect(text).toContain("a draft (more.yaml)");
    expect(text).toContain("PARTS");
    expect(text).not.toMatch(/^ {2}history /m);
  });
});

describe("a scorecard on history", () => {
  const page = async (options: Parameters<typeof backtest>[2]): Promise<string> => {
    const out: string[] = [];
    const context = { cwd: work, env: {}, now: () => new Date("2026-07-02"), log: silentLog };
    try {
      await backtest({ ...context, print: (text) => out.push(text) }, book, { state, ...options });
    } catch (error) {
      // A scorecard of no use ends with 5, after the page.
      expect(error).toMatchObject({ exitCode: 5 });
    }
    return out.join("\n");
  };
  test("is a page with its state, its numbers, and what they rest on", async () => {
    const text = await page({});
    const [stored] = await database.query<{ sentence: string; n_churned: number; n_rows: number }>(
      "select sentence, n_churned, n_rows from validation.scorecard_test where scorecard = 'freshsuccess_40_30_30' and period = 'out_of_time'",
    );
    expect(text.replaceAll(/\s+/g, " ")).toContain(stored?.sentence);
    expect(text).toContain(`${stored?.n_churned} churned accounts`);
    for (const title of ["RANKING", "CAPACITY", "BANDS", "DEPARTURES AND REDS", "BY PERIOD"])
      expect(text).toContain(title);
    expect(text).toContain("naive_baseline v1");
    expect(text).not.toMatch(/NaN|undefined|null|\bInfinity/);
  });
  test("answers for any capacity, with an other scorecard turned round, and names what it does not know", async () => {
    const asked = JSON.parse(await page({ capacity: 33, json: true })) as Backtest;
    const share = (capacity: number): number =>
      asked.capacity.find((row) => row.capacity === capacity && row.scorecard === "freshsuccess_40_30_30")
        ?.caught_share as number;
    expect(share(33)).toBeGreaterThanOrEqual(share(25));
    expect(share(33)).toBeLessThanOrEqual(share(50));
    const turned = JSON.parse(
      await page({ scorecard: "naive_baseline", against: "freshsuccess_40_30_30@1", json: true }),
    ) as Backtest;
    expect(turned.difference?.difference).toBeCloseTo(-(asked.difference?.difference as number), 12);
    expect(turned.difference?.difference_low).toBeCloseTo(-(asked.difference?.difference_high as number), 12);
    await expect(
      printed((context) => backtest(context, book, { state, scorecard: "freshsuccess_40_30_30@9" })),
    ).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining("found freshsuccess_40_30_30@9") });
  });
});

interface Compared {
  readonly shifts: readonly { from: string; to: string; accounts: number }[];
  readonly changes: readonly string[];
  readonly ranking: { auc_a: number; auc_b: number; difference: number; difference_low: number } | null;
}

describe("two versions", () => {
  test("that are one have no difference", async () => {
    const same = await json<Compared>((context) =>
      diff(context, book, "freshsuccess_40_30_30", draft("same.yaml", preset), { state, redLift: 0, json: true }),
    );
    expect(same.changes).toEqual([]);
    expect(same.shifts.filter(({ from, to }) => from !== to)).toEqual([]);
    if (same.ranking !== null) expect(same.ranking.difference).toBe(0);
  });
  test("rank as the validation of scorecards has it", async () => {
    const [stored] = await database.query<{ auc: number; simple: number; difference: number; se: number; n: number }>(
      "select auc, other_auc as simple, difference, difference_se as se, n_churned as n from validation.scorecard_difference " +
        "where scorecard = 'freshsuccess_40_30_30' and other = 'naive_baseline' and period = 'out_of_time'",
    );
    const found = await json<Compared>((context) =>
      diff(context, book, "naive_baseline", "freshsuccess_40_30_30@1", { state, redLift: 0, json: true }),
    );
    expect(stored?.n).toBeGreaterThanOrEqual(50);
    expect(found.ranking?.auc_a).toBeCloseTo(stored?.simple ?? 0, 10);
    expect(found.ranking?.auc_b).toBeCloseTo(stored?.auc ?? 0, 10);
    expect(found.ranking?.difference).toBeCloseTo(stored?.difference ?? 0, 10);
    expect((found.ranking?.difference ?? 0) - (found.ranking?.difference_low ?? 0)).toBeCloseTo(
      1.959964 * (stored?.se ?? 0),
      6,
    );
  });
  test("of which the second calls nearly everybody green end with exit code 5, after saying what moved", async () => {
    const rosy = draft("rosy.yaml", preset.replace("to: 31", "to: 3").replace("to: 71", "to: 6"));
    const out: string[] = [];
    const context: Context = {
      cwd: work,
      env: {},
      now: () => new Date(),
      log: silentLog,
      print: (text) => out.push(text),
    };
    await expect(diff(context, book, "freshsuccess_40_30_30@1", rosy, { state })).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringMatching(/green is \d+ % of the book, at most 80 % wanted/),
    });
    expect(out.join("\n")).toMatch(/^MOVED \d+ accounts/m);
    expect(out.join("\n")).toContain(
      "bands: red below 31, yellow below 71, green from 71 -> red below 3, yellow below 6, green from 6",
    );
  });
});

test("explanations of a release add up, parts to the score and causes to the difference", async () => {
  const rows = await database.query<{ account_id: string; since: string }>(
    "select account_id, cast(min(snapshot_date) as varchar) as since from scores.account_score where is_in_force and score is not null " +
      "and account_id in (select account_id from scores.account_score where snapshot_date = (select as_of from meta.params) and is_in_force and score is not null) " +
      "group by account_id having count(*) > 6 order by account_id limit 5",
  );
  expect(rows.length).toBe(5);
  for (const { account_id, since } of rows) {
    const e = await json<{
      score: number;
      parts: { contribution: number }[];
      since: { score: number; difference: number; lines: { amount: number }[] };
    }>((context) => explain(context, book, account_id, { state, since, json: true }));
    const sum = (list: readonly number[]): bigint => list.reduce((all, n) => all + toMillionths(n), 0n);
    expect(sum(e.parts.map(({ contribution }) => contribution))).toBe(toMillionths(e.score));
    expect(sum(e.since.lines.map(({ amount }) => amount))).toBe(toMillionths(e.score) - toMillionths(e.since.score));
  }
});

describe("answers of practice and of the portfolio", () => {
  const verbs: Readonly<Record<string, (context: Context, json: boolean) => Promise<void>>> = {
    clusters: (context, json) => clusters(context, book, { state, json }),
    archetypes: (context, json) => archetypesOf(context, book, { state, json }),
    outcomes: (context, json) => outcomesOf(context, book, undefined, { state, json }),
    cards: (context, json) => cardsOf(context, book, { state, json }),
    plays: (context, json) => plays(context, book, { state, json }),
    digest: (context, json) => digest(context, book, undefined, { state, json }),
    surprises: (context, json) => surprises(context, book, { state, json }),
  };

  test.each(Object.keys(verbs))("%s: words for people, JSON for programs", async (verb) => {
    const run = verbs[verb] as (typeof verbs)[string];
    const text = await printed((context) => run(context, false));
    expect(text).toMatch(/^\S[\s\S]{40,}/);
    expect(text).not.toMatch(/\b(NaN|null|undefined|\[object)/);
    expect(Object.keys(await json<object>((context) => run(context, true))).length).toBeGreaterThan(1);
  });

  test("the outcomes of one account are its own course and goals; an id that nobody has is said", async () => {
    const [account] = await database.query<{ account_id: string; n: number }>(
      "select account_id, count(*) as n from staging.goal where account_id in (select account_id from spine.account_period) group by account_id order by n desc, account_id limit 1",
    );
    const { account_id: id } = account as { account_id: string };
    const asked = (of: string, json: boolean) => (context: Context) => outcomesOf(context, book, of, { state, json });
    expect(await printed(asked(id, false))).toMatch(new RegExp(`^[A-Z ]+of ${id}|^COURSE|^GOALS`));
    const { goals } = await json<{ goals: readonly { goal: string }[] }>(asked(id, true));
    const [{ n } = { n: 0 }] = await database.query<{ n: number }>(
      `select count(*) as n from staging.goal cross join meta.params where account_id = '${id}' and visible_on <= as_of and (superseded_on is null or as_of < superseded_on)`,
    );
    expect(goals.length).toBe(Number(n));
    expect(goals.length).toBeGreaterThan(0);
    await expect(printed(asked("nobody", false))).rejects.toThrow(
      "expected the id of an account that pays or has paid",
    );
  });
});
