// What the pages of scorecards say. A behaviour index is never worded as a probability of leaving.

import { count, date, percent, plural, points, signedPairs, times } from "./format.js";
import { type Sentence, say } from "./prose.js";
import type {
  ScorecardCalibration,
  ScorecardCard,
  ScorecardDecay,
  ScorecardDifference,
  ScorecardDrift,
  ScorecardLeftOut,
  ScorecardLint,
  ScorecardTest,
  WeightHumility,
} from "./rows-evidence.js";
import { sentenceOf } from "./sentences.js";

/** What a rule of the guides finds. The refresh names a scorecard by its id; readers see its label. */
export const lintSentence = ({ sentence, scorecard, version }: ScorecardLint, label: string): string =>
  sentenceOf(sentence.replaceAll(`${scorecard} v${version}`, () => `"${label}" v${version}`));

/** Months of 30.44 days, the unit of the statistics; below two of them in days. */
const span = (months: number): string =>
  months < 2 ? plural(Math.round(months * 30.44), "day") : `${points(months)} months`;

interface OutcomeWords {
  /** Whom the score must tell apart from the others. */
  readonly leavers: string;
  readonly stayers: string;
  /** "an account-month that ..." */
  readonly ended: string;
}

const leaving: OutcomeWords = { leavers: "leavers", stayers: "stayers", ended: "led to leaving" };

/** What a purpose is tested against, in words. */
export const outcomeWords = (purpose: string): OutcomeWords =>
  purpose === "expansion"
    ? { leavers: "accounts that grew", stayers: "accounts that did not", ended: "led to more revenue" }
    : purpose === "loyalty"
      ? { leavers: "accounts that shrank", stayers: "accounts that did not", ended: "led to less revenue" }
      : leaving;

export const isProbability = (purpose: string): boolean => purpose === "churn_risk";

/** What the score is for; where it is not meant as a forecast that is said first. */
export function purposeSentence(card: ScorecardCard): Sentence {
  switch (card.purpose) {
    case "behaviour_index":
      return say`Meant to describe behaviour, not to predict churn; checked against churn all the same.`;
    case "expansion":
      return say`Meant to tell which accounts will pay more; tested against revenue that rose.`;
    case "loyalty":
      return say`Meant to tell which accounts keep what they pay; tested against revenue that fell.`;
    default:
      return say`Meant to tell which accounts are likely to leave; tested against churn.`;
  }
}

/** Shares of its points by what the KPIs are. */
export function sharesSentence(card: ScorecardCard): Sentence {
  if (card.points_proactive === null || card.points_objective === null) return [];
  return say`${points(card.points_proactive)} of 100 points are on proactive KPIs, ${points(100 - card.points_proactive)} on reactive ones; ${points(card.points_objective)} are on what is measured, ${points(100 - card.points_objective)} on what people say.`;
}

/** Whether a person has signed it, judged on the reader's day. */
export function signOffSentence(
  card: Pick<ScorecardCard, "validated_on" | "validated_by" | "valid_until">,
  today: Date,
): Sentence {
  if (card.validated_on === null) return say`Nobody has signed this version.`;
  const who = card.validated_by === null ? "" : ` by ${card.validated_by}`;
  if (card.valid_until === null) return say`Signed on ${date(card.validated_on)}${[who]}.`;
  const isOver = card.valid_until <= today.toISOString().slice(0, 10);
  return isOver
    ? say`Signed on ${date(card.validated_on)}${[who]}; the sign-off expired on ${date(card.valid_until)}: look at it again before trusting the score.`
    : say`Signed on ${date(card.validated_on)}${[who]}, valid until ${date(card.valid_until)}.`;
}

/** Average precision and lift beside what chance gives. */
export function rankSentence(test: ScorecardTest | undefined, purpose: string): Sentence {
  if (test === undefined || test.average_precision === null || test.base_rate === null) return [];
  const { ended } = outcomeWords(purpose);
  const lift: Sentence =
    test.lift_10 === null
      ? []
      : say` Of the tenth that it puts lowest, ${times(test.lift_10)} times the overall share ${[ended]} (${times(test.lift_10_low)} to ${times(test.lift_10_high)}; 1 is chance).`;
  return [
    ...say`Working down its list, on average ${percent(test.average_precision)} of the account-months so far ${[ended]} (${percent(test.average_precision_low)} to ${percent(test.average_precision_high)}), where any order gives ${percent(test.base_rate)}.`,
    ...lift,
    " Neither number allows for size, age or segment, as the pairs do: a score may gather leavers by gathering small accounts.",
  ];
}

/** Where departures stood, and how long before they had been red. */
export function caughtSentence(test: ScorecardTest | undefined): Sentence {
  if (test === undefined || test.n_departures === null || test.n_departures === 0 || test.caught_share === null)
    return [];
  const green: Sentence =
    test.green_share === null
      ? []
      : say` and ${percent(test.green_share)} in the healthiest (${percent(test.green_low)} to ${percent(test.green_high)})`;
  const warning: Sentence =
    test.median_months_of_warning === null
      ? []
      : say` Half of them had stood in the riskiest band for ${span(test.median_months_of_warning)} or more when they decided${test.stayer_median_months === null ? [] : say`; of like accounts that stayed, for ${span(test.stayer_median_months)}`}.`;
  return [
    ...say`Of ${plural(test.n_departures, "departure")}, ${percent(test.caught_share)} stood in the riskiest band (${percent(test.caught_low)} to ${percent(test.caught_high)})`,
    ...green,
    " at the last score before it was too late.",
    ...warning,
  ];
}

