import { join } from "node:path";
import { literal, SqlDate } from "../warehouse/literal.ts";
import type { Span } from "./accounts.ts";
import { outage } from "./crm.ts";

const date = (iso: string): string => literal(new SqlDate(iso));
const shift = (iso: string, months: number, days: number): string => {
  const day = new Date(`${iso}T00:00:00Z`);
  day.setUTCMonth(day.getUTCMonth() + months);
  day.setUTCDate(day.getUTCDate() + days);
  return day.toISOString().slice(0, 10);
};

/**
 * The statements that write every file below `folder`, each sorted by a key, so that its bytes do not depend on threads.
 * Text files are written unquoted where they can be; times are UTC without a zone.
 */
export function exportStatements(
  span: Span,
  folder: string,
  usageFormat: "parquet" | "csv" = "parquet",
): readonly string[] {
  const csv = (name: string, select: string): string =>
    `copy (${select}) to ${literal(join(folder, name))} (format csv, header true, timestampformat '%Y-%m-%dT%H:%M:%S')`;
  const last = shift(span.end, 0, -1);
  const statements: string[] = [];

  // State tables: what the billing system said on the evening of these days.
  for (const day of [shift(span.end, -4, -1), last]) {
    statements.push(csv(`accounts_${day}.csv`, accountsOn(day)), csv(`subscriptions_${day}.csv`, subscriptionsOn(day)));
  }

  for (let month = 0; month < span.months; month++) {
    const from = shift(span.start, month, 0);
    const to = shift(span.start, month + 1, 0);
    const name = join("usage", `usage_${shift(to, 0, -1)}.${usageFormat}`);
    statements.push(
      usageFormat === "csv"
        ? csv(name, usageLoadedIn(from))
        : `copy (${usageLoadedIn(from)}) to ${literal(join(folder, name))} (format parquet, compression zstd)`,
    );
  }

  // The other feeds: one file of history, then one a year on.
  const cuts = [span.start, shift(span.end, -12, 0), span.end];
  for (let i = 0; i + 1 < cuts.length; i++) {
    const [from, to] = [cuts[i] as string, cuts[i + 1] as string];
    if (from >= to) continue;
    const day = shift(to, 0, -1);
    const within = (column: string): string => `${column} >= ${date(from)} and ${column} < ${date(to)}`;
    statements.push(
      csv(
        `tickets_${day}.csv`,
        `select
           ticket_id,
           account_id,
           -- One in 1,200 was typed in by hand, day first and without a time that anything can read.
           case when floor(pick * 4096) % 1200 = 7 then strftime(opened_at, 'on %d/%m, %Y') else strftime(opened_at, '%Y-%m-%dT%H:%M:%S') end as opened_at,
           case when closed_at < ${date(span.end)} then closed_at end as closed_at,
           case when first_response_at < ${date(span.end)} then first_response_at end as first_response_at,
           priority,
           category,
           case when closed_at < ${date(span.end)} then csat end as csat
         from ticket join account using (account_no)
         where ${within("ticket.opened_at")}
         order by ticket.opened_at, ticket_id`,
      ),
      csv(
        `surveys_${day}.csv`,
        `select account_id, 'nps' as kind, asked_at, case when responded_at < ${date(span.end)} then responded_at end as responded_at,
           case when responded_at < ${date(span.end)} then score end as score
         from survey join account using (account_no)
         where ${within("asked_at")}
         order by asked_at, account_id`,
      ),
      csv(
        `csm_ratings_${day}.csv`,
        `select account_id, rated_at,
           case when floor(pick * 4096) % 1500 = 11 then 'ok' else cast(rating as varchar) end as rating,
           'csm' || cast(1 + account_no % 9 as varchar) as author
         from rating join account using (account_no)
         where ${within("rated_at")}
         order by rated_at, account_id, rating`,
      ),
      csv(
        `engagements_${day}.csv`,
        `select account_id, occurred_at, kind, direction, status
         from engagement join account using (account_no)
         where ${within("occurred_at")}
         order by occurred_at, account_id, kind, i`,
      ),
      csv(
        `plays_${day}.csv`,
        `select account_id, play.started_on, play, 'csm' || cast(1 + account_no % 9 as varchar) as author,
           case when ended_on < ${date(span.end)} then ended_on end as ended_on,
           case when ended_on < ${date(span.end)} then outcome end as outcome
         from play join account using (account_no)
         where ${within("play.started_on")}
         order by play.started_on, account_id, play`,
      ),
    );
  }
  const { from, to } = outage(span);
  statements.push(
    csv(
      `notes_${last}.csv`,
      `select * from (values
         (${date(span.redesign)}, 'Redesign of the app', 'launch'),
         (${date(from)}, 'Ticket feed down until ${shift(to, 0, -1)}', 'incident')
       ) as note ("on", label, kind) order by "on"`,
    ),
  );
  return statements;
}

