// What the managers' pages share: their rows, names of other people's making as text, links to accounts, shards.

import { html } from "htl";
import type { BandStyle } from "./bands.js";
import { styleOf } from "./bands.js";
import { inMajor, missing, money, points } from "./format.js";

/** What every list of accounts shows of each. */
export interface ListedAccount {
  readonly account_id: string;
  readonly name: string | null;
  readonly owner: string | null;
  readonly mrr_minor: number | null;
  readonly band: string;
  readonly score: number | null;
}

export interface PortfolioAccount extends ListedAccount {
  readonly segment: string | null;
  readonly scorecard: string | null;
  readonly slope: number | null;
  /** falling, steady, rising or not known. */
  readonly direction: string;
  readonly days_in_band: number | null;
  readonly is_since_first: boolean | null;
  readonly flags: string | null;
  readonly renews_on: string | null;
  readonly paid_minor: number | null;
}

/** For each group as many rows as the portfolio has, in its order. */
export interface PortfolioGroup {
  readonly group_id: string;
  readonly points: number | null;
}

/** An account that is newly red, has a new flag, fell or renews within 90 days. */
export interface TodayAccount extends ListedAccount {
  readonly is_newly_red: boolean;
  readonly week_band: string | null;
  readonly new_flags: string | null;
  readonly month_score: number | null;
  readonly change_28d: number | null;
  readonly has_fallen: boolean;
  readonly days_to_renewal: number | null;
  readonly renews_on: string | null;
  readonly in_notice: boolean | null;
}

/** All accounts that pay, by owner; week_on and month_on are the book's. */
export interface TodayOwner {
  readonly owner: string | null;
  readonly n_accounts: number;
  readonly mrr_minor: number;
  readonly n_red: number;
  readonly week_on: string | null;
  readonly month_on: string | null;
}

export interface PlayDue {
  readonly account_id: string;
  readonly name: string | null;
  readonly owner: string | null;
  readonly play: string;
  readonly band: string;
  readonly days_in_band: number | null;
  readonly mrr_minor: number | null;
  readonly due_on: string;
  readonly state: string;
}

export interface Play {
  readonly play: string;
  readonly label: string;
  readonly condition: string;
  readonly steps: string;
  readonly owner: string | null;
  readonly due_days: number;
  readonly recorded_as: string;
}

