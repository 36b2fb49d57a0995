// Search over pages, KPIs, scorecards and, in the managers' site, accounts: an index of the release, no network.

import { html } from "htl";

export interface SearchEntry {
  readonly title: string;
  /** Address from the site's root. */
  readonly path: string;
  /** Page, KPI, Scorecard or Account. */
  readonly kind: string;
  /** More words by which it is found. */
  readonly words: string;
}

const most = 8;
const plainText = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/**
 * The entries that hold every word of the query, best first: a title that begins with it, a word of the title that
 * does, anywhere in the title, anywhere else; ties as in the index. Accents and case do not count.
 */
export function findEntries(entries: readonly SearchEntry[], query: string): readonly SearchEntry[] {
  const words = plainText(query).split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const rankOf = ({ title, words: more }: SearchEntry): number => {
    const name = plainText(title);
    if (name.startsWith(words.join(" "))) return 0;
    const inName = words.every((word) => name.includes(word));
    if (inName)
      return words.every((word) => name.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(word))) ? 1 : 2;
    const all = `${name} ${plainText(more)}`;
    return words.every((word) => all.includes(word)) ? 3 : 4;
  };
  return entries
    .map((entry) => ({ entry, rank: rankOf(entry) }))
    .filter(({ rank }) => rank < 4)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map(({ entry }) => entry);
}

/** A search box: arrows walk the results, Enter follows the first, Escape closes; "/" anywhere on the page goes to it. */
export function searchBox(
  load: () => Promise<readonly SearchEntry[]>,
  addressOf: (path: string) => string,
): HTMLElement {
  const input =
    html`<input type="search" placeholder="Search" aria-label="Search this report" autocomplete="off" aria-keyshortcuts="/">` as HTMLInputElement;
  const results = html`<ol class="search-results" hidden></ol>` as HTMLElement;
  const said = html`<span class="only-spoken" role="status"></span>` as HTMLElement;
  const form = html`<form class="search" role="search">${input}${said}${results}</form>` as HTMLFormElement;
  let entries: readonly SearchEntry[] | null = null;
  let loading: Promise<readonly SearchEntry[]> | null = null;
  const links = (): readonly HTMLAnchorElement[] => [...results.querySelectorAll("a")];
  const show = async (): Promise<void> => {
    if (input.value.trim() !== "" && entries === null) {
      loading ??= load().finally(() => {
        loading = null;
      });
      entries = await loading;
    }
    // Read after the index has come: what was typed meanwhile counts.
    const query = input.value.trim();
    const found = findEntries(entries ?? [], query);
    results.hidden = query === "";
    results.replaceChildren(
      ...(found.length === 0
        ? [html`<li class="none">Nothing found. Pages, KPIs and scorecards are searched by name.</li>` as Node]
        : found.map(
            ({ title, path, kind }) =>
              html`<li><a href=${addressOf(path)}><span>${title}</span> <span class="kind">${kind}</span></a></li>` as Node,
          )),
    );
    said.textContent = query === "" ? "" : `${found.length} found`;
  };
  input.oninput = show;
  form.onsubmit = async (event) => {
    event.preventDefault();
    await show();
    links()[0]?.click();
  };
  form.onkeydown = (event) => {
    if (event.key === "Escape") {
      // Coming back to the box shows what was found: closed after that.
      input.focus();
      results.hidden = true;
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const all: readonly HTMLElement[] = [input, ...links()];
    const place = all.indexOf(document.activeElement as HTMLElement) + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    all[Math.min(Math.max(place, 0), all.length - 1)]?.focus();
  };
  form.addEventListener("focusout", ({ relatedTarget }) => {
    if (!form.contains(relatedTarget as Node | null)) results.hidden = true;
  });
  input.onfocus = () => {
    results.hidden = input.value.trim() === "";
  };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.closest("input, select, textarea") !== null;
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    input.focus();
  });
  return form;
}
