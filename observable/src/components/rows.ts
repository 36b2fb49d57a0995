// The rows of the artefacts under data/, one interface a file. A date is an ISO text, money is integer minor units.

export interface Release {
  readonly release_id: string;
  readonly as_of: string;
  readonly assay_version: string;
  readonly duckdb_version: string;
  readonly book: string;
  readonly title: string;
  readonly currency: string;
  readonly min_cell: number;
  readonly gap_days: number;
  readonly horizon_days: number;
  readonly window_days: number;
  readonly min_tenure_days: number;
  readonly reactivation_grace_days: number;
  readonly score_every: string;
  readonly validate_every: string;
  readonly primary_definition: string;
}

export interface Band {
  readonly band: string;
  readonly band_no: number;
}

export interface BandMonth {
  readonly series: string;
  readonly snapshot_date: string;
  readonly band: string;
  readonly n_accounts: number;
  readonly n_total: number;
  readonly mrr_minor: number;
  readonly total_minor: number;
}

export interface BandChange {
  readonly before_on: string;
  readonly from_band: string;
  readonly to_band: string;
  readonly from_no: number | null;
  readonly to_no: number | null;
  readonly n_accounts: number;
  readonly n_total: number;
}

export interface BandOutcome {
  readonly scorecard: string;
  readonly version: number;
  readonly mode: string;
  readonly days: number;
  readonly band: string;
  readonly band_no: number;
  readonly n_rows: number;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly rate: number | null;
  readonly rate_low: number | null;
  readonly rate_high: number | null;
  readonly lift: number | null;
  readonly lift_low: number | null;
  readonly lift_high: number | null;
  readonly share_of_churn: number | null;
  readonly share_low: number | null;
  readonly share_high: number | null;
  readonly money_minor: number | null;
}

export interface BandBefore {
  readonly scorecard: string;
  readonly version: number;
  readonly is_departure: boolean;
  readonly days_before: number;
  readonly band: string;
  readonly n_cases: number;
  readonly n_total: number;
  /** Decisions left out because no like account stayed. */
  readonly n_unlike: number;
}

export interface BandRecovery {
  readonly scorecard: string;
  readonly version: number;
  readonly n_spells: number;
  readonly n_accounts: number;
  readonly n_matured: number;
  readonly recovered_share: number | null;
  readonly recovered_low: number | null;
  readonly recovered_high: number | null;
  readonly left_share: number | null;
  readonly left_low: number | null;
  readonly left_high: number | null;
  readonly median_days_red: number | null;
}

export interface Capacity {
  readonly scorecard: string;
  readonly version: number;
  readonly from_on: string;
  readonly capacity: number;
  readonly n_lists: number;
  readonly n_places: number;
  readonly n_departures: number;
  readonly caught_share: number;
  readonly caught_low: number;
  readonly caught_high: number;
  readonly chance_share: number;
  readonly money_caught: number | null;
  readonly money: number | null;
}

/** What the book's owner wrote beside a date: a price change, a launch. */
export interface Note {
  readonly noted_on: string;
  readonly label: string;
  readonly kind: string | null;
}

export interface RenewalQuarter {
  readonly quarter_from: string;
  readonly quarter_to: string;
  readonly n_accounts: number;
  readonly n_kept: number;
  readonly kept_rate: number;
  readonly rate_low: number;
  readonly rate_high: number;
  readonly n_money_unknown: number;
  readonly before_minor: number | null;
  readonly gross_rate: number | null;
  readonly net_rate: number | null;
}

export interface RenewalBand {
  readonly band: string;
  readonly band_no: number;
  readonly n_accounts: number;
  readonly n_kept: number;
  readonly kept_rate: number;
  readonly rate_low: number;
  readonly rate_high: number;
  readonly gross_rate: number | null;
  readonly n_decided: number;
  readonly first_on: string;
  readonly last_on: string;
}

export interface ScoreMonth {
  readonly scorecard: string;
  readonly mode: string;
  readonly snapshot_date: string;
  readonly version: number;
  readonly is_new_version: boolean;
  readonly n_accounts: number;
  readonly n_scored: number;
  readonly mean_score: number;
  readonly mean_by_money: number | null;
}

export interface CohortCell {
  readonly cohort_from: string;
  readonly cohort_to: string;
  readonly n_quarters: number;
  readonly months: number;
  readonly n_accounts: number;
  readonly n_kept: number;
  readonly kept_rate: number | null;
  readonly money_rate: number | null;
}

export interface CohortRetention {
  readonly cohort_from: string;
  readonly cohort_to: string;
  readonly n_quarters: number;
  readonly n_accounts: number;
  readonly n_kept: number;
  readonly kept_rate: number;
  readonly rate_low: number;
  readonly rate_high: number;
  readonly money_rate: number | null;
}

export interface DataCheck {
  readonly check_id: string;
  readonly what: string;
  readonly n_rows: number;
}

export interface DataSource {
  readonly source: string;
  readonly entity: string;
  readonly n_deliveries: number;
  readonly rows_read: number;
  readonly rows_loaded: number;
  readonly rows_rejected: number;
  readonly first_day: string | null;
  readonly last_day: string | null;
  readonly delivered_on: string | null;
  readonly is_read: boolean;
  /** What was off with it when the release was published all the same. */
  readonly mark: string | null;
}

