import { join } from "node:path";
import { literal } from "../warehouse/literal.ts";
import { date, type Span } from "./accounts.ts";
import { outage } from "./crm.ts";
import { peopleOn } from "./people.ts";

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
  accountsMonthly = false,
): readonly string[] {
  const csv = (name: string, select: string): string =>
    `copy (${select}) to ${literal(join(folder, name))} (format csv, header true, timestampformat '%Y-%m-%dT%H:%M:%S')`;
  const last = shift(span.end, 0, -1);
  const statements: string[] = [];

  // State tables: what the billing system said on the evening of these days.
  for (const day of [shift(span.end, -4, -1), last]) {
    statements.push(
      csv(`accounts_${day}.csv`, accountsOn(day)),
      csv(`subscriptions_${day}.csv`, subscriptionsOn(day)),
      csv(`users_${day}.csv`, peopleOn(day)),
    );
  }
  // The CRM keeps a dump of every month, so that its stages have a history.
  for (let month = 1; accountsMonthly && month < span.months; month++) {
    const day = shift(span.end, -month, -1);
    if (month !== 4) statements.push(csv(`accounts_${day}.csv`, accountsOn(day)));
  }
  // Ledger and success plans are dumped every week: the last two are there.
  for (const day of [shift(span.end, 0, -8), last]) {
    statements.push(
      csv(`invoices_${day}.csv`, invoicesOn(day)),
      csv(`milestones_${day}.csv`, milestonesOn(day)),
      csv(`goals_${day}.csv`, goalsOn(day)),
    );
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
        `select account_id, kind, asked_at, case when responded_at < ${date(span.end)} then responded_at end as responded_at,
           case when responded_at < ${date(span.end)} then score end as score,
           case kind when 'csat' then 'after a ticket' else strftime(asked_at, '%B %Y') end as campaign
         from (
           select 'nps' as kind, account_no, asked_at, responded_at, score from survey
           union all
           select kind, account_no, asked_at, responded_at, score from other_survey
         ) join account using (account_no)
         where ${within("asked_at")}
         order by asked_at, account_id, kind, responded_at, score`,
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
         from (
           select account_no, occurred_at, kind, direction, status, i from engagement
           union all
           select account_no, occurred_at, kind, direction, status, i from contact
         ) join account using (account_no)
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
      csv(
        `business_events_${day}.csv`,
        `select account_id, occurred_on, kind
         from business_event join account using (account_no)
         cross join lateral (select unnest(range(copies)))
         where ${within("occurred_on")}
         order by occurred_on, account_id, kind`,
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

/** Who signs up is an account; the accounts of one enterprise that are billed apart name it as their parent. */
function accountsOn(day: string): string {
  const h = "draw('name', account_no, 0)";
  const g = "draw('profile', account_no, 0)";
  return `
    with known as (
      select * from sign_up where case when trial_ended_on is null then paid_from else created_on end <= ${date(day)}
    ),
    enterprise as (
      select account_id as parent_id, row_number() over (order by created_on, account_no) as nth, created_on as parent_from
      from sign_up
      where segment = 'enterprise' and paid_from is not null
    ),
    child as (
      select account_no, 1 + cast(floor(uniform_bits(${g}, 0, 65536) * count(parent_id)) as integer) as nth
      from known
      join enterprise on parent_from < created_on
      where segment <> 'enterprise' and uniform_bits(${g}, 16, 1024) < 0.05
      group by account_no
    )
    select
      account_id,
      ${pick(firstWords, h, 0)} || ' ' || ${pick(secondWords, h, 16)} || ${pick(forms, h, 32)} as name,
      created_at,
      -- Owners change: a third of the accounts moved in the last months.
      ${stageOn(day)} as lifecycle,
      'csm' || cast(1 + (account_no + case when uniform_bits(${h}, 56, 256) < 0.33 and ${date(day)} > date '2026-05-01' then 1 else 0 end) % 9 as varchar) as owner,
      ['US', 'US', 'US', 'CA', 'GB', 'DE', 'FR', 'AU'][1 + account_no % 8] as country,
      uniform_bits(draw('test', account_no, 0), 0, 65536) < 0.0015 as is_test,
      parent_id,
      case
        when segment = 'enterprise' then 'suite'
        when segment = 'studio' and uniform_bits(${g}, 26, 1024) < 0.4 then 'invoicing and expenses'
        else 'invoicing'
      end as product,
      case when uniform_bits(${g}, 36, 1024) < 0.9
        then ['paid_sooner', 'less_bookkeeping', 'clean_books'][1 + cast(floor(uniform_bits(${g}, 36, 1024) / 0.9 * 3) as integer)] end as desired_outcome,
      -- What sales believes that the account could pay a month, in round dollars.
      case when uniform_bits(${g}, 46, 1024) < 0.92
        then cast(ceil(first_seats * (1 + 2 * uniform_bits(${g}, 46, 1024)) * case segment when 'solo' then 19 when 'studio' then 29 else 39 end) * 100 as bigint) end as potential_minor
    from known
    left join child using (account_no)
    left join enterprise using (nth)
    left join (
      select account_no, min(started_on) as first_on, bool_or(ended_on is null or ended_on > ${date(day)}) as is_paying
      from spell
      where started_on <= ${date(day)}
      group by account_no
    ) as paid using (account_no)
    order by account_id`;
}

/**
 * Where the CRM says that an account stands: eight weeks of onboarding (so that no dump that is a month old calls an account of
 * 90 days new), adopting for the rest of the first year, established from then on.
 */
const stageOn = (day: string): string => `case
        when first_on is null then case when trial_ended_on > ${date(day)} then 'trial' else 'prospect' end
        when not is_paying then 'former'
        when ${date(day)} - first_on < 56 then 'onboarding'
        when ${date(day)} - first_on < 365 then 'adopting'
        else 'established'
      end`;

/**
 * Renewals are rows of their own; a row of an annual plan ends with its term, one of a monthly plan when it was cancelled.
 * A trial is a row without a price, before the first paid one.
 */
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
    select * exclude (spell_no, term_no) from (
    select
      spell_no,
      term_no,
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
      seats,
      false as is_trial
    from known
    union all
    select
      0,
      0,
      concat('S', substr(account_id, 2), '-trial'),
      account_id,
      segment,
      created_on,
      case when trial_ended_on <= ${date(day)} then trial_ended_on end,
      null,
      null,
      case when trial_ended_on <= ${date(day)} and paid_from is null then 'did not convert' end,
      null,
      null,
      0,
      'USD',
      least(first_seats, 3),
      true
    from sign_up
    where trial_ended_on is not null and created_on <= ${date(day)}
    )
    order by account_id, spell_no, term_no`;
}

/** The ledger: what is paid is known on the evening of the day. */
function invoicesOn(day: string): string {
  return `
    select
      account_id,
      issued_on,
      due_on,
      case when paid_on <= ${date(day)} then paid_on end as paid_on,
      -- One amount in 1,500 is still a word.
      case when row_no % 1500 = 900 then 'to be agreed' else cast(amount_minor as varchar) end as amount_minor,
      case when paid_on <= ${date(day)} then 'paid' else 'open' end as status
    from invoice join account using (account_no)
    where issued_on <= ${date(day)}
    order by issued_on, account_id`;
}

function milestonesOn(day: string): string {
  return `
    select account_id, milestone, expected_on, case when reached_on <= ${date(day)} then reached_on end as reached_on
    from milestone join account using (account_no)
    where milestone.started_on <= ${date(day)}
    order by account_id, label_no`;
}

function goalsOn(day: string): string {
  return `
    select account_id, goal, agreed_on, case when met_on <= ${date(day)} then met_on end as met_on
    from goal join account using (account_no)
    where agreed_on <= ${date(day)}
    order by agreed_on, account_id, goal`;
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
