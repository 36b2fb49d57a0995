import { describe, expect, test } from "vitest";
import { around } from "../../observable/src/components/charts/intervals.ts";
import { signedPairs, times } from "../../observable/src/components/format.ts";
import { searchKpis, sortKpis } from "../../observable/src/components/pages/kpis.ts";
import { newestVersions } from "../../observable/src/components/pages/scorecards.ts";
import { plain, type Sentence } from "../../observable/src/components/prose.ts";
import type { Kpi, KpiLead, KpiPeriod, KpiSegment, Release } from "../../observable/src/components/rows.ts";
import type {
  AnswerKey,
  Gate,
  KpiCut,
  KpiDrift,
  KpiIntervention,
  KpiLook,
  KpiPair,
  KpiQuality,
  LabelAgreement,
  LabelDefinition,
  LabelVerdict,
  RandomControl,
  ScorecardCalibration,
  ScorecardCard,
  ScorecardDecay,
  ScorecardDifference,
  ScorecardDrift,
  ScorecardTest,
  ScorecardVersion,
  SourceWeek,
  WeightHumility,
} from "../../observable/src/components/rows-evidence.ts";
import * as evidence from "../../observable/src/components/sentences-evidence.ts";
import * as kpis from "../../observable/src/components/sentences-kpi.ts";
import * as cards from "../../observable/src/components/sentences-scorecard.ts";

const release = { gap_days: 30, horizon_days: 90 } as Release;
/** The sentence, which must never hold an absence as a word. */
const text = (sentence: Sentence): string => {
  const words = plain(sentence);
  expect(words).not.toMatch(/\bNaN\b|\bnull\b|undefined|Infinity/);
  return words;
};

