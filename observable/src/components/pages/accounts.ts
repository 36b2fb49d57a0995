import { html } from "htl";
import { bandStyles, styleOf } from "../bands.js";
import { portfolioMap } from "../charts/portfolio-map.js";
import { type Column, figure, legend, tableWithCsv } from "../figure.js";
import { type Filter, filtered } from "../filters.js";
import { count, date, money, percent, plural, points, shortDate } from "../format.js";
import {
  accountHref,
  accountLink,
  bandMark,
  type Hierarchy,
  type HierarchyIssue,
  kindInWords,
  moneyValue,
  outside,
  outsideLine,
  type PortfolioAccount,
  type PortfolioGroup,
  type Promoter,
  type ResponseRate,
  shownMoney,
  shownScore,
  signed,
} from "../managers.js";
import { paragraph, say } from "../prose.js";
import type { Band, Release, Scorecard, ScorecardState, Statement } from "../rows.js";
import { coloursCaveat } from "../sentences-bands.js";
import { caption, section, sqlSection, statementsOf } from "./parts.js";

export interface AccountsData {
  readonly release: readonly Release[];
  readonly band: readonly Band[];
  readonly portfolio: readonly PortfolioAccount[];
  readonly group: readonly PortfolioGroup[];
  readonly hierarchy: readonly Hierarchy[];
  readonly hierarchy_issue: readonly HierarchyIssue[];
  readonly promoter: readonly Promoter[];
  readonly response_rate: readonly ResponseRate[];
  readonly scorecard: readonly Scorecard[];
  readonly scorecard_state: readonly ScorecardState[];
  readonly statement: readonly Statement[];
}

/** More dots than that are a cloud, and slow. */
const dots = 600;

/** The portfolio: who pays, in which band, where the score is heading; groups of KPIs, families of accounts, promoters and detractors. */
export function accountsPage(data: AccountsData): HTMLElement {
  const release = data.release[0] as Release;
  if (data.portfolio.length === 0)
    return html`<div class="report"><p class="empty">No account pays on ${date(release.as_of)}: there is no portfolio to show.</p></div>` as HTMLElement;
  const filters: readonly Filter<PortfolioAccount>[] = [
    { name: "owner", label: "Owner", all: "everybody", value: (r) => r.owner, none: "no owner" },
    {
      name: "band",
      label: "Band",
      all: "all bands",
      value: (r) => r.band,
      text: (band) => styleOf(bandStyles(data.band), band).name,
    },
    { name: "segment", label: "Segment", all: "all segments", value: (r) => r.segment, none: "no segment" },
    { name: "card", label: "Scorecard", all: "all scorecards", value: (r) => r.scorecard, none: "none in force" },
    { name: "direction", label: "Direction", all: "any", value: (r) => r.direction },
  ];
  return html`<div class="report">
    ${filtered(data.portfolio, filters, (rows) => portfolio(rows, data, release), "account")}
    ${section("Families of accounts", ...families(data, release))}
    ${section("Promoters and detractors", ...promoters(data, release))}
    ${section("Who answers", ...responses(data.response_rate, release))}
    ${sqlSection(data.statement, ["marts.portfolio_account", "marts.account_group", "marts.hierarchy", "marts.hierarchy_member", "marts.hierarchy_issue", "marts.promoter", "marts.response_rate", "marts.cltv"])}
  </div>` as HTMLElement;
}

