// Rows of the artefacts that the KPI pages and the pages of evidence read; each is one row of the mart of its name.

import type {
  Kpi,
  KpiLead,
  KpiPeriod,
  KpiRange,
  KpiSegment,
  Scorecard,
  ScorecardKpi,
  ScorecardState,
  WeightOnEvidence,
} from "./rows.js";

/** What data/kpi/<id>.json holds: the rows of one KPI. */
export interface KpiDetail {
  readonly kpi: readonly Kpi[];
  readonly sql: readonly { readonly kpi: string; readonly sql_text: string | null }[];
  readonly ranges: readonly KpiRange[];
  readonly leads: readonly KpiLead[];
  readonly periods: readonly KpiPeriod[];
  readonly segments: readonly KpiSegment[];
  readonly cohorts: readonly KpiCohort[];
  readonly groups: readonly KpiGroup[];
  readonly cuts: readonly KpiCut[];
  readonly shift: readonly KpiShift[];
  readonly drift: readonly KpiDrift[];
  readonly kin: readonly KpiPair[];
  readonly looks: readonly KpiLook[];
  readonly interventions: readonly KpiIntervention[];
  readonly weeks: readonly KpiWeek[];
  readonly labels: readonly LabelVerdict[];
  readonly cards: readonly ScorecardKpi[];
}

/** What data/scorecard/<id>.json holds: the rows of one scorecard, all its versions. */
export interface ScorecardDetail {
  readonly versions: readonly ScorecardVersion[];
  readonly cards: readonly ScorecardCard[];
  readonly kpis: readonly ScorecardKpi[];
  readonly states: readonly ScorecardState[];
  readonly tests: readonly ScorecardTest[];
  readonly calibrations: readonly ScorecardCalibration[];
  readonly differences: readonly ScorecardDifference[];
  readonly decays: readonly ScorecardDecay[];
  readonly drifts: readonly ScorecardDrift[];
  readonly weights: readonly WeightOnEvidence[];
  readonly suggested: readonly SuggestedWeight[];
  readonly humility: readonly WeightHumility[];
  readonly lint: readonly ScorecardLint[];
  readonly steps: readonly ScorecardStep[];
  readonly leftOut: readonly ScorecardLeftOut[];
  readonly plays: readonly ScorecardPlay[];
}

