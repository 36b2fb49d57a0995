/**
 * Advice that guides give about scores, tried on the book's own history: each a paired difference out of time (docs/method.md,
 * "Folklore").
 */
import type { Step, StepContext } from "../models/model.ts";
import { literal, type SqlValue } from "../warehouse/literal.ts";
import { type Card, cardsInForce, cardTitle } from "./advice-cards.ts";
import { comparisonColumns, dropRanked, pairedDifference, rankSubjects, readRanked } from "./advice-rank.ts";
import { differenceSentence } from "./advice-words.ts";
import { twelveDigits, writeTable } from "./tables.ts";

type Row = Record<string, SqlValue>;

interface Place {
  readonly kind: string | null;
  readonly side: string | null;
  readonly share: number;
}

interface Trial {
  readonly test: "half_and_half" | "sentiment";
  /** What the KPIs of the card are divided by. */
  readonly by: "side" | "kind";
  readonly parts: readonly [string, string];
  readonly missing: (part: string) => string;
}

const trials: readonly Trial[] = [
  { test: "half_and_half", by: "side", parts: ["proactive", "reactive"], missing: (part) => `has no ${part} KPI` },
  { test: "sentiment", by: "kind", parts: ["objective", "sentiment"], missing: (part) => `has no ${part} KPI` },
];

/** Writes validation.folklore: the card's halves and its sentiment, one score for each segment, three to five KPIs. */
export const adviseOnFolklore: Step = {
  kind: "step",
  name: "validation.advise_on_folklore",
  depends: [
    "features.kpi_definition",
    "scores.score_part",
    "scores.scorecard",
    "scores.scorecard_weight",
    "validation.definition",
    "validation.model_test",
    "validation.stratum",
  ],
  params: ["as_of"],
  produces: ["validation.folklore"],
  version: "2",
  async run(context) {
    const rows: Row[] = [];
    for (const card of await cardsInForce(context.query)) rows.push(...(await tryCard(context, card)));
    const models = await context.query<Row>("select * from validation.model_test order by test");
    await writeTable(
      context,
      "validation.folklore",
      {
        test: "varchar",
        scorecard: "varchar",
        version: "integer",
        ...comparisonColumns,
      },
      [...rows, ...models],
    );
  },
};

/** Points of 100 on one part of the card. */
const partOf = (places: readonly Place[], by: "side" | "kind", part: string): number =>
  places.reduce((sum, place) => sum + (place[by] === part ? place.share : 0), 0);

