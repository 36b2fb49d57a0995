/** Bands that a person set: which of them holds where, and what became of each line of the file. */
import { sql } from "kysely";
import type { AppliedScorecard } from "../config/scorecard.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { cardTable } from "./card.ts";
import { column, idColumns, table, unionOf } from "./nodes.ts";

const columns = [
  ["account_id", "varchar"],
  ["snapshot_date", "date"],
  ["scorecard", "varchar"],
  ["version", "integer"],
  ["band", "varchar"],
  ["band_without", "varchar"],
  ["author", "varchar"],
  ["reason", "varchar"],
  ["from_on", "date"],
  ["expires_on", "date"],
] as const;

/**
 * `scores.account_override`: the override that holds for an account at s, for the scorecard in force and only if that has
 * such a band. Of several the one that started last, then the one that was written last. `band_without` is the band of
 * the score, gate included.
 */
export function accountOverride(cards: readonly AppliedScorecard[], hasOverrides: boolean): Model {
  const assigned = cards.filter(({ assign_order }) => hasOverrides && assign_order !== null);
  const selects = assigned.map((applied) =>
    compile(
      builder
        .with("holding", (db) =>
          db
            .selectFrom(`${cardTable(applied)} as c`)
            .innerJoin("staging.override as o", (join) => join.onRef("o.account_id", "=", "c.account_id"))
            .select([
              ...["account_id", "snapshot_date"].map((name) => sql.ref(`c.${name}`).as(name)),
              ...idColumns(applied.card),
              ...["band", "author", "reason", "from_on", "expires_on"].map((name) => sql.ref(`o.${name}`).as(name)),
              sql.ref("c.band").as("band_without"),
              sql`row_number() over (partition by c.account_id, c.snapshot_date order by o.from_on desc, o.visible_on desc, o.line_no desc, o.source desc)`.as(
                "place",
              ),
            ])
            .where(sql<boolean>`c.is_in_force`)
            .where(sql<boolean>`o.visible_on <= c.snapshot_date`)
            .where(sql<boolean>`(o.superseded_on is null or c.snapshot_date < o.superseded_on)`)
            .where(sql<boolean>`o.from_on <= c.snapshot_date`)
            .where(sql<boolean>`(o.expires_on is null or c.snapshot_date < o.expires_on)`)
            .where(sql<boolean>`o.band in (${sql.join(applied.card.bands.list.map(({ id }) => id))})`),
        )
        .selectFrom("holding")
        .select(columns.map(([name]) => column(name)))
        .where(sql<boolean>`place = 1`),
    ),
  );
  return table(
    unionOf(
      selects.map((select) => `select * from (\n${select}\n) as t`),
      columns,
    ),
    {
      name: "scores.account_override",
      grain: ["account_id", "snapshot_date"],
      depends: selects.length > 0 ? [...assigned.map(cardTable), "staging.override"] : [],
    },
  );
}

/**
 * `scores.override_state`: what became of each line that was ever in the file, at the newest scored snapshot. `state` is
 * `applies`; `not_yet` (from_on lies ahead); `expired`; `withdrawn` (the line was changed or deleted); `replaced` (another
 * one of the account holds); `not_scored` (the account has no scorecard in force then); `unknown_account` (in no export);
 * `unknown_band` (the scorecard in force has no such band).
 */
export function overrideState(cards: readonly AppliedScorecard[], hasOverrides: boolean): Model {
  const bands = cards.flatMap(({ card }) =>
    card.bands.list.map(({ id }) => [card.scorecard, card.version, id] as const),
  );
  const name = "scores.override_state";
  const grain = ["account_id", "from_on", "visible_on", "line_no"];
  const shape = [
    ["account_id", "varchar"],
    ["band", "varchar"],
    ["from_on", "date"],
    ["expires_on", "date"],
    ["reason", "varchar"],
    ["author", "varchar"],
    ["visible_on", "date"],
    ["superseded_on", "date"],
    ["line_no", "bigint"],
    ["source", "varchar"],
    ["scorecard", "varchar"],
    ["version", "integer"],
    ["state", "varchar"],
  ] as const;
  if (!hasOverrides) return table(unionOf([], shape), { name, grain, depends: [] });
  const bandList = unionOf(
    bands.map(([scorecard, version, band]) =>
      compile(
        builder.selectNoFrom([
          sql`${scorecard}`.as("scorecard"),
          sql`${version}`.as("version"),
          sql`${band}`.as("band"),
        ]),
      ),
    ),
    [
      ["scorecard", "varchar"],
      ["version", "integer"],
      ["band", "varchar"],
    ],
  );
  return table(
    `with newest as (
  select max(snapshot_date) as snapshot_date from spine.account_snapshot where is_scored
),
in_force as (
  select i.account_id, i.in_force_scorecard as scorecard, i.in_force_version as version
  from scores.account_input as i
  inner join newest on newest.snapshot_date = i.snapshot_date
  where i.in_force_scorecard is not null
),
card_band as (
${bandList}
),
known as (
  select distinct account_id from staging.account where account_id is not null
)
select
  o.account_id,
  o.band,
  o.from_on,
  o.expires_on,
  o.reason,
  o.author,
  o.visible_on,
  o.superseded_on,
  o.line_no,
  o.source,
  in_force.scorecard,
  cast(in_force.version as integer) as version,
  case
    when o.superseded_on <= newest.snapshot_date then 'withdrawn'
    when known.account_id is null then 'unknown_account'
    when in_force.scorecard is not null and card_band.band is null
      or not exists (select 1 from card_band as any_band where any_band.band = o.band) then 'unknown_band'
    when o.expires_on <= newest.snapshot_date then 'expired'
    when o.from_on > newest.snapshot_date or o.visible_on > newest.snapshot_date then 'not_yet'
    when in_force.scorecard is null then 'not_scored'
    when holds.band = o.band and holds.from_on = o.from_on and holds.author = o.author
      and holds.reason is not distinct from o.reason and holds.expires_on is not distinct from o.expires_on then 'applies'
    else 'replaced'
  end as state
from staging.override as o
cross join newest
left join known on known.account_id = o.account_id
left join in_force on in_force.account_id = o.account_id
left join card_band
  on card_band.scorecard = in_force.scorecard and card_band.version = in_force.version and card_band.band = o.band
left join scores.account_override as holds
  on holds.account_id = o.account_id and holds.snapshot_date = newest.snapshot_date`,
    {
      name,
      grain,
      depends: [
        "scores.account_input",
        "scores.account_override",
        "spine.account_snapshot",
        "staging.account",
        "staging.override",
      ],
    },
  );
}
