/** Where commands report progress. Implementations write to stderr only: stdout carries answers. */
export interface Log {
  /** A line a person may want to see. */
  info(message: string, facts?: Readonly<Record<string, unknown>>): void;
  /** Something that was tolerated and that a person should know. */
  warn(message: string, facts?: Readonly<Record<string, unknown>>): void;
  /** Runs one named piece of work, showing that it runs and how long it took. `note` sets the text beside it. */
  step<T>(title: string, work: (note: (text: string) => void) => Promise<T>, last?: LastTime): Promise<T>;
}

/** What the run before took, in seconds: all that is known of how long this one will. */
export interface LastTime {
  /** For the same step. */
  readonly step: number;
  /** For the steps that have not begun yet. */
  readonly after: number;
}

/**
 * A text that came from elsewhere (the name of a file, a value), as a terminal or a log may have it: what would move the cursor, colour,
 * hide or turn round what stands beside it is written out (`\u001b`), and so is a line break unless `lines` are wanted.
 */
export const printable = (text: string, { lines = false } = {}): string =>
  text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (letter) =>
      lines && (letter === "\n" || letter === "\t")
        ? letter
        : `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** Says nothing: for tests and for commands that only answer. */
export const silentLog: Log = {
  info() {},
  warn() {},
  step: (_title, work) => work(() => {}),
};

/**
 * `about 40 s left, 3 min in all`, by what the same steps took last time; a step that takes longer than it did says so. Steps of less than
 * three seconds are over before anybody reads how long they take. Empty without a last time.
 */
export function timeLeft(last: LastTime | undefined, elapsed: number): string {
  if (last === undefined) return "";
  const left = last.step - elapsed;
  const all = last.after < 3 ? "" : roughly(Math.max(0, left) + last.after);
  if (left < -3 && elapsed > 1.2 * last.step) {
    const longer = `longer than the ${roughly(last.step)} of last time`;
    return all === "" ? longer : `${longer}; about ${all} left in all`;
  }
  if (last.step >= 3 && left >= 1) return `about ${roughly(left)} left${all === "" ? "" : `, ${all} in all`}`;
  return all === "" ? "" : `about ${all} left in all`;
}

/** Rounded as a person would: 7 s, 40 s, 3 min. */
function roughly(seconds: number): string {
  if (seconds < 10) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90) return `${Math.round(seconds / 5) * 5} s`;
  return `${Math.round(seconds / 60)} min`;
}
