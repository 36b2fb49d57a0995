/** Money of other currencies in the currency of the book, by the rate of the row's own day. */
import type { Book } from "../config/book.ts";
import { minorDigits } from "../config/currency.ts";
import { type Entity, entities } from "../config/entities.ts";
import type { Model } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import { eventTime } from "./delivery.ts";

/** The column of an entity that holds an amount in the row's `currency`; null where it has none. */
export const moneyOf = (entity: Entity): string | null =>
  entity.columns.some(({ name }) => name === "currency")
    ? (entity.columns.find(({ type }) => type === "money")?.name ?? null)
    : null;

/** `staging.rate`: what one unit of a currency is worth in the book's, from a day on up to another. Of two rates of one day the first stands. */
export const ratePeriod: Model = {
  kind: "table",
  name: "staging.rate",
  grain: ["currency", "from_on"],
  depends: ["raw.rate"],
  params: [],
  audits: [],
  portable: false,
  sql: `with first_of_day as (
  select
    upper(trim(currency)) as currency,
    from_on,
    rate,
    row_number() over (partition by upper(trim(currency)), from_on order by _delivery_no, _source, _line) as nth
  from raw.rate
  where rate > 0
)
select
  currency,
  from_on,
  coalesce(lead(from_on) over (partition by currency order by from_on), date '9999-12-31') as to_on,
  rate
from first_of_day
where nth = 1`,
};

/** Joins the rate of a row's day, as `rated`; a row in the currency of the book has none. */
export const rateJoin = (book: Book, day: string): string => `
  left join staging.rate as rated
    on rated.currency = upper(trim(given.currency))
    and rated.currency <> ${literal(book.currency)}
    and ${day} >= rated.from_on
    and ${day} < rated.to_on`;

/** `staging.money_without_rate`: why amounts are not known, by the currency that they are in; rows as delivered. */
export function moneyWithoutRate(book: Book): Model {
  const own = [...entities.values()].filter((entity) => moneyOf(entity) !== null);
  const parts = own.map((entity) => {
    const day = `cast(${eventTime(entity, "given.")} as date)`;
    return `select
    ${literal(entity.id)} as entity,
    given._source as source,
    upper(trim(given.currency)) as currency,
    ${day} as day
  from raw.${entity.id} as given${rateJoin(book, day)}
  where given.${moneyOf(entity)} is not null
    and upper(trim(given.currency)) <> ${literal(book.currency)}
    and rated.rate is null`;
  });
  return {
    kind: "table",
    name: "staging.money_without_rate",
    grain: ["entity", "source", "currency"],
    depends: [...own.map(({ id }) => `raw.${id}`), "staging.rate"],
    params: [],
    audits: [],
    portable: false,
    sql: `with unrated as (
  ${parts.join("\n  union all\n  ")}
)
select
  entity,
  source,
  currency,
  case
    when currency not in (select currency from staging.rate) then 'no rate of this currency'
    else 'no rate of this currency on that day'
  end as why,
  count(*) as n_rows,
  min(day) as first_on,
  max(day) as last_on
from unrated
group by entity, source, currency`,
  };
}

/**
 * The amount of a row of raw.* named `given` in the minor units of the book's currency, rounded to the nearest; null in another currency
 * without a rate, and where it is too large to be held. An amount that came in major units was scaled by the decimals of the book's currency, one in minor units has those of its own.
 */
export function convertedMoney(book: Book, column: string, hasRates: boolean): string {
  const own = `given.currency is null or upper(trim(given.currency)) = ${literal(book.currency)}`;
  if (!hasRates) return `case when ${own} then given.${column} end`;
  const digits = minorDigits(book.currency);
  const major = Object.entries(book.sources).flatMap(([id, { columns }]) => {
    const mapping = columns[column];
    return typeof mapping === "object" && mapping.unit === "major" ? [literal(id)] : [];
  });
  const others = new Map<number, string[]>();
  for (const currency of Intl.supportedValuesOf("currency")) {
    const power = digits - minorDigits(currency);
    if (power !== 0) others.set(power, [...(others.get(power) ?? []), literal(currency)]);
  }
  const scales = [...others]
    .sort(([a], [b]) => a - b)
    .map(
      ([power, currencies]) =>
        `when upper(trim(given.currency)) in (${currencies.sort().join(", ")}) then ${power > 0 ? 10 ** power : (10 ** power).toFixed(-power)}`,
    );
  const isMajor = major.length === 0 ? [] : [`when given._source in (${major.join(", ")}) then 1`];
  const scale = `cast(case ${[...isMajor, ...scales].join(" ")} else 1 end as decimal(8,4))`;
  return (
    `case when ${own} then given.${column} ` +
    // The engine multiplies narrow decimals in 18 digits and stops where those are not enough: one wide factor makes it 38.
    `else try_cast(try(round(cast(given.${column} as decimal(22,0)) * ${scale} * cast(rated.rate as decimal(20,10)), 0)) as bigint) end`
  );
}
