import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  aNumber,
  anObject,
  anything,
  aSignal,
  aText,
  checkOptions,
  either,
  type OptionKinds,
  shown,
} from "../../formats/common/options.ts";
import type { NdArray } from "../../formats/npy/npy-array.ts";
import { processPlace } from "../distributed/environment.ts";
import { assertPair, PLACE_EXTRAS, PLACE_KINDS, placeOf } from "../distributed/place.ts";
import {
  type EpochLimits,
  epochOfItems,
  epochOfPasses,
  limitsAsJson,
  ONE_PASS,
} from "./epoch-limits.ts";
import type { HttpOptions } from "./http-chunks.ts";
import type { ShardAccess } from "./open-shard.ts";
import type { Sample } from "./sample-reader.ts";

export type { Sample };

import { type BatchOptions, batchedStage, unbatchedStage, unlistedStage } from "./batch-stages.ts";
import { type ErrorHandler, type HandlerOption, rethrow } from "./error-handler.ts";
import {
  type DecodeOptions,
  decodeStage,
  type ExtractOptions,
  extractKeysStage,
  type RenameOptions,
  renameStage,
  type TupleOptions,
  toTupleStage,
} from "./field-stages.ts";
import { type ShuffleOptions, shuffleStage, sliceStage } from "./order-stages.ts";
import { checkOrder, type ShardOrder } from "./shard-order.ts";
import { expandUrls } from "./shard-urls.ts";
import type { StageFactory } from "./stage.ts";
import { filterStage, mapDictStage, mapStage, mapTupleStage } from "./user-stages.ts";
import { type IterationPlan, WebDatasetIterator } from "./web-dataset-iterator.ts";
import { checkState, fingerprintOf, type WebDatasetState } from "./web-dataset-state.ts";

export interface WebDatasetOptions {
  /**
   * Shuffle the shards in a buffer of so many; true is 100. Default false. The order is the same in
   * every pass unless `detShuffle`.
   */
  readonly shardShuffle?: boolean | number;
  /** Another shard order in every pass: its seed is `seed + pass`. Default false. */
  readonly detShuffle?: boolean;
  /** Of shard shuffle and resampling. Default 0. */
  readonly seed?: number;
  /** Draw shards with replacement, without end; use withEpoch. Default false. */
  readonly resampled?: boolean;
  /**
   * "by-node": rank r of n reads shards r, r + n, ...; "all": every rank reads all. The default,
   * "single-node-only", refuses more than one rank.
   */
  readonly nodeSplitter?: "single-node-only" | "by-node" | "all";
  /** Worker w of n reads shards w, w + n, ... Default true. */
  readonly splitByWorker?: boolean;
  /** Both or none. Default what torchrun, MPI or srun put into the environment, see `processPlace()`. */
  readonly rank?: number;
  readonly worldSize?: number;
  /** Both or none. Default WORKER and NUM_WORKERS of the environment when both are set, else 0 of 1. */
  readonly worker?: number;
  readonly numWorkers?: number;
  /** Leave out files; asked with the name after renaming. */
  readonly selectFiles?: (name: string) => boolean;
  readonly renameFiles?: (name: string) => string;
  /**
   * Asked about every error in a shard: true leaves the rest of that shard out and goes on with the
   * next, false ends the pass, throwing ends the iteration. Default: throw.
   */
  readonly handler?: ErrorHandler;
  /** No shard or no sample is an error. Default true. */
  readonly emptyCheck?: boolean;
  /** Folder for copies of http(s) shards. Default: none are kept. */
  readonly cacheDir?: string;
  /** Copies used longest ago are deleted beyond this many bytes. Default: nothing is. */
  readonly cacheSize?: number;
  readonly http?: HttpOptions;
  readonly signal?: AbortSignal;
}

const KINDS: OptionKinds<WebDatasetOptions> = {
  shardShuffle: either(aBoolean, aNumber),
  detShuffle: aBoolean,
  seed: aNumber,
  resampled: aBoolean,
  nodeSplitter: anything,
  splitByWorker: aBoolean,
  ...PLACE_KINDS,
  worker: aNumber,
  numWorkers: aNumber,
  selectFiles: aFunction,
  renameFiles: aFunction,
  handler: aFunction,
  emptyCheck: aBoolean,
  cacheDir: aText,
  cacheSize: aNumber,
  http: anObject,
  signal: aSignal,
};

export interface IterateOptions {
  /** Number of the first pass: seeds of `detShuffle` and resampling. Default: one more each time. */
  readonly pass?: number;
  /** Go on after the item that was given last when this was taken. */
  readonly state?: WebDatasetState;
}

export type { BatchOptions };

/** Shards and stages put together; only for the data sets that methods return. */
export class WebDatasetParts {
  readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }
}

const DEFAULT_SHARD_SHUFFLE = 100;

