import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  aNumber,
  checkOptions,
  either,
  nothing,
  shown,
} from "../../formats/common/options.ts";
import { LoaderError } from "../data/loader-error.ts";
import { type BatchOptions, batchedStage, unbatchedStage, unlistedStage } from "./batch-stages.ts";
import type { SampleCollate } from "./collate.ts";
import {
  type EpochLimits,
  epochOfItems,
  epochOfPasses,
  limitsAsJson,
  ONE_PASS,
} from "./epoch-limits.ts";
import type { HandlerOption } from "./error-handler.ts";
import { type ShuffleOptions, shuffleStage, sliceStage } from "./order-stages.ts";
import type { StageFactory } from "./stage.ts";
import { filterStage, mapStage } from "./user-stages.ts";
import type { WebDataset } from "./web-dataset.ts";
import { fingerprintOf } from "./web-dataset-state.ts";
import { WebLoaderEpoch, type WebLoaderPlan } from "./web-loader-epoch.ts";
import { beginning, checkLoaderState, type WebLoaderState } from "./web-loader-state.ts";

export interface WebLoaderOptions {
  /**
   * The shards are shared out as to so many workers, and the workers give an item each in turn: the
   * order of a `WebLoader` with that many processes. Everything runs in the calling thread. Default
   * 0: one share, as with 1.
   */
  readonly numWorkers?: number;
  /** Each worker makes batches of so many. Default null: items pass one by one. */
  readonly batchSize?: number | null;
  /** Leaves out the smaller batch at the end of a worker's share. Default false. */
  readonly dropLast?: boolean;
  /** Makes the batches of `batchSize`. Default: the list of items. */
  readonly collateFn?: SampleCollate;
}

/** The data set of one worker's share. */
export type MakeDataset<T> = (place: {
  readonly worker: number;
  readonly numWorkers: number;
}) => WebDataset<T>;

interface Parts extends EpochLimits {
  readonly datasets: readonly WebDataset<unknown>[];
  readonly stages: readonly StageFactory[];
}

/** Shares and steps put together; only for the loaders that methods return. */
class WebLoaderParts {
  readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }
}

/**
 * webdataset's `WebLoader`: the items of several workers' shares in turn, then steps on them all, in
 * the order of the Python library for the same shards, seeds and worker count.
 *
 * One `for await` is one epoch; the next is the next pass over the shards. A loop that is left early
 * goes on at the next item, in another process too: {@link state} and {@link loadState}. Going on
 * costs what it costs `WebDataset.iterate`; after a shuffle or slice of the loader's own the pass is
 * read again from its start. Every method returns a new loader, which stands at the first epoch.
 */
export class WebLoader<T> implements AsyncIterable<T> {
  readonly #parts: Parts;
  readonly #fingerprint: string;
  #state: WebLoaderState;
  #running: WebLoaderEpoch | null = null;
  #isClosed = false;

