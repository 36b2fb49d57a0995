import { resolve } from "node:path";
import { type SimulateOptions, simulate } from "../simulate/simulate.ts";
import type { Context } from "./context.ts";

/** Writes a book with known truth. */
export async function simulateBook(
  context: Context,
  options: {
    readonly out: string;
    readonly accounts: number;
    readonly months: number;
    readonly seed: number;
    readonly kind: SimulateOptions["kind"];
    readonly json?: boolean;
  },
): Promise<void> {
  const out = resolve(context.cwd, options.out);
  const { accounts, months, seed, kind } = options;
  const made = await context.log.step("simulate", () =>
    simulate({ out, accounts, months, seed, kind, log: context.log }),
  );
  context.print(
    options.json
      ? JSON.stringify({ folder: out, ...made })
      : `wrote ${made.accounts} accounts and ${made.events} usage events to ${out}\nnext: npx assay refresh ${options.out}`,
  );
}
