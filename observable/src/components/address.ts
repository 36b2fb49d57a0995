// What a reader has chosen on a page lives in its address: a link shows the next reader the same, and nothing is stored.
//
//   addressState(name, initial, allowed?) -> { get, set, listen }     one value of the query, "?name=value"
//   choice({ label, state, options, render }) -> HTMLElement          a labelled select bound to it, and what it shows
//   chosen() -> { line, tell }                                        what is chosen in words: for paper and for those who hear

import { html } from "htl";

export interface AddressState<Value extends string = string> {
  readonly get: () => Value;
  readonly set: (value: Value) => void;
  /**
   * Called when the value may have changed: by `set`, by another control of the same name, by going back; until `part`,
   * which shows the value, has been taken off the page.
   */
  readonly listen: (changed: () => void, part: Node) => void;
}

/** Nobody types more into a filter; a longer value in a link is not a filter. */
const longest = 200;
const changedEvent = "assay-address";

/** The value in a query (`?a=b`): `initial` when it is absent, too long or not among `allowed`. */
export function readAddress<Value extends string>(
  query: string,
  name: string,
  initial: Value,
  allowed?: readonly Value[],
): Value {
  const value = new URLSearchParams(query).get(name);
  if (value === null || value.length > longest) return initial;
  return allowed === undefined || allowed.includes(value as Value) ? (value as Value) : initial;
}

/** The query with one value set; the initial value is not written, so that an untouched page has a plain address. */
export function writeAddress(query: string, name: string, value: string, initial: string): string {
  const values = new URLSearchParams(query);
  if (value === initial) values.delete(name);
  else values.set(name, value.slice(0, longest));
  const text = values.toString();
  return text === "" ? "" : `?${text}`;
}

/** One value of the page's address. It is text from outside: compare it, show it as text, never more. */
export function addressState<Value extends string>(
  name: string,
  initial: Value,
  allowed?: readonly Value[],
): AddressState<Value> {
  return {
    get: () => readAddress(location.search, name, initial, allowed),
    set: (value) => {
      const query = writeAddress(location.search, name, value, initial);
      history.replaceState(history.state, "", `${location.pathname}${query}${location.hash}`);
      window.dispatchEvent(new Event(changedEvent));
    },
    listen: (changed, part) => {
      const events = [changedEvent, "popstate"] as const;
      const heard = (): void => {
        if (part.isConnected) changed();
        else for (const event of events) window.removeEventListener(event, heard);
      };
      for (const event of events) window.addEventListener(event, heard);
    },
  };
}

/**
 * What a reader has chosen, in words: printed, where controls are not, and told to those who do not see a list change. The first
 * words are those of the page as it came, which nobody is interrupted with.
 */
export function chosen(): { readonly line: HTMLElement; readonly tell: (words: string) => void } {
  const line = html`<p role="status"></p>` as HTMLElement;
  let isFirst = true;
  return {
    line,
    tell: (words) => {
      line.className = words === "" ? "only-spoken" : "chosen";
      line.textContent = words === "" && !isFirst ? "Everything is shown." : words;
      isFirst = false;
    },
  };
}

/** A labelled select whose value lives in the address, and below it what `render` makes of the value. */
export function choice<Value extends string>(options: {
  readonly label: string;
  readonly state: AddressState<Value>;
  readonly options: readonly { readonly value: Value; readonly text: string }[];
  readonly render: (value: Value) => Node | string;
}): HTMLElement {
  const { label, state, render } = options;
  const select = html`<select>${options.options.map(
    ({ value, text }) => html`<option value=${value}>${text}</option>`,
  )}</select>` as HTMLSelectElement;
  const shown = html`<div></div>` as HTMLElement;
  const said = chosen();
  let last: Value | null = null;
  const show = (): void => {
    const value = state.get();
    if (value === last) return;
    last = value;
    select.value = value;
    shown.replaceChildren(render(value));
    said.tell(`${label}: ${options.options.find((option) => option.value === value)?.text ?? value}.`);
  };
  select.onchange = () => state.set(select.value as Value);
  state.listen(show, shown);
  show();
  return html`<div class="choice"><label><span>${label}</span>${select}</label>${said.line}${shown}</div>` as HTMLElement;
}
