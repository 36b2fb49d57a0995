import { isoDate } from "../lib/clock.ts";
import { type PendingSource, pendingDeliveries } from "../load/recognise.ts";
import { findCurrentRelease, type Manifest } from "../publish/release.ts";
import { kpisOf } from "../scores/card.ts";
import { type BookOptions, type Context, openBook, openRelease } from "./context.ts";
import { codeSha256, type Definitions, resolveDefinitions } from "./definitions.ts";
import { formatTable, wrap } from "./table.ts";

/** What a refresh of now would find, beside the current release. */
interface Plan {
  readonly book: string;
  readonly release: { readonly release_id: string; readonly as_of: string; readonly built_at: string } | null;
  readonly sources: readonly PlannedSource[];
  readonly kpis: {
    readonly on: readonly string[];
    readonly off: readonly { readonly id: string; readonly why: string }[];
    readonly added: readonly string[];
    readonly changed: readonly { readonly id: string; readonly version: number; readonly was_version: number }[];
    readonly dropped: readonly string[];
  };
  readonly scorecards: readonly {
    readonly scorecard: string;
    readonly version: number;
    readonly use: "assigned" | "compared";
    readonly is_new: boolean;
    /** KPIs that it scores and that are off: missing for every account. */
    readonly missing: readonly string[];
  }[];
  readonly flags: {
    readonly on: readonly string[];
    readonly off: readonly { readonly id: string; readonly why: string }[];
  };
  /** What is not as the current release was built from it; empty: nothing is, as far as can be told without loading. */
  readonly reasons: readonly string[];
  readonly would: "build the first release" | "build a release" | "find nothing to do";
  readonly notes: readonly string[];
}

interface PlannedSource extends PendingSource {
  /** Deliveries that were taken after the current release was built: a refresh stopped after it had taken them. */
  readonly taken_since: readonly string[];
}

/**
 * `assay plan BOOK`: what a refresh would find, read-only: no lock, no ledger line, no build. It compares; what the files
 * hold is known only when a refresh reads them.
 */
export async function plan(
  context: Context,
  name: string,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { book, state } = await openBook(context, name, options);
  const definitions = await resolveDefinitions(book);
  const current = (await findCurrentRelease(state))?.manifest ?? null;
  const pending = await pendingDeliveries({ book, state, now: context.now });
  const inRelease = current === null ? new Set<string>() : await deliveriesOf(context, name, options);
  const sources = pending.map((source) => ({
    ...source,
    taken_since: current === null ? [] : source.deliveries.filter((id) => !inRelease.has(id)),
  }));
  const kpis = kpiChanges(definitions, current);
  const scorecards = definitions.cards.map(({ card, assign_order, definition_sha256 }) => ({
    scorecard: card.scorecard,
    version: card.version,
    use: assign_order === null ? ("compared" as const) : ("assigned" as const),
    is_new: !(current?.scorecards ?? []).some(
      (known) => known.scorecard === card.scorecard && known.definition_sha256 === definition_sha256,
    ),
    missing: kpisOf(card).filter((id) => kpis.off.some((off) => off.id === id)),
  }));
  const reasons =
    current === null
      ? []
      : [
          ...sourceReasons(sources),
          ...(book.as_of !== "latest" && book.as_of !== current.as_of
            ? [`as_of is ${book.as_of}, the release's is ${current.as_of}`]
            : []),
          ...(book.as_of === "latest" && current.as_of_given === true
            ? [`the release was built with --as-of ${current.as_of}; as_of of the book is latest`]
            : []),
          ...definitionReasons(kpis, scorecards, definitions, current),
          ...(book.config_sha256 === current.config_sha256 ? [] : ["assay.yaml has changed"]),
          ...((await codeSha256()) === current.code_sha256 ? [] : ["Assay's own code, SQL or pages have changed"]),
        ];
  const answer: Plan = {
    book: book.book,
    release:
      current === null ? null : { release_id: current.release_id, as_of: current.as_of, built_at: current.built_at },
    sources,
    kpis,
    scorecards,
    flags: { on: definitions.flags.flags.map(({ id }) => id), off: definitions.flags.off },
    reasons,
    would: current === null ? "build the first release" : reasons.length > 0 ? "build a release" : "find nothing to do",
    notes: [
      ...sources.flatMap(({ source, files, deliveries, unsettled }) => {
        if (files > 0 || deliveries.length > 0) return waiting(source, unsettled);
        return [`source ${source} has no file: a refresh would be refused`];
      }),
      ...sources.flatMap(({ source, files, deliveries }) =>
        files === 0 && deliveries.length > 0
          ? [`source ${source} has no file any more: its rows stay as they were loaded`]
          : [],
      ),
      ...freshness(book.sources),
      ...(book.as_of !== "latest" && book.as_of > isoDate(context.now())
        ? [`as_of ${book.as_of} lies after today: a refresh would be refused`]
        : []),
    ],
  };
  context.print(options.json ? JSON.stringify(answer, null, 2) : describe(answer));
}

const waiting = (source: string, unsettled: readonly string[]): readonly string[] =>
  unsettled.length === 0 ? [] : [`source ${source}: ${list(unsettled)} changed too recently to be taken now`];

function freshness(sources: Readonly<Record<string, { readonly max_age?: string | undefined }>>): readonly string[] {
  const promised = Object.entries(sources).flatMap(([id, { max_age: age }]) =>
    age === undefined ? [] : [`${id} (${age})`],
  );
  return promised.length === 0
    ? []
    : [`a refresh also looks at the age of the newest row of ${promised.join(", ")}; a plan does not`];
}

