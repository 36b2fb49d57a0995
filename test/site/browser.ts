import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium as playwright } from "playwright-core";

/** Where a browser may already be installed. */
const installed = [
  "/usr/bin/google-chrome",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** CHROME_PATH, an installed Chrome or Chromium, or the one that npm brings for Linux; none is a failed test, never a skipped one. */
export async function openBrowser(): Promise<Browser> {
  const given = process.env.CHROME_PATH;
  const found = given ?? installed.find((path) => existsSync(path));
  if (found !== undefined) return playwright.launch({ executablePath: found, headless: true });
  if (process.platform === "linux" && process.arch === "x64") {
    const { default: packaged } = await import("@sparticuz/chromium");
    // Its own arguments are for functions in a cloud: one process, which ends with its first page, and no web security.
    const unwanted = ["--single-process", "--no-zygote", "--disable-web-security", "--allow-running-insecure-content"];
    const args = packaged.args.filter((arg) => !unwanted.includes(arg));
    return playwright.launch({ executablePath: await packaged.executablePath(), args, headless: true });
  }
  throw new Error("no browser found: install Chrome or Chromium, or set CHROME_PATH to its executable");
}

export const axeSource: string = readFileSync(
  join(import.meta.dirname, "..", "..", "node_modules", "axe-core", "axe.min.js"),
  "utf8",
);
