/** What customer-success teams ask beside scores: groups of use, archetypes, desired outcomes, and how the scorecards fit. */
import { usageError } from "../lib/errors.ts";
import type { Query, Row } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { formatTable, wrap } from "./table.ts";

type Options = BookOptions & { readonly json?: boolean };

/** Answers are read on a terminal of 80 columns. */
const width = 80;

/** What the numbers of a JSON answer are counted in, by the ends of their names. */
const units = {
  "*_rate, share*, *_low, *_high, difference*":
    "shares of 1; around a score (score_low, score_high) points, around a median (q50_low, q50_high) the unit of the KPI",
  "mrr_minor, paid_minor": "minor units of `currency`",
  "score, mean_score, score_q*, *_part": "points of the scorecard's scale, 0 to 100 of an outcome",
  "q10 to q90, value": "the unit of the KPI (`unit`)",
  "*_day, day_q*": "days since the first paid day",
  "days_late, *_days": "days",
  "n_*, smallest*": "a count: accounts, where the name says nothing else; n_rows and *_rows are account-months",
  "stability*, separation, *_v": "0 to 1",
} as const;

/** An answer: sentences first, then tables; as JSON the rows as they are. */
interface Part {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly Row[];
  readonly show: (row: Row) => Readonly<Record<string, unknown>>;
  /** Under the table, once. */
  readonly note?: string;
}

async function answer(
  context: Context,
  name: string,
  options: Options,
  topics: readonly string[],
  parts: (query: Query) => Promise<readonly Part[]>,
): Promise<void> {
  const { book, database } = await openRelease(context, name, options);
  try {
    const { query } = database;
    const sentences = (
      await query<{ sentence: string }>(
        `select sentence from marts.practice_sentence where list_contains([${topics.map(literal).join(", ")}], topic) order by place_no`,
      )
    ).map(({ sentence }) => sentence);
    const found = await parts(query);
    if (options.json === true) {
      const rows = Object.fromEntries(found.map((part) => [part.name, part.rows]));
      context.print(JSON.stringify({ book: book.book, currency: book.currency, units, sentences, ...rows }, null, 2));
      return;
    }
    const blocks = found
      .filter(({ rows }) => rows.length > 0)
      .map(({ title, rows, show, note }) =>
        [
          title,
          formatTable(rows.map(show), undefined, width),
          ...(note === undefined ? [] : [wrap(note, width, "")]),
        ].join("\n"),
      );
    const said = sentences.length === 0 ? [] : [sentences.map((sentence) => wrap(sentence, width, "")).join("\n")];
    context.print([...said, ...blocks].join("\n\n"));
  } finally {
    database.close();
  }
}

const tenth = (share: unknown): number | null => (typeof share === "number" ? Math.round(1000 * share) / 10 : null);
const span = (low: unknown, high: unknown): string | null =>
  typeof low === "number" && typeof high === "number" ? `${tenth(low)} to ${tenth(high)}` : null;
const short = (value: unknown): number | null =>
  typeof value === "number" ? Number(value.toPrecision(value >= 1000 ? 5 : 3)) : null;

/** `assay clusters BOOK`: which accounts are alike in use, what became of each group, and what the best and the lost look like. */
export const clusters = (context: Context, name: string, options: Options): Promise<void> =>
  answer(context, name, options, ["clusters"], async (query) => [
    {
      name: "clusters",
      title: "GROUPS OF USE",
      rows: await query("select * from marts.usage_cluster order by cluster"),
      show: (r) => ({
        group: r.cluster,
        use: r.label,
        accounts: r.n_accounts,
        "left of": r.n_labelled,
        left: r.n_churned,
        "%": tenth(r.churn_rate),
        "95 %": span(r.churn_low, r.churn_high),
        "alike %": tenth(r.expected_rate),
        differs: r.differs ? "yes" : "no",
        now: r.n_now,
        success: r.success ?? "not written",
      }),
      note: "left of: accounts whose window is complete. alike: accounts of the same segment and size. differs: at 5 % for all groups together.",
    },
    {
      name: "kpis",
      title: "WHAT TELLS THEM APART (medians)",
      rows: await query("select * from marts.usage_cluster_kpi order by kpi_no, cluster"),
      show: (r) => ({
        KPI: r.kpi,
        group: r.cluster,
        n: r.n_values,
        "25 %": short(r.q25),
        median: short(r.q50),
        "75 %": short(r.q75),
        "of all": short(r.q50_of_all),
      }),
    },
    {
      name: "choice",
      title: "HOW MANY GROUPS",
      rows: await query("select * from marts.usage_cluster_choice order by k"),
      show: (r) => ({
        groups: r.k,
        "stability (Rand)": typeof r.stability === "number" ? Number(r.stability.toFixed(2)) : null,
        lowest: typeof r.stability_low === "number" ? Number(r.stability_low.toFixed(2)) : null,
        "smallest group": r.smallest,
        allowed: r.smallest_allowed,
        "": r.is_chosen ? "< chosen" : r.why_not,
      }),
    },
    {
      name: "profiles",
      title: "REFERENCE PROFILES (median and its 95 % interval)",
      rows: await query("select * from marts.reference_profile order by kpi_no, profile_no"),
      show: (r) => ({
        KPI: r.kpi,
        profile: r.profile,
        accounts: r.n_accounts,
        values: r.n_values,
        "25 %": short(r.q25),
        median: short(r.q50),
        "95 %": typeof r.q50_low === "number" ? `${short(r.q50_low)} to ${short(r.q50_high)}` : null,
        "75 %": short(r.q75),
      }),
    },
  ]);

