/** However deliveries come (in any order, split, repeated, late, withdrawn), the release is that of a book which had them all at once. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deliver, firstNight, writeNightsBook } from "../../pipelines/commands/bench-nights.ts";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { addDays } from "../../pipelines/lib/clock.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { markErased } from "../../pipelines/load/erase.ts";
import { withdrawDelivery } from "../../pipelines/load/withdraw.ts";
import { fileDifferences, tableDifferences } from "../same-release.ts";

const nights = 3;
const now = () => new Date(`${addDays(firstNight, nights)}T03:00:00Z`);

async function refreshed(folder: string, state: string): Promise<string> {
  const book = await readBook(folder, { cwd: folder, env: {} });
  const { release } = await refresh({ book, state, site: false, now, log: silentLog });
  return release.folder;
}

type Mode = "append" | "range" | "daily";

/**
 * All exports. Usage is appended, each day of it in two files that overlap; or its days are delivered again whole; or it comes as counts by
 * day. Accounts and subscriptions are whole tables.
 */
async function allExports(folder: string, mode: Mode): Promise<readonly string[]> {
  await writeNightsBook(folder);
  for (let n = 0; n < nights; n += 1) await deliver(folder, addDays(firstNight, n));
  const yaml = join(folder, "assay.yaml");
  const text = readFileSync(yaml, "utf8");
  const usage = readdirSync(folder).filter((file) => file.startsWith("usage_"));
  const linesOf = (name: string) =>
    readFileSync(join(folder, name), "utf8").trim().split("\n") as [string, ...string[]];
  const write = (name: string, lines: readonly string[]) => writeFileSync(join(folder, name), `${lines.join("\n")}\n`);
  if (mode === "range") {
    writeFileSync(yaml, text.replace(/(usage: .*?), key: \[event_id\]/, "$1, mode: range"));
    // Two days are delivered again, a row less, by the file of the last night.
    const [last, earlier] = [usage.at(-1) as string, usage.at(-2) as string];
    write(last, [...linesOf(last), ...linesOf(earlier).slice(2)]);
  } else if (mode === "daily") {
    writeFileSync(
      yaml,
      text.replace(
        /(usage: .*?)usage_event(.*?)key: \[event_id\]/,
        "$1usage_daily$2key: [account_id, activity_date, event]",
      ),
    );
    for (const name of usage) {
      const counts = new Map<string, number>();
      for (const line of linesOf(name).slice(1)) {
        const [, account, , time, event, knownAt] = line.split(",") as [string, string, string, string, string, string];
        const day = `${account},${time.slice(0, 10)},${event},${knownAt}`;
        counts.set(day, (counts.get(day) ?? 0) + 1);
      }
      const days = [...counts].map(([day, n]) => `${day},${n}`);
      write(name, ["account_id,activity_date,event,known_at,n_events", ...days]);
    }
  } else {
    writeFileSync(yaml, text.replace("'usage_*.csv'", "['usage_*.csv', 'more/usage_*.csv']"));
    mkdirSync(join(folder, "more"));
    for (const name of usage) {
      const [header, ...lines] = linesOf(name);
      const at = Math.floor(lines.length / 2);
      // The rows around the cut are sent twice.
      write(name, [header, ...lines.slice(0, at + 3)]);
      write(join("more", name), [header, ...lines.slice(at)]);
    }
  }
  return (readdirSync(folder, { recursive: true, encoding: "utf8" }) as string[])
    .filter((file) => file.endsWith(".csv"))
    .sort();
}

/** What the first night has, what comes later; whether a file is withdrawn in between, and an account erased. */
type Story = readonly [mode: Mode, later: readonly boolean[], isWithdrawn: boolean, isErased: boolean];

const stories = fc.tuple(
  fc.constantFrom<Mode>("append", "range", "daily"),
  fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
  fc.boolean(),
  fc.boolean(),
);

async function tell([mode, later, isWithdrawn, isErased]: Story): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "assay-deliveries-"));
  try {
    const whole = join(folder, "whole");
    const parts = join(folder, "parts");
    const [state, wholeState] = [join(parts, ".assay"), join(whole, ".assay")];
    const files = await allExports(whole, mode);
    mkdirSync(join(parts, "more"), { recursive: true });
    cpSync(join(whole, "assay.yaml"), join(parts, "assay.yaml"));
    const copy = (name: string): void => cpSync(join(whole, name), join(parts, name));
    // A source needs a file on the first night: its newest, so that what is older comes after it.
    const newest = new Set(
      ["accounts", "subscriptions", "usage", "tickets"].map((source) =>
        files.findLast((name) => name.startsWith(source)),
      ),
    );
    for (const name of files.filter((file, i) => newest.has(file) || later[i % later.length] === false)) copy(name);
    const wrong = join(parts, `tickets_${addDays(firstNight, nights)}.csv`);
    if (isWithdrawn)
      writeFileSync(wrong, "ticket_id,account_id,opened_at,closed_at,known_at\nwrong,N01,2024-12-01,,2024-12-01\n");
    await refreshed(parts, state);
    if (isWithdrawn) {
      await withdrawDelivery({ state, named: wrong.slice(parts.length + 1), now: now(), inUse: new Set() });
      rmSync(wrong);
    }
    if (isErased) for (const one of [state, wholeState]) await markErased(one, "N03", { refs: [] }, now());
    for (const name of files) copy(name);
    const [one, other] = [await refreshed(parts, state), await refreshed(whole, wholeState)];
    const read = (text: string): string =>
      text
        .replaceAll(state, "STATE")
        .replaceAll(wholeState, "STATE")
        .replace(/^-- sha256 .*$/m, "");
    expect(await tableDifferences(one, other, { except: { "meta.model_run": ["fingerprint"] } })).toEqual([]);
    expect(fileDifferences(one, other, { read })).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const runs = process.env.ASSAY_PROPERTY_RUNS;

describe("deliveries", () => {
  it("in any order and in several nights give the release of all at once", { timeout: 3_600_000 }, async () => {
    const every = Array.from({ length: 40 }, (_, i) => i % 3 === 0);
    await fc.assert(
      fc.asyncProperty(stories, tell),
      runs === undefined
        ? { numRuns: 1, examples: [[["append", every, true, false]]], endOnFailure: true }
        : { numRuns: Number(runs), endOnFailure: true },
    );
  });
});
