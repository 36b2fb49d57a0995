import * as Plot from "@observablehq/plot";
import { type BandStyle, styleOf } from "../bands.js";
import { count, money, moneyTick, monthSpan, plural } from "../format.js";
import type { RenewalMonth } from "../rows.js";
import { chartStyle, isNarrow, labelMargin } from "./frame.js";

/** Monthly revenue that comes up for renewal, by month, stacked by the band its accounts stand in now, riskiest first. */
export function renewals(
  data: readonly RenewalMonth[],
  {
    width,
    styles,
    currency,
  }: { readonly width: number; readonly styles: readonly BandStyle[]; readonly currency: string },
): Node {
  const narrow = isNarrow(width);
  const label = (d: RenewalMonth): string => monthSpan(d.from_month, d.to_month, true);
  const order = new Map(styles.map(({ band }, i) => [band, i]));
  const rows = [...data].sort(
    (a, b) => a.from_month.localeCompare(b.from_month) || (order.get(a.band) ?? 99) - (order.get(b.band) ?? 99),
  );
  const labels = [...new Set(rows.map(label))];
  const hasMoney = rows.some(({ mrr_minor }) => mrr_minor > 0);
  const size = (d: RenewalMonth): number => (hasMoney ? d.mrr_minor : d.n_accounts);
  const show = (value: number): string => (hasMoney ? moneyTick(value, currency) : count(value));
  const title = (d: RenewalMonth): string =>
    `${label(d)}\n${styleOf(styles, d.band).name}: ${hasMoney ? `${money(d.mrr_minor, currency)} a month, ` : ""}${plural(d.n_accounts, "account")}`;
  const fill = (d: RenewalMonth): string => styleOf(styles, d.band).colour;
  const value = {
    label: hasMoney ? "Monthly revenue due" : "Accounts due",
    grid: true,
    tickFormat: show,
    ticks: narrow ? 3 : 5,
    zero: true,
    nice: true,
  };
  const months = { domain: labels, label: null, padding: 0.2 };
  return narrow
    ? Plot.plot({
        width,
        height: 56 + 26 * labels.length,
        marginLeft: labelMargin(labels, width),
        marginRight: 24,
        marginBottom: 46,
        style: chartStyle,
        x: { ...value, label: `${value.label} →` },
        y: months,
        marks: [
          Plot.barX(rows, Plot.stackX({ y: label, x: size, fill, order: null, tip: true, title })),
          Plot.ruleX([0]),
        ],
      })
    : Plot.plot({
        width,
        height: 280,
        marginLeft: 56,
        marginBottom: 34,
        style: chartStyle,
        y: { ...value, label: `↑ ${value.label}` },
        x: { ...months, tickRotate: labels.length * 62 > width - 80 ? -35 : 0 },
        marks: [
          Plot.barY(rows, Plot.stackY({ x: label, y: size, fill, order: null, tip: true, title })),
          Plot.ruleY([0]),
        ],
      });
}
