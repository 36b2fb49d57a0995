/** What a draft would say of today's accounts, beside the scorecard in force. Nothing is written. */
import { wholeMoney } from "../config/currency.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";
import { distributionInWords, wholePercents } from "../scores/distribution.ts";
import { explainAccount, resolveSnapshot } from "../scores/explain.ts";
import { trendDays } from "../scores/trend.ts";
import { literal } from "../warehouse/literal.ts";
import type { BookOptions, Context } from "./context.ts";
import { describeExplanation } from "./explain.ts";
import { describeLeaveOut, leaveOneOut } from "./leave-one-out.ts";
import { formatTable } from "./table.ts";
import { buildScores, openWorkbench, readDraftFile, type Workbench } from "./workbench.ts";

export interface DraftPreview {
  readonly scorecard: string;
  readonly version: number;
  readonly file: string;
  readonly snapshot_date: string;
  readonly currency: string;
  /** Accounts that pay on that day and that `applies_to` takes. */
  readonly n_accounts: number;
  readonly n_elsewhere: number;
  /** "80 % above 6, 10 % 3-6, 10 % up to 3". */
  readonly sentence: string | null;
  readonly bands: readonly { band: string; accounts: number; mrr_minor: number; accounts_now: number }[];
  /** Against the band of the scorecard that is in force for each account. */
  readonly moved: readonly { from: string; to: string; accounts: number; mrr_minor: number }[];
}

export async function previewDraft(
  context: Context,
  name: string,
  options: BookOptions & {
    readonly scorecard: string;
    readonly account?: string;
    readonly at?: string;
    readonly leaveOneOut?: boolean;
    readonly json?: boolean;
  },
): Promise<void> {
  const bench = await openWorkbench(context, name, options);
  try {
    const draft = await readDraftFile(context, bench, options.scorecard);
    const id = `${draft.card.scorecard}@${draft.card.version}`;
    const date = await snapshotOf(bench, options);
    await buildScores(bench, [draft], datesFor(draft, date));
    if (options.account !== undefined) {
      const { account } = options;
      const answer = await explainAccount({
        query: bench.database.query,
        account,
        at: date,
        scorecard: id,
        draft: draft.file,
      });
      context.print(options.json ? JSON.stringify(answer, null, 2) : describeExplanation(answer));
      return;
    }
    const preview = await readPreview(bench, draft, date);
    const left = options.leaveOneOut ? await leaveOneOut(bench, draft) : null;
    if (options.json) {
      context.print(JSON.stringify(left === null ? preview : { ...preview, leave_one_out: left }, null, 2));
    } else {
      context.print([describePreview(preview), ...(left === null ? [] : ["", describeLeaveOut(left)])].join("\n"));
    }
  } finally {
    bench.database.close();
  }
}

/** The newest scored snapshot up to the date that was asked for; with an account one on which it pays. */
async function snapshotOf(
  { database }: Workbench,
  { account, at }: { readonly account?: string; readonly at?: string },
): Promise<string> {
  if (account !== undefined) return resolveSnapshot(database.query, account, at, "--at");
  const until = at === undefined ? "" : ` and snapshot_date <= date ${literal(at)}`;
  const found = await database.scalar<string>(
    `select cast(max(snapshot_date) as varchar) from spine.snapshot where is_scored${until}`,
  );
  // Without one there is nothing to preview, whatever the draft says.
  return found ?? (await resolveSnapshot(database.query, "", at, "--at"));
}

/** The snapshot, and what trend and points by slope look back at. */
function datesFor({ card }: AppliedScorecard, date: string): string {
  const entries = card.groups.flatMap(({ kpis, groups }) => kpis ?? (groups ?? []).flatMap((inner) => inner.kpis));
  const back = Math.max(trendDays, ...entries.map(({ points }) => points.slope?.days ?? 0));
  return `snapshot_date between date ${literal(date)} - ${back} and date ${literal(date)}`;
}

