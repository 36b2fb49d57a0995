/** A proposal as the text of `assay.yaml`, and values as people may read them. */
import { entityOf } from "../config/entities.ts";
import type { Conclusion } from "./conclude.ts";
import { asWritten, type Mapping } from "./place.ts";
import type { Draft, Finding } from "./propose.ts";
import type { Settled } from "./settle.ts";

/** A value of an export on a terminal or in a comment: without control characters, short, in quotes. */
export function shownValue(value: string, most = 28): string {
  const plain = value.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");
  return JSON.stringify(plain.length > most ? `${plain.slice(0, most - 3)}...` : plain);
}

/** A text in one line, as a comment may hold it. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");

type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain | undefined };

const reserved = /^(true|false|yes|no|on|off|null|~|y|n)$/i;

function scalar(value: string | number | boolean | null): string {
  if (typeof value !== "string") return String(value);
  const isPlain = /^[A-Za-z_$][A-Za-z0-9_ ./$*()-]*$/.test(value) && !reserved.test(value) && !/\s$| #|: /.test(value);
  return isPlain ? value : JSON.stringify(value).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

/** YAML in flow style, on one line. */
export function flow(value: Plain): string {
  if (value === null || typeof value !== "object") return scalar(value);
  if (Array.isArray(value)) return `[${value.map((item) => flow(item as Plain)).join(", ")}]`;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return entries.length === 0
    ? "{}"
    : `{ ${entries.map(([key, inner]) => `${scalar(key)}: ${flow(inner as Plain)}`).join(", ")} }`;
}

/** The keys of a source as `assay.yaml` holds them. */
export function sourceFields(settled: Settled, extra: { readonly settle?: string }): Record<string, Plain> {
  const { draft } = settled;
  const columns = Object.fromEntries(
    Object.entries(draft.columns).flatMap(([name, mapping]) => {
      const isOwn = !entityOf(draft.entity).columns.some((column) => column.name === name);
      const short = shortMapping(name, mapping);
      // A column of the book's own exists because it is listed.
      return short !== null ? [[name, short]] : isOwn ? [[name, name]] : [];
    }),
  );
  return {
    entity: draft.entity,
    files: filesOf(draft),
    ...(settled.mode === "append" ? {} : { mode: settled.mode }),
    ...(settled.key.length === 0 ? {} : { key: [...settled.key] }),
    ...(settled.delivered === null ? {} : { delivered: deliveredOf(settled.delivered) }),
    ...(extra.settle === undefined ? {} : { settle: extra.settle }),
    ...(Object.keys(columns).length === 0 ? {} : { columns }),
    ...(settled.immutable.length === 0 ? {} : { immutable: [...settled.immutable] }),
    ...(settled.inclusive ? { inclusive: true } : {}),
    ...(Object.keys(draft.keep).length === 0 ? {} : { keep: draft.keep as Plain }),
    ...(Object.keys(draft.drop).length === 0 ? {} : { drop: draft.drop as Plain }),
    ...(Object.keys(draft.formats).length === 0 ? {} : { formats: draft.formats as Plain }),
    ...(settled.latencyDays === 0 ? {} : { latency_days: settled.latencyDays }),
    ...(settled.maxRejected === null ? {} : { max_rejected: settled.maxRejected }),
  };
}

const deliveredOf = (delivered: Exclude<Settled["delivered"], null>): Plain =>
  delivered === "first_seen"
    ? delivered
    : "pattern" in delivered
      ? { from: "file_name", pattern: delivered.pattern }
      : { from: "column", column: delivered.column };

