/**
 * How many KPIs, which, with what weights: forward selection out of time, and Shapley's shares shrunk towards equal weights
 * (docs/method.md, "How many KPIs" and "Suggestions").
 */
import type { Step, StepContext } from "../models/model.ts";
import { literal, type SqlValue } from "../warehouse/literal.ts";
import { type Card, cardName, cardsInForce, cardTitle } from "./advice-cards.ts";
import {
  asPredicted,
  type Judged,
  judgedSet,
  judgeLosses,
  kpisOfKey,
  type SelectionStep,
  SetModels,
  selectForward,
  setKey,
  stopAt,
} from "./advice-models.ts";
import { baseOf, buildPanel, dropPanel, type Panel, type Training, termOf } from "./advice-panel.ts";
import {
  comparisonColumns,
  dropRanked,
  type PairedDifference,
  pairedDifference,
  rankSubjects,
  readRanked,
} from "./advice-rank.ts";
import { chooseLambda, inSteps, lambdas, shapleyValues, sharesOf, shrink } from "./advice-weights.ts";
import { curveSentence, curveSummary, differenceSentence, listed } from "./advice-words.ts";
import { fitLogistic } from "./newton.ts";
import { doubleLiteral, tenDigits, twelveDigits, writeTable } from "./tables.ts";

/** The longest curve. */
const mostKpis = 10;

/** A part of the rows with the set that was chosen for it without looking at it. */
interface Outer {
  readonly testing: "q1" | "q2";
  readonly training: "t1" | "t2";
  readonly steps: readonly SelectionStep[];
}

const outerParts = [
  { testing: "q1", training: "t1", inner: "v1" },
  { testing: "q2", training: "t2", inner: "v2" },
] as const;

/** An outer part with what its training rows say of the KPIs that were chosen for it. */
interface WeighedPart {
  readonly training: "t1" | "t2";
  readonly testing: "q1" | "q2";
  readonly kpis: readonly string[];
  readonly shares: readonly number[];
  readonly signs: readonly number[];
}

type Row = Record<string, SqlValue>;

/** Writes validation.kpi_count_curve, validation.suggested_weight and validation.model_test. */
export const adviseOnKpis: Step = {
  kind: "step",
  name: "validation.advise_on_kpis",
  depends: [
    "scores.account_score",
    "scores.scorecard",
    "scores.scorecard_weight",
    "validation.baseline_coefficient",
    "validation.baseline_fit",
    "validation.baseline_row",
    "validation.baseline_term",
    "validation.definition",
    "validation.kpi_pair",
    "validation.kpi_placed",
    "validation.kpi_verdict",
    "validation.stratum",
  ],
  params: ["as_of", "gap_days", "horizon_days"],
  produces: ["validation.kpi_count_curve", "validation.model_test", "validation.suggested_weight"],
  version: "2",
  async run(context) {
    const panel = await buildPanel(context, mostKpis);
    if ("why" in panel) {
      await writeCurve(context, [{ k: 0, sentence: panel.why }]);
      await writeWeights(context, []);
      await writeModelTests(
        context,
        ["more_than_five", "per_segment", "under_three"].map((test) => ({ test, sentence: panel.why })),
      );
      return;
    }
    const models = new SetModels(context, panel);
    const most = Math.min(mostKpis, panel.kpis.length);
    const paths = await selectForward(
      context,
      panel,
      models,
      { whole: ["q1", "q2"], ...Object.fromEntries(outerParts.map(({ testing, inner }) => [testing, [inner]])) },
      most,
    );
    const whole = paths.get("whole") ?? [];
    const outer = outerParts.map(({ testing, training }) => ({ testing, training, steps: paths.get(testing) ?? [] }));
    const counts = await curve(context, panel, models, whole, outer);
    await weights(context, panel, models, whole, outer);
    await writeModelTests(context, [...counts, ...(await segments(context, panel, models, outer))]);
    await dropPanel(context);
    context.note(`${panel.kpis.length} KPIs compared in sets, ${stopAt(whole)} suggested`);
  },
};

/** The chosen set of each outer part after k steps; null where a part has none. */
const outerKeys = (outer: readonly Outer[], k: number): readonly string[] | null => {
  const keys = outer.map(({ steps }) => (k === 0 ? "" : steps[k - 1]?.key));
  return keys.some((key) => key === undefined) ? null : (keys as string[]);
};

