/** An error that the user can act on: one sentence, lower case, what and where, the value last. */
export class AssayError extends Error {
  readonly exitCode: 2 | 3 | 4 | 5;
  readonly hint: string | undefined;
  constructor(exitCode: 2 | 3 | 4 | 5, message: string, hint?: string) {
    super(message);
    this.name = "AssayError";
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** Exit 2: wrong use of the command line or a wrong configuration file. */
export const usageError = (message: string, hint?: string): AssayError => new AssayError(2, message, hint);

/** Exit 3: data refused by a contract, an audit or freshness. */
export const refusedError = (message: string, hint?: string): AssayError => new AssayError(3, message, hint);

/** Exit 4: another process holds the book. */
export const busyError = (message: string, hint?: string): AssayError => new AssayError(4, message, hint);

/** Exit 5: a guard rail of `diff`, `audit`, `status` or `backtest`. */
export const guardRailError = (message: string, hint?: string): AssayError => new AssayError(5, message, hint);
