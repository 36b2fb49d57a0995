/** What managers read: the portfolio, plays and what came after them, hierarchy, surprises. Account rows are theirs alone. */
import type { Book } from "../config/book.ts";
import type { Play } from "../config/plays.ts";
import { readModels } from "../models/header.ts";
import type { Model } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";

/** `marts.*` of sql/portfolio, and those that follow from the book's plays and settings. */
export const portfolioNodes = async (book: Pick<Book, "site">, plays: readonly Play[]): Promise<readonly Model[]> => [
  ...(await readModels("portfolio")),
  playTable(plays),
  playDue(plays),
  ownerBand(book.site.owner_bands),
];

const table = (
  sql: string,
  facts: Pick<Model, "name" | "grain" | "depends"> & { readonly params?: readonly string[] },
): Model => ({
  kind: "table",
  params: [],
  audits: [],
  portable: false,
  sql,
  ...facts,
});

const text = (value: string | null): string => `cast(${literal(value)} as varchar)`;
const list = (values: readonly string[]): string => `cast([${values.map(literal).join(", ")}] as varchar[])`;

/** marts.play: one row a play of the book, in the order of the file; steps are numbered lines. */
function playTable(plays: readonly Play[]): Model {
  const rows = plays.map(
    (play, i) =>
      `select ${i + 1} as play_no, ${literal(play.id)} as play, ${literal(play.label)} as label, ` +
      `${literal(conditionInWords(play))} as condition, ${literal(play.steps.map((step, n) => `${n + 1}. ${step}`).join("\n"))} as steps, ` +
      `${text(play.owner)} as owner, ${play.due_days} as due_days, ${literal(play.recorded_as)} as recorded_as`,
  );
  const none =
    "select cast(null as integer) as play_no, cast(null as varchar) as play, cast(null as varchar) as label, cast(null as varchar) as condition, " +
    "cast(null as varchar) as steps, cast(null as varchar) as owner, cast(null as integer) as due_days, cast(null as varchar) as recorded_as where false";
  return table(rows.length === 0 ? none : rows.join("\nunion all\n"), {
    name: "marts.play",
    grain: ["play"],
    depends: [],
  });
}

/** "red for 14 days, struggler". */
export function conditionInWords({ bands, archetypes, segments, days_in_band }: Play): string {
  const or = (values: readonly string[]): string => values.map((value) => value.replaceAll("_", " ")).join(" or ");
  const held = days_in_band === 0 ? "" : ` for ${days_in_band} days`;
  return [
    ...(bands.length === 0 ? [] : [`${or(bands)}${held}`]),
    ...(archetypes.length === 0 ? [] : [or(archetypes)]),
    ...(segments.length === 0 ? [] : [`in ${segments.join(" or ")}`]),
  ].join(", ");
}

/**
 * marts.play_due: one row for each paying account and play whose condition holds at as_of. `since`: the day on which it began to hold
 * (the first scored snapshot of the run in the band, and `days_in_band` after it; as_of for a play that only names an archetype,
 * which is known for today alone). `due_on`: `due_days` later. `state`: started (the exports record a play of that name since `since`, whatever the
 * case of its letters), else overdue (due before as_of), else due.
 */
