// What the pages of one KPI and of all KPIs say beyond the verdict's own sentence. No sentence is stronger than its interval.

import { bound, count, date, month, onHundred, pairs, percent, plural } from "./format.js";
import { list, type Sentence, say } from "./prose.js";
import type { Kpi, KpiLead, KpiPeriod, KpiSegment, Release } from "./rows.js";
import type {
  KpiCohort,
  KpiCut,
  KpiDrift,
  KpiGroup,
  KpiIntervention,
  KpiLook,
  KpiPair,
  LabelVerdict,
  RandomControl,
} from "./rows-evidence.js";

const badgeNames: Readonly<Record<string, string>> = {
  out_of_time_confirmed: "confirmed in the later half of history",
  high_missing: "many accounts have no value",
  tenure_proxy: "goes with the age of accounts",
  intervention_contaminated: "the team acts on it, which hides part of the link",
  arrival_times_unknown: "arrival times unknown: may hold what was known only later",
  exploratory: "under 100 churned accounts: exploratory",
  new: "new: held at fewer than three of the last six month starts",
};

/** The marks of a verdict in words. */
export const badgesInWords = (badges: string | null): readonly string[] =>
  (badges ?? "")
    .split(",")
    .map((badge) => badge.trim())
    .filter((badge) => badge !== "")
    .map((badge) => badgeNames[badge] ?? badge.replaceAll("_", " "));

/** What random numbers in place of KPIs sort, so that a reader knows what chance looks like here. */
export function controlSentence(controls: readonly RandomControl[]): Sentence {
  const [first] = controls;
  if (first === undefined) return [];
  const sorted = controls.map(({ auc }) => Math.abs(auc - 0.5)).sort((a, b) => a - b);
  const low = pairs(0.5 + (sorted[0] as number));
  const high = pairs(0.5 + (sorted.at(-1) as number));
  const range = low === high ? low : `${low} to ${high}`;
  const tested = controls.filter(({ p }) => p !== null);
  const below = tested.filter(({ p }) => (p as number) < 0.05).length;
  return [
    ...say`For comparison, ${plural(controls.length, "KPI")} made of random numbers ${[controls.length === 1 ? "sorts" : "sort"]} ${range} of 100 pairs (${count(first.n_churned)} of ${count(first.n_accounts)} accounts churned)`,
    ...(tested.length === 0
      ? ["."]
      : say`; ${count(below)} of them would look like a finding if it were the only one tested (p under .05).`),
  ];
}

/** How far ahead of the decision the link still shows, one month after the other. */
export function leadSentence(kpi: Kpi, leads: readonly KpiLead[], release: Release): Sentence {
  const known = leads.filter(({ auc }) => auc !== null);
  if (known.length === 0 || kpi.months_ahead === null) return [];
  const most = Math.max(...known.map(({ months_before }) => months_before));
  const gap = Math.ceil(release.gap_days / 30);
  if (kpi.months_ahead === 0)
    return say`Not even in the month before the decision does its interval keep clear of a coin toss.`;
  const far = say`Going back from the decision, its interval keeps clear of a coin toss for ${plural(kpi.months_ahead, "month")} in a row${[kpi.months_ahead === most ? ", as far back as was looked" : ""]}`;
  return kpi.months_ahead <= gap
    ? [...far, ...say`: within the ${plural(release.gap_days, "day")} that are too late to act on.`]
    : [...far, "."];
}

/** On how many of its periods the estimate lay on the side of the whole. */
export function periodSentence(kpi: Kpi, periods: readonly KpiPeriod[]): Sentence {
  const known = periods.filter(({ auc }) => auc !== null);
  if (kpi.n_periods === null || kpi.n_periods_same === null || known.length < 2) return [];
  const clear = known.filter(({ auc_low, auc_high }) => (auc_low ?? 0) > 0.5 || (auc_high ?? 1) < 0.5).length;
  return say`In ${count(kpi.n_periods_same)} of ${plural(kpi.n_periods, "period")} the estimate points the way that all of history does; in ${count(clear)} the interval keeps clear of a coin toss. One period holds few leavers: intervals are wide, and one that crosses 50 is no change.`;
}

/**
 * Verdicts of groups (segments or cohorts), most frequent first; groups too small for one are counted apart; then whether the
 * groups are shown to differ at all.
 */
