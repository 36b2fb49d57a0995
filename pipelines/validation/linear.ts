/** Small symmetric systems: the p x p matrices of a Newton step or of a score test. */

export type Vector = readonly number[];
export type Matrix = readonly (readonly number[])[];

/**
 * Lower Cholesky factor of a symmetric positive definite matrix; null when it is not (a pivot at or below `tolerance`
 * times its diagonal entry).
 */
export function cholesky(matrix: Matrix, tolerance = 1e-13): readonly Float64Array[] | null {
  const size = matrix.length;
  const factor = Array.from({ length: size }, () => new Float64Array(size));
  for (let j = 0; j < size; j += 1) {
    const row = factor[j] as Float64Array;
    const diagonal = (matrix[j] as Vector)[j] as number;
    let pivot = diagonal;
    for (let k = 0; k < j; k += 1) pivot -= (row[k] as number) ** 2;
    if (!(pivot > tolerance * Math.abs(diagonal)) || !Number.isFinite(pivot)) return null;
    const root = Math.sqrt(pivot);
    row[j] = root;
    for (let i = j + 1; i < size; i += 1) {
      const below = factor[i] as Float64Array;
      let sum = (matrix[i] as Vector)[j] as number;
      for (let k = 0; k < j; k += 1) sum -= (below[k] as number) * (row[k] as number);
      below[j] = sum / root;
    }
  }
  return factor;
}

/** Solves L L' x = b for the factor of {@link cholesky}. */
export function solveFactored(factor: readonly Float64Array[], b: Vector): number[] {
  const size = factor.length;
  const x = [...b];
  for (let i = 0; i < size; i += 1) {
    const row = factor[i] as Float64Array;
    let sum = x[i] as number;
    for (let k = 0; k < i; k += 1) sum -= (row[k] as number) * (x[k] as number);
    x[i] = sum / (row[i] as number);
  }
  for (let i = size - 1; i >= 0; i -= 1) {
    let sum = x[i] as number;
    for (let k = i + 1; k < size; k += 1) sum -= ((factor[k] as Float64Array)[i] as number) * (x[k] as number);
    x[i] = sum / ((factor[i] as Float64Array)[i] as number);
  }
  return x;
}

/**
 * U' V^-1 U over the components that V can tell apart: a component whose variance is explained by the ones before it is
 * left out, and the rank says how many were used. All out: statistic 0 of rank 0.
 */
export function quadraticForm(u: Vector, v: Matrix): { readonly statistic: number; readonly rank: number } {
  const kept: number[] = [];
  for (let i = 0; i < u.length; i += 1) {
    const trial = [...kept, i];
    if (
      cholesky(
        trial.map((r) => trial.map((c) => (v[r] as Vector)[c] as number)),
        1e-10,
      ) !== null
    )
      kept.push(i);
  }
  if (kept.length === 0) return { statistic: 0, rank: 0 };
  const factor = cholesky(
    kept.map((r) => kept.map((c) => (v[r] as Vector)[c] as number)),
    1e-10,
  );
  if (factor === null) return { statistic: 0, rank: 0 };
  const part = kept.map((i) => u[i] as number);
  const solved = solveFactored(factor, part);
  return { statistic: part.reduce((sum, value, i) => sum + value * (solved[i] as number), 0), rank: kept.length };
}
