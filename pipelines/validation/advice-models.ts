/** Logistic models of sets of KPIs beside the baseline's prediction, and what they lose out of time. */
import type { StepContext } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import { baseOf, type Panel, type Testing, type Training, termOf, trainingOf } from "./advice-panel.ts";
import { fitLogistic, type LogisticStart } from "./newton.ts";
import { doubleLiteral, tenDigits } from "./tables.ts";

/** Sets of up to that many KPIs are fitted together. */
const smallSet = 5;

/** Fits begin at the baseline's own prediction: KPIs move it little. */
export const asPredicted: LogisticStart = { effects: new Map([[0, 0]]), coefficients: new Map([["b", 1]]) };

/** A fitted model; coefficients are rounded to ten digits, as they are used. */
export interface SetModel {
  readonly intercept: number;
  readonly base: number;
  readonly marks: readonly number[];
  /** One a KPI of the set, in its order. */
  readonly slopes: readonly number[];
  /** -2 log-likelihood on the rows it was fitted on, penalty apart. */
  readonly deviance: number;
}

/** A set of KPIs with a fixed order: ids sorted, joined by ` + `; the empty set is "". */
export const setKey = (kpis: readonly string[]): string => [...kpis].sort().join(" + ");
export const kpisOfKey = (key: string): readonly string[] => (key === "" ? [] : key.split(" + "));

export interface SetRequest {
  readonly training: Training;
  readonly key: string;
}

/**
 * Fits of y on the baseline's prediction, the marks of missing values and the KPIs of a set, ridge 1e-3; each is made once. Null: it
 * did not converge, or it separates.
 */
export class SetModels {
  readonly #context: StepContext;
  readonly #panel: Panel;
  readonly #models = new Map<string, SetModel | null>();

  constructor(context: StepContext, panel: Panel) {
    this.#context = context;
    this.#panel = panel;
  }

  get({ training, key }: SetRequest): SetModel | null {
    return this.#models.get(`${training} ${key}`) ?? null;
  }

  async fit(requests: readonly SetRequest[]): Promise<void> {
    const open = new Map<number, Map<string, SetRequest>>();
    for (const request of requests) {
      const id = `${request.training} ${request.key}`;
      if (this.#models.has(id)) continue;
      // Small sets share the passes over the rows: what a set lacks is a column of zeros, whose coefficient stays 0.
      const size = Math.max(smallSet, kpisOfKey(request.key).length);
      open.set(size, (open.get(size) ?? new Map()).set(id, request));
    }
    for (const batch of open.values()) await this.#fitBatch(batch);
  }

  async #fitBatch(batch: ReadonlyMap<string, SetRequest>): Promise<void> {
    const panel = this.#panel;
    const size = Math.max(...[...batch.values()].map(({ key }) => kpisOfKey(key).length));
    const slots = Array.from({ length: size }, (_, i) => `c${i}`);
    const marks = panel.marks.map((_, i) => `m${i}`);
    const rows = [...batch.values()].map(({ training, key }, fit) => {
      const kpis = kpisOfKey(key);
      const terms = slots.map((slot, i) => {
        const kpi = kpis[i];
        return `, ${kpi === undefined ? "0e0" : termOf(panel, kpi, training)} as ${slot}`;
      });
      const own = panel.marks.map((mark, i) => `, ${mark} as m${i}`);
      return `select ${fit} as fit, account_no, 0 as block, y, ${baseOf(training)} as b${own.join("")}${terms.join("")} from advice_row where "${training}"`;
    });
    const fits = await fitLogistic(this.#context.query, {
      rows: rows.join("\nunion all\n"),
      covariates: ["b", ...marks, ...slots],
      ridge: 1e-3,
      start: asPredicted,
    });
    for (const [i, [id, { key }]] of [...batch].entries()) {
      const fit = fits.get(String(i));
      if (fit === undefined || !fit.isConverged || fit.isSeparated) {
        this.#models.set(id, null);
        continue;
      }
      const of = (name: string): number => tenDigits(fit.coefficients.get(name) as number);
      this.#models.set(id, {
        intercept: tenDigits(fit.effects.get(0) as number),
        base: of("b"),
        marks: marks.map(of),
        slopes: kpisOfKey(key).map((_, slot) => of(`c${slot}`)),
        deviance: -2 * fit.logLikelihood,
      });
    }
  }

  /** The KPIs' part of the linear predictor, high for risky rows; SQL over advice_row. */
  kpiPart({ training, key }: SetRequest, model: SetModel): string {
    const terms = kpisOfKey(key).map(
      (kpi, i) => `${doubleLiteral(model.slopes[i] as number)} * ${termOf(this.#panel, kpi, training)}`,
    );
    return terms.length === 0 ? "0e0" : terms.join(" + ");
  }

  /** The whole linear predictor; SQL over advice_row. */
  predictor(request: SetRequest, model: SetModel): string {
    const marks = this.#panel.marks.map((mark, i) => ` + ${doubleLiteral(model.marks[i] as number)} * ${mark}`);
    return `${doubleLiteral(model.intercept)} + ${doubleLiteral(model.base)} * ${baseOf(request.training)}${marks.join("")} + ${this.kpiPart(request, model)}`;
  }
}

