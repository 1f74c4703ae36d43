import { AssertionError } from "node:assert";
import type { EpochIndex } from "../sampling/multi-epoch-dataset.ts";
import { assertElementsEqual } from "./elements-equal.ts";

/** An item's number, or its epoch and number: whatever the data set is asked with. */
export type DatasetIndex = number | EpochIndex;

/** `MultiEpochDataset` or `SizedDataset`; items may be promises. */
export interface IndexedDataset<I extends DatasetIndex = DatasetIndex> {
  readonly length: number;
  at(index: I): unknown;
}

type Compare = (actual: unknown, expected: unknown) => void;

/** The same index gave different items. */
export class DatasetLocallyNondeterministic extends AssertionError {}

/** An item was made with a generator that every process seeds for itself. */
export class DatasetDistributedNondeterministic extends AssertionError {}

/**
 * Asserts what a loader, and ranks that share batches, rely on (`assert_dataset_compatible_with_megatron`):
 * the data set has an item, the same index gives the same item again, the item is made without
 * `Math.random`, and can be sent to another thread.
 * @param assertEqual throws unless two items hold the same. Default {@link assertElementsEqual}.
 * @throws AssertionError, DatasetLocallyNondeterministic, DatasetDistributedNondeterministic.
 */
export async function assertDatasetDeterministic<I extends DatasetIndex>(
  dataset: IndexedDataset<I>,
  index: I,
  assertEqual: Compare = assertElementsEqual,
): Promise<void> {
  if (!(dataset.length > 0)) {
    throw new AssertionError({ message: "Need one element or more to test" });
  }
  const first = await dataset.at(index);
  // A data set that reuses its memory would else be compared with itself.
  const kept = cloned(first, index);
  const { item: second, calls } = await withCountedRandom(() => dataset.at(index));
  try {
    assertEqual(second, kept);
  } catch (cause) {
    const message = `item ${describe(index)} is not the same when it is asked for again: ${textOf(cause)}`;
    throw new DatasetLocallyNondeterministic({ message, actual: second, expected: kept });
  }
  if (calls === 0) return;
  throw new DatasetDistributedNondeterministic({
    message: `item ${describe(index)} is made with Math.random, which differs in every process: derive a generator from (seed, epoch, index), e.g. defaultRng([seed, epoch, idx])`,
    actual: calls,
    expected: 0,
  });
}

/**
 * Asserts that a data set with augmentation gives different items for two indices of one sample, e.g.
 * (epoch 0, idx 0) and (epoch 1, idx 0), each of them deterministic
 * (`assert_dataset_elements_not_equal`). Not for data sets without randomness.
 * @throws as {@link assertDatasetDeterministic}; AssertionError when the items are equal.
 */
export async function assertDatasetElementsNotEqual<I extends DatasetIndex>(
  dataset: IndexedDataset<I>,
  indexA: I,
  indexB: I,
  assertEqual: Compare = assertElementsEqual,
): Promise<void> {
  await assertDatasetDeterministic(dataset, indexA, assertEqual);
  await assertDatasetDeterministic(dataset, indexB, assertEqual);
  const a = cloned(await dataset.at(indexA), indexA);
  const b = await dataset.at(indexB);
  try {
    assertEqual(a, b);
  } catch (error) {
    if (error instanceof AssertionError || (error as Error)?.name === "AssertionError") return;
    throw error;
  }
  const message = `items ${describe(indexA)} and ${describe(indexB)} are equal, expected different ones`;
  throw new AssertionError({ message, actual: a, expected: b });
}

async function withCountedRandom(
  make: () => unknown,
): Promise<{ readonly item: unknown; readonly calls: number }> {
  const original = Math.random;
  let calls = 0;
  Math.random = () => {
    calls++;
    return original();
  };
  try {
    const item = await make();
    return { item, calls };
  } finally {
    Math.random = original;
  }
}

function cloned(item: unknown, index: DatasetIndex): unknown {
  try {
    return structuredClone(item);
  } catch (cause) {
    const message = `item ${describe(index)} cannot be sent to another thread: ${textOf(cause)}`;
    throw new AssertionError({ message, actual: item });
  }
}

function describe(index: DatasetIndex): string {
  return typeof index === "number" ? `${index}` : `(epoch ${index.epoch}, idx ${index.idx})`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