async function curve(
  context: StepContext,
  panel: Panel,
  models: SetModels,
  whole: readonly SelectionStep[],
  outer: readonly Outer[],
): Promise<readonly Row[]> {
  const sizes = Array.from({ length: whole.length + 1 }, (_, k) => k);
  await models.fit(
    sizes.flatMap((k) =>
      (outerKeys(outer, k) ?? []).map((key, i) => ({ training: (outer[i] as Outer).training, key })),
    ),
  );
  const judged: Judged[] = [];
  const scored: string[] = [];
  for (const k of sizes) {
    const keys = outerKeys(outer, k);
    if (keys === null) continue;
    const sets = keys.map((key, i) => judgedSet(models, key, [(outer[i] as Outer).testing]));
    if (sets.includes(null)) continue;
    judged.push({ name: String(k), parts: sets.flatMap((set) => set?.parts ?? []) });
    if (k === 0) continue;
    for (const [i, key] of keys.entries()) {
      const { training, testing } = outer[i] as Outer;
      const request = { training, key };
      const model = models.get(request);
      if (model === null) continue;
      const terms = kpisOfKey(key).map(
        (kpi, at) => `${(model.slopes[at] as number) < 0 ? "-" : ""}${termOf(panel, kpi, training)}`,
      );
      scored.push(
        `select ${literal(String(k))} as subject, account_no, block, segment, stratum, y, round(${models.kpiPart(request, model)}, 8) as value, (${terms.join(" + ")}) / ${k}e0 as mean_term from advice_row where ${testing}`,
      );
    }
  }
  const all = await judgeLosses(context, [{ group: "curve", judged, beside: "0" }]);
  const losses = new Map((all.get("curve") ?? []).map((loss) => [loss.name, loss]));
  if (scored.length > 0)
    await context.run(`create or replace temp table advice_score as ${scored.join("\nunion all\n")}`);
  const spreads = new Map<string, number | null>();
  if (scored.length > 0) {
    await rankSubjects(context, "advice", "advice_score");
    for (const { subject, spread } of await context.query<{ subject: string; spread: number | null }>(`
select s.subject, sqrt(exact_share_sum((s.mean_term - m.mean) * (s.mean_term - m.mean)) / count(*)) as spread
from advice_score as s
inner join (select subject, exact_share_sum(mean_term) / count(*) as mean from advice_score group by subject) as m
  on m.subject = s.subject
group by s.subject`)) {
      spreads.set(subject, spread);
    }
  }
  const ranked = scored.length > 0 ? await readRanked(context.query, "advice") : new Map();
  const suggested = stopAt(whole);
  const none = losses.get("0");
  const rows = sizes.map((k): Row => {
    const step = whole[k - 1];
    const rank = ranked.get(String(k));
    const loss = losses.get(String(k));
    const row = {
      k,
      kpis: step?.key ?? "",
      added: step?.added ?? null,
      is_candidate: step === undefined ? null : !step.isFiller,
      is_suggested: k === suggested,
      auc: twelveDigits(rank?.auc ?? null),
      auc_low: twelveDigits(rank?.auc_low ?? null),
      auc_high: twelveDigits(rank?.auc_high ?? null),
      log_loss: twelveDigits(loss?.loss ?? null),
      log_loss_low: loss === undefined ? null : twelveDigits(loss.loss - z95 * loss.se),
      log_loss_high: loss === undefined ? null : twelveDigits(loss.loss + z95 * loss.se),
      gain: loss === undefined || none === undefined ? null : twelveDigits(none.loss - loss.loss),
      gain_se: twelveDigits(loss?.seOfDifference ?? null),
      spread: twelveDigits(spreads.get(String(k)) ?? null),
      n_rows: rank?.n_rows ?? null,
      n_churned: panel.testChurned,
      tested_from: panel.testFrom[0],
      tested_to: panel.testTo,
      n_equivalent: step === undefined || step.isFiller ? null : step.equivalent.length,
      equivalent: step === undefined || step.isFiller ? null : step.equivalent.join("; "),
    };
    const sentence =
      k === 0
        ? curveSummary({
            suggested,
            sets: whole[suggested - 1]?.equivalent ?? [],
            nCandidates: panel.kpis.filter(({ isCandidate }) => isCandidate).length,
            churned: panel.testChurned,
            from: panel.testFrom[0],
            to: panel.testTo,
          })
        : curveSentence({ ...row, k, kpis: kpisOfKey(row.kpis), churned: panel.testChurned });
    return { ...row, sentence };
  });
  await writeCurve(context, rows);
  const tests = await countTests(
    context,
    sizes.filter((k) => ranked.has(String(k))),
  );
  await dropRanked(context, "advice");
  await context.run("drop table if exists advice_score");
  return tests;
}

