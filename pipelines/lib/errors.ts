/** An error that the user can act on: one sentence, lower case, what and where, the value last. */
export class AssayError extends Error {
  readonly exitCode: 2 | 3 | 4 | 5;
  readonly hint: string | undefined;
  constructor(exitCode: 2 | 3 | 4 | 5, message: string, hint?: string) {
    super(message);
    this.name = "AssayError";
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** Exit 2: wrong use of the command line or a wrong configuration file. */
export const usageError = (message: string, hint?: string): AssayError => new AssayError(2, message, hint);

/** Exit 3: data refused by a contract, an audit or freshness. */
export const refusedError = (message: string, hint?: string): AssayError => new AssayError(3, message, hint);

/**
 * What the machine would not do (a full disk, a folder that may not be written, too little memory) and files of ours that
 * something else damaged, as errors that a person can act on. Null for everything else: that is a bug.
 */
export function machineError(error: unknown): AssayError | null {
  if (error instanceof AssayError) return error;
  const { code, path, dest } = (error ?? {}) as Readonly<Record<"code" | "path" | "dest", unknown>>;
  const text = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
  // Of a copy it is the target that has no room.
  const at = code === "ENOSPC" && typeof dest === "string" ? dest : path;
  const where =
    typeof at === "string" ? `: ${at}` : (/['"]([^'"]*\/[^'"]+)['"]/.exec(text)?.[1] ?? "").replace(/^(?=.)/, ": ");
  if (code === "ENOSPC" || code === "EDQUOT" || /no space left|disk quota|max_temp_directory_size/i.test(text))
    return usageError(
      `the disk is full${where}`,
      "free some space (or inodes: df -i) or choose another folder (--state, for temporary files TMPDIR), then run again",
    );
  if (code === "EROFS" || /read-only file system/i.test(text))
    return usageError(`a folder is read-only${where}`, "choose another folder with --state");
  if (code === "EACCES" || code === "EPERM" || /permission denied/i.test(text))
    return usageError(
      `no permission${where}`,
      "give the user of this job the right to it; for the state, --state chooses another folder",
    );
  if (code === "ENOTDIR" || code === "EEXIST" || /not a directory/i.test(text))
    return usageError(`a file stands where a folder is needed${where}`, "choose another folder with --state");
  if (code === "EISDIR")
    return usageError(`a folder stands where a file is needed${where}`, "move it away, then run again");
  if (code === "EIO" || code === "ESTALE" || /input\/output error|stale file handle/i.test(text))
    return usageError(`the disk failed${where}`);
  if (code === "EMFILE" || code === "ENFILE" || /too many open files/i.test(text))
    return usageError("too many files are open", "raise the limit with ulimit -n");
  if (code === "EFBIG" || /file too large/i.test(text))
    return usageError(`a file may not grow any larger${where}`, "raise the limit of the user's files with ulimit -f");
  const used = /\(([^()]+\/[^()]+ used)\)/.exec(text)?.[1];
  if (/^out of memory error/i.test(text) && used !== undefined)
    return usageError(
      `out of memory: the work needs more than memory_limit allows, ${used}`,
      "raise memory_limit in assay.yaml (without it, four fifths of the machine's memory), or lower threads",
    );
  const isOfNode = (error instanceof RangeError || /^rangeerror\b/i.test(text)) && /out of memory/i.test(text);
  if (code === "ENOMEM" || isOfNode || /^out of memory error/i.test(text))
    return usageError(
      "out of memory: the machine does not give what the work asks for",
      "give the job more (ulimit -v, the limit of its container, the machine's memory), or lower memory_limit and threads in assay.yaml",
    );
  if (/\/releases\/.*warehouse\.duckdb/.test(where))
    return refusedError(
      `a release is damaged or gone${where}`,
      "refresh builds it again; until then 'npx assay rollback BOOK' goes to one that is whole",
    );
  if (/\/store\//.test(where)) return storeDamageError(where.slice(2));
  return null;
}

const storeDamage = "a file of the store is damaged or gone";

/** The error of whoever finds a file of the store damaged; `hint`: where it cannot be made again. */
export const storeDamageError = (
  path: string,
  hint = "the next refresh makes it again, as long as its export is there",
): AssayError => refusedError(`${storeDamage}: ${path}`, hint);

/** The file of the store that an error says is damaged; null for any other error. */
export function damagedStoreFile(error: unknown): string | null {
  const { message = "" } = machineError(error) ?? {};
  return message.startsWith(`${storeDamage}: `) ? message.slice(storeDamage.length + 2) : null;
}

/** Exit 4: another process holds the book. */
export const busyError = (message: string, hint?: string): AssayError => new AssayError(4, message, hint);

/** Exit 5: a guard rail of `diff`, `audit`, `status` or `backtest`. */
export const guardRailError = (message: string, hint?: string): AssayError => new AssayError(5, message, hint);
