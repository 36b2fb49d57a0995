/**
 * Tables whose shape says more than their names: movements of recurring revenue (new, expansion, contraction, churn), the history of an account's
 * status, and versions of a row with the days from and to which each held.
 */
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { type Kind, squeeze } from "./kinds.ts";
import type { Profile } from "./profile.ts";

/** What happened to the revenue or the status of accounts, a row each; the texts of `kind` by what they say. */
export interface Movements {
  readonly isMoney: boolean;
  readonly kind: string;
  readonly day: string;
  readonly account: string;
  readonly starts: readonly string[];
  readonly ends: readonly string[];
  readonly returns: readonly string[];
  /** Nearly every account has its start among the rows. */
  readonly hasStarts: boolean;
}

const isStart = (text: string): boolean => /^(new|neu|nov[oa]|nouveau|initial|start)/.test(text);
/** States that a table of their history gives an account. */
const isState = (text: string): boolean =>
  /^(active|aktiv|ativo|activo|actif|live|paying|trial|onboarding|customer)/.test(text);
const isEnd = (text: string): boolean => /churn|cancel|lost|kuend|terminat|perdid/.test(text) && !/partial/.test(text);
const isReturn = (text: string): boolean => /reactiv|resurrect|winback|reaktiv|returned/.test(text);
const isOther = (text: string): boolean => /expan|upgrade|upsell|contraction|downgrade|downsell/.test(text);

/** Null where a table holds no movements. `name`: its sample; `file`: the name of its file. */
export async function movementsIn(
  database: Database,
  name: string,
  file: string,
  profiles: readonly Profile[],
  kinds: readonly Kind[],
  isAccount: (column: string) => boolean,
): Promise<Movements | null> {
  const hasMoney = profiles.some(
    (profile, i) =>
      kinds[i]?.isNumber === true && /mrr|arr|revenue|amount|umsatz|betrag|receita/.test(squeeze(profile.name)),
  );
  const account = profiles.find(({ name: column }) => isAccount(column));
  const day = profiles.find((profile, i) => kinds[i]?.time != null && profile.distinct > 1);
  if (account === undefined || day === undefined) return null;
  // A contract has a status, too, and says from when to when; a history says when it changed.
  const isHistory =
    !hasMoney &&
    kinds.filter(({ time, isEmpty }) => time !== null && !isEmpty).length === 1 &&
    /hist|chang|transition|verlauf/.test(squeeze(`${file} ${day.name}`)) &&
    account.distinct < 0.9 * account.filled;
  if (!hasMoney && !isHistory) return null;
  for (const { name: kind, common, distinct } of profiles) {
    if (distinct < 2 || distinct > 12) continue;
    const those = (is: (text: string) => boolean): readonly string[] => common.filter((text) => is(squeeze(text)));
    const [starts, returns] = [those(isStart), those(isReturn)];
    const ends = those(isEnd).filter((text) => !returns.includes(text));
    if (ends.length === 0 || (isHistory ? those(isState) : [...starts, ...those(isOther)]).length === 0) continue;
    if (isHistory)
      return {
        isMoney: false,
        kind,
        day: day.name,
        account: account.name,
        starts: [],
        ends,
        returns,
        hasStarts: false,
      };
    const [found] = await database.query<{ n: number; started: number }>(
      `select count(distinct ${quoteIdentifier(account.name)}) as n,
         count(distinct case when ${quoteIdentifier(kind)} in (${[...starts, ""].map(literal).join(", ")}) then ${quoteIdentifier(account.name)} end) as started
       from ${name}`,
    );
    const hasStarts = found !== undefined && found.started >= 0.95 * found.n;
    return { isMoney: true, kind, day: day.name, account: account.name, starts, ends, returns, hasStarts };
  }
  return null;
}

/** A table that keeps every version of a row: the filter of those that hold today, and the columns that say when a version held. */
export interface Versions {
  readonly keep: Readonly<Record<string, readonly string[]>>;
  readonly spans: readonly string[];
}

const flag = /^(dbt|is|row|record)*(current|latest)(record|row|version)?(flag|ind|indicator)?$/;
const span = /^(dbt|row|record|scd|version)?(valid|effective|start|end)(from|to|date|at|on|until|time|ts)?$/;
const ownSpan = /^(dbt|row|record|scd|version)(valid|effective)/;

/** Null where rows are no versions: a table without a flag of the current ones, and without the columns that dbt's snapshots have. */
export function versionsOf(profiles: readonly Profile[], kinds: readonly Kind[]): Versions | null {
  const isTime = (i: number): boolean => kinds[i]?.time != null || kinds[i]?.isEmpty === true;
  const named = profiles.filter(({ name }, i) => isTime(i) && span.test(squeeze(name)));
  const current = profiles.find((profile, i) => kinds[i]?.isBoolean === true && flag.test(squeeze(profile.name)));
  if (current !== undefined && named.length > 0) {
    const yes = current.common.filter((text) => /^(true|t|yes|y|1|on)$/i.test(text));
    const spans = named.filter(({ name }) => /valid|effective/.test(squeeze(name))).map(({ name }) => name);
    if (yes.length > 0 && spans.length > 0) return { keep: { [current.name]: yes }, spans };
  }
  const own = named.filter(({ name }) => ownSpan.test(squeeze(name)));
  const end = own.find(({ name }) => /to$|until$/.test(squeeze(name)));
  if (own.length < 2 || end === undefined) return null;
  return {
    keep: { [end.name]: end.filled < end.rows ? [""] : end.common.filter((text) => text.startsWith("9999")) },
    spans: own.map(({ name }) => name),
  };
}
