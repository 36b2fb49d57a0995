/** What changed for the accounts of each owner: newly red, new flags, falls, renewals ahead, plays to begin. */
import { exactMoney } from "../config/currency.ts";
import type { Query } from "../warehouse/database.ts";
import { markdownTable, markdownText, ownerFile } from "./markdown.ts";

/** A fall of so many points in 28 days, at one version of the scorecard, is told. */
export const fallOf = 10;
/** Renewals of so many days ahead. */
export const renewalDays = 90;

export interface DigestAccount {
  readonly account_id: string;
  readonly name: string | null;
  readonly owner: string | null;
  readonly score: number | null;
  readonly band: string;
  readonly week_band: string | null;
  readonly month_score: number | null;
  readonly change_28d: number | null;
  readonly mrr_minor: number | null;
  readonly renews_on: string | null;
  readonly days_to_renewal: number | null;
  readonly days_in_band: number | null;
  readonly new_flags: string | null;
  /** The KPIs that give fewer points than at month_on, the two that fell most; null where none does or the days do not compare. */
  readonly fell_most: string | null;
  readonly is_red: boolean;
  readonly is_newly_red: boolean;
}

export interface DigestPlay {
  readonly account_id: string;
  readonly name: string | null;
  readonly owner: string | null;
  readonly play: string;
  readonly label: string;
  readonly due_on: string;
  readonly state: string;
}

export interface Digest {
  readonly owner: string | null;
  readonly file: string;
  readonly as_of: string;
  readonly week_on: string | null;
  readonly month_on: string | null;
  readonly currency: string;
  readonly n_accounts: number;
  readonly n_red: number;
  /** Minor units; accounts whose money is not known add nothing. */
  readonly mrr_minor: number;
  readonly newly_red: readonly DigestAccount[];
  readonly new_flags: readonly DigestAccount[];
  readonly fell: readonly DigestAccount[];
  readonly renewals: readonly DigestAccount[];
  readonly plays: readonly DigestPlay[];
}

/** One digest an owner, by name; accounts without an owner last. Most money first, renewals by date, plays by due date. */
export async function readDigests(query: Query): Promise<readonly Digest[]> {
  const [facts] = await query<{ as_of: string; currency: string; week_on: string | null; month_on: string | null }>(
    "select p.as_of, p.currency, (select max(week_on) from marts.portfolio_account) as week_on, (select max(month_on) from marts.portfolio_account) as month_on from meta.params as p",
  );
  if (facts === undefined) return [];
  const accounts = await query<DigestAccount>(
    `with fall as (
       select account_id,
         string_agg(label || ' ' || printf('%.1f', change) || case when is_known_now then '' else ' (not known now)' end, '; ' order by fall_no)
           as fell_most
       from marts.part_fall
       where fall_no <= 2 and change <= -0.05
       group by account_id
     )
     select n.account_id, n.name, n.owner, n.score, n.band, n.week_band, n.month_score, n.change_28d, n.mrr_minor, n.renews_on, n.days_to_renewal,
       n.days_in_band, n.new_flags, f.fell_most, n.is_red, n.is_newly_red
     from marts.portfolio_account as n
     left join fall as f on f.account_id = n.account_id
     order by n.mrr_minor desc nulls last, n.account_id`,
  );
  const plays = await query<DigestPlay>(
    `select d.account_id, d.name, d.owner, d.play, p.label, d.due_on, d.state
     from marts.play_due as d inner join marts.play as p on p.play = d.play
     where d.state <> 'started'
     order by d.due_on, d.mrr_minor desc nulls last, d.account_id, d.play_no`,
  );
  const owners = [...new Set([...accounts, ...plays].map(({ owner }) => owner))].sort((a, b) =>
    a === null ? 1 : b === null ? -1 : a < b ? -1 : 1,
  );
  const accountsOf = grouped(accounts);
  const playsOf = grouped(plays);
  return owners.map((owner) => {
    const own = accountsOf.get(owner) ?? [];
    return {
      owner,
      file: ownerFile(owner),
      as_of: facts.as_of,
      week_on: facts.week_on,
      month_on: facts.month_on,
      currency: facts.currency,
      n_accounts: own.length,
      n_red: own.filter(({ is_red }) => is_red).length,
      mrr_minor: own.reduce((sum, { mrr_minor }) => sum + (mrr_minor ?? 0), 0),
      newly_red: own.filter(({ is_newly_red }) => is_newly_red),
      new_flags: own.filter(({ new_flags }) => new_flags !== null),
      fell: own.filter(({ change_28d }) => change_28d !== null && change_28d <= -fallOf),
      renewals: own
        .filter(({ days_to_renewal: days }) => days !== null && days >= 0 && days <= renewalDays)
        .sort((a, b) => (a.days_to_renewal as number) - (b.days_to_renewal as number)),
      plays: playsOf.get(owner) ?? [],
    };
  });
}

