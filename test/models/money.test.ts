/** Money of other currencies, by dated rates. */
import { afterAll, describe, expect, it } from "vitest";
import { type TestBook, testBook } from "../loading.ts";

const books: TestBook[] = [];
afterAll(async () => {
  for (const book of books) await book.drop();
});

const nodes = [
  "raw.source_day",
  "raw.rate",
  "raw.invoice",
  "raw.subscription",
  "meta.delivery",
  "staging.account_identity",
  "staging.range_day",
  "staging.rate",
  "staging.money_without_rate",
  "staging.invoice",
  "staging.subscription",
];

async function staged(
  sources: string,
  files: Readonly<Record<string, string>>,
  sql: string,
): Promise<readonly unknown[]> {
  const made = await testBook(sources, "currency: EUR");
  books.push(made);
  for (const [name, content] of Object.entries(files)) await made.write(name, content);
  const { database } = await made.stage(await made.load(), nodes);
  try {
    return await database.query(sql);
  } finally {
    database.close();
  }
}

const invoices = [
  "account_id,issued_on,amount_minor,currency",
  "a,2024-01-01,1000,EUR",
  "b,2024-01-01,1000,",
  "c,2023-12-31,1000,USD",
  "d,2024-01-01,1000,usd",
  "e,2024-02-01,1000,USD",
  "f,2024-01-05,1000,JPY",
  "g,2024-01-05,1000,KWD",
  "h,2024-01-05,1000,GBP",
  "i,2024-01-05,-333,USD",
].join("\n");
const rates =
  "currency,from_on,rate\nUSD,2024-01-01,0.9\nUSD,2024-01-01,0.5\nUSD,2024-02-01,0.95\nJPY,2024-01-01,0.0063\nKWD,2024-01-01,3\n";
const amounts = "select account_id, amount_minor, currency from staging.invoice order by account_id";

describe("an amount of another currency", () => {
  it("takes the rate of its own day, and the decimals of its currency", async () => {
    const rows = await staged(
      "invoices: { entity: invoice, files: i.csv }\nrates: { entity: rate, files: r.csv }",
      { "i.csv": invoices, "r.csv": rates },
      amounts,
    );
    expect(rows).toEqual([
      { account_id: "a", amount_minor: 1000, currency: "EUR" },
      { account_id: "b", amount_minor: 1000, currency: null },
      // Before the first rate: nothing is known.
      { account_id: "c", amount_minor: null, currency: "USD" },
      { account_id: "d", amount_minor: 900, currency: "EUR" },
      { account_id: "e", amount_minor: 950, currency: "EUR" },
      // 1,000 yen are 6.30 euros; 1,000 fils are a dinar, 3 euros.
      { account_id: "f", amount_minor: 630, currency: "EUR" },
      { account_id: "g", amount_minor: 300, currency: "EUR" },
      { account_id: "h", amount_minor: null, currency: "GBP" },
      { account_id: "i", amount_minor: -300, currency: "EUR" },
    ]);
  });

  it("of any size is converted to the last unit, and is not known beyond what can be held", async () => {
    const rows = await staged(
      "invoices: { entity: invoice, files: i.csv }\nrates: { entity: rate, files: r.csv }",
      {
        "i.csv":
          "account_id,issued_on,amount_minor,currency\na,2024-01-05,1299999,GBP\nb,2024-01-05,987654321012,GBP\nc,2024-01-05,9000000000000000000,GBP\nd,2024-01-05,12,BTC\n",
        "r.csv": "currency,from_on,rate\nGBP,2024-01-01,1.1633141234\nBTC,2024-01-01,123456.789\n",
      },
      amounts,
    );
    expect(rows).toEqual([
      // 1,299,999 x 1.1633141234 = 1,512,307.1971...; 987,654,321,012 x 1.1633141234 = 1,148,952,220,670.2969...
      { account_id: "a", amount_minor: 1512307, currency: "EUR" },
      { account_id: "b", amount_minor: 1148952220670, currency: "EUR" },
      { account_id: "c", amount_minor: null, currency: "EUR" },
      { account_id: "d", amount_minor: 1481481, currency: "EUR" },
    ]);
  });

  it("that is not known has a reason that can be asked for", async () => {
    const rows = await staged(
      "invoices: { entity: invoice, files: i.csv }\nrates: { entity: rate, files: r.csv }",
      { "i.csv": invoices, "r.csv": rates },
      "select entity, source, currency, why, n_rows, first_on, last_on from staging.money_without_rate order by currency",
    );
    expect(rows).toEqual([
      {
        entity: "invoice",
        source: "invoices",
        currency: "GBP",
        why: "no rate of this currency",
        n_rows: 1,
        first_on: "2024-01-05",
        last_on: "2024-01-05",
      },
      {
        entity: "invoice",
        source: "invoices",
        currency: "USD",
        why: "no rate of this currency on that day",
        n_rows: 1,
        first_on: "2023-12-31",
        last_on: "2023-12-31",
      },
    ]);
  });

  it("in major units is the same money", async () => {
    const rows = await staged(
      "invoices: { entity: invoice, files: i.csv, columns: { amount_minor: { from: amount, unit: major } } }\nrates: { entity: rate, files: r.csv }",
      {
        "i.csv": "account_id,issued_on,amount,currency\na,2024-01-05,1000,JPY\nb,2024-01-05,10.5,USD\n",
        "r.csv": rates,
      },
      amounts,
    );
    expect(rows).toEqual([
      { account_id: "a", amount_minor: 630, currency: "EUR" },
      { account_id: "b", amount_minor: 945, currency: "EUR" },
    ]);
  });

  it("is not known without rates, and a subscription keeps the rate of its start", async () => {
    expect(
      await staged("invoices: { entity: invoice, files: i.csv }", { "i.csv": invoices }, `${amounts} limit 4`),
    ).toMatchObject([{ amount_minor: 1000 }, { amount_minor: 1000 }, { amount_minor: null }, { amount_minor: null }]);
    const rows = await staged(
      "subscriptions: { entity: subscription, files: s.csv, immutable: [mrr_minor] }\nrates: { entity: rate, files: r.csv }",
      {
        "s.csv": "subscription_id,account_id,started_on,mrr_minor,currency\n1,a,2024-01-15,1000,USD\n",
        "r.csv": rates,
      },
      "select distinct mrr_minor from staging.subscription",
    );
    expect(rows).toEqual([{ mrr_minor: 900 }]);
  });
});