function portfolio(rows: readonly PortfolioAccount[], data: AccountsData, release: Release): Node {
  const styles = bandStyles(data.band);
  const { currency } = release;
  const sum = rows.reduce((total, { mrr_minor }) => total + (mrr_minor ?? 0), 0);
  const inBand = styles
    .map((style) => ({ ...style, n: rows.filter(({ band }) => band === style.band).length }))
    .filter(({ n }) => n > 0);
  const placed = rows.flatMap((r) =>
    r.slope === null || r.mrr_minor === null || r.mrr_minor <= 0
      ? []
      : [
          {
            name: outsideLine(r.name ?? r.account_id, 40),
            band: r.band,
            slope: r.slope,
            mrr_minor: r.mrr_minor,
            score: r.score,
          },
        ],
  );
  const drawn = placed.slice(0, dots);
  const falling = rows.filter((r) => r.direction === "falling").length;
  const groups = [...new Set(data.group.map(({ group_id }) => group_id))].slice(0, 8);
  const placeOf = new Map(data.portfolio.map(({ account_id: id }, place) => [id, place]));
  const pointsIn = (group: number, { account_id: id }: PortfolioAccount): number | null =>
    data.group[group * data.portfolio.length + (placeOf.get(id) as number)]?.points ?? null;
  const columns: readonly Column<PortfolioAccount>[] = [
    { name: "Account", text: (r) => accountLink(r, "accounts/"), value: (r) => r.name ?? r.account_id },
    { name: "Id", text: (r) => outside(r.account_id, 40), value: (r) => r.account_id },
    { name: "Band", text: (r) => bandMark(styles, r.band), value: (r) => r.band },
    { name: "Score", text: (r) => shownScore(r.score), value: (r) => r.score, isNumber: true },
    {
      name: "Points in 28 days",
      text: (r) => (r.slope === null ? "" : signed(r.slope)),
      value: (r) => r.slope,
      isNumber: true,
    },
    {
      name: "A month",
      text: (r) => shownMoney(r.mrr_minor, currency),
      value: (r) => moneyValue(r.mrr_minor, currency),
      isNumber: true,
    },
    ...groups.map(
      (group, i): Column<PortfolioAccount> => ({
        name: group.replaceAll("_", " "),
        text: (r) => {
          const value = pointsIn(i, r);
          return value === null ? "" : points(value);
        },
        value: (r) => pointsIn(i, r),
        isNumber: true,
      }),
    ),
    {
      name: "Days in band",
      text: (r) => (r.days_in_band === null ? "" : `${r.is_since_first ? "at least " : ""}${count(r.days_in_band)}`),
      value: (r) => r.days_in_band,
      isNumber: true,
    },
    // A book without flags has no column of them.
    ...(data.portfolio.some(({ flags }) => flags !== null)
      ? [
          {
            name: "Flags",
            text: (r: PortfolioAccount) => outside(r.flags, 120),
            value: (r: PortfolioAccount) => r.flags,
          },
        ]
      : []),
    { name: "Renews on", text: (r) => (r.renews_on === null ? "" : shortDate(r.renews_on)), value: (r) => r.renews_on },
    {
      name: "Paid so far",
      text: (r) => (r.paid_minor === null ? "" : money(r.paid_minor, currency)),
      value: (r) => moneyValue(r.paid_minor, currency),
      isNumber: true,
    },
    { name: "Owner", text: (r) => outside(r.owner ?? "no owner", 40), value: (r) => r.owner },
  ];
  if (rows.length === 0) return html`<p class="empty">No account matches these filters.</p>` as Node;
  return html`<div>
    ${paragraph(say`${plural(rows.length, "account")} pay ${money(sum, currency)} a month on ${date(release.as_of)}: ${inBand.map(({ n, name }) => `${count(n)} ${outsideLine(name, 24)}`).join(", ")}. The score of ${count(falling)} is falling by a point or more in 28 days. ${coloursCaveat(data.scorecard_state, data.scorecard)}`, "lede")}
    ${figure({
      title: "Where scores are heading, by what accounts pay",
      subtitle: `slope of the score over twelve weeks; ${drawn.length === placed.length ? plural(drawn.length, "account") : `the ${count(dots)} accounts that pay most of ${count(placed.length)}`}${placed.length === rows.length ? "" : `; ${count(rows.length - placed.length)} without a slope or money are not drawn`}`,
      alt: `${count(falling)} of ${count(rows.length)} accounts fall by a point or more in 28 days; the table below has them all.`,
      legend: legend(inBand),
      chart: drawn.length === 0 ? null : (width) => portfolioMap(drawn, { width, styles, currency }),
      empty: "A slope needs four scores of one version within twelve weeks: no account here has them yet.",
      table: null,
      sql: statementsOf(data.statement, ["marts.portfolio_account"]),
    })}
    ${section(
      "Accounts",
      caption(
        `Columns after the money are the points that each group of KPIs gives, of 100; empty: no score, or no KPI of the group has a value.`,
      ),
      tableWithCsv({ name: "accounts", label: "Accounts", rows, columns, search: true }),
    )}
  </div>` as Node;
}

function families(data: AccountsData, release: Release): readonly Node[] {
  const styles = bandStyles(data.band);
  const issueWords: Readonly<Record<string, string>> = {
    itself: "names itself",
    no_such_account: "names an account that no export has",
    cycle: "leads back to itself",
  };
  const issues =
    data.hierarchy_issue.length === 0
      ? []
      : [
          caption(`${plural(data.hierarchy_issue.length, "parent")} cannot be followed and counts as none:`),
          tableWithCsv({
            name: "parents",
            label: "Parents that cannot be followed",
            rows: data.hierarchy_issue,
            columns: [
              { name: "Account", text: (r) => outside(r.account_id, 40), value: (r) => r.account_id },
              { name: "Its parent", text: (r) => outside(r.parent_id, 40), value: (r) => r.parent_id },
              { name: "What is wrong", text: (r) => issueWords[r.issue] ?? r.issue },
            ],
          }) as Node,
        ];
  if (data.hierarchy.length === 0)
    return [html`<p class="empty">No account of the book has another one below it.</p>` as Node, ...issues];
  return [
    caption(
      "Over the account and all below it that pay. The score by money weighs each score with what the account pays.",
    ),
    tableWithCsv({
      name: "families",
      label: "Families of accounts",
      rows: data.hierarchy,
      columns: [
        { name: "Account", text: (r) => accountLink(r, "accounts/"), value: (r) => r.name ?? r.account_id },
        { name: "Below it", text: (r) => count(r.n_below), value: (r) => r.n_below, isNumber: true },
        { name: "Paying", text: (r) => count(r.n_paying), value: (r) => r.n_paying, isNumber: true },
        { name: "Red", text: (r) => count(r.n_red), value: (r) => r.n_red, isNumber: true },
        {
          name: "A month",
          text: (r) => shownMoney(r.mrr_minor, release.currency),
          value: (r) => moneyValue(r.mrr_minor, release.currency),
          isNumber: true,
        },
        {
          name: "Score by money",
          text: (r) =>
            r.money_score === null ? "no score" : `${points(r.money_score)} (${percent(r.money_share)} of the money)`,
          value: (r) => r.money_score,
          isNumber: true,
        },
        {
          name: "Worst",
          text: (r) =>
            r.worst_account_id === null
              ? "no score"
              : (html`<span><a href=${accountHref(r.worst_account_id, "accounts/")}>${outside(r.worst_name ?? r.worst_account_id, 40)}</a> ${shownScore(r.worst_score)} ${bandMark(styles, r.worst_band ?? "unknown")}</span>` as Node),
          value: (r) => r.worst_score,
        },
      ],
    }),
    ...issues,
  ];
}

