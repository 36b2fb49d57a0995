import { join } from "node:path";
import { guardRailError } from "../lib/errors.ts";
import { currentName, findCurrentRelease, readLastRun } from "../publish/release.ts";
import { expiredSentence } from "../scores/lint.ts";
import { signOffs } from "./audit-scorecards.ts";
import { cardStates, noUseSentence } from "./card-state.ts";
import { type BookOptions, type Context, openBook, openRelease } from "./context.ts";
import { lastReportFile, readReport } from "./report.ts";

/** One line for monitors: which release readers see and how old its data is. Exit 5 when there is none, or when a scorecard in force has an expired sign-off or no use. */
export async function status(
  context: Context,
  name: string,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { book, state } = await openBook(context, name, options);
  if ((await findCurrentRelease(state)) === null) {
    const gone = await currentName(state);
    throw guardRailError(
      gone === null ? `${book.book} has no release yet` : `the current release of ${book.book} is gone: ${gone}`,
      `run 'npx assay refresh ${name}'`,
    );
  }
  const { release, database } = await openRelease(context, name, options);
  try {
    const [facts] = await database.query<{ kpis: number; early_warnings: number; rejected: number; accounts: number }>(`
      select
        (select count(*) from features.kpi_definition) as kpis,
        (select count(*) from validation.kpi_verdict where verdict = 'predicts' and group_kind = 'all'
          and definition = (select primary_definition from meta.params)) as early_warnings,
        (select cast(coalesce(sum(rows_rejected), 0) as bigint) from meta.delivery) as rejected,
        (select count(*) from spine.account_snapshot where snapshot_date = (select as_of from meta.release)) as accounts`);
    const { as_of, release_id, built_at } = release.manifest;
    const age = Math.floor((context.now().getTime() - Date.parse(`${as_of}T00:00:00Z`)) / 86_400_000);
    const lastRun = await readLastRun(state);
    const lastReport = await readReport(lastReportFile(state));
    const report = join(state, "current", "report.json");
    const since = (await readReport(report))?.since_last_release;
    const changed =
      since === undefined || since === null
        ? null
        : {
            release_id: since.release_id,
            as_of: since.as_of,
            verdicts: since.verdicts.length,
            bands: since.bands.reduce((sum, { accounts }) => sum + accounts, 0),
            report,
          };
    const [oldest] = await database.query<{ source: string; last_day: string }>(
      "select source, cast(last_day as varchar) as last_day from marts.data_source where is_read order by last_day, source limit 1",
    );
    const expired = (await signOffs(database.query, context.now())).filter(({ is_expired }) => is_expired);
    const states = await cardStates(database.query);
    const useless = states.filter(({ state }) => state === "no use");
    const answer = {
      book: book.book,
      release_id,
      as_of,
      age_days: age,
      built_at,
      ...facts,
      /** Of the sources that KPIs and the list of paying accounts rest on. */
      oldest_source: oldest ?? null,
      /** How many labels, and accounts in another band, came with this release; `report` names the labels. */
      since_last_release: changed,
      last_run: lastRun,
      last_run_seconds: lastReport?.seconds ?? null,
      memory_peak_mb: lastReport?.memory_peak_mb ?? null,
      expired_sign_offs: expired.map(({ scorecard, version, valid_until }) => ({ scorecard, version, valid_until })),
      scorecards: states,
    };
    context.print(
      options.json
        ? JSON.stringify(answer)
        : `${book.book}: release ${release_id.slice(0, 12)}, data to ${as_of} (${age} days ago), ${facts?.accounts} paying accounts, ` +
            `${facts?.kpis} KPIs, ${facts?.early_warnings} early warnings, ${facts?.rejected} rows rejected` +
            (oldest === undefined ? "" : `, oldest source ${oldest.source} (${oldest.last_day})`) +
            (changed === null
              ? ""
              : `, ${changed.verdicts} ${changed.verdicts === 1 ? "verdict" : "verdicts"} and ${changed.bands} ${changed.bands === 1 ? "account's band" : "accounts' bands"} changed with it (${changed.report})`) +
            (lastRun?.outcome === "failed"
              ? `, and the last refresh failed at ${lastRun.at.slice(0, 16).replace("T", " ")} (exit ${lastRun.exit_code}: ${lastRun.error})`
              : "") +
            (expired.length === 0
              ? ""
              : `, ${expired.length} expired ${expired.length === 1 ? "sign-off" : "sign-offs"}`) +
            (useless.length === 0
              ? ""
              : `, ${useless.length} ${useless.length === 1 ? "scorecard" : "scorecards"} of no use`),
    );
    const [first] = expired;
    if (first !== undefined) {
      throw guardRailError(
        `${book.book}: ${expiredSentence(`${first.scorecard} v${first.version}`, first.valid_until)}`,
        `run 'npx assay audit ${name}' for what to do`,
      );
    }
    const [bad] = useless;
    if (bad !== undefined) {
      throw guardRailError(
        `${book.book}: ${noUseSentence(bad)}`,
        `run 'npx assay backtest ${name}' for what history says`,
      );
    }
  } finally {
    database.close();
  }
}
