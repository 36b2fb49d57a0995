// Several filters in one row, each bound to the address, and below them what the rows that pass are shown as.

import { html } from "htl";
import { addressState, chosen } from "./address.js";
import { count, plural } from "./format.js";
import { distinct, outsideLine } from "./managers.js";

export interface Filter<Row> {
  /** In the address. */
  readonly name: string;
  readonly label: string;
  readonly all: string;
  readonly value: (row: Row) => string | null;
  readonly text?: (value: string) => string;
  readonly none?: string;
}

/** Stands in the address for rows without a value; no export can hold it, because ids of filters never start with a space. */
const noValue = " none";

export function filtered<Row>(
  rows: readonly Row[],
  filters: readonly Filter<Row>[],
  render: (rows: readonly Row[]) => Node,
  /** What a row is ("account"): then how many pass is told to those who do not see it. */
  one?: string,
): HTMLElement {
  const bound = filters
    .map((filter) => ({ filter, values: distinct(rows.map(filter.value)) }))
    .filter(({ values }) => values.length > 1)
    .map(({ filter, values }) => {
      const state = addressState<string>(filter.name, "");
      const select = html`<select>
        <option value="">${filter.all}</option>
        ${values.map((value) =>
          value === null
            ? html`<option value=${noValue}>${filter.none ?? "none"}</option>`
            : html`<option value=${value.slice(0, 200)}>${filter.text?.(value) ?? outsideLine(value, 40)}</option>`,
        )}
      </select>` as HTMLSelectElement;
      select.onchange = () => state.set(select.value);
      return {
        filter,
        state,
        select,
        textOf: (value: string): string =>
          value === noValue ? (filter.none ?? "none") : (filter.text?.(value) ?? outsideLine(value, 40)),
        known: new Set(["", noValue, ...values.flatMap((v) => (v === null ? [] : [v.slice(0, 200)]))]),
      };
    });
  const shown = html`<div></div>` as HTMLElement;
  const said = chosen();
  let last: string | null = null;
  const show = (): void => {
    const wanted = bound.map(({ state, known }) => (known.has(state.get()) ? state.get() : ""));
    const key = JSON.stringify(wanted);
    if (key === last) return;
    last = key;
    for (const [i, { select }] of bound.entries()) select.value = wanted[i] as string;
    const passing = rows.filter((row) =>
      bound.every(({ filter }, i) => {
        if (wanted[i] === "") return true;
        const value = filter.value(row);
        return wanted[i] === noValue ? value === null : value?.slice(0, 200) === wanted[i];
      }),
    );
    shown.replaceChildren(render(passing));
    const words = bound.flatMap(({ filter, textOf }, i) =>
      wanted[i] === "" ? [] : [`${filter.label.toLowerCase()}: ${textOf(wanted[i] as string)}`],
    );
    said.tell(
      words.length === 0
        ? ""
        : `Shown only ${words.join("; ")}${one === undefined ? "" : ` (${count(passing.length)} of ${plural(rows.length, one)})`}.`,
    );
  };
  for (const { state } of bound) state.listen(show, shown);
  show();
  return html`<div><div class="filters">${bound.map(
    ({ filter, select }) => html`<label><span>${filter.label}</span>${select}</label>`,
  )}</div>${said.line}${shown}</div>` as HTMLElement;
}