async function tryCard(context: StepContext, card: Card): Promise<readonly Row[]> {
  const { query, run } = context;
  const of = `scorecard = ${literal(card.scorecard)} and version = ${card.version}`;
  const places = await query<Place>(`
select k.kind, k.side, cast(w.share as double) as share
from scores.scorecard_weight as w
left join features.kpi_definition as k on k.id = w.kpi
where w.${of.replace(" and ", " and w.")} and w.share > 0`);
  const head = { scorecard: card.scorecard, version: card.version };
  const rows: Row[] = [];
  const tried: Trial[] = [];
  for (const trial of trials) {
    const absent = trial.parts.filter((part) => !places.some((place) => place[trial.by] === part));
    if (card.combine !== "weighted_mean") {
      rows.push({
        test: trial.test,
        ...head,
        sentence: `${cardTitle(card)} adds points up: it has no weights to divide otherwise.`,
      });
    } else if (absent.length > 0) {
      rows.push({
        test: trial.test,
        ...head,
        sentence: `${cardTitle(card)} ${trial.missing(absent[0] as string)}: there is nothing to compare.`,
      });
    } else if (trial.test === "half_and_half" && Math.abs(partOf(places, "side", "proactive") - 50) < 0.5) {
      rows.push({
        test: trial.test,
        ...head,
        sentence: `${cardTitle(card)} is half proactive and half reactive already.`,
      });
    } else tried.push(trial);
  }
  if (tried.length === 0) return rows;
  // The points of the KPIs that an account has, weighted by their shares; risky is high.
  const mean = (condition: string): string =>
    `-sum(case when ${condition} then points * share end) / nullif(sum(case when ${condition} then share end), 0e0)`;
  await run(`
create or replace temp table folklore_row as
with placed as (
  select p.account_id, p.snapshot_date, cast(p.points as double) as points, cast(w.share as double) as share, k.kind, k.side
  from scores.score_part as p
  inner join scores.scorecard_weight as w
    on w.scorecard = p.scorecard and w.version = p.version and w.part_no = p.part_no and w.share > 0
  inner join features.kpi_definition as k on k.id = w.kpi
  where p.${of.replace(" and ", " and p.")} and p.kind = 'kpi' and p.points is not null
    and p.snapshot_date in (select snapshot_date from validation.stratum where y is not null)
),
meant as (
  select account_id, snapshot_date, ${mean("true")} as whole, ${mean("side = 'proactive'")} as proactive,
    ${mean("side = 'reactive'")} as reactive, ${mean("kind = 'objective'")} as objective, ${mean("kind = 'sentiment'")} as sentiment
  from placed group by account_id, snapshot_date
)
select s.account_no, s.block, s.segment, s.stratum, s.y, m.* exclude (account_id, snapshot_date)
from validation.stratum as s
inner join validation.definition as d on d.definition = s.definition and d.is_primary
inner join meant as m on m.account_id = s.account_id and m.snapshot_date = s.snapshot_date
where s.y is not null and s.snapshot_date >= date ${literal(card.created_on)}`);
  const select = (subject: string, value: string, where: string): string =>
    `select ${literal(subject)} as subject, account_no, block, segment, stratum, y, round(${value}, 8) as value from folklore_row where ${where}`;
  await run(`
create or replace temp table folklore_score as
${tried
  .flatMap(({ test, parts }) => {
    const both = parts.map((part) => `${part} is not null`).join(" and ");
    const [first, second] = parts;
    return test === "half_and_half"
      ? [select(`${test} a`, `0.5e0 * ${first} + 0.5e0 * ${second}`, both), select(`${test} b`, "whole", both)]
      : [select(`${test} a`, first, both), select(`${test} b`, second, both)];
  })
  .join("\nunion all\n")}`);
  await rankSubjects(context, "folklore", "folklore_score");
  const ranked = await readRanked(query, "folklore");
  for (const { test, by, parts } of tried) {
    const a = ranked.get(`${test} a`);
    const b = ranked.get(`${test} b`);
    const found = await pairedDifference(query, "folklore", `${test} a`, `${test} b`);
    const share = (part: string): string => String(Math.round(partOf(places, by, part)));
    const [first, second] = parts;
    const words =
      test === "half_and_half"
        ? ([
            `The KPIs of ${cardTitle(card)}, half proactive and half reactive,`,
            `its own ${share(first)} to ${share(second)}`,
          ] as const)
        : ([
            `The objective KPIs of ${cardTitle(card)} alone`,
            `its sentiment alone (${share(second)} of 100 points)`,
          ] as const);
    const churned = Math.min(a?.n_churned ?? 0, b?.n_churned ?? 0);
    rows.push({
      test,
      ...head,
      a: test === "half_and_half" ? "half and half" : first,
      b: test === "half_and_half" ? "as it is" : second,
      auc_a: twelveDigits(a?.auc ?? null),
      auc_b: twelveDigits(b?.auc ?? null),
      // Fewer than 50 churned accounts, as everywhere: no comparison.
      difference: churned < 50 ? null : twelveDigits(found.difference),
      difference_low: churned < 50 ? null : twelveDigits(found.low),
      difference_high: churned < 50 ? null : twelveDigits(found.high),
      n_churned: churned,
      n_accounts: Math.min(a?.n_accounts ?? 0, b?.n_accounts ?? 0),
      sentence:
        churned < 50
          ? `Not enough data: ${churned} of 50 churned accounts since ${cardTitle(card)} was made can be compared.`
          : differenceSentence(words[0], words[1], found, churned),
    });
  }
  await dropRanked(context, "folklore");
  await run("drop table folklore_row; drop table folklore_score");
  return rows;
}
