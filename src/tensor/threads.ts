import { availableParallelism } from "node:os";
import { InvalidArgumentError } from "../../formats/common/errors.ts";

/** Threads beyond this many only take memory; a few more than processors are of use in tests. */
export function mostThreads(processors: number): number {
  return Math.max(16, 4 * processors);
}

/** @throws InvalidArgumentError unless it is a whole number from 1 to what the machine can use */
export function assertThreads(threads: number): void {
  const processors = availableParallelism();
  const most = mostThreads(processors);
  if (Number.isSafeInteger(threads) && threads >= 1 && threads <= most) return;
  const message = `threads: expected a whole number from 1 to ${most}, found ${threads}`;
  throw new InvalidArgumentError("threads", threads, message, {
    suggestions: [`leave it out for as many as this machine has processors: ${processors}`],
  });
}
