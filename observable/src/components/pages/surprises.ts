import { html } from "htl";
import { bandStyles } from "../bands.js";
import { playAfter } from "../charts/play-after.js";
import { type Column, figure, tableWithCsv } from "../figure.js";
import { filtered } from "../filters.js";
import { count, missing, percent, plural, points, shortDate } from "../format.js";
import {
  accountLink,
  bandMark,
  moneyValue,
  outside,
  type PlayAfter,
  type Surprise,
  type SurpriseRate,
  shownMoney,
} from "../managers.js";
import { paragraph, plain, type Sentence, say } from "../prose.js";
import type { Band, Release, Statement } from "../rows.js";
import { caption, section, sqlSection, statementsOf } from "./parts.js";

export interface SurprisesData {
  readonly release: readonly Release[];
  readonly band: readonly Band[];
  readonly surprise: readonly Surprise[];
  readonly surprise_rate: readonly SurpriseRate[];
  readonly play_after: readonly PlayAfter[];
  readonly play_summary: readonly PlaySummary[];
  readonly statement: readonly Statement[];
}

export interface PlaySummary {
  readonly play: string;
  readonly n_plays: number;
  readonly n_accounts: number;
  readonly n_last_year: number | null;
  readonly first_month: string;
  readonly last_month: string;
  readonly n_open: number | null;
  readonly median_days: number | null;
  readonly outcomes: string | null;
}

const titles: Readonly<Record<string, string>> = {
  green_churner: "Left from the best band",
  chronic_red: "Red for long, and still here",
};

/** How often the score was surprised, of how many, and what people said of it. */
export function surpriseSentence(r: SurpriseRate): Sentence {
  const asked =
    r.kind === "green_churner"
      ? say`Of ${plural(r.n_asked, "account")} that left and had a score by then, ${count(r.n)} (${percent(r.share)}; 95 % interval ${percent(r.share_low)} to ${percent(r.share_high)}) were in the best band at the last snapshot before the gap.`
      : say`Of ${plural(r.n_asked, "account")} in the worst band now, ${count(r.n)} (${percent(r.share)}; 95 % interval ${percent(r.share_low)} to ${percent(r.share_high)}) were there at every snapshot of the last 180 days, and decided nothing.`;
  if (r.n_asked === 0)
    return r.kind === "green_churner"
      ? say`No account has left after a score in force had seen it.`
      : say`No account is in the worst band now.`;
  const answered =
    r.n_answered === 0
      ? say` Nobody has said why yet.`
      : say` ${count(r.n_answered)} of them are answered; counted against the score are ${count(r.n_counted)}, ${percent(r.counted_share)} (${percent(r.counted_low)} to ${percent(r.counted_high)}).`;
  return [...asked, ...answered];
}

/** Accounts that the score got wrong with what was visible then, and what came after plays. */
export function surprisesPage(data: SurprisesData): HTMLElement {
  const release = data.release[0] as Release;
  const rate = (kind: string): SurpriseRate | undefined => data.surprise_rate.find((row) => row.kind === kind);
  const kinds = ["green_churner", "chronic_red"] as const;
  return html`<div class="report">
    ${kinds.map((kind) => {
      const found = rate(kind);
      return found === undefined ? null : paragraph(surpriseSentence(found), kind === "green_churner" ? "lede" : "");
    })}
    ${caption("An unhealthy customer may renew, a healthy one may leave, for reasons no KPI sees. These lists are for people to say why.")}
    ${kinds.map((kind) =>
      section(
        titles[kind] as string,
        list(
          data.surprise.filter((row) => row.kind === kind),
          kind,
          data,
          release,
        ),
      ),
    )}
    ${section(
      "How to answer",
      html`<p>Write into the column <code>disposition</code> of <code>out/surprises.csv</code> what you know, with your name and the day, and hand the file back as a source of entity disposition. <em>missed</em> and <em>false_alarm</em> leave the fault with the score; <em>unforeseeable</em>, <em>rescued</em>, <em>expected</em> and <em>data_error</em> take the account out of the count of the next release. Both counts are shown above.</p>` as Node,
    )}
    ${section("What came after plays", ...after(data))}
    ${sqlSection(data.statement, ["marts.surprise", "marts.surprise_rate", "marts.play_case", "marts.play_after", "marts.play_summary"])}
  </div>` as HTMLElement;
}