/** What `files:` says of a draft: a glob, or the names where a glob would take others, too. */
export function filesOf({ table }: Draft): string | string[] {
  if (table.glob !== "") return table.glob;
  return table.files.map(({ name }) => name.replace(/[*?[{]/g, (letter) => `[${letter}]`));
}

/** Null where the column is found under its own name. */
function shortMapping(name: string, mapping: Mapping): Plain | null {
  const { from, ...rest } = asWritten(mapping);
  const options = Object.entries(rest).filter(([, value]) => value !== undefined);
  if (options.length === 0 && !Array.isArray(from))
    return from === undefined || from === name ? null : (from as string);
  return { ...(from === undefined || from === name ? {} : { from }), ...rest } as Plain;
}

export interface BookText {
  readonly book: string;
  readonly sources: readonly Settled[];
  readonly conclusion: Conclusion;
  readonly findings: readonly Finding[];
  readonly settle: string | undefined;
  /** Of a source: a freshness contract, and whether it already holds. */
  readonly maxAge: ReadonlyMap<string, { readonly text: string; readonly isLive: boolean; readonly why: string }>;
  readonly scorecard: string | null;
  readonly compare: readonly string[];
  readonly notPlaced: readonly string[];
}

/** The text of a proposed `assay.yaml`. */
export function bookText(given: BookText): string {
  const { conclusion, findings } = given;
  const said = (about: string): readonly string[] =>
    findings
      .filter((finding) => finding.about === about && finding.level !== "sure")
      .map(({ level, text }) => `${level === "decide" ? "TO DECIDE: " : "guessed: "}${oneLine(text)}`);
  const comment = (texts: readonly string[], indent: string): string[] =>
    texts.flatMap((text) => wrapComment(text, indent));
  const lines: string[] = [
    "# Proposed by assay init from what the files hold; what it guessed says so. Every key: docs/exports.md.",
    `book: ${scalar(given.book)}`,
    "as_of: latest",
    ...comment(said("currency"), ""),
    `currency: ${conclusion.currency}`,
    "exports_root: .",
  ];
  if (Object.keys(conclusion.calendar).length > 0) {
    lines.push(
      ...comment([...said("calendar"), ...said("calendar.min_tenure_days")], ""),
      `calendar: ${flow(conclusion.calendar as Plain)}`,
    );
  }
  lines.push("", "sources:");
  if (given.settle !== undefined)
    lines.push(
      "  # settle: 0s takes files at once, because these had only just been written. Where exports are written in place leave it out:",
      "  # then a file is taken when it has stood still for 60s.",
    );
  for (const settled of given.sources) {
    const { draft } = settled;
    lines.push(
      ...comment(
        [
          ...(draft.comment === "" ? [] : [draft.comment]),
          ...findings
            .filter(({ about, level }) => level !== "sure" && (about === draft.id || about.startsWith(`${draft.id}.`)))
            .map(
              ({ level, about, text }) =>
                `${level === "decide" ? "TO DECIDE" : "guessed"}${about === draft.id ? "" : ` (${about.slice(draft.id.length + 1)})`}: ${oneLine(text)}`,
            ),
        ],
        "  ",
      ),
    );
    lines.push(`  ${draft.id}:`);
    const fields = sourceFields(settled, given.settle === undefined ? {} : { settle: given.settle });
    for (const [key, value] of Object.entries(fields)) {
      if (key === "columns" && value !== null && typeof value === "object") {
        lines.push("    columns:");
        for (const [name, mapping] of Object.entries(value as Record<string, Plain>))
          lines.push(`      ${name}: ${flow(mapping)}`);
      } else if (key === "immutable") {
        if (settled.isImmutableGuess)
          lines.push(
            "    # guessed: these never change in a row, so that they count from its start; take out what does",
          );
        lines.push(`    immutable: ${flow(value as Plain)}`);
      } else lines.push(`    ${key}: ${flow(value as Plain)}`);
    }
    const age = given.maxAge.get(draft.id);
    if (age !== undefined) lines.push(`    ${age.isLive ? "" : "# "}max_age: ${age.text}   # ${age.why}`);
  }
  lines.push(
    "",
    ...comment([...said("churn.primary"), ...said("churn.flag")], ""),
    "churn:",
    `  primary: ${conclusion.churn.primary}`,
    "  definitions:",
  );
  for (const [id, definition] of Object.entries(conclusion.churn.definitions))
    lines.push(`    ${id}: ${flow(definition as Plain)}`);
  lines.push(...comment([...said("segments"), ...said("segments.by")], ""));
  if (conclusion.segmentsBy !== null) lines.push(`segments: { by: ${conclusion.segmentsBy} }`);
  lines.push("", "kpis:");
  for (const kpi of conclusion.kpis) lines.push(`  - ${typeof kpi === "string" ? kpi : flow(kpi as Plain)}`);
  if (given.scorecard !== null)
    lines.push(
      "",
      "# A first scorecard out of what the exports have, weighted equally: something to test and to replace.",
      `scorecards: [${given.scorecard}]`,
    );
  if (given.compare.length > 0) lines.push(`compare: ${flow([...given.compare])}`);
  lines.push("", `site: ${flow({ title: given.book })}`);
  if (given.notPlaced.length > 0)
    lines.push("", "# Not read:", ...given.notPlaced.flatMap((text) => wrapComment(oneLine(text), "")));
  return `${lines.join("\n")}\n`;
}

function wrapComment(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of oneLine(text).split(" ")) {
    if (line !== "" && line.length + word.length + indent.length > 116) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map((part, i) => `${indent}# ${i === 0 ? "" : "  "}${part}`);
}

/** The text of a first scorecard: groups of use, support and relationship, each KPI by where the account stands among all. */
export function scorecardText(scored: Conclusion["scored"], title: string): string {
  const groupOf = (kpi: string): string =>
    /ticket/.test(kpi) ? "support" : /invoice/.test(kpi) ? "billing" : /csm|nps/.test(kpi) ? "relationship" : "use";
  const groups = [...new Set(scored.map(({ kpi }) => groupOf(kpi)))];
  return `${[
    "# Proposed by assay init: what the exports have, in equal parts. No outcome was looked at to make it, so history may test it from the first day on.",
    "scorecard: start",
    "version: 1",
    "label: First score",
    `description: ${scalar(`What the exports of ${title} have, in equal parts, each by where the account stands among all.`)}`,
    "created_on: 2020-01-01",
    "purpose: churn_risk",
    "owner: assay",
    "scale: { from: 0, to: 100 }",
    "combine: weighted_mean",
    "groups:",
    ...groups.flatMap((group) => [
      `  - id: ${group}`,
      `    weight: ${Math.round(100 / groups.length)}`,
      "    kpis:",
      ...scored
        .filter(({ kpi }) => groupOf(kpi) === group)
        .map(
          ({ kpi, healthier }) =>
            `      - { kpi: ${kpi}, weight: 1, points: { midrank: { healthier: ${healthier} } } }`,
        ),
    ]),
    "missing: { rule: reweight, coverage_floor: 0.25 }",
    "bands: { edge: upper, list: [{ id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 }] }",
  ].join("\n")}\n`;
}
