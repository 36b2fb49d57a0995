/** Words, numbers and colours that the notebooks share. Nothing here reads data. */
import * as Inputs from "@observablehq/inputs";
import "@observablehq/inputs/dist/index.css";

/** Leavers and stayers, told apart on light and dark paper and by readers who see no red and green. */
export const left = "#d2691e";
export const stayed = "#3b82c4";

export const date = (value) =>
  value === null || value === undefined
    ? "never"
    : value instanceof Date
      ? value.toISOString().slice(0, 10)
      : String(value);

/** 12,345 */
export const count = (value) => (value === null || value === undefined ? "no" : Number(value).toLocaleString("en"));

/** A value with at most so many decimals. */
export const number = (value, digits = 2) =>
  value === null || value === undefined ? "none" : Number(Number(value).toFixed(digits)).toLocaleString("en");

/** .426 as 42.6; 57 in "57 of 100 pairs". */
export const hundred = (value, digits = 1) =>
  value === null || value === undefined ? "none" : (100 * value).toFixed(digits);

/** 95 % interval of a share, in hundredths: 40.9 to 44.4. */
export const interval = (low, high, digits = 1) =>
  low === null || low === undefined ? "no interval" : `${hundred(low, digits)} to ${hundred(high, digits)}`;

/** +7.5, -0.5 */
export const signed = (value, digits = 1) => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(digits)}`;

/** "a, b and c" */
export const list = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;

/** A table to read, not to choose from. `columns`: column to heading. */
export function table(rows, columns = undefined, options = {}) {
  return Inputs.table(rows, {
    select: false,
    // High enough for lines that wrap; longer tables scroll.
    height: rows.length > 12 ? 420 : undefined,
    ...(columns === undefined ? {} : { columns: Object.keys(columns), header: columns }),
    ...options,
  });
}

/** Text to copy: a file or a command. */
export function listing(text) {
  const block = document.createElement("pre");
  block.textContent = text;
  return block;
}

/** A sentence where a chart or table has nothing to show. */
export function nothing(sentence) {
  const paragraph = document.createElement("p");
  paragraph.className = "nothing";
  paragraph.style.fontStyle = "italic";
  paragraph.textContent = sentence;
  return paragraph;
}

/** A command line for the book of this page, as it was named when the page was made: `npx assay verdicts demo`. */
export function command(verb) {
  const book = document.querySelector("meta[name=assay-book]")?.content ?? "BOOK";
  return `npx assay ${verb} ${book}`;
}