function list(rows: readonly Surprise[], kind: string, data: SurprisesData, release: Release): Node {
  if (rows.length === 0) return html`<p class="empty">None.</p>` as Node;
  const styles = bandStyles(data.band);
  const columns: readonly Column<Surprise>[] = [
    { name: "Account", text: (r) => accountLink(r, ""), value: (r) => r.name ?? r.account_id },
    { name: "Id", text: (r) => outside(r.account_id, 40), value: (r) => r.account_id },
    {
      name: kind === "green_churner" ? "Scored on" : "Red since",
      text: (r) => shortDate(r.since),
      value: (r) => r.since,
    },
    ...(kind === "green_churner"
      ? [{ name: "Decided on", text: (r: Surprise) => shortDate(r.decided_on), value: (r: Surprise) => r.decided_on }]
      : []),
    { name: "Score then", text: (r) => points(r.score_then), value: (r) => r.score_then, isNumber: true },
    // Of one scorecard all stand in the same band, which the heading names.
    ...(new Set(rows.map(({ band }) => band)).size > 1
      ? [{ name: "Band", text: (r: Surprise) => bandMark(styles, r.band), value: (r: Surprise) => r.band }]
      : []),
    {
      name: "A month",
      text: (r) => shownMoney(r.mrr_minor, release.currency),
      value: (r) => moneyValue(r.mrr_minor, release.currency),
      isNumber: true,
    },
    { name: "Visible then", text: (r) => outside(r.visible_then, 300), value: (r) => r.visible_then },
    ...(kind === "green_churner"
      ? [
          {
            name: "Reason in the export",
            text: (r: Surprise) => outside(r.reason, 80),
            value: (r: Surprise) => r.reason,
          },
        ]
      : []),
    ...(rows.some(({ disposition }) => disposition !== null)
      ? [
          {
            name: "Answer",
            text: (r: Surprise) => (r.disposition === null ? "open" : outside(r.disposition, 60)),
            value: (r: Surprise) => r.disposition,
          },
          { name: "Said by", text: (r: Surprise) => outside(r.said_by, 40), value: (r: Surprise) => r.said_by },
        ]
      : []),
    { name: "Owner", text: (r) => outside(r.owner ?? "no owner", 40), value: (r) => r.owner },
  ];
  return filtered(
    rows,
    [
      { name: `${kind}-answer`, label: "Answer", all: "all answers", value: (r) => r.disposition, none: "open" },
      { name: `${kind}-owner`, label: "Owner", all: "everybody", value: (r) => r.owner, none: "no owner" },
    ],
    (shown) => tableWithCsv({ name: kind.replaceAll("_", "-"), label: titles[kind] as string, rows: shown, columns }),
  );
}

function after(data: SurprisesData): readonly Node[] {
  const left = data.play_after.filter(({ measure, band }) => measure === "left" && band === "all");
  const shown = data.play_after;
  const main = left.find(({ play, days }) => play === "all" && days === 90);
  const sentence =
    main === undefined
      ? say`Too few plays have like accounts beside them and 90 days behind them to say what came after.`
      : say`In the 90 days that came after ${plural(main.n_matched, "play")} with ${plural(main.n_accounts, "account")}, ${percent(main.played_rate)} (${percent(main.played_low)} to ${percent(main.played_high)}) decided to leave; of ${plural(main.n_like, "like account")} without a play at the same dates ${percent(main.like_rate)}: difference ${difference(main)}.`;
  return [
    paragraph(sentence),
    caption(
      "This is what came after, not what the plays did: they go to accounts that somebody worried about, for reasons that no export holds. Like accounts: same date, band, segment and slice of expected churn, no play from 90 days before.",
    ),
    figure({
      title: "Left after a play, and of like accounts without one",
      subtitle:
        "share that decided to leave within so many days; dot with 95 % interval: after a play; hollow: like accounts",
      alt: plain(sentence),
      id: "play-after-chart",
      chart: left.length === 0 ? null : (width) => playAfter(left, { width }),
      empty: "Too few plays, or none with a like account beside it.",
      table:
        shown.length === 0
          ? null
          : {
              name: "play-after",
              rows: shown,
              columns: [
                {
                  name: "Play",
                  text: (r) => outside(r.play === "all" ? "all plays" : r.play, 60),
                  value: (r) => r.play,
                },
                {
                  name: "Band at the start",
                  text: (r) => outside(r.band === "all" ? "all bands" : r.band, 40),
                  value: (r) => r.band,
                },
                { name: "Days", text: (r) => count(r.days), value: (r) => r.days, isNumber: true },
                { name: "What", text: (r) => (r.measure === "left" ? "decided to leave" : "in a better band") },
                {
                  name: "After a play",
                  text: (r) => `${percent(r.played_rate)} (${percent(r.played_low)} to ${percent(r.played_high)})`,
                  value: (r) => r.played_rate,
                  isNumber: true,
                },
                { name: "Like accounts", text: (r) => percent(r.like_rate), value: (r) => r.like_rate, isNumber: true },
                { name: "Difference", text: difference, value: (r) => r.difference, isNumber: true },
                {
                  name: "Plays",
                  text: (r) => `${count(r.n_matched)} of ${count(r.n_plays)}`,
                  value: (r) => r.n_matched,
                  isNumber: true,
                },
                { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
                { name: "Like", text: (r) => count(r.n_like), value: (r) => r.n_like, isNumber: true },
              ],
            },
      sql: statementsOf(data.statement, ["marts.play_after"]),
    }),
    data.play_summary.length === 0
      ? (html`<p class="empty">The exports record no play, or only plays of a few accounts.</p>` as Node)
      : tableWithCsv({
          name: "plays-recorded",
          label: "Plays that the exports record",
          rows: data.play_summary,
          columns: [
            { name: "Play", text: (r) => outside(r.play, 60), value: (r) => r.play },
            { name: "Begun", text: (r) => count(r.n_plays), value: (r) => r.n_plays, isNumber: true },
            { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
            {
              name: "In the last year",
              text: (r) => count(r.n_last_year),
              value: (r) => r.n_last_year,
              isNumber: true,
            },
            { name: "Not ended", text: (r) => count(r.n_open), value: (r) => r.n_open, isNumber: true },
            {
              name: "Half took at most",
              text: (r) => (r.median_days === null ? missing : plural(r.median_days, "day")),
              value: (r) => r.median_days,
              isNumber: true,
            },
            {
              name: "What the export says came of it",
              text: (r) => outside(r.outcomes, 160),
              value: (r) => r.outcomes,
            },
          ],
        }),
  ];
}

const whole = (rate: number): string => `${rate > 0 ? "+" : ""}${Math.round(rate * 100)}`;

/** "+13 points (9 to 18)". */
const difference = (r: PlayAfter): string =>
  `${whole(r.difference)} points${r.difference_low === null || r.difference_high === null ? "" : ` (${whole(r.difference_low)} to ${whole(r.difference_high)})`}`;