/** A prediction to be judged: its name, and its linear predictor in each part of the rows. */
export interface Judged {
  readonly name: string;
  readonly parts: readonly { readonly testing: Testing; readonly eta: string }[];
}

/** Predictions over the same rows, to be compared with each other. */
export interface JudgedGroup {
  readonly group: string;
  readonly judged: readonly Judged[];
  /** The one beside which the others stand; default: the one that loses least. */
  readonly beside?: string;
  /** One that is no candidate for losing least. */
  readonly before?: string;
}

export interface JudgedLoss {
  readonly name: string;
  /** Mean log loss over the rows, and its standard error clustered by account. */
  readonly loss: number;
  readonly se: number;
  /** Of its difference from the loss of the one it stands beside (0 for that one). */
  readonly seOfDifference: number;
}

/**
 * Mean log losses of each group, least first, ties by name. The variance of a mean, and of a mean difference between two, is
 * I/(I-1) sum over accounts of their rows' summed deviations from it, squared, over the number of rows squared.
 */
export async function judgeLosses(
  { query, run }: StepContext,
  groups: readonly JudgedGroup[],
): Promise<ReadonlyMap<string, readonly JudgedLoss[]>> {
  const selects = groups.flatMap(({ group, judged }) =>
    judged.flatMap(({ name, parts }) =>
      parts.map(
        ({ testing, eta }) =>
          `select ${literal(group)} as "group", ${literal(name)} as name, account_no, y, ${eta} as eta from advice_row where ${testing}`,
      ),
    ),
  );
  if (selects.length === 0) return new Map(groups.map(({ group }) => [group, []]));
  await run(`
create or replace temp table advice_loss as
select "group", name, account_no, count(*) as n, exact_share_sum(${lossOf}) as loss
from (${selects.join("\nunion all\n")}) as judged
group by "group", name, account_no`);
  const losses = await query<{ group: string; name: string; loss: number; n: number; se: number | null }>(`
with mean as (
  select "group", name, exact_sum(loss) / sum(n) as loss, sum(n) as n, count(*) as accounts
  from advice_loss group by "group", name
)
select m."group", m.name, m.loss, m.n,
  sqrt(exact_sum((a.loss - m.loss * a.n) * (a.loss - m.loss * a.n)) * m.accounts / (m.accounts - 1e0)) / m.n as se
from advice_loss as a
inner join mean as m on m."group" = a."group" and m.name = a.name
group by m."group", m.name, m.loss, m.n, m.accounts
order by m.loss, m.name`);
  const references = groups.flatMap(({ group, beside, before }) => {
    const reference = beside ?? losses.find((row) => row.group === group && row.name !== before)?.name;
    return reference === undefined ? [] : [`(${literal(group)}, ${literal(reference)})`];
  });
  const errors =
    references.length === 0
      ? []
      : await query<{ group: string; name: string; se: number | null }>(`
with reference("group", name) as (values ${references.join(", ")}),
paired as (
  select a."group", a.name, a.account_no, a.n, a.loss - b.loss as d
  from advice_loss as a
  inner join reference as r on r."group" = a."group"
  inner join advice_loss as b on b."group" = a."group" and b.name = r.name and b.account_no = a.account_no
),
mean as (
  select "group", name, exact_sum(d) / sum(n) as d, sum(n) as n, count(*) as accounts from paired group by "group", name
)
select p."group", p.name,
  sqrt(exact_sum((p.d - m.d * p.n) * (p.d - m.d * p.n)) * m.accounts / (m.accounts - 1e0)) / m.n as se
from paired as p
inner join mean as m on m."group" = p."group" and m.name = p.name
group by p."group", p.name, m.n, m.accounts`);
  await run("drop table advice_loss");
  const key = (group: string, name: string): string => JSON.stringify([group, name]);
  const errorOf = new Map(errors.map(({ group, name, se }) => [key(group, name), se ?? 0]));
  return new Map(
    groups.map(({ group }) => [
      group,
      losses
        .filter((row) => row.group === group)
        .map(({ name, loss, se }) => ({
          name,
          loss,
          se: se ?? 0,
          seOfDifference: errorOf.get(key(group, name)) ?? 0,
        })),
    ]),
  );
}

/** -ln of the probability that the linear predictor eta gives to y; SQL. */
const lossOf = "ln(1e0 + exp(-abs(eta))) + greatest(case when y = 1 then -eta else eta end, 0e0)";

