import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ColumnType } from "../../pipelines/config/entities.ts";
import type { ColumnOptions } from "../../pipelines/config/formats.ts";
import { castExpression } from "../../pipelines/load/casts.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal } from "../../pipelines/warehouse/literal.ts";

describe("a text becomes a value", () => {
  let database: Database;
  beforeAll(async () => {
    database = await Database.open({ path: ":memory:" });
  });
  afterAll(() => database.close());

  /** What becomes of each text, as text; null where it does not fit. */
  async function values(type: ColumnType, texts: readonly string[], options: ColumnOptions = {}): Promise<unknown[]> {
    const cast = castExpression("given", "VARCHAR", type, options, { minorDigits: 2 });
    const rows = texts.map((text, i) => `(${i}, ${literal(text)})`).join(", ");
    const found = await database.query<{ v: string | null }>(
      `select cast(${cast} as varchar) as v from (values ${rows}) as t(i, given) order by i`,
    );
    return found.map(({ v }) => v);
  }

  it("with an exponent, however small", async () => {
    expect(await values("number", ["1.2e3", "1E2", "-3.2e-3", "6.04e-12", "4.9e-7", "1e400", "e5"])).toEqual([
      "1200.000000",
      "100.000000",
      "-0.003200",
      "0.000000",
      "0.000000",
      null,
      null,
    ]);
    expect(await values("rate", ["6.04e-12", "9.1e-1"])).toEqual(["0.000000000006", "0.910000000000"]);
    expect(await values("money", ["4999e-2", "6.04e-12"], { unit: "major" })).toEqual(["4999", "0"]);
  });

  it("whole or not at all where a whole number is due", async () => {
    const texts = [
      "12",
      " +12.00 ",
      "1.2e1",
      "12.5",
      "12.0000001",
      "1.25e1",
      "6e-12",
      "1_000",
      "99999999999999999999.0",
      ".",
    ];
    const whole = ["12", "12", "12", null, null, null, null, null, null, null];
    expect(await values("integer", texts)).toEqual(whole);
    expect(await values("money", texts)).toEqual(whole);
    expect(await values("number", ["1_000", "1000"])).toEqual([null, "1000.000000"]);
  });

  it("an instant in UTC, by whatever way it is read", async () => {
    // The first three are read by the quick way, the others by the ways that look at the zone.
    const texts = [
      "2024-03-01T10:00:00Z",
      "2024-03-01 10:00:00.123456Z",
      "2024-03-01 10:00:00",
      " 2024-03-01T10:00:00Z",
      "2024-03-01T10:00:00.123456789Z",
      "2024-03-01T10:00Z",
      "2024-03-01T12:00:00+02:00",
      "2024-03-01T12:00:00.000+0200",
      "2024-03-01 10:00:00 UTC",
    ];
    const at = "2024-03-01 10:00:00";
    const found = [at, `${at}.123456`, at, at, `${at}.123456`, at, at, at, at];
    expect(await values("time", texts)).toEqual(found);
    // A zone that is declared is for those that are written without one.
    const there = found.map((one, i) => (i === 2 ? "2024-03-01 09:00:00" : one));
    expect(await values("time", texts, { timezone: "Europe/Berlin" })).toEqual(there);
    expect(
      await values("time", [
        "2024-03-01T10:00:00+02Z",
        "2024-13-01T10:00:00Z",
        "epoch",
        "2024-03-01T10:00:00+23:00",
        "infinityinfinityZZZZ",
      ]),
    ).toEqual([null, null, null, null, null]);
  });
});