interface Parts extends EpochLimits {
  readonly order: ShardOrder;
  readonly access: ShardAccess;
  readonly handler: ErrorHandler;
  readonly emptyCheck: boolean;
  readonly shuffles: readonly StageFactory[];
  readonly stages: readonly StageFactory[];
  readonly counter: { next: number };
}

/**
 * Samples of tar shards, in the order that Python's webdataset gives for the same shards and seed.
 *
 * ```ts
 * const batches = new WebDataset("train-{000000..000015}.tar", { shardShuffle: true, seed: 7 })
 *   .shuffle(1000, { seed: 7 })
 *   .decode()
 *   .toTuple("npy", "json")
 *   .batched(64);
 * for await (const [arrays, infos] of batches) { ... }
 * ```
 * Every method returns a new data set. Iterating again is the next pass. Memory: one window of 1 MiB
 * (or the largest sample), the shuffle buffers, one batch. Sequential reading; see `iterate` for
 * stopping and going on.
 */
export class WebDataset<T = Sample> implements AsyncIterable<T> {
  readonly #parts: Parts;

  /** @throws InvalidArgumentError, NotFoundError, IncompatibleError; shards are opened later. */
  constructor(urls: string | readonly string[] | WebDatasetParts, options: WebDatasetOptions = {}) {
    this.#parts = urls instanceof WebDatasetParts ? urls.parts : partsOf(urls, options);
  }

  /** The shards, before splitting and shuffling. */
  get urls(): readonly string[] {
    return this.#parts.order.urls;
  }

  [Symbol.asyncIterator](): WebDatasetIterator<T> {
    return this.iterate();
  }

  /**
   * Begins an iteration whose `state()` can be kept and passed back here.
   *
   * Going on is exact when the functions given to the stages are. It costs no reading of what was
   * given before, except: shuffles and counts after other stages read the pass again from its
   * start, compressed shards are read from theirs, and a shard without an index file is scanned.
   * @throws IncompatibleError for a state of something else.
   */
  iterate(options: IterateOptions = {}): WebDatasetIterator<T> {
    checkOptions("iterate", options, { pass: aNumber, state: anything });
    const { counter, ...parts } = this.#parts;
    const { order, shuffles, stages } = parts;
    const signatures = [...shuffles, ...stages].map(({ signature }) => signature);
    const fingerprint = fingerprintOf([order, signatures, limitsAsJson(parts)]);
    const state =
      options.state === undefined ? null : checkState(options.state, fingerprint, parts);
    const plan: IterationPlan = {
      ...parts,
      fingerprint,
      onPass: (pass) => {
        counter.next = Math.max(counter.next, pass + 1);
      },
    };
    return new WebDatasetIterator<T>(plan, options.pass ?? counter.next, state);
  }

  /**
   * webdataset's sample shuffle: a buffer of `size`, the same order in every pass for a seed.
   * Without a seed the order is that of detShuffle with seed 0. Below 1 nothing is shuffled.
   */
  shuffle(size: number, options: ShuffleOptions = {}): WebDataset<T> {
    if (typeof size === "number" && size < 1) return this;
    return this.#shuffled(shuffleStage(size, options, options.seed === undefined));
  }

  /** The same with seed + pass: another order in every pass. */
  detShuffle(size: number, options: ShuffleOptions = {}): WebDataset<T> {
    return this.#shuffled(shuffleStage(size, options, true));
  }

  /** Values instead of bytes, by extension; see docs/webdataset.md for the table. */
  decode(options: DecodeOptions = {}): WebDataset<T> {
    return this.#then(decodeStage(options));
  }

  /** null and undefined leave an item out; a sample made of a sample keeps its `__key__`. */
  map<U>(
    apply: (item: T) => U | Promise<U>,
    options: HandlerOption = {},
  ): WebDataset<NonNullable<U>> {
    return this.#then(mapStage(apply, options));
  }

  filter(keep: (item: T) => boolean | Promise<boolean>): WebDataset<T> {
    return this.#then(filterStage(keep));
  }

  /** Functions by field. */
  mapDict(
    functions: Readonly<Record<string, (value: never) => unknown>>,
    options: HandlerOption = {},
  ): WebDataset<T> {
    return this.#then(mapDictStage(functions, options));
  }

  /** Functions by position; null leaves a value as it is. */
  mapTuple(
    functions: readonly (((value: never) => unknown) | null)[],
    options: HandlerOption = {},
  ): WebDataset<unknown[]> {
    return this.#then(mapTupleStage(functions, options));
  }

  /** New names to old ones, or to alternatives as "jpg;png". */
  rename(names: Readonly<Record<string, string>>, options: RenameOptions = {}): WebDataset<T> {
    return this.#then(renameStage(names, options));
  }

  /** Fields in this order, as a tuple; "jpg;png" takes the first there is. */
  toTuple(...fields: readonly (string | TupleOptions)[]): WebDataset<unknown[]> {
    const [names, options] = withOptions<TupleOptions>(fields);
    const [only] = names;
    const specs = names.length === 1 && only?.includes(" ") ? only.trim().split(/ +/) : names;
    return this.#then(toTupleStage(specs, options));
  }

