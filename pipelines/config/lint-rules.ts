/** What `assay audit` looks for in a scorecard, and whose rule it is. A scorecard may silence a rule, with a reason. */

/** The guides whose advice is tested, as docs/scorecards.md names them. */
export const guides = {
  A: "UserIQ's guide",
  B: "Freshsuccess's guide",
  C: "Threado's guide",
  D: "SaaSCollective's guide",
  E: "an unsigned guide",
} as const;
export type Guide = keyof typeof guides;

export interface LintRule {
  readonly id: string;
  /** Whose rule it is; empty: Assay's own. */
  readonly guides: readonly Guide[];
  /** The rule in one sentence. */
  readonly says: string;
}

const rules = [
  { id: "few_kpis", guides: ["B", "E"], says: "a score of fewer than three KPIs hardly follows success" },
  { id: "many_kpis", guides: ["B", "E"], says: "a score of more than five KPIs makes every account look the same" },
  { id: "sentiment_weight", guides: ["A"], says: "what accounts do weighs more than what anyone feels about them" },
  { id: "reactive_weight", guides: ["D"], says: "at least half of the weight is on proactive KPIs" },
  { id: "known_accounts", guides: ["B", "E"], says: "a score agrees with accounts whose health is known" },
  { id: "never_signed_off", guides: ["B", "D", "E"], says: "a person reviews a score and signs it" },
  { id: "no_assignment", guides: ["B", "D"], says: "every account has a scorecard" },
  {
    id: "overlapping_assignment",
    guides: ["B", "D"],
    says: "conditions of two scorecards do not hold for one account",
  },
  { id: "never_assigned", guides: ["B"], says: "a scorecard is for somebody" },
  { id: "stage_moved", guides: ["B"], says: "an account that moves to another stage gets another scorecard" },
  { id: "many_outcomes", guides: ["D"], says: "more than four desired outcomes are a symptom" },
  { id: "kpi_coverage", guides: ["D"], says: "a KPI is tracked for most accounts" },
  { id: "weight_on_evidence", guides: [], says: "no weight is on a KPI that history speaks against" },
] as const satisfies readonly LintRule[];

export type LintRuleId = (typeof rules)[number]["id"];
export const lintRules: readonly (LintRule & { readonly id: LintRuleId })[] = rules;
export const lintRuleIds = rules.map(({ id }) => id) as [LintRuleId, ...LintRuleId[]];

/** "Freshsuccess's guide and an unsigned guide", or that it is Assay's own. */
export function sourceInWords(rule: LintRule): string {
  const names = rule.guides.map((guide) => guides[guide]);
  if (names.length === 0) return "Assay's own rule";
  return names.length === 1 ? (names[0] as string) : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** The steps that guides C and D take to build a score, in their order; a card says which are still open. */
export const buildSteps = [
  { id: "objective", label: "Name the outcome that customers want", guides: ["C", "D"] },
  { id: "metrics", label: "Choose what to measure", guides: ["C", "D"] },
  { id: "journey", label: "Place each measure on the customer's journey", guides: ["C", "D"] },
  { id: "clusters", label: "Group accounts by how they use the product", guides: ["D"] },
  { id: "success", label: "Write down what success is for each group", guides: ["D"] },
  { id: "interviews", label: "Interview customers, 45 minutes each", guides: ["D"] },
  { id: "analyse", label: "Test the measures on history", guides: ["C", "D"] },
  { id: "aggregate", label: "Put them together in one score", guides: ["C"] },
  { id: "repeat", label: "Review, at least every six months", guides: ["C", "D"] },
] as const satisfies readonly { readonly id: string; readonly label: string; readonly guides: readonly Guide[] }[];
export type BuildStepId = (typeof buildSteps)[number]["id"];
export const buildStepIds = buildSteps.map(({ id }) => id) as [BuildStepId, ...BuildStepId[]];

/** What a score is for, and what it is tested against. */
export const purposesInWords = {
  churn_risk: "says which accounts are likely to leave; tested against churn",
  behaviour_index:
    "describes how an account behaves and is no probability of anything; tested against churn all the same",
  expansion: "says which accounts are likely to grow; to be tested against money that grows",
  loyalty: "says which accounts are likely to stay whole; to be tested against money that shrinks",
} as const;
