/** Advice of the guides and of history, held against a book's scorecards. Pure: facts in, findings out. */
import { buildSteps, type LintRuleId, lintRules, sourceInWords } from "../config/lint-rules.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";

/** A KPI as a scorecard uses it. */
export interface LintKpi {
  readonly kpi: string;
  /** Of 100; 0 for one that is shown or gates and does not count. */
  readonly share: number;
  readonly label: string;
  /** Null where the book has no export for it. */
  readonly kind: "objective" | "sentiment" | null;
  readonly side: "proactive" | "reactive" | null;
  /** Share of 1 of the scorecard's accounts that have a value at the newest snapshot; null without accounts. */
  readonly coverage: number | null;
  readonly verdict: string | null;
  readonly verdict_label: string | null;
  readonly action_group: string | null;
}

/** What a release knows of one version of a scorecard. */
export interface LintCard {
  readonly applied: AppliedScorecard;
  /** Assigned and in force at the newest snapshot. */
  readonly is_current: boolean;
  /** Assigned, and its day is still to come. */
  readonly is_upcoming: boolean;
  readonly sign_off: "none" | "valid" | "expired";
  readonly valid_until: string | null;
  readonly kpis: readonly LintKpi[];
  /** Accounts of the newest snapshot that have it. */
  readonly n_accounts: number;
  /** Of those, the ones whose stage changed during the last `stageDays` while their scorecard stayed the same. */
  readonly moved: { readonly n: number; readonly examples: readonly string[] };
  readonly known: { readonly agree: number; readonly disagree: number };
  /** Of its accounts, those that meet the conditions of another scorecard too; one without conditions does not count. */
  readonly n_overlapping: number;
}

export interface LintFacts {
  readonly cards: readonly LintCard[];
  /** Accounts of the newest snapshot, and those among them without a scorecard. */
  readonly n_accounts: number;
  readonly n_unassigned: number;
  /** Desired outcomes that the book's own file names. */
  readonly n_outcomes?: number;
}

export interface LintFinding {
  readonly scorecard: string;
  readonly version: number;
  readonly rule: LintRuleId | "sign_off_expired";
  /** Whose rule it is, in words. */
  readonly source: string;
  readonly severity: "failure" | "warning" | "silenced";
  /** Names no account: leaders read it too. */
  readonly sentence: string;
  readonly hint: string;
  /** Some of the accounts that it is about. */
  readonly examples: readonly string[];
  /** Why it is silenced. */
  readonly because: string | null;
}

/** How far back a change of stage is looked for. */
export const stageDays = 90;
/** A KPI that fewer accounts have counts as poorly tracked, as in the badge of its verdict. */
export const coverageFloor = 0.7;

const verdictsAgainst = ["late_only", "mostly_late"];
const groupsAgainst = ["Score differently", "Leave out"];

/**
 * Findings about the assigned scorecards, in the book's order and then as the rules are listed. A version that a later one
 * has replaced is not looked at.
 */
