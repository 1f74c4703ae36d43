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
 * Whether a process of this machine runs. One that has ended and was not waited for by its parent (a
 * zombie) does not: where nothing waits, as in many containers, it keeps its number for good.
 * @param started as its owner wrote it; what is no text is not compared
 */
export function isRunning(pid: number, started?: unknown): boolean {
  // 0 and below are groups of processes.
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: alive and someone else's, or a zombie of someone else.
    if (!(error instanceof Error) || !("code" in error) || error.code === "ESRCH") return false;
  }
  const found = processStat(pid);
  if (found === null) return true;
  return !hasEnded(found.state) && (typeof started !== "string" || found.started === started);
}

/** States of the kernel: zombie, dead. */
function hasEnded(state: string): boolean {
  return state === "Z" || state === "X" || state === "x";
}

function processStart(pid: number): string | null {
  return processStat(pid)?.started ?? null;
}

/** What Linux says of a process; null for none and on other systems. */
function processStat(pid: number): { readonly state: string; readonly started: string } | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null;
  }
  // The name before the state may have spaces and brackets, what follows has none.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, started] = [fields[0], fields[19]];
  return state === undefined || started === undefined ? null : { state, started };
}
