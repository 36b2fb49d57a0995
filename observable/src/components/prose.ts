// Sentences as values: text with the computed parts marked, so that a page can set them in bold and a test can read them.

import { html } from "htl";

export type Sentence = readonly (string | { readonly fact: string })[];

/** Template tag: what is interpolated is a computed fact; a nested sentence joins as it is. */
export function say(strings: TemplateStringsArray, ...values: readonly (string | number | Sentence)[]): Sentence {
  return strings.flatMap((text, i): Sentence => {
    if (i >= values.length) return text === "" ? [] : [text];
    const value = values[i] as string | number | Sentence;
    const inner: Sentence = typeof value === "object" ? value : [{ fact: String(value) }];
    return [text, ...inner];
  });
}

/** The sentence without marks. */
export const plain = (sentence: Sentence): string =>
  sentence.map((part) => (typeof part === "string" ? part : part.fact)).join("");

/** Text nodes only: whatever a label holds is shown, never parsed. A short fact ("7.2 %") is not broken over two lines. */
export const marked = (sentence: Sentence): readonly (string | Node)[] =>
  sentence.map((part) =>
    typeof part === "string"
      ? part
      : (html`<strong class=${part.fact.length <= 20 ? "fact" : ""}>${part.fact}</strong>` as Node),
  );

export const paragraph = (sentence: Sentence, className = ""): HTMLElement =>
  html`<p class=${className}>${marked(sentence)}</p>` as HTMLElement;

/** "red, yellow and green". */
export function list(items: readonly string[]): string {
  if (items.length <= 1) return items[0] ?? "";
  return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}
