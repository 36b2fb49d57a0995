// What the report says in words, computed from the artefacts. Each sentence has a form for when the answer is not known.

import { type BandStyle, styleOf } from "./bands.js";
import { count, date, daysBetween, money, pairs, percent, percentPart, plural, points, quarters } from "./format.js";
import { type Sentence, say } from "./prose.js";
import type {
  BandChange,
  BandMonth,
  BandOutcome,
  CohortRetention,
  DataSource,
  KeptMoney,
  Kpi,
  LeaverBand,
  Release,
  RenewalAhead,
  Scorecard,
  ScorecardState,
  ValidationFact,
  WeightOnEvidence,
} from "./rows.js";

const currencyWord = (currency: string): string =>
  ({ USD: "dollars", EUR: "euros", GBP: "pounds", JPY: "yen" })[currency] ?? currency;

const of100 = (rate: number | null): string => (rate === null ? "not known" : count(Math.round(rate * 100)));

/** The scorecards that accounts are assigned to, each in its newest version. */
export function assignedCards(cards: readonly Scorecard[]): readonly Scorecard[] {
  const assigned = cards.filter(({ is_assigned }) => is_assigned);
  return assigned.filter((card) => assigned.every((o) => o.scorecard !== card.scorecard || o.version <= card.version));
}

export function keptSentence(rows: readonly KeptMoney[], release: Release): Sentence {
  const now = rows.find(({ period_no }) => period_no === 0);
  const before = rows.find(({ period_no }) => period_no === 1);
  if (now === undefined) {
    return say`What was kept over 12 months is not known: the data does not reach back to ${count(release.min_cell)} customers who paid a year ago.`;
  }
  const word = currencyWord(release.currency);
  const head =
    now.gross_rate === null || now.net_rate === null
      ? say`In the year to ${date(now.end_on)} we kept ${of100(now.kept_rate)} of 100 customers; how much of their money is not known, because no revenue was delivered for both ends of the year`
      : say`In the year to ${date(now.end_on)} we kept ${of100(now.gross_rate)} of every 100 ${[word]} (gross retention, GRR), ${of100(now.net_rate)} with expansion (net retention, NRR), and ${of100(now.kept_rate)} of 100 customers`;
  const earlier: Sentence =
    before === undefined
      ? ["; the year before is not known."]
      : now.gross_rate === null || before.gross_rate === null
        ? say`; a year earlier ${of100(before.kept_rate)} of 100 customers.`
        : say`; a year earlier ${of100(before.gross_rate)}, ${of100(before.net_rate)} and ${of100(before.kept_rate)}.`;
  const left: Sentence =
    now.gross_rate !== null && now.n_money_unknown > 0
      ? say` Money of ${plural(now.n_money_unknown, "customer")} is unknown and left out of both retentions.`
      : [];
  return [...head, ...earlier, ...left];
}

/**
 * What is kept is counted by paid contracts. Where the book records leaving elsewhere (cancellations, silence), the two
 * can disagree, and the reader must know.
 */
export function keptCaveat(fact: ValidationFact | undefined): Sentence {
  if (fact === undefined || fact.definition_type === null || fact.definition_type === "subscription_end") return [];
  return say` This counts paid contracts; decisions to leave are taken from another record (${fact.definition}), and the two may disagree.`;
}

/** `isScored`: some scorecard is assigned; without one nothing has a colour, which is not the same as not scored. */
export function aheadSentence(
  rows: readonly RenewalAhead[],
  styles: readonly BandStyle[],
  release: Release,
  isScored = true,
): Sentence {
  if (rows.length === 0) {
    return say`Fewer than ${count(release.min_cell)} renewals are known for the next 90 days: nothing to add up yet.`;
  }
  const total = rows.reduce((sum, row) => sum + row.mrr_minor, 0);
  const n = rows[0]?.n_total ?? 0;
  const size = (row: RenewalAhead | undefined): string =>
    total > 0 ? money(row?.mrr_minor ?? 0, release.currency) : count(row?.n_accounts ?? 0);
  const riskiest = styles[0]?.band ?? "red";
  const of = (band: string): RenewalAhead | undefined => rows.find((row) => row.band === band);
  const head =
    total > 0
      ? say`${money(total, release.currency)} of monthly revenue (${plural(n, "account")}) comes up for renewal in the next 90 days`
      : say`${plural(n, "account")} come up for renewal in the next 90 days`;
  if (!isScored) return [...head, "; no scorecard is assigned, so they have no colour."];
  return [
    ...head,
    ...say`: ${size(of(riskiest))} ${[styleOf(styles, riskiest).name]}, ${size(of("unknown"))} not scored.`,
  ];
}