/** Three to five KPIs are said to be right: four (or as near as there are) against two, and more than five against four. */
async function countTests(context: StepContext, sizes: readonly number[]): Promise<readonly Row[]> {
  const few = sizes.filter((k) => k < 3).at(-1);
  const middle = [4, 3, 5].find((k) => sizes.includes(k));
  const many = sizes.filter((k) => k > 5).at(-1);
  const kpis = (k: number): string => `${k} KPI${k === 1 ? "" : "s"}`;
  const compare = async (test: string, a: number | undefined, b: number | undefined): Promise<Row> => {
    if (a === undefined || b === undefined) {
      return { test, sentence: `There are not enough KPIs to compare: up to ${kpis(sizes.at(-1) ?? 0)} in one model.` };
    }
    return testRow(context, test, { subject: String(a), words: kpis(a) }, { subject: String(b), words: kpis(b) });
  };
  return [await compare("more_than_five", many, middle), await compare("under_three", middle, few)];
}

interface Subject {
  readonly subject: string;
  readonly words: string;
}

/** A row of validation.model_test: two ranked subjects, paired. */
async function testRow(context: StepContext, test: string, a: Subject, b: Subject): Promise<Row> {
  const aucs = await readRanked(context.query, "advice");
  const found = await pairedDifference(context.query, "advice", a.subject, b.subject);
  const churned = aucs.get(a.subject)?.n_churned ?? 0;
  return {
    test,
    a: a.words,
    b: b.words,
    auc_a: twelveDigits(aucs.get(a.subject)?.auc ?? null),
    auc_b: twelveDigits(aucs.get(b.subject)?.auc ?? null),
    difference: twelveDigits(found.difference),
    difference_low: twelveDigits(found.low),
    difference_high: twelveDigits(found.high),
    n_churned: churned,
    n_accounts: aucs.get(a.subject)?.n_accounts ?? 0,
    sentence: differenceSentence(a.words, b.words, found, churned),
  };
}

const z95 = 1.959963984540054;

/** The keys of all subsets, by bit mask. */
const subsetsOf = (kpis: readonly string[]): readonly string[] =>
  Array.from({ length: 1 << kpis.length }, (_, mask) => setKey(kpis.filter((_, i) => (mask >> i) & 1)));

/** Shapley's shares of the deviance beyond the baseline, and the sign of each KPI alone, from models of all subsets. */
function sharesFor(
  models: SetModels,
  training: Training,
  kpis: readonly string[],
): { readonly shares: readonly number[]; readonly signs: readonly number[] } | null {
  const keys = subsetsOf(kpis);
  const deviances = keys.map((key) => models.get({ training, key })?.deviance ?? null);
  if (deviances.includes(null)) return null;
  const [without] = deviances as number[];
  const values = shapleyValues(kpis.length, (mask) => (without as number) - (deviances[mask] as number));
  return {
    shares: sharesOf(values),
    signs: kpis.map((kpi) => ((models.get({ training, key: kpi })?.slopes[0] ?? 0) < 0 ? -1 : 1)),
  };
}

/** A weighted sum of a part's KPIs, each turned so that high is risky; SQL over advice_row. */
const weighted = (
  panel: Panel,
  training: Training,
  kpis: readonly string[],
  signs: readonly number[],
  by: readonly number[],
): string =>
  kpis
    .map(
      (kpi, i) =>
        `${doubleLiteral(tenDigits((signs[i] as number) * (by[i] as number)))} * ${termOf(panel, kpi, training)}`,
    )
    .join(" + ");

