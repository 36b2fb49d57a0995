import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { usageError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import { Database } from "../warehouse/database.ts";
import {
  accountTable,
  firstSpells,
  keepNotices,
  latentTable,
  monthTable,
  returns,
  type Span,
  spellPass,
  spellTables,
} from "./accounts.ts";
import { bookText, outcomesText, practiceText } from "./book.ts";
import { crmTables } from "./crm.ts";
import { dealingTables } from "./dealings.ts";
import { exportStatements } from "./exports.ts";
import { personTables } from "./people.ts";
import { context, type Kind, plans, truth } from "./plan.ts";
import { type PlantedKind, plantedBook, plantedExports, plantedTables, plantedTruth } from "./planted.ts";
import { randomMacros } from "./random.ts";
import { signUpTable, trialUsage } from "./trials.ts";
import { eventsPerExpected, rateTable, usageOfMonth, usageTable } from "./usage.ts";

/** The first instant that simulated data do not cover. Fixed, so that a book does not depend on the clock. */
const endOfData = "2026-07-01";

const addMonths = (iso: string, months: number): string => {
  const day = new Date(`${iso}T00:00:00Z`);
  day.setUTCMonth(day.getUTCMonth() + months);
  return day.toISOString().slice(0, 10);
};

export interface SimulateOptions {
  /** The folder of the book; what an earlier run wrote there is replaced. */
  readonly out: string;
  /** About how many accounts pay at any time; in 36 months about 2.75 times as many ever do. Of a planted book all accounts; of a tiny one they are 120. */
  readonly accounts: number;
  /** Calendar months with data, ending 2026-07-01. */
  readonly months: number;
  readonly seed: number;
  readonly kind: Kind | PlantedKind;
  /** Usage events to aim at, within about a tenth; default: what the accounts do, some 60 a month each. */
  readonly events?: number;
  /** How usage is delivered, one file a month; default Parquet. */
  readonly usageFormat?: "parquet" | "csv";
  readonly threads?: number;
  readonly log: Log;
}

/**
 * Writes a book whose truth is known: `assay.yaml`, `exports/` and `truth.json` (`{"kpis": {"<id>": {"role", "expected"}}}`).
 * The bytes depend on the options and on nothing else: not on threads, clock or time zone.
 */
export async function simulate(options: SimulateOptions): Promise<{ events: number; accounts: number }> {
  const { out, months, seed, kind, log, usageFormat = "parquet" } = options;
  const whole = {
    accounts: options.accounts,
    months,
    seed,
    ...(options.events === undefined ? {} : { events: options.events }),
  };
  for (const [name, value] of Object.entries(whole))
    if (!Number.isSafeInteger(value) || value < (name === "seed" ? 0 : 1))
      throw usageError(`simulate needs a positive whole number of ${name}: ${value}`);
  if (months < 6 || months > 96) throw usageError(`simulate needs 6 to 96 months: ${months}`);
  if (options.accounts > 30_000) throw usageError(`simulate makes at most 30000 accounts: ${options.accounts}`);

  const start = addMonths(endOfData, -months);
  const span: Span = {
    start,
    end: endOfData,
    months,
    history: kind === "tiny" ? 12 : 24,
    redesign: addMonths(start, Math.floor(months / 2)),
  };
  if (kind === "planted" || kind === "planted_null") return simulatePlanted(options, { ...span, history: 36 }, kind);
  const plan = plans[kind];
  const history = options.accounts * openingShare;
  const ever = kind === "tiny" ? 120 : Math.round(history + options.accounts * monthlyArrivals * months);

  const database = await Database.open({
    path: ":memory:",
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  try {
    await log.step("accounts and decisions", async (note) => {
      await database.run(randomMacros(seed));
      await database.run(monthTable(span));
      await database.run(accountTable(span, ever, kind === "tiny" ? 0.6 : history / ever));
      await database.run(latentTable(span));
      await database.run(spellTables);
      await database.run(firstSpells);
      await database.run(spellPass(span, plan, 1));
      await database.run(returns(span));
      await database.run(spellPass(span, plan, 2));
      await database.run(keepNotices(span));
      await database.run(signUpTable(span, ever, Math.round(ever / 4)));
      await database.run(personTables(span));
      note(`${ever} accounts`);
    });
    await log.step("usage", async (note) => {
      await database.run(rateTable(1));
      if (options.events !== undefined) {
        const base = await database.scalar<number>(
          `select sum(mean * (active_to - active_from) / (ends_on - starts_on)) from rate`,
        );
        await database.run("drop table rate");
        await database.run(rateTable(options.events / ((base ?? 1) * eventsPerExpected)));
      }
      await database.run(usageTable);
      for (let month = 0; month < months; month++) await database.run(usageOfMonth(span, month));
      await database.run(trialUsage(span));
      note(`${await database.scalar("select count(*) from usage")} events`);
    });
    await log.step("tickets, ratings, surveys", () => database.run(crmTables(span, plan.lateRating)));
    await log.step("invoices, milestones, contacts", () => database.run(dealingTables(span, plan.lateRating)));
    await log.step("exports", async () => {
      // Written last and removed first: where it lies, the book is whole.
      await rm(join(out, "truth.json"), { force: true });
      await rm(join(out, "exports"), { recursive: true, force: true });
      await mkdir(join(out, "exports", "usage"), { recursive: true });
      for (const statement of exportStatements(span, join(out, "exports"), usageFormat, kind === "plain"))
        await database.run(statement);
      await writeFileAtomic(join(out, "assay.yaml"), bookText(kind, span, usageFormat));
      await writeFileAtomic(join(out, "outcomes.yaml"), outcomesText);
      await writeFileAtomic(join(out, "practice.yaml"), practiceText);
      const known = { kind, seed, kpis: truth(kind), context: context(kind) };
      await writeFileAtomic(join(out, "truth.json"), `${JSON.stringify(known, null, 2)}\n`);
    });
    const events = Number(await database.scalar("select count(*) from usage"));
    return { events, accounts: ever };
  } finally {
    database.close();
  }
}

/** The planted world: see planted.ts. */
async function simulatePlanted(
  { out, accounts, seed, threads, log }: SimulateOptions,
  span: Span,
  kind: PlantedKind,
): Promise<{ events: number; accounts: number }> {
  const database = await Database.open({ path: ":memory:", ...(threads === undefined ? {} : { threads }) });
  try {
    await log.step("accounts, months and rows", async () => {
      await database.run(randomMacros(seed));
      for (const statement of plantedTables(span, accounts, kind)) await database.run(statement);
    });
    await log.step("exports", async () => {
      await rm(join(out, "truth.json"), { force: true });
      await rm(join(out, "exports"), { recursive: true, force: true });
      await mkdir(join(out, "exports"), { recursive: true });
      for (const statement of plantedExports(span, join(out, "exports"))) await database.run(statement);
      await writeFileAtomic(join(out, "assay.yaml"), plantedBook(kind, span));
      const known = { kind, seed, kpis: plantedTruth(kind) };
      await writeFileAtomic(join(out, "truth.json"), `${JSON.stringify(known, null, 2)}\n`);
    });
    return { events: Number(await database.scalar("select count(*) from planted_usage")), accounts };
  } finally {
    database.close();
  }
}

/**
 * Accounts that started in the two years before the data, and that start in each month of it, for each that pays at a
 * time: how fast they come and go.
 */
const openingShare = 1.27;
const monthlyArrivals = 0.041;
