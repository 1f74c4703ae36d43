import type { ResumableBatches } from "../data/data-module.ts";
import type { TrainableModel } from "../models/model.ts";
import { addSums, type BatchRunner } from "./batch-runner.ts";
import type { Scalars } from "./loggers/logger.ts";
import type { ValidationBatch } from "./trainer-options.ts";

export interface ValidationOptions<B> {
  readonly runner: BatchRunner<B>;
  readonly model: TrainableModel<B>;
  readonly loader: ResumableBatches<B>;
  /** Batches at most. */
  readonly limit: number;
  /** Whether the run was stopped. */
  readonly isCut: () => boolean;
  readonly onBatch?: ((event: Omit<ValidationBatch<B>, "step">) => void) | undefined;
}

/**
 * The metrics of the validation data, each as `val_NAME`; null when it was cut off, for what
 * was seen until then says nothing. The loader stands where it stood: every validation sees the same
 * batches with the same masks.
 */
export async function validate<B>(options: ValidationOptions<B>): Promise<Scalars | null> {
  const { runner, model, loader, limit, isCut, onBatch } = options;
  if (isCut()) return null;
  const begin = loader.state();
  const sums: Record<string, number> = {};
  let [count, batches] = [0, 0];
  try {
    for await (const batch of loader) {
      if (isCut()) return null;
      const found = await runner.evaluate(batch);
      addSums(sums, found.sums);
      count += found.count;
      onBatch?.({ batch, sums: found.sums, count: found.count });
      if (++batches >= limit) break;
    }
  } finally {
    loader.loadState(begin);
  }
  if (batches === 0) return {};
  const metrics = Object.entries(model.reduce(sums, Math.max(count, 1)));
  return Object.fromEntries(metrics.map(([name, value]) => [`val_${name}`, value]));
}