export function trustSentence(
  rows: readonly LeaverBand[],
  styles: readonly BandStyle[],
  release: Release,
  isScored = true,
): Sentence {
  const mine = rows.filter(({ series }) => series === "in_force");
  const total = mine[0]?.n_total;
  if (total === undefined) {
    return say`Fewer than ${count(release.min_cell)} customers decided to leave in the last 12 months: where they stood before says nothing yet.`;
  }
  if (!isScored) return say`${count(total)} customers decided to leave in the last 12 months.`;
  const order = [...mine].sort(
    (a, b) => styles.findIndex((s) => s.band === a.band) - styles.findIndex((s) => s.band === b.band),
  );
  const parts: Sentence = order.flatMap(
    (row, i): Sentence => [
      i === 0 ? "" : i === order.length - 1 ? " and " : ", ",
      { fact: count(row.n_leavers) },
      ` ${i === 0 ? "were " : ""}${styleOf(styles, row.band).name}`,
    ],
  );
  return [
    ...say`Of ${count(total)} customers that decided to leave in the last 12 months, `,
    ...parts,
    ...say` ${[`${release.gap_days} days before`]}.`,
  ];
}

/** How the plain score of logins, NPS, feature events and tickets had the same leavers. */
export function simpleScoreSentence(rows: readonly LeaverBand[], styles: readonly BandStyle[]): Sentence {
  const simple = rows.filter(({ series }) => series === "naive_baseline");
  const total = simple[0]?.n_total;
  if (total === undefined) return [];
  const riskiest = styles[0]?.band ?? "red";
  const red = simple.find(({ band }) => band === riskiest)?.n_leavers ?? 0;
  return say` The simple score (logins, NPS, feature events, tickets) had ${count(red)} of them ${[styleOf(styles, riskiest).name]}.`;
}

export function weightSentence(rows: readonly WeightOnEvidence[], cards: readonly Scorecard[]): Sentence {
  const assigned = assignedCards(cards);
  if (assigned.length === 0) return say`No scorecard is assigned to accounts, so there are no points to weigh.`;
  const of = (card: Scorecard, group: string): number =>
    rows.find((r) => r.scorecard === card.scorecard && r.version === card.version && r.action_group === group)
      ?.points ?? 0;
  const others = [
    ["Use with care", "on KPIs to use with care"],
    ["Score differently", "on KPIs to score differently"],
    ["Leave out", "on KPIs to leave out"],
    ["Not known", "on KPIs of which history cannot tell"],
  ] as const;
  return assigned.flatMap((card, i): Sentence => {
    const name = assigned.length === 1 ? "" : `"${card.label}": `;
    const rest = others.filter(([group]) => of(card, group) > 0);
    const parts: Sentence = rest.flatMap(
      ([group, where], j): Sentence => [
        j === 0 ? "; " : j === rest.length - 1 ? " and " : ", ",
        { fact: points(of(card, group)) },
        ` ${where}`,
      ],
    );
    return [
      `${i === 0 ? "" : " "}${name}`,
      ...say`${points(of(card, "Use"))} of ${[assigned.length === 1 ? "this score's 100" : "100"]} points rest on an early warning`,
      ...parts,
      ".",
    ];
  });
}

export function changeSentence(rows: readonly BandChange[], release: Release): Sentence {
  const [first] = rows;
  if (first === undefined) {
    return say`How accounts moved over 28 days is not known: fewer than ${count(release.min_cell)} were customers at both ends.`;
  }
  const scored = rows.filter((row) => row.from_band !== "unknown" && row.to_band !== "unknown");
  const sum = (test: (row: BandChange) => boolean): number =>
    scored.filter(test).reduce((total, row) => total + row.n_accounts, 0);
  const riskier = sum((row) => (row.to_no ?? 50) < (row.from_no ?? 50));
  const healthier = sum((row) => (row.to_no ?? 50) > (row.from_no ?? 50));
  const both = scored.reduce((total, row) => total + row.n_accounts, 0);
  return say`Since ${date(first.before_on)}, ${count(riskier)} of ${count(both)} accounts moved to a riskier band and ${count(healthier)} to a healthier one, under one scorecard version.`;
}

