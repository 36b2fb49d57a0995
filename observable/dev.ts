// npm run site:dev -- [BOOK]: the pages over the current release of a book (the demo when none is named), drawn again
// whenever a page or a component is saved. The data is a copy of the release's; run it again after a refresh.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "../pipelines/lib/files.ts";
import { preparePageData } from "../pipelines/publish/site.ts";

const book = process.argv[2] ?? "demo";
const places = [book, join(projectRoot, "data", book)].map((folder) => join(folder, ".assay", "current"));
const release = places.find((folder) => existsSync(join(folder, "artefacts")));

if (release === undefined) {
  console.error(`no release of ${book}: looked in ${places.join(" and ")}; make one with: npx assay refresh ${book}`);
  process.exitCode = 2;
} else {
  const source = join(projectRoot, "observable", "src");
  await rm(join(source, "data"), { recursive: true, force: true });
  const audience = existsSync(join(release, "site-managers")) ? "managers" : "leadership";
  await preparePageData(source, { artefacts: join(release, "artefacts"), audience });
  const framework = join(projectRoot, "node_modules", "@observablehq", "framework", "dist", "bin", "observable.js");
  spawn(process.execPath, [framework, "preview", "--no-open"], {
    cwd: join(projectRoot, "observable"),
    env: { ...process.env, OBSERVABLE_TELEMETRY_DISABLE: "1" },
    stdio: "inherit",
  });
}
