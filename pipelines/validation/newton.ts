/**
 * Logistic regression by Newton's method through SQL aggregates: the rows stay in the engine, a pass returns X'WX and
 * X'(y - mu), and only matrices as large as the number of coefficients are solved here (docs/method.md).
 */
import type { Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { cholesky, solveFactored } from "./linear.ts";
import { doubleLiteral } from "./tables.ts";

export interface LogisticProblem {
  /**
   * A select with the columns fit (text: independent fits on the same covariates), account_no, block (integer), y (0 or
   * 1) and one double column a covariate, standardised, never null.
   */
  readonly rows: string;
  readonly covariates: readonly string[];
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

interface BlockSums {
  readonly block: number;
  readonly n: number;
  readonly events: number;
  readonly w: number;
  readonly residual: number;
  readonly logLikelihood: number;
  readonly gradient: readonly number[];
  readonly cross: readonly number[];
  /** Upper triangle of X'WX, row by row. */
  readonly hessian: readonly number[];
}

interface FitState {
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

/** Fits every `fit` of the rows; a fit without both classes is left out of the result. */
export async function fitLogistic(query: Query, problem: LogisticProblem): Promise<ReadonlyMap<string, LogisticFit>> {
  const { covariates, ridge } = problem;
  const p = covariates.length;
  const shape = await query<{ fit: string; block: number; n: number; events: number }>(
    `select fit, block, count(*) as n, sum(y) as events from (${problem.rows}) as r group by fit, block order by fit, block`,
  );
  const states = new Map<string, FitState>();
  for (const fit of new Set(shape.map((row) => row.fit))) {
    const rows = shape.filter((row) => row.fit === fit);
    const n = rows.reduce((sum, row) => sum + row.n, 0);
    const events = rows.reduce((sum, row) => sum + row.events, 0);
    if (events === 0 || events === n) continue;
    states.set(fit, {
      blocks: rows.map((row) => row.block),
      shares: rows.map((row) => row.n / n),
      n,
      events,
      beta: [Math.log(events / (n - events)), ...new Array<number>(rows.length - 1 + p).fill(0)],
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
    const sums = await passOver(query, problem, open);
    for (const [fit, state] of open) advance(state, sums.get(fit) ?? [], p, ridge, pass);
  }
  const results = new Map<string, LogisticFit>();
  const errors = problem.wald === undefined ? new Map<string, number>() : await clusteredErrors(query, problem, states);
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

const blockEffects = (state: FitState): number[] =>
  state.blocks.map((_, i) => (state.beta[0] as number) + (i === 0 ? 0 : (state.beta[i] as number)));

/** The penalty's weight of each parameter: none on the intercept, the dummy's variance on a block's effect, 1 else. */
function penaltyOf(state: FitState, j: number): number {
  if (j === 0) return 0;
  if (j >= state.blocks.length) return 1;
  const share = state.shares[j] as number;
  return share * (1 - share);
}

function advance(state: FitState, sums: readonly BlockSums[], p: number, ridge: number, pass: number): void {
  const nBlocks = state.blocks.length;
  const size = nBlocks + p;
  const byBlock = new Map(sums.map((row) => [row.block, row]));
  state.passes = pass;
  const logLikelihood = sums.reduce((sum, row) => sum + row.logLikelihood, 0);
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
  if (Math.max(...step.map(Math.abs)) < 1e-8) {
    state.isDone = true;
    state.isConverged = true;
  }
  state.beta = state.beta.map((b, j) => b + (step[j] as number));
}

function tablesOf(
  fits: readonly (readonly [
    string,
    { effects: readonly number[]; slopes: readonly number[]; blocks: readonly number[] },
  ])[],
  p: number,
): string {
  const slopes = fits.map(([fit, t]) => `(${[literal(fit), ...t.slopes.map(doubleLiteral)].join(", ")})`);
  const effects = fits.flatMap(([fit, t]) =>
    t.blocks.map((block, i) => `(${literal(fit)}, ${block}, ${doubleLiteral(t.effects[i] as number)})`),
  );
  const names = ["fit", ...Array.from({ length: p }, (_, j) => `b${j}`)];
  return `slope(${names.join(", ")}) as (values ${slopes.join(", ")}),\neffect(fit, block, a) as (values ${effects.join(", ")})`;
}

const predictorOf = (covariates: readonly string[]): string =>
  ["e.a", ...covariates.map((name, j) => `s.b${j} * r.${name}`)].join(" + ");

async function passOver(
  query: Query,
  { rows, covariates }: LogisticProblem,
  open: readonly (readonly [string, FitState])[],
): Promise<ReadonlyMap<string, readonly BlockSums[]>> {
  const p = covariates.length;
  const tables = tablesOf(
    open.map(([fit, state]) => [
      fit,
      { blocks: state.blocks, effects: blockEffects(state), slopes: state.beta.slice(state.blocks.length) },
    ]),
    p,
  );
  const sums: string[] = [];
  // Plain sums steer the steps; the gradient decides where they end, so its rounding errors are compensated.
  for (const name of covariates) sums.push(`fsum((y - mu) * ${name})`);
  for (const name of covariates) sums.push(`sum(w * ${name})`);
  for (let a = 0; a < p; a += 1) {
    for (let b = a; b < p; b += 1) sums.push(`sum(w * ${covariates[a]} * ${covariates[b]})`);
  }
  const result = await query<{ fit: string; block: number; n: number; events: number } & Record<string, number>>(`
with ${tables},
scored as (
  select r.*, ${predictorOf(covariates)} as eta
  from (${rows}) as r
  inner join slope as s on s.fit = r.fit
  inner join effect as e on e.fit = r.fit and e.block = r.block
),
weighted as (
  select *, 1e0 / (1e0 + exp(-eta)) as mu, 1e0 / (1e0 + exp(-eta)) * (1e0 / (1e0 + exp(eta))) as w,
    case when y = 1 then eta else -eta end as margin
  from scored
)
select fit, block, count(*) as n, sum(y) as events, sum(w) as s_w, fsum(y - mu) as s_r,
  fsum(least(margin, 0e0) - ln(1e0 + exp(-abs(margin)))) as s_l${sums.map((sum, i) => `, ${sum} as s${i}`).join("")}
from weighted group by fit, block order by fit, block`);
  const out = new Map<string, BlockSums[]>();
  for (const row of result) {
    const at = (i: number) => row[`s${i}`] as number;
    const list = out.get(row.fit) ?? [];
    list.push({
      block: row.block,
      n: row.n,
      events: row.events,
      w: row.s_w as number,
      residual: row.s_r as number,
      logLikelihood: row.s_l as number,
      gradient: covariates.map((_, j) => at(j)),
      cross: covariates.map((_, j) => at(p + j)),
      hessian: Array.from({ length: (p * (p + 1)) / 2 }, (_, j) => at(2 * p + j)),
    });
    out.set(row.fit, list);
  }
  return out;
}

/**
 * Standard error of one coefficient, clustered by account: with h the row of the inverse Hessian that belongs to it,
 * Var = sum over accounts of (h'U_a)^2, U_a the account's score sum, so that no meat matrix is built.
 */
async function clusteredErrors(
  query: Query,
  problem: LogisticProblem,
  states: ReadonlyMap<string, FitState>,
): Promise<ReadonlyMap<string, number>> {
  const { covariates, rows, wald } = problem;
  const p = covariates.length;
  const at = covariates.indexOf(wald as string);
  if (at < 0) throw new Error(`${wald} is not a covariate`);
  const done = [...states].filter(([, state]) => state.isConverged && state.factor !== undefined);
  if (done.length === 0) return new Map();
  const directions = done.map(([fit, state]) => {
    const unit = new Array<number>(state.beta.length).fill(0);
    unit[state.blocks.length + at] = 1;
    const h = solveFactored(state.factor as readonly Float64Array[], unit);
    const effects = state.blocks.map((_, i) => (h[0] as number) + (i === 0 ? 0 : (h[i] as number)));
    return [fit, { blocks: state.blocks, effects, slopes: h.slice(state.blocks.length) }] as const;
  });
  const fitted = done.map(
    ([fit, state]) =>
      [
        fit,
        { blocks: state.blocks, effects: blockEffects(state), slopes: state.beta.slice(state.blocks.length) },
      ] as const,
  );
  const renamed = tablesOf(directions, p)
    .replace(/^slope/, "slope_h")
    .replace("\neffect(", "\neffect_h(");
  const result = await query<{ fit: string; squares: number; accounts: number; n: number }>(`
with ${tablesOf(fitted, p)},
${renamed},
scored as (
  select r.fit, r.account_no, r.y, ${predictorOf(covariates)} as eta,
    ${["eh.a", ...covariates.map((name, j) => `sh.b${j} * r.${name}`)].join(" + ")} as direction
  from (${rows}) as r
  inner join slope as s on s.fit = r.fit
  inner join effect as e on e.fit = r.fit and e.block = r.block
  inner join slope_h as sh on sh.fit = r.fit
  inner join effect_h as eh on eh.fit = r.fit and eh.block = r.block
),
by_account as (
  select fit, account_no, count(*) as n, fsum((y - 1e0 / (1e0 + exp(-eta))) * direction) as u
  from scored group by fit, account_no
)
select fit, fsum(u * u) as squares, count(*) as accounts, sum(n) as n from by_account group by fit`);
  const errors = new Map<string, number>();
  for (const row of result) {
    const k = (states.get(row.fit) as FitState).beta.length;
    if (row.accounts < 2 || row.n <= k) continue;
    errors.set(row.fit, Math.sqrt(row.squares * (row.accounts / (row.accounts - 1)) * ((row.n - 1) / (row.n - k))));
  }
  return errors;
}