/** A mark of the refresh as a sentence of its own. */
export const sentenceOf = (mark: string): string => `${mark.slice(0, 1).toUpperCase()}${mark.slice(1)}.`;

/**
 * How far the data goes and which source ends first. `today` is the reader's: the files must not depend on the day on
 * which they are read. as_of is the first instant that the data does not cover, so a row of the day before is up to date.
 */
export function dataSentence(sources: readonly DataSource[], release: Release, today: Date): Sentence {
  // A list that was delivered after the day of the report speaks of it no further than to that day.
  const end = new Date(Date.parse(release.as_of) - 86_400_000).toISOString().slice(0, 10);
  const dated = sources.flatMap((s) =>
    s.is_read && s.last_day !== null ? [{ ...s, last_day: s.last_day < end ? s.last_day : end }] : [],
  );
  const oldest = [...dated].sort((a, b) => a.last_day.localeCompare(b.last_day) || a.source.localeCompare(b.source))[0];
  const age = daysBetween(release.as_of, today.toISOString());
  const ago = age <= 0 ? "" : age === 1 ? ", yesterday" : `, ${plural(age, "day")} ago`;
  const head = say`Data to ${date(release.as_of)}${[ago]}.`;
  const isEven = dated.length > 1 && dated.every(({ last_day }) => last_day === oldest?.last_day);
  const marks = sources.flatMap(({ mark }) => (mark === null ? [] : [` ${sentenceOf(mark)}`]));
  if (oldest === undefined)
    return [...head, ...marks, " No source that a KPI reads carries dates, so none can be called old."];
  const behind = daysBetween(oldest.last_day, release.as_of) - 1;
  return [
    ...head,
    ...(isEven
      ? say` All ${plural(dated.length, "source")} that KPIs read reach to ${date(oldest.last_day)}`
      : say` The oldest source that KPIs read is ${oldest.source}: it ends on ${date(oldest.last_day)}`),
    ...say`${[behind > 0 ? `, ${plural(behind, "day")} behind` : ""]}.`,
    ...marks,
  ];
}

export function historySentence(fact: ValidationFact | undefined): Sentence {
  if (fact === undefined || fact.n_rows === 0) {
    return say`No account-month has a complete outcome window yet, so nothing can be tested against leaving.`;
  }
  const { gap_days: gap, horizon_days: horizon } = fact;
  return say`Tested on ${count(fact.n_rows)} account-months of ${count(fact.n_accounts)} accounts, ${date(fact.first_snapshot)} to ${date(fact.last_snapshot)}; ${count(fact.n_churned)} accounts decided to leave ${[`${gap} to ${gap + horizon}`]} days after one of them${fact.churn_rate === null ? [] : say` (${percent(fact.churn_rate)} of account-months)`}.`;
}

export function kpiSummarySentence(kpis: readonly Kpi[]): Sentence {
  if (kpis.length === 0) return say`No KPI is switched on in this book.`;
  const of = (group: string): number => kpis.filter((kpi) => kpi.action_group === group).length;
  return say`Of ${plural(kpis.length, "KPI")}, ${count(of("Use"))} ${[of("Use") === 1 ? "is an early warning" : "are early warnings"]} to use, ${count(of("Use with care"))} need care, ${count(of("Score differently"))} should be scored differently, ${count(of("Leave out"))} can be left out, and of ${count(of("Not known"))} history cannot tell.`;
}

/** Whether a KPI was judged at all; what could not be tested shows no estimate either. */
export const isTested = (kpi: Kpi): boolean => kpi.verdict !== null && kpi.verdict !== "not_tested";

