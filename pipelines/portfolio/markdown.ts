/** Other people's strings in Markdown and in file names: they show as they are and do nothing. */
import { sha256 } from "../lib/files.ts";

/** Signs that turn the direction of text, and those that show nothing: a name could pretend to be another one. */
const hidden = /[\p{Cc}\p{Cf}]/gu;

/** Longer texts are cut: a digest is read, not searched. */
const longest = 120;

/** One line of plain text, with whatever Markdown or HTML would read as markup escaped; nothing for null. */
export function markdownText(value: string | null): string {
  if (value === null) return "";
  const line = value.replaceAll(/\s+/g, " ").replaceAll(hidden, "\ufffd").trim();
  const characters = [...line];
  const cut = characters.length > longest ? `${characters.slice(0, longest - 1).join("")}…` : line;
  return cut
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll(/[\\`*_[\]#|~:@!]/g, "\\$&")
    .replaceAll(/\bwww\./gi, (www) => `${www.slice(0, -1)}\\.`);
}

/** A table of cells that are Markdown already. */
export const markdownTable = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const reserved = new Set(["no-owner", "con", "prn", "aux", "nul", "index", "readme"]);

/**
 * The file of an owner's digest: the name in small letters where it is made of letters, digits and dashes, else what is left of it
 * and eight characters of its hash, so that two owners never share a file on any file system. Null: `no-owner.md`.
 */
export function ownerFile(owner: string | null): string {
  if (owner === null) return "no-owner.md";
  const slug = owner
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 60)
    .replace(/-+$/, "");
  const isPlain = slug === owner && !reserved.has(slug) && !/^(com|lpt)\d$/.test(slug);
  return isPlain ? `${slug}.md` : `${slug === "" ? "owner" : slug}-${sha256(owner).slice(0, 8)}.md`;
}