function promoters(data: AccountsData, release: Release): readonly Node[] {
  const known = new Map(data.portfolio.map((account) => [account.account_id, account]));
  const rows = data.promoter.map((answer) => ({
    ...answer,
    name: known.get(answer.account_id)?.name ?? null,
    owner: known.get(answer.account_id)?.owner ?? null,
    mrr_minor: known.get(answer.account_id)?.mrr_minor ?? null,
  }));
  if (rows.length === 0)
    return [html`<p class="empty">No account that pays has answered an NPS survey in the last 365 days.</p>` as Node];
  const n = (kind: string): number => rows.filter((row) => row.kind === kind).length;
  return [
    paragraph(
      say`${count(n("promoter"))} gave 9 or 10, ${count(n("passive"))} 7 or 8 and ${count(n("detractor"))} 0 to 6, in the latest answers of the last 365 days of accounts that pay. Most of those who are asked do not tell what they think: see who answers, below.`,
    ),
    filtered(rows, [{ name: "nps", label: "Answer", all: "all answers", value: (r) => r.kind }], (shown) =>
      tableWithCsv({
        name: "promoters",
        label: "Promoters and detractors",
        rows: shown,
        columns: [
          { name: "Account", text: (r) => accountLink(r, "accounts/"), value: (r) => r.name ?? r.account_id },
          // Many surveys are known by account alone.
          ...(rows.some(({ user_id }) => user_id !== null)
            ? [
                {
                  name: "Person",
                  text: (r: (typeof rows)[number]) => outside(r.user_id, 40),
                  value: (r: (typeof rows)[number]) => r.user_id,
                },
              ]
            : []),
          { name: "Answer", text: (r) => `${points(r.score)}, ${r.kind}`, value: (r) => r.score, isNumber: true },
          { name: "On", text: (r) => shortDate(r.answered_on), value: (r) => r.answered_on },
          {
            name: "A month",
            text: (r) => shownMoney(r.mrr_minor, release.currency),
            value: (r) => moneyValue(r.mrr_minor, release.currency),
            isNumber: true,
          },
          { name: "Owner", text: (r) => outside(r.owner ?? "no owner", 40), value: (r) => r.owner },
        ],
      }),
    ),
  ];
}

function responses(rows: readonly ResponseRate[], release: Release): readonly Node[] {
  if (rows.length === 0)
    return [html`<p class="empty">No survey was asked of ${count(release.min_cell)} accounts or more.</p>` as Node];
  return [
    caption(
      "Of those asked at least 30 days ago, how many answered within 30 days. Intervals 95 %, with accounts as the units.",
    ),
    filtered(
      rows,
      [
        { name: "survey", label: "Survey", all: "all surveys", value: (r) => r.kind, text: kindInWords },
        { name: "by", label: "By", all: "all, campaign and stage", value: (r) => r.by_what },
      ],
      (shown) =>
        tableWithCsv({
          name: "responses",
          label: "Response rates",
          rows: shown,
          columns: [
            { name: "Survey", text: (r) => outside(kindInWords(r.kind), 40), value: (r) => r.kind },
            { name: "By", text: (r) => r.by_what },
            { name: "Part", text: (r) => outside(r.part, 60), value: (r) => r.part },
            { name: "Answered", text: (r) => percent(r.rate), value: (r) => r.rate, isNumber: true },
            {
              name: "95 % interval",
              text: (r) => `${percent(r.rate_low)} to ${percent(r.rate_high)}`,
              value: (r) => `${r.rate_low} to ${r.rate_high}`,
            },
            { name: "Asked", text: (r) => count(r.n_asked), value: (r) => r.n_asked, isNumber: true },
            { name: "Accounts", text: (r) => count(r.n_accounts), value: (r) => r.n_accounts, isNumber: true },
          ],
        }),
    ),
  ];
}
