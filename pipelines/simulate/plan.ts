/** What a simulated book plants. Coefficients are log-odds of a decision to leave per month, per standard deviation. */
export interface Plan {
  readonly causal: number;
  readonly bothEnds: number;
  readonly silence: number;
  readonly wrongWay: number;
  readonly reversed: number;
  /** Before the redesign, and after it. */
  readonly fading: readonly [number, number];
  /** Managers mark an account down shortly before its decision is recorded. */
  readonly lateRating: boolean;
  /** Added to every account's log-odds. */
  readonly level: number;
  /** The share of decisions whose day is on record: a dozen of them have no room for one that is not. */
  readonly recorded: number;
}

export type Kind = "plain" | "null" | "tiny";

export const plans: Readonly<Record<Kind, Plan>> = {
  plain: {
    causal: -0.8,
    bothEnds: 2.3,
    silence: 1.3,
    wrongWay: 0.65,
    reversed: -0.68,
    fading: [-1.15, -0.08],
    lateRating: true,
    level: 0,
    recorded: 0.985,
  },
  null: {
    causal: 0,
    bothEnds: 0,
    silence: 0,
    wrongWay: 0,
    reversed: 0,
    fading: [0, 0],
    lateRating: false,
    level: 0.55,
    recorded: 0.985,
  },
  tiny: {
    causal: -0.8,
    bothEnds: 2.3,
    silence: 1.3,
    wrongWay: 0.65,
    reversed: -0.68,
    fading: [-1.15, -0.08],
    lateRating: true,
    level: -3.6,
    recorded: 1,
  },
};

/** The part that each KPI plays, by kind of book. The names are those of the expected verdicts. */
function roles(kind: Kind): Readonly<Record<string, string>> {
  const noise = {
    newsletter_opens: "noise",
    webinar_signups: "noise",
    dark_mode_days: "noise",
    profile_photos: "noise",
    letters_in_name: "noise",
  };
  if (kind === "null")
    return {
      logins_28d: "size",
      open_tickets: "noise",
      csm_rating: "noise",
      // Bigger plans send more invoices, and leave less.
      invoices_sent_28d: "size",
      payments_matched_28d: "size",
      nps: "noise",
      data_exports_28d: "noise",
      template_uses_28d: "size",
      mobile_days_28d: "noise",
      sso_enabled: "constant",
      ...noise,
    };
  return {
    logins_28d: "size",
    open_tickets: "both_ends",
    csm_rating: "late",
    invoices_sent_28d: "causal",
    payments_matched_28d: "twin",
    nps: "silence",
    data_exports_28d: "wrong_way",
    template_uses_28d: "reversed",
    mobile_days_28d: "faded",
    sso_enabled: "constant",
    ...noise,
  };
}

/** The verdicts that are right for a role when there is data enough (sources of each: docs/simulator.md). */
const rightVerdicts: Readonly<Record<string, readonly string[]>> = {
  causal: ["predicts", "redundant"],
  twin: ["predicts", "redundant"],
  size: ["confounded"],
  both_ends: ["non_monotone"],
  late: ["late_only", "mostly_late"],
  silence: ["missingness"],
  wrong_way: ["misleading"],
  reversed: ["reversed_adjusted"],
  faded: ["unstable_time"],
  constant: ["not_tested"],
  noise: ["no_useful_effect", "inconclusive"],
};

/** What `truth.json` says of each KPI: the part that it plays, and the verdicts that are right for it. */
export function truth(
  kind: Kind,
): Readonly<Record<string, { readonly role: string; readonly expected: readonly string[] }>> {
  return Object.fromEntries(
    Object.entries(roles(kind)).map(([kpi, role]) => [
      kpi,
      { role, expected: kind === "tiny" ? ["not_tested"] : (rightVerdicts[role] ?? []) },
    ]),
  );
}

/**
 * The part that other KPIs of the library play in this company, as far as it follows from how its exports are made: by
 * role, for orientation. `causal`: the planted cause or what follows it at once; `both_ends`, `silence`: counts of the
 * planted tickets and of who answers; `response`: the team acts where it sees risk.
 */
const contextRoles: Readonly<Record<string, readonly string[]>> = {
  causal: ["days_since_key_feature", "key_feature_days_28d", "key_feature_trend_28d", "pmf"],
  size: [
    "active_days_28d",
    "active_users_28d",
    "cancelled_meetings_90d",
    "days_since_login",
    "days_since_paid_invoice",
    "days_since_two_way_contact",
    "executive_users_28d",
    "logins_per_seat_28d",
    "meetings_90d",
    "mrr",
    "mrr_per_active_user_28d",
    "paid_total",
    "recent_logins_28d",
    "roles_in_use",
    "seat_use_28d",
    "seats",
    "touches_90d",
    "users_added_90d",
  ],
  both_ends: [
    "support_share_90d",
    "tickets_28d",
    "tickets_28d_scaled",
    "tickets_per_seat_90d",
    "tickets_per_user_28d",
    "urgent_tickets_90d",
  ],
  late: ["overdue_amount", "overdue_invoices"],
  silence: ["days_since_answered_survey", "survey_answer_rate_365d", "surveys_answered_365d"],
  response: ["plays_180d"],
  constant: ["integration_days_28d", "products_in_use"],
  noise: [
    "acquired_365d",
    "community_posts_90d",
    "converted_from_trial",
    "csat_90d",
    "csat_survey",
    "goals_agreed",
    "goals_met",
    "goals_reached",
    "gone_dark_90d",
    "ignored_chats_28d",
    "ignored_touches_90d",
    "inbound_contacts_90d",
    "login_trend_28d",
    "lost_stakeholder_180d",
    "milestone_days_late",
    "milestones_on_time",
    "milestones_reached",
    "resources_used_90d",
    "surveys_asked_365d",
    "trial_key_feature",
    "unanswered_tickets",
    "unopened_mail_28d",
  ],
};

/** What `truth.json` says of KPIs beyond the planted ones: a role each, and no verdict that a test would compare. */
export function context(kind: Kind): Readonly<Record<string, { readonly role: string }>> {
  return Object.fromEntries(
    Object.entries(contextRoles).flatMap(([role, kpis]) => {
      const own = kind !== "null" || role === "size" || role === "constant" ? role : "noise";
      return kpis.map((kpi) => [kpi, { role: own }]);
    }),
  );
}
