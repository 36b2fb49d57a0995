/** Marts that hold what a book's own files promise, where the exports cannot say it. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Book } from "../config/book.ts";
import { parseAudits } from "../models/audits.ts";
import type { Model } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";

/** One row a KPI of a simulated company: the part that it plays, and the verdicts that are right for it. */
interface Answer {
  readonly kpi: string;
  readonly role: string;
  readonly expected: readonly string[];
}

/** The models: marts.answer_key (empty unless the book is simulated) and marts.source_contract. Without a book both are empty. */
export async function bookMarts(book: Book | undefined): Promise<readonly Model[]> {
  return [answerKey(book === undefined ? [] : await readAnswers(book.folder)), sourceContract(book)];
}

/** What the book's `truth.json` says, if it has one. */
async function readAnswers(folder: string): Promise<readonly Answer[]> {
  const file = join(folder, "truth.json");
  return existsSync(file) ? answersOf(await readFile(file, "utf8")) : [];
}

/** The answers in the text of a `truth.json`, by KPI; none in any other text. */
export function answersOf(text: string): readonly Answer[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return [];
  }
  const kpis = (file as { kpis?: unknown } | null)?.kpis;
  if (typeof kpis !== "object" || kpis === null) return [];
  return Object.entries(kpis as Record<string, unknown>)
    .flatMap(([kpi, said]): readonly Answer[] => {
      const { role, expected } = (said ?? {}) as { role?: unknown; expected?: unknown };
      if (typeof role !== "string" || !Array.isArray(expected)) return [];
      return [{ kpi, role, expected: expected.filter((verdict) => typeof verdict === "string") }];
    })
    .sort((a, b) => (a.kpi < b.kpi ? -1 : 1));
}

/** Rows as a `values` list; one row of nulls that a `where false` drops when there is none. */
const valuesOf = (rows: readonly (readonly string[])[], columns: number): string =>
  rows.length === 0
    ? `(values (${Array(columns).fill("cast(null as varchar)").join(", ")})) `
    : `(values ${rows.map((row) => `(${row.join(", ")})`).join(", ")}) `;

const model = (
  name: string,
  grain: readonly string[],
  depends: readonly string[],
  audits: string,
  sql: string,
): Model => ({
  kind: "table",
  name,
  grain,
  depends,
  params: [],
  audits: parseAudits(name, audits, "pipelines/publish/book-marts.ts"),
  portable: false,
  sql,
});

const answerKey = (answers: readonly Answer[]): Model =>
  model(
    "marts.answer_key",
    ["kpi"],
    ["marts.kpi"],
    "not_null(kpi, role); unique(kpi)",
    `with planted as (
  select *
  from ${valuesOf(
    answers.map(({ kpi, role, expected }) => [literal(kpi), literal(role), literal(expected.join(", "))]),
    3,
  )}as t (kpi, role, expected)
  where kpi is not null
)
select
  p.kpi,
  k.label,
  p.role,
  p.expected,
  k.verdict,
  k.verdict_label,
  case
    when list_contains(string_split(p.expected, ', '), k.verdict) then true
    when k.verdict is null or k.verdict = 'not_tested' then null
    else false
  end as is_right
from planted as p
inner join marts.kpi as k on k.kpi = p.kpi
order by p.kpi`,
  );

const sourceContract = (book: Book | undefined): Model =>
  model(
    "marts.source_contract",
    ["source"],
    [],
    "not_null(source); unique(source)",
    `select source, max_age, on_stale
from ${valuesOf(
      Object.entries(book?.sources ?? {})
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([id, { max_age, on_stale }]) => [
          literal(id),
          max_age === undefined ? "cast(null as varchar)" : literal(max_age),
          literal(on_stale ?? (max_age === undefined ? "warn" : "refuse")),
        ]),
      3,
    )}as t (source, max_age, on_stale)
where source is not null
order by source`,
  );
