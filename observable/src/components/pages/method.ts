import { html } from "htl";
import { actionGroups } from "../bands.js";
import { tableWithCsv } from "../figure.js";
import { count, date, plural } from "../format.js";
import { paragraph } from "../prose.js";
import type { Kpi, Release, ValidationFact } from "../rows.js";
import type { AnswerKey, LabelDefinition } from "../rows-evidence.js";
import { historySentence } from "../sentences.js";
import { answerSentence, definitionInWords } from "../sentences-evidence.js";
import { caption, section } from "./parts.js";

export interface MethodData {
  readonly answer_key: readonly AnswerKey[];
  readonly kpi: readonly Kpi[];
  readonly label_definition: readonly LabelDefinition[];
  readonly release: readonly Release[];
  readonly validation_fact: readonly ValidationFact[];
}

/** The parts of the method page that depend on the book: its calendar, groups and words. */
export function methodParts(data: MethodData): {
  readonly design: HTMLElement;
  readonly groups: HTMLElement;
  readonly labels: HTMLElement;
  readonly definitions: HTMLElement;
  /** Empty unless the company is simulated. */
  readonly answers: HTMLElement;
  readonly glossary: HTMLElement;
} {
  const release = data.release[0] as Release;
  return {
    design: html`<div>${timeline(release)}${paragraph(historySentence(data.validation_fact[0]))}</div>` as HTMLElement,
    groups: html`<dl class="facts">${actionGroups.map(
      ({ group, what }) => html`<div><dt>${group}</dt><dd>${what}</dd></div>`,
    )}</dl>` as HTMLElement,
    labels: html`<dl class="facts">${labelMeanings.map(
      ([label, meaning]) => html`<div><dt>${label}</dt><dd>${meaning}</dd></div>`,
    )}</dl>` as HTMLElement,
    definitions: definitions(data, release),
    answers: answers(data.answer_key),
    glossary: html`<dl class="facts">${glossary(release).map(
      ([word, meaning]) => html`<div><dt>${word}</dt><dd>${meaning}</dd></div>`,
    )}</dl>` as HTMLElement,
  };
}

/** The design as a strip: what a KPI sees, the date of the look, the gap, the horizon. Widths follow the days. */
function timeline({ window_days: window, gap_days: gap, horizon_days: horizon }: Release): HTMLElement {
  const parts = [
    { name: "what a KPI sees", days: window, className: "sees" },
    { name: "gap: too late to act", days: gap, className: "gap" },
    { name: "leaving counts here", days: horizon, className: "counts" },
  ];
  const words = `A KPI sees the ${plural(window, "day")} before a date; decisions in the ${plural(gap, "day")} after it are set apart; decisions in the ${plural(horizon, "day")} after those count.`;
  return html`<figure class="report-figure"><div class="timeline" role="img" aria-label=${words}>${parts
    .filter(({ days }) => days > 0)
    .map(
      ({ name, days, className }) =>
        html`<div class=${className} style=${{ flexGrow: String(Math.max(days, 20)) }}><strong>${plural(days, "day")}</strong><span>${name}</span></div>`,
    )}</div><figcaption><span class="figure-subtitle">${words}</span></figcaption></figure>` as HTMLElement;
}

const glossary = (release: Release): readonly (readonly [string, string])[] => [
  ["Account", "the paying customer; trials are not counted"],
  [
    "Decision to leave",
    `the earliest evidence of it: a notice, or the end of the last paid period; a return within ${release.reactivation_grace_days} days undoes it`,
  ],
  [
    "Early warning",
    "the verdict for KPIs that move before the gap, like for like, by more than a trifle; nothing else is called so",
  ],
  [
    "Of 100 pairs",
    "a leaver and a like account that stayed, drawn 100 times: how often the leaver has more (ties count half)",
  ],
  [
    "95 % interval",
    "a range drawn so that, of 100 such histories, it holds the true number in 95 (of shares by Wilson's formula)",
  ],
  ["Plain comparison", "the same count without asking that the two are alike"],
  ["Like for like", "among accounts of the same three months, segment and slice of expected churn by size and age"],
  ["Snapshot, reading, look", "a date on which every paying account gets its values and its score"],
  ["Account-month", "one account at one look of the tests"],
  ["Churned account", "one that decided to leave in the window after a look"],
  ["p, q", "how often chance alone would give a difference as large; q allows for many having been tried at once"],
  ["Rank correlation", "1: two KPIs order accounts alike; 0: they have nothing to do with each other"],
  ["Stability index", "how far values have moved from those of history: 0 not at all, above 0.1 noticeably"],
  ["Simple score", "logins, NPS, feature events and tickets, weighted equally: what any score should beat"],
  ["Band", "the range of a score: red, yellow, green; not scored when too little of the score has a value"],
  [
    "GRR, NRR",
    "of the money that customers paid a year ago: what the same customers pay now, without and with expansion",
  ],
  [
    "At least",
    `every total in this report counts ${release.min_cell} accounts or more; smaller ones are merged with a neighbour`,
  ],
];

