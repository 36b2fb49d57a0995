/**
 * Logistic regression by Newton's method through SQL aggregates: the rows stay in the engine, a pass returns X'WX and
 * X'(y - mu), and only matrices as large as the number of coefficients are solved here (docs/method.md).
 */
import type { Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { cholesky, solveFactored } from "./linear.ts";
import { doubleLiteral } from "./tables.ts";

/**
 * Covariates that are linear in fewer columns within each part of the rows, as interactions with a segment are. The engine
 * then sums over the columns only, and the covariates' sums follow from those: exactly, and for a fraction of the cost.
 */
export interface Design {
  /** The double columns of the rows, in place of one a covariate. */
  readonly columns: readonly string[];
  /** By part (0, 1, ...: the rows' integer column `part`), then by covariate: its constant and its factor of each column. */
  readonly parts: readonly (readonly LinearForm[])[];
}

export interface LinearForm {
  readonly constant: number;
  /** By index in the columns; those left out are 0. */
  readonly factors: ReadonlyMap<number, number>;
}

/** Where the first pass begins. The solution does not depend on it, the number of passes does. */
export interface LogisticStart {
  readonly effects: ReadonlyMap<number, number>;
  /** Covariates left out start at 0. */
  readonly coefficients: ReadonlyMap<string, number>;
}

export interface LogisticProblem {
  /**
   * A select with the columns fit (text or integer: independent fits on the same covariates), account_no, block (integer),
   * y (0 or 1) and one double column a covariate, standardised, never null; with a design its columns and `part` instead.
   */
  readonly rows: string;
  readonly covariates: readonly string[];
  readonly design?: Design;
  readonly start?: LogisticStart;
  /**
   * Lambda: the fit maximises mean log-likelihood - (lambda / 2) sum b^2. The intercept is free; a block's effect counts
   * in the units of its standardised dummy.
   */
  readonly ridge: number;
  /** The covariate whose clustered Wald z is wanted. */
  readonly wald?: string;
}

export interface LogisticFit {
  readonly isConverged: boolean;
  /** Some |b| > 10: the rows separate, and the coefficients tell of the ridge only. */
  readonly isSeparated: boolean;
  readonly passes: number;
  readonly n: number;
  readonly events: number;
  readonly logLikelihood: number;
  /** The linear predictor of each block at covariates 0. */
  readonly effects: ReadonlyMap<number, number>;
  readonly coefficients: ReadonlyMap<string, number>;
  /** Of `wald`: clustered by account, G/(G-1) (n-1)/(n-k); null without `wald` or without convergence. */
  readonly se: number | null;
  readonly z: number | null;
}

const maxPasses = 50;

/** Sums over the rows of one block. */
interface BlockSums {
  w: number;
  residual: number;
  logLikelihood: number;
  readonly gradient: Float64Array;
  readonly cross: Float64Array;
  /** Upper triangle of X'WX, row by row. */
  readonly hessian: Float64Array;
}

interface FitState {
  /** As the rows have it. */
  readonly key: string | number;
  readonly blocks: readonly number[];
  readonly shares: readonly number[];
  readonly n: number;
  readonly events: number;
  /** Intercept, effects of blocks 2.., covariates. */
  beta: number[];
  accepted: { beta: number[]; objective: number; step: number[] } | undefined;
  halvings: number;
  passes: number;
  isDone: boolean;
  isConverged: boolean;
  logLikelihood: number;
  factor: readonly Float64Array[] | undefined;
}

/** Fits every `fit` of the rows; a fit without both classes is left out of the result. Its keys are the fits as text. */
export async function fitLogistic(query: Query, problem: LogisticProblem): Promise<ReadonlyMap<string, LogisticFit>> {
  const { covariates, ridge, start } = problem;
  const p = covariates.length;
  const design = problem.design ?? plainDesign(covariates);
  const shape = await query<{ fit: string | number; block: number; n: number; events: number }>(
    `select fit, block, count(*) as n, sum(y) as events from (${problem.rows}) as r group by fit, block order by fit, block`,
  );
  const shapeOf = new Map<string | number, (typeof shape)[number][]>();
  for (const row of shape) {
    const rows = shapeOf.get(row.fit);
    if (rows === undefined) shapeOf.set(row.fit, [row]);
    else rows.push(row);
  }
  const states = new Map<string, FitState>();
  for (const [fit, rows] of shapeOf) {
    const n = rows.reduce((sum, row) => sum + row.n, 0);
    const events = rows.reduce((sum, row) => sum + row.events, 0);
    if (events === 0 || events === n) continue;
    const blocks = rows.map((row) => row.block);
    states.set(String(fit), {
      key: fit,
      blocks,
      shares: rows.map((row) => row.n / n),
      n,
      events,
      beta: [
        ...startingEffects(blocks, start, Math.log(events / (n - events))),
        ...covariates.map((name) => start?.coefficients.get(name) ?? 0),
      ],
      accepted: undefined,
      halvings: 0,
      passes: 0,
      isDone: false,
      isConverged: false,
      logLikelihood: Number.NaN,
      factor: undefined,
    });
  }
  for (let pass = 1; pass <= maxPasses; pass += 1) {
    const open = [...states].filter(([, state]) => !state.isDone);
    if (open.length === 0) break;
    const sums = await passOver(query, problem, design, open);
    for (const [fit, state] of open) advance(state, sums.get(fit) ?? new Map(), p, ridge, pass);
  }
  const results = new Map<string, LogisticFit>();
  const errors =
    problem.wald === undefined ? new Map<string, number>() : await clusteredErrors(query, problem, design, states);
  for (const [fit, state] of states) {
    const effects = blockEffects(state);
    const own = state.beta.slice(state.blocks.length);
    const coefficients = new Map(covariates.map((name, j) => [name, own[j] as number]));
    const isSeparated = own.some((b) => Math.abs(b) > 10);
    const se = errors.get(fit) ?? null;
    const b = problem.wald === undefined ? undefined : coefficients.get(problem.wald);
    const isUsable = state.isConverged && !isSeparated && se !== null && se > 0;
    results.set(fit, {
      isConverged: state.isConverged,
      isSeparated,
      passes: state.passes,
      n: state.n,
      events: state.events,
      logLikelihood: state.logLikelihood,
      effects: new Map(state.blocks.map((block, i) => [block, effects[i] as number])),
      coefficients,
      se: isUsable ? se : null,
      z: isUsable && b !== undefined ? b / se : null,
    });
  }
  return results;
}

/** Every covariate a column of its own, and one part. */
const plainDesign = (covariates: readonly string[]): Design => ({
  columns: covariates,
  parts: [covariates.map((_, j) => ({ constant: 0, factors: new Map([[j, 1]]) }))],
});

/** The intercept, which is the first block's effect, and the distances of the other blocks from it. */
function startingEffects(
  blocks: readonly number[],
  start: LogisticStart | undefined,
  logOdds: number,
): readonly number[] {
  const [first, ...others] = blocks.map((block) => start?.effects.get(block) ?? logOdds);
  return [first as number, ...others.map((effect) => effect - (first as number))];
}

const blockEffects = (state: FitState): number[] =>
  state.blocks.map((_, i) => (state.beta[0] as number) + (i === 0 ? 0 : (state.beta[i] as number)));

/** The penalty's weight of each parameter: none on the intercept, the dummy's variance on a block's effect, 1 else. */
function penaltyOf(state: FitState, j: number): number {
  if (j === 0) return 0;
  if (j >= state.blocks.length) return 1;
  const share = state.shares[j] as number;
  return share * (1 - share);
}

function advance(
  state: FitState,
  byBlock: ReadonlyMap<number, BlockSums>,
  p: number,
  ridge: number,
  pass: number,
): void {
  const nBlocks = state.blocks.length;
  const size = nBlocks + p;
  state.passes = pass;
  const logLikelihood = [...byBlock.values()].reduce((sum, row) => sum + row.logLikelihood, 0);
  const penalty = state.beta.reduce((sum, b, j) => sum + penaltyOf(state, j) * b * b, 0);
  const objective = logLikelihood / state.n - (ridge / 2) * penalty;
  if (state.accepted !== undefined && !(objective >= state.accepted.objective - 1e-14)) {
    // Too long a step: half of it, from where the last accepted one began.
    state.halvings += 1;
    if (state.halvings > 20) {
      state.isDone = true;
      return;
    }
    const { beta, step } = state.accepted;
    const scale = 0.5 ** state.halvings;
    state.beta = beta.map((b, j) => b + scale * (step[j] as number));
    return;
  }
  const hessian = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  const gradient = new Array<number>(size).fill(0);
  const add = (i: number, j: number, value: number) => {
    (hessian[i] as number[])[j] = ((hessian[i] as number[])[j] as number) + value;
    if (i !== j) (hessian[j] as number[])[i] = ((hessian[j] as number[])[i] as number) + value;
  };
  for (const [i, block] of state.blocks.entries()) {
    const row = byBlock.get(block);
    if (row === undefined) continue;
    const targets = i === 0 ? [0] : [0, i];
    for (const target of targets) {
      gradient[target] = (gradient[target] as number) + row.residual;
      for (let j = 0; j < p; j += 1) add(target, nBlocks + j, row.cross[j] as number);
    }
    add(0, 0, row.w);
    if (i > 0) {
      add(0, i, row.w);
      add(i, i, row.w);
    }
    let at = 0;
    for (let a = 0; a < p; a += 1) {
      gradient[nBlocks + a] = (gradient[nBlocks + a] as number) + (row.gradient[a] as number);
      for (let b = a; b < p; b += 1) {
        add(nBlocks + a, nBlocks + b, row.hessian[at] as number);
        at += 1;
      }
    }
  }
  for (let j = 0; j < size; j += 1) {
    const weight = ridge * state.n * penaltyOf(state, j);
    add(j, j, weight);
    gradient[j] = (gradient[j] as number) - weight * (state.beta[j] as number);
  }
  const factor = cholesky(hessian);
  if (factor === null) {
    state.isDone = true;
    return;
  }
  const step = solveFactored(factor, gradient);
  state.accepted = { beta: state.beta, objective, step };
  state.halvings = 0;
  state.factor = factor;
  state.logLikelihood = logLikelihood;
  // Coefficients are exact long before; the Hessian of the clustered error is the one before the last step.
  if (Math.max(...step.map(Math.abs)) < 1e-10) {
    state.isDone = true;
    state.isConverged = true;
  }
  state.beta = state.beta.map((b, j) => b + (step[j] as number));
}

/** A linear function of the covariates per fit: its value per block at covariates 0, and its slopes. */
interface Linear {
  readonly key: string | number;
  readonly blocks: readonly number[];
  readonly effects: readonly number[];
  readonly slopes: readonly number[];
}

/** A linear function as SQL over the rows `r`: with the tables of values and the joins that it needs. */
interface LinearSql {
  readonly tables: readonly string[];
  readonly joins: string;
  readonly sql: string;
}

/** What the slopes are of the columns of each part: the constant first. */
function factorsOf({ slopes }: Linear, { columns, parts }: Design): readonly (readonly number[])[] {
  return parts.map((forms) => {
    const own = new Array<number>(columns.length + 1).fill(0);
    for (const [j, form] of forms.entries()) {
      own[0] = (own[0] as number) + (slopes[j] as number) * form.constant;
      for (const [k, factor] of form.factors) own[k + 1] = (own[k + 1] as number) + (slopes[j] as number) * factor;
    }
    return own;
  });
}

/** Of one fit the numbers stand in the statement: no join, and the engine multiplies by constants. */
function writtenOut(linear: Linear, design: Design): LinearSql {
  const factors = factorsOf(linear, design);
  const effects = linear.blocks.map((block, i) => `when ${block} then ${doubleLiteral(linear.effects[i] as number)}`);
  const byPart = (k: number): string => {
    const values = factors.map((own) => own[k] as number);
    const [first] = values as [number];
    if (values.every((value) => value === first)) return doubleLiteral(first);
    return `case r.part ${values.map((value, part) => `when ${part} then ${doubleLiteral(value)}`).join(" ")} end`;
  };
  const terms = design.columns.map((column, k) => `${byPart(k + 1)} * r.${column}`);
  return {
    tables: [],
    joins: "",
    sql: [`case r.block ${effects.join(" ")} end`, byPart(0), ...terms].join(" + "),
  };
}

/** Of several fits the numbers stand in tables: `<name>_slope` (fit, part, c, b0, ...) and `<name>_effect` (fit, block, a). */
function lookedUp(name: string, functions: readonly Linear[], design: Design): LinearSql {
  const { columns, parts } = design;
  const effects = functions.flatMap(({ key, blocks, effects: values }) =>
    blocks.map((block, i) => `(${literal(key)}, ${block}, ${doubleLiteral(values[i] as number)})`),
  );
  const slopes = functions.flatMap((linear) =>
    factorsOf(linear, design).map(
      (own, part) => `(${[literal(linear.key), part, ...own.map(doubleLiteral)].join(", ")})`,
    ),
  );
  const names = ["fit", "part", "c", ...columns.map((_, k) => `b${k}`)];
  const slope = `${name}_slope`;
  const effect = `${name}_effect`;
  const samePart = parts.length === 1 ? "" : ` and ${slope}.part = r.part`;
  return {
    tables: [
      `${slope}(${names.join(", ")}) as (values ${slopes.join(", ")})`,
      `${effect}(fit, block, a) as (values ${effects.join(", ")})`,
    ],
    joins: `
  inner join ${slope} on ${slope}.fit = r.fit${samePart}
  inner join ${effect} on ${effect}.fit = r.fit and ${effect}.block = r.block`,
    sql: [`${effect}.a + ${slope}.c`, ...columns.map((column, k) => `${slope}.b${k} * r.${column}`)].join(" + "),
  };
}

function linearOf(name: string, functions: readonly Linear[], design: Design): LinearSql {
  const [only, ...others] = functions;
  return only !== undefined && others.length === 0 ? writtenOut(only, design) : lookedUp(name, functions, design);
}

/**
 * The rows of these fits as `r`, how they are told apart in a list of keys, and what names them in a result. Of one fit the
 * engine groups by whole numbers alone, which it looks up without hashing.
 */
function rowsOf(rows: string, functions: readonly Linear[]): FitRows {
  const [only, ...others] = functions;
  if (only === undefined || others.length > 0) return { from: `(${rows}) as r`, keys: ["fit"], fit: "fit" };
  const key = literal(only.key);
  return { from: `(select * from (${rows}) as a where fit = ${key}) as r`, keys: [], fit: `${key} as fit` };
}

interface FitRows {
  readonly from: string;
  readonly keys: readonly string[];
  readonly fit: string;
}

const predictorsOf = (states: readonly FitState[]): readonly Linear[] =>
  states.map((state) => ({
    key: state.key,
    blocks: state.blocks,
    effects: blockEffects(state),
    slopes: state.beta.slice(state.blocks.length),
  }));

async function passOver(
  query: Query,
  { rows, covariates }: LogisticProblem,
  design: Design,
  open: readonly (readonly [string, FitState])[],
): Promise<ReadonlyMap<string, ReadonlyMap<number, BlockSums>>> {
  const { columns, parts } = design;
  const functions = predictorsOf(open.map(([, state]) => state));
  const predictor = linearOf("own", functions, design);
  const { from, keys, fit } = rowsOf(rows, functions);
  const groups = [...keys, "block", ...(parts.length === 1 ? [] : ["part"])].join(", ");
  const q = columns.length;
  const sums: string[] = [];
  // Plain sums steer the steps; the gradient decides where they end, so its rounding errors are compensated.
  for (const name of columns) sums.push(`fsum(residual * ${name})`);
  for (const name of columns) sums.push(`sum(w * ${name})`);
  for (let a = 0; a < q; a += 1) {
    for (let b = a; b < q; b += 1) sums.push(`sum(w * ${columns[a]} * ${columns[b]})`);
  }
  const result = await query<{ fit: string | number; block: number; part?: number } & Record<string, number>>(`
with ${[
    ...predictor.tables,
    `scored as (
  select r.*, ${predictor.sql} as eta
  from ${from}${predictor.joins}
)`,
  ].join(",\n")},
split as (
  -- exp of -|eta| alone: the larger share and the smaller one follow from it, and neither overflows.
  select *, exp(-abs(eta)) as odds, eta >= 0e0 as is_likely from scored
),
weighted as (
  select *,
    odds / ((1e0 + odds) * (1e0 + odds)) as w,
    y - case when is_likely then 1e0 else odds end / (1e0 + odds) as residual,
    case when is_likely = (y = 1) then 0e0 else -abs(eta) end - ln(1e0 + odds) as margin
  from split
)
select ${[fit, ...groups.split(", ").filter((name) => name !== "fit")].join(", ")}, sum(w) as s_w, fsum(residual) as s_r,
  fsum(margin) as s_l${sums.map((sum, i) => `, ${sum} as s${i}`).join("")}
from weighted group by ${groups} order by ${groups}`);
  const out = new Map<string, Map<number, BlockSums>>();
  const p = covariates.length;
  for (const row of result) {
    const blocks = out.get(String(row.fit)) ?? new Map<number, BlockSums>();
    out.set(String(row.fit), blocks);
    const block = blocks.get(row.block) ?? emptySums(p);
    blocks.set(row.block, block);
    const found = Float64Array.from(sums, (_, i) => row[`s${i}`] as number);
    addPart(block, found, row, q, parts[row.part ?? 0] as readonly LinearForm[]);
  }
  return out;
}

const emptySums = (p: number): BlockSums => ({
  w: 0,
  residual: 0,
  logLikelihood: 0,
  gradient: new Float64Array(p),
  cross: new Float64Array(p),
  hessian: new Float64Array((p * (p + 1)) / 2),
});

/**
 * Adds the sums of one part of a block: with x = c + F v for covariates x and columns v, sum of w x x' is
 * c c' sum w + c (F sum w v)' + (F sum w v) c' + F (sum w v v') F'.
 */
function addPart(
  block: BlockSums,
  sums: Float64Array,
  { s_w, s_r, s_l }: Readonly<Record<string, number>>,
  q: number,
  forms: readonly LinearForm[],
): void {
  const w = s_w as number;
  const at = (i: number): number => sums[i] as number;
  block.w += w;
  block.residual += s_r as number;
  block.logLikelihood += s_l as number;
  const place = (a: number, b: number): number =>
    a <= b ? 2 * q + a * q - (a * (a - 1)) / 2 + (b - a) : 2 * q + b * q - (b * (b - 1)) / 2 + (a - b);
  // By covariate: sum of w times it, and of w times it times each column.
  const weighted = forms.map(({ constant, factors }) => {
    let alone = constant * w;
    const beside = new Float64Array(q);
    for (let k = 0; k < q; k += 1) beside[k] = constant * at(q + k);
    for (const [l, factor] of factors) {
      alone += factor * at(q + l);
      for (let k = 0; k < q; k += 1) beside[k] = (beside[k] as number) + factor * at(place(l, k));
    }
    return { alone, beside };
  });
  let position = 0;
  for (const [i, { constant, factors }] of forms.entries()) {
    let gradient = constant * (s_r as number);
    for (const [k, factor] of factors) gradient += factor * at(k);
    block.gradient[i] = (block.gradient[i] as number) + gradient;
    const own = weighted[i] as (typeof weighted)[number];
    block.cross[i] = (block.cross[i] as number) + own.alone;
    for (let j = i; j < forms.length; j += 1) {
      const other = forms[j] as LinearForm;
      let sum = own.alone * other.constant;
      for (const [k, factor] of other.factors) sum += factor * (own.beside[k] as number);
      block.hessian[position] = (block.hessian[position] as number) + sum;
      position += 1;
    }
  }
}

/**
 * Standard error of one coefficient, clustered by account: with h the row of the inverse Hessian that belongs to it,
 * Var = sum over accounts of (h'U_a)^2, U_a the account's score sum, so that no meat matrix is built.
 */
async function clusteredErrors(
  query: Query,
  { covariates, rows, wald }: LogisticProblem,
  design: Design,
  states: ReadonlyMap<string, FitState>,
): Promise<ReadonlyMap<string, number>> {
  const at = covariates.indexOf(wald as string);
  if (at < 0) throw new Error(`${wald} is not a covariate`);
  const done = [...states.values()].filter((state) => state.isConverged && state.factor !== undefined);
  if (done.length === 0) return new Map();
  const directions = done.map((state): Linear => {
    const unit = new Array<number>(state.beta.length).fill(0);
    unit[state.blocks.length + at] = 1;
    const h = solveFactored(state.factor as readonly Float64Array[], unit);
    const effects = state.blocks.map((_, i) => (h[0] as number) + (i === 0 ? 0 : (h[i] as number)));
    return { key: state.key, blocks: state.blocks, effects, slopes: h.slice(state.blocks.length) };
  });
  const functions = predictorsOf(done);
  const predictor = linearOf("own", functions, design);
  const direction = linearOf("toward", directions, design);
  const { from, keys, fit } = rowsOf(rows, functions);
  const result = await query<{ fit: string | number; squares: number; accounts: number; n: number }>(`
with ${[
    ...predictor.tables,
    ...direction.tables,
    `scored as (
  select ${["account_no", "y", ...keys].map((name) => `r.${name}`).join(", ")}, ${predictor.sql} as eta, ${direction.sql} as direction
  from ${from}${predictor.joins}${direction.joins}
)`,
  ].join(",\n")},
by_account as (
  select ${[...keys, "account_no"].join(", ")}, count(*) as n, fsum((y - 1e0 / (1e0 + exp(-eta))) * direction) as u
  from scored group by ${[...keys, "account_no"].join(", ")}
)
select ${fit}, fsum(u * u) as squares, count(*) as accounts, sum(n) as n
from by_account${keys.length === 0 ? "" : ` group by ${keys.join(", ")}`}`);
  const errors = new Map<string, number>();
  for (const row of result) {
    const k = (states.get(String(row.fit)) as FitState).beta.length;
    if (row.accounts < 2 || row.n <= k) continue;
    errors.set(
      String(row.fit),
      Math.sqrt(row.squares * (row.accounts / (row.accounts - 1)) * ((row.n - 1) / (row.n - k))),
    );
  }
  return errors;
}
