import { setImmediate } from "node:timers/promises";
import { InvalidArgumentError, ScdlError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  aNumber,
  aSignal,
  checkOptions,
  type OptionKinds,
  shown,
} from "../../formats/common/options.ts";
import { sharedTurn } from "../../formats/common/turn.ts";
import { PLACE_EXTRAS, PLACE_KINDS, placeOf } from "../distributed/place.ts";
import type { EpochIndex, MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";
import type { Sampler } from "../sampling/sampler.ts";
import type { ResumableBatches } from "./data-module.ts";
import { checkItemState, type ItemLoaderState, makeItemState } from "./item-loader-state.ts";
import type { LoaderPosition } from "./loader.ts";
import { LoaderError } from "./loader-error.ts";
import { assertNotAllDropped, Shares } from "./shares.ts";

/** Which items a batch holds. */
export interface ItemBatchInfo {
  readonly epoch: number;
  /** Number of the global batch inside the epoch. */
  readonly batch: number;
  /** [items] number in the data set of each item, in the sampler's order. */
  readonly rows: Float64Array;
  /** Items at the end that only fill the last batch up; leave them out of metrics. */
  readonly padding: number;
}

export interface ItemLoaderOptions<T, B> {
  /** Makes a batch of its items, which are its own. Give this or `makeBatch`. */
  readonly collate?: (items: readonly T[], info: ItemBatchInfo) => B | Promise<B>;
  /**
   * Makes a batch of the indices of its items, for a data set that has a faster way than one item
   * after the other. Must give what `collate` would.
   */
  readonly makeBatch?: (indices: readonly EpochIndex[], info: ItemBatchInfo) => B | Promise<B>;
  /** Items of a batch of this rank. Give this or `globalBatchSize`. */
  readonly batchSize?: number | undefined;
  /** Items of a batch of all ranks together, a multiple of `worldSize`; see `LoaderOptions`. */
  readonly globalBatchSize?: number | undefined;
  /** Give both or none; see `processPlace()`. Default 0 of 1. */
  readonly rank?: number | undefined;
  readonly worldSize?: number | undefined;
  /** Leaves out the last global batch of an epoch when it is not full. Default false. */
  readonly dropLast?: boolean | undefined;
  /** Fills it up with the first items of the epoch instead. Default false. */
  readonly padLast?: boolean | undefined;
  /**
   * Batches made ahead, in the calling thread, while the program waits for something else: a step on
   * a device or in another thread. Default 1; 0 makes a batch when it is asked for.
   */
  readonly prefetch?: number | undefined;
  /** Ends iteration with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const ITEM_LOADER_KINDS: OptionKinds<ItemLoaderOptions<unknown, unknown>> = {
  collate: aFunction,
  makeBatch: aFunction,
  batchSize: aNumber,
  globalBatchSize: aNumber,
  ...PLACE_KINDS,
  dropLast: aBoolean,
  padLast: aBoolean,
  prefetch: aNumber,
  signal: aSignal,
};

/**
 * Batches of a data set whose items are asked for one by one, by epoch and number, in the order of a
 * sampler: what `Loader` is for matrix rows, with the same promises. What a batch holds depends on the
 * data set, the sampler, the epoch and the global batch size alone, and a state goes on at any number
 * of ranks.
 *
 *     const loader = new ItemLoader(proteins, new ShuffledSampler(proteins.length), {
 *       batchSize: 32,
 *       collate: (items) => bertPaddingCollate(items, { paddingValue: 1 }),
 *     });
 *     for await (const batch of loader) step(batch);
 *
 * One `for await` goes to the end of the epoch; a loop left early leaves the loader at the next batch.
 */
export class ItemLoader<T, B> implements ResumableBatches<B> {
  /** Batches of an epoch, the same on every rank. */
  readonly nBatches: number;
  readonly globalBatchSize: number;
  readonly #dataset: MultiEpochDataset<T | Promise<T>>;
  readonly #sampler: Sampler;
  readonly #options: ItemLoaderOptions<T, B>;
  readonly #shares: Shares;
  readonly #ahead: number;
  #epoch = 0;
  #batch = 0;
  #isIterating = false;
  #isClosed = false;

  /** Makes no item yet. The data set stays the caller's. @throws InvalidArgumentError */
  constructor(
    dataset: MultiEpochDataset<T | Promise<T>>,
    sampler: Sampler,
    options: ItemLoaderOptions<T, B>,
  ) {
    checkOptions<object>("ItemLoader", options, ITEM_LOADER_KINDS, { ignored: PLACE_EXTRAS });
    assertItems(dataset, sampler);
    const { dropLast = false, padLast = false, prefetch = 1 } = options;
    if (sampler.nRows !== dataset.length) {
      throw new InvalidArgumentError(
        "sampler",
        sampler.nRows,
        `the sampler orders ${sampler.nRows} items, the data set has ${dataset.length}`,
      );
    }
    if (dropLast && padLast) {
      throw new InvalidArgumentError("padLast", padLast, "choose dropLast or padLast, not both");
    }
    if ((options.collate === undefined) === (options.makeBatch === undefined)) {
      throw new InvalidArgumentError("collate", options.collate, "give collate or makeBatch");
    }
    const { rank, worldSize, globalBatchSize } = division(options);
    this.#dataset = dataset;
    this.#sampler = sampler;
    this.#options = options;
    this.#ahead = count("prefetch", prefetch, 0);
    this.#shares = new Shares({
      length: sampler.length,
      globalBatchSize,
      lastBatch: dropLast ? "drop" : padLast ? "pad" : "keep",
      rank,
      worldSize,
    });
    this.globalBatchSize = globalBatchSize;
    this.nBatches = this.#shares.nBatches;
    assertNotAllDropped(this.#shares);
  }

  /** What iterating gives next. */
  get position(): LoaderPosition {
    return this.#batch >= this.nBatches && this.nBatches > 0
      ? { epoch: this.#epoch + 1, batch: 0 }
      : { epoch: this.#epoch, batch: this.#batch };
  }

  /** Goes to a batch of any epoch. @throws InvalidArgumentError, LoaderError "loader-busy". */
  seek(epoch: number, batch = 0): void {
    this.#assertIdle();
    count("epoch", epoch, 0);
    if (count("batch", batch, 0) > this.nBatches) {
      throw new InvalidArgumentError(
        "batch",
        batch,
        `batch ${batch} does not exist: an epoch has ${this.nBatches}`,
      );
    }
    this.#epoch = epoch;
    this.#batch = batch;
  }

  state(): ItemLoaderState {
    const { length, identity = null } = this.#dataset;
    return makeItemState({
      sampler: this.#sampler.describe(),
      dataset: { length, identity },
      globalBatchSize: this.globalBatchSize,
      lastBatch: this.#shares.lastBatch,
      ...this.position,
    });
  }

  /**
   * Goes on where another loader stood, at any number of ranks; that of a run (`RunSampler`) also in a
   * longer run.
   * @throws IncompatibleError for a state of other data, sampler, global batch size or version,
   *   InvalidArgumentError for anything else, LoaderError "loader-busy".
   */
  loadState(state: unknown): void {
    this.#assertIdle();
    const { epoch, batch } = checkItemState(state, this.state(), {
      sampler: this.#sampler,
      nBatches: this.nBatches,
    });
    this.seek(epoch, batch);
  }

  /** The batches from {@link position} to the end of its epoch. */
  async *[Symbol.asyncIterator](): AsyncGenerator<B, void, undefined> {
    this.#assertIdle();
    this.#isIterating = true;
    const { signal } = this.#options;
    const pending: Promise<B>[] = [];
    try {
      ({ epoch: this.#epoch, batch: this.#batch } = this.position);
      let next = this.#batch;
      for (;;) {
        while (pending.length <= this.#ahead && next < this.nBatches) {
          pending.push(this.#make(this.#epoch, next++, pending.length > 0));
        }
        signal?.throwIfAborted();
        const made = pending.shift();
        if (made === undefined) break;
        const batch = await made;
        // Items of memory come without waiting: timers, signals and sockets would wait for the last.
        if (sharedTurn.isOver) await sharedTurn.pass();
        if (this.#isClosed) throw new LoaderError("closed", "the loader was closed");
        signal?.throwIfAborted();
        this.#batch++;
        yield batch;
      }
      this.#epoch++;
      this.#batch = 0;
    } finally {
      this.#isIterating = false;
    }
  }

  /** Iteration in progress rejects at its next batch; idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #make(epoch: number, batch: number, isAhead: boolean): Promise<B> {
    const made = this.#makeNow(epoch, batch, isAhead);
    // An error of a batch made ahead is told when its turn comes, and to nobody if it never does.
    made.catch(() => {});
    return made;
  }

  async #makeNow(epoch: number, batch: number, isAhead: boolean): Promise<B> {
    if (isAhead) await setImmediate();
    const { ranges, rows: size, padding } = this.#shares.share(batch);
    const rows = new Float64Array(size);
    const indices: EpochIndex[] = [];
    for (const { begin, end } of ranges) {
      const from = indices.length;
      this.#sampler.fill(epoch, begin, rows.subarray(from, from + end - begin));
      for (let position = begin; position < end; position++) {
        const itemEpoch = this.#sampler.epochAt?.(epoch, position) ?? epoch;
        indices.push({ epoch: itemEpoch, idx: rows[indices.length] as number });
      }
    }
    const info: ItemBatchInfo = { epoch, batch, rows, padding };
    const { makeBatch, collate } = this.#options;
    if (makeBatch !== undefined) return told(info, () => makeBatch(indices, info));
    const items = await this.#items(indices);
    // The constructor saw that there is one of them.
    return told(info, () => (collate as NonNullable<typeof collate>)(items, info));
  }

  /** Waits only where an item is a promise. */
  #items(indices: readonly EpochIndex[]): readonly T[] | Promise<T[]> {
    const items = indices.map((index) => this.#item(index));
    // Without promises among them every one is a T.
    return items.some((item) => item instanceof Promise) ? Promise.all(items) : (items as T[]);
  }

  #item(index: EpochIndex): T | Promise<T> {
    try {
      const item = this.#dataset.at(index);
      if (!(item instanceof Promise)) return item;
      return item.catch((error: unknown) => {
        throw itemError(index, error);
      });
    } catch (error) {
      throw itemError(index, error);
    }
  }

  #assertIdle(): void {
    if (this.#isClosed) throw new LoaderError("closed", "the loader was closed");
    if (!this.#isIterating) return;
    throw new LoaderError("loader-busy", "the loader is being iterated", {
      suggestions: ["leave the loop first", "make a second loader over the same data set"],
    });
  }
}

/** For callers without a type checker; a list has `at` and `length` too, but no epochs. */
function assertItems(dataset: MultiEpochDataset<unknown>, sampler: Sampler): void {
  if (Array.isArray(dataset) || ArrayBuffer.isView(dataset)) {
    const message = `ItemLoader: expected a data set with at({ epoch, idx }), found ${shown(dataset)}`;
    throw new InvalidArgumentError("dataset", dataset, message, {
      suggestions: ["wrap it: new IdentityMultiEpochDatasetWrapper(list)"],
    });
  }
  if (typeof dataset?.at !== "function" || !Number.isSafeInteger(dataset.length)) {
    const message = `ItemLoader: expected a data set with length and at({ epoch, idx }), found ${shown(dataset)}`;
    throw new InvalidArgumentError("dataset", dataset, message);
  }
  if (typeof sampler?.fill === "function" && typeof sampler.describe === "function") return;
  const message = `ItemLoader: expected a sampler, found ${shown(sampler)}`;
  throw new InvalidArgumentError("sampler", sampler, message, {
    suggestions: ["pass new ShuffledSampler(dataset.length) or another one"],
  });
}

/** @throws LoaderError "collate-failed" for what the caller's function throws; typed errors as they are. */
async function told<B>({ batch, epoch }: ItemBatchInfo, make: () => B | Promise<B>): Promise<B> {
  try {
    return await make();
  } catch (cause) {
    if (cause instanceof ScdlError) throw cause;
    const message = `collate failed on batch ${batch} of epoch ${epoch}: ${textOf(cause)}`;
    throw new LoaderError("collate-failed", message, { cause });
  }
}

function itemError({ epoch, idx }: EpochIndex, cause: unknown): Error {
  // Ours say which file and row.
  if (cause instanceof ScdlError) return cause;
  const message = `item ${idx} of epoch ${epoch} failed: ${textOf(cause)}`;
  return new LoaderError("item-failed", message, { cause });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function division<T, B>(options: ItemLoaderOptions<T, B>) {
  const { batchSize, globalBatchSize } = options;
  const { rank, worldSize } = placeOf(options);
  if ((batchSize === undefined) === (globalBatchSize === undefined)) {
    throw new InvalidArgumentError(
      "batchSize",
      batchSize,
      "give batchSize (of each rank) or globalBatchSize (of all ranks), one of them",
    );
  }
  const size =
    batchSize === undefined ? globalBatchSize : count("batchSize", batchSize, 1) * worldSize;
  return { rank, worldSize, globalBatchSize: size as number };
}

function count(argument: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} is ${shown(value)}, expected an integer of at least ${least}`,
  );
}
