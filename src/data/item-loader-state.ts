import type { Sampler, SamplerDescription } from "../sampling/sampler.ts";
import { asStateOfRun } from "./longer-run.ts";
import type { LastBatch } from "./shares.ts";
import { assertFormat, assertSame, countIn, SAME_BATCHES } from "./state-checks.ts";

const FORMAT = "scdl-item-loader";
const VERSION = 1;

/** Where an item loader stands, as JSON; the same on every rank. */
export interface ItemLoaderState {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly sampler: SamplerDescription;
  readonly dataset: { readonly length: number; readonly identity: string | null };
  readonly globalBatchSize: number;
  readonly lastBatch: LastBatch;
  readonly epoch: number;
  readonly batch: number;
}

export function makeItemState(state: Omit<ItemLoaderState, "format" | "version">): ItemLoaderState {
  return { format: FORMAT, version: VERSION, ...state };
}

/**
 * Checks a state that was read back against the loader that shall go on.
 * @param expected what the loader's own state says.
 * @param order the loader's sampler and the batches of its epoch: a run may be longer than it was.
 * @throws IncompatibleError for a state of other batches, InvalidArgumentError for anything else.
 */
export function checkItemState(
  found: unknown,
  expected: ItemLoaderState,
  order: { readonly sampler: Sampler; readonly nBatches: number },
): ItemLoaderState {
  assertFormat(found, FORMAT, VERSION);
  const state = asStateOfRun(found, order.sampler, { ...expected, nBatches: order.nBatches });
  const { dataset, sampler, globalBatchSize, lastBatch } = expected;
  assertSame("state-dataset", "another data set", state["dataset"], dataset, [
    "open the data set that the state was made with",
  ]);
  const batches = { globalBatchSize: state["globalBatchSize"], lastBatch: state["lastBatch"] };
  assertSame(
    "state-batches",
    "other batches",
    batches,
    { globalBatchSize, lastBatch },
    SAME_BATCHES,
  );
  assertSame("state-sampler", "another sampler", state["sampler"], sampler, [
    "make the sampler with the same arguments and seed",
  ]);
  return { ...expected, epoch: countIn(state, "epoch"), batch: countIn(state, "batch") };
}
