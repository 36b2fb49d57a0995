/**
 * Mode range: a file is the whole of the days that it covers. What earlier files said of such a day is seen up to the delivery of the
 * file that replaced it; what a file says of a day that was covered before is seen from its own delivery on.
 */
import type { Book } from "../config/book.ts";
import { parseAudits } from "../models/audits.ts";
import type { Model } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import { daysOf } from "./bundle.ts";
import type { Delivery } from "./delivery.ts";

/**
 * `staging.range_day`: per delivery of a source in mode range and day that it has rows of, `seen_from` (null: no earlier file covered the
 * day) and `superseded_on` (null: no later one did). `file` is the store's. A row without a day is replaced by every later file.
 */
export function rangeDay(book: Book, deliveries: readonly Delivery[]): Model {
  const own = deliveries.filter(({ source }) => book.sources[source]?.mode === "range");
  const name = "staging.range_day";
  const facts = { kind: "table", name, params: [], depends: [], portable: false } as const;
  if (own.length === 0) {
    return {
      ...facts,
      grain: ["source", "delivery_no", "event_day"],
      audits: [],
      sql:
        "select\n  cast(null as varchar) as source,\n  cast(null as varchar) as file,\n  cast(null as bigint) as delivery_no,\n" +
        "  cast(null as date) as event_day,\n  cast(null as date) as seen_from,\n  cast(null as date) as superseded_on\nwhere false",
    };
  }
  const date = (text: string | undefined): string =>
    text === undefined ? "cast(null as date)" : `date ${literal(text)}`;
  const rows = own.map(({ source, no, delivered_at, covers, rows, days }) => {
    const byDay = book.sources[source]?.covers === "days";
    return (
      `  (${literal(source)}, ${no}, date ${literal(delivered_at.slice(0, 10))}, ${date(covers?.from)}, ${date(covers?.to)}, ${byDay}, ` +
      `${literal(rows)}, ${literal(days)})`
    );
  });
  return {
    ...facts,
    grain: ["source", "delivery_no", "event_day"],
    audits: parseAudits(name, "not_null(source, delivery_no, file)", "load/range.ts"),
    sql: `with delivery (source, delivery_no, delivered_on, from_on, to_on, is_by_day, file, days) as (
  values
${rows.join(",\n")}
),
held as (
  select distinct delivery.source, delivery.delivery_no, delivery.file, delivery.delivered_on, stored.event_day
  from delivery
  inner join ${daysOf(own)} as stored
    on stored.filename = delivery.days
),
cover as (
  select source, delivery_no, delivered_on, from_on, to_on
  from delivery
  where from_on is not null
  union all
  select held.source, held.delivery_no, held.delivered_on, min(held.event_day) as from_on, max(held.event_day) as to_on
  from held
  inner join delivery on delivery.source = held.source and delivery.delivery_no = held.delivery_no
  where delivery.from_on is null
  group by held.source, held.delivery_no, held.delivered_on, case when delivery.is_by_day then held.event_day end
)
select
  held.source,
  held.file,
  held.delivery_no,
  held.event_day,
  case when count(case when cover.delivery_no < held.delivery_no then 1 end) > 0 then held.delivered_on + 1 end as seen_from,
  min(case when cover.delivery_no > held.delivery_no then cover.delivered_on + 1 end) as superseded_on
from held
left join cover
  on cover.source = held.source
  and (held.event_day is null or held.event_day between cover.from_on and cover.to_on)
group by held.source, held.file, held.delivery_no, held.event_day, held.delivered_on`,
  };
}