export interface PlayAfter {
  readonly play: string;
  readonly band: string;
  readonly days: number;
  readonly measure: string;
  readonly n_plays: number;
  readonly n_matched: number;
  readonly n_accounts: number;
  readonly n_like: number;
  readonly played_rate: number;
  readonly played_low: number;
  readonly played_high: number;
  readonly like_rate: number;
  readonly difference: number;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

export interface Hierarchy {
  readonly account_id: string;
  readonly name: string | null;
  readonly owner: string | null;
  readonly n_below: number;
  readonly n_levels: number;
  readonly n_paying: number;
  readonly n_scored: number;
  readonly n_red: number;
  readonly mrr_minor: number | null;
  readonly money_score: number | null;
  readonly money_share: number | null;
  readonly worst_account_id: string | null;
  readonly worst_name: string | null;
  readonly worst_score: number | null;
  readonly worst_band: string | null;
}

export interface HierarchyIssue {
  readonly account_id: string;
  readonly parent_id: string;
  readonly issue: string;
}

/** An answer of an account of the portfolio. */
export interface Promoter {
  readonly account_id: string;
  readonly user_id: string | null;
  readonly score: number;
  readonly kind: string;
  readonly answered_on: string;
}

export interface ResponseRate {
  readonly kind: string;
  readonly by_what: string;
  readonly part: string;
  readonly n_asked: number;
  readonly n_answered: number;
  readonly n_accounts: number;
  readonly rate: number;
  readonly rate_low: number;
  readonly rate_high: number;
}

export interface OwnerBand {
  readonly owner: string;
  readonly band: string;
  readonly n_accounts: number;
  readonly n_total: number;
  readonly share: number;
  readonly share_low: number;
  readonly share_high: number;
  readonly share_of_all: number;
}

export interface Surprise {
  readonly kind: string;
  readonly account_id: string;
  readonly name: string | null;
  readonly owner: string | null;
  readonly scorecard: string;
  readonly version: number;
  readonly since: string;
  readonly decided_on: string | null;
  readonly score_then: number;
  readonly band: string;
  readonly mrr_minor: number | null;
  readonly reason: string | null;
  readonly visible_then: string | null;
  readonly disposition: string | null;
  readonly said_by: string | null;
  readonly said_on: string | null;
  readonly is_counted: boolean;
}

export interface SurpriseRate {
  readonly kind: string;
  readonly n_asked: number;
  readonly n: number;
  readonly n_answered: number;
  readonly n_counted: number;
  readonly share: number | null;
  readonly share_low: number | null;
  readonly share_high: number | null;
  readonly counted_share: number | null;
  readonly counted_low: number | null;
  readonly counted_high: number | null;
  readonly n_meetings: number | null;
  readonly n_meetings_with_them: number;
}

/** Signs that turn the direction of text or show nothing: with them a name could pretend to be another. */
const hidden = /[\p{Cc}\p{Cf}]/gu;

/** A text of other people's making in one line, hidden signs shown as such, cut at `most` characters. */
export function outsideLine(text: string, most = 80): string {
  const line = text.replace(/\s+/g, " ").replace(hidden, "\ufffd");
  const characters = [...line];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : line;
}

const shortNames: Readonly<Record<string, string>> = { nps: "NPS", csat: "CSAT", ces: "CES", pmf: "PMF" };

/** "champion_left" as "champion left": a name that an export uses for a kind; any other text as it is. */
export const kindInWords = (text: string): string =>
  shortNames[text] ?? (/^[a-z0-9]+(_[a-z0-9]+)+$/.test(text) ? text.replaceAll("_", " ") : text);

/** The same as an element that keeps its direction to itself. */
export const outside = (text: string | null, most = 80): Node =>
  html`<bdi class="outside">${outsideLine(text ?? "", most)}</bdi>` as Node;

/** The page of an account, from a page in the folder `from` ("" or "accounts/"). */
export const accountHref = (id: string, from: "" | "accounts/"): string =>
  `${from === "" ? "./accounts/" : "./"}view.html?id=${encodeURIComponent(id)}`;

/** An account's name as a link to its page; the id where it has no name. */
export const accountLink = (
  row: { readonly account_id: string; readonly name: string | null },
  from: "" | "accounts/",
): Node => html`<a href=${accountHref(row.account_id, from)}>${outside(row.name ?? row.account_id, 60)}</a>` as Node;

/** Letter and name of a band, in its colour. */
export function bandMark(styles: readonly BandStyle[], band: string): Node {
  const { name, letter, colour } = styleOf(styles, band);
  return html`<span class="key"><span class="swatch" style=${{ background: colour }} aria-hidden="true">${letter}</span>${outsideLine(name, 24)}</span>` as Node;
}

export const shownScore = (score: number | null): string => (score === null ? "no score" : points(score));

export const signed = (value: number | null): string =>
  value === null ? missing : `${value > 0 ? "+" : ""}${points(value)}`;

export const shownMoney = (minor: number | null, currency: string): string =>
  minor === null ? "not known" : money(minor, currency);

/** What sorts and what a CSV holds: dollars, not cents. */
export const moneyValue = (minor: number | null, currency: string): number | null =>
  minor === null ? null : inMajor(minor, currency);

/** The file that holds an account: as marts.account_shard computes it. */
export function shardOf(id: string, shards: number): number {
  let hash: number | null = null;
  for (const byte of new TextEncoder().encode(id)) {
    for (const digit of byte.toString(16).toUpperCase().padStart(2, "0")) {
      const code = digit.charCodeAt(0);
      hash = hash === null ? code : (hash * 31 + code) % 65521;
    }
  }
  return (hash ?? 0) % shards;
}

/** Distinct values for a filter, in the order of the alphabet; those without one last. */
export const distinct = (values: readonly (string | null)[]): readonly (string | null)[] => {
  const all = [...new Set(values)];
  return [
    ...all.filter((v): v is string => v !== null).sort((a, b) => a.localeCompare(b, "en")),
    ...(all.includes(null) ? [null] : []),
  ];
};
