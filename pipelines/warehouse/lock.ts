import { mkdir, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { busyError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { Database } from "./database.ts";

/**
 * Holds a state folder for one writer: `lock.duckdb` is open read-write, so the kernel frees it when the process dies,
 * however it dies. `lock.json` only says who; it is never trusted to decide anything.
 * Fails with exit 4 at once when another process holds it.
 */
export async function holdLock(state: string, now: Date): Promise<{ release: () => void }> {
  await mkdir(state, { recursive: true });
  const who = join(state, "lock.json");
  const database = await open(join(state, "lock.duckdb")).catch(async (error: unknown) => {
    if (!isHeld(error)) throw error;
    throw busyError(
      `another refresh holds ${state}: ${await describeHolder(who, String(error))}`,
      "wait until it ends, then run again",
    );
  });
  try {
    await writeFileAtomic(who, `${JSON.stringify({ pid: process.pid, host: hostname(), since: now.toISOString() })}\n`);
  } catch (error) {
    database.close();
    throw error;
  }
  return { release: () => database.close() };
}

/** DuckDB asks the kernel for the lock before it reads a byte: any other complaint means that nobody holds the file. */
const isHeld = (error: unknown): boolean => /could not set lock|conflicting lock/i.test(String(error));

/** The file holds nothing: one that a crash or a full disk cut short is made anew. */
async function open(path: string): Promise<Database> {
  try {
    return await Database.open({ path, threads: 1, allowedDirectories: [] });
  } catch (error) {
    if (!/not a valid DuckDB database|could not read enough bytes|corrupt|checksum/i.test(String(error))) throw error;
    await rm(path, { force: true });
    await rm(`${path}.wal`, { force: true });
    return Database.open({ path, threads: 1, allowedDirectories: [] });
  }
}

async function describeHolder(who: string, error: string): Promise<string> {
  try {
    const { pid, host, since } = JSON.parse(await readFile(who, "utf8")) as Record<string, unknown>;
    return `process ${pid} on ${host} since ${since}`;
  } catch {
    return /PID (\d+)/.exec(error)?.[0] ?? "unknown process";
  }
}
