/** What the tables of practice say, in sentences: each with its n and its interval, none of a cause. */
import { dateInWords } from "../lib/words.ts";
import type { Step, StepContext } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";

/** Pages and commands show the sentences of a topic above its tables. */
export const topics = ["clusters", "archetypes", "outcomes", "funnel", "stages", "assignment"] as const;
export type Topic = (typeof topics)[number];

export const tellStep: Step = {
  kind: "step",
  name: "marts.tell_practice",
  depends: [
    "marts.archetype",
    "marts.assignment_gap",
    "marts.funnel_month",
    "marts.funnel_split",
    "marts.journey_stage",
    "marts.outcome_summary",
    "marts.usage_cluster",
    "marts.usage_cluster_fact",
    "scores.scorecard",
  ],
  params: [],
  produces: ["marts.practice_sentence"],
  version: "2",
  run: tell,
};

const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? "?" : `${Number((100 * share).toFixed(1))} %`;
const between = (low: number | null, high: number | null): string =>
  `${Number((100 * (low ?? 0)).toFixed(1))} to ${Number((100 * (high ?? 0)).toFixed(1))}`;
const points = (share: number): string => `${share > 0 ? "+" : ""}${Number((100 * share).toFixed(1))}`;
const count = (n: number): string => n.toLocaleString("en-US");
const one = (n: number, word: string): string => `${count(n)} ${n === 1 ? word : `${word}s`}`;
const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

async function tell({ query, run }: StepContext): Promise<void> {
  const rows: readonly (readonly [Topic, string])[] = [
    ...clusterSentences(
      await query<ClusterFact>("select * from marts.usage_cluster_fact"),
      await query<Cluster>("select * from marts.usage_cluster order by cluster"),
    ),
    ...archetypeSentences(await query<Archetype>("select * from marts.archetype order by archetype_no")),
    ...outcomeSentences(await query<Outcome>("select * from marts.outcome_summary order by outcome_no, outcome")),
    ...funnelSentences(
      await query<FunnelStep>("select * from marts.funnel_month where cohort_from is null order by step_no"),
      await query<Split>("select * from marts.funnel_split order by has_used desc"),
    ),
    ...stageSentences(await query<Stage>("select * from marts.journey_stage where churn_rate is not null")),
    ...assignmentSentences(
      await query<Gap>(`
select g.*, c.label from marts.assignment_gap as g
left join (select scorecard, arg_max(label, version) as label from scores.scorecard group by scorecard) as c
  on c.scorecard = g.scorecard
order by g.kind_no, g.scorecard`),
    ),
  ];
  await run("create table marts.practice_sentence (topic varchar, place_no integer, sentence varchar)");
  const values = rows.map(([topic, sentence], i) => `(${literal(topic)}, ${i + 1}, ${literal(sentence)})`);
  if (values.length > 0) await run(`insert into marts.practice_sentence values ${values.join(", ")}`);
}

interface ClusterFact {
  readonly fitted_on: string | null;
  readonly n_accounts: number;
  readonly n_labelled: number;
  readonly k: number | null;
  readonly stability: number | null;
  readonly separation: number | null;
  readonly segment_v: number | null;
  readonly size_v: number | null;
  readonly n_differ: number;
  readonly reason: string | null;
}

interface Cluster {
  readonly cluster: number;
  readonly label: string;
  readonly success: string | null;
  readonly n_labelled: number;
  readonly n_churned: number;
  readonly churn_rate: number | null;
  readonly churn_low: number | null;
  readonly churn_high: number | null;
  readonly expected_rate: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly differs: boolean;
}

/** An association with segment or size from which on a grouping counts as the same thing in other words. */
const sameAs = 0.5;

