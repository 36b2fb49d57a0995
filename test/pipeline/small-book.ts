import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../pipelines/lib/files.ts";

/** A number in [0, 1) that is the same on every machine. */
export const randomOf = (seed: number, n: number): number =>
  Number.parseInt(sha256(`${seed} ${n}`).slice(0, 8), 16) / 2 ** 32;

/** Usage of 40 accounts in a month of 2025, up to its 27th, with one bad row. */
export function usageOf(month: number): string {
  const rows = Array.from({ length: 240 }, (_, i) => {
    const day = String(1 + Math.floor(randomOf(1, 1000 * month + i) * 27)).padStart(2, "0");
    return `acc_${String(i % 40).padStart(3, "0")},2025-0${month}-${day}T10:00:00,login,e${month}_${i}`;
  });
  return ["account_id,event_time,event,event_id", ...rows, "acc_000,soon,login,bad", ""].join("\n");
}

/** The least that a whole refresh builds from: 40 accounts, usage of January to July, one KPI. */
export function writeBook(folder: string): void {
  const exports = join(folder, "exports");
  mkdirSync(exports, { recursive: true });
  const accounts = Array.from({ length: 40 }, (_, i) => `acc_${String(i).padStart(3, "0")}`);
  writeFileSync(
    join(exports, "accounts.csv"),
    ["account_id,created_at", ...accounts.map((id) => `${id},2025-01-01`), ""].join("\n"),
  );
  const spells = accounts.map((id, i) => `s${i},${id},2025-01-05,${i % 4 === 0 ? `2025-0${5 + (i % 3)}-15` : ""},1000`);
  writeFileSync(
    join(exports, "subscriptions.csv"),
    ["subscription_id,account_id,started_on,ended_on,mrr_minor", ...spells, ""].join("\n"),
  );
  for (let month = 1; month <= 7; month += 1)
    writeFileSync(join(exports, `usage_2025-0${month}-28.csv`), usageOf(month));
  writeFileSync(
    join(folder, "assay.yaml"),
    `book: small
exports_root: exports
sources:
  accounts: { entity: account, files: accounts.csv, settle: 0s }
  subscriptions: { entity: subscription, files: subscriptions.csv, settle: 0s }
  usage: { entity: usage_event, files: "usage_*.csv", settle: 0s, key: [event_id], delivered: { from: file_name, pattern: "usage_{date}.csv" } }
kpis: [logins_28d]
scorecards: []
site: { min_cell: 1 }
`,
  );
}
