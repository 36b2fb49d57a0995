import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readBook } from "../../pipelines/config/book.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { loadDeliveries } from "../../pipelines/load/load.ts";
import { stageBook } from "../loading.ts";
import { assay, complaint } from "./assay.ts";

const accounts = Array.from({ length: 40 }, (_, i) => i);
const day = (n: number): Date => new Date(Date.UTC(2024, 0, 1 + n));
const seconds = (at: Date): number => at.getTime() / 1000;
const isoDay = (at: Date): string => at.toISOString().slice(0, 10);
/** Every fourth account leaves, after a year or so. */
const leftOn = (i: number): Date | null => (i % 4 === 0 ? day(300 + 5 * i) : null);

/** Three systems that know one another by their own ids only: billing, support, and the product with its workspaces. */
function exports(): ReadonlyMap<string, string | Uint8Array> {
  const files = new Map<string, string | Uint8Array>();
  const lines = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  files.set(
    "billing/customers.jsonl",
    lines(
      accounts.map((i) => ({
        id: `cus_${i}a`,
        created: seconds(day(i)),
        email: `pay@alder${i}.test`,
        name: `Alder ${i}`,
        delinquent: false,
        metadata: { workspace: `w-${i}` },
      })),
    ),
  );
  files.set(
    "billing/subscriptions.jsonl",
    lines(
      accounts.map((i) => {
        const end = leftOn(i);
        return {
          id: `sub_${i}a`,
          customer: `cus_${i}a`,
          status: end === null ? "active" : "canceled",
          created: seconds(day(i)),
          start_date: seconds(day(i)),
          ended_at: end && seconds(end),
          canceled_at: end && seconds(end) - 86_400 * 20,
          currency: "eur",
          quantity: 5,
          plan: { id: "basic", amount: 4900, interval: "month", interval_count: 1 },
        };
      }),
    ),
  );
  // Two organisations claim the workspace of account 1, and nobody knows the one of the last.
  const organisations = accounts.map((i) =>
    [i + 900_000_001, `Org ${i}`, `${isoDay(day(i))}T08:00:00Z`, i === 39 ? "" : `w-${i}`, false, false].join(","),
  );
  files.set(
    "support/organizations.csv",
    ["id,name,created_at,external_id,shared_tickets,shared_comments", ...organisations, ""].join("\n"),
  );
  const tickets = accounts.flatMap((i) =>
    [0, 1].map((n) =>
      [
        1000 + 2 * i + n,
        700_000_000 + i,
        i + 900_000_001,
        `${isoDay(day(100 + i + n))}T09:00:00Z`,
        `${isoDay(day(101 + i + n))}T09:00:00Z`,
        "closed",
        "normal",
      ].join(","),
    ),
  );
  files.set(
    "support/tickets.csv",
    ["id,requester_id,organization_id,created_at,solved_at,status,priority", ...tickets, ""].join("\n"),
  );
  for (let month = 0; month < 20; month += 1) {
    const rows: string[] = [];
    for (const i of accounts) {
      const end = leftOn(i);
      for (let d = 0; d < 30; d += 1 + (i % 5)) {
        const at = day(month * 30 + d);
        if (at >= day(i) && (end === null || at < end))
          rows.push(
            [at.getTime() + 36_000_000, `w-${i}`, `u${i}-${d % 3}`, d % 2 === 0 ? "Login" : "report"].join(";"),
          );
      }
    }
    files.set(`product/events part ${month}.csv`, ["ts;workspace;user;action", ...rows, ""].join("\r\n"));
  }
  files.set("contract.pdf", Buffer.from("%PDF-1.7"));
  files.set("empty.csv", "");
  files.set("header.csv", "a,b,c\n");
  return files;
}