export function clusterSentences(
  [fact]: readonly ClusterFact[],
  clusters: readonly Cluster[],
): readonly (readonly ["clusters", string])[] {
  if (fact === undefined) return [];
  if (fact.k === null)
    return [["clusters", `Accounts are not put into groups of use: ${fact.reason ?? "there is not enough to go by"}.`]];
  const said: string[] = [
    `By their use on ${fact.fitted_on === null ? "a day that is not known" : dateInWords(fact.fitted_on)}, ${count(fact.n_accounts)} accounts fall into ${fact.k} groups that resamples find again (adjusted Rand index ${fact.stability?.toFixed(2)}; 1 is the same grouping). ${
      (fact.separation ?? 0) < 0.5
        ? `They blend into each other (separation ${fact.separation?.toFixed(2)} of 1)`
        : `They stand apart (separation ${fact.separation?.toFixed(2)} of 1)`
    }.`,
  ];
  const traits = [
    ...((fact.segment_v ?? 0) >= sameAs ? [`segment (Cramér's V ${fact.segment_v?.toFixed(2)})`] : []),
    ...((fact.size_v ?? 0) >= sameAs ? [`size (${traitOf(fact)}${fact.size_v?.toFixed(2)})`] : []),
  ];
  const judged = clusters.filter(({ difference }) => difference !== null);
  const different = judged.filter(({ differs }) => differs);
  if (judged.length === 0) said.push("What became of the groups is not known yet.");
  else if (different.length === 0) {
    const widest = [...judged].sort(
      (a, b) => Math.abs(b.difference as number) - Math.abs(a.difference as number),
    )[0] as Cluster;
    said.push(
      `${traits.length > 0 ? `The groups are largely ${traits.join(" and ")} in other words, and they` : "They"} say nothing of leaving that segment and size do not say: no group left more or less often than accounts of its segment and size (the widest difference is ${points(widest.difference as number)} points, ${between(widest.difference_low, widest.difference_high)}, of ${count(widest.n_labelled)} accounts).`,
    );
  } else {
    if (traits.length > 0) said.push(`The groups largely follow ${traits.join(" and ")}.`);
    for (const c of different)
      said.push(
        `Group ${c.cluster} (${lower(c.label)}) left ${(c.difference as number) > 0 ? "more" : "less"} often than accounts of its segment and size: ${percent(c.churn_rate)} of ${count(c.n_labelled)} (${between(c.churn_low, c.churn_high)}), where ${percent(c.expected_rate)} would be usual; the difference is ${points(c.difference as number)} points (${between(c.difference_low, c.difference_high)}).`,
      );
  }
  if (clusters.some(({ success }) => success === null))
    said.push("For a group without one, what success is can be written into practice.yaml.");
  return said.map((sentence) => ["clusters", sentence] as const);
}

const traitOf = (fact: ClusterFact): string => ((fact.segment_v ?? 0) >= sameAs ? "" : "Cramér's V ");

interface Archetype {
  readonly archetype: string;
  readonly label: string;
  readonly expected_health: string | null;
  readonly usage_kpis: string;
  readonly tickets_kpis: string;
  readonly marketing_kpis: string;
  readonly n_now: number;
  readonly n_of: number;
  readonly n_rows: number;
  readonly n_accounts: number;
  readonly health_agrees: string | null;
  readonly churn_rate: number | null;
  readonly churn_low: number | null;
  readonly churn_high: number | null;
  readonly expected_rate: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly differs: boolean;
}

export function archetypeSentences(rows: readonly Archetype[]): readonly (readonly ["archetypes", string])[] {
  const five = rows.filter(({ archetype }) => archetype !== "none");
  const [first] = rows;
  if (first === undefined) return [];
  const said: string[] = [];
  const missing = [
    ...(first.usage_kpis === "" ? ["use"] : []),
    ...(first.tickets_kpis === "" ? ["tickets"] : []),
    ...(first.marketing_kpis === "" ? ["the response to marketing"] : []),
  ];
  if (missing.length > 0)
    said.push(`The book lists no KPI of ${missing.join(" and of ")}: archetypes that need it have no account.`);
  const none = rows.find(({ archetype }) => archetype === "none");
  if (none !== undefined && none.n_of > 0)
    said.push(
      `${count(none.n_of - none.n_now)} of ${one(none.n_of, "account")} are one of the five, ${count(none.n_now)} none of them.`,
    );
  const judged = five.filter(({ difference }) => difference !== null);
  const different = judged.filter(({ differs }) => differs);
  if (judged.length === 0)
    said.push("Whether they mean anything here is not known yet: too few accounts with a complete window.");
  else if (different.length === 0)
    said.push(
      `Here they are names and no warnings: none of the ${judged.length} leaves more or less often than accounts of its age, segment and size (intervals at 95 %, at 5 % for all together).`,
    );
  else {
    said.push(
      `${different.length} of ${judged.length} ${different.length === 1 ? "means" : "mean"} something here: they left more or less often than accounts of their age, segment and size.`,
    );
    for (const a of different)
      said.push(
        `${a.label}: ${percent(a.churn_rate)} of ${count(a.n_rows)} readings of ${one(a.n_accounts, "account")} led to leaving (${between(a.churn_low, a.churn_high)}), where ${percent(a.expected_rate)} would be usual; ${points(a.difference as number)} points (${between(a.difference_low, a.difference_high)}).`,
      );
  }
  const told = five.filter(({ health_agrees }) => health_agrees !== null);
  if (told.length > 0) {
    const wrong = told.filter(({ health_agrees }) => health_agrees === "contradicts").map(({ label }) => label);
    const open = told.filter(({ health_agrees }) => health_agrees === "cannot tell").map(({ label }) => label);
    const agrees = told.length - wrong.length - open.length;
    said.push(
      `The score in force agrees with the health that the guide expects of ${agrees} of ${told.length}${wrong.length > 0 ? `; it contradicts for ${wrong.join(", ")}` : ""}${open.length > 0 ? `; it cannot tell for ${open.join(", ")}` : ""}.`,
    );
  }
  return said.map((sentence) => ["archetypes", sentence] as const);
}

