/** The managers' artefacts: tables with account rows, and each account's page data in one of a few hundred files. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../lib/files.ts";
import type { Database } from "../warehouse/database.ts";
import type { Artefact, ArtefactFile } from "./artefacts.ts";

type Format = Artefact["format"];
const select = (name: string, text: string, format: Format = "json"): Artefact => ({
  name,
  select: text,
  format,
  audience: "managers",
});
const table = (name: string, order: string, format: Format = "json"): Artefact =>
  select(name, `select * from marts.${name} order by ${order}`, format);

/** Of ten thousand accounts a page loads what it shows, as it shows it: texts cut, scores to a tenth. */
const shown = (text: string, most: number): string => `left(${text}, ${most})`;
const tenths = (number: string): string => `cast(round(${number}, 1) as double)`;
const portfolioOrder = "n.mrr_minor desc nulls last, n.account_id";

export const managersArtefacts: readonly Artefact[] = [
  select(
    "account_search",
    "select account_id, left(name, 200) as name from marts.portfolio_account order by account_id",
  ),
  select(
    "portfolio",
    `select n.account_id, ${shown("n.name", 80)} as name, ${shown("n.owner", 80)} as owner, ${shown("n.segment", 80)} as segment, n.scorecard, n.band, ` +
      `${tenths("n.score")} as score, ${tenths("n.slope")} as slope, ` +
      "case when n.slope is null then 'not known' when n.slope <= -1 then 'falling' when n.slope >= 1 then 'rising' else 'steady' end as direction, " +
      `n.mrr_minor, n.days_in_band, n.is_since_first, ${shown("n.flags", 200)} as flags, n.renews_on, n.paid_minor ` +
      `from marts.portfolio_account as n order by ${portfolioOrder}`,
    "columns",
  ),
  select(
    // For each group of KPIs, the commonest first, a row for each account of portfolio, in the same order: no row needs the account's id.
    "portfolio_group",
    "with kpi_group as (select group_id, count(*) as n from marts.account_group group by group_id) " +
      `select k.group_id, ${tenths("g.points")} as points from kpi_group as k cross join marts.portfolio_account as n ` +
      `left join marts.account_group as g on g.account_id = n.account_id and g.group_id = k.group_id order by k.n desc, k.group_id, ${portfolioOrder}`,
    "columns",
  ),
  select(
    // What an owner looks at today: in the worst band since this week, flags and falls that are new, renewals of 90 days.
    "today_account",
    `select n.account_id, ${shown("n.name", 80)} as name, ${shown("n.owner", 80)} as owner, n.mrr_minor, n.band, ${tenths("n.score")} as score, ` +
      `n.is_newly_red, n.week_band, ${shown("n.new_flags", 200)} as new_flags, ${tenths("n.month_score")} as month_score, ` +
      `${tenths("n.change_28d")} as change_28d, coalesce(n.change_28d <= -10, false) as has_fallen, n.days_to_renewal, n.renews_on, n.in_notice ` +
      "from marts.portfolio_account as n where n.is_newly_red or n.new_flags is not null or n.change_28d <= -10 or n.days_to_renewal between 0 and 90 " +
      `order by ${portfolioOrder}`,
    "columns",
  ),
  select(
    "today_owner",
    `select ${shown("n.owner", 80)} as owner, count(*) as n_accounts, coalesce(sum(n.mrr_minor), 0)::bigint as mrr_minor, ` +
      "count(case when n.is_red then 1 end) as n_red, any_value(n.week_on) as week_on, any_value(n.month_on) as month_on " +
      `from marts.portfolio_account as n group by ${shown("n.owner", 80)} order by owner nulls last`,
  ),
  select(
    "account_shards",
    "select count(*) as n_accounts, coalesce(max(n_shards), 1) as n_shards from marts.account_shard",
  ),
  select(
    "archetype_account",
    `select t.account_id, ${shown("n.name", 80)} as name, ${shown("n.owner", 80)} as owner, n.mrr_minor, n.band, ${tenths("n.score")} as score, t.archetype, ` +
      "cast(round(t.usage_place, 6) as double) as usage_place, cast(round(t.tickets_place, 6) as double) as tickets_place, " +
      "cast(round(t.marketing_place, 6) as double) as marketing_place " +
      "from marts.account_archetype as t cross join meta.params as p inner join marts.portfolio_account as n on n.account_id = t.account_id " +
      `where t.snapshot_date = p.as_of order by t.archetype, ${portfolioOrder}`,
    "columns",
  ),
  table("hierarchy", "n_red desc, mrr_minor desc nulls last, account_id", "columns"),
  table("hierarchy_issue", "issue, account_id", "columns"),
  table("owner_band", "owner, band"),
  table("play", "play_no"),
  table("play_after", "play <> 'all', play, band <> 'all', band, measure desc, days"),
  select(
    // Those to begin; an account's own page has those that were begun, too.
    "play_due",
    `select account_id, ${shown("name", 80)} as name, ${shown("owner", 80)} as owner, play, band, days_in_band, mrr_minor, due_on, state ` +
      "from marts.play_due where state <> 'started' order by due_on, mrr_minor desc nulls last, account_id, play_no",
    "columns",
  ),
  table("play_summary", "n_plays desc, play"),
  select(
    // Names, money and owners are those of portfolio.
    "promoter",
    `select account_id, ${shown("user_id", 80)} as user_id, cast(score as double) as score, kind, answered_on from marts.promoter ` +
      "order by kind, mrr_minor desc nulls last, account_id, user_id",
    "columns",
  ),
  table("response_rate", "kind, by_what, part"),
  table("surprise", "kind desc, disposition is not null, mrr_minor desc nulls last, account_id", "columns"),
  table("surprise_rate", "kind desc"),
];

