import { readLibrary, resolveKpis } from "../features/library.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";
import { formatTable } from "./table.ts";

/** The whole library, or what a book has on, with the reason of what is off. */
export async function listKpis(
  context: Context,
  name: string | undefined,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { kpis, off } =
    name === undefined
      ? { kpis: await readLibrary(), off: [] }
      : await resolveKpis((await openBook(context, name, options)).book);
  if (options.json) {
    context.print(JSON.stringify({ kpis, off }, null, 2));
    return;
  }
  const rows = kpis.map(({ id, label, factor, measure, entity, window_days, healthier }) => ({
    id,
    label,
    factor,
    measure: `${measure} of ${entity}`,
    days: window_days,
    healthier,
  }));
  const lines = [formatTable(rows), ...off.map(({ id, why }) => `off: ${id}, ${why}`)];
  context.print(lines.join("\n"));
}
