import { constants } from "node:os";
import { join } from "node:path";
import { usageError } from "../lib/errors.ts";
import { writeLastRun } from "../publish/release.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";
import { plan } from "./plan.ts";
import { type RefreshResult, refresh } from "./refresh.ts";

/** `assay refresh BOOK`. */
export async function refreshBook(
  context: Context,
  name: string,
  options: BookOptions & {
    readonly full?: boolean;
    readonly asOf?: string;
    readonly publish?: boolean;
    readonly dryRun?: boolean;
    readonly now?: string;
    readonly json?: boolean;
  },
): Promise<void> {
  const now = fixedClock(options.now) ?? context.now;
  if (options.dryRun === true) return plan(context, name, { ...options, now });
  let known: string | null = null;
  const unhook = sayWhenStopped(() => known, now);
  try {
    const { book, state } = await openBook(context, name, options);
    known = state;
    const { asOf, publish, full } = options;
    const result = await refresh({ book, state, asOf, publish, full, now, log: context.log });
    context.print(options.json ? JSON.stringify(toJson(result), null, 2) : describe(result));
  } finally {
    unhook();
  }
}

/** What ends a process as a rule, and is said first. */
export const stops = ["SIGTERM", "SIGINT", "SIGHUP", "SIGXCPU"] as const;

/** Whoever stops a refresh (a scheduler, a shutdown, Ctrl-C) reads so, and so does `status`; then the process ends by the signal, as it would have. */
function sayWhenStopped(stateOf: () => string | null, now: () => Date): () => void {
  const stop = (signal: (typeof stops)[number]): void => {
    const error = `stopped by ${signal}`;
    process.stderr.write(`assay: ${error}\n  hint: readers keep the last release; the next refresh begins again\n`);
    const state = stateOf();
    const ended = {
      at: now().toISOString(),
      outcome: "failed",
      exit_code: 128 + constants.signals[signal],
      error,
    } as const;
    (state === null ? Promise.resolve() : writeLastRun(state, ended))
      .catch(() => {})
      .finally(() => process.kill(process.pid, signal));
  };
  for (const signal of stops) process.once(signal, stop);
  return () => {
    for (const signal of stops) process.off(signal, stop);
  };
}

function fixedClock(text: string | undefined): (() => Date) | undefined {
  if (text === undefined) return undefined;
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw usageError(`--now needs a time like 2026-01-31T04:00:00Z, found ${text}`);
  return () => at;
}

const toJson = ({ outcome, release, warnings, marks, seconds, cpu_seconds }: RefreshResult) => ({
  outcome,
  release_id: release.manifest.release_id,
  run_id: release.manifest.run_id,
  as_of: release.manifest.as_of,
  folder: release.folder,
  warnings,
  marks,
  seconds,
  cpu_seconds,
});

/** What one refresh did, in a few lines. */
export function describe({ outcome, release, warnings, marks }: RefreshResult): string {
  const { release_id, as_of } = release.manifest;
  const id = release_id.slice(0, 12);
  const first = {
    published: `published release ${id}: data to ${as_of}`,
    built: `built release ${id} as of ${as_of}; it is not the current one (--publish makes it so)`,
    unchanged: `nothing to do: exports, definitions and code are those of release ${id} (data to ${as_of})`,
  }[outcome];
  const notes = (outcome === "unchanged" ? marks : warnings).map((warning) => `note: ${warning}`);
  return [first, ...notes, ...(outcome === "unchanged" ? [] : [`site: ${join(release.folder, "site")}`])].join("\n");
}
