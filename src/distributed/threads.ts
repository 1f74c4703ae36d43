import { availableParallelism, cpus } from "node:os";
import type { ProcessPlace } from "./environment.ts";

/**
 * Threads for one of several processes of a machine: its share. Launchers that bind each process to
 * processors of its own, as mpirun does, have made the share already.
 */
export function threadsOfRank(
  { localWorldSize }: Pick<ProcessPlace, "localWorldSize">,
  { available = availableParallelism(), processors = cpus().length } = {},
): number {
  const isBound = available < processors;
  const share = Math.max(1, Math.floor(processors / localWorldSize));
  return isBound ? Math.min(available, share) : share;
}