export function lintScorecards(all: LintFacts): readonly LintFinding[] {
  const facts = { ...all, cards: all.cards.filter(({ is_current, is_upcoming }) => is_current || is_upcoming) };
  const lastCurrent = facts.cards.filter(({ is_current }) => is_current).at(-1);
  const outcomes = new Set(facts.cards.flatMap(({ applied: { card } }) => card.desired_outcome ?? []));
  return facts.cards.flatMap((card) => {
    const { scorecard, version, silence } = card.applied.card;
    const name = `${scorecard} v${version}`;
    const found: readonly (readonly [LintRuleId, string | null])[] = [
      ...ofKpis(card, name),
      ["known_accounts", knownSentence(card, name)],
      ["never_signed_off", card.sign_off === "none" ? `nobody has signed ${name}` : null],
      [
        "no_assignment",
        card === lastCurrent && facts.n_unassigned > 0
          ? `${facts.n_unassigned} of ${facts.n_accounts} accounts have no scorecard, ${name} is the last that could be theirs`
          : null,
      ],
      [
        "overlapping_assignment",
        card.n_overlapping > 0
          ? `${counted(card.n_overlapping, "account")} of ${name} also ${card.n_overlapping === 1 ? "meets" : "meet"} the conditions of another scorecard; the first in the book's order wins`
          : null,
      ],
      ["never_assigned", card.is_current && card.n_accounts === 0 ? `no account has ${name}` : null],
      [
        "stage_moved",
        card.moved.n > 0
          ? `${counted(card.moved.n, "account")} of ${name} moved to another stage in the last ${stageDays} days and kept the scorecard`
          : null,
      ],
      [
        "many_outcomes",
        card !== lastCurrent
          ? null
          : outcomes.size > 4
            ? `the book's scorecards stand for ${outcomes.size} desired outcomes`
            : (facts.n_outcomes ?? 0) > 4
              ? `outcomes.yaml names ${facts.n_outcomes} desired outcomes`
              : null,
      ],
    ];
    const expired: readonly LintFinding[] =
      card.sign_off === "expired"
        ? [
            {
              scorecard,
              version,
              rule: "sign_off_expired",
              source: sourceInWords(ruleOf("never_signed_off")),
              severity: "failure",
              sentence: expiredSentence(name, card.valid_until),
              hint: signHint(card),
              examples: [],
              because: null,
            },
          ]
        : [];
    const warnings = found.flatMap(([rule, sentence]): readonly LintFinding[] => {
      if (sentence === null) return [];
      const silenced = silence.find((entry) => entry.rule === rule);
      return [
        {
          scorecard,
          version,
          rule,
          source: sourceInWords(ruleOf(rule)),
          severity: silenced === undefined ? "warning" : "silenced",
          sentence,
          hint: silenceHint(card, rule),
          examples: rule === "stage_moved" ? card.moved.examples : [],
          because: silenced?.because ?? null,
        },
      ];
    });
    return [...expired, ...warnings];
  });
}

/** "the sign-off of health v3 expired on 2026-07-15". */
export const expiredSentence = (name: string, validUntil: string | null): string =>
  `the sign-off of ${name} expired on ${validUntil}`;

/** How to renew a sign-off. */
export const signHint = ({ applied: { file } }: { readonly applied: Pick<AppliedScorecard, "file"> }): string =>
  `look at the scorecard again, set validated in ${file} to today, and refresh`;

const silenceHint = ({ applied: { file, is_preset } }: LintCard, rule: LintRuleId): string =>
  is_preset
    ? `on purpose? copy the preset into a folder of the book and write silence: [{ rule: ${rule}, because: ... }] there`
    : `on purpose? write silence: [{ rule: ${rule}, because: ... }] into ${file}`;

const ruleOf = (id: LintRuleId) => lintRules.find((rule) => rule.id === id) as (typeof lintRules)[number];

const counted = (n: number, one: string): string => `${n} ${n === 1 ? one : `${one}s`}`;
const rounded = (share: number): string => String(Math.round(share * 10) / 10);

function ofKpis(card: LintCard, name: string): readonly (readonly [LintRuleId, string | null])[] {
  const counting = card.kpis.filter(({ share }) => share > 0);
  const weightOf = (test: (kpi: LintKpi) => boolean): number =>
    counting.reduce((all, kpi) => all + (test(kpi) ? kpi.share : 0), 0);
  const named = (kpis: readonly LintKpi[]): string => kpis.map(({ label }) => label).join(", ");
  const sentiment = counting.filter(({ kind }) => kind === "sentiment");
  const [felt, done] = [weightOf(({ kind }) => kind === "sentiment"), weightOf(({ kind }) => kind === "objective")];
  const [proactive, reactive] = [
    weightOf(({ side }) => side === "proactive"),
    weightOf(({ side }) => side === "reactive"),
  ];
  const { purpose } = card.applied.card;
  // Verdicts are about churn; a score of something else is not judged by them.
  const against =
    purpose === "churn_risk" || purpose === "behaviour_index"
      ? counting.filter(
          ({ action_group, verdict }) =>
            groupsAgainst.includes(action_group ?? "") || verdictsAgainst.includes(verdict ?? ""),
        )
      : [];
  const thin = card.kpis.filter(
    ({ coverage, kind }) => kind === null || (coverage !== null && coverage < coverageFloor),
  );
  const weak = thin.map(({ label, kind, coverage }) =>
    kind === null ? `${label} (no export)` : `${label} (${Math.floor((coverage ?? 0) * 100)} % of accounts)`,
  );
  return [
    [
      "few_kpis",
      counting.length < 3 ? `${name} rests on ${counted(counting.length, "KPI")}: ${named(counting)}` : null,
    ],
    ["many_kpis", counting.length > 5 ? `${name} counts ${counting.length} KPIs` : null],
    [
      "sentiment_weight",
      felt > 0 && felt >= done
        ? `${rounded(felt)} of 100 points of ${name} are sentiment (${named(sentiment)}), ${rounded(done)} are objective`
        : null,
    ],
    [
      "reactive_weight",
      proactive + reactive > 0 && proactive < reactive
        ? `${rounded(proactive)} of 100 points of ${name} are proactive, ${rounded(reactive)} are reactive`
        : null,
    ],
    ["kpi_coverage", weak.length > 0 ? `${name} reads KPIs that few accounts have: ${weak.join(", ")}` : null],
    [
      "weight_on_evidence",
      against.length > 0
        ? `${rounded(against.reduce((all, { share }) => all + share, 0))} of 100 points of ${name} are on KPIs that history speaks against: ${against
            .map(({ label, verdict_label, share }) => `${label} ${rounded(share)} (${verdict_label})`)
            .join(", ")}`
        : null,
    ],
  ];
}

