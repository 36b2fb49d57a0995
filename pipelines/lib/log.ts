/** Where commands report progress. Implementations write to stderr only: stdout carries answers. */
export interface Log {
  /** A line a person may want to see. */
  info(message: string, facts?: Readonly<Record<string, unknown>>): void;
  /** Something that was tolerated and that a person should know. */
  warn(message: string, facts?: Readonly<Record<string, unknown>>): void;
  /** Runs one named piece of work, showing that it runs and how long it took. `note` sets the text beside it. */
  step<T>(title: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>;
}

/** Says nothing: for tests and for commands that only answer. */
export const silentLog: Log = {
  info() {},
  warn() {},
  step: (_title, work) => work(() => {}),
};
