import type { ResumableBatches } from "../data/data-module.ts";
import { askAhead } from "../tensor/ask-ahead.ts";
import { addSums, type BatchRunner } from "./batch-runner.ts";
import type { Scalars } from "./loggers/logger.ts";
import { RankedValues } from "./metrics/ranked-values.ts";
import type { TrainerOptions } from "./trainer-options.ts";

export interface ValidationOptions<B>
  extends Pick<TrainerOptions<B>, "model" | "logger" | "observer"> {
  /** Updates done. */
  readonly step: number;
  /** Batches at most. */
  readonly limit: number;
  /** Those that may be asked for before the sums of the first are there. */
  readonly ahead: number;
  /** Is told of ranks whose part of a batch gave what is not finite, batch by batch. */
  readonly onNotFinite: (ranks: readonly number[]) => void;
  /** Asked before each batch: whether to leave it at that. */
  readonly isCut: () => boolean;
}

/**
 * The metrics of the validation data, each as `val_NAME`, as logger and observer are told; null when it
 * was cut off, for what was seen until then says nothing. The loader stands where it stood: every
 * validation sees the same batches with the same masks.
 */
export async function validate<B>(
  runner: BatchRunner<B>,
  loader: ResumableBatches<B>,
  options: ValidationOptions<B>,
): Promise<Scalars | null> {
  const { model, logger, observer, step, limit, ahead, isCut, onNotFinite } = options;
  if (isCut()) return null;
  const startedAt = performance.now();
  const begin = loader.state();
  const sums: Record<string, number> = {};
  const ranked = new RankedValues();
  let [count, batches, isOff] = [0, 0, false];
  async function* limited(): AsyncGenerator<B, void, undefined> {
    let given = 0;
    for await (const batch of loader) {
      isOff = isCut();
      if (isOff) return;
      yield batch;
      if (++given >= limit) return;
    }
  }
  const ask = (batch: B) => runner.evaluate(batch, ahead);
  try {
    for await (const { item: batch, answer: found } of askAhead(limited(), ask, ahead)) {
      if (isOff) return null;
      addSums(sums, found.sums);
      onNotFinite(found.notFinite);
      count += found.count;
      ranked.add(found.ranked);
      batches++;
      observer?.validatedBatch?.({ step, batch, sums: found.sums, count: found.count });
    }
    if (isOff) return null;
  } finally {
    loader.loadState(begin);
  }
  if (batches === 0) return {};
  const spearman = await runner.spearman(ranked);
  const reduced = {
    ...model.reduce(sums, Math.max(count, 1)),
    ...(spearman === null ? {} : { spearman }),
  };
  const metrics = Object.fromEntries(
    Object.entries(reduced).map(([name, value]) => [`val_${name}`, value]),
  );
  logger?.log(step, { ...metrics, validation_ms: performance.now() - startedAt });
  observer?.validated?.({ step, metrics });
  return metrics;
}
