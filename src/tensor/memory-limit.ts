/** Memory that this process can have, and has left: of the machine, its group of processes, its limits. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";

/** A bound of memory, and whose it is. */
export interface MemoryBound {
  readonly bytes: number;
  /** As the subject of a sentence: "this machine". */
  readonly owner: string;
  /** Alike processes that have it together. Default: this one alone. */
  readonly processes?: number;
}

const KIB = 1024;

/**
 * What the process can have at most.
 * @param processes alike ones on this machine, this one included, that need as much. Default 1
 */
export function processMemory(processes = 1): MemoryBound {
  const bounds: MemoryBound[] = [{ bytes: totalmem(), owner: "this machine", processes }];
  const ofGroup = process.constrainedMemory();
  // Processes of a container, or of a job of Slurm, are in one group.
  if (ofGroup > 0) bounds.push({ bytes: ofGroup, owner: "the group of this process", processes });
  const ofAddresses = addressLimit(textOf("/proc/self/limits"));
  if (ofAddresses !== null) {
    bounds.push({ bytes: ofAddresses, owner: "the address space of this process (ulimit -v)" });
  }
  return narrowest(bounds);
}

/** The bound that leaves each process the least; the first of several. */
export function narrowest([first, ...others]: readonly MemoryBound[]): MemoryBound {
  if (first === undefined) throw new Error("no bounds");
  return others.reduce((least, bound) => (shareOf(bound) < shareOf(least) ? bound : least), first);
}

/** What each of its processes can have. */
export function shareOf({ bytes, processes = 1 }: MemoryBound): number {
  return bytes / processes;
}

/** What the process has left of it. */
export function freeMemory(): number {
  const free = process.availableMemory();
  const limit = addressLimit(textOf("/proc/self/limits"));
  const taken = addressesTaken(textOf("/proc/self/status"));
  return limit === null || taken === null ? free : Math.max(0, Math.min(free, limit - taken));
}

/** Bytes of `ulimit -v` in the text of `/proc/self/limits`; null for none. */
export function addressLimit(limits: string): number | null {
  const [, bytes] = /^Max address space +(\d+)/m.exec(limits) ?? [];
  return bytes === undefined ? null : Number(bytes);
}

/** Bytes of addresses that are taken, in the text of `/proc/self/status`. */
export function addressesTaken(status: string): number | null {
  const [, size] = /^VmSize:\s+(\d+) kB$/m.exec(status) ?? [];
  return size === undefined ? null : Number(size) * KIB;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