/** Days of the timeline that a page has; the whole is in marts.account_timeline. */
export const timelineDays = 365;
const timelineRows = 400;
/** Files written from one query. */
const atOnce = 128;

/**
 * `accounts/<shard>.json`: `{"<account_id>": {...}}`, what the page of an account shows. Written by the engine: an account is one row with lists in
 * it. Dates of the history are days since 1970-01-01, bands their numbers in marts.band; ranges are of the days without a score, cards begin on their day.
 */
export async function writeShards(a: {
  readonly database: Database;
  readonly folder: string;
}): Promise<readonly ArtefactFile[]> {
  const { query } = a.database;
  const [size] = await query<{ n: number }>("select coalesce(max(n_shards), 1) as n from marts.account_shard");
  await mkdir(join(a.folder, "accounts"), { recursive: true });
  const files: ArtefactFile[] = [];
  for (let from = 0; from < (size?.n ?? 1); from += atOnce) {
    const rows = await query<{ shard: number; n: number; text: string }>(shardSelect(from, from + atOnce));
    // A shard without an account has a file too: whoever asks for an id that nobody has gets an answer, not an error.
    const made = new Map(rows.map((row) => [row.shard, row]));
    for (let shard = from; shard < Math.min(from + atOnce, size?.n ?? 1); shard += 1) {
      const { n, text } = made.get(shard) ?? { n: 0, text: "{}" };
      const file = `accounts/${shard}.json`;
      const bytes = `${text}\n`;
      await writeFile(join(a.folder, file), bytes);
      files.push({ name: `accounts/${shard}`, file, rows: n, sha256: sha256(bytes), schema: [] });
    }
  }
  return files;
}