interface Outcome {
  readonly outcome: string;
  readonly label: string;
  readonly is_listed: boolean;
  readonly success_in_words: string | null;
  readonly n_accounts: number;
  readonly n_measured: number;
  readonly n_met: number;
  readonly met_rate: number | null;
  readonly met_low: number | null;
  readonly met_high: number | null;
  readonly met_rows: number;
  readonly met_churn_rate: number | null;
  readonly met_churn_low: number | null;
  readonly met_churn_high: number | null;
  readonly met_difference: number | null;
  readonly met_difference_low: number | null;
  readonly met_difference_high: number | null;
  readonly unmet_rows: number;
  readonly unmet_churn_rate: number | null;
  readonly unmet_churn_low: number | null;
  readonly unmet_churn_high: number | null;
}

export function outcomeSentences(rows: readonly Outcome[]): readonly (readonly ["outcomes", string])[] {
  const said: string[] = [];
  const listed = rows.filter(({ is_listed }) => is_listed);
  if (rows.length === 0) said.push("No account says what it wants, and no outcomes.yaml names an outcome.");
  else if (listed.length === 0)
    said.push(`Accounts want ${one(rows.length, "outcome")}, and no outcomes.yaml says what reaching it looks like.`);
  if (listed.length > 4)
    said.push(`outcomes.yaml names ${listed.length} desired outcomes; more than four are a symptom.`);
  const unlisted = rows.filter(({ is_listed, n_accounts }) => !is_listed && n_accounts > 0);
  if (listed.length > 0 && unlisted.length > 0)
    said.push(
      `${one(
        unlisted.reduce((n, row) => n + row.n_accounts, 0),
        "account",
      )} want what outcomes.yaml does not name: ${unlisted.map(({ outcome }) => outcome).join(", ")}.`,
    );
  for (const row of listed) {
    if (row.met_rate === null) {
      said.push(`${row.label}: too few accounts want it or have a value (${row.n_measured}).`);
      continue;
    }
    const now = `${row.label}: ${count(row.n_met)} of ${one(row.n_measured, "account")} that want it have it (${row.success_in_words}; ${percent(row.met_rate)}, ${between(row.met_low, row.met_high)}).`;
    const later =
      row.met_churn_rate === null || row.unmet_churn_rate === null
        ? ""
        : ` Of ${count(row.met_rows)} earlier readings with it ${percent(row.met_churn_rate)} led to leaving (${between(row.met_churn_low, row.met_churn_high)}), of ${count(row.unmet_rows)} without it ${percent(row.unmet_churn_rate)} (${between(row.unmet_churn_low, row.unmet_churn_high)}); ${
            (row.met_difference_low ?? 0) > 0 || (row.met_difference_high ?? 0) < 0
              ? `beside accounts of their age, segment and size those with it differ by ${points(row.met_difference as number)} points (${between(row.met_difference_low, row.met_difference_high)})`
              : "beside accounts of their age, segment and size no difference is shown"
          }.`;
    said.push(now + later);
  }
  return said.map((sentence) => ["outcomes", sentence] as const);
}

