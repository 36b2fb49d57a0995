import { refusedError, usageError } from "../lib/errors.ts";
import { suggestScorecard } from "../validation/advice-scorecard.ts";
import type { Query, Row } from "../warehouse/database.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { type KnownThreshold, readKnownThresholds } from "./suggest-known.ts";
import { formatTable, wrap } from "./table.ts";

export const suggestions = ["weights", "thresholds", "scorecard"] as const;
export type Suggestion = (typeof suggestions)[number];

/** What history suggests: weights and thresholds for a person to look at, or a whole scorecard made from verdicts by rule. */
export async function suggest(
  context: Context,
  name: string,
  what: string | undefined,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  if (what !== undefined && !(suggestions as readonly string[]).includes(what)) {
    throw usageError(
      `suggest: found ${what}, expected one of ${suggestions.join(", ")}, or none for weights and thresholds`,
    );
  }
  const { book, database } = await openRelease(context, name, options);
  try {
    const { query } = database;
    if (what === "scorecard") {
      await printScorecard(context, query, book.book, name, options.json === true);
      return;
    }
    const wanted = what === undefined ? (["weights", "thresholds"] as const) : ([what] as const);
    const parts = await Promise.all([
      wanted.some((one) => one === "weights") ? readWeights(query) : null,
      wanted.some((one) => one === "thresholds") ? readThresholds(query) : null,
    ]);
    const [weights, thresholds] = parts;
    context.print(
      options.json
        ? JSON.stringify(
            {
              book: book.book,
              ...(weights === null ? {} : { weights }),
              ...(thresholds === null ? {} : { thresholds }),
            },
            null,
            2,
          )
        : [
            ...(weights === null ? [] : [describeWeights(weights)]),
            ...(thresholds === null ? [] : [describeThresholds(thresholds)]),
          ].join("\n\n"),
    );
  } finally {
    database.close();
  }
}

/** The file on stdout, so that it can be sent where it belongs; an error when no KPI has earned a place in it. */
async function printScorecard(
  context: Context,
  query: Query,
  book: string,
  name: string,
  asJson: boolean,
): Promise<void> {
  const found = await suggestScorecard(query);
  if (asJson) {
    context.print(JSON.stringify(found, null, 2));
    return;
  }
  if (found.text === null) {
    throw refusedError(
      `no scorecard can be made for ${book}: of ${found.judged} KPIs with a verdict none is an early warning (${found.churned} churned accounts at most)`,
      `'npx assay verdicts ${name}' has the reasons`,
    );
  }
  context.print(found.text);
}

export interface SuggestedWeights {
  /** How many KPIs, of which. */
  readonly curve: readonly Row[];
  readonly weights: readonly Row[];
  readonly humility: readonly Row[];
  readonly folklore: readonly Row[];
}

export async function readWeights(query: Query): Promise<SuggestedWeights> {
  return {
    curve: await query("select * from validation.kpi_count_curve order by k"),
    weights: await query("select * from validation.suggested_weight order by scorecard, suggested desc, kpi"),
    humility: await query(
      "select * exclude (account_id, is_red, red_share) from validation.weight_humility where account_id is null order by scorecard, version",
    ),
    folklore: await query("select * from validation.folklore order by test, scorecard, version"),
  };
}

export interface SuggestedThresholds {
  readonly thresholds: readonly Row[];
  readonly gates: readonly Row[];
  /** From accounts whose health somebody knows. */
  readonly known: readonly KnownThreshold[];
}

export async function readThresholds(query: Query): Promise<SuggestedThresholds> {
  return {
    thresholds: await query("select * from validation.suggested_threshold order by kpi, tier"),
    gates: await query("select * from validation.gate_finding order by gate_no, kpi"),
    known: await readKnownThresholds(query),
  };
}

const paragraph = (text: unknown): string => wrap(String(text ?? ""), 116, "");
const tenth = (share: unknown): number | null => (typeof share === "number" ? Math.round(1000 * share) / 10 : null);

function describeWeights({ curve, weights, humility, folklore }: SuggestedWeights): string {
  const lines = ["HOW MANY KPIS", paragraph(curve[0]?.sentence)];
  const steps = curve.filter(({ k }) => k !== 0);
  if (steps.length > 0) {
    lines.push(
      formatTable(
        steps.map((row) => ({
          KPIs: row.k,
          added: `${row.added}${row.is_candidate ? "" : " (no early warning)"}`,
          "of 100 pairs": tenth(row.auc),
          from: tenth(row.auc_low),
          to: tenth(row.auc_high),
          "log loss": typeof row.log_loss === "number" ? Number(row.log_loss.toFixed(4)) : null,
          spread: typeof row.spread === "number" ? Number(row.spread.toFixed(2)) : null,
          suggested: row.is_suggested ? "<" : "",
        })),
      ),
      paragraph(
        `Out of time, ${curve[0]?.tested_from} to ${curve[0]?.tested_to}, by models made before; intervals are 95 %. Which KPIs are early warnings was judged on the whole history, so compare the lines with each other. Spread: of an equal-weight score, in standard deviations of one KPI.`,
      ),
    );
  }
  lines.push("", "WEIGHTS");
  if (weights.length === 0) {
    const why = steps.length > 0 ? ": no set of KPIs is shown to add to what age, size and segment say" : "";
    lines.push(`No weights can be suggested${why}.`);
  }
  for (const scorecard of new Set(weights.map((row) => row.scorecard))) {
    const own = weights.filter((row) => row.scorecard === scorecard);
    lines.push(
      formatTable(
        own.map((row) => ({
          KPI: row.kpi,
          suggested: row.suggested,
          equal: typeof row.equal === "number" ? Number(row.equal.toFixed(1)) : null,
          ...(scorecard === null ? {} : { [String(scorecard)]: row.current }),
        })),
      ),
      paragraph(own[0]?.sentence),
    );
  }
  for (const row of humility) lines.push(paragraph(row.sentence));
  if (folklore.length > 0) lines.push("", "FOLKLORE", ...new Set(folklore.map((row) => paragraph(row.sentence))));
  return lines.join("\n");
}

function describeThresholds({ thresholds, gates, known }: SuggestedThresholds): string {
  const lines = ["THRESHOLDS"];
  if (thresholds.length === 0) lines.push("No threshold can be suggested yet.");
  for (const kpi of new Set(thresholds.map((row) => row.kpi))) {
    lines.push(String(kpi));
    for (const row of thresholds.filter((one) => one.kpi === kpi))
      lines.push(`  ${wrap(String(row.sentence), 112, "    ")}`);
  }
  if (known.length > 0) lines.push("", "KNOWN ACCOUNTS", ...known.map(({ sentence }) => paragraph(sentence)));
  lines.push("", "GATES", ...gates.map((row) => paragraph(row.sentence)));
  return lines.join("\n");
}
