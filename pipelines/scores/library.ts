/** Finds the scorecards that a book names: presets, or folders of versions of its own. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import type { Book } from "../config/book.ts";
import { type AppliedScorecard, type ParsedScorecard, parseScorecard } from "../config/scorecard.ts";
import { foundText, nearest, type Path, readYaml } from "../config/yaml.ts";
import { usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import { type Bounding, reachProblem } from "./reach.ts";

/** Errors at keys of the file that a scorecard was read from: kept beside it, because a scorecard is plain JSON. */
const errorsOf = new WeakMap<AppliedScorecard, ParsedScorecard["errorAt"]>();

const presetRoot = join(projectRoot, "sql", "scorecards");

/**
 * All versions of the scorecards under `scorecards:` (assigned, in that order) and `compare:` (computed, never
 * assigned), in the order of the book, versions ascending. A scorecard may read a KPI that the book lists but cannot
 * compute for want of a source: it is missing for every account. Any other unknown KPI is a usage error.
 */
export async function resolveScorecards(
  book: Pick<Book, "folder" | "scorecards" | "compare" | "kpis">,
  kpis: readonly Bounding[],
): Promise<readonly AppliedScorecard[]> {
  const listed = book.kpis.map((entry) => (typeof entry === "string" ? entry : String(entry.id)));
  const known = new Set([...kpis.map(({ id }) => id), ...listed]);
  const cards: AppliedScorecard[] = [];
  const places = new Map<string, string>();
  const named = [
    ...book.scorecards.map((name, i) => ({ name, key: ["scorecards", i] as const, order: i + 1 })),
    ...book.compare.map((name, i) => ({ name, key: ["compare", i] as const, order: null })),
  ];
  for (const { name, key, order } of named) {
    const source = await findVersions(book.folder, name, key);
    // A scorecard that is assigned needs no second copy to be compared.
    if ([...places.values()].includes(source.folder)) continue;
    for (const { file, path, version } of source.versions) {
      const { errorAt, ...parsed } = parseScorecard(await readFile(path, "utf8"), file);
      const { card } = parsed;
      if (card.version !== version)
        throw errorAt(["version"], `found ${card.version}, expected ${version} as in the file's name`);
      const elsewhere = places.get(card.scorecard);
      if (elsewhere !== undefined && elsewhere !== source.folder) {
        throw errorAt(["scorecard"], `found ${card.scorecard}, expected an id that no other scorecard of the book has`);
      }
      const sibling = cards.find((other) => places.get(other.card.scorecard) === source.folder)?.card.scorecard;
      if (sibling !== undefined && sibling !== card.scorecard) {
        throw errorAt(["scorecard"], `found ${card.scorecard}, expected ${sibling} as in the versions before`);
      }
      places.set(card.scorecard, source.folder);
      for (const { kpi, path: at } of kpiPaths(card)) {
        if (known.has(kpi)) continue;
        if (source.isPreset) {
          const missing = [...new Set(kpiPaths(card).flatMap((one) => (known.has(one.kpi) ? [] : [one.kpi])))];
          throw await bookError(
            book.folder,
            key,
            `found ${name}, which scores ${missing.join(" and ")}, expected every KPI of it under kpis`,
            `add ${missing.join(" and ")} to kpis; a KPI without its export counts as missing`,
          );
        }
        const near = nearest(kpi, [...known]);
        throw errorAt(
          at,
          `found ${kpi}, expected a KPI that the book lists under kpis (${[...known].sort().join(", ")})`,
          near === undefined ? undefined : `did you mean ${near}?`,
        );
      }
      const problem = reachProblem(card, kpis);
      if (problem !== null) throw errorAt(problem.path, problem.sentence);
      const applied = { ...parsed, file, is_preset: source.isPreset, assign_order: order };
      errorsOf.set(applied, errorAt);
      cards.push(applied);
    }
  }
  return cards;
}

/** What a release remembers of each version, for {@link checkImmutability}. */
export interface RecordedVersion {
  readonly scorecard: string;
  readonly version: number;
  readonly definition_sha256: string;
  /** What the file said, as canonical JSON; releases of Assay 0.1 and before did not keep it. */
  readonly definition?: string | undefined;
}

export const recordOf = (cards: readonly AppliedScorecard[]): readonly RecordedVersion[] =>
  cards.map(({ card: { scorecard, version }, definition_sha256, definition }) => ({
    scorecard,
    version,
    definition_sha256,
    definition,
  }));

/**
 * Refuses a version whose content is not what an earlier release recorded under the same number, and names the first key that
 * changed. Versions that are gone are fine: history keeps them.
 */