describe("one KPI", () => {
  const lead = (months_before: number): KpiLead => ({
    kpi: "k",
    months_before,
    auc: 0.4,
    auc_low: 0.3,
    auc_high: 0.45,
    n_churned: 80,
  });
  const leads = [1, 2, 3, 4].map(lead);
  const ahead = (months_ahead: number | null) => text(kpis.leadSentence({ months_ahead } as Kpi, leads, release));

  test("lead time: not at all, too late, early enough, as far as was looked, not computed", () => {
    expect(ahead(0)).toBe("Not even in the month before the decision does its interval keep clear of a coin toss.");
    expect(ahead(1)).toBe(
      "Going back from the decision, its interval keeps clear of a coin toss for 1 month in a row: within the 30 days that are too late to act on.",
    );
    expect(ahead(3)).toBe(
      "Going back from the decision, its interval keeps clear of a coin toss for 3 months in a row.",
    );
    expect(ahead(4)).toContain("4 months in a row, as far back as was looked.");
    expect(ahead(null)).toBe("");
  });

  test("periods: how many on the side of the whole, how many clear of a coin toss", () => {
    const periods = [0.4, 0.48, 0.52].map((auc) => ({ auc, auc_low: auc - 0.05, auc_high: auc + 0.05 }) as KpiPeriod);
    expect(text(kpis.periodSentence({ n_periods: 3, n_periods_same: 2 } as Kpi, periods))).toMatch(
      /^In 2 of 3 periods the estimate points the way that all of history does; in 1 the interval keeps clear/,
    );
    expect(kpis.periodSentence({ n_periods: 1, n_periods_same: 1 } as Kpi, periods.slice(0, 1))).toEqual([]);
  });

  test("groups: labels counted, small ones apart, unlike labels are no finding unless the groups differ", () => {
    const group = (verdict_label: string | null): KpiSegment =>
      ({ verdict: verdict_label === null ? null : "v", verdict_label }) as KpiSegment;
    const words = { one: "segment", many: "segments" };
    const rows = [group("Early warning (modest)"), group("Cannot tell yet"), group("Cannot tell yet"), group(null)];
    expect(text(kpis.groupSentence(rows, words, { kpi: "k", group_kind: "segment", n_groups: 3, het_q: 0.95 }))).toBe(
      'Segment by segment the label is 2 "Cannot tell yet" and 1 "Early warning (modest)". The segments are not shown to differ from each other (q .95), so unlike labels here are no finding. 1 of 4 segments has fewer than 50 churned or 50 staying accounts: an interval, no verdict.',
    );
    expect(
      text(kpis.groupSentence(rows, words, { kpi: "k", group_kind: "segment", n_groups: 3, het_q: 0.0004 })),
    ).toContain("The segments differ by more than chance (q below .001).");
    expect(text(kpis.groupSentence([group(null), group(null)], words, undefined))).toBe(
      "No segment is large enough for a verdict of its own. 2 of 2 segments have fewer than 50 churned or 50 staying accounts: an interval, no verdict.",
    );
  });

  test("cuts: the one that flags about a fifth, out of time or not, apart or overlapping", () => {
    const cut = (share: number, rates: readonly number[], isOut = true): KpiCut =>
      ({
        cut_no: Math.round(share * 10),
        cut_value: 5,
        side: "at_most",
        is_out_of_time: isOut,
        split_on: isOut ? "2025-02-01" : null,
        flagged_share: share,
        caught_share: 0.3,
        caught_low: 0.25,
        caught_high: 0.35,
        rate_flagged: rates[0],
        rate_flagged_low: rates[1],
        rate_flagged_high: rates[2],
        rate_others: rates[3],
        rate_others_low: rates[4],
        rate_others_high: rates[5],
      }) as KpiCut;
    const far = [0.11, 0.1, 0.12, 0.06, 0.05, 0.07];
    const near = [0.07, 0.05, 0.09, 0.06, 0.05, 0.07];
    expect(text(kpis.cutSentence([cut(0.6, near), cut(0.22, far)]))).toBe(
      "Flagging at most 5 marks 22 % of account-months and holds 30 % (25 % to 35 %) of those that led to leaving. Of the flagged 11 % left (10 % to 12 %), of the others 6.0 % (5.0 % to 7.0 %). Counted from 1 February 2025 on; which side to flag was read off the months before.",
    );
    expect(text(kpis.cutSentence([cut(0.2, near, false)]))).toMatch(
      /; the two intervals overlap\. Counted on all of history, which also chose the side/,
    );
    expect(text(kpis.cutSentence([]))).toMatch(/^No cut leaves enough accounts/);
  });

  test("values now: as in history, elsewhere, not comparable; the shown bar is never below 0.1", () => {
    const drift = (psi: number | null, is_alarm: boolean): KpiDrift => ({
      kpi: "k",
      n_then: 900,
      n_now: 300,
      ranges: 5,
      psi,
      bar: 0.02,
      is_alarm,
    });
    expect(text(kpis.driftSentence(drift(0.01, false)))).toBe(
      "Today's values are spread as in the history that the verdict rests on, as far as can be told (stability index 0.01, bar 0.10; 300 accounts now, 900 in history).",
    );
    expect(text(kpis.driftSentence(drift(0.4, true)))).toMatch(
      /^Values lie elsewhere today.*no failure of the verdict/,
    );
    expect(text(kpis.driftSentence(undefined))).toMatch(/^Today's values cannot be compared/);
  });

  test("looks: the label of the newest, the others, and new until it held three times", () => {
    const look = (look_on: string, verdict_label: string): KpiLook => ({ look_on, verdict_label }) as KpiLook;
    const rows = [
      look("2026-01-01", "Cannot tell yet"),
      look("2026-03-01", "Late alarm"),
      look("2026-02-01", "Late alarm"),
    ];
    expect(text(kpis.looksSentence({ held: 2 } as Kpi, rows))).toBe(
      'At 2 of the last 3 month starts the label was "Late alarm"; at the others it was "Cannot tell yet". Until a label has held three times, take it as new.',
    );
    expect(text(kpis.looksSentence({ held: null } as Kpi, []))).toMatch(/^Verdicts of earlier months/);
  });

  test("kin, plays, other definitions, coverage, marks", () => {
    const pair = (other_label: string, spearman: number, is_twin: boolean): KpiPair => ({
      kpi: "k",
      other: "o",
      other_label,
      spearman,
      n_rows: 9,
      is_twin,
    });
    expect(text(kpis.kinSentence([]))).toMatch(/^No other KPI ranks accounts much alike/);
    expect(text(kpis.kinSentence([pair("A", 0.97, true), pair("B", -0.4, false)]))).toBe(
      "Ranks accounts much as A (0.97) does: two of one group in a score count the same thing twice.",
    );
    expect(text(kpis.kinSentence([pair("B", -0.4, false)]))).toContain("B (-0.40). None is near enough");
    const row = {
      auc_with: 0.42,
      auc_with_low: 0.4,
      auc_with_high: 0.45,
      auc_without: 0.41,
      auc_without_low: 0.38,
      auc_without_high: 0.44,
      n_rows: 8000,
      n_played: 700,
      play_rate_riskiest_fifth: null,
      play_rate_rest: null,
      is_contaminated: false,
    } as KpiIntervention;
    expect(text(kpis.interventionSentence(row))).toContain("is a selection, no corrected number.");
    const label = (outcome: string, definition: string): LabelVerdict => ({ outcome, definition }) as LabelVerdict;
    expect(text(kpis.labelSentence([label("survives", "a"), label("changes", "b"), label("cannot tell", "c")]))).toBe(
      "Leaving can be defined otherwise. It survives the definition a. It changes with b. It cannot be told for c.",
    );
    expect(
      text(
        kpis.coverageSentence([
          { week: "2025-01-06", coverage: 0.4, step: null },
          { week: "2025-01-13", coverage: 0.9, step: "up" },
        ]),
      ),
    ).toBe(
      "In the week of 13 January 2025, 90 % of accounts had a value; the lowest was 40 % (week of 6 January 2025). The volume of the rows that feed it stepped up in Jan 2025.",
    );
    expect(kpis.badgesInWords("exploratory, new, odd_one")).toEqual([
      "under 100 churned accounts: exploratory",
      "new: held at fewer than three of the last six month starts",
      "odd one",
    ]);
    expect(kpis.badgesInWords("")).toEqual([]);
  });

  test("random controls: their range of pairs, and those below .05 alone", () => {
    const control = (auc: number, p: number | null): RandomControl => ({
      control: "c",
      kind: "persistent",
      auc,
      auc_low: null,
      auc_high: null,
      p,
      n_accounts: 900,
      n_churned: 240,
    });
    expect(text(kpis.controlSentence([control(0.49, 0.4), control(0.47, 0.01), control(0.51, 0.5)]))).toBe(
      "For comparison, 3 KPIs made of random numbers sort 51 to 53 of 100 pairs (240 of 900 accounts churned); 1 of them would look like a finding if it were the only one tested (p under .05).",
    );
    expect(text(kpis.controlSentence([control(0.49, null)]))).toBe(
      "For comparison, 1 KPI made of random numbers sorts 51 of 100 pairs (240 of 900 accounts churned).",
    );
    expect(kpis.controlSentence([])).toEqual([]);
  });
});

describe("all KPIs", () => {
  const kpi = (label: string, auc: number | null, more: Partial<Kpi> = {}): Kpi =>
    ({
      kpi: label.toLowerCase(),
      label,
      auc,
      verdict: auc === null ? "not_tested" : "weak",
      action_group: "Use",
      verdict_label: "Weak",
      sentence: "A sentence.",
      coverage: 1,
      months_ahead: 1,
      held: 6,
      n_periods: 4,
      n_periods_same: 4,
      ...more,
    }) as Kpi;
  const rows = [
    kpi("B", 0.52),
    kpi("C", null),
    kpi("A", 0.4, { months_ahead: 0 }),
    kpi("D", 0.7, { coverage: 0.2, held: 1 }),
  ];
  const order = (by: Parameters<typeof sortKpis>[1]): string =>
    sortKpis(rows, by)
      .map((k) => k.label)
      .join("");
  test("orders, equals by strength; what was not tested comes last", () => {
    expect(order("strength")).toBe("DABC");
    expect(order("ahead")).toBe("DBAC");
    expect(order("coverage")).toBe("ABCD");
    expect(order("stability")).toBe("ABCD");
    expect(order("name")).toBe("ABCD");
  });
  test("search in names, verdicts and sentences", () => {
    expect(searchKpis(rows, " d ").map((k) => k.label)).toEqual(["D"]);
    expect(searchKpis(rows, "WEAK").length).toBe(4);
    expect(searchKpis(rows, "").length).toBe(4);
    expect(searchKpis(rows, "(").length).toBe(0);
  });
});

describe("scorecards", () => {
  const card = { purpose: "churn_risk", points_proactive: 40, points_objective: 70 } as ScorecardCard;
  test("a behaviour index is said not to predict; no purpose claims that the score works", () => {
    expect(text(cards.purposeSentence({ ...card, purpose: "behaviour_index" }))).toBe(
      "Meant to describe behaviour, not to predict churn; checked against churn all the same.",
    );
    for (const purpose of ["churn_risk", "expansion", "loyalty"])
      expect(text(cards.purposeSentence({ ...card, purpose }))).toMatch(/^Meant to tell/);
    expect(cards.isProbability("behaviour_index")).toBe(false);
    expect(cards.outcomeWords("expansion").ended).toBe("led to more revenue");
  });

  test("shares and sign-off, judged on the reader's day", () => {
    expect(text(cards.sharesSentence(card))).toBe(
      "40 of 100 points are on proactive KPIs, 60 on reactive ones; 70 are on what is measured, 30 on what people say.",
    );
    const signed = { validated_on: "2026-01-15", validated_by: "cs", valid_until: "2026-07-15" };
    expect(text(cards.signOffSentence(signed, new Date("2026-07-14T12:00:00Z")))).toBe(
      "Signed on 15 January 2026 by cs, valid until 15 July 2026.",
    );
    expect(text(cards.signOffSentence(signed, new Date("2026-07-15T00:00:00Z")))).toContain("expired on 15 July 2026");
    expect(text(cards.signOffSentence({ ...signed, validated_on: null }, new Date()))).toBe(
      "Nobody has signed this version.",
    );
  });

  const tested = {
    average_precision: 0.085,
    average_precision_low: 0.079,
    average_precision_high: 0.091,
    base_rate: 0.07,
    lift_10: null,
    n_departures: 100,
    caught_share: 0.3,
    caught_low: 0.2,
    caught_high: 0.4,
    green_share: null,
    median_months_of_warning: 0.5,
    stayer_median_months: 0,
  } as ScorecardTest;
  test("precision beside chance, and what neither number allows for; departures and months of warning beside stayers", () => {
    expect(text(cards.rankSentence(tested, "churn_risk"))).toMatch(
      /^Working down its list, on average 8\.5 % .* where any order gives 7\.0 %\. Neither number allows for size, age or segment/,
    );
    expect(text(cards.caughtSentence(tested))).toBe(
      "Of 100 departures, 30 % stood in the riskiest band (20 % to 40 %) at the last score before it was too late. Half of them had stood in the riskiest band for 15 days or more when they decided; of like accounts that stayed, for 0 days.",
    );
    expect(cards.rankSentence(undefined, "churn_risk")).toEqual([]);
    expect(cards.caughtSentence(undefined)).toEqual([]);
  });

  test("calibration: the interval decides, and a gain only when its interval does", () => {
    const row = {
      period: "out_of_time",
      brier: 0.06,
      expected: 220.4,
      observed: 240,
      ratio: 1.09,
      ratio_low: 0.95,
      ratio_high: 1.25,
      brier_gain: 0.001,
      brier_gain_low: -0.001,
    } as ScorecardCalibration;
    expect(text(cards.calibrationSentence([row]))).toBe(
      "Turned into a rate by what earlier months taught, it expected 220 account-months to lead to leaving and 240 did (1.09 times, 90 % interval 0.95 to 1.25: the interval holds 1). Its error is not shown to be smaller than that of one rate for everybody.",
    );
    expect(text(cards.calibrationSentence([{ ...row, ratio_low: 1.02, brier_gain_low: 0.0005 }]))).toMatch(
      /more came than expected\)\. Its error is smaller/,
    );
    expect(text(cards.calibrationSentence([]))).toMatch(/was not checked/);
  });

  test("difference, decay and drift say no more than their intervals", () => {
    const difference = (low: number, high: number) =>
      text(
        cards.differenceSentence(
          {
            difference: (low + high) / 2,
            difference_low: low,
            difference_high: high,
            n_churned: 120,
          } as ScorecardDifference,
          "the simple score",
        ),
      );
    expect(difference(-0.03, 0.01)).toBe(
      "It is not shown to rank otherwise than the simple score: -1.0 of 100 pairs, 90 % interval -3.0 to +1.0 (120 churned accounts).",
    );
    expect(difference(0.01, 0.03)).toMatch(/^It ranks better than/);
    expect(difference(-0.03, -0.01)).toMatch(/^It ranks worse than/);
    expect(text(cards.differenceSentence(undefined, "it"))).toMatch(/too few accounts have both scores/);
    const decay = { n_periods: 11, slope_per_year: -0.017, slope_low: -0.038, slope_high: 0.004 } as ScorecardDecay;
    expect(text(cards.decaySentence(decay))).toMatch(/: no change is shown\.$/);
    expect(text(cards.decaySentence({ ...decay, slope_high: -0.001 }))).toMatch(/ranks worse as time goes by\.$/);
    expect(text(cards.decaySentence(undefined))).toMatch(/cannot be told/);
    const drift = (snapshot_date: string, is_alarm: boolean) =>
      ({ snapshot_date, reference_on: "2025-01-01", psi: 0.2, bar: 0.1, is_alarm }) as ScorecardDrift;
    expect(text(cards.scoreDriftSentence([drift("2025-03-01", false), drift("2025-02-01", true)]))).toBe(
      "On 1 March 2025 scores lay as on 1 January 2025, as far as can be told; at 1 of 2 readings they did not. Moved scores are no failure of the score.",
    );
    expect(cards.scoreDriftSentence([])).toEqual([]);
  });

  test("humility adds how today's red accounts fare, when there are enough", () => {
    const row = { sentence: "S.", n_red: 330, n_red_always: 99, n_red_rarely: 52 } as WeightHumility;
    expect(text(cards.humilitySentence(row))).toBe(
      "S. Of 330 accounts that are red today, 99 are red in at least nine of ten of those weightings, 52 in under half.",
    );
    expect(text(cards.humilitySentence({ ...row, n_red: null }))).toBe("S.");
  });

  test("of several versions the one in force is shown, else the newest", () => {
    const version = (scorecard: string, no: number, is_current: boolean) =>
      ({ scorecard, version: no, is_current }) as ScorecardVersion;
    expect(
      newestVersions([
        version("a", 1, true),
        version("a", 2, false),
        version("b", 1, false),
        version("b", 3, false),
      ]).map((v) => `${v.scorecard}${v.version}`),
    ).toEqual(["a1", "b3"]);
  });
});