function playDue(plays: readonly Play[]): Model {
  const wanted = plays
    .map(
      (play, i) =>
        `  (${i + 1}, ${literal(play.id)}, ${list(play.bands)}, ${list(play.archetypes)}, ${list(play.segments)}, ${play.days_in_band}, ${play.due_days}, ${text(play.owner)}, ${literal(play.recorded_as)})`,
    )
    .join(",\n");
  const byArchetype = plays.some(({ archetypes }) => archetypes.length > 0);
  const asked = byArchetype
    ? "left join marts.account_archetype as t\n    on t.account_id = a.account_id and t.snapshot_date = (select as_of from meta.params)"
    : "cross join (select cast(null as varchar) as archetype) as t";
  const values =
    plays.length === 0
      ? "select 0 as play_no, '' as play, cast([] as varchar[]) as bands, cast([] as varchar[]) as archetypes, cast([] as varchar[]) as segments, 0 as days_in_band, 0 as due_days, cast(null as varchar) as owner, '' as recorded_as where false"
      : `select * from (values\n${wanted}\n  ) as w (play_no, play, bands, archetypes, segments, days_in_band, due_days, owner, recorded_as)`;
  return table(
    `with wanted as (
  ${values}
),
held as (
  select
    w.play_no,
    w.play,
    w.recorded_as,
    w.due_days,
    coalesce(w.owner, a.owner) as owner,
    a.account_id,
    a.name,
    a.band,
    t.archetype,
    a.band_since,
    a.days_in_band,
    a.score,
    a.mrr_minor,
    a.renews_on,
    case when len(w.bands) = 0 then p.as_of else a.band_since + w.days_in_band end as since,
    p.as_of
  from wanted as w
  cross join marts.portfolio_account as a
  ${asked}
  cross join meta.params as p
  where (len(w.bands) = 0 or (list_contains(w.bands, a.band) and a.days_in_band >= w.days_in_band))
    and (len(w.archetypes) = 0 or coalesce(list_contains(w.archetypes, t.archetype), false))
    and (len(w.segments) = 0 or coalesce(list_contains(w.segments, a.segment), false))
),
begun as (
  select y.account_id, lower(trim(y.play)) as play, y.started_on
  from staging.play as y
  cross join meta.params as p
  where y.account_id is not null and y.visible_on <= p.as_of and (y.superseded_on is null or p.as_of < y.superseded_on)
    and y.started_on < p.as_of
),
joined as (
  select h.*, max(b.started_on) as started_on
  from held as h
  left join begun as b on b.account_id = h.account_id and b.play = lower(trim(h.recorded_as)) and b.started_on >= h.since
  group by all
)
select
  account_id,
  play,
  play_no,
  name,
  owner,
  band,
  archetype,
  band_since,
  days_in_band,
  score,
  mrr_minor,
  renews_on,
  since,
  since + due_days as due_on,
  started_on,
  case when started_on is not null then 'started' when since + due_days < as_of then 'overdue' else 'due' end as state
from joined`,
    {
      name: "marts.play_due",
      grain: ["account_id", "play"],
      depends: ["marts.portfolio_account", "staging.play", ...(byArchetype ? ["marts.account_archetype"] : [])],
      params: ["as_of"],
    },
  );
}

/**
 * marts.owner_band: how the paying accounts of each owner spread over the bands at as_of, with a 95 % Wilson interval, beside the
 * share over all owners. Without a row unless the book asks for it: who was given the hard accounts looks bad here.
 */
const ownerBand = (isWanted: boolean): Model =>
  table(
    `with counted as (
  select coalesce(owner, 'no owner') as owner, band, count(*) as n
  from marts.portfolio_account
  where ${isWanted ? "true" : "false"}
  group by coalesce(owner, 'no owner'), band
),
whole as (
  select owner, sum(n) as n_total from counted group by owner
),
overall as (
  select band, sum(n) as n, sum(sum(n)) over () as n_total from counted group by band
)
select
  w.owner,
  o.band,
  coalesce(c.n, 0) as n_accounts,
  cast(w.n_total as bigint) as n_total,
  twelve_digits(coalesce(c.n, 0) / cast(w.n_total as double)) as share,
  twelve_digits(wilson_low(coalesce(c.n, 0) / cast(w.n_total as double), cast(w.n_total as double))) as share_low,
  twelve_digits(wilson_high(coalesce(c.n, 0) / cast(w.n_total as double), cast(w.n_total as double))) as share_high,
  twelve_digits(o.n / cast(o.n_total as double)) as share_of_all
from whole as w
cross join overall as o
left join counted as c on c.owner = w.owner and c.band = o.band`,
    { name: "marts.owner_band", grain: ["owner", "band"], depends: ["marts.portfolio_account"] },
  );
