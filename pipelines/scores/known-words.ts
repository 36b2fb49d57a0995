/** Known accounts in words: who disagrees with a scorecard, and what in the score it comes from. */
import type { Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { partInWords, type ScorePart } from "./preview.ts";

export interface Disagreement {
  readonly account_id: string;
  readonly scorecard: string;
  readonly version: number;
  readonly snapshot_date: string;
  readonly expected_band: string;
  readonly said_by: string | null;
  readonly said_on: string | null;
  readonly score: number;
  readonly band: string;
  readonly gated_by: string | null;
  /** The parts that moved the score away from what was said, the strongest first; at most three. */
  readonly parts: readonly string[];
  readonly words: string;
}

/**
 * Every known account that the current version of an assigned scorecard disagrees with. Where the score is too low, the parts
 * that cost most come first (of a weighted mean: furthest below the weight they have), where it is too high those that
 * gave most.
 */
export async function disagreements(query: Query): Promise<readonly Disagreement[]> {
  const rows = await query<
    Omit<Disagreement, "parts" | "words"> & {
      readonly combine: string;
      readonly scale_to: number;
      readonly bands: string;
    }
  >(
    `select k.account_id, k.scorecard, k.version, k.snapshot_date, k.expected_band, k.said_by, k.said_on, k.score, k.band, k.gated_by,
       s.combine, s.scale_to, s.bands
     from scores.known_account as k
     inner join scores.scorecard as s on s.scorecard = k.scorecard and s.version = k.version
     inner join marts.scorecard as m on m.scorecard = k.scorecard and m.version = k.version
     where k.state = 'disagrees' and m.is_current
     order by m.assign_order, k.source, k.line_no`,
  );
  const told: Disagreement[] = [];
  for (const { combine, scale_to, bands, ...row } of rows) {
    const order = (JSON.parse(bands) as { readonly list: readonly { readonly id: string }[] }).list.map(({ id }) => id);
    const isTooLow = order.indexOf(row.band) < order.indexOf(row.expected_band);
    const parts = await query<Omit<ScorePart, "words">>(
      `select p.part_no, p.kind, p.group_id, p.kpi, d.label, p.value, p.points, p.weight, p.contribution
       from scores.score_part as p left join features.kpi_definition as d on d.id = p.kpi
       where p.account_id = ${literal(row.account_id)} and p.snapshot_date = date ${literal(row.snapshot_date)}
         and p.scorecard = ${literal(row.scorecard)} and p.version = ${literal(row.version)} and p.kind in ('kpi', 'gate')
       order by p.part_no`,
    );
    const isMean = combine === "weighted_mean";
    /** How far the part moved the score the wrong way. */
    const pull = ({ kind, weight, contribution }: Omit<ScorePart, "words">): number => {
      if (!isTooLow) return contribution;
      return kind === "kpi" && isMean ? ((weight ?? 0) / 100) * scale_to - contribution : -contribution;
    };
    const strongest = parts
      .filter((part) => pull(part) > 0)
      .sort((a, b) => pull(b) - pull(a) || a.part_no - b.part_no)
      .slice(0, 3)
      .map((part) => partInWords(part, isMean));
    told.push({ ...row, parts: strongest, words: inWords({ ...row, parts: strongest }) });
  }
  return told;
}

function inWords(row: Omit<Disagreement, "words">): string {
  const who = `${row.said_by ?? "somebody"} said ${row.expected_band}${row.said_on === null ? "" : ` on ${row.said_on}`}`;
  const what = `${row.scorecard} v${row.version} says ${Math.round(row.score * 10) / 10}, ${row.band} on ${row.snapshot_date}`;
  return `${row.account_id}: ${who}, ${what}${row.parts.length === 0 ? "" : `: ${row.parts.join("; ")}`}`;
}