/** The ids of the deliveries that the current release was built from. */
async function deliveriesOf(context: Context, name: string, options: BookOptions): Promise<ReadonlySet<string>> {
  const { database } = await openRelease(context, name, options);
  try {
    const rows = await database.query<{ delivery_id: string }>("select delivery_id from meta.delivery");
    return new Set(rows.map(({ delivery_id }) => delivery_id));
  } finally {
    database.close();
  }
}

function kpiChanges({ kpis: { kpis, off }, kpiRecords }: Definitions, current: Manifest | null): Plan["kpis"] {
  const on = kpis.map(({ id }) => id);
  const before = current?.kpis;
  if (before === undefined) return { on, off, added: [], changed: [], dropped: [] };
  return {
    on,
    off,
    added: on.filter((id) => before.every((known) => known.id !== id)),
    changed: kpiRecords.flatMap(({ id, version, definition_sha256 }) => {
      const known = before.find((one) => one.id === id);
      return known === undefined || known.definition_sha256 === definition_sha256
        ? []
        : [{ id, version, was_version: known.version }];
    }),
    dropped: before.flatMap(({ id }) => (on.includes(id) ? [] : [id])),
  };
}

function sourceReasons(sources: readonly PlannedSource[]): readonly string[] {
  return sources.flatMap(({ source, fresh, changed, reread, taken_since }) => [
    ...(fresh.length > 0
      ? [
          `source ${source}: ${list(fresh)} ${fresh.length === 1 ? "is" : "are"} new${changed.length > 0 ? `, of which ${changed.length} came before with other content` : ""}`,
        ]
      : []),
    ...(taken_since.length > 0
      ? [`source ${source}: ${files(taken_since.length)} taken by a refresh that did not finish`]
      : []),
    ...(reread.length > 0
      ? [
          `source ${source}: ${files(reread.length)} would be read again, for a new mapping or because their rows are gone`,
        ]
      : []),
  ]);
}

function definitionReasons(
  { added, changed, dropped }: Plan["kpis"],
  scorecards: Plan["scorecards"],
  definitions: Definitions,
  current: Manifest,
): readonly string[] {
  const told = [
    ...(added.length > 0 ? [`KPIs that the release does not have: ${added.join(", ")}`] : []),
    ...changed.map(({ id, version, was_version: was }) =>
      version === was
        ? `KPI ${id} is defined otherwise, still as version ${version}: raise it when the meaning changed`
        : `KPI ${id} is version ${version}, was ${was}`,
    ),
    ...(dropped.length > 0 ? [`KPIs that only the release has: ${dropped.join(", ")}`] : []),
    ...scorecards.flatMap(({ scorecard, version, is_new }) =>
      is_new ? [`scorecard ${scorecard} v${version} is new to the release`] : [],
    ),
  ];
  if (definitions.sha256 === current.definitions_sha256) return [];
  if (current.definitions_sha256 === undefined) {
    return ["the release does not say from which definitions of KPIs, scorecards and flags it was built"];
  }
  return told.length > 0 ? told : ["the definitions of KPIs, scorecards or flags are not those of the release"];
}

const files = (n: number): string => `${n} ${n === 1 ? "file" : "files"}`;

/** The first few names, and how many more. */
const list = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;

function describe(answer: Plan): string {
  const { release, sources, kpis, scorecards, flags, reasons, would, notes } = answer;
  const head =
    release === null
      ? `${answer.book}: no release yet`
      : `${answer.book}: release ${release.release_id.slice(0, 12)}, data to ${release.as_of}, built ${release.built_at.slice(0, 16).replace("T", " ")}`;
  const table = formatTable(
    sources.map(({ source, entity, files: n, fresh, taken_since, reread, unsettled }) => ({
      source,
      entity,
      files: n,
      new: fresh.length + taken_since.length,
      "read again": reread.length,
      "not settled": unsettled.length,
    })),
  );
  const item = (text: string): string => `  ${wrap(text, 108, "    ")}`;
  return [
    head,
    "",
    table,
    "",
    `KPIs: ${kpis.on.length} on, ${kpis.off.length} off`,
    item(`on: ${kpis.on.join(", ")}`),
    ...kpis.off.map(({ id, why }) => item(`off: ${id}, ${why}`)),
    "",
    `Scorecards: ${scorecards.length === 0 ? "none" : ""}`.trimEnd(),
    ...scorecards.map(({ scorecard, version, use, missing }) =>
      item(
        `${scorecard} v${version}, ${use}${missing.length > 0 ? `; missing for everybody: ${missing.join(", ")}` : ""}`,
      ),
    ),
    ...(flags.on.length + flags.off.length === 0
      ? []
      : [
          "",
          `Flags: ${flags.on.length} on, ${flags.off.length} off`,
          ...flags.off.map(({ id, why }) => item(`off: ${id}, ${why}`)),
        ]),
    "",
    `A refresh would ${would}${reasons.length > 0 ? ":" : "."}`,
    ...reasons.map(item),
    ...(release === null || reasons.length === 0 ? [] : [rebuilt]),
    ...(notes.length > 0 ? ["", ...notes.map((note) => item(`note: ${note}`))] : []),
  ].join("\n");
}

const rebuilt = [
  "It is built beside the current one. What the store remembers (files as they were read, usage and KPIs by month) is",
  "taken from there wherever its rows and definitions are the same.",
].join("\n");