/** What each label claims, and what it does not. */
const labelMeanings: readonly (readonly [string, string])[] = [
  ["Early warning", "moves before the gap, like for like, by more than a trifle; modest or strong says how far"],
  ["Weak early warning", "the same, but small: beside others, not alone"],
  ["Late alarm", "moves only when it is too late to act; earlier no link was found"],
  ["Mostly a late alarm", "some of it shows early, most of it too late"],
  ["Opposite in two segments", "fewer in one segment and more in another go with leaving"],
  ["Silence is the signal", "it is the missing answer that goes with leaving, not its value"],
  ["Emerging, Faded", "linked in one half of history and not shown in the other"],
  ["Warning at both ends", "both very low and very high values go with leaving; a straight score misses one of them"],
  ["Hidden by the mix", "the plain comparison points the wrong way, because kinds of accounts differ"],
  ["Scored the wrong way round", "what is counted as healthy goes with leaving"],
  ["Goes with overall use", "it rides on how much an account uses the product and points the other way beside it"],
  ["Mostly size, age or segment", "the plain difference goes with what kind of account it is"],
  ["Too small, Too small to matter", "a link of a useful size is ruled out, or there is one too small to act on"],
  ["Same as another", "ranks accounts as another KPI does and adds nothing measurable beyond it"],
  [
    "Uses the future",
    "its past values change when later rows are taken away, or it is made from what records the decision",
  ],
  ["Too good to be true", "sorts nearly every pair; treated as information from the future until shown otherwise"],
  ["No claim", "two ways of allowing for size, age and segment disagree"],
  ["Cannot tell yet", "too few departures: a link may or may not exist"],
  ["Not enough data", "not tested, and the sentence says why"],
];

/** What this book's own settings make of the words. */
function definitions(data: MethodData, release: Release): HTMLElement {
  const facts: readonly (readonly [string, string])[] = [
    ["Report of", `all that is known before ${date(release.as_of)}`],
    ["Scores", `every ${release.score_every}, and on the day of the report`],
    ["Looks for the tests", `every ${release.validate_every}`],
    ["A KPI looks back", `${plural(release.window_days, "day")} unless its own definition says otherwise`],
    [
      "An account is looked at",
      `from ${plural(release.min_tenure_days, "day")} of paying on, and not once it has given notice`,
    ],
    [
      "A look counts",
      `once ${release.gap_days + release.horizon_days + release.reactivation_grace_days} days have passed since: ${release.gap_days} of gap, ${release.horizon_days} of horizon, ${release.reactivation_grace_days} in which a return undoes the decision`,
    ],
    ...data.label_definition.map(
      (d) =>
        [
          d.is_primary ? "Leaving" : `Leaving by ${d.definition}`,
          `${definitionInWords(d.type)}: ${count(d.n_churned)} of ${count(d.n_accounts)} accounts${d.is_primary ? "" : " (for comparison)"}`,
        ] as const,
    ),
    ["Smallest cell", `${release.min_cell} accounts`],
  ];
  return html`<div>
    <dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${
      data.kpi.length === 0
        ? html`<p class="empty">No KPI is switched on in this book.</p>`
        : tableWithCsv({
            name: "definitions",
            label: "The KPIs of this book",
            rows: [...data.kpi].sort((a, b) => a.label.localeCompare(b.label, "en") || (a.kpi < b.kpi ? -1 : 1)),
            search: true,
            columns: [
              {
                name: "KPI",
                text: (k) => html`<a href=${`./kpis/${k.kpi}.html`}>${k.label}</a>`,
                value: (k) => k.label,
              },
              { name: "What it counts", text: (k) => k.description },
              { name: "Unit", text: (k) => k.unit },
              {
                name: "Days",
                text: (k) => (k.window_days === null ? "no window" : String(k.window_days)),
                value: (k) => k.window_days,
                isNumber: true,
              },
              { name: "Thought healthier", text: (k) => (k.healthier === "tested" ? "no opinion" : k.healthier) },
              { name: "Version", text: (k) => String(k.version), value: (k) => k.version, isNumber: true },
            ],
          })
    }
  </div>` as HTMLElement;
}

const roles: Readonly<Record<string, string>> = {
  causal: "leavers fall in it well before they decide",
  twin: "moves with another KPI and adds nothing",
  size: "more in bigger accounts, nothing else",
  both_ends: "very low and very high values go with leaving",
  late: "falls only after the decision",
  silence: "leavers stop answering; the answers say nothing",
  wrong_way: "more of it goes with leaving, though it counts as healthy",
  reversed: "points one way within segments and the other over all",
  faded: "was linked once, and is no longer",
  constant: "the same for nearly everybody",
  noise: "nothing",
};

/** What is planted in a simulated company beside what was found, misses included. */
function answers(rows: readonly AnswerKey[]): HTMLElement {
  if (rows.length === 0) return html`<div></div>` as HTMLElement;
  const outcome = ({ is_right }: AnswerKey): string =>
    is_right === null ? "not tested" : is_right ? "right" : "missed";
  return section(
    "The answer key",
    paragraph(answerSentence(rows)),
    tableWithCsv({
      name: "answers",
      label: "What is planted and what was found",
      rows,
      columns: [
        { name: "KPI", text: (r) => html`<a href=${`./kpis/${r.kpi}.html`}>${r.label}</a>`, value: (r) => r.label },
        { name: "What is planted", text: (r) => roles[r.role] ?? r.role.replaceAll("_", " ") },
        { name: "Found", text: (r) => r.verdict_label ?? "no verdict" },
        { name: "Outcome", text: outcome },
      ],
    }),
    caption(
      "One simulated company is one throw of the dice; how often each part is found over hundreds of them stands in docs/trials.md of the project.",
    ),
  );
}
