/** Tables about all accounts at the newest snapshot: how they spread over the scale, and their rank in a band. */
import { parseScorecard } from "../config/scorecard.ts";
import type { Node, Step } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import { distributionInWords, placeInWords, wholePercents } from "./distribution.ts";
import { bandRank } from "./rank.ts";

/**
 * scores.score_distribution: at the newest snapshot, per version that is in force for somebody, its own accounts; for a
 * scorecard that is only compared, all accounts in its newest version. One row a band of the card, and one for `unknown` when
 * anybody is. Percents of a version add up to 100; `sentence` says them all, the best band first.
 */
export const tellDistribution: Step = {
  kind: "step",
  name: "scores.tell_distribution",
  depends: ["scores.account_score", "scores.scorecard"],
  params: ["as_of"],
  produces: ["scores.score_distribution"],
  version: "1",
  async run({ query, run }) {
    const cards = await query<{ scorecard: string; version: number; is_assigned: boolean; definition: string }>(
      "select scorecard, version, is_assigned, definition from scores.scorecard order by scorecard, version",
    );
    const counts = await query<{ scorecard: string; version: number; is_own: boolean; band: string; n: number }>(
      "select scorecard, version, is_in_force as is_own, band, count(*) as n from scores.account_score " +
        "where snapshot_date = (select as_of from meta.params) group by all order by all",
    );
    const rows = cards.flatMap(({ scorecard, version, is_assigned, definition }) => {
      const isNewest = cards.every((other) => other.scorecard !== scorecard || other.version <= version);
      if (!is_assigned && !isNewest) return [];
      const own = counts.filter(
        (row) => row.scorecard === scorecard && row.version === version && (row.is_own || !is_assigned),
      );
      if (own.length === 0) return [];
      const { card } = parseScorecard(definition, `${scorecard} v${version}`);
      const byBand = new Map<string, number>();
      for (const { band, n } of own) byBand.set(band, (byBand.get(band) ?? 0) + n);
      const unknown = byBand.get("unknown") ?? 0;
      const bands = [
        ...card.bands.list.map(({ id }, i) => ({ band: id, words: placeInWords(card, i) })).reverse(),
        ...(unknown > 0 ? [{ band: "unknown", words: "without a score" }] : []),
      ];
      const percents = wholePercents(bands.map(({ band }) => byBand.get(band) ?? 0));
      const total = own.reduce((all, { n }) => all + n, 0);
      const sentence = distributionInWords(card, byBand);
      return bands.map(({ band, words }, i) => [
        scorecard,
        version,
        i + 1,
        band,
        words,
        byBand.get(band) ?? 0,
        total,
        percents[i] ?? 0,
        sentence,
      ]);
    });
    await run(
      "create table scores.score_distribution (scorecard varchar, version integer, place_no integer, band varchar, place varchar, " +
        "n_accounts bigint, n_total bigint, percent integer, sentence varchar)",
    );
    if (rows.length > 0) {
      await run(
        `insert into scores.score_distribution values ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")}`,
      );
    }
  },
};

/** What follows from scores.account_score for readers. */
export const readingNodes: readonly Node[] = [tellDistribution, bandRank];