export function checkImmutability(known: readonly RecordedVersion[], cards: readonly AppliedScorecard[]): void {
  for (const applied of cards) {
    const { card, definition_sha256, file } = applied;
    const recorded = known.find((row) => row.scorecard === card.scorecard && row.version === card.version);
    if (recorded === undefined || recorded.definition_sha256 === definition_sha256) continue;
    const named = `version ${card.version} of ${card.scorecard}`;
    const hint = `a change is a new version: restore the file, and write it into v${card.version + 1}.yaml`;
    const errorAt = errorsOf.get(applied);
    if (errorAt !== undefined && recorded.definition !== undefined) {
      const change = firstChange(JSON.parse(recorded.definition), JSON.parse(applied.definition));
      if (change !== null) {
        throw errorAt(
          change.path,
          `found ${foundText(change.now)}, expected ${foundText(change.then)} as in the release that first used ${named}`,
          hint,
        );
      }
    }
    throw usageError(
      `${file}: ${named} has other content than the release that first used it, expected a new version for a change`,
      hint,
    );
  }
}

interface Change {
  readonly path: Path;
  readonly then: unknown;
  readonly now: unknown;
}

/** The first key at which two files differ, the sign-off apart; null when they say the same. */
function firstChange(then: unknown, now: unknown, path: Path = []): Change | null {
  const isBranch = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null;
  if (!isBranch(then) || !isBranch(now) || Array.isArray(then) !== Array.isArray(now)) {
    return then === now ? null : { path, then, now };
  }
  for (const key of new Set([...Object.keys(now), ...Object.keys(then)])) {
    if (path.length === 0 && (key === "validated" || key === "valid_for")) continue;
    const change = firstChange(then[key], now[key], [...path, Array.isArray(now) ? Number(key) : key]);
    if (change !== null) return change;
  }
  return null;
}

interface Versions {
  readonly folder: string;
  readonly isPreset: boolean;
  readonly versions: readonly { readonly file: string; readonly path: string; readonly version: number }[];
}

/** A usage error at a key of the book's file; without its line where the book is in no file. */
async function bookError(folder: string, key: Path, sentence: string, hint?: string): Promise<Error> {
  const text = await readFile(join(folder, "assay.yaml"), "utf8").catch(() => null);
  if (text === null) return usageError(`assay.yaml: ${key[0]}[${key[1]}]: ${sentence}`, hint);
  return readYaml({ text, file: "assay.yaml", schema: z.unknown() }).errorAt(key, sentence, hint);
}

/** A plain name of a preset is the preset; anything else is a folder below the book. */
async function findVersions(bookFolder: string, name: string, key: Path): Promise<Versions> {
  const isPreset = /^[a-z][a-z0-9_]*$/.test(name) && existsSync(join(presetRoot, name));
  const folder = isPreset ? join(presetRoot, name) : resolve(bookFolder, name);
  if (!existsSync(folder)) {
    const presets = (await readdir(presetRoot)).sort();
    const near = nearest(name, presets);
    throw await bookError(
      bookFolder,
      key,
      `found ${name}, expected a folder of the book or one of the presets ${presets.join(", ")}`,
      near === undefined ? undefined : `did you mean ${near}?`,
    );
  }
  const versions = (await readdir(folder))
    .flatMap((entry) => {
      const match = /^v([1-9]\d{0,3})\.yaml$/.exec(entry);
      return match === null ? [] : [{ entry, version: Number(match[1]) }];
    })
    .sort((a, b) => a.version - b.version)
    .map(({ entry, version }) => ({
      version,
      path: join(folder, entry),
      file: isPreset ? `sql/scorecards/${name}/${entry}` : `${name.replace(/\/+$/, "")}/${entry}`,
    }));
  if (versions.length === 0) {
    throw await bookError(bookFolder, key, `found a folder ${name} without a version, expected a file v1.yaml in it`);
  }
  return { folder, isPreset, versions };
}

/** Every place of a file that names a KPI. */
export function kpiPaths(card: AppliedScorecard["card"]): readonly { kpi: string; path: (string | number)[] }[] {
  const inGroup = (kpis: readonly { kpi: string }[] | undefined, path: (string | number)[]) =>
    (kpis ?? []).map(({ kpi }, i) => ({ kpi, path: [...path, "kpis", i, "kpi"] }));
  return [
    ...card.groups.flatMap((group, i) => [
      ...inGroup(group.kpis, ["groups", i]),
      ...(group.groups ?? []).flatMap((inner, j) => inGroup(inner.kpis, ["groups", i, "groups", j])),
    ]),
    ...card.gates.map(({ kpi }, i) => ({ kpi, path: ["gates", i, "kpi"] })),
  ];
}
