/** The demo's managers' site: a book from the simulator asks for none, so that small books stay quick. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
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

/** Adds `plays.yaml` where there is none and turns the managers' site on; a book that says otherwise is left as it is. */
export async function askForManagers(folder: string): Promise<void> {
  const file = join(folder, "plays.yaml");
  if (!existsSync(file)) await writeFileAtomic(file, plays);
  const book = join(folder, "assay.yaml");
  const text = await readFile(book, "utf8");
  const asked = text.replace(
    /^site: \{ title: "Fernbill", min_cell: 5 \}$/m,
    'site: { title: "Fernbill", min_cell: 5, managers: true }',
  );
  if (asked !== text) await writeFileAtomic(book, asked);
}