function grouped<Row extends { readonly owner: string | null }>(
  rows: readonly Row[],
): ReadonlyMap<string | null, readonly Row[]> {
  const groups = new Map<string | null, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.owner);
    if (group === undefined) groups.set(row.owner, [row]);
    else group.push(row);
  }
  return groups;
}

const shownScore = (score: number | null): string => (score === null ? "no score" : score.toFixed(1));

/** The digest as a Markdown file. */
export function digestMarkdown(digest: Digest): string {
  const { owner, as_of, week_on, month_on, currency, n_accounts, n_red, mrr_minor } = digest;
  const money = (minor: number | null): string =>
    minor === null ? "not known" : `${exactMoney(minor, currency)} ${currency}`;
  const cells = (a: DigestAccount): readonly string[] => [
    markdownText(a.account_id),
    markdownText(a.name),
    shownScore(a.score),
    markdownText(a.band),
    money(a.mrr_minor),
  ];
  const heads = ["account", "name", "score", "band", "a month"];
  const fewer = `fewer points than on ${month_on ?? "an earlier day"} from`;
  const part = (title: string, about: string, rows: readonly unknown[], table: () => string): string =>
    `## ${title}: ${rows.length}\n\n${about}\n${rows.length === 0 ? "\nNone.\n" : `\n${table()}\n`}`;
  return [
    `# ${owner === null ? "Accounts without an owner" : markdownText(owner)}, ${as_of}\n`,
    `${n_accounts} accounts pay ${money(mrr_minor)} a month; ${n_red} are in the worst band. A score orders attention: it does not say why, nor that an account will leave.\n`,
    part(
      "Newly red",
      week_on === null ? "No snapshot is a week old yet." : `In the worst band now and not on ${week_on}.`,
      digest.newly_red,
      () =>
        markdownTable(
          [...heads, "band then", fewer],
          digest.newly_red.map((a) => [
            ...cells(a),
            markdownText(a.week_band ?? "not paying"),
            markdownText(a.fell_most),
          ]),
        ),
    ),
    part(
      "New flags",
      week_on === null ? "No snapshot is a week old yet." : `Raised after ${week_on} and not snoozed.`,
      digest.new_flags,
      () =>
        markdownTable(
          [...heads, "flags"],
          digest.new_flags.map((a) => [...cells(a), markdownText(a.new_flags)]),
        ),
    ),
    part(
      `Fell ${fallOf} points or more`,
      month_on === null ? "No snapshot is 28 days old yet." : `Since ${month_on}, at one version of the scorecard.`,
      digest.fell,
      () =>
        markdownTable(
          [...heads, "score then", "change", fewer],
          digest.fell.map((a) => [
            ...cells(a),
            shownScore(a.month_score),
            (a.change_28d as number).toFixed(1),
            markdownText(a.fell_most),
          ]),
        ),
    ),
    part(`Renewals in ${renewalDays} days`, "By date.", digest.renewals, () =>
      markdownTable(
        [...heads, "renews on"],
        digest.renewals.map((a) => [...cells(a), a.renews_on ?? ""]),
      ),
    ),
    part("Plays to begin", "From plays.yaml; those that the exports show as begun are not listed.", digest.plays, () =>
      markdownTable(
        ["account", "name", "play", "due on", "state"],
        digest.plays.map((p) => [
          markdownText(p.account_id),
          markdownText(p.name),
          markdownText(p.label),
          p.due_on,
          p.state,
        ]),
      ),
    ),
  ].join("\n");
}
