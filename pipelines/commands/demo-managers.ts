/** The demo's managers' site: a book from the simulator asks for none, so that small books stay quick. */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "../lib/files.ts";

const plays = `# What Fernbill's customer-success team does, for whom and by when: docs/managers.md.
- id: rescue_call
  label: Rescue call
  when: { band: red, days_in_band: 7 }
  steps:
    - Read the last five tickets and the newest survey answer
    - Call the owner of the account and ask what would have to change
    - "Agree one goal for the next month, in writing"
  due_days: 7
  recorded_as: rescue call
- id: training_offer
  label: Training offer
  when: { band: yellow, days_in_band: 28, segment: [studio, enterprise] }
  steps:
    - Look at which features the account does not use
    - Offer an hour of training on one of them
  owner: enablement
  due_days: 30
  recorded_as: training offer
- id: advocate
  label: Ask for a reference
  when: { band: green, archetype: [power_user, brand_advocate] }
  steps:
    - Thank them for what they do
    - "Ask whether another customer may call them"
  due_days: 60
`;

const onboarding = `# The first of the demo's pair: an account has this one for its first eight weeks, the textbook score from then on.
scorecard: onboarding
version: 1
label: Onboarding
description: Does a new account use Fernbill, without trouble?
created_on: 2020-01-01          # fitted to no book
purpose: churn_risk
desired_outcome: a new account works in Fernbill by itself
owner: customer success
audience: [managers]
applies_to: { lifecycle: [onboarding] }
groups:
  - id: first_steps
    weight: 50
    kpis: [{ kpi: logins_28d, weight: 1, points: { linear: { zero_at: 2, full_at: 15 } } }]
  - id: contact
    weight: 50
    kpis:
      - { kpi: open_tickets, weight: 1, points: { linear: { zero_at: 8, full_at: 0 } } }
      - { kpi: csm_rating, weight: 1, points: { linear: { zero_at: 1, full_at: 5 } } }
missing: { rule: reweight, coverage_floor: 0.4 }
bands: { edge: upper, list: [{ id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 }] }
`;

/** Adds `plays.yaml` where there is none and turns the managers' site on; a book that says otherwise is left as it is. */
export async function askForManagers(folder: string): Promise<void> {
  const file = join(folder, "plays.yaml");
  if (!existsSync(file)) await writeFileAtomic(file, plays);
  const card = join(folder, "scorecards", "onboarding", "v1.yaml");
  if (!existsSync(card)) {
    await mkdir(dirname(card), { recursive: true });
    await writeFileAtomic(card, onboarding);
  }
  const book = join(folder, "assay.yaml");
  const text = await readFile(book, "utf8");
  const asked = text
    .replace(/^scorecards: \[freshsuccess_40_30_30\]/m, "scorecards: [scorecards/onboarding, freshsuccess_40_30_30]")
    .replace(
      /^site: \{ title: "Fernbill", min_cell: 5 \}$/m,
      'site: { title: "Fernbill", min_cell: 5, managers: true }',
    );
  if (asked !== text) await writeFileAtomic(book, asked);
}
