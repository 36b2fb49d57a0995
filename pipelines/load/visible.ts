/**
 * The first snapshot date that may know a row (docs/exports.md), as SQL over dates: with an arrival that is known, the day after it and
 * never before the day after the event; otherwise the event's day + 1 + the latency of the source.
 * `plus` spells the addition of days, which DuckDB and Trino write differently.
 */
export function visibleOn(
  row: {
    readonly day: string;
    readonly knownAt: string | null;
    readonly arrivalKnown: string;
    readonly latencyDays: string;
  },
  plus: (day: string, days: string) => string = (day, days) => `${day} + ${days}`,
): string {
  const { day, knownAt, arrivalKnown, latencyDays } = row;
  const late = plus(day, latencyDays === "0" ? "1" : `1 + ${latencyDays}`);
  if (knownAt === null || arrivalKnown === "false") return late;
  const known = `cast(${knownAt} as date)`;
  const condition = arrivalKnown === "true" ? "" : `${arrivalKnown} and `;
  return (
    `case when ${condition}${known} > ${day} then ${plus(known, "1")} ` +
    `when ${condition}${knownAt} is not null then ${plus(day, "1")} else ${late} end`
  );
}
