// Runs on every page: puts the search box into the header. Pages are those that the header links to.

import { FileAttachment } from "observablehq:stdlib";
import { type SearchEntry, searchBox } from "./search.js";

const place = document.querySelector("#search");
const book = document.querySelector<HTMLAnchorElement>(".masthead .book");

if (place !== null && book !== null) {
  const root = new URL(".", book.href);
  const pages = [...document.querySelectorAll<HTMLAnchorElement>(".masthead nav a")].map(
    (link): SearchEntry => ({
      title: link.textContent ?? "",
      path: link.href.slice(root.href.length),
      kind: "Page",
      words: link.title,
    }),
  );
  const load = async (): Promise<readonly SearchEntry[]> => [
    ...pages,
    ...((await FileAttachment("../data/search.json").json()) as readonly SearchEntry[]),
  ];
  place.replaceWith(searchBox(load, (path) => new URL(path, root).href));
}