interface FunnelStep {
  readonly step_no: number;
  readonly step: string;
  readonly n_accounts: number;
  readonly n_of: number;
  readonly share: number | null;
  readonly share_low: number | null;
  readonly share_high: number | null;
}
interface Split {
  readonly has_used: boolean;
  readonly n_trials: number;
  readonly paid_rate: number;
  readonly paid_low: number;
  readonly paid_high: number;
}

export function funnelSentences(
  steps: readonly FunnelStep[],
  split: readonly Split[],
): readonly (readonly ["funnel", string])[] {
  const [trial, ...rest] = steps;
  if (trial === undefined) return [["funnel", "No account is known to have begun with a trial, or too few to tell."]];
  const said = [
    `Of ${one(trial.n_accounts, "trial")}: ${rest
      .filter(({ share }) => share !== null)
      .map((s) => `${s.step} ${percent(s.share)} of ${count(s.n_of)} (${between(s.share_low, s.share_high)})`)
      .join("; ")}.`,
  ];
  const used = split.find(({ has_used }) => has_used);
  const unused = split.find(({ has_used }) => !has_used);
  if (used !== undefined && unused !== undefined)
    said.push(
      `Of ${one(used.n_trials, "trial")} that used the key feature ${percent(used.paid_rate)} paid (${between(used.paid_low, used.paid_high)}), of ${count(unused.n_trials)} others ${percent(unused.paid_rate)} (${between(unused.paid_low, unused.paid_high)}). Who means to buy may also try more: the two go together, and that is all this says.`,
    );
  return said.map((sentence) => ["funnel", sentence] as const);
}

interface Stage {
  readonly basis: string;
  readonly stage: string;
  readonly n_rows: number;
  readonly churn_rate: number;
  readonly churn_low: number;
  readonly churn_high: number;
}

export function stageSentences(rows: readonly Stage[]): readonly (readonly ["stages", string])[] {
  if (rows.length < 2) return [];
  const sorted = [...rows].sort((a, b) => b.churn_rate - a.churn_rate);
  const [most, least] = [sorted[0] as Stage, sorted.at(-1) as Stage];
  const told = (s: Stage): string =>
    `${s.stage} (${percent(s.churn_rate)} of ${count(s.n_rows)} readings, ${between(s.churn_low, s.churn_high)})`;
  return [
    [
      "stages",
      most.churn_low > least.churn_high
        ? `Most often left: ${told(most)}; least often: ${told(least)}. Stages by ${most.basis}.`
        : `By ${most.basis}, no stage stands out: ${told(most)}, ${told(least)}.`,
    ],
  ];
}

interface Gap {
  readonly kind: string;
  readonly scorecard: string | null;
  /** What the scorecard is called. */
  readonly label: string | null;
  readonly n_accounts: number;
  readonly n_total: number;
}

export function assignmentSentences(rows: readonly Gap[]): readonly (readonly ["assignment", string])[] {
  const sum = (kind: string): number => rows.reduce((n, row) => n + (row.kind === kind ? row.n_accounts : 0), 0);
  const total = rows[0]?.n_total ?? 0;
  const cards = rows.filter(({ kind, n_accounts }) => kind === "assigned" && n_accounts > 0);
  if (total === 0) return [];
  if (cards.length === 0 && sum("none") === 0) return [["assignment", "No scorecard is assigned."]];
  const gaps = [
    ...(sum("none") > 0 ? [`${count(sum("none"))} have no scorecard`] : []),
    ...(sum("several") > 0 ? [`${count(sum("several"))} meet the conditions of several`] : []),
    ...(sum("stage_moved") > 0
      ? [`${count(sum("stage_moved"))} went to another stage in 90 days and kept theirs`]
      : []),
  ];
  return [
    [
      "assignment",
      gaps.length > 0
        ? `Of ${one(total, "account")} ${gaps.join(", ")}.`
        : `Each of ${one(total, "account")} has one scorecard (${cards.map(({ label, n_accounts }) => `"${label}" ${count(n_accounts)}`).join(", ")}); none meets the conditions of several${cards.length > 1 ? ", and none went to another stage without another scorecard" : ""}.`,
    ],
  ];
}
