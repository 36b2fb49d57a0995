import { html } from "htl";
import { bandStyles } from "../bands.js";
import { type Column, tableWithCsv } from "../figure.js";
import { type Filter, filtered } from "../filters.js";
import { count, date, money, percent, plural, shortDate } from "../format.js";
import {
  accountLink,
  bandMark,
  moneyValue,
  type OwnerBand,
  outside,
  type Play,
  type PlayDue,
  shownMoney,
  shownScore,
  signed,
  type TodayAccount,
  type TodayOwner,
} from "../managers.js";
import { paragraph, plain, say } from "../prose.js";
import type { Band, Release, Scorecard, ScorecardState, Statement } from "../rows.js";
import { coloursCaveat } from "../sentences-bands.js";
import { caption, section, sqlSection } from "./parts.js";

export interface TodayData {
  readonly release: readonly Release[];
  readonly band: readonly Band[];
  readonly account: readonly TodayAccount[];
  readonly owner: readonly TodayOwner[];
  readonly play: readonly Play[];
  readonly due: readonly PlayDue[];
  readonly owner_band: readonly OwnerBand[];
  readonly scorecard: readonly Scorecard[];
  readonly scorecard_state: readonly ScorecardState[];
  readonly statement: readonly Statement[];
}

/** A row of any kind, so that one choice of owner narrows both. */
type Item = {
  readonly owner: string | null;
  readonly all?: TodayOwner;
  readonly account?: TodayAccount;
  readonly due?: PlayDue;
};

/** What to look at now: newly red, new flags, falls, renewals ahead and plays to begin, for one owner or all. */
export function todayPage(data: TodayData): HTMLElement {
  const release = data.release[0] as Release;
  if (data.owner.length === 0)
    return html`<div class="report"><p class="empty">No account pays on ${date(release.as_of)}: there is nothing to look at.</p></div>` as HTMLElement;
  const items: readonly Item[] = [
    ...data.owner.map((all) => ({ owner: all.owner, all })),
    ...data.account.map((account) => ({ owner: account.owner, account })),
    ...data.due.map((due) => ({ owner: due.owner, due })),
  ];
  const filters: readonly Filter<Item>[] = [
    { name: "owner", label: "Owner", all: "everybody", value: (row) => row.owner, none: "no owner" },
  ];
  return html`<div class="report">
    ${filtered(items, filters, (rows) => lists(rows, data, release))}
    ${section("Plays", playsTable(data.play))}
    ${data.owner_band.length === 0 ? null : section("Bands by owner", ownersTable(data, release), caption("Who was given the hard accounts looks bad here: a share says nothing of the owner's work. Intervals are wide where an owner has few accounts."))}
    ${sqlSection(data.statement, ["marts.portfolio_account", "marts.play_due", "marts.owner_band"])}
  </div>` as HTMLElement;
}