export function groupSentence(
  rows: readonly (KpiSegment | KpiCohort)[],
  words: { readonly one: string; readonly many: string },
  test: KpiGroup | undefined,
): Sentence {
  const judged = rows.filter(({ verdict }) => verdict !== null);
  const small = rows.length - judged.length;
  const tooFew: Sentence =
    small === 0
      ? []
      : say` ${count(small)} of ${plural(rows.length, words.one, words.many)} ${[small === 1 ? "has" : "have"]} fewer than 50 churned or 50 staying accounts: an interval, no verdict.`;
  if (judged.length === 0) return [...say`No ${[words.one]} is large enough for a verdict of its own.`, ...tooFew];
  const counts = new Map<string, number>();
  for (const { verdict_label } of judged) {
    const label = verdict_label ?? "Not enough data";
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const parts = [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([label, n]) => `${n} "${label}"`);
  const differ: Sentence =
    test === undefined || test.het_q === null
      ? []
      : test.het_q < 0.01
        ? say` The ${[words.many]} differ by more than chance (q ${qText(test.het_q)}).`
        : say` The ${[words.many]} are not shown to differ from each other (q ${qText(test.het_q)}), so unlike labels here are no finding.`;
  return [
    ...say`${[`${words.one.slice(0, 1).toUpperCase()}${words.one.slice(1)}`]} by ${[words.one]} the label is ${list(parts)}.`,
    ...differ,
    ...tooFew,
  ];
}

const qText = (q: number): string => (q < 0.001 ? "below .001" : q.toFixed(q < 0.1 ? 3 : 2).replace(/^0/, ""));

const flagOf = ({ side, cut_value }: KpiCut): string =>
  side === "at_most" ? `at most ${bound(cut_value)}` : `above ${bound(cut_value)}`;

/** Flag in words: "at most 5", "above 3". */
export const cutLabel = flagOf;

/** What a flag at the cut nearest to one account-month in five would have done, on months that did not choose its side. */
export function cutSentence(cuts: readonly KpiCut[]): Sentence {
  const [near] = [...cuts].sort(
    (a, b) => Math.abs(a.flagged_share - 0.2) - Math.abs(b.flagged_share - 0.2) || a.cut_no - b.cut_no,
  );
  if (near === undefined || near.rate_flagged === null || near.rate_others === null)
    return say`No cut leaves enough accounts on either side to say what a flag would have caught.`;
  const apart =
    (near.rate_flagged_low ?? 0) > (near.rate_others_high ?? 1)
      ? ""
      : (near.rate_flagged_high ?? 1) < (near.rate_others_low ?? 0)
        ? ": fewer than of the others"
        : "; the two intervals overlap";
  return [
    ...say`Flagging ${flagOf(near)} marks ${percent(near.flagged_share)} of account-months and holds ${percent(near.caught_share)} (${percent(near.caught_low)} to ${percent(near.caught_high)}) of those that led to leaving. Of the flagged ${percent(near.rate_flagged)} left (${percent(near.rate_flagged_low)} to ${percent(near.rate_flagged_high)}), of the others ${percent(near.rate_others)} (${percent(near.rate_others_low)} to ${percent(near.rate_others_high)})${[apart]}.`,
    ...(near.is_out_of_time && near.split_on !== null
      ? say` Counted from ${date(near.split_on)} on; which side to flag was read off the months before.`
      : [" Counted on all of history, which also chose the side: too little of it for two halves."]),
  ];
}

/** Whether today's accounts still have the values that the verdict was learned on. */
export function driftSentence(drift: KpiDrift | undefined): Sentence {
  if (drift === undefined || drift.psi === null)
    return say`Today's values cannot be compared with those of history: too few accounts are old enough and not in notice.`;
  const facts = say`stability index ${drift.psi.toFixed(2)}, bar ${Math.max(drift.bar ?? 0, 0.1).toFixed(2)}; ${count(drift.n_now)} accounts now, ${count(drift.n_then)} in history`;
  return drift.is_alarm
    ? [
        "Values lie elsewhere today than in the history that the verdict rests on (",
        ...facts,
        "). That is no failure of the verdict, but it was learned on other values.",
      ]
    : [
        "Today's values are spread as in the history that the verdict rests on, as far as can be told (",
        ...facts,
        ").",
      ];
}

/** What the verdict was at each month start, newest last. */
export function looksSentence(kpi: Kpi, looks: readonly KpiLook[]): Sentence {
  const ordered = [...looks].sort((a, b) => a.look_on.localeCompare(b.look_on));
  const last = ordered.at(-1);
  if (last === undefined) return say`Verdicts of earlier months were not recomputed in this release.`;
  const same = ordered.filter(({ verdict_label }) => verdict_label === last.verdict_label).length;
  const others = [
    ...new Set(ordered.filter((l) => l.verdict_label !== last.verdict_label).map((l) => l.verdict_label)),
  ];
  const head = say`At ${count(same)} of the last ${plural(ordered.length, "month start")} the label was "${[last.verdict_label]}"`;
  const tail: Sentence =
    others.length === 0 ? ["."] : say`; at the others it was ${list(others.map((label) => `"${label}"`))}.`;
  const young: Sentence =
    kpi.held !== null && kpi.held < 3 ? say` Until a label has held three times, take it as new.` : [];
  return [...head, ...tail, ...young];
}

/** The KPIs that rank accounts most alike. */
export function kinSentence(kin: readonly KpiPair[]): Sentence {
  const twins = kin.filter(({ is_twin }) => is_twin);
  if (kin.length === 0) return say`No other KPI ranks accounts much alike (every rank correlation is below .3).`;
  const name = ({ other_label, spearman }: KpiPair): string => `${other_label} (${spearman.toFixed(2)})`;
  return twins.length === 0
    ? say`Nearest in how they rank accounts: ${list(kin.slice(0, 3).map(name))}. None is near enough (.7) to count as the same.`
    : say`Ranks accounts much as ${list(twins.map(name))} ${[twins.length === 1 ? "does" : "do"]}: two of one group in a score count the same thing twice.`;
}

/** With all account-months and without those in which somebody stepped in. */
export function interventionSentence(row: KpiIntervention): Sentence {
  const half = say`Somebody stepped in on ${count(row.n_played)} of ${count(row.n_rows)} account-months. Without those, leavers had more in ${onHundred(row.auc_without)} of 100 pairs (${onHundred(row.auc_without_low)} to ${onHundred(row.auc_without_high)}), with them in ${onHundred(row.auc_with)} (${onHundred(row.auc_with_low)} to ${onHundred(row.auc_with_high)}).`;
  const rates =
    row.play_rate_riskiest_fifth === null || row.play_rate_rest === null
      ? []
      : say` In its riskiest fifth that happened in ${percent(row.play_rate_riskiest_fifth)} of account-months, elsewhere in ${percent(row.play_rate_rest)}.`;
  return [
    ...half,
    ...rates,
    row.is_contaminated
      ? " The team acts on what this KPI shows, so part of the link may have been undone by its work."
      : "",
    " Plays go to accounts that look at risk: what is left without them is a selection, no corrected number.",
  ];
}

/** Does the verdict survive other definitions of leaving. */
export function labelSentence(labels: readonly LabelVerdict[]): Sentence {
  if (labels.length === 0) return [];
  const of = (outcome: string): readonly string[] =>
    labels.filter((l) => l.outcome === outcome).map((l) => l.definition);
  const parts = (
    [
      ["survives", "It survives the definition"],
      ["changes", "It changes with"],
      ["cannot tell", "It cannot be told for"],
    ] as const
  ).flatMap(([outcome, words]): Sentence => {
    const names = of(outcome);
    return names.length === 0 ? [] : say` ${[words]} ${list(names)}.`;
  });
  return ["Leaving can be defined otherwise.", ...parts];
}

/** The share of accounts with a value, now and at its lowest. */
export function coverageSentence(
  weeks: readonly { readonly week: string; readonly coverage: number; readonly step: string | null }[],
): Sentence {
  const last = weeks.at(-1);
  if (last === undefined) return [];
  const low = [...weeks].sort((a, b) => a.coverage - b.coverage || a.week.localeCompare(b.week))[0] as typeof last;
  const steps = weeks.filter(({ step }) => step !== null);
  return [
    ...say`In the week of ${date(last.week)}, ${percent(last.coverage)} of accounts had a value; the lowest was ${percent(low.coverage)} (week of ${date(low.week)}).`,
    ...(steps.length === 0
      ? say` The rows that feed it arrived without a step in volume.`
      : say` The volume of the rows that feed it stepped ${list(steps.slice(-4).map(({ step, week }) => `${step} in ${month(week)}`))}.`),
  ];
}
