/** What readers see of numbers: money by its currency, tables by their decimal points. */
import { describe, expect, it } from "vitest";
import { formatTable } from "../../pipelines/commands/table.ts";
import { exactMoney, minorDigits, wholeMoney } from "../../pipelines/config/currency.ts";

describe("money", () => {
  it("has the decimals of its currency", () => {
    expect(["USD", "JPY", "KWD"].map(minorDigits)).toEqual([2, 0, 3]);
    expect([wholeMoney(1_411_550, "EUR"), wholeMoney(1_411_550, "JPY"), wholeMoney(0, "EUR")]).toEqual([
      "14,116",
      "1,411,550",
      "0",
    ]);
    expect([exactMoney(29_050, "EUR"), exactMoney(29_050, "JPY")]).toEqual(["290.50", "29050"]);
  });
});

describe("formatTable", () => {
  it("puts decimal points below each other and leaves text and missing values alone", () => {
    const rows = [
      { id: "a", score: 44.736842, n: 3 },
      { id: "b", score: 55, n: 10 },
      { id: "c", score: null, n: -1 },
    ];
    expect(formatTable(rows).split("\n")).toEqual([
      "id      score   n",
      "--  ---------  --",
      "a   44.736842   3",
      "b   55         10",
      "c              -1",
    ]);
  });

  it("breaks heads and texts between words where the table is too wide, and no number", () => {
    const rows = [{ group: 1, use: "more template uses, fewer logins", "came in 90 days": 1286, "95 %": "7 to 11.2" }];
    expect(formatTable(rows, undefined, 43).split("\n")).toEqual([
      "group  use            came in 90  95 %",
      "                            days",
      "-----  -----------  ------------  ---------",
      "    1  more                 1286  7 to 11.2",
      "       template",
      "       uses, fewer",
      "       logins",
    ]);
    expect(formatTable(rows).split("\n")).toHaveLength(3);
  });
});