/** Harmless invented names: two words of a letterhead and a form of company. */
const firstWords =
  "Alder,Amber,Birch,Blue,Bramble,Bright,Cedar,Clover,Copper,Coral,Cotton,Dune,Elm,Ember,Fable,Fern,Field,Flint,Garnet,Glen,Golden,Granite,Harbour,Hazel,Heather,Heron,Hollow,Indigo,Iron,Ivory,Juniper,Kestrel,Lark,Laurel,Linden,Lunar,Maple,Marble,Meadow,Mill,Misty,Moss,North,Oak,Ocean,Olive,Opal,Orchard,Paper,Pebble,Pine,Quartz,Quiet,Rowan,Ruby,Saffron,Silver,Slate,Sparrow,Stone,Summer,Swift,Thistle,Timber,Velvet,Violet,Walnut,Willow".split(
    ",",
  );
const secondWords =
  "Accounts,Architects,Atelier,Bakery,Bikes,Books,Brewing,Builders,Catering,Ceramics,Cinema,Clinic,Coffee,Consulting,Crafts,Dental,Design,Editions,Electric,Events,Fabrics,Films,Floors,Foods,Furniture,Gardens,Glass,Graphics,Hosting,Interiors,Joinery,Kitchens,Labs,Landscapes,Leather,Lighting,Logistics,Media,Motors,Music,Optics,Outdoor,Paints,Photo,Plumbing,Press,Prints,Repairs,Research,Roofing,Sailing,Signs,Software,Spices,Sports,Stationery,Studio,Supplies,Tailors,Textiles,Tools,Toys,Translations,Travel,Wines,Woodwork,Works,Yarns".split(
    ",",
  );
const forms = ["", " Co", " Group", " Partners", " and Daughters", " Limited"];
const pick = (words: readonly string[], h: string, bit: number): string =>
  `[${words.map((word) => literal(word)).join(", ")}][1 + cast(floor(uniform_bits(${h}, ${bit}, 65536) * ${words.length}) as integer)]`;

function accountsOn(day: string): string {
  const h = "draw('name', account_no, 0)";
  return `
    select
      account_id,
      ${pick(firstWords, h, 0)} || ' ' || ${pick(secondWords, h, 16)} || ${pick(forms, h, 32)} as name,
      cast(started_on - cast(floor(uniform_bits(${h}, 48, 256) * 15) as integer) as timestamp) + interval 10 hour as created_at,
      -- Owners change: a third of the accounts moved in the last months.
      'csm' || cast(1 + (account_no + case when uniform_bits(${h}, 56, 256) < 0.33 and ${date(day)} > date '2026-05-01' then 1 else 0 end) % 9 as varchar) as owner,
      ['US', 'US', 'US', 'CA', 'GB', 'DE', 'FR', 'AU'][1 + account_no % 8] as country,
      uniform_bits(draw('test', account_no, 0), 0, 65536) < 0.0015 as is_test
    from account
    where started_on <= ${date(day)}
    order by account_id`;
}

/** Renewals are rows of their own; a row of an annual plan ends with its term, one of a monthly plan when it was cancelled. */
function subscriptionsOn(day: string): string {
  return `
    with lived as (
      select
        a.account_id,
        a.account_no,
        a.segment,
        a.notice_days,
        a.term_months,
        a.seat_price_minor,
        t.spell_no,
        t.term_no,
        t.starts_on,
        t.seats,
        t.ends_on as term_ends_on,
        s.decided_on >= t.starts_on and (t.ends_on is null or s.decided_on < t.ends_on) as is_last,
        s.decided_on,
        s.ended_on as spell_ended_on,
        s.is_recorded
      from spell as s
      join account as a using (account_no)
      join term as t on t.account_no = s.account_no and t.spell_no = s.spell_no and (s.ended_on is null or t.starts_on < s.ended_on)
      where t.starts_on <= ${date(day)}
    ),
    known as (
      select
        *,
        coalesce(is_last and case when is_recorded then decided_on else spell_ended_on end <= ${date(day)}, false) as is_left
      from lived
    )
    select
      concat('S', substr(account_id, 2), '-', spell_no, '-', term_no + 1) as subscription_id,
      account_id,
      segment as plan,
      starts_on as started_on,
      case when term_months = 12 then term_ends_on when is_left then spell_ended_on end as ended_on,
      case when is_left and is_recorded then decided_on end as notice_on,
      notice_days,
      case when is_left and spell_ended_on <= ${date(day)}
        then ['price', 'missing feature', 'closed business', 'went elsewhere'][1 + account_no % 4] end as end_reason,
      term_ends_on as renews_on,
      term_months,
      seats * cast(seat_price_minor as integer) as mrr_minor,
      'USD' as currency,
      seats
    from known
    order by account_id, spell_no, term_no`;
}

/** Rows by the month in which they reached the warehouse, and one in 400 of the month before once more. */
function usageLoadedIn(from: string): string {
  const columns = "event_id, account_id, user_id, event, event_time, loaded_at";
  return `
    select ${columns} from usage where load_month = ${date(from)}
    union all
    select ${columns} from usage where load_month = ${date(shift(from, -1, 0))} and is_repeated
    order by loaded_at, event_id`;
}
