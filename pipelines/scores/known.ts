/** Accounts whose health somebody knows, as a test of every version of every scorecard. */
import { sql } from "kysely";
import type { AppliedScorecard } from "../config/scorecard.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { cardTable } from "./card.ts";
import { column, idColumns, table, unionOf } from "./nodes.ts";

const columns = [
  ["account_id", "varchar"],
  ["expected_band", "varchar"],
  ["said_by", "varchar"],
  ["said_on", "date"],
  ["line_no", "bigint"],
  ["source", "varchar"],
  ["scorecard", "varchar"],
  ["version", "integer"],
  ["snapshot_date", "date"],
  ["score", "decimal(18,6)"],
  ["coverage", "decimal(18,6)"],
  ["band", "varchar"],
  ["gated_by", "varchar"],
  ["state", "varchar"],
] as const;

/**
 * `scores.known_account`: one row for each line of the file as it stands now and each version of a scorecard. The band is that
 * of the score, gate included and overrides aside, at the first scored snapshot on or after `said_on`; without such a date
 * at the newest. `state`: `agrees`, `disagrees`, `no_score` (below the coverage floor), `not_paying` (no scored snapshot of
 * the account then), `other_scorecard` (the book gives the account another one then), `unknown_band` (the scorecard has
 * no such band), `unknown_account` (in no export; its scorecard is null).
 */
export function knownAccount(cards: readonly AppliedScorecard[], hasKnown: boolean): Model {
  const name = "scores.known_account";
  const grain = ["source", "line_no", "scorecard", "version"];
  if (!hasKnown) return table(unionOf([], columns), { name, grain, depends: [] });
  const cardScores = unionOf(
    cards.map((applied) =>
      compile(
        builder
          .selectFrom(cardTable(applied))
          .select([
            ...["account_id", "snapshot_date"].map(column),
            ...idColumns(applied.card),
            ...["score", "coverage", "band", "gated_by"].map(column),
          ])
          .where(sql<boolean>`account_id in (select account_id from said)`),
      ),
    ),
    [["account_id", "varchar"], ["snapshot_date", "date"], ...columns.slice(6, 8), ...columns.slice(9, 13)],
  );
  const cardBands = unionOf(
    cards.flatMap(({ card, assign_order }) =>
      card.bands.list.map(({ id }) =>
        compile(
          builder.selectNoFrom([
            ...idColumns(card),
            sql`${assign_order !== null}`.as("is_assigned"),
            sql`${id}`.as("band"),
          ]),
        ),
      ),
    ),
    [...columns.slice(6, 8), ["is_assigned", "boolean"], ["band", "varchar"]],
  );
  return table(
    `with day as (
  select distinct snapshot_date from spine.account_snapshot where is_scored
),
newest as (
  select max(snapshot_date) as snapshot_date from day
),
said as (
  select
    k.account_id,
    k.expected_band,
    k.said_by,
    k.said_on,
    k.line_no,
    k.source,
    coalesce((select min(day.snapshot_date) from day where day.snapshot_date >= k.said_on), newest.snapshot_date) as snapshot_date
  from staging.known_account as k
  cross join newest
  where k.visible_on <= newest.snapshot_date and (k.superseded_on is null or newest.snapshot_date < k.superseded_on)
),
card_score as (
${cardScores}
),
card_band as (
${cardBands}
),
version as (
  select distinct scorecard, version, is_assigned from card_band
),
known as (
  select distinct account_id from staging.account where account_id is not null
)
select
  said.account_id,
  said.expected_band,
  said.said_by,
  said.said_on,
  said.line_no,
  said.source,
  version.scorecard,
  cast(version.version as integer) as version,
  said.snapshot_date,
  card_score.score,
  card_score.coverage,
  card_score.band,
  card_score.gated_by,
  case
    when version.scorecard is null then 'unknown_account'
    when not exists (
      select 1 from card_band
      where card_band.scorecard = version.scorecard and card_band.version = version.version
        and card_band.band = said.expected_band
    ) then 'unknown_band'
    when card_score.account_id is null then 'not_paying'
    when version.is_assigned and i.in_force_scorecard is not null and i.in_force_scorecard <> version.scorecard then 'other_scorecard'
    when card_score.score is null then 'no_score'
    when card_score.band = said.expected_band then 'agrees'
    else 'disagrees'
  end as state
from said
left join known on known.account_id = said.account_id
left join version on known.account_id is not null
left join card_score
  on card_score.account_id = said.account_id
  and card_score.snapshot_date = said.snapshot_date
  and card_score.scorecard = version.scorecard
  and card_score.version = version.version
left join scores.account_input as i
  on i.account_id = said.account_id and i.snapshot_date = said.snapshot_date`,
    {
      name,
      grain,
      depends: [
        ...cards.map(cardTable),
        "scores.account_input",
        "spine.account_snapshot",
        "staging.account",
        "staging.known_account",
      ],
    },
  );
}
