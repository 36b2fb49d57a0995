import { Listr, ListrLogger, ProcessOutput } from "listr2";
import { type Log, printable, timeLeft } from "../lib/log.ts";

/** Progress for a person: one line a step with how far it is, how long it will take if it takes as long as last time, and how long it took. Everything goes to stderr. */
export function terminalLog(stderr: NodeJS.WriteStream): Log {
  const logger = new ListrLogger({ processOutput: new ProcessOutput(stderr, stderr) });
  let openTask: { output: string } | undefined;
  const say = (message: string): void => {
    if (openTask === undefined) stderr.write(`${printable(message)}\n`);
    else openTask.output = printable(message);
  };
  return {
    info: say,
    warn: (message) => say(`warning: ${message}`),
    async step(title, work, last) {
      let result: Awaited<ReturnType<typeof work>> | undefined;
      const started = performance.now();
      const elapsed = (): number => (performance.now() - started) / 1000;
      const outer = openTask;
      await new Listr(
        [
          {
            title,
            task: async (_context, task) => {
              openTask = task;
              let text = "";
              const show = (): void => {
                const left = timeLeft(last, elapsed());
                task.title = `${title}${text === "" ? "" : `: ${text}`}${left === "" ? "" : ` (${left})`}`;
              };
              show();
              const ticking = setInterval(show, 1000);
              try {
                result = await work((note) => {
                  text = printable(note);
                  show();
                });
              } finally {
                clearInterval(ticking);
              }
              task.title = `${title}${text === "" ? "" : `: ${text}`} (${elapsed().toFixed(1)} s)`;
            },
            rendererOptions: { persistentOutput: true, outputBar: 1 },
          },
        ],
        {
          renderer: "default",
          rendererOptions: { logger, collapseErrors: false, showErrorMessage: false },
          registerSignalListeners: false,
          // Whether stdout is a terminal does not matter: without this, progress would go there when it is not.
          forceTTY: true,
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

/** Progress for machines: one JSON object a line on stderr, a step's when it has ended. */
export function jsonLog(stderr: NodeJS.WritableStream, now: () => Date): Log {
  const write = (level: string, message: string, facts?: Readonly<Record<string, unknown>>): void => {
    stderr.write(`${JSON.stringify({ at: now().toISOString(), level, message, ...facts })}\n`);
  };
  return {
    info: (message, facts) => write("info", message, facts),
    warn: (message, facts) => write("warn", message, facts),
    async step(title, work, last) {
      const started = performance.now();
      let text: string | undefined;
      const result = await work((note) => {
        text = note;
      });
      write("info", title, {
        note: text,
        seconds: round(performance.now() - started),
        last_time_seconds: last === undefined ? undefined : round(1000 * last.step),
      });
      return result;
    },
  };
}

const round = (ms: number): number => Math.round(ms) / 1000;
