/** A trial in words: for a terminal, and as it stands in docs/trials.md. */
import { formatTable } from "./table.ts";
import { type MeasuredBar, type Trial, whyNoBars } from "./trial-table.ts";

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const intervalOf = ({ low, high }: MeasuredBar): string =>
  low === null || high === null ? "" : `${percent(low)} to ${percent(high)}`;
const countOf = ({ k, n }: MeasuredBar): string => (k === null ? `${n} seeds` : `${k} of ${n}`);
const pOf = ({ p }: MeasuredBar): string => (p === null ? "" : p.toFixed(3));
/** The most frequent first. */
const verdictsOf = (verdicts: Readonly<Record<string, number>>): string =>
  Object.entries(verdicts)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([verdict, n]) => `${verdict} ${n}`)
    .join(", ");

const headOf = ({ kind, accounts, seeds, churned }: Trial): string =>
  `${kind}, ${accounts} accounts, ${seeds} ${seeds === 1 ? "seed" : "seeds"}: ${churned.least} to ${churned.most} churned accounts, ${churned.mean} on average`;

const ruleOfBars = "A bar fails only if the exact one-sided p is at most 0.025, unless it says otherwise.";

export function describeTrial(trial: Trial, measuredOn: string): string {
  const head = `${headOf(trial)}\nmeasured on ${measuredOn} with assay ${trial.versions.assay}, DuckDB ${trial.versions.duckdb}`;
  const confusion = formatTable(
    trial.kpis.map(({ kpi, role, crude, adjusted, late, asExpected, verdicts }) => ({
      kpi,
      planted: role,
      crude,
      "like for like": adjusted,
      late,
      "as expected": percent(asExpected),
      verdicts: verdictsOf(verdicts),
    })),
  );
  if (trial.bars.length === 0)
    return `${head}\n\n${confusion}\n\nno bars: ${whyNoBars(trial.kind, trial.churned.mean)}`;
  const bars = formatTable(
    trial.bars.map((bar) => ({
      "": bar.holds ? "holds" : "FAILS",
      what: bar.what,
      bar: bar.limit,
      measured: bar.rate,
      "95 % interval": intervalOf(bar),
      of: countOf(bar),
      p: pOf(bar),
    })),
  );
  return `${head}\n\n${confusion}\n\n${bars}\n\n${ruleOfBars}`;
}

/** Two tables, bars and confusion; the noise KPIs share a row. */
export function trialInMarkdown(trial: Trial, measuredOn: string): string {
  const { kind, accounts, seeds, versions, bars } = trial;
  const failed = bars.filter(({ holds }) => !holds).length;
  const noise = trial.kpis.filter(({ role }) => role === "noise");
  const pooled: Record<string, number> = {};
  for (const { verdicts } of noise)
    for (const [verdict, n] of Object.entries(verdicts)) pooled[verdict] = (pooled[verdict] ?? 0) + n;
  const number = (value: number | null): string => value?.toFixed(3) ?? "";
  return [
    `\`npx assay trial --kind ${kind} --accounts ${accounts} --seeds ${seeds}\`, measured on ${measuredOn} with Assay ${versions.assay} and`,
    `DuckDB ${versions.duckdb}: ${trial.churned.least} to ${trial.churned.most} churned accounts, ${trial.churned.mean} on average.`,
    failed === 0 ? "All bars hold." : `Of ${bars.length} bars ${failed} ${failed === 1 ? "fails" : "fail"}.`,
    "",
    "| | bar | measured | 95 % interval | of | p |",
    "|---|---|---|---|---|---|",
    ...bars.map(
      (bar) =>
        `| ${bar.what}${bar.holds ? "" : ": **fails**"} | ${bar.limit} | ${bar.rate} | ${intervalOf(bar)} | ${countOf(bar)} | ${pOf(bar)} |`,
    ),
    "",
    "| KPI | planted | A crude | A like for like | A late | verdicts |",
    "|---|---|---|---|---|---|",
    ...trial.kpis
      .filter(({ role }) => role !== "noise")
      .map(
        ({ kpi, role, crude, adjusted, late, verdicts }) =>
          `| ${kpi} | ${role} | ${number(crude)} | ${number(adjusted)} | ${number(late)} | ${verdictsOf(verdicts)} |`,
      ),
    ...(noise.length === 0 ? [] : [`| all ${noise.length} of noise | noise | | | | ${verdictsOf(pooled)} |`]),
  ].join("\n");
}