export interface Delivery {
  readonly source: string;
  readonly entity: string;
  readonly file: string;
  readonly sha256_start: string;
  readonly delivered_on: string | null;
  readonly rows_read: number;
  readonly rows_loaded: number;
  readonly rows_rejected: number;
  readonly first_day: string | null;
  readonly last_day: string | null;
}

export interface KeptMoney {
  readonly period_no: number;
  readonly base_on: string;
  readonly end_on: string;
  readonly n_base: number;
  readonly n_kept: number;
  readonly n_money_unknown: number;
  readonly gross_rate: number | null;
  readonly net_rate: number | null;
  readonly kept_rate: number;
}

export interface Kpi {
  readonly kpi: string;
  readonly label: string;
  readonly action_group: string;
  readonly action_no: number;
  readonly rule: string | null;
  readonly verdict: string | null;
  readonly verdict_label: string | null;
  readonly sentence: string | null;
  readonly small_print: string | null;
  readonly strength: string | null;
  readonly reason: string | null;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly crude_auc: number | null;
  readonly late_auc: number | null;
  readonly p: number | null;
  readonly q: number | null;
  readonly coverage: number | null;
  readonly n_accounts: number | null;
  readonly n_churned: number | null;
  readonly detectable_auc: number | null;
  readonly redundant_with: string | null;
  readonly redundant_label: string | null;
  /** Months in a row before the decision in which the interval keeps to the side of the whole. */
  readonly months_ahead: number | null;
  readonly n_periods: number | null;
  readonly n_periods_same: number | null;
  readonly badges: string | null;
  readonly first_seen_on: string | null;
  readonly held: number | null;
  readonly description: string;
  readonly unit: string;
  readonly kind: string;
  readonly side: string;
  readonly healthier: string;
  readonly version: number;
  readonly window_days: number | null;
  readonly measure: string;
  readonly entity: string;
}

export interface KpiRange {
  readonly kpi: string;
  readonly range_no: number;
  readonly is_missing: boolean;
  readonly value_from: number | null;
  readonly value_to: number | null;
  readonly mean_value: number | null;
  readonly n_rows: number;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly rate: number | null;
  readonly rate_low: number | null;
  readonly rate_high: number | null;
  readonly expected_rate: number | null;
}

export interface KpiLead {
  readonly kpi: string;
  readonly months_before: number;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly n_churned: number;
}

export interface KpiPeriod {
  readonly kpi: string;
  readonly first_on: string;
  readonly last_on: string;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly n_churned: number;
}

export interface KpiSegment {
  readonly kpi: string;
  readonly segment: string;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly n_churned: number;
  readonly n_staying: number;
  readonly verdict: string | null;
  readonly verdict_label: string | null;
  readonly action_group: string | null;
  readonly sentence: string | null;
}

export interface LeaverBand {
  readonly series: string;
  readonly band: string;
  readonly n_leavers: number;
  readonly n_total: number;
}

export interface Reject {
  readonly source: string;
  readonly column_name: string;
  readonly reason: string;
  readonly n_lines: number;
  readonly n_files: number;
}

export interface RenewalAhead {
  readonly band: string;
  readonly n_accounts: number;
  readonly n_total: number;
  readonly n_money_unknown: number;
  readonly mrr_minor: number;
}

export interface RenewalMonth {
  readonly from_month: string;
  readonly to_month: string;
  readonly band: string;
  readonly n_accounts: number;
  readonly n_total: number;
  readonly n_money_unknown: number;
  readonly mrr_minor: number;
}

export interface Scorecard {
  readonly scorecard: string;
  readonly version: number;
  readonly label: string;
  readonly description: string | null;
  readonly purpose: string;
  readonly created_on: string | null;
  readonly in_force_from: string | null;
  readonly is_assigned: boolean;
  readonly bands_in_words: string | null;
  readonly scale_from: number;
  readonly scale_to: number;
  readonly valid_until: string | null;
}

export interface ScorecardState {
  readonly scorecard: string;
  readonly version: number;
  readonly state: string;
  readonly sentence: string;
  /** Of pairs of a leaver and a like stayer, the share that the score ranks rightly, with its 90 % interval. */
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  /** Against the simple score, on the same account-months. */
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly n_churned: number | null;
}

export interface ScorecardKpi {
  readonly scorecard: string;
  readonly version: number;
  /** What the scorecard is called. */
  readonly card_label: string;
  readonly group_id: string;
  readonly kpi: string;
  readonly label: string;
  readonly points: number;
  readonly points_in_words: string | null;
  readonly action_group: string;
  readonly action_no: number;
  readonly verdict_label: string;
  readonly has_page: boolean;
}

export interface ValidationFact {
  readonly definition: string;
  readonly definition_type: string | null;
  readonly gap_days: number;
  readonly horizon_days: number;
  readonly first_snapshot: string | null;
  readonly last_snapshot: string | null;
  readonly n_rows: number;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly churn_rate: number | null;
}

export interface WeightOnEvidence {
  readonly scorecard: string;
  readonly version: number;
  readonly action_group: string;
  readonly action_no: number;
  readonly points: number;
}

export interface Statement {
  readonly model: string;
  readonly grain: string;
  readonly sql: string;
}