/** What this much history could have shown. */
export function powerSentence(kpis: readonly Kpi[]): Sentence {
  const tested = kpis.filter((kpi) => isTested(kpi) && kpi.detectable_auc !== null && kpi.n_churned !== null);
  if (tested.length === 0) return say`No KPI could be tested, so nothing is ruled out either.`;
  const middle = <T>(values: readonly T[]): T => values[Math.floor((values.length - 1) / 2)] as T;
  const detectable = middle(
    tested.map((kpi) => kpi.detectable_auc as number).sort((a, b) => Math.abs(a - 0.5) - Math.abs(b - 0.5)),
  );
  const churned = middle(tested.map((kpi) => kpi.n_churned as number).sort((a, b) => a - b));
  return say`With about ${count(churned)} churned accounts a KPI, this history would show a link of ${pairs(detectable)} of 100 pairs (50 is a coin toss) four times in five; smaller ones may exist unseen.`;
}

const lowerFirst = (text: string): string => `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;

/** What a scorecard that was not made to foresee leaving is for: said before it is judged by leaving. */
const madeFor: Readonly<Record<string, string>> = {
  behaviour_index: "describes how accounts behave and was not made to foresee leaving; judged by leaving all the same",
  expansion: "was made to say who grows, not who leaves; judged by leaving all the same",
  loyalty: "was made to say who stays whole, not who leaves; judged by leaving all the same",
};

const question = "asked which of two like customers leaves";

/** What the validation says in a few words of its own, as a sentence that stands without the chart beside it. */
const statesInWords: readonly (readonly [RegExp, string])[] = [
  [/^At most (\d+) of 100: /, "Ranks at most $1 of 100 pairs rightly: "],
  [
    /^Not shown to rank leavers: (\d+) of 100 \((\d+)-(\d+)\)/,
    "Is not shown to rank leavers: $1 of 100 pairs rightly ($2 to $3)",
  ],
  [
    /^It ranks leavers, but logins \+ NPS \+ feature events \+ tickets are/,
    "Ranks leavers, but the simple score (logins, NPS, feature events, tickets) is",
  ],
  [/ (\d+)-(\d+) days ahead \((\d+)-(\d+)\)/, " $1 to $2 days ahead ($3 to $4)"],
];

/** The validation's sentence on a scorecard, without a subject: "Ranks at most 51 of 100 pairs rightly: close to a coin toss." */
export const stateInWords = (sentence: string): string =>
  statesInWords.reduce((text, [short, long]) => text.replace(short, long), sentence);

/** A state as a mark beside a name: 55 of 100 pairs at most is near a coin toss, and no more is known than that. */
export const stateName = (state: string): string => (state === "no use" ? "near a coin toss" : state);

/** The same after its subject: "ranks at most 51 of 100 pairs rightly: ...". */
function clauseOf(sentence: string): string {
  const text = stateInWords(sentence);
  if (/^(Ranks|Ranked|Is not shown)\b/.test(text)) return lowerFirst(text);
  return text.startsWith("Not checked: ") ? `was ${lowerFirst(text)}` : `: ${lowerFirst(text)}`;
}

/** What history says of the assigned scorecards themselves, in the words of the validation; of several the question stands once. */
export function stateSentence(states: readonly ScorecardState[], cards: readonly Scorecard[]): Sentence {
  const assigned = assignedCards(cards);
  if (assigned.length === 0) return say`No scorecard is assigned to accounts.`;
  const isAsked = (card: Scorecard): boolean => madeFor[card.purpose] === undefined;
  const firstAsked = assigned.find(isAsked);
  return assigned.flatMap((card, i): Sentence => {
    const state = states.find((s) => s.scorecard === card.scorecard && s.version === card.version);
    const name = assigned.length === 1 ? "The score" : `"${card.label}"`;
    const purpose = madeFor[card.purpose];
    const head = purpose !== undefined ? `${name} ${purpose}` : card === firstAsked ? `${name}, ${question}` : name;
    return [
      i === 0 ? "" : " ",
      ...(state === undefined
        ? say`${[name]} was not checked against history in this release.`
        : say`${[`${head}${head.includes(question) ? "," : ""} ${clauseOf(state.sentence)}`.replace(/,? : /, ": ")]}`),
    ];
  });
}

/** "Now 61 % of accounts are green, 25 % yellow, ...", at the newest reading. */
export function distributionSentence(rows: readonly BandMonth[], styles: readonly BandStyle[]): Sentence {
  const mine = rows.filter(({ series }) => series === "in_force");
  const last = mine
    .map(({ snapshot_date }) => snapshot_date)
    .sort()
    .at(-1);
  if (last === undefined) return say`There are too few accounts to show by band.`;
  const isScored = ({ band }: BandStyle): boolean => band !== "unknown" && band !== "no_snapshot";
  const now = [...styles.filter(isScored).reverse(), ...styles.filter((style) => !isScored(style))].flatMap(
    ({ band, name }) => mine.filter((r) => r.snapshot_date === last && r.band === band).map((r) => ({ name, r })),
  );
  const parts: Sentence = now.flatMap(
    ({ name, r }, i): Sentence => [
      i === 0 ? "" : i === now.length - 1 ? " and " : ", ",
      { fact: percentPart(r.n_accounts / r.n_total) },
      i === 0 ? ` of ${count(r.n_total)} accounts are ${name}` : ` ${name}`,
    ],
  );
  return [...say`On ${date(last)}, `, ...parts, "."];
}

/** The ledger of a card in one mode: as it was live where that exists, else restated. */
export function ledgerOf(rows: readonly BandOutcome[], card: Scorecard | undefined): readonly BandOutcome[] {
  if (card === undefined) return [];
  const mine = rows.filter((r) => r.scorecard === card.scorecard && r.version === card.version);
  const live = mine.filter(({ mode }) => mode === "as_was");
  return live.length > 0 ? live : mine.filter(({ mode }) => mode === "as_if");
}

export function ledgerSentence(rows: readonly BandOutcome[], styles: readonly BandStyle[]): Sentence {
  const days = rows.some((r) => r.days === 90) ? 90 : rows[0]?.days;
  const scored = rows
    .filter((r) => r.days === days && r.band !== "unknown" && r.rate !== null)
    .sort((a, b) => a.band_no - b.band_no);
  const [risky] = scored;
  const healthy = scored.at(-1);
  if (days === undefined || risky === undefined || healthy === undefined || risky === healthy) {
    return say`What became of accounts by band is not known yet: no reading has a complete window behind it.`;
  }
  const overlap = (risky.rate_low ?? 0) <= (healthy.rate_high ?? 1);
  const name = (row: BandOutcome): string => styleOf(styles, row.band).name;
  return [
    ...say`Within ${count(days)} days of a reading, its last days included, ${percent(risky.rate)} of ${[name(risky)]} readings led to leaving, against ${percent(healthy.rate)} of ${[name(healthy)]} ones`,
    overlap ? "; the intervals overlap, so the bands are not shown to differ." : ".",
    ...(healthy.share_of_churn === null
      ? []
      : say` ${percent(healthy.share_of_churn)} of all readings that led to leaving were ${[name(healthy)]}.`),
  ];
}

export function cohortSentence(rows: readonly CohortRetention[], release: Release): Sentence {
  const newest = rows.at(-1);
  if (newest === undefined) {
    return say`No sign-up cohort of at least ${count(release.min_cell)} accounts is twelve months old yet.`;
  }
  const low = [...rows].sort((a, b) => a.kept_rate - b.kept_rate)[0] as CohortRetention;
  const high = [...rows].sort((a, b) => b.kept_rate - a.kept_rate)[0] as CohortRetention;
  const head = say`Of the ${count(newest.n_accounts)} accounts that signed up in ${quarters(newest.cohort_from, newest.cohort_to)}, ${percent(newest.kept_rate)} still paid after twelve months (95 % interval ${percent(newest.rate_low)} to ${percent(newest.rate_high)}).`;
  if (rows.length === 1) return head;
  if (low.kept_rate === high.kept_rate)
    return [...head, ...say` It was the same in all ${count(rows.length)} cohorts.`];
  const apart = low.rate_high < high.rate_low;
  return [
    ...head,
    ...say` Over ${count(rows.length)} cohorts it ran from ${percent(low.kept_rate)} to ${percent(high.kept_rate)}`,
    apart ? "." : "; those two intervals overlap, so a difference is not shown.",
  ];
}