const knownSentence = ({ known: { agree, disagree } }: LintCard, name: string): string | null =>
  disagree === 0 ? null : `${name} agrees with ${agree} of ${agree + disagree} known accounts`;

export interface BuildStep {
  readonly step: string;
  readonly label: string;
  readonly state: "done" | "open";
  /** What is known of it, or what is missing. */
  readonly what: string;
}

/** What a release knows of the practice around its scorecards. */
export interface PracticeFacts {
  /** Groups of use; null where accounts are not put into groups. */
  readonly n_groups: number | null;
  /** Of them, those for which somebody wrote down what success is. */
  readonly n_with_success: number;
  /** Interviews of 45 minutes or more (or of unknown length), and the accounts that they were held with. */
  readonly n_interviews: number;
  readonly n_interviewed: number;
  readonly last_interview_on: string | null;
}

/** The steps that lead to a score, with what the file and the release know of each. */
export function stepsOf(
  { applied: { card }, kpis, sign_off, valid_until, known }: LintCard,
  release: {
    readonly n_staged: number;
    readonly test: { readonly state: string; readonly sentence: string } | null;
    readonly practice?: PracticeFacts | undefined;
  },
): readonly BuildStep[] {
  const { practice } = release;
  const counting = kpis.filter(({ share }) => share > 0).length;
  const told: Readonly<Record<string, readonly ["done" | "open", string]>> = {
    objective:
      card.desired_outcome === undefined
        ? ["open", "no desired outcome is written down"]
        : ["done", card.desired_outcome],
    metrics: ["done", `${counted(counting, "KPI")} in ${counted(card.groups.length, "group")}`],
    journey: [
      counting > 0 && release.n_staged >= counting ? "done" : "open",
      `${release.n_staged} of ${counting} KPIs name a stage`,
    ],
    ...(practice === undefined || practice.n_groups === null
      ? {}
      : { clusters: ["done", `${practice.n_groups} groups of use`] as const }),
    ...(practice === undefined || practice.n_interviews === 0
      ? {}
      : {
          interviews: [
            "done",
            `${counted(practice.n_interviews, "interview")} with ${counted(practice.n_interviewed, "account")}, the last on ${practice.last_interview_on}`,
          ] as const,
        }),
    success:
      practice !== undefined && practice.n_groups !== null && practice.n_with_success > 0
        ? [
            practice.n_with_success >= practice.n_groups ? "done" : "open",
            `written for ${practice.n_with_success} of ${practice.n_groups} groups`,
          ]
        : known.agree + known.disagree > 0
          ? ["done", `agrees with ${known.agree} of ${known.agree + known.disagree} known accounts`]
          : ["open", "no account is known to be well or badly off"],
    analyse:
      release.test === null || release.test.state === "not checked"
        ? ["open", release.test?.sentence ?? "not tested on history yet"]
        : ["done", release.test.sentence],
    aggregate: ["done", card.combine.replaceAll("_", " ")],
    repeat:
      sign_off === "valid"
        ? ["done", `signed, to be reviewed by ${valid_until}`]
        : ["open", sign_off === "none" ? "nobody has signed it" : `the sign-off expired on ${valid_until}`],
  };
  return buildSteps.map(({ id, label }) => {
    const said = card.steps[id];
    const [state, what] =
      said === undefined ? (told[id] ?? (["open", "nothing is written down"] as const)) : ["done" as const, said];
    return { step: id, label, state, what };
  });
}