/** `assay archetypes BOOK`: five archetypes, what the score says of each, and what became of them. */
export const archetypesOf = (context: Context, name: string, options: Options): Promise<void> =>
  answer(context, name, options, ["archetypes"], async (query) => [
    {
      name: "archetypes",
      title: "ARCHETYPES, the first that holds",
      rows: await query("select * from marts.archetype order by archetype_no"),
      show: (r) => ({
        archetype: r.label,
        rule: r.rule,
        now: r.n_now,
        score: short(r.mean_score),
        expected: r.expected_health,
        "": r.health_agrees,
        readings: r.n_rows,
        accounts: r.n_accounts,
        "left %": tenth(r.churn_rate),
        "95 %": span(r.churn_low, r.churn_high),
        "alike %": tenth(r.expected_rate),
        differs: r.differs ? "yes" : "no",
      }),
      note: "score: the mean of the score in force. expected: the health that the guide expects. alike: accounts of the same age, segment and size. differs: at 5 % for all five together.",
    },
  ]);

/** `assay outcomes BOOK [ACCOUNT]`: what accounts want and how far they are; of one account its own course. */
export async function outcomesOf(
  context: Context,
  name: string,
  account: string | undefined,
  options: Options,
): Promise<void> {
  if (account === undefined) return answer(context, name, options, ["outcomes", "funnel", "stages"], allOutcomes);
  await answer(context, name, options, [], async (query) => {
    const of = `account_id = ${literal(account)}`;
    const milestones = await query(`select * from marts.milestone_account where ${of} order by expected_on, milestone`);
    const score = await query(`select * from marts.outcome_score where ${of}`);
    const goals = await query(
      `select goal, agreed_on, case when met_on < as_of then met_on end as met_on from staging.goal cross join meta.params
       where ${of} and visible_on <= as_of and (superseded_on is null or as_of < superseded_on) order by agreed_on, goal`,
    );
    const [period] = await query(`select account_id from spine.account_period where ${of} limit 1`);
    if (period === undefined)
      throw usageError(`outcomes: found ${account}, expected the id of an account that pays or has paid`);
    return [
      {
        name: "outcome",
        title: `OUTCOME of ${account}`,
        rows: score,
        show: (r) => ({
          wants: r.outcome,
          value: short(r.value),
          "has it": r.is_met === null ? "not known" : r.is_met ? "yes" : "no",
          "milestones due": r.n_due,
          "on time": r.n_on_time,
          score: short(r.score),
        }),
      },
      {
        name: "milestones",
        title: "COURSE (days since the first paid day)",
        rows: milestones,
        show: (r) => ({
          milestone: r.milestone,
          expected: r.expected_day,
          passed: r.reached_day,
          late: r.days_late,
          "": r.state,
        }),
      },
      {
        name: "goals",
        title: "GOALS",
        rows: goals,
        show: (r) => ({ goal: r.goal, agreed: r.agreed_on, met: r.met_on }),
      },
    ];
  });
}

