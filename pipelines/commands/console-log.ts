import { Listr, ListrLogger, ProcessOutput } from "listr2";
import type { Log } from "../lib/log.ts";

/** Progress for a person: one line a step with its time. Everything goes to stderr. */
export function terminalLog(stderr: NodeJS.WriteStream): Log {
  const logger = new ListrLogger({ processOutput: new ProcessOutput(stderr, stderr) });
  let openTask: { output: string } | undefined;
  const say = (message: string): void => {
    if (openTask === undefined) stderr.write(`${message}\n`);
    else openTask.output = message;
  };
  return {
    info: say,
    warn: (message) => {
      if (openTask === undefined) stderr.write(`warning: ${message}\n`);
      else openTask.output = `warning: ${message}`;
    },
    async step(title, work) {
      let result: Awaited<ReturnType<typeof work>> | undefined;
      const started = performance.now();
      const outer = openTask;
      await new Listr(
        [
          {
            title,
            task: async (_context, task) => {
              openTask = task;
              result = await work((text) => {
                task.title = `${title}: ${text}`;
              });
              task.title = `${task.title} (${((performance.now() - started) / 1000).toFixed(1)} s)`;
            },
            rendererOptions: { persistentOutput: true, outputBar: 1 },
          },
        ],
        {
          renderer: "default",
          rendererOptions: { logger, collapseErrors: false, showErrorMessage: false },
          registerSignalListeners: false,
        },
      )
        .run()
        .finally(() => {
          openTask = outer;
        });
      return result as Awaited<ReturnType<typeof work>>;
    },
  };
}

/** Progress for machines: one JSON object a line on stderr. */
export function jsonLog(stderr: NodeJS.WritableStream, now: () => Date): Log {
  const write = (level: string, message: string, facts?: Readonly<Record<string, unknown>>): void => {
    stderr.write(`${JSON.stringify({ at: now().toISOString(), level, message, ...facts })}\n`);
  };
  return {
    info: (message, facts) => write("info", message, facts),
    warn: (message, facts) => write("warn", message, facts),
    async step(title, work) {
      const started = performance.now();
      let text: string | undefined;
      const result = await work((note) => {
        text = note;
      });
      write("info", title, { note: text, seconds: Math.round(performance.now() - started) / 1000 });
      return result;
    },
  };
}
