/** How many accounts in the worst band came back, in words. */
import type { Query } from "../warehouse/database.ts";

export interface Recovery {
  readonly scorecard: string;
  readonly version: number;
  readonly n_spells: number;
  readonly n_accounts: number;
  readonly n_matured: number;
  readonly recovered_share: number | null;
  readonly recovered_low: number | null;
  readonly recovered_high: number | null;
  readonly left_share: number | null;
  readonly left_low: number | null;
  readonly left_high: number | null;
  readonly median_days_red: number | null;
}

/** validation.recovery of the scorecards that are assigned, in the order of assignment. */
export const readRecovery = (query: Query): Promise<readonly Recovery[]> =>
  query<Recovery>(
    `select r.scorecard, r.version, r.n_spells, r.n_accounts, r.n_matured, r.recovered_share, r.recovered_low, r.recovered_high,
       r.left_share, r.left_low, r.left_high, r.median_days_red
     from validation.recovery as r
     inner join scores.scorecard as c on c.scorecard = r.scorecard and c.version = r.version and c.is_assigned
     order by c.assign_order, r.scorecard, r.version`,
  );

const percent = (rate: number | null): string => (rate === null ? "not known" : `${Math.round(rate * 100)} %`);

/** "Of 5362 times that an account became red ..., 68 % came back within 180 days (67 % to 70 %)". */
export function recoveryInWords(row: Recovery): string {
  const name = `${row.scorecard} v${row.version}`;
  if (row.recovered_share === null)
    return `${name}: ${row.n_spells} times in the worst band, none with 180 days and 28 more behind it: cannot tell yet.`;
  const median =
    row.median_days_red === null
      ? ""
      : `; half of those that came back took at most ${Math.round(row.median_days_red)} days`;
  return (
    `${name}: of ${row.n_matured} times that an account was in the worst band and whose first 180 days are over (${row.n_accounts} accounts in all), ` +
    `${percent(row.recovered_share)} came back out of it within them (${percent(row.recovered_low)} to ${percent(row.recovered_high)}) and ` +
    `${percent(row.left_share)} left first (${percent(row.left_low)} to ${percent(row.left_high)})${median}.`
  );
}