const allOutcomes = async (query: Query): Promise<readonly Part[]> => [
  {
    name: "outcomes",
    title: "DESIRED OUTCOMES",
    rows: await query("select * from marts.outcome_summary order by outcome_no, outcome"),
    show: (r) => ({
      outcome: r.outcome,
      success: r.success_in_words ?? "not in outcomes.yaml",
      accounts: r.n_accounts,
      "mean score": short(r.mean_score),
      measured: r.n_measured,
      "have it %": tenth(r.met_rate),
      "95 %": span(r.met_low, r.met_high),
      "left with %": tenth(r.met_churn_rate),
      "left without %": tenth(r.unmet_churn_rate),
    }),
  },
  {
    name: "milestones",
    title: "MILESTONES (days since the first paid day; quartiles of accounts that stayed a year)",
    rows: await query("select * from marts.course_milestone order by expected_day, milestone"),
    show: (r) => ({
      milestone: r.milestone,
      expected: r.expected_day,
      due: r.n_due,
      passed: r.n_reached,
      "on time %": tenth(r.on_time_rate),
      "95 %": span(r.on_time_low, r.on_time_high),
      "25 %": r.day_q25,
      median: r.day_q50,
      "75 %": r.day_q75,
      stayed: r.n_stayed,
    }),
  },
  {
    name: "goals",
    title: "GOALS (met within 180 days, of those agreed long enough ago)",
    rows: await query("select * from marts.goal_summary order by n_agreed desc, goal"),
    show: (r) => ({
      goal: r.goal,
      agreed: r.n_agreed,
      "long enough": r.n_matured,
      "met %": tenth(r.met_rate),
      "95 %": span(r.met_low, r.met_high),
    }),
  },
  {
    name: "funnel",
    title: "FUNNEL (by the time in which the trial began)",
    rows: await query("select * from marts.funnel_month order by cohort_from nulls first, step_no"),
    show: (r) => ({
      from: r.cohort_from ?? "all",
      step: r.step,
      accounts: r.n_accounts,
      of: r.n_of,
      "%": tenth(r.share),
      "95 %": span(r.share_low, r.share_high),
      over: r.is_complete ? "" : "not over yet",
    }),
  },
  {
    name: "stages",
    title: "STAGES",
    rows: await query("select * from marts.journey_stage"),
    show: (r) => ({
      stage: r.stage,
      accounts: r.n_accounts,
      "came in 90 days": r.n_came_90d,
      went: r.n_went_90d,
      readings: r.n_rows,
      "left %": tenth(r.churn_rate),
      "95 %": span(r.churn_low, r.churn_high),
    }),
  },
];

/** `assay cards BOOK`: the scorecards, who has them, what is still open on the way to each, and accounts that fit none. */
export const cardsOf = (context: Context, name: string, options: Options): Promise<void> =>
  answer(context, name, options, ["assignment"], async (query) => [
    {
      name: "cards",
      title: "SCORECARDS",
      rows: await query(
        `select c.*, (select sum(g.n_accounts) from marts.assignment_gap as g where g.kind = 'assigned' and g.scorecard = c.scorecard and c.is_current) as n_accounts
         from marts.scorecard_card as c order by c.is_assigned desc, c.scorecard, c.version`,
      ),
      show: (r) => ({
        scorecard: `${r.scorecard} v${r.version}`,
        for: r.applies_in_words,
        assigned: r.is_assigned ? "yes" : "compared",
        accounts: r.n_accounts,
        KPIs: r.n_kpis,
        "proactive of 100": short(r.points_proactive),
        "objective of 100": short(r.points_objective),
        "sign-off": r.sign_off,
        "steps open": r.n_steps_open,
      }),
      note: "Half of the points on what customers do themselves (proactive) is what the guide asks for.",
    },
    {
      name: "steps",
      title: "STEPS TO A SCORE",
      rows: await query(
        "select * from marts.scorecard_step where scorecard in (select scorecard from scores.scorecard where is_assigned) order by scorecard, version, step_no",
      ),
      show: (r) => ({
        scorecard: `${r.scorecard} v${r.version}`,
        step: r.label,
        guides: r.guides,
        "": r.state,
        what: r.what,
      }),
    },
    {
      name: "gaps",
      title: "ACCOUNTS TO LOOK AT",
      rows: await query("select * from marts.account_assignment_gap order by kind, account_id"),
      show: (r) => ({
        account: r.account_id,
        why: { none: "no scorecard", several: "several hold", stage_moved: "stage moved, scorecard did not" }[
          String(r.kind)
        ],
        scorecard: r.scorecard,
        segment: r.segment,
        stage: r.lifecycle,
        before: r.lifecycle_before,
      }),
    },
  ]);