/** Whether the score, read as a rate, told how many would leave. Only for scores that are meant as a forecast. */
export function calibrationSentence(rows: readonly ScorecardCalibration[]): Sentence {
  const whole = rows.find(({ period }) => period === "out_of_time");
  if (whole === undefined || whole.brier === null || whole.ratio === null || whole.expected === null)
    return say`Whether the score tells how many will leave was not checked: too few departures came before to turn points into a rate.`;
  const many =
    (whole.ratio_low ?? 0) > 1
      ? "more came than expected"
      : (whole.ratio_high ?? 2) < 1
        ? "fewer came than expected"
        : "the interval holds 1";
  const gain: Sentence =
    whole.brier_gain === null
      ? []
      : (whole.brier_gain_low ?? -1) > 0
        ? [" Its error is smaller than that of one rate for everybody, size, age and segment not allowed for."]
        : [" Its error is not shown to be smaller than that of one rate for everybody."];
  return [
    ...say`Turned into a rate by what earlier months taught, it expected ${count(Math.round(whole.expected))} account-months to lead to leaving and ${count(whole.observed)} did (${times(whole.ratio)} times, 90 % interval ${times(whole.ratio_low)} to ${times(whole.ratio_high)}: ${[many]}).`,
    ...gain,
  ];
}

/** One score beside another on the same account-months. */
export function differenceSentence(
  row: Pick<ScorecardDifference, "difference" | "difference_low" | "difference_high" | "n_churned"> | undefined,
  other: string,
): Sentence {
  if (row === undefined || row.difference === null || row.difference_low === null || row.difference_high === null)
    return say`It was not compared with ${[other]}: too few accounts have both scores.`;
  const how =
    row.difference_low > 0
      ? "ranks better than"
      : row.difference_high < 0
        ? "ranks worse than"
        : "is not shown to rank otherwise than";
  return say`It ${[how]} ${[other]}: ${signedPairs(row.difference)} of 100 pairs, 90 % interval ${signedPairs(row.difference_low)} to ${signedPairs(row.difference_high)} (${plural(row.n_churned, "churned account")}).`;
}

/** Whether it ranks worse as time goes by. */
export function decaySentence(row: ScorecardDecay | undefined): Sentence {
  if (row === undefined || row.slope_per_year === null || row.slope_low === null || row.slope_high === null)
    return say`Whether it wears off cannot be told: fewer than three periods came after it was made.`;
  const what =
    row.slope_high < 0
      ? "it ranks worse as time goes by"
      : row.slope_low > 0
        ? "it ranks better as time goes by"
        : "no change is shown";
  return say`Per year ${signedPairs(row.slope_per_year)} of 100 pairs over ${plural(row.n_periods, "period")}, 90 % interval ${signedPairs(row.slope_low)} to ${signedPairs(row.slope_high)}: ${[what]}.`;
}

/** Whether scores have moved from those of the first reading. */
export function scoreDriftSentence(rows: readonly ScorecardDrift[]): Sentence {
  const ordered = [...rows].sort((a, b) => a.snapshot_date.localeCompare(b.snapshot_date));
  const last = ordered.at(-1);
  if (last === undefined || last.psi === null) return [];
  const alarms = ordered.filter(({ is_alarm }) => is_alarm);
  const head = last.is_alarm
    ? say`On ${date(last.snapshot_date)} scores lay elsewhere than on ${date(last.reference_on)} by more than chance`
    : say`On ${date(last.snapshot_date)} scores lay as on ${date(last.reference_on)}, as far as can be told`;
  const before =
    alarms.length === 0 || (last.is_alarm && alarms.length === 1)
      ? "."
      : `; at ${alarms.length} of ${ordered.length} readings they did not.`;
  return [...head, last.is_alarm ? "." : before, " Moved scores are no failure of the score."];
}

/** How firmly today's red accounts are red. */
export function humilitySentence(row: WeightHumility): Sentence {
  const red: Sentence =
    row.n_red === null || row.n_red_always === null || row.n_red_rarely === null
      ? []
      : say` Of ${plural(row.n_red, "account")} that are red today, ${count(row.n_red_always)} are red in at least nine of ten of those weightings, ${count(row.n_red_rarely)} in under half.`;
  return [row.sentence, ...red];
}

/** What the score would be without each of its KPIs; empty where that was not computed. */
export function leftOutSentence(rows: readonly ScorecardLeftOut[]): Sentence {
  const [first] = rows;
  if (first === undefined) return [];
  const most = [...rows].sort((a, b) => b.n_moved - a.n_moved || a.kpi.localeCompare(b.kpi))[0] as ScorecardLeftOut;
  const moved = say`Without ${[most.label]} ${count(most.n_moved)} of ${plural(most.n_accounts, "account")} would stand in another band, more than without any other KPI of it.`;
  const judged = rows.filter(({ difference_low }) => difference_low !== null);
  if (judged.length === 0)
    return [...moved, " How well it would rank leavers is not known: 50 of them and 50 who stayed are needed."];
  const named = (list: readonly ScorecardLeftOut[]): string => list.map(({ label }) => label).join(", ");
  const helps = judged.filter(({ difference_high }) => (difference_high as number) < 0);
  const harms = judged.filter(({ difference_low }) => (difference_low as number) > 0);
  const told = [
    ...(helps.length > 0 ? [`without ${named(helps)} it would rank leavers worse`] : []),
    ...(harms.length > 0 ? [`without ${named(harms)} it would rank them better`] : []),
  ].join("; ");
  if (told === "")
    return [
      ...moved,
      ...say` For none of ${plural(judged.length, "KPI")} is it shown that the score ranks leavers better or worse with it.`,
    ];
  return [...moved, ` ${told.slice(0, 1).toUpperCase()}${told.slice(1)}.`];
}