/** The predictions of one set in the given parts; null where a model is missing. */
export function judgedSet(models: SetModels, key: string, testings: readonly Testing[]): Judged | null {
  const parts = testings.map((testing) => {
    const request = { training: trainingOf[testing], key };
    const model = models.get(request);
    return model === null ? null : { testing, eta: models.predictor(request, model) };
  });
  return parts.includes(null) ? null : { name: key, parts: parts.flatMap((part) => (part === null ? [] : [part])) };
}

/** One step of forward selection. */
export interface SelectionStep {
  /** The set after the step, as its key. */
  readonly key: string;
  /** The KPI that joined. */
  readonly added: string;
  /** How much smaller the loss became, and its standard error; null for a filler, which nothing chose. */
  readonly gain: number | null;
  readonly seOfGain: number | null;
  /** Sets of the same size whose loss is within one standard error, the set itself first. */
  readonly equivalent: readonly string[];
  /** The candidates ran out: this KPI is none, and the panel's order put it here. */
  readonly isFiller: boolean;
}

interface Path {
  readonly name: string;
  readonly testings: readonly Testing[];
  readonly chosen: string[];
  readonly steps: SelectionStep[];
  isOpen: boolean;
}

/**
 * Forward selection by log loss, for several parts of the rows at once: in each step the candidate joins whose set loses least in
 * the path's testings, by models fitted on what came before each. Then the panel's other KPIs follow in their order, up to `most`.
 */
export async function selectForward(
  context: StepContext,
  panel: Panel,
  models: SetModels,
  wanted: Readonly<Record<string, readonly Testing[]>>,
  most: number,
): Promise<ReadonlyMap<string, readonly SelectionStep[]>> {
  const paths: Path[] = Object.entries(wanted).map(([name, testings]) => ({
    name,
    testings,
    chosen: [],
    steps: [],
    isOpen: true,
  }));
  const candidates = panel.kpis.filter(({ isCandidate }) => isCandidate).map(({ id }) => id);
  const requests = (path: Path, keys: readonly string[]) =>
    keys.flatMap((key) => path.testings.map((testing) => ({ training: trainingOf[testing], key })));
  const before = "before";
  for (let k = 0; k < candidates.length && k < most; k += 1) {
    const open = paths
      .filter(({ isOpen }) => isOpen)
      .map((path) => {
        const rest = candidates.filter((id) => !path.chosen.includes(id));
        return { path, now: setKey(path.chosen), next: new Map(rest.map((id) => [setKey([...path.chosen, id]), id])) };
      });
    await models.fit(open.flatMap(({ path, now, next }) => requests(path, [now, ...next.keys()])));
    const losses = await judgeLosses(
      context,
      open.map(({ path, now, next }) => {
        const current = judgedSet(models, now, path.testings);
        const sets = [...next.keys()].flatMap((key) => judgedSet(models, key, path.testings) ?? []);
        return {
          group: path.name,
          judged: current === null ? [] : [{ ...current, name: before }, ...sets],
          before,
        };
      }),
    );
    for (const { path, next } of open) {
      const all = losses.get(path.name) ?? [];
      const now = all.find(({ name }) => name === before);
      const sets = all.filter(({ name }) => name !== before);
      const [best] = sets;
      if (best === undefined || now === undefined) {
        path.isOpen = false;
        continue;
      }
      const added = next.get(best.name) as string;
      path.steps.push({
        key: best.name,
        added,
        gain: now.loss - best.loss,
        seOfGain: now.seOfDifference,
        equivalent: sets
          .filter(({ loss, seOfDifference }) => loss - best.loss <= seOfDifference)
          .map(({ name }) => name),
        isFiller: false,
      });
      path.chosen.push(added);
    }
  }
  const fillers = panel.kpis.filter(({ isCandidate }) => !isCandidate).map(({ id }) => id);
  for (const path of paths.filter(({ isOpen }) => isOpen)) {
    for (const id of fillers.slice(0, Math.max(0, most - path.chosen.length))) {
      path.chosen.push(id);
      const key = setKey(path.chosen);
      path.steps.push({ key, added: id, gain: null, seOfGain: null, equivalent: [], isFiller: true });
    }
  }
  return new Map(paths.map(({ name, steps }) => [name, steps]));
}

/** How many KPIs forward selection stops at: before the first step that gains less than one standard error, five at most. */
export function stopAt(steps: readonly Pick<SelectionStep, "gain" | "seOfGain">[]): number {
  const stop = steps.findIndex(
    ({ gain, seOfGain }, i) => i >= 5 || gain === null || seOfGain === null || !(gain > 0 && gain >= seOfGain),
  );
  return stop < 0 ? Math.min(5, steps.length) : stop;
}