async function weights(
  context: StepContext,
  panel: Panel,
  models: SetModels,
  whole: readonly SelectionStep[],
  outer: readonly Outer[],
): Promise<void> {
  const k = stopAt(whole);
  const kpis = kpisOfKey(whole[k - 1]?.key ?? "");
  // A part whose own selection stops at none still needs a score to be judged: its first KPI.
  const own = outer.map(({ steps, ...part }) => ({
    ...part,
    kpis: kpisOfKey(steps[Math.max(1, stopAt(steps)) - 1]?.key ?? ""),
  }));
  if (k === 0 || own.some((part) => part.kpis.length === 0)) {
    await writeWeights(context, []);
    return;
  }
  await models.fit(
    [{ training: "all" as const, kpis }, ...own].flatMap((part) =>
      subsetsOf(part.kpis).map((key) => ({ training: part.training, key })),
    ),
  );
  const final = sharesFor(models, "all", kpis);
  const parts = own.flatMap((part): WeighedPart[] => {
    const fitted = sharesFor(models, part.training, part.kpis);
    return fitted === null ? [] : [{ ...part, ...fitted }];
  });
  if (final === null || parts.length < own.length) {
    await writeWeights(context, []);
    return;
  }
  const scoreOf = (part: WeighedPart, by: readonly number[]): string =>
    weighted(panel, part.training, part.kpis, part.signs, by);

  const name = (lambda: number, training: string): string => `${training} ${lambda}`;
  const columns = ["b", ...panel.marks.map((_, i) => `m${i}`), "score"];
  const base = (training: Training): string =>
    [`${baseOf(training)} as b`, ...panel.marks.map((mark, i) => `${mark} as m${i}`)].join(", ");
  const fits = await fitLogistic(context.query, {
    rows: parts
      .flatMap((part) =>
        lambdas.map(
          (lambda) =>
            `select ${literal(name(lambda, part.training))} as fit, account_no, 0 as block, y, ${base(part.training)}, ${scoreOf(part, shrink(part.shares, lambda))} as score from advice_row where ${part.training}`,
        ),
      )
      .join("\nunion all\n"),
    covariates: columns,
    ridge: 1e-3,
    start: asPredicted,
  });
  const judged = lambdas.flatMap((lambda): Judged[] => {
    const etas = parts.map((part) => {
      const fit = fits.get(name(lambda, part.training));
      if (fit === undefined || !fit.isConverged || fit.isSeparated) return null;
      const of = (column: string): string => doubleLiteral(tenDigits(fit.coefficients.get(column) as number));
      const marks = panel.marks.map((mark, i) => ` + ${of(`m${i}`)} * ${mark}`).join("");
      const eta = `${doubleLiteral(tenDigits(fit.effects.get(0) as number))} + ${of("b")} * ${baseOf(part.training)}${marks} + ${of("score")} * (${scoreOf(part, shrink(part.shares, lambda))})`;
      return { testing: part.testing, eta };
    });
    return etas.includes(null) ? [] : [{ name: String(lambda), parts: etas.flatMap((eta) => eta ?? []) }];
  });
  const losses = (await judgeLosses(context, [{ group: "lambda", judged }])).get("lambda") ?? [];
  const lambda = chooseLambda(losses.map((loss) => ({ ...loss, lambda: Number(loss.name) })));

  const cards = await cardsInForce(context.query);
  const subject = (what: string, card: Card | null): string => (card === null ? what : `${what} ${cardName(card)}`);
  const ranked = parts.flatMap((part) => {
    const suggested = inSteps(shrink(part.shares, lambda));
    const equal = part.kpis.map(() => 1);
    const select = (what: string, value: string, more = ""): string =>
      `select ${literal(what)} as subject, r.account_no, r.block, r.segment, r.stratum, r.y, round(${value}, 8) as value from advice_row as r ${more} where r.${part.testing}`;
    return [
      select("suggested", scoreOf(part, suggested)),
      select("equal", scoreOf(part, equal)),
      ...cards.flatMap((card) => {
        const join = `inner join scores.account_score as a on a.account_id = r.account_id and a.snapshot_date = r.snapshot_date and a.scorecard = ${literal(card.scorecard)} and a.version = ${card.version} and a.score is not null and a.snapshot_date >= date ${literal(card.created_on)}`;
        return [
          select(subject("suggested", card), scoreOf(part, suggested), join),
          select(subject("current", card), "-cast(a.score as double)", join),
        ];
      }),
    ];
  });
  await context.run(`create or replace temp table advice_score as ${ranked.join("\nunion all\n")}`);
  await rankSubjects(context, "advice", "advice_score");
  const aucs = await readRanked(context.query, "advice");
  const toEqual = await pairedDifference(context.query, "advice", "suggested", "equal");
  const current = await context.query<{ scorecard: string; version: number; kpi: string; share: number }>(
    "select scorecard, version, kpi, cast(sum(share) as double) as share from scores.scorecard_weight group by scorecard, version, kpi order by 1, 2, 3",
  );
  const suggestedWeights = inSteps(shrink(final.shares, lambda));
  const rows: Row[] = [];
  for (const card of cards.length > 0 ? cards : [null]) {
    const held = current.filter((row) => row.scorecard === card?.scorecard && row.version === card.version);
    const toCurrent: PairedDifference | null =
      card === null
        ? null
        : await pairedDifference(context.query, "advice", subject("suggested", card), subject("current", card));
    const all = [...kpis, ...held.map(({ kpi }) => kpi).filter((kpi) => !kpis.includes(kpi))];
    const currentAuc = card === null ? undefined : aucs.get(subject("current", card));
    for (const kpi of all) {
      const i = kpis.indexOf(kpi);
      rows.push({
        scorecard: card?.scorecard ?? null,
        version: card?.version ?? null,
        kpi,
        suggested: i < 0 ? 0 : (suggestedWeights[i] as number),
        equal: i < 0 ? 0 : twelveDigits(100 / kpis.length),
        current: card === null ? null : (held.find((row) => row.kpi === kpi)?.share ?? 0),
        // Deviances carry the last step of their fits: fewer digits than other statistics.
        shapley_share: i < 0 ? null : Number((final.shares[i] as number).toFixed(8)),
        lambda,
        auc_suggested: twelveDigits(aucs.get("suggested")?.auc ?? null),
        auc_equal: twelveDigits(aucs.get("equal")?.auc ?? null),
        auc_current: twelveDigits(currentAuc?.auc ?? null),
        difference_to_equal: twelveDigits(toEqual.difference),
        difference_to_equal_low: twelveDigits(toEqual.low),
        difference_to_equal_high: twelveDigits(toEqual.high),
        difference_to_current: twelveDigits(toCurrent?.difference ?? null),
        difference_to_current_low: twelveDigits(toCurrent?.low ?? null),
        difference_to_current_high: twelveDigits(toCurrent?.high ?? null),
        n_churned: panel.testChurned,
        tested_from: panel.testFrom[0],
        tested_to: panel.testTo,
        sentence: [
          differenceSentence("Suggested weights", "equal weights", toEqual, panel.testChurned),
          ...(card === null || toCurrent === null
            ? []
            : [
                differenceSentence(
                  "Suggested weights",
                  `${cardTitle(card)} as it is`,
                  toCurrent,
                  currentAuc?.n_churned ?? 0,
                ),
              ]),
        ].join(" "),
      });
    }
  }
  await writeWeights(context, rows);
  await dropRanked(context, "advice");
  await context.run("drop table advice_score");
}