async function readPreview({ database }: Workbench, draft: AppliedScorecard, date: string): Promise<DraftPreview> {
  const { card } = draft;
  const rows = await database.query<{ band: string; now: string; applies: boolean; n: number; money: number }>(`
    select d.band, coalesce(f.band, 'no scorecard') as now, d.is_in_force as applies,
      count(*) as n, cast(coalesce(sum(a.mrr_minor), 0) as bigint) as money
    from scores.account_score as d
    inner join spine.account_snapshot as a on a.account_id = d.account_id and a.snapshot_date = d.snapshot_date
    left join release.scores.account_score as f
      on f.account_id = d.account_id and f.snapshot_date = d.snapshot_date and f.is_in_force
    where d.snapshot_date = date ${literal(date)}
    group by all
    order by all`);
  const own = rows.filter(({ applies }) => applies);
  const total = (list: readonly { readonly n: number }[]): number => list.reduce((all, { n }) => all + n, 0);
  const money = (list: readonly { readonly money: number }[]): number => list.reduce((all, row) => all + row.money, 0);
  const ids = [...card.bands.list.map(({ id }) => id)].reverse();
  const others = [...new Set(own.flatMap(({ band, now }) => [band, now]))].filter((id) => !ids.includes(id)).sort();
  const bands = [...ids, ...others].map((band) => ({
    band,
    accounts: total(own.filter((row) => row.band === band)),
    mrr_minor: money(own.filter((row) => row.band === band)),
    accounts_now: total(own.filter((row) => row.now === band)),
  }));
  const currency = await database.scalar<string>("select currency from meta.params");
  return {
    scorecard: card.scorecard,
    version: card.version,
    file: draft.file,
    snapshot_date: date,
    currency: currency ?? "",
    n_accounts: total(own),
    n_elsewhere: total(rows) - total(own),
    sentence: distributionInWords(card, new Map(bands.map(({ band, accounts }) => [band, accounts]))),
    bands,
    moved: own
      .filter(({ band, now }) => band !== now)
      .map(({ band, now, n, money: mrr_minor }) => ({ from: now, to: band, accounts: n, mrr_minor }))
      .sort((a, b) => b.accounts - a.accounts || (a.from < b.from ? -1 : 1)),
  };
}

export function describePreview(p: DraftPreview): string {
  const elsewhere =
    p.n_elsewhere === 0
      ? ""
      : `; ${p.n_elsewhere} ${p.n_elsewhere === 1 ? "other is" : "others are"} outside its applies_to`;
  const percents = wholePercents(p.bands.map(({ accounts }) => accounts));
  const money = `${p.currency} a month`;
  const moved = p.moved.reduce((all, { accounts }) => all + accounts, 0);
  return [
    `${p.scorecard} v${p.version}, a draft (${p.file}): ${p.n_accounts} ${p.n_accounts === 1 ? "account" : "accounts"} on ${p.snapshot_date}${elsewhere}`,
    p.sentence ?? "no account to score",
    "",
    formatTable(
      p.bands.map(({ band, accounts, mrr_minor, accounts_now }, i) => ({
        band,
        accounts,
        share: `${percents[i]} %`.padStart(5),
        [money]: wholeMoney(mrr_minor, p.currency).padStart(money.length),
        "in force now": accounts_now,
      })),
    ),
    "",
    moved === 0
      ? "no account moves to another band than the one in force"
      : `${moved} ${moved === 1 ? "account" : "accounts"} would be in another band than now:`,
    ...(moved === 0
      ? []
      : [
          formatTable(
            p.moved.slice(0, 12).map(({ from, to, accounts, mrr_minor }) => ({
              from,
              to,
              accounts,
              [money]: wholeMoney(mrr_minor, p.currency).padStart(money.length),
            })),
          ),
        ]),
    ...(p.moved.length > 12 ? [`and ${p.moved.length - 12} smaller groups: see --json`] : []),
  ].join("\n");
}
