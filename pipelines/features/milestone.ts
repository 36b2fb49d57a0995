/** Milestones: what was expected by a snapshot, what was reached, and how late. */
import type { Expression } from "kysely";
import type { KpiDefinition } from "../config/kpi.ts";
import type { Model } from "../models/model.ts";
import { builder } from "../warehouse/compiler.ts";
import type { Group, KpiColumn } from "./columns.ts";
import { type AnyBuilder, filterSql } from "./filter.ts";
import {
  addDays,
  dayNumber,
  joinSeenFrom,
  joinSeenUntil,
  type Pieces,
  type Steps,
  seenUntil,
  untilName,
  type WindowColumn,
} from "./pieces.ts";

/** The columns that decide, beside those of filters. */
export const milestoneColumns: readonly string[] = ["milestone", "expected_on", "reached_on"];

/**
 * Raw columns of the group's milestone KPIs. `<kpi>__rows` counts what was expected before s; `<kpi>` what of it was reached (on
 * time), or for days_late the days of what was reached late less the day numbers of what is `<kpi>__open`: with s for each of
 * those it is the sum of days late. `lives` holds the rows with reached_on hidden until its day.
 */
export function milestonePieces(
  group: Group,
  lives: string,
  all: readonly KpiColumn[],
): { readonly steps: Steps; readonly columns: readonly WindowColumn[]; readonly pieces: readonly Pieces[] } {
  const kpis = group.kpis.filter((kpi) => kpi.measure === "milestone");
  if (kpis.length === 0) return { steps: [], columns: [], pieces: [] };
  const dueFrom = (eb: AnyBuilder) => eb.fn("greatest", [eb.ref("from_on"), addDays(eb, "expected_on", 1)]);
  const expected = joinSeenUntil(joinSeenFrom(builder.selectFrom(lives), "due", dueFrom), untilName(null), (eb) =>
    eb.ref("until_on"),
  )
    .select((eb: AnyBuilder) => [
      ...["account_id", ...all.map((column) => column.name)].map((name) => eb.ref(`${lives}.${name}`).as(name)),
      eb.ref("due.snapshot_date").as("seen_from"),
      seenUntil(eb, untilName(null)).as(untilName(null)),
    ])
    .where("expected_on", "is not", null)
    .where((eb: AnyBuilder) => eb(dueFrom(eb), "<", eb.ref("until_on")));
  const columns: WindowColumn[] = [];
  const pieces: Pieces[] = [];
  for (const kpi of kpis) {
    const amounts = new Map([...amountsOf(kpi)].map(([name, n]) => [name, filtered(group, kpi, n)] as const));
    for (const name of amounts.keys()) columns.push({ name, kind: "sum", type: "bigint" });
    pieces.push({ relation: "expected", from: "seen_from", until: untilName(null), amounts });
  }
  return { steps: [["expected", expected]], columns, pieces };
}

type Amount = (eb: AnyBuilder) => Expression<unknown>;

const filtered =
  (group: Group, kpi: KpiDefinition, n: Amount): Amount =>
  (eb) => {
    const filter = filterSql(eb, kpi, group.columns);
    return filter === undefined ? n(eb) : eb.case().when(filter).then(n(eb)).else(eb.val(0)).end();
  };

function amountsOf({ id, as }: KpiDefinition): ReadonlyMap<string, Amount> {
  const one: Amount = (eb) => eb.val(1);
  const isOpen = (eb: AnyBuilder) => eb("reached_on", "is", null);
  switch (as) {
    case "share_on_time":
      return new Map<string, Amount>([
        [id, (eb) => eb.case().when("reached_on", "<=", eb.ref("expected_on")).then(1).else(0).end()],
        [`${id}__rows`, one],
      ]);
    case "share_reached":
      return new Map<string, Amount>([
        [id, (eb) => eb.case().when(isOpen(eb)).then(0).else(1).end()],
        [`${id}__rows`, one],
      ]);
    default:
      return new Map<string, Amount>([
        [
          id,
          (eb) =>
            eb
              .case()
              .when(isOpen(eb))
              .then(eb.neg(dayNumber(eb, "expected_on")))
              .else(eb.fn("greatest", [eb.val(0), eb("reached_on", "-", eb.ref("expected_on"))]))
              .end(),
        ],
        [`${id}__open`, (eb) => eb.case().when(isOpen(eb)).then(1).else(0).end()],
        [`${id}__rows`, one],
      ]);
  }
}

/** features.account_milestone: every milestone of an account as the newest snapshot knows it, with the days that it is late by then. */
export const accountMilestone: Model = {
  kind: "table",
  name: "features.account_milestone",
  grain: ["account_id", "milestone", "expected_on"],
  depends: ["spine.snapshot", "staging.milestone"],
  params: [],
  audits: [],
  portable: false,
  sql: `with newest as (
  select max(snapshot_date) as snapshot_date
  from spine.snapshot
),
known as (
  select
    account_id,
    milestone,
    expected_on,
    case when reached_on < snapshot_date then reached_on end as reached_on,
    snapshot_date
  from staging.milestone
  cross join newest
  where account_id is not null
    and visible_on <= snapshot_date
    and (superseded_on is null or snapshot_date < superseded_on)
)
select
  account_id,
  milestone,
  expected_on,
  reached_on,
  cast(
    case when expected_on < snapshot_date then greatest(0, coalesce(reached_on, snapshot_date) - expected_on) end as integer
  ) as days_late
from known
order by account_id, expected_on, milestone, reached_on`,
};