/** One model for all segments against one for each, on the same KPIs. A segment with too few churned accounts keeps the former. */
async function segments(
  context: StepContext,
  panel: Panel,
  models: SetModels,
  outer: readonly Outer[],
): Promise<readonly Row[]> {
  const counts = await context.query<{ segment: string; t1: number; t2: number }>(`
select segment, count(distinct case when y = 1 and t1 then account_no end) as t1,
  count(distinct case when y = 1 and t2 then account_no end) as t2
from advice_row group by segment order by segment`);
  const large = counts.filter(({ t1, t2 }) => t1 >= 50 && t2 >= 50).map(({ segment }) => segment);
  if (large.length < 2) {
    const sentence = `One score for each segment cannot be compared with one for all: ${large.length} of ${counts.length} segments have 50 churned accounts to learn from, two are needed.`;
    return [{ test: "per_segment", sentence }];
  }
  const ranked: string[] = [];
  for (const { training, testing, steps } of outer) {
    const key = steps[Math.max(1, stopAt(steps)) - 1]?.key ?? "";
    const model = models.get({ training, key });
    const kpis = kpisOfKey(key);
    if (model === null || kpis.length === 0) continue;
    const columns = ["b", ...panel.marks.map((_, i) => `m${i}`), ...kpis.map((_, i) => `c${i}`)];
    const values = [baseOf(training), ...panel.marks, ...kpis.map((kpi) => termOf(panel, kpi, training))];
    const fits = await fitLogistic(context.query, {
      rows: `select segment as fit, account_no, 0 as block, y, ${columns.map((column, i) => `${values[i]} as ${column}`).join(", ")} from advice_row where ${training} and segment in (${large.map(literal).join(", ")})`,
      covariates: columns,
      ridge: 1e-3,
      start: asPredicted,
    });
    const one = models.kpiPart({ training, key }, model);
    const own = large.flatMap((segment) => {
      const fit = fits.get(segment);
      if (fit === undefined || !fit.isConverged || fit.isSeparated) return [];
      const terms = kpis.map(
        (kpi, i) =>
          `${doubleLiteral(tenDigits(fit.coefficients.get(`c${i}`) as number))} * ${termOf(panel, kpi, training)}`,
      );
      return [`when ${literal(segment)} then ${terms.join(" + ")}`];
    });
    const each = own.length === 0 ? one : `case segment ${own.join(" ")} else ${one} end`;
    for (const [subject, value] of [
      ["one", one],
      ["each", each],
    ] as const) {
      ranked.push(
        `select ${literal(subject)} as subject, account_no, block, segment, stratum, y, round(${value}, 8) as value from advice_row where ${testing}`,
      );
    }
  }
  if (ranked.length === 0) {
    return [{ test: "per_segment", sentence: "One score for each segment could not be fitted." }];
  }
  await context.run(`create or replace temp table advice_score as ${ranked.join("\nunion all\n")}`);
  await rankSubjects(context, "advice", "advice_score");
  const row = await testRow(
    context,
    "per_segment",
    { subject: "each", words: `Weights of their own for ${listed(large)}` },
    { subject: "one", words: "one set of weights for all" },
  );
  await dropRanked(context, "advice");
  await context.run("drop table advice_score");
  return [row];
}

