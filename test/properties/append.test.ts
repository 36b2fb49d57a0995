/** The past stays: deliveries of later months change no feature and no score of a snapshot that was there before. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { type TestBook, testBook } from "../loading.ts";
import { addDays, daysBetween, monthStarts, random } from "../planted-panel.ts";

const months = monthStarts("2024-01-01", 11);
const kpis = ["logins_28d", "nps", "feature_events_28d", "open_tickets", "days_since_login", "active_users_28d"];
const sources = `
accounts: { entity: account, files: 'accounts_*.csv', mode: snapshot, key: [account_id], settle: 0s, delivered: { from: file_name, pattern: 'accounts_{date}.csv' } }
subscriptions: { entity: subscription, files: 'subscriptions_*.csv', mode: snapshot, key: [subscription_id], settle: 0s, delivered: { from: file_name, pattern: 'subscriptions_{date}.csv' }, immutable: [seats, mrr_minor] }
usage: { entity: usage_event, files: 'usage_*.csv', mode: append, key: [event_id], settle: 0s, delivered: { from: file_name, pattern: 'usage_{date}.csv' } }
tickets: { entity: ticket, files: 'tickets_*.csv', mode: append, key: [ticket_id], settle: 0s, delivered: { from: file_name, pattern: 'tickets_{date}.csv' } }
surveys: { entity: survey_response, files: 'surveys_*.csv', mode: append, settle: 0s, delivered: { from: file_name, pattern: 'surveys_{date}.csv' } }`.trim();

interface Fact {
  readonly on: string;
  /** The day on which this version of the row was known. */
  readonly knownOn: string;
  readonly line: string;
}

/** What happened to 24 customers, each row with the day on which it was known: some days late, in later versions when it changed. */
function history() {
  const uniform = random(8);
  const whole = (n: number) => Math.floor(n * uniform());
  const [first, last] = [months[0] as string, months.at(-1) as string];
  const days = daysBetween(first, last);
  const accounts = Array.from({ length: 24 }, (_, i) => ({
    id: `A${String(i).padStart(2, "0")}`,
    startedOn: addDays(first, whole(200) - 120),
    endedOn: uniform() < 0.4 ? addDays(first, 110 + whole(days - 110)) : null,
    seats: 1 + whole(30),
  }));
  const usage: Fact[] = [];
  const tickets: Fact[] = [];
  const surveys: Fact[] = [];
  let n = 0;
  for (const { id, startedOn, endedOn } of accounts) {
    for (let day = 0; day < days; day += 1) {
      const on = addDays(first, day);
      if (on < startedOn || (endedOn !== null && on >= endedOn)) continue;
      const late = () => addDays(on, uniform() < 0.8 ? 0 : whole(6));
      if (uniform() < 0.4) {
        n += 1;
        const knownOn = late();
        const event = uniform() < 0.6 ? "login" : "invoice_sent";
        usage.push({ on, knownOn, line: `e${n},${id},u${whole(4)},${on}T10:00:00,${event},${knownOn}T23:00:00` });
      }
      if (uniform() < 0.02) {
        n += 1;
        const knownOn = late();
        const closedOn = addDays(on, 1 + whole(20));
        tickets.push({ on, knownOn, line: `t${n},${id},${on}T09:00:00,,${knownOn}T23:00:00` });
        tickets.push({
          on,
          knownOn: closedOn,
          line: `t${n},${id},${on}T09:00:00,${closedOn}T12:00:00,${closedOn}T23:00:00`,
        });
      }
      if (uniform() < 0.01) {
        const knownOn = late();
        surveys.push({ on, knownOn, line: `${id},nps,${on}T08:00:00,${on}T09:00:00,${whole(11)},${knownOn}T23:00:00` });
      }
    }
  }
  return { accounts, usage, tickets, surveys };
}

/** Writes what the exports of these months hold. */
async function deliver(made: TestBook, from: number, until: number): Promise<void> {
  const { accounts, usage, tickets, surveys } = history();
  for (let month = from; month < until; month += 1) {
    const [since, on] = [months[month - 1] as string, months[month] as string];
    const file = (name: string, header: string, lines: readonly string[]) =>
      made.write(`${name}_${on}.csv`, [header, ...lines, ""].join("\n"));
    const news = (facts: readonly Fact[]) =>
      facts.filter(({ knownOn }) => knownOn >= since && knownOn < on).map(({ line }) => line);
    const known = accounts.filter(({ startedOn }) => startedOn < on);
    await file(
      "accounts",
      "account_id,created_at",
      known.map(({ id, startedOn }) => `${id},${startedOn}T00:00:00`),
    );
    await file(
      "subscriptions",
      "subscription_id,account_id,started_on,ended_on,seats,mrr_minor,currency",
      known.map(
        ({ id, startedOn, endedOn, seats }) =>
          `S${id},${id},${startedOn},${endedOn !== null && endedOn < on ? endedOn : ""},${seats},${seats * 1000},USD`,
      ),
    );
    await file("usage", "event_id,account_id,user_id,event_time,event,known_at", news(usage));
    await file("tickets", "ticket_id,account_id,opened_at,closed_at,known_at", news(tickets));
    await file("surveys", "account_id,kind,asked_at,responded_at,score,known_at", news(surveys));
  }
}

async function refreshed(made: TestBook): Promise<string> {
  const { release } = await refresh({
    book: await readBook(made.folder, { cwd: made.folder, env: {} }),
    state: made.state,
    site: false,
    now: () => new Date("2025-07-01T00:00:00Z"),
    log: silentLog,
  });
  return join(release.folder, "warehouse.duckdb");
}

/** Rows of a relation before the day of the first refresh: how many, and how many that only one of the two has. */
async function compared(before: string, after: string, relation: string, columns: string) {
  const database = await Database.open({ path: ":memory:" });
  try {
    await database.run(`attach '${before}' as before_ (read_only); attach '${after}' as after_ (read_only)`);
    const rows = (warehouse: string) =>
      `(select ${columns} from ${warehouse}.${relation} where snapshot_date < (select as_of from before_.meta.params))`;
    const [found] = await database.query(`select
      (select count(*) from ${rows("before_")}) as n,
      (select count(*) from (${rows("before_")} except all ${rows("after_")})) as gone,
      (select count(*) from (${rows("after_")} except all ${rows("before_")})) as added`);
    return found as { n: number; gone: number; added: number };
  } finally {
    database.close();
  }
}

describe("months that are appended", () => {
  it("change no feature and no score of the snapshots before, as they were", { timeout: 600_000 }, async () => {
    const made = await testBook(sources, "as_of: latest\nscorecards: [naive_baseline]");
    try {
      const file = join(made.folder, "assay.yaml");
      await writeFile(file, (await readFile(file, "utf8")).replace("kpis: [logins_28d]", `kpis: [${kpis.join(", ")}]`));
      await deliver(made, 1, 8);
      const before = await refreshed(made);
      await deliver(made, 8, months.length);
      const after = await refreshed(made);
      for (const [relation, columns] of [
        ["features.account_kpi", "*"],
        ["features.kpi_why_null", "*"],
        ["scores.account_score", "account_id, snapshot_date, scorecard, version, is_in_force, score, band, coverage"],
      ] as const) {
        const { n, gone, added } = await compared(before, after, relation, columns);
        expect({ relation, gone, added }).toEqual({ relation, gone: 0, added: 0 });
        expect(n).toBeGreaterThan(300);
      }
    } finally {
      await made.drop();
    }
  });
});
