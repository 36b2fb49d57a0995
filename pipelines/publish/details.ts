import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

type Row = Readonly<Record<string, unknown>>;

interface Detail {
  /** The folder of the files; each is named by a value of `key`. */
  readonly folder: string;
  readonly key: string;
  /** The artefact whose values of `key` get a file. */
  readonly of: string;
  /** Part of a file -> the artefact whose rows of that value it holds. */
  readonly parts: Readonly<Record<string, string>>;
}

/** What a page of one KPI or one scorecard shows: its own rows and nothing of the others. */
export const details: readonly Detail[] = [
  {
    folder: "kpi",
    key: "kpi",
    of: "kpi",
    parts: {
      kpi: "kpi",
      sql: "kpi_sql",
      ranges: "kpi_range",
      leads: "kpi_lead",
      periods: "kpi_period",
      segments: "kpi_segment",
      cohorts: "kpi_cohort",
      groups: "kpi_group",
      cuts: "kpi_cut",
      shift: "kpi_shift",
      drift: "kpi_drift",
      kin: "kpi_pair",
      looks: "kpi_look",
      interventions: "kpi_intervention",
      weeks: "kpi_week",
      labels: "label_verdict",
      cards: "scorecard_kpi",
    },
  },
  {
    folder: "scorecard",
    key: "scorecard",
    of: "scorecard",
    parts: {
      versions: "scorecard",
      cards: "scorecard_card",
      kpis: "scorecard_kpi",
      states: "scorecard_state",
      tests: "scorecard_test",
      calibrations: "scorecard_calibration",
      differences: "scorecard_difference",
      decays: "scorecard_decay",
      drifts: "scorecard_drift",
      weights: "weight_on_evidence",
      suggested: "suggested_weight",
      humility: "weight_humility",
      lint: "scorecard_lint",
      steps: "scorecard_step",
      leftOut: "scorecard_left_out",
      plays: "scorecard_play",
    },
  },
];

/** Writes them from the artefacts in `data`, one JSON file each; {@link details} says which. */
export async function writeDetails(data: string): Promise<void> {
  const read = async (name: string): Promise<readonly Row[]> =>
    JSON.parse(await readFile(join(data, `${name}.json`), "utf8"));
  for (const { folder, key, of, parts } of details) {
    const grouped = await Promise.all(
      Object.entries(parts).map(async ([part, name]) => [part, groupBy(await read(name), key)] as const),
    );
    await mkdir(join(data, folder), { recursive: true });
    for (const value of new Set((await read(of)).map((row) => row[key]))) {
      const detail = Object.fromEntries(grouped.map(([part, rows]) => [part, rows.get(value) ?? []]));
      await writeFile(join(data, folder, `${String(value)}.json`), `${JSON.stringify(detail)}\n`);
    }
  }
}

function groupBy(rows: readonly Row[], key: string): ReadonlyMap<unknown, readonly Row[]> {
  const groups = new Map<unknown, Row[]>();
  for (const row of rows) {
    const group = groups.get(row[key]);
    if (group === undefined) groups.set(row[key], [row]);
    else group.push(row);
  }
  return groups;
}