describe("a folder of exports of three systems", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-init-"));
    for (const [name, content] of exports()) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("becomes a book that is read without an edit, every id on its account", async () => {
    const ran = await assay(["init", folder, "--book", "mine", "--json"]);
    expect(ran.code, ran.stderr).toBe(0);
    const answer = JSON.parse(ran.stdout) as {
      readonly sources: readonly {
        readonly entity: string;
        readonly rows: number;
        readonly files: readonly string[];
      }[];
      readonly not_placed: readonly { readonly files: readonly string[] }[];
    };
    const rows = (entity: string): readonly number[] =>
      answer.sources.filter((source) => source.entity === entity).map((source) => source.rows);
    expect([rows("account"), rows("subscription"), rows("ticket")]).toEqual([[40], [40], [80]]);
    expect(answer.sources.find(({ entity }) => entity === "usage_event")?.files).toHaveLength(20);
    expect(answer.not_placed.flatMap(({ files }) => files).sort()).toEqual(["contract.pdf", "empty.csv", "header.csv"]);

    const book = await readBook(folder, { cwd: folder, env: {} });
    expect(book.currency).toBe("EUR");
    expect(book.churn.primary).toBe("subscription_end");
    expect(Object.values(book.sources).find(({ entity }) => entity === "subscription")?.columns).toMatchObject({
      started_on: { from: "start_date", unit: "s" },
      mrr_minor: "plan.amount",
    });
    const state = join(folder, ".assay");
    const load = await loadDeliveries({
      book,
      state,
      settleSeconds: 0,
      now: () => new Date("2026-07-01T00:00:00Z"),
      log: silentLog,
    });
    expect(load.deliveries.filter(({ rows_rejected }) => rows_rejected > 0)).toEqual([]);
    const { database } = await stageBook(book, load, state);
    try {
      expect(
        await database.query(
          "select count(*) as n, count(distinct account_id) as accounts from staging.ticket where account_id is not null",
        ),
      ).toEqual([{ n: 78, accounts: 39 }]);
      expect(await database.query("select source, ref, why, n_rows from staging.unmatched_id")).toEqual([
        { source: "tickets", ref: "900000040", why: "unmatched", n_rows: 2 },
      ]);
      expect(
        await database.query(
          "select count(distinct account_id) as accounts, count(*) = count(account_id) as all_known from staging.usage_event",
        ),
      ).toEqual([{ accounts: 40, all_known: true }]);
      expect(
        await database.scalar("select count(distinct account_id) from staging.subscription where ended_on is not null"),
      ).toBe(10);
    } finally {
      database.close();
    }
  });

  it("is not written over, and is what it was: the same folder gives the same bytes", async () => {
    const before = await readFile(join(folder, "assay.yaml"), "utf8");
    const again = await assay(["init", folder]);
    expect(again.code).toBe(2);
    expect(complaint(again)).toMatch(/assay\.yaml: is there already, expected a folder without one/);
    expect(await readFile(join(folder, "assay.yaml"), "utf8")).toBe(before);
  });

  it("counts who left by the newest dump, and takes rates into the currency that has none", async () => {
    const own = await mkdtemp(join(tmpdir(), "assay-init-"));
    try {
      const ids = Array.from({ length: 40 }, (_, i) => `c-${i}`);
      const dump = (ended: number): string =>
        ["contract_no,customer_id,begins,ends,monthly_value,ccy"]
          .concat(
            ids.map(
              (id, i) =>
                `K${i},${id},2023-01-0${1 + (i % 9)},${i < ended ? "2024-05-15" : ""},${100 + i}.5,${["EUR", "USD", "GBP"][i % 3]}`,
            ),
          )
          .join("\n");
      const days = Array.from({ length: 60 }, (_, d) => isoDay(new Date(Date.UTC(2024, 4, 1 + d))));
      const files = {
        "customers.csv": ["customer_id,name", ...ids.map((id) => `${id},Firm of ${id}`)].join("\n"),
        // Open in the dump of May, ended in that of June: these have not stayed.
        "contracts_2024-05-31.csv": dump(0),
        "contracts_2024-06-30.csv": dump(8),
        "log.csv": [
          "when,customer_id,action",
          ...ids.flatMap((id) => days.map((day) => `${day} 08:00,${id},login`)),
        ].join("\n"),
        "fx.csv": "currency,valid_from,rate\nUSD,2023-01-01,0.92\nGBP,2023-01-01,1.17\n",
      };
      for (const [name, content] of Object.entries(files)) await writeFile(join(own, name), content);
      const ran = await assay(["init", own, "--json"]);
      expect(ran.code, ran.stderr).toBe(0);
      const { findings } = JSON.parse(ran.stdout) as { readonly findings: readonly { about: string; text: string }[] };
      const said = (about: string): readonly string[] =>
        findings.filter((finding) => finding.about === about).map(({ text }) => text);
      expect(said("churn.primary")[0]).toBe("subscription_end: 8 accounts left by it");
      expect(said("currency")).toEqual([
        "EUR; a rate of rates is read as what one unit of its currency is worth in EUR from that day on",
      ]);
      const book = await readBook(own, { cwd: own, env: {} });
      expect(book.currency).toBe("EUR");
      expect(book.sources.rates).toMatchObject({ entity: "rate", columns: { from_on: "valid_from" } });
      expect(book.sources.subscriptions).toMatchObject({ mode: "snapshot", key: ["subscription_id"] });
    } finally {
      await rm(own, { recursive: true });
    }
  });

  it("takes a row of a week or a month for known when its last day is over", async () => {
    const own = await mkdtemp(join(tmpdir(), "assay-init-"));
    try {
      const ids = Array.from({ length: 12 }, (_, i) => `c-${i}`);
      const counts = (days: readonly string[]): string =>
        ["day,customer_id,event,count", ...days.flatMap((at) => ids.map((id, i) => `${at},${id},login,${3 + i}`))].join(
          "\n",
        );
      const files = {
        "customers.csv": ["customer_id,name,signup_date", ...ids.map((id) => `${id},Firm of ${id},2023-01-01`)].join(
          "\n",
        ),
        "activity.csv": counts(Array.from({ length: 26 }, (_, week) => isoDay(day(7 * week)))),
      };
      for (const [name, content] of Object.entries(files)) await writeFile(join(own, name), content);
      const latency = async (): Promise<number | undefined> => {
        await rm(join(own, "assay.yaml"), { force: true });
        const ran = await assay(["init", own, "--json"]);
        expect(ran.code, ran.stderr).toBe(0);
        return Object.values((await readBook(own, { cwd: own, env: {} })).sources).find(
          ({ entity }) => entity === "usage_daily",
        )?.latency_days;
      };
      expect(await latency()).toBe(6);
      await writeFile(join(own, "activity.csv"), counts(Array.from({ length: 9 }, (_, m) => `2024-0${m + 1}-01`)));
      expect(await latency()).toBe(30);
      await writeFile(join(own, "activity.csv"), counts(Array.from({ length: 60 }, (_, at) => isoDay(day(at)))));
      expect(await latency()).toBe(0);
    } finally {
      await rm(own, { recursive: true });
    }
  });

  it("says in one sentence what is missing", async () => {
    const bare = await mkdtemp(join(tmpdir(), "assay-bare-"));
    try {
      await writeFile(
        join(bare, "customers.csv"),
        "customer_id,name,signup_date\n1,Alder,2024-01-01\n2,Birch,2024-02-01\n3,Cedar,2024-03-01\n",
      );
      const ran = await assay(["init", bare]);
      expect(ran.code).toBe(3);
      expect(complaint(ran)).toMatch(/no file holds usage with dates: expected events .*; nothing is written$/);
      await expect(readFile(join(bare, "assay.yaml"))).rejects.toThrow();
    } finally {
      await rm(bare, { recursive: true, force: true });
    }
  });
});
