/** What a book asks for (KPIs, scorecards, flags), resolved, and as a release remembers it. */
import { join } from "node:path";
import type { Book } from "../config/book.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";
import { type ResolvedKpis, resolveKpis } from "../features/library.ts";
import { canonicalJson, projectRoot, sha256, sha256File, sha256OfFolders } from "../lib/files.ts";
import { resolvePlays } from "../portfolio/play-files.ts";
import { resolveFlags } from "../scores/flag-files.ts";
import { resolveScorecards } from "../scores/library.ts";
import { type ResolvedPractice, resolvePractice } from "../success/files.ts";

export interface Definitions {
  readonly kpis: ResolvedKpis;
  readonly cards: readonly AppliedScorecard[];
  readonly flags: Awaited<ReturnType<typeof resolveFlags>>;
  readonly plays: Awaited<ReturnType<typeof resolvePlays>>;
  readonly practice: ResolvedPractice;
  /** Of all of them. */
  readonly sha256: string;
  /** Of each KPI that is on, in the order of the book. */
  readonly kpiRecords: readonly RecordedKpi[];
}

/** What a release remembers of a KPI, so that a later plan can tell which ones have changed. */
export interface RecordedKpi {
  readonly id: string;
  readonly version: number;
  readonly definition_sha256: string;
}

/** A mistake in any of them is a usage error. */
export async function resolveDefinitions(book: Book): Promise<Definitions> {
  const resolved = await resolveKpis(book);
  const { off: _, ...computed } = resolved;
  const cards = await resolveScorecards(book, resolved.kpis);
  const flags = await resolveFlags(book, resolved.kpis);
  const plays = await resolvePlays(book, cards);
  const practice = await resolvePractice(book, resolved.kpis, cards);
  return {
    kpis: resolved,
    cards,
    flags,
    plays,
    practice,
    sha256: sha256(
      canonicalJson({ ...computed, cards, flags: flags.flags, practice, ...(plays.length === 0 ? {} : { plays }) }),
    ),
    kpiRecords: resolved.kpis.map((kpi) => ({
      id: kpi.id,
      version: kpi.version,
      definition_sha256: sha256(canonicalJson(kpi)),
    })),
  };
}

/** Hash of everything that decides what a refresh makes of its inputs: our code, SQL, pages and locked packages. */
export async function codeSha256(): Promise<string> {
  const ours = await sha256OfFolders(["pipelines", "sql", "observable"]);
  return sha256(ours + (await sha256File(join(projectRoot, "package-lock.json"))));
}
