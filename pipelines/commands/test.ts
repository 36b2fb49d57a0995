import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { guardRailError, usageError } from "../lib/errors.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";
import { type Check, type Found, readFixture, runFixture } from "./fixture.ts";
import { formatTable } from "./table.ts";

/** One file of a book's `tests/`, run. */
interface Tested {
  readonly file: string;
  readonly kpi: string;
  readonly passed: boolean;
  readonly checks: readonly Check[];
}

/**
 * `assay test BOOK`: the book's own fixtures, `tests/*.yaml`, each in a warehouse in memory. A mistake in a file is a usage
 * error (exit 2) before any of them runs; a KPI that is not what its fixture expects is exit 5.
 */
export async function testKpis(
  context: Context,
  name: string,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { book } = await openBook(context, name, options);
  const folder = join(book.folder, "tests");
  const names = existsSync(folder) ? (await readdir(folder)).filter((file) => /\.ya?ml$/.test(file)).sort() : [];
  if (names.length === 0) {
    throw usageError(
      `no test in ${folder}, expected files such as tests/logins_28d.yaml`,
      'docs/kpis.md shows one under "A test of one\'s own"',
    );
  }
  const fixtures = await Promise.all(
    names.map(async (file) =>
      readFixture({ text: await readFile(join(folder, file), "utf8"), file: `tests/${file}`, book }),
    ),
  );
  const tested: Tested[] = [];
  for (const fixture of fixtures) {
    const checks = await runFixture(fixture, book);
    tested.push({ file: fixture.file, kpi: fixture.kpi, passed: checks.every(({ passed }) => passed), checks });
  }
  const failed = tested.filter(({ passed }) => !passed);
  const own = book.kpis.flatMap((entry) => (typeof entry === "string" ? [] : [String(entry.id)]));
  const untested = own.filter((id) => tested.every(({ kpi }) => kpi !== id));
  context.print(
    options.json
      ? JSON.stringify(
          { passed: tested.length - failed.length, failed: failed.length, untested, tests: tested },
          null,
          2,
        )
      : [
          ...tested.map(describe),
          `${tested.length - failed.length} passed, ${failed.length} failed`,
          ...(untested.length > 0 ? [`definitions of the book without a test: ${untested.join(", ")}`] : []),
        ].join("\n\n"),
  );
  if (failed.length > 0) {
    const where = failed.map(({ kpi, file }) => `${kpi} (${file})`).join(", ");
    throw guardRailError(`${failed.length} of ${tested.length} tests failed: ${where}`);
  }
}

/** Expected and found side by side, a line for each expectation. */
function describe({ file, kpi, passed, checks }: Tested): string {
  const rows = checks.map((check) => ({
    account: check.account_id,
    snapshot: check.snapshot_date,
    expected: text(check.expected),
    found: check.found === null ? "no row: does not pay then" : text(check.found),
    "": check.passed ? "ok" : "FAILS",
  }));
  const table = formatTable(rows)
    .split("\n")
    .map((line) => `  ${line}`);
  return [`${passed ? "ok   " : "FAILS"}  ${kpi}  ${file}`, ...table].join("\n");
}

/** Six decimals, as they are compared. */
const text = ({ value, why }: Found): string =>
  value === null ? (why ?? "null") : String(Math.round(value * 1e6) / 1e6);
