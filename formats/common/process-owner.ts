/** Which process a file or folder belongs to, and whether that one still runs. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** A process, told from a later one of the same number; kept as JSON. */
export interface ProcessOwner {
  readonly pid: number;
  readonly host: string;
  /** Start time in clock ticks, where the system says it. */
  readonly started: string | null;
}

export function thisProcess(): ProcessOwner {
  return { pid: process.pid, host: hostname(), started: processStart(process.pid) };
}

/**
 * Whether a process of this machine runs.
 * @param started as its owner wrote it; what is no text is not compared
 */
export function isRunning(pid: number, started: unknown): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: alive and someone else's.
    return error instanceof Error && "code" in error && error.code !== "ESRCH";
  }
  const found = processStart(pid);
  return typeof started !== "string" || found === null || started === found;
}

function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
