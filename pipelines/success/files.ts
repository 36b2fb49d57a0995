/** Finds what a book says of its practice, and fills in from its KPIs and scorecards what it leaves out. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Book } from "../config/book.ts";
import type { KpiDefinition } from "../config/kpi.ts";
import {
  type DesiredOutcome,
  defaultPractice,
  type Practice,
  parseOutcomes,
  parsePractice,
} from "../config/practice.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";
import { nearest, type Path } from "../config/yaml.ts";

export interface ResolvedPractice {
  /** The account export says what an account wants. */
  readonly knows_outcome: boolean;
  readonly outcomes: readonly DesiredOutcome[];
  readonly clusters: {
    /** What accounts may be grouped by, in the order of the book. */
    readonly kpis: readonly string[];
    readonly on: string | null;
    readonly groups: Practice["clusters"]["groups"];
  };
  readonly archetypes: {
    readonly usage: readonly string[];
    readonly tickets: readonly string[];
    readonly marketing: readonly string[];
    readonly low: number;
    readonly high: number;
  };
  readonly funnel: {
    readonly key_feature: string | null;
    readonly paid_within_days: number;
    readonly gate: {
      readonly kpi: string;
      readonly at_least: number;
      readonly after_days: number;
      /** Whose rule it is, for readers. */
      readonly from: string;
    } | null;
  };
}

/** Measures that say how much an account uses, not how that changes or when something first happened. */
const levels: readonly KpiDefinition["measure"][] = [
  "count",
  "sum",
  "distinct",
  "active_days",
  "per_seat",
  "tenure_scaled",
  "ratio",
];

/** At most so many KPIs are read where the book does not name them: cost grows with each. */
const most = 12;

const isUse = (kpi: KpiDefinition): boolean =>
  (kpi.factor === "user_activity" || kpi.factor === "feature_adoption") &&
  kpi.kind === "objective" &&
  kpi.side === "proactive" &&
  levels.includes(kpi.measure);

const kindsOfMarketing = ["campaign", "community", "social", "web_visit"];
const said = (condition: unknown): readonly string[] =>
  typeof condition === "string" ? [condition] : Array.isArray(condition) ? condition.map(String) : [];

/** Campaigns opened, events signed up for, community and help pages: what the customer does with what we send out. */
const isMarketing = (kpi: KpiDefinition): boolean =>
  kpi.entity === "engagement" &&
  kpi.side === "proactive" &&
  levels.includes(kpi.measure) &&
  said(kpi.filter.kind).length > 0 &&
  said(kpi.filter.kind).every((kind) => kindsOfMarketing.includes(kind));

const isTickets = (kpi: KpiDefinition): boolean => kpi.entity === "ticket" && kpi.measure === "count";

/** The event of the first KPI that the book places at the stage `value` of the journey. */
const keyFeatureOf = (kpis: readonly KpiDefinition[]): string | null =>
  kpis
    .filter(({ stage, entity }) => stage === "value" && entity === "usage_event")
    .flatMap(({ filter }) => said(filter.event))
    .at(0) ?? null;

/** A KPI that a file names and the book does not list is a usage error with its line; one that is off is left out. */
export async function resolvePractice(
  book: Pick<Book, "folder" | "kpis" | "sources">,
  kpis: readonly KpiDefinition[],
  cards: readonly AppliedScorecard[],
): Promise<ResolvedPractice> {
  const computed = new Set(kpis.map(({ id }) => id));
  const listed = book.kpis.map((entry) => (typeof entry === "string" ? entry : String(entry.id)));
  const known = [...new Set([...listed, ...computed])].sort();
  const check = (kpi: string, path: Path, errorAt: (path: Path, sentence: string, hint?: string) => Error): string => {
    if (known.includes(kpi)) return kpi;
    const near = nearest(kpi, known);
    throw errorAt(
      path,
      `found ${kpi}, expected a KPI that the book lists under kpis (${known.join(", ")})`,
      near === undefined ? undefined : `did you mean ${near}?`,
    );
  };
  const read = async (file: string): Promise<string | null> => {
    const path = join(book.folder, file);
    return existsSync(path) ? await readFile(path, "utf8") : null;
  };
  const outcomesText = await read("outcomes.yaml");
  const outcomes = outcomesText === null ? null : parseOutcomes(outcomesText, "outcomes.yaml");
  for (const [i, { success }] of (outcomes?.value ?? []).entries())
    check(success.kpi, [i, "success", "kpi"], (outcomes as NonNullable<typeof outcomes>).errorAt);
  const practiceText = await read("practice.yaml");
  const practice = practiceText === null ? null : parsePractice(practiceText, "practice.yaml");
  const { clusters, archetypes, funnel } = practice?.value ?? defaultPractice;
  const errorAt = practice?.errorAt ?? ((_: Path, sentence: string) => new Error(sentence));
  const named = (list: readonly string[] | undefined, path: Path, is: (kpi: KpiDefinition) => boolean) =>
    list === undefined
      ? kpis
          .filter(is)
          .map(({ id }) => id)
          .slice(0, most)
      : list.map((kpi, i) => check(kpi, [...path, i], errorAt)).filter((kpi) => computed.has(kpi));
  if (funnel.gate !== undefined) check(funnel.gate.kpi, ["funnel", "gate", "kpi"], errorAt);
  return {
    knows_outcome: Object.values(book.sources).some(
      ({ entity, columns }) => entity === "account" && columns.desired_outcome !== undefined,
    ),
    outcomes: (outcomes?.value ?? []).filter(({ success }) => computed.has(success.kpi)),
    clusters: {
      kpis: named(clusters.kpis, ["clusters", "kpis"], isUse),
      on: clusters.on ?? null,
      groups: clusters.groups,
    },
    archetypes: {
      usage: named(archetypes.usage, ["archetypes", "usage"], isUse),
      tickets: named(archetypes.tickets, ["archetypes", "tickets"], isTickets),
      marketing: named(archetypes.marketing, ["archetypes", "marketing"], isMarketing),
      low: archetypes.low,
      high: archetypes.high,
    },
    funnel: {
      key_feature: funnel.key_feature ?? keyFeatureOf(kpis),
      paid_within_days: funnel.paid_within_days,
      gate: gateOf(funnel.gate, kpis, cards),
    },
  };
}

/** The gate that the file names, else that of the first assigned scorecard, else the KPI of stage `value` above zero. */
function gateOf(
  gate: Practice["funnel"]["gate"],
  kpis: readonly KpiDefinition[],
  cards: readonly AppliedScorecard[],
): ResolvedPractice["funnel"]["gate"] {
  const computed = new Set(kpis.map(({ id }) => id));
  if (gate !== undefined) return computed.has(gate.kpi) ? { ...gate, from: "practice.yaml" } : null;
  const assigned = cards
    .filter(({ assign_order }) => assign_order !== null)
    .sort((a, b) => (a.assign_order as number) - (b.assign_order as number) || b.card.version - a.card.version);
  for (const { card } of assigned) {
    for (const one of card.gates)
      if (one.min !== undefined && computed.has(one.kpi))
        return { kpi: one.kpi, at_least: one.min, after_days: 90, from: `scorecard ${card.scorecard}` };
  }
  const value = kpis.find(({ stage, measure }) => stage === "value" && levels.includes(measure));
  return value === undefined ? null : { kpi: value.id, at_least: 1, after_days: 90, from: "its stage" };
}
