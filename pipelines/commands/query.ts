import { usageError } from "../lib/errors.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { formatCsv, formatTable } from "./table.ts";

/** One read-only statement on the current release. */
export async function query(
  context: Context,
  name: string,
  sql: string,
  options: BookOptions & { readonly json?: boolean; readonly csv?: boolean },
): Promise<void> {
  const { database } = await openRelease(context, name, options);
  try {
    const rows = await database.query(sql).catch((failed: unknown) => {
      // The statement is the user's: the engine's own words, whatever version built the release.
      const error = failed instanceof Error ? (failed.cause ?? failed) : failed;
      throw usageError(
        `the statement failed: ${String(error instanceof Error ? error.message : error).split("\n")[0]}`,
      );
    });
    const plain = rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([key, v]) => [key, typeof v === "bigint" ? v.toString() : v])),
    );
    if (options.json) context.print(JSON.stringify(plain, null, 2));
    else if (rows.length === 0) context.print(options.csv ? "" : "no rows");
    else context.print(options.csv ? formatCsv(plain) : formatTable(plain));
  } finally {
    database.close();
  }
}