const writeCurve = (context: StepContext, rows: readonly Row[]): Promise<void> =>
  writeTable(
    context,
    "validation.kpi_count_curve",
    {
      k: "integer",
      kpis: "varchar",
      added: "varchar",
      is_candidate: "boolean",
      is_suggested: "boolean",
      auc: "double",
      auc_low: "double",
      auc_high: "double",
      log_loss: "double",
      log_loss_low: "double",
      log_loss_high: "double",
      gain: "double",
      gain_se: "double",
      spread: "double",
      n_rows: "bigint",
      n_churned: "bigint",
      tested_from: "date",
      tested_to: "date",
      n_equivalent: "integer",
      equivalent: "varchar",
      sentence: "varchar",
    },
    rows,
  );

const writeWeights = (context: StepContext, rows: readonly Row[]): Promise<void> =>
  writeTable(
    context,
    "validation.suggested_weight",
    {
      scorecard: "varchar",
      version: "integer",
      kpi: "varchar",
      suggested: "integer",
      equal: "double",
      current: "double",
      shapley_share: "double",
      lambda: "double",
      auc_suggested: "double",
      auc_equal: "double",
      auc_current: "double",
      difference_to_equal: "double",
      difference_to_equal_low: "double",
      difference_to_equal_high: "double",
      difference_to_current: "double",
      difference_to_current_low: "double",
      difference_to_current_high: "double",
      n_churned: "bigint",
      tested_from: "date",
      tested_to: "date",
      sentence: "varchar",
    },
    rows,
  );

const writeModelTests = (context: StepContext, rows: readonly Row[]): Promise<void> =>
  writeTable(
    context,
    "validation.model_test",
    {
      test: "varchar",
      ...comparisonColumns,
    },
    rows,
  );
