import { createHash } from "node:crypto";

/** Inline scripts of a page, in order, as the browser hashes them. */
export function inlineScripts(html: string): readonly string[] {
  return [...html.matchAll(/<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/g)].map((match) => match[1] as string);
}

/** Each inline script as a source of a policy. */
export const scriptHashes = (html: string): readonly string[] => [
  ...new Set(inlineScripts(html).map((script) => `sha256-${createHash("sha256").update(script).digest("base64")}`)),
];

/**
 * A policy without outside hosts: own files, and the inline scripts that the page holds at this moment, each by its
 * SHA-256. Styles may be inline because charts set them.
 */
export function contentSecurityPolicy(html: string): string {
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${scriptHashes(html)
      .map((hash) => `'${hash}'`)
      .join(" ")}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'self'",
    "form-action 'none'",
  ].join("; ");
  return `<meta http-equiv="Content-Security-Policy" content="${policy}">`;
}
