#!/usr/bin/env node
// The bin: brings the notebooks' own packages at first use, registers tsx and runs the TypeScript.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const folder = import.meta.dirname;
if (!existsSync(join(folder, "node_modules", ".package-lock.json"))) {
  process.stderr.write("notebooks: first use, installing their own packages (npm ci in notebooks/)\n");
  const { status } = spawnSync("npm", ["ci"], {
    cwd: folder,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    process.stderr.write(
      "assay: the notebooks' own packages are missing, and npm ci failed in notebooks/\n" +
        "  hint: with a connection to your npm registry, run 'npm ci --prefix notebooks' once; after that no network is needed\n",
    );
    process.exit(2);
  }
}
const { register } = await import("tsx/esm/api");
register();
await import("./tool/cli.ts");
