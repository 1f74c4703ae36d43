import { type ScdlError, UnsupportedFeatureError } from "../../formats/common/errors.ts";
import type { Executor } from "./executor.ts";
import { outOfMemoryOf } from "./out-of-memory.ts";

export interface PeakMemoryOptions<T> {
  /** One that counts memory: the option `countMemory` of `openExecutor()`. */
  readonly executor: Executor;
  /** Called after each item, whether it fitted or not, before memory is counted anew. */
  readonly cleanup?: () => void | Promise<void>;
  /** Hears of items that did not fit: they are in neither list. */
  readonly onSkipped?: (item: T, error: ScdlError) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Two lists of the same length, in the order of the items that fitted. */
export interface PeakMemory<F> {
  readonly features: readonly F[];
  /** The most that was allocated at a time while the item was worked on, with all that was there before. */
  readonly peakBytes: readonly number[];
}

/**
 * Peaks of a device's memory, item by item: what a model of the memory is fitted to, which then makes
 * batches of a size that fits (`SizeAwareBatchSampler`). BioNeMo's `collect_cuda_peak_alloc`, on every
 * device of the executor `torch`.
 *
 * The first items may take less, or more, than later ones of the same size: moments of an optimizer
 * and workspaces are made by the first step and stay.
 *
 * @param work runs an item and answers what its memory is to be estimated from, e.g. its tokens
 * @throws UnsupportedFeatureError for an executor that does not count; what `work` throws, but for
 *   errors of the code "out-of-memory"
 */
export async function collectPeakMemory<T, F>(
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => F | Promise<F>,
  { executor, cleanup, onSkipped, signal }: PeakMemoryOptions<T>,
): Promise<PeakMemory<F>> {
  const features: F[] = [];
  const peakBytes: number[] = [];
  await peakOf(executor);
  for await (const item of items) {
    signal?.throwIfAborted();
    try {
      const feature = await work(item);
      peakBytes.push(await peakOf(executor));
      features.push(feature);
    } catch (error) {
      const missing = outOfMemoryOf(error);
      if (missing === null) throw error;
      onSkipped?.(item, missing);
    }
    await cleanup?.();
    await peakOf(executor);
  }
  return { features, peakBytes };
}

/** Peak since the last call. */
async function peakOf(executor: Executor): Promise<number> {
  const use = await executor.takeMemoryUse?.();
  if (use !== undefined && use !== null) return use.peakBytes;
  const message = `the executor ${executor.name} does not count its memory`;
  throw new UnsupportedFeatureError("memory", message, {
    suggestions: ['openDevice("cuda", { countMemory: true }), or "torch-cpu"'],
  });
}
