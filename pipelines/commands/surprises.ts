import { exactMoney } from "../config/currency.ts";
import type { Query } from "../warehouse/database.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { formatTable, wrap } from "./table.ts";

interface Surprise {
  readonly kind: "green_churner" | "chronic_red";
  readonly account_id: string;
  readonly name: string | null;
  readonly owner: string | null;
  readonly since: string;
  readonly decided_on: string | null;
  readonly score_then: number;
  readonly band: string;
  readonly mrr_minor: number | null;
  readonly reason: string | null;
  readonly visible_then: string | null;
  readonly disposition: string | null;
  readonly said_by: string | null;
  readonly said_on: string | null;
  readonly is_counted: boolean;
}

interface SurpriseRate {
  readonly kind: "green_churner" | "chronic_red";
  readonly n_asked: number;
  readonly n: number;
  readonly n_answered: number;
  readonly n_counted: number;
  readonly share: number | null;
  readonly share_low: number | null;
  readonly share_high: number | null;
  readonly counted_share: number | null;
  readonly counted_low: number | null;
  readonly counted_high: number | null;
}

export interface SurprisesAnswer {
  readonly as_of: string;
  readonly currency: string;
  readonly rates: readonly (SurpriseRate & { readonly sentence: string })[];
  /** What people answered, per kind. */
  readonly dispositions: readonly {
    readonly kind: string;
    readonly disposition: string;
    readonly n: number;
    readonly is_counted: boolean;
  }[];
  readonly surprises: readonly Surprise[];
}

export async function readSurprises(query: Query): Promise<SurprisesAnswer> {
  const [facts] = await query<{ as_of: string; currency: string }>("select as_of, currency from meta.params");
  const rates = await query<SurpriseRate>(
    "select kind, n_asked, n, n_answered, n_counted, share, share_low, share_high, counted_share, counted_low, counted_high from validation.surprise_rate order by kind desc",
  );
  return {
    as_of: facts?.as_of ?? "",
    currency: facts?.currency ?? "",
    rates: rates.map((rate) => ({ ...rate, sentence: surpriseInWords(rate) })),
    dispositions: await query(
      "select kind, disposition, count(*) as n, bool_and(is_counted) as is_counted from marts.surprise where disposition is not null group by kind, disposition order by kind desc, n desc, disposition",
    ),
    surprises: await query(
      `select kind, account_id, name, owner, since, decided_on, score_then, band, mrr_minor, reason, visible_then, disposition, said_by, said_on, is_counted
       from marts.surprise order by kind desc, disposition is not null, mrr_minor desc nulls last, account_id`,
    ),
  };
}

const percent = (rate: number | null): string => (rate === null ? "not known" : `${(rate * 100).toFixed(1)} %`);

/** One sentence with n, interval, and what the answers of people changed. */
export function surpriseInWords(r: SurpriseRate): string {
  const what =
    r.kind === "green_churner"
      ? ["accounts that left and had a score by then", "were in the best band at the last snapshot before the gap"]
      : ["accounts in the worst band now", "were in it at every snapshot of the last 180 days, and decided nothing"];
  if (r.n_asked === 0) return `No ${what[0]}.`;
  const answered =
    r.n_answered === 0
      ? "nobody has said why yet"
      : `${r.n_answered} answered; counted against the score: ${r.n_counted}, ${percent(r.counted_share)} (${percent(r.counted_low)} to ${percent(r.counted_high)})`;
  return `Of ${r.n_asked} ${what[0]}, ${r.n} (${percent(r.share)}, ${percent(r.share_low)} to ${percent(r.share_high)}) ${what[1]}; ${answered}.`;
}

/** The accounts that the score got wrong, and what people said of them. */
export async function surprises(
  context: Context,
  name: string,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { database } = await openRelease(context, name, options);
  try {
    const answer = await readSurprises(database.query);
    context.print(options.json ? JSON.stringify(answer, null, 2) : describeSurprises(answer));
  } finally {
    database.close();
  }
}

const shownRows = 10;
/** Answers are read on a terminal of 80 columns. */
const width = 80;

export function describeSurprises(answer: SurprisesAnswer): string {
  const titles = { green_churner: "LEFT FROM THE BEST BAND", chronic_red: "RED FOR LONG" } as const;
  const parts = answer.rates.map((rate) => {
    const rows = answer.surprises.filter(({ kind }) => kind === rate.kind);
    const table = formatTable(
      rows.slice(0, shownRows).map((row) => ({
        account: row.account_id,
        name: row.name ?? "",
        since: row.since,
        ...(rate.kind === "green_churner" ? { decided: row.decided_on } : {}),
        score: Math.round(row.score_then * 10) / 10,
        "a month": row.mrr_minor === null ? "" : exactMoney(row.mrr_minor, answer.currency),
        answer: row.disposition ?? "",
      })),
      undefined,
      width - 2,
    );
    return [
      titles[rate.kind],
      `  ${wrap(rate.sentence, width - 2, "  ")}`,
      ...(rows.length === 0 ? [] : [table.replaceAll(/^/gm, "  ")]),
      ...(rows.length > shownRows ? [`  and ${rows.length - shownRows} more`] : []),
    ].join("\n");
  });
  return [
    ...parts,
    wrap(
      "Write into `disposition` of out/surprises.csv what you know (docs/scorecards.md), and hand the file back as a source of entity disposition.",
      width,
      "",
    ),
  ].join("\n\n");
}