const shardSelect = (from: number, to: number): string => `
with wanted as (
  select account_id, shard from marts.account_shard where shard >= ${from} and shard < ${to}
),
dated as (
  select
    h.*,
    h.snapshot_date - date '1970-01-01' as day,
    h.scorecard || ' v' || h.version as card,
    lag(h.scorecard || ' v' || h.version) over (partition by h.account_id order by h.snapshot_date) as earlier_card
  from marts.account_score_history as h
  where h.account_id in (select account_id from wanted)
),
history as (
  select
    h.account_id,
    list(h.day order by h.day) as days,
    list(cast(round(h.score, 1) as double) order by h.day) as scores,
    list(b.band_no order by h.day) as bands,
    list({'day': h.day, 'low': cast(round(h.score_low, 1) as double), 'high': cast(round(h.score_high, 1) as double)} order by h.day)
      filter (where h.score is null and h.score_low is not null) as ranges,
    list({'day': h.day, 'card': h.card} order by h.day) filter (where h.card is distinct from h.earlier_card) as cards
  from dated as h
  left join marts.band as b on b.band = h.band
  group by h.account_id
),
part as (
  select
    account_id,
    list({
      'on': cast(snapshot_date as varchar), 'kind': kind, 'group': group_id, 'kpi': kpi, 'label': label, 'unit': unit,
      'value': cast(value as double), 'points': cast(points as double), 'weight': cast(weight as double), 'contribution': cast(contribution as double)
    } order by snapshot_date desc, part_no) as parts
  from marts.account_part
  where account_id in (select account_id from wanted)
  group by account_id
),
missing as (
  select w.account_id, list({'kpi': w.kpi, 'label': k.label, 'why': w.why} order by w.kpi) as missing
  from features.kpi_why_null as w
  inner join meta.params as p on p.as_of = w.snapshot_date
  inner join marts.portfolio_account as n on n.account_id = w.account_id
  inner join scores.scorecard_weight as s on s.scorecard = n.scorecard and s.version = n.version and s.kpi = w.kpi
  left join features.kpi_definition as k on k.id = w.kpi
  where w.account_id in (select account_id from wanted)
  group by w.account_id
),
flag as (
  select
    f.account_id,
    list({
      'label': l.label, 'kind': l.kind, 'words': l.in_words, 'since': cast(f.since as varchar), 'until': cast(f.until as varchar),
      'value': cast(f.value as double), 'raised': f.is_raised, 'snoozed': cast(f.snoozed_until as varchar)
    } order by f.is_raised desc, f.since desc, l.flag_no) as flags
  from scores.account_flag as f
  inner join scores.flag as l on l.flag = f.flag
  where f.account_id in (select account_id from wanted)
  group by f.account_id
),
happened as (
  select
    t.*,
    row_number() over (partition by t.account_id order by t.on_date desc, t.kind, t.what, t.detail) as place,
    count(*) over (partition by t.account_id) as n_all
  from marts.account_timeline as t
  cross join meta.params as p
  where t.on_date >= p.as_of - ${timelineDays} and t.account_id in (select account_id from wanted)
),
timeline as (
  select
    account_id,
    list({'on': cast(on_date as varchar), 'kind': kind, 'what': what, 'detail': detail, 'n': n} order by place) as events,
    any_value(n_all) as n_events
  from happened
  where place <= ${timelineRows}
  group by account_id
),
child as (
  select
    m.head_id as account_id,
    list({
      'id': m.account_id, 'name': a.name, 'level': m.level, 'score': cast(round(n.score, 1) as double), 'band': n.band, 'mrr_minor': n.mrr_minor
    } order by m.level, n.score nulls last, m.account_id) as children
  from marts.hierarchy_member as m
  left join marts.account_now as a on a.account_id = m.account_id
  left join marts.portfolio_account as n on n.account_id = m.account_id
  where m.level > 0 and m.head_id in (select account_id from wanted)
  group by m.head_id
),
due as (
  select
    d.account_id,
    list({'label': p.label, 'steps': p.steps, 'owner': d.owner, 'since': cast(d.since as varchar), 'due_on': cast(d.due_on as varchar),
      'started_on': cast(d.started_on as varchar), 'state': d.state} order by d.play_no) as plays
  from marts.play_due as d
  inner join marts.play as p on p.play = d.play
  where d.account_id in (select account_id from wanted)
  group by d.account_id
),
milestone as (
  select
    account_id,
    list({
      'milestone': milestone, 'expected_on': cast(expected_on as varchar), 'reached_on': cast(reached_on as varchar),
      'expected_day': expected_day, 'reached_day': reached_day, 'days_late': days_late, 'state': state
    } order by expected_on nulls last, reached_on nulls last, milestone) as milestones,
    cast(any_value(started_on) as varchar) as started_on
  from marts.milestone_account
  where account_id in (select account_id from wanted)
  group by account_id
),
surprise as (
  select account_id, list({'kind': kind, 'since': cast(since as varchar), 'decided_on': cast(decided_on as varchar), 'score_then': score_then,
    'visible_then': visible_then, 'disposition': disposition} order by kind) as surprises
  from marts.surprise
  where account_id in (select account_id from wanted)
  group by account_id
),
account as (
  select
    w.shard,
    w.account_id,
    to_json({
      'name': a.name, 'owner': a.owner, 'country': a.country, 'lifecycle': a.lifecycle, 'parent_id': a.parent_id, 'parent_name': up.name,
      'is_paying': n.account_id is not null, 'segment': n.segment, 'mrr_minor': n.mrr_minor, 'seats': n.seats,
      'renews_on': cast(n.renews_on as varchar), 'in_notice': n.in_notice, 'tenure_days': n.tenure_days, 'paid_minor': v.paid_minor,
      'scorecard': n.scorecard, 'version': n.version, 'score': cast(n.score as double), 'score_low': cast(n.score_low as double),
      'score_high': cast(n.score_high as double), 'coverage': cast(n.coverage as double), 'band': n.band, 'band_before': n.band_before,
      'gated_by': n.gated_by, 'overridden_by': n.overridden_by, 'band_since': cast(n.band_since as varchar), 'days_in_band': n.days_in_band,
      'is_since_first': n.is_since_first, 'change_28d': cast(n.change_28d as double), 'slope': n.slope, 'place': n.place, 'n_in_band': n.n_in_band,
      'history': {'days': h.days, 'scores': h.scores, 'bands': h.bands, 'ranges': h.ranges, 'cards': h.cards},
      'parts': p.parts, 'missing': m.missing, 'flags': f.flags, 'events': t.events, 'n_events': t.n_events, 'children': c.children,
      'plays': d.plays, 'surprises': s.surprises, 'milestones': e.milestones, 'started_on': e.started_on
    }) as body
  from wanted as w
  left join marts.account_now as a on a.account_id = w.account_id
  left join marts.account_now as up on up.account_id = a.parent_id
  left join marts.portfolio_account as n on n.account_id = w.account_id
  left join marts.cltv as v on v.account_id = w.account_id
  left join history as h on h.account_id = w.account_id
  left join part as p on p.account_id = w.account_id
  left join missing as m on m.account_id = w.account_id
  left join flag as f on f.account_id = w.account_id
  left join timeline as t on t.account_id = w.account_id
  left join child as c on c.account_id = w.account_id
  left join due as d on d.account_id = w.account_id
  left join surprise as s on s.account_id = w.account_id
  left join milestone as e on e.account_id = w.account_id
)
select shard, count(*) as n, '{' || string_agg(to_json(account_id) || ':' || body, ',' || chr(10) order by account_id) || '}' as text
from account
group by shard
order by shard`;
