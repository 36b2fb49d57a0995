import { isoDate } from "../lib/clock.ts";
import { type PendingSource, pendingDeliveries } from "../load/recognise.ts";
import { findCurrentRelease, type Manifest } from "../publish/release.ts";
import { kpisOf } from "../scores/card.ts";
import { type BookOptions, type Context, openBook, openRelease } from "./context.ts";
import { codeSha256, type Definitions, resolveDefinitions } from "./definitions.ts";
import { type Foreseen, foresee, type Why } from "./foresee.ts";
import { refuseOtherBook } from "./refresh.ts";
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
  /** What is not as the current release was built from it; empty: nothing is. */
  readonly reasons: readonly string[];
  readonly would: Foreseen["would"];
  /** The sentence with which it would be refused. */
  readonly refused: string | null;
  /** The id that the release would have. */
  readonly release_id: string | null;
  readonly as_of: string | null;
  readonly load: { readonly added: Foreseen["added"]; readonly gone: Foreseen["gone"] };
  readonly rebuild: Pick<Foreseen, "models" | "dropped" | "roll_up">;
  readonly notes: readonly string[];
}

interface PlannedSource extends PendingSource {
  /** Deliveries that were read and are not in the current release: a refresh stopped after it had read them, or the source was out of the book. */
  readonly taken_since: readonly string[];
}

/**
 * `assay plan BOOK`, `assay refresh BOOK --dry-run`: what a refresh of now would load and build, and why. Read-only: no lock, no ledger line,
 * no build; what is new is read into a folder of its own, which is removed.
 */
export async function plan(
  context: Context,
  name: string,
  options: BookOptions & {
    readonly json?: boolean;
    readonly full?: boolean;
    readonly asOf?: string;
    readonly now?: () => Date;
  },
): Promise<void> {
  const { book, state } = await openBook(context, name, options);
  const now = options.now ?? context.now;
  const full = options.full === true;
  const definitions = await resolveDefinitions(book);
  const release = await findCurrentRelease(state);
  refuseOtherBook(release, book, state, full);
  const current = release?.manifest ?? null;
  const pending = await pendingDeliveries({ book, state, now });
  const foreseen = await context.log.step("read what is new, aside", () =>
    foresee({ book, state, definitions, current: release, full, asOf: options.asOf, now }),
  );
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
          ...(foreseen.models.some(({ why }) => why.includes("freshness"))
            ? ["what is off with the feeds is not what it was"]
            : []),
          ...(full ? ["--full builds everything again"] : []),
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
    would: foreseen.would,
    refused: foreseen.refused,
    release_id: foreseen.release_id,
    as_of: foreseen.as_of,
    load: { added: foreseen.added, gone: foreseen.gone },
    rebuild: { models: foreseen.models, dropped: foreseen.dropped, roll_up: foreseen.roll_up },
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
      ...(book.as_of !== "latest" && book.as_of > isoDate(context.now())
        ? [`as_of ${book.as_of} lies after today: a refresh would be refused`]
        : []),
    ],
  };
  context.print(options.json ? JSON.stringify(answer, null, 2) : describe(answer));
}

const waiting = (source: string, unsettled: readonly string[]): readonly string[] =>
  unsettled.length === 0 ? [] : [`source ${source}: ${list(unsettled)} changed too recently to be taken now`];

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
      ? [`source ${source}: ${files(taken_since.length)} read already, and not in the current release`]
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
    `A refresh would ${would}${answer.refused !== null ? `: ${answer.refused}` : reasons.length > 0 && would !== "find nothing to do" ? ":" : "."}`,
    ...(would === "find nothing to do" ? [] : reasons.map(item)),
    ...describeLoad(answer),
    ...describeRebuild(answer),
    ...(notes.length > 0 ? ["", ...notes.map((note) => item(`note: ${note}`))] : []),
  ].join("\n");
}

function describeLoad({ load: { added, gone } }: Plan): readonly string[] {
  if (added.length + gone.length === 0) return [];
  const sum = (of: "rows_loaded" | "rows_rejected"): number => added.reduce((n, delivery) => n + delivery[of], 0);
  const rejected = sum("rows_rejected");
  return [
    "",
    `Load: ${files(added.length)}, ${sum("rows_loaded")} rows${rejected > 0 ? `, ${rejected} rejected` : ""}`,
    ...added.slice(0, 5).map(({ source, file, rows_loaded: rows }) => `  ${source}: ${file} (${rows} rows)`),
    ...(added.length > 5 ? [`  and ${added.length - 5} more (--json lists them)`] : []),
    ...gone.map(({ source, file }) => `  without ${source}: ${file}`),
  ];
}

const inWords: Readonly<Record<Why, string>> = {
  delivery: "deliveries",
  as_of: "a later day",
  definition: "definitions",
  code: "code",
  freshness: "freshness",
  new: "new",
};

/** One row a layer: a release is always built whole, so what counts is which rows may come out otherwise, and what is not computed again. */
function describeRebuild({ rebuild: { models, dropped, roll_up: months } }: Plan): readonly string[] {
  const rolled =
    months === null
      ? []
      : [`usage by month: ${months.months_built} to roll up, ${months.months_reused} taken from the store`];
  if (models.length === 0) return rolled.length === 0 ? [] : ["", `Build: everything; ${rolled[0]}`];
  const byLayer = new Map<string, Foreseen["models"][number][]>();
  for (const model of models) {
    const layer = model.model.slice(0, model.model.indexOf("."));
    byLayer.set(layer, [...(byLayer.get(layer) ?? []), model]);
  }
  const rows = [...byLayer].map(([layer, own]) => {
    const others = own.filter(({ is_same: isSame }) => !isSame);
    const reasons = (Object.keys(inWords) as Why[]).filter((reason) => others.some(({ why }) => why.includes(reason)));
    return {
      layer,
      tables: own.length,
      "same rows": own.length - others.length,
      "may differ": others.length,
      "because of": reasons.map((reason) => inWords[reason]).join(", "),
    };
  });
  const taken = (layer: string) =>
    models.filter(({ model, taken }) => taken === true && model.startsWith(`${layer}.`)).length;
  const partly = models.filter((model) => model.taken === null && !model.model.startsWith("rollup."));
  return [
    "",
    "Build, whole and beside the current release:",
    formatTable(rows),
    ...rolled,
    `staging: ${taken("staging")} tables taken from the store`,
    `features: ${taken("features")} tables taken from the store whole, ${partly.length} month by month, as far as what a month may see is the same`,
    ...(dropped.length > 0 ? [`no longer made: ${dropped.join(", ")}`] : []),
  ];
}
