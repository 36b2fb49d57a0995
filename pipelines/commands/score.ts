import { usageError } from "../lib/errors.ts";
import { scoreRows } from "../scores/preview.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { describeLeaveOut, leaveOneOut } from "./leave-one-out.ts";
import { previewDraft } from "./preview-draft.ts";
import { formatTable } from "./table.ts";
import { isDraftFile, openWorkbench, versionOf } from "./workbench.ts";

/**
 * Scores of a release: every account in a table, or one account with the parts of its score. A scorecard file instead of
 * the name of one previews a draft; `leaveOneOut` says what each KPI does for the scorecard.
 */
export async function score(
  context: Context,
  name: string,
  options: BookOptions & {
    readonly account?: string;
    readonly at?: string;
    readonly scorecard?: string;
    readonly leaveOneOut?: boolean;
    readonly json?: boolean;
  },
): Promise<void> {
  const { scorecard: named } = options;
  if (options.leaveOneOut && options.account !== undefined) {
    throw usageError(
      "found --leave-one-out beside --account, expected one of them: leaving KPIs out is about all accounts",
    );
  }
  if (named !== undefined && isDraftFile(named)) return previewDraft(context, name, { ...options, scorecard: named });
  if (options.leaveOneOut) return leaveOut(context, name, options);
  const { book, database } = await openRelease(context, name, options);
  try {
    const { account, at, scorecard } = options;
    const rows = await scoreRows({ query: database.query, account, at, scorecard });
    if (rows.length === 0) {
      throw usageError(
        `${book.book} has no scorecard in force`,
        book.compare.length > 0 ? `name one: --scorecard ${book.compare[0]}` : "add one to 'scorecards:' in assay.yaml",
      );
    }
    if (options.json) context.print(JSON.stringify(rows, null, 2));
    else if (account === undefined) {
      context.print(
        formatTable(
          rows.map((row) => ({
            account: row.account_id,
            band: row.band,
            score: row.score,
            low: row.score_low,
            high: row.score_high,
            coverage: `${Math.round(row.coverage * 100)} %`,
          })),
        ),
      );
    } else {
      for (const row of rows) {
        const head = `${row.account_id}, ${row.scorecard} v${row.version} on ${row.snapshot_date}: ${row.words}`;
        context.print([head, ...row.parts.map((part) => `  ${part.words}`)].join("\n"));
      }
    }
  } finally {
    database.close();
  }
}

/** Leave-one-out of a version of the release: the named one, else the newest of the first that is assigned. */
async function leaveOut(
  context: Context,
  name: string,
  options: BookOptions & { readonly scorecard?: string; readonly json?: boolean },
): Promise<void> {
  const bench = await openWorkbench(context, name, options);
  try {
    const card = await versionOf(bench, options.scorecard);
    const left = await leaveOneOut(bench, card);
    const head = `${card.file} without each of its KPIs:`;
    context.print(options.json ? JSON.stringify(left, null, 2) : `${head}\n${describeLeaveOut(left)}`);
  } finally {
    bench.database.close();
  }
}