function lists(rows: readonly Item[], data: TodayData, release: Release): Node {
  const styles = bandStyles(data.band);
  const worst = styles[0]?.name ?? "red";
  const caveat = plain(coloursCaveat(data.scorecard_state, data.scorecard));
  const { currency } = release;
  const accounts = rows.flatMap(({ account }) => account ?? []);
  const due = rows.flatMap((row) => row.due ?? []);
  const sum = (count: (all: TodayOwner) => number): number =>
    rows.reduce((total, { all }) => total + (all === undefined ? 0 : count(all)), 0);
  const newlyRed = accounts.filter(({ is_newly_red }) => is_newly_red);
  const flagged = accounts.filter(({ new_flags }) => new_flags !== null);
  const fell = accounts.filter(({ has_fallen }) => has_fallen);
  const renewing = accounts
    .filter(({ days_to_renewal: days }) => days !== null && days >= 0 && days <= 90)
    .sort((a, b) => (a.days_to_renewal as number) - (b.days_to_renewal as number));
  const { week_on, month_on } = data.owner[0] as TodayOwner;
  const labels = new Map(data.play.map(({ play, label }) => [play, label]));
  const base: readonly Column<TodayAccount>[] = [
    { name: "Account", text: (r) => accountLink(r, ""), value: (r) => r.name ?? r.account_id },
    { name: "Id", text: (r) => outside(r.account_id, 40), value: (r) => r.account_id },
    { name: "Score", text: (r) => shownScore(r.score), value: (r) => r.score, isNumber: true },
    { name: "Band", text: (r) => bandMark(styles, r.band), value: (r) => r.band },
    {
      name: "A month",
      text: (r) => shownMoney(r.mrr_minor, currency),
      value: (r) => moneyValue(r.mrr_minor, currency),
      isNumber: true,
    },
  ];
  const owner: Column<TodayAccount> = {
    name: "Owner",
    text: (r) => outside(r.owner ?? "no owner", 40),
    value: (r) => r.owner,
  };
  const list = (
    title: string,
    name: string,
    about: string,
    shown: readonly TodayAccount[],
    more: readonly Column<TodayAccount>[],
  ): HTMLElement =>
    section(
      `${title}: ${count(shown.length)}`,
      caption(about),
      shown.length === 0
        ? (html`<p class="empty">None.</p>` as Node)
        : tableWithCsv({ name, label: title, rows: shown, columns: [...base, ...more, owner] }),
    );
  return html`<div>
    ${paragraph(
      say`${plural(
        sum((all) => all.n_accounts),
        "account",
      )} pay ${money(
        sum((all) => all.mrr_minor),
        currency,
      )} a month on ${date(release.as_of)}; ${count(sum((all) => all.n_red))} are ${[worst]}${newlyRed.length === 0 ? [] : say`, ${count(newlyRed.length)} of them newly so within a week`}. ${plural(renewing.length, "renewal")} come up in 90 days; ${plural(due.length, "play")} are to begin.`,
      "lede",
    )}
    ${caption(`A score orders attention: it does not say why, nor that an account will leave.${caveat === "" ? "" : ` ${caveat}`}`)}
    ${list(
      "Newly red",
      "newly-red",
      week_on === null
        ? "No snapshot is a week old yet."
        : `${worst[0]?.toUpperCase()}${worst.slice(1)} now and not on ${date(week_on)}.`,
      newlyRed,
      [
        {
          name: "Band then",
          text: (r) => (r.week_band === null ? "not paying" : bandMark(styles, r.week_band)),
          value: (r) => r.week_band,
        },
      ],
    )}
    ${list(
      "New flags",
      "new-flags",
      week_on === null ? "No snapshot is a week old yet." : `Raised after ${date(week_on)} and not snoozed.`,
      flagged,
      [{ name: "Flags", text: (r) => outside(r.new_flags, 160), value: (r) => r.new_flags }],
    )}
    ${list(
      "Fell 10 points or more",
      "fell",
      month_on === null
        ? "No snapshot is 28 days old yet."
        : `Since ${date(month_on)}, at one version of the scorecard.`,
      fell,
      [
        { name: "Score then", text: (r) => shownScore(r.month_score), value: (r) => r.month_score, isNumber: true },
        { name: "Change", text: (r) => signed(r.change_28d), value: (r) => r.change_28d, isNumber: true },
      ],
    )}
    ${list(
      "Renewals in 90 days",
      "renewals",
      "The next date on which the contract known today ends or renews.",
      renewing,
      [
        { name: "Renews on", text: (r) => shortDate(r.renews_on), value: (r) => r.renews_on },
        { name: "Notice", text: (r) => (r.in_notice ? "given" : ""), value: (r) => (r.in_notice ? "given" : "") },
      ],
    )}
    ${section(
      `Plays to begin: ${count(due.length)}`,
      ...(due.length === 0 ? [] : [caption("Those that have been due longest first.")]),
      due.length === 0
        ? (html`<p class="empty">${data.play.length === 0 ? "The book has no plays.yaml." : "None."}</p>` as Node)
        : tableWithCsv({
            name: "plays-due",
            label: "Plays to begin",
            rows: due,
            columns: [
              { name: "Account", text: (r) => accountLink(r, ""), value: (r) => r.name ?? r.account_id },
              { name: "Id", text: (r) => outside(r.account_id, 40), value: (r) => r.account_id },
              { name: "Play", text: (r) => labels.get(r.play) ?? r.play, value: (r) => labels.get(r.play) ?? r.play },
              { name: "Due on", text: (r) => shortDate(r.due_on), value: (r) => r.due_on },
              { name: "State", text: (r) => r.state, value: (r) => r.state },
              { name: "Band", text: (r) => bandMark(styles, r.band), value: (r) => r.band },
              {
                name: "Days in band",
                text: (r) => count(r.days_in_band),
                value: (r) => r.days_in_band,
                isNumber: true,
              },
              {
                name: "A month",
                text: (r) => shownMoney(r.mrr_minor, currency),
                value: (r) => moneyValue(r.mrr_minor, currency),
                isNumber: true,
              },
              { name: "Who", text: (r) => outside(r.owner ?? "no owner", 40), value: (r) => r.owner },
            ],
          }),
    )}
  </div>` as Node;
}

function playsTable(rows: readonly Play[]): Node {
  if (rows.length === 0)
    return html`<p class="empty">The book has no plays.yaml: docs/managers.md says what one looks like.</p>` as Node;
  return html`<dl class="plays">${rows.map(
    (r) =>
      html`<div><dt>${r.label}</dt><dd><p class="note-line">When ${r.condition}; by ${r.owner ?? "the account's owner"}, within ${plural(r.due_days, "day")}.</p><ol>${r.steps
        .split("\n")
        .map((step) => html`<li>${step.replace(/^\d+\. /, "")}</li>`)}</ol></dd></div>`,
  )}</dl>` as Node;
}

function ownersTable(data: TodayData, release: Release): Node {
  const styles = bandStyles(data.band);
  return tableWithCsv({
    name: "bands-by-owner",
    label: `Bands by owner on ${date(release.as_of)}`,
    rows: data.owner_band,
    columns: [
      { name: "Owner", text: (r) => outside(r.owner, 40), value: (r) => r.owner },
      { name: "Band", text: (r) => bandMark(styles, r.band), value: (r) => r.band },
      { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
      { name: "Of", text: (r) => count(r.n_total), value: (r) => r.n_total, isNumber: true },
      { name: "Share", text: (r) => percent(r.share), value: (r) => r.share, isNumber: true },
      {
        name: "95 % interval",
        text: (r) => `${percent(r.share_low)} to ${percent(r.share_high)}`,
        value: (r) => `${r.share_low} to ${r.share_high}`,
      },
      { name: "Over all owners", text: (r) => percent(r.share_of_all), value: (r) => r.share_of_all, isNumber: true },
    ],
  });
}