  /** Fields that match shell patterns such as "*.npy", as a tuple; ";" between alternatives. */
  extractKeys(...patterns: readonly (string | ExtractOptions)[]): WebDataset<unknown[]> {
    const [names, options] = withOptions<ExtractOptions>(patterns);
    return this.#then(extractKeysStage(names, options));
  }

  /** Batches of `size` items; with the default collate a tuple of columns. */
  batched<B = (Float64Array | NdArray | unknown[])[]>(
    size: number,
    options: BatchOptions = {},
  ): WebDataset<B> {
    return this.#then(batchedStage(size, options));
  }

  /** Tuples of rows again. */
  unbatched(): WebDataset<unknown[]> {
    return this.#then(unbatchedStage());
  }

  /** The items of lists. */
  unlisted<U = unknown>(): WebDataset<U> {
    return this.#then(unlistedStage());
  }

  /** At most `count` items of each pass. */
  slice(count: number): WebDataset<T> {
    return this.#then(sliceStage(count));
  }

  /** Makes every iteration this many items long: passes are cut or repeated. */
  withEpoch(items: number): WebDataset<T> {
    return this.#with(epochOfItems(items));
  }

  /** Passes an iteration makes. Default: without end. */
  repeat(passes = Number.POSITIVE_INFINITY): WebDataset<T> {
    return this.#with(epochOfPasses(passes));
  }

  /** Hands this data set to a function that adds stages, and returns what it made. */
  compose<R>(step: (dataset: WebDataset<T>) => R): R {
    return step(this);
  }

  #shuffled(stage: StageFactory): WebDataset<T> {
    const { shuffles, stages } = this.#parts;
    if (stages.length > 0) return this.#then(stage);
    return this.#with({ shuffles: [...shuffles, stage] });
  }

  #then<U>(stage: StageFactory): WebDataset<U> {
    return this.#with({ stages: [...this.#parts.stages, stage] });
  }

  #with<U>(changes: Partial<Parts>): WebDataset<U> {
    return new WebDataset<U>(new WebDatasetParts({ ...this.#parts, ...changes }));
  }
}

function withOptions<O extends object>(
  mixed: readonly (string | O)[],
): readonly [readonly string[], Partial<O>] {
  const last = mixed.at(-1);
  const options = typeof last === "string" || last === undefined ? {} : last;
  const names = mixed.filter((part) => typeof part === "string");
  if (names.length > 0 && mixed.every((part) => typeof part === "string" || part === last)) {
    return [names, options];
  }
  const found = mixed.map(shown).join(", ") || "nothing";
  const message = `expected names of fields, then perhaps an object of options, found ${found}`;
  throw new InvalidArgumentError("fields", mixed, message, {
    suggestions: ['give the fields one by one: "npy", "json"'],
  });
}

function partsOf(urls: string | readonly string[], options: WebDatasetOptions): Parts {
  checkOptions("WebDataset", options, KINDS, { ignored: PLACE_EXTRAS });
  const { nodeSplitter = "single-node-only", shardShuffle = false, cacheDir, cacheSize } = options;
  const isPlaced = options.rank !== undefined || options.worldSize !== undefined;
  const { rank, worldSize } = isPlaced ? placeOf(options) : processPlace();
  const [worker, numWorkers] = workerPlace(options);
  const order: ShardOrder = {
    urls: expandUrls(urls),
    seed: options.seed ?? 0,
    shardShuffle: shardShuffle === true ? DEFAULT_SHARD_SHUFFLE : Number(shardShuffle),
    detShuffle: options.detShuffle ?? false,
    resampled: options.resampled ?? false,
    nodeSplitter,
    splitByWorker: options.splitByWorker ?? true,
    rank,
    worldSize,
    worker,
    numWorkers,
  };
  checkOrder(order);
  return {
    order,
    access: {
      http: options.http,
      cache: cacheDir === undefined ? undefined : { directory: cacheDir, maxBytes: cacheSize },
      grouping: { selectFiles: options.selectFiles, renameFiles: options.renameFiles },
      signal: options.signal,
    },
    handler: options.handler ?? rethrow,
    emptyCheck: options.emptyCheck ?? true,
    shuffles: [],
    stages: [],
    ...ONE_PASS,
    counter: { next: 0 },
  };
}

/** As webdataset: the environment counts only when it says both. */
function workerPlace({ worker, numWorkers }: WebDatasetOptions): readonly [number, number] {
  assertPair("worker", worker, "numWorkers", numWorkers, "WebLoader shares out by itself");
  if (worker !== undefined && numWorkers !== undefined) return [worker, numWorkers];
  const { WORKER: i, NUM_WORKERS: n } = process.env;
  return i === undefined || n === undefined ? [0, 1] : [Number(i), Number(n)];
}