/** The score beside itself without one of its KPIs; a difference below 0: the KPI helps. */
export interface ScorecardLeftOut {
  readonly scorecard: string;
  readonly version: number;
  readonly kpi: string;
  readonly label: string;
  readonly n_accounts: number;
  readonly n_moved: number;
  readonly mean_change: number | null;
  readonly period: "all" | "out_of_time" | null;
  readonly n_churned: number | null;
  readonly n_staying: number | null;
  readonly auc_with: number | null;
  readonly auc_without: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

/** A play of the book beside a scorecard in force; what came after it, never what it did. */
export interface ScorecardPlay {
  readonly scorecard: string;
  readonly version: number;
  readonly play_no: number;
  readonly label: string;
  readonly condition: string;
  readonly owner: string | null;
  readonly due_days: number;
  readonly n_accounts: number;
  readonly n_due: number;
  readonly n_overdue: number;
  readonly n_started: number;
  readonly n_recorded: number | null;
  readonly n_recorded_accounts: number | null;
  readonly n_matched: number | null;
  readonly n_played: number | null;
  readonly left_rate: number | null;
  readonly left_low: number | null;
  readonly left_high: number | null;
  readonly like_rate: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

export interface KpiCohort extends Omit<KpiSegment, "segment"> {
  readonly cohort: string;
}

export interface KpiCut {
  readonly kpi: string;
  readonly cut_no: number;
  readonly cut_value: number;
  readonly side: "at_most" | "above";
  /** The rates are of the later half of history, the side was chosen on the earlier one. */
  readonly is_out_of_time: boolean;
  readonly split_on: string | null;
  readonly n_rows: number;
  readonly n_flagged_rows: number;
  readonly n_flagged: number;
  readonly n_others: number;
  readonly n_churned: number;
  readonly flagged_share: number;
  readonly caught_share: number | null;
  readonly caught_low: number | null;
  readonly caught_high: number | null;
  readonly rate_flagged: number | null;
  readonly rate_flagged_low: number | null;
  readonly rate_flagged_high: number | null;
  readonly rate_others: number | null;
  readonly rate_others_low: number | null;
  readonly rate_others_high: number | null;
}

export interface KpiDrift {
  readonly kpi: string;
  readonly n_then: number;
  readonly n_now: number;
  readonly ranges: number;
  readonly psi: number | null;
  readonly bar: number | null;
  readonly is_alarm: boolean;
}

export interface KpiGroup {
  readonly kpi: string;
  readonly group_kind: string;
  readonly n_groups: number | null;
  readonly het_q: number | null;
}

export interface KpiIntervention {
  readonly kpi: string;
  readonly auc_with: number | null;
  readonly auc_with_low: number | null;
  readonly auc_with_high: number | null;
  readonly n_churned_with: number;
  readonly auc_without: number | null;
  readonly auc_without_low: number | null;
  readonly auc_without_high: number | null;
  readonly n_churned_without: number;
  readonly n_rows: number;
  readonly n_played: number;
  readonly play_rate_riskiest_fifth: number | null;
  readonly play_rate_rest: number | null;
  readonly is_contaminated: boolean;
}

export interface KpiLook {
  readonly kpi: string;
  readonly look_on: string;
  readonly verdict: string;
  readonly verdict_label: string;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly q: number | null;
  readonly n_churned: number;
}

export interface KpiPair {
  readonly kpi: string;
  readonly other: string;
  readonly other_label: string;
  readonly spearman: number;
  readonly n_rows: number;
  readonly is_twin: boolean;
}

export interface KpiQuality {
  readonly kpi: string;
  readonly label: string;
  readonly coverage_now: number | null;
  readonly coverage_lowest: number | null;
  readonly lowest_week: string | null;
  readonly first_on: string | null;
  readonly last_on: string | null;
  readonly n_days_without: number | null;
  readonly longest_gap_days: number | null;
  readonly gap_from: string | null;
  readonly n_steps: number | null;
  readonly last_step: string | null;
}

export interface KpiShift {
  readonly kpi: string;
  readonly range_no: number;
  readonly is_missing: boolean;
  readonly share_then: number;
  readonly share_now: number;
  readonly n_rows_then: number;
  readonly n_now: number;
}

export interface KpiWeek {
  readonly kpi: string;
  readonly week: string;
  readonly n_accounts: number;
  readonly coverage: number;
  readonly share_zero: number | null;
  readonly n_input_rows: number | null;
  readonly step: string | null;
}

export interface LabelDefinition {
  readonly definition: string;
  readonly type: string;
  readonly is_primary: boolean;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly n_tested_churned: number | null;
  readonly n_tested_staying: number | null;
}

export interface LabelAgreement {
  readonly definition: string;
  readonly other: string;
  readonly n_both: number;
  readonly n_one: number;
  readonly share: number;
  readonly median_days_apart: number | null;
}

export interface LabelVerdict {
  readonly kpi: string;
  readonly label: string | null;
  readonly definition: string;
  readonly outcome: string;
  readonly primary_verdict: string | null;
  readonly verdict: string | null;
  readonly n_churned: number | null;
  readonly sentence: string | null;
}

export interface RandomControl {
  readonly control: string;
  readonly kind: string;
  readonly auc: number;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly p: number | null;
  readonly n_accounts: number;
  readonly n_churned: number;
}

export interface ScorecardVersion extends Scorecard {
  readonly owner: string | null;
  readonly is_current: boolean;
  readonly validated_on: string | null;
  readonly validated_by: string | null;
  /** The first day on which the sign-off holds no longer. */
  readonly valid_until: string | null;
}

export interface ScorecardCard {
  readonly scorecard: string;
  readonly version: number;
  readonly label: string;
  readonly purpose: string;
  readonly purpose_in_words: string | null;
  readonly objective: string | null;
  readonly owner: string | null;
  readonly audience: string | null;
  readonly applies_in_words: string | null;
  readonly n_kpis: number;
  readonly formula_in_words: string | null;
  readonly missing_in_words: string | null;
  readonly gates_in_words: string | null;
  readonly bands_in_words: string | null;
  readonly points_proactive: number | null;
  readonly points_objective: number | null;
  readonly is_assigned: boolean;
  readonly is_current: boolean;
  readonly validated_on: string | null;
  readonly validated_by: string | null;
  readonly valid_until: string | null;
  readonly test_state: string | null;
  readonly test_sentence: string | null;
  readonly n_known: number | null;
  readonly n_known_agree: number | null;
  readonly sql_text: string | null;
}

export interface ScorecardTest {
  readonly scorecard: string;
  readonly version: number;
  readonly period: string;
  readonly sample: string;
  readonly first_on: string | null;
  readonly last_on: string | null;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly coverage: number | null;
  readonly n_rows: number;
  readonly n_churned: number;
  readonly n_staying: number;
  readonly base_rate: number | null;
  readonly average_precision: number | null;
  readonly average_precision_low: number | null;
  readonly average_precision_high: number | null;
  readonly lift_10: number | null;
  readonly lift_10_low: number | null;
  readonly lift_10_high: number | null;
  readonly simple_auc: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly n_departures: number | null;
  readonly caught_share: number | null;
  readonly caught_low: number | null;
  readonly caught_high: number | null;
  readonly green_share: number | null;
  readonly green_low: number | null;
  readonly green_high: number | null;
  readonly median_months_of_warning: number | null;
  readonly n_warned: number | null;
  readonly n_stayers: number | null;
  readonly stayer_median_months: number | null;
}

export interface ScorecardCalibration {
  readonly scorecard: string;
  readonly version: number;
  readonly period: string;
  readonly first_on: string | null;
  readonly last_on: string | null;
  readonly n_rows: number;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly train_to: string | null;
  readonly n_train_churned: number | null;
  readonly why_null: string | null;
  readonly brier: number | null;
  readonly brier_low: number | null;
  readonly brier_high: number | null;
  readonly base_brier: number | null;
  readonly brier_gain: number | null;
  readonly brier_gain_low: number | null;
  readonly brier_gain_high: number | null;
  readonly observed: number | null;
  readonly expected: number | null;
  readonly ratio: number | null;
  readonly ratio_low: number | null;
  readonly ratio_high: number | null;
  readonly slope: number | null;
  readonly slope_low: number | null;
  readonly slope_high: number | null;
  readonly ece: number | null;
  readonly ece_null: number | null;
}

export interface ScorecardDifference {
  readonly scorecard: string;
  readonly version: number;
  readonly other: string;
  readonly other_version: number;
  readonly other_label: string;
  readonly period: string;
  readonly first_on: string | null;
  readonly last_on: string | null;
  readonly n_rows: number;
  readonly n_churned: number;
  readonly n_staying: number;
  readonly auc: number | null;
  readonly other_auc: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

export interface ScorecardDecay {
  readonly scorecard: string;
  readonly version: number;
  readonly n_periods: number;
  readonly first_on: string | null;
  readonly last_on: string | null;
  readonly latest_auc: number | null;
  readonly slope_per_year: number | null;
  readonly slope_low: number | null;
  readonly slope_high: number | null;
}

export interface ScorecardDrift {
  readonly scorecard: string;
  readonly version: number;
  readonly snapshot_date: string;
  readonly reference_on: string;
  readonly n_reference: number;
  readonly n_accounts: number;
  readonly psi: number | null;
  readonly null_psi: number | null;
  readonly bar: number | null;
  readonly is_alarm: boolean;
}

export interface SuggestedWeight {
  readonly scorecard: string | null;
  readonly version: number | null;
  readonly kpi: string;
  readonly label: string | null;
  readonly suggested: number | null;
  readonly equal: number | null;
  readonly current: number | null;
  readonly n_churned: number | null;
  readonly tested_from: string | null;
  readonly tested_to: string | null;
  readonly sentence: string | null;
}

export interface WeightHumility {
  readonly scorecard: string;
  readonly version: number;
  readonly n_weightings: number | null;
  readonly n_kept: number | null;
  readonly kept_share: number | null;
  readonly n_churned: number | null;
  readonly n_red: number | null;
  readonly n_red_always: number | null;
  readonly n_red_rarely: number | null;
  readonly sentence: string;
}

export interface ScorecardLint {
  readonly scorecard: string;
  readonly version: number;
  readonly rule: string;
  readonly source: string;
  readonly severity: string;
  readonly sentence: string;
  readonly because: string | null;
}

export interface ScorecardStep {
  readonly scorecard: string;
  readonly version: number;
  readonly step_no: number;
  readonly label: string;
  readonly state: string;
  readonly what: string | null;
}

export interface KpiCount {
  readonly k: number;
  readonly added: string | null;
  readonly is_candidate: boolean | null;
  readonly is_suggested: boolean | null;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly spread: number | null;
  readonly n_rows: number | null;
  readonly n_churned: number | null;
  readonly tested_from: string | null;
  readonly tested_to: string | null;
  readonly sentence: string | null;
}

export interface Folklore {
  readonly test: string;
  readonly scorecard: string | null;
  readonly version: number | null;
  readonly a: string | null;
  readonly b: string | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly n_churned: number | null;
  readonly sentence: string;
}

export interface Gate {
  readonly gate_no: number;
  readonly kpi: string;
  readonly label: string;
  readonly unit: string;
  readonly side: string;
  readonly threshold: number;
  readonly state: string;
  readonly held_from: string | null;
  readonly held_to: string | null;
  readonly n_churned: number | null;
  readonly n_failing: number | null;
  readonly n_accounts: number | null;
  readonly n_churned_failing: number | null;
  readonly rate_failing: number | null;
  readonly rate_failing_low: number | null;
  readonly rate_failing_high: number | null;
  readonly rate_passing: number | null;
  readonly rate_passing_low: number | null;
  readonly rate_passing_high: number | null;
  readonly p_holm: number | null;
}

export interface SourceContract {
  readonly source: string;
  readonly max_age: string | null;
  readonly on_stale: string;
}

export interface SourceWeek {
  readonly source: string;
  readonly entity: string;
  readonly week: string;
  readonly n_rows: number;
  readonly usual_rows: number | null;
  readonly step: string | null;
}

export interface AnswerKey {
  readonly kpi: string;
  readonly label: string;
  readonly role: string;
  readonly expected: string;
  readonly verdict: string | null;
  readonly verdict_label: string | null;
  readonly is_right: boolean | null;
}
