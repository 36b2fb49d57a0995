/** KPIs that are noise by construction, so that readers see what chance looks like in their own history. */
import type { Step } from "../models/model.ts";
import type { Row } from "../warehouse/database.ts";
import { twoSidedP } from "./distributions.ts";
import { aucInterval } from "./interval.ts";
import { twelveDigits, writeTable } from "./tables.ts";

/**
 * validation.random_control: A of each random control like for like, 95 % interval, p. They enter no family and no count. No p
 * and no interval below 50 churned or 50 staying accounts, as for a KPI.
 */
export const testControls: Step = {
  kind: "step",
  name: "validation.test_controls",
  depends: ["validation.control_auc"],
  params: [],
  produces: ["validation.random_control"],
  version: "1",
  async run(context) {
    const rows = await context.query<
      Row & {
        readonly subject: string;
        readonly auc: number | null;
        readonly centre: number | null;
        readonly se: number | null;
        readonly z: number | null;
        readonly n_accounts: number;
        readonly n_churned: number;
        readonly n_staying: number;
      }
    >("select * from validation.control_auc where statistic = 'main' and auc is not null order by subject");
    await writeTable(
      context,
      "validation.random_control",
      {
        control: "varchar",
        kind: "varchar",
        auc: "double",
        auc_low: "double",
        auc_high: "double",
        p: "double",
        n_accounts: "bigint",
        n_churned: "bigint",
      },
      rows.map((row) => {
        const isTested = Math.min(row.n_churned, row.n_staying) >= 50;
        const { low, high } = isTested ? aucInterval(row.centre, row.se) : { low: null, high: null };
        return {
          control: row.subject,
          kind: row.subject.replace(/_\d+$/, ""),
          auc: row.auc,
          auc_low: twelveDigits(low),
          auc_high: twelveDigits(high),
          p: isTested ? twelveDigits(twoSidedP(row.z)) : null,
          n_accounts: row.n_accounts,
          n_churned: row.n_churned,
        };
      }),
    );
  },
};
