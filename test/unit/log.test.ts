import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { stopwatch } from "../../pipelines/commands/build.ts";
import { jsonLog, terminalLog } from "../../pipelines/commands/console-log.ts";
import { type LastTime, type Log, timeLeft } from "../../pipelines/lib/log.ts";

test("time left is what the same steps took last time, rounded, and silent about what nobody waits for", () => {
  const left = (step: number, after: number, elapsed: number) => timeLeft({ step, after }, elapsed);
  expect(timeLeft(undefined, 5)).toBe("");
  expect(left(50, 0, 8)).toBe("about 40 s left");
  expect(left(50, 140, 8)).toBe("about 40 s left, 3 min in all");
  expect(left(9, 0, 3.2)).toBe("about 6 s left");
  expect(left(0.4, 0, 0)).toBe("");
  expect(left(0.4, 120, 0)).toBe("about 2 min left in all");
  expect(left(50, 0, 49.5)).toBe("");
  expect(left(50, 0, 70)).toBe("longer than the 50 s of last time");
  expect(left(50, 30, 70)).toBe("longer than the 50 s of last time; about 30 s left in all");
});

test("a stopwatch tells each step what it took last time and what comes after it, and nothing at a first run", async () => {
  const told: (LastTime | undefined)[] = [];
  const log: Log = {
    info() {},
    warn() {},
    step: (_title, work, last) => {
      told.push(last);
      return work(() => {});
    },
  };
  const watch = stopwatch(log, { load: 5, stage: 7, site: 11 });
  for (const step of ["load", "stage", "new step", "site"]) await watch.timed(step, async () => {});
  expect(told).toEqual([{ step: 5, after: 18 }, { step: 7, after: 11 }, undefined, { step: 11, after: 0 }]);
  expect(Object.keys(watch.seconds)).toEqual(["load", "stage", "new step", "site"]);
  await stopwatch(log).timed("load", async () => {});
  expect(told.at(-1)).toBeUndefined();
});

/** What a log wrote while it did one step. */
async function written(make: (stream: NodeJS.WriteStream) => Log): Promise<string> {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const log = make(Object.assign(stream, { isTTY: true, columns: 120, rows: 40 }) as unknown as NodeJS.WriteStream);
  const answer = await log.step(
    "features",
    async (note) => {
      note("3 of 12 models");
      log.info("a line");
      await new Promise((resolve) => setTimeout(resolve, 300));
      note("12 models");
      return 7;
    },
    { step: 40, after: 100 },
  );
  expect(answer).toBe(7);
  return Buffer.concat(chunks).toString("utf8");
}

test("a terminal sees how far a step is and what is left, and how long it took", async () => {
  const text = await written(terminalLog);
  expect(text).toMatch(/features: 3 of 12 models \(about 40 s left, 2 min in all\)/);
  expect(text).toMatch(/features: 12 models \(\d+\.\d s\)/);
});

test("a job's log is one JSON object a line", async () => {
  const lines = (await written((stream) => jsonLog(stream, () => new Date("2026-01-01T00:00:00Z")))).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { at: "2026-01-01T00:00:00.000Z", level: "info", message: "a line" },
    {
      at: "2026-01-01T00:00:00.000Z",
      level: "info",
      message: "features",
      note: "12 models",
      seconds: expect.any(Number),
      last_time_seconds: 40,
    },
  ]);
});
