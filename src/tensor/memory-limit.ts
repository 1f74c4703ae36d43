/** Memory that this process can have, and has left: of the machine, its group of processes, its limits. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";

/** A bound of memory, and whose it is. */
export interface MemoryBound {
  readonly bytes: number;
  /** As the subject of a sentence: "this machine". */
  readonly owner: string;
}

const KIB = 1024;

/** What the process can have at most. */
export function processMemory(): MemoryBound {
  const bounds: MemoryBound[] = [{ bytes: totalmem(), owner: "this machine" }];
  const ofGroup = process.constrainedMemory();
  if (ofGroup > 0) bounds.push({ bytes: ofGroup, owner: "the group of this process" });
  const ofAddresses = addressLimit(textOf("/proc/self/limits"));
  if (ofAddresses !== null) {
    bounds.push({ bytes: ofAddresses, owner: "the address space of this process (ulimit -v)" });
  }
  return bounds.reduce((least, bound) => (bound.bytes < least.bytes ? bound : least));
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