describe("definitions, data, advice, answers", () => {
  const definition = {
    definition: "paid_end",
    type: "subscription_end",
    is_primary: true,
    n_accounts: 900,
    n_churned: 240,
  } as LabelDefinition;
  test("definitions of leaving: alone, and beside another", () => {
    expect(text(evidence.labelsSentence([definition], []))).toBe(
      "In this report an account has left when the last paid period ended without another (paid_end): 240 of 900 accounts did. The book has no other definition to compare it with; whether a verdict hangs on it is not known.",
    );
    const agreement = {
      definition: "paid_end",
      other: "silent",
      n_both: 200,
      n_one: 240,
      share: 5 / 6,
      median_days_apart: 12,
    } as LabelAgreement;
    expect(text(evidence.labelsSentence([definition], [agreement]))).toMatch(
      /Of those that left by it, 83 % of these 240 by silent too\.$/,
    );
    expect(text(evidence.labelsSentence([], []))).toMatch(/^No definition of leaving/);
    expect(text(evidence.survivalSentence([{ outcome: "survives" }, { outcome: "changes" }] as LabelVerdict[]))).toBe(
      "Of 2 comparisons of a KPI under another definition, 1 keep the verdict, 1 change it, and of 0 history cannot tell.",
    );
  });

  test("quality and volume name what is off, or say that nothing is", () => {
    const quality = (label: string, more: Partial<KpiQuality>): KpiQuality =>
      ({ kpi: label, label, coverage_now: 1, longest_gap_days: 0, n_steps: 0, ...more }) as KpiQuality;
    expect(text(evidence.qualitySentence([quality("A", {})]))).toMatch(/^1 KPI is fed by these sources\. No gap/);
    expect(
      text(
        evidence.qualitySentence([
          quality("A", { coverage_now: 0.5 }),
          quality("B", { longest_gap_days: 9, n_steps: 2 }),
        ]),
      ),
    ).toBe(
      "2 KPIs are fed by these sources. Fewer than 70 % of accounts have a value of A. A week or more without any row: B. The volume of rows stepped up or down: B.",
    );
    const week = (source: string, on: string, step: string | null) =>
      ({ source, week: on, n_rows: 9, step }) as SourceWeek;
    expect(text(evidence.volumeSentence([week("usage", "2025-01-06", null)]))).toMatch(/^No source stepped/);
    expect(
      text(evidence.volumeSentence([week("usage", "2025-01-06", "down"), week("tickets", "2025-02-03", "up")])),
    ).toContain(
      "2 times; last: tickets up in the week of 3 February 2025 and usage down in the week of 6 January 2025.",
    );
    expect(text(evidence.volumeSentence([]))).toMatch(/^No source has a whole week/);
  });

  test("a gate holds only if the held-out months say so", () => {
    const gate = {
      label: "Tickets",
      side: "at_least",
      threshold: 9,
      state: "does not hold",
      n_churned: 368,
      rate_failing: 0.088,
      rate_failing_low: 0.069,
      rate_failing_high: 0.11,
      rate_passing: 0.069,
      rate_passing_low: 0.062,
      rate_passing_high: 0.077,
      p_holm: 0.145,
    } as Gate;
    expect(text(evidence.gateSentence(gate))).toBe(
      "Tickets at least 9: 8.8 % left (6.9 % to 11 %), of the others 6.9 % (6.2 % to 7.7 %); not shown to leave more often than like accounts (one-sided p .145, corrected for the number of gates; 368 churned accounts, months held out from the search).",
    );
    expect(text(evidence.gateSentence({ ...gate, state: "holds", p_holm: 0.0001 }))).toMatch(
      /there left more often than like accounts \(one-sided p below \.001/,
    );
    expect(text(evidence.gateSentence({ ...gate, p_holm: null }))).toBe(
      "Tickets at least 9: too few departures on that side to tell.",
    );
  });

  test("the answer key counts rights and names misses; what was not tested is neither", () => {
    const answer = (label: string, is_right: boolean | null) =>
      ({ kpi: label, label, verdict_label: "Weak", is_right }) as AnswerKey;
    expect(text(evidence.answerSentence([answer("A", true), answer("B", false), answer("C", null)]))).toBe(
      "This company is simulated, and what each KPI does is known: 1 of 2 KPIs got a verdict that is right for it. Missed: B (Weak).",
    );
    expect(text(evidence.countSentence([]))).toMatch(/cannot be told/);
  });
});

test("numbers: a signed difference never shows minus zero, a ratio has two digits, an axis holds what it must", () => {
  expect(signedPairs(-0.0001)).toBe("0.0");
  expect(signedPairs(0.012)).toBe("+1.2");
  expect(signedPairs(null)).toBe("not enough data");
  expect(times(1.094)).toBe("1.09");
  expect(times(Number.NaN)).toBe("not enough data");
  expect(around(50, 15, 5, [{ value: 71, low: null, high: 72 }])).toEqual([25, 75]);
  expect(around(0, 5, 5, [])).toEqual([-10, 10]);
});

test("a finding of the guides names the scorecard as its readers do", () => {
  const row = {
    scorecard: "card",
    version: 1,
    rule: "never_signed_off",
    source: "a guide",
    severity: "warning",
    sentence: "nobody has signed card v1",
    because: null,
  };
  expect(cards.lintSentence(row, "A $& card")).toBe('Nobody has signed "A $& card" v1.');
});