  /**
   * Opens nothing yet.
   * @param make called once for every worker, now.
   * @throws InvalidArgumentError
   */
  constructor(make: MakeDataset<T> | WebLoaderParts, options: WebLoaderOptions = {}) {
    this.#parts = make instanceof WebLoaderParts ? make.parts : partsOf(make, options);
    const { datasets, stages } = this.#parts;
    this.#fingerprint = fingerprintOf([
      datasets.map((dataset) => dataset.iterate({ pass: 0 }).state().fingerprint),
      stages.map(({ signature }) => signature),
      limitsAsJson(this.#parts),
    ]);
    this.#state = beginning(this.#fingerprint, 0, 0);
  }

  /** webdataset's shuffle, of what comes from all workers; the same order each pass for a seed. */
  shuffle(size: number, options: ShuffleOptions = {}): WebLoader<T> {
    if (typeof size === "number" && size < 1) return this;
    return this.#then(shuffleStage(size, options, options.seed === undefined));
  }

  /** null and undefined leave an item out. */
  map<U>(
    apply: (item: T) => U | Promise<U>,
    options: HandlerOption = {},
  ): WebLoader<NonNullable<U>> {
    return this.#then(mapStage(apply, options));
  }

  filter(keep: (item: T) => boolean | Promise<boolean>): WebLoader<T> {
    return this.#then(filterStage(keep));
  }

  /** Batches of `size` items; with the default collate a tuple of columns. */
  batched<B = unknown[]>(size: number, options: BatchOptions = {}): WebLoader<B> {
    return this.#then(batchedStage(size, options));
  }

  /** Tuples of rows again. */
  unbatched(): WebLoader<unknown[]> {
    return this.#then(unbatchedStage());
  }

  /** The items of lists, as workers with a `batchSize` give them. */
  unlisted<U = unknown>(): WebLoader<U> {
    return this.#then(unlistedStage());
  }

  /** At most `count` items of each pass. */
  slice(count: number): WebLoader<T> {
    return this.#then(sliceStage(count));
  }

  /** Makes every epoch this many items long: passes are cut or repeated. */
  withEpoch(items: number): WebLoader<T> {
    return this.#with(epochOfItems(items));
  }

  /** Passes of an epoch. Default: without end. */
  repeat(passes = Number.POSITIVE_INFINITY): WebLoader<T> {
    return this.#with(epochOfPasses(passes));
  }

  /** The items from where the loader stands to the end of the epoch. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    this.#assertIdle();
    const plan: WebLoaderPlan = { ...this.#parts, fingerprint: this.#fingerprint };
    const epoch = new WebLoaderEpoch(plan, this.#state);
    this.#running = epoch;
    try {
      for await (const item of epoch.items()) {
        if (this.#isClosed) throw closedError();
        // The types of the steps were checked where they were joined.
        yield item as T;
      }
    } finally {
      this.#state = epoch.state();
      this.#running = null;
    }
  }

  /** Where the loader stands, as JSON. Inside a loop the item in hand counts as done. */
  state(): WebLoaderState {
    return this.#running?.state() ?? this.#state;
  }

  /**
   * Goes on where another loader of the same shards, options and steps stood.
   * @throws IncompatibleError for a state of something else, LoaderError "loader-busy".
   */
  loadState(state: unknown): void {
    this.#assertIdle();
    const { datasets, passes, maxItems } = this.#parts;
    const limits = { numWorkers: datasets.length, passes, maxItems };
    this.#state = checkLoaderState(state, this.#fingerprint, limits);
  }

  /** Ends a loop in progress at its next item; idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #then<U>(stage: StageFactory): WebLoader<U> {
    return this.#with({ stages: [...this.#parts.stages, stage] });
  }

  #with<U>(changes: Partial<Parts>): WebLoader<U> {
    return new WebLoader<U>(new WebLoaderParts({ ...this.#parts, ...changes }));
  }

  #assertIdle(): void {
    if (this.#isClosed) throw closedError();
    if (this.#running === null) return;
    throw new LoaderError("loader-busy", "the loader is being iterated", {
      suggestions: ["leave the loop first", "make a second loader over the same shards"],
    });
  }
}

function closedError(): LoaderError {
  return new LoaderError("closed", "the loader was closed");
}

function partsOf<T>(make: MakeDataset<T>, options: WebLoaderOptions): Parts {
  if (typeof make !== "function") {
    const message = `WebLoader: expected a function that makes a WebDataset, found ${shown(make)}`;
    throw new InvalidArgumentError("make", make, message);
  }
  checkOptions("WebLoader", options, {
    numWorkers: aNumber,
    batchSize: either(aNumber, nothing),
    dropLast: aBoolean,
    collateFn: aFunction,
  });
  const { numWorkers: workers = 0, batchSize = null, dropLast = false } = options;
  if (!(Number.isSafeInteger(workers) && workers >= 0)) {
    const message = `numWorkers: expected an integer from 0, found ${workers}`;
    throw new InvalidArgumentError("numWorkers", workers, message);
  }
  const numWorkers = Math.max(1, workers);
  const datasets = Array.from({ length: numWorkers }, (_, worker): WebDataset<unknown> => {
    const dataset = make({ worker, numWorkers });
    if (batchSize === null) return dataset;
    return dataset.batched<unknown>(batchSize, {
      collate: options.collateFn ?? null,
      partial: !dropLast,
    });
  });
  return { datasets, stages: [], ...ONE_PASS };
}
