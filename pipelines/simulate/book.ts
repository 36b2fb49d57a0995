import type { Span } from "./accounts.ts";
import type { Kind } from "./plan.ts";

/** The book's configuration, as a person would have written it. */
export const bookText = (
  kind: Kind,
  span: Span,
  usageFormat: "parquet" | "csv",
): string => `# Fernbill sells invoicing software. Everything here is invented: see docs/simulator.md, and truth.json for what is planted.
book: ${{ plain: "demo", tiny: "demo-small", null: "demo-null" }[kind]}
as_of: latest                       # midnight after the newest usage row: ${span.end}
currency: USD

# Snapshots every Monday; verdicts from month starts. KPIs see 28 days; churn counts 30 to 120 days later.
calendar:
  score_every: week
  validate_every: month
  window_days: 28
  gap_days: 30
  horizon_days: 90
  min_tenure_days: 90
  reactivation_grace_days: 30

exports_root: .
# The files are complete when they appear (settle: 0s), and their names say in which order they came.
sources:
  # The billing system dumps its whole tables now and then. A renewal is a new row, so what a row says of its term never changes.
  accounts:
    entity: account
    files: exports/accounts_*.csv
    mode: snapshot
    settle: 0s
    key: [account_id]
    delivered: { from: file_name, pattern: "accounts_{date}.csv" }
    columns: { product: product, desired_outcome: desired_outcome, potential_minor: { from: potential_minor, type: money } }
    immutable: [name, created_at, country, product, desired_outcome]
  subscriptions:
    entity: subscription
    files: exports/subscriptions_*.csv
    mode: snapshot
    settle: 0s
    key: [subscription_id]
    delivered: { from: file_name, pattern: "subscriptions_{date}.csv" }
    immutable: [plan, seats, mrr_minor, currency, renews_on, notice_days, term_months, is_trial]
  users:
    entity: user
    files: exports/users_*.csv
    mode: snapshot
    settle: 0s
    key: [user_id]
    delivered: { from: file_name, pattern: "users_{date}.csv" }
    immutable: [role, is_executive]
  # One file a month, by the day a row reached the warehouse; late rows and repeats are in later files.
  usage:
    entity: usage_event
    files: exports/usage/usage_*.${usageFormat}
    mode: append
    settle: 0s
    key: [event_id]
    delivered: { from: file_name, pattern: "usage_{date}.${usageFormat}" }
    columns: { known_at: loaded_at }
  tickets:
    entity: ticket
    files: exports/tickets_*.csv
    mode: append
    settle: 0s
    key: [ticket_id]
    delivered: { from: file_name, pattern: "tickets_{date}.csv" }
  surveys:
    entity: survey_response
    files: exports/surveys_*.csv
    mode: append
    settle: 0s
    delivered: { from: file_name, pattern: "surveys_{date}.csv" }
  csm_ratings:
    entity: csm_rating
    files: exports/csm_ratings_*.csv
    mode: append
    settle: 0s
    delivered: { from: file_name, pattern: "csm_ratings_{date}.csv" }
  engagements:
    entity: engagement
    files: exports/engagements_*.csv
    mode: append
    settle: 0s
    delivered: { from: file_name, pattern: "engagements_{date}.csv" }
  plays:
    entity: play
    files: exports/plays_*.csv
    mode: append
    settle: 0s
    delivered: { from: file_name, pattern: "plays_{date}.csv" }
  # The ledger and the success plans are dumped every week.
  invoices:
    entity: invoice
    files: exports/invoices_*.csv
    mode: snapshot
    settle: 0s
    key: [account_id, issued_on]
    delivered: { from: file_name, pattern: "invoices_{date}.csv" }
  milestones:
    entity: milestone
    files: exports/milestones_*.csv
    mode: snapshot
    settle: 0s
    key: [account_id, milestone]
    delivered: { from: file_name, pattern: "milestones_{date}.csv" }
  goals:
    entity: goal
    files: exports/goals_*.csv
    mode: snapshot
    settle: 0s
    key: [account_id, goal]
    delivered: { from: file_name, pattern: "goals_{date}.csv" }
  # News of the customers' companies is heard of a week late, and sometimes entered twice.
  business_events:
    entity: business_event
    files: exports/business_events_*.csv
    mode: append
    settle: 0s
    key: [account_id, occurred_on, kind]
    latency_days: 7
    delivered: { from: file_name, pattern: "business_events_{date}.csv" }
  notes:
    entity: note
    files: exports/notes_*.csv
    mode: append
    settle: 0s
    delivered: { from: file_name, pattern: "notes_{date}.csv" }

churn:
  primary: subscription_end
  definitions:
    subscription_end: { type: subscription_end }

segments: { by: plan }              # solo, studio, enterprise
baseline: [tenure, segment, size, renewal_due]

kpis:
  - logins_28d
  - open_tickets
  - csm_rating
  - invoices_sent_28d
  - payments_matched_28d
  - nps
  - data_exports_28d
  - template_uses_28d
  - mobile_days_28d
  - sso_enabled
  - feature_events_28d              # naive_baseline reads it
  - newsletter_opens                # the last five are controls: nobody believes in them
  - webinar_signups
  - dark_mode_days
  - profile_photos
  - letters_in_name

scorecards: [freshsuccess_40_30_30] # the textbook score: usage 40, tickets 30, the manager's rating 30
compare: [naive_baseline]
site: { title: "Fernbill", min_cell: 5 }
`;

/** What Fernbill's customers want, in the words of the account export, and what reaching it looks like. */
export const outcomesText = `# What customers want, and how Fernbill sees that they have it: see docs/practice.md.
- id: paid_sooner
  label: Be paid sooner
  success: { kpi: payments_matched_28d, at_least: 8 }
  milestones:
    - { milestone: first invoice sent, days: 14 }
    - { milestone: bank connected, days: 30 }
- id: clean_books
  label: Clean books
  success: { kpi: invoices_sent_28d, at_least: 8 }
  milestones:
    - { milestone: company details, days: 5 }
    - { milestone: first books closed, days: 75 }
- id: less_bookkeeping
  label: Less bookkeeping
  success: { kpi: template_uses_28d, at_least: 6 }
  milestones:
    - { milestone: first invoice sent, days: 14 }
`;

/** What Fernbill's analyst wrote down: words for the groups of use, as they are numbered from the least use to the most. */
export const practiceText = `# Words for what Assay finds, and the rules of the funnel: see docs/practice.md.
clusters:
  groups:
    - { cluster: 1, success: "invoices go out from templates, without anybody's help" }
    - { cluster: 2, success: "the whole team works in Fernbill every week" }
funnel:
  key_feature: invoice_sent
  paid_within_days: 60
  gate: { kpi: invoices_sent_28d, at_least: 1, after_days: 90 }
`;
