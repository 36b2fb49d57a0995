/** `2026-01-31` of an instant, in UTC. */
export const isoDate = (at: Date): string => at.toISOString().slice(0, 10);

/** The calendar date `days` later (earlier when negative). */
export function addDays(date: string, days: number): string {
  const at = new Date(`${date}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return isoDate(at);
}
