import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import { checkOptions, shown } from "../../formats/common/options.ts";
import { sharedTurn } from "../../formats/common/turn.ts";
import type { CategoricalColumn, ListColumn, NumericColumn } from "../dataset/feature-column.ts";
import { PLACE_EXTRAS, placeOf } from "../distributed/place.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { allocateRows, type BatchColumn, type BatchInfo, gatherColumn } from "./batch.ts";
import type { GatheredArrays, GatherSettings } from "./batch-gatherer.ts";
import { type BatchReader, InlineReader, type ReadBatch, type Ticket } from "./batch-reader.ts";
import type { BatchOf, Collate, CollateFunction } from "./collate.ts";
import { describeModule, importCollate } from "./collate-module.ts";
import { LoaderError } from "./loader-error.ts";
import { LOADER_KINDS, type LoaderOptions, TORCH_NAMES } from "./loader-options.ts";
import { checkState, fingerprint, type LoaderState, makeState } from "./loader-state.ts";
import { describeSource } from "./reopen-source.ts";
import type { NeighborSource, RowSource } from "./row-source.ts";
import { assertNotAllDropped, Shares } from "./shares.ts";
import { WorkerPool } from "./worker-pool.ts";

const MAX_WORKERS = 64;
/** Batches asked for ahead of each worker: one being read, one waiting. */
const AHEAD_PER_WORKER = 2;

/** Epoch and number of the next batch. */
export interface LoaderPosition {
  readonly epoch: number;
  readonly batch: number;
}

/**
 * Batches of a data set in the order of a sampler.
 *
 *     const loader = new Loader(dataset, sampler, { batchSize: 64, workers: 2, obs: ["cell_type"] });
 *     for (let epoch = 0; epoch < 10; epoch++) {
 *       for await (const batch of loader) step(batch.data, batch.indices, batch.indptr);
 *     }
 *
 * A loader stands at a {@link position}. Iterating gives the batches from there to the end of the
 * epoch and leaves it at the start of the next, so that one `for await` is one epoch; a loop that is
 * left early leaves it at the batch after the last one given. What a batch holds depends on the
 * sampler, the epoch and the global batch size alone, never on ranks, workers or what was read
 * before: {@link state} is a few numbers.
 */
export class Loader<C extends Collate = "csr"> implements AsyncIterable<BatchOf<C>> {
  /** Batches of an epoch, the same on every rank. */
  readonly nBatches: number;
  readonly globalBatchSize: number;
  readonly #source: RowSource;
  readonly #sampler: Sampler;
  readonly #shares: Shares;
  readonly #neighbors: NeighborSource | null;
  readonly #options: LoaderOptions<C>;
  readonly #workers: number;
  readonly #ahead: number;
  #columns: readonly (NumericColumn | CategoricalColumn | ListColumn)[] | null = null;
  #reader: BatchReader | null = null;
  #epoch = 0;
  #batch = 0;
  #isIterating = false;
  #isClosed = false;

  /**
   * Reads nothing yet and starts no thread. The data set stays the caller's and must stay open.
   * @throws InvalidArgumentError; NotFoundError "no-neighbors" for neighbours that are not stored.
   */
  constructor(dataset: RowSource, sampler: Sampler, options: LoaderOptions<C>) {
    assertSource(dataset, sampler);
    checkOptions("Loader", options, LOADER_KINDS, { ignored: PLACE_EXTRAS, known: TORCH_NAMES });
    const { rank, worldSize } = placeOf(options);
    const { dropLast = false, padLast = false } = options;
    if (sampler.nRows !== dataset.nObs) {
      throw new InvalidArgumentError(
        "sampler",
        sampler.nRows,
        `the sampler orders ${sampler.nRows} rows, the data set has ${dataset.nObs}`,
      );
    }
    if (dropLast && padLast) {
      throw new InvalidArgumentError("padLast", padLast, "choose dropLast or padLast, not both");
    }
    this.#source = dataset;
    this.#sampler = sampler;
    this.#options = options;
    this.#workers = whole("workers", options.workers ?? 0, 0, MAX_WORKERS);
    const [least, ahead] = this.#workers === 0 ? [0, 1] : [1, AHEAD_PER_WORKER * this.#workers];
    this.#ahead = whole("prefetch", options.prefetch ?? ahead, least, 4096);
    this.globalBatchSize = globalBatchSize(options, worldSize);
    this.#shares = new Shares({
      length: sampler.length,
      globalBatchSize: this.globalBatchSize,
      lastBatch: dropLast ? "drop" : padLast ? "pad" : "keep",
      rank,
      worldSize,
    });
    this.nBatches = this.#shares.nBatches;
    assertNotAllDropped(this.#shares);
    this.#neighbors = options.neighbors === true ? requireNeighbors(dataset) : null;
    if (this.#workers > 0) describeSource(dataset);
  }

  /** What iterating gives next. */
  get position(): LoaderPosition {
    return this.#batch >= this.nBatches && this.nBatches > 0
      ? { epoch: this.#epoch + 1, batch: 0 }
      : { epoch: this.#epoch, batch: this.#batch };
  }

  /**
   * Goes to a batch of any epoch, backwards too. Costs nothing.
   * @throws InvalidArgumentError, LoaderError "loader-busy" inside a loop over the loader.
   */
  seek(epoch: number, batch = 0): void {
    this.#assertIdle();
    whole("epoch", epoch, 0, Number.MAX_SAFE_INTEGER);
    whole("batch", batch, 0, this.nBatches);
    this.#epoch = epoch;
    this.#batch = batch;
  }

  /**
   * Where the loader stands, for {@link loadState}; `JSON.stringify` it. Inside a loop the batch in
   * hand counts as done. The same on every rank.
   */
  state(): LoaderState {
    return makeState({
      sampler: this.#sampler.describe(),
      dataset: fingerprint(this.#source),
      globalBatchSize: this.globalBatchSize,
      lastBatch: this.#shares.lastBatch,
      ...(this.#neighbors === null ? {} : { neighbors: describeNeighbors(this.#neighbors) }),
      ...this.position,
    });
  }

  /**
   * Goes on where another loader stood, at any number of ranks and workers.
   * @throws IncompatibleError for a state of another data set, sampler, global batch size or
   *   version, InvalidArgumentError for anything else, LoaderError "loader-busy".
   */
  loadState(state: unknown): void {
    this.#assertIdle();
    const { epoch, batch } = checkState(state, this.state(), {
      sampler: this.#sampler,
      nBatches: this.nBatches,
    });
    this.seek(epoch, batch);
  }

  /** The batches from {@link position} to the end of its epoch. */
  async *[Symbol.asyncIterator](): AsyncGenerator<BatchOf<C>, void, undefined> {
    this.#assertIdle();
    this.#isIterating = true;
    const { signal } = this.#options;
    const tickets: Ticket[] = [];
    let reader: BatchReader | null = null;
    const onAbort = () => reader?.interrupt(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    try {
      signal?.throwIfAborted();
      ({ epoch: this.#epoch, batch: this.#batch } = this.position);
      const columns = await this.#loadColumns();
      // Read and kept by the source now: state() must serve also when the files are gone later.
      void this.#source.contentHash;
      reader = await this.#openReader();
      let next = this.#batch;
      for (;;) {
        while (tickets.length <= this.#ahead && next < this.nBatches) {
          tickets.push(this.#request(reader, next++, columns));
        }
        const ticket = tickets.shift();
        if (ticket === undefined) break;
        if (this.#isClosed) throw new LoaderError("closed", "the loader was closed");
        signal?.throwIfAborted();
        const taken = ticket.take();
        const read: ReadBatch = taken instanceof Promise ? await taken : taken;
        // Batches of a map come without waiting: timers, signals and sockets would wait for the last.
        if (sharedTurn.isOver) await sharedTurn.pass();
        signal?.throwIfAborted();
        this.#batch++;
        // What a reader makes with this collate is what BatchOf says.
        yield read.value as BatchOf<C>;
        this.#recycle(reader, read.arrays);
      }
      this.#epoch++;
      this.#batch = 0;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      for (const ticket of tickets) ticket.cancel();
      this.#isIterating = false;
    }
  }

  /** Ends the threads; idempotent. The data set stays open. Iteration in progress rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const reader = this.#reader;
    this.#reader = null;
    this.#columns = null;
    await reader?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #recycle(reader: BatchReader, arrays: GatheredArrays | null): void {
    if (arrays !== null && this.#options.recycle !== false) reader.recycle(arrays);
  }

  #request(
    reader: BatchReader,
    batch: number,
    columns: readonly (NumericColumn | CategoricalColumn | ListColumn)[],
  ): Ticket {
    try {
      return reader.request(this.#batchInfo(batch, columns));
    } catch (error) {
      // A damaged neighbour: told when its turn comes, after the batches before it.
      return { take: () => Promise.reject(error), cancel: () => {} };
    }
  }

  #batchInfo(
    batch: number,
    columns: readonly (NumericColumn | CategoricalColumn | ListColumn)[],
  ): BatchInfo {
    const epoch = this.#epoch;
    const share = this.#shares.share(batch);
    const { rows, nextRows } = allocateRows(share.rows, this.#neighbors !== null);
    let at = 0;
    for (const { begin, end } of share.ranges) {
      const filled = rows.subarray(at, at + end - begin);
      this.#sampler.fill(epoch, begin, filled);
      if (nextRows !== null) this.#drawNeighbors(filled, epoch, begin, nextRows.subarray(at));
      at += end - begin;
    }
    const obs: Record<string, BatchColumn> = {};
    for (const column of columns) obs[column.name] = gatherColumn(column, rows);
    return { epoch, batch, rows, padding: share.padding, obs, nextRows };
  }

  /** Each with the epoch its position belongs to: a run of many epochs is one loop of a RunSampler. */
  #drawNeighbors(rows: Float64Array, epoch: number, begin: number, target: Float64Array): void {
    const epochAt = (i: number) => this.#sampler.epochAt?.(epoch, begin + i) ?? epoch;
    for (let from = 0; from < rows.length; ) {
      const draw = epochAt(from);
      let to = from + 1;
      while (to < rows.length && epochAt(to) === draw) to++;
      this.#neighbors?.sampleAll(rows.subarray(from, to), draw, target.subarray(from, to));
      from = to;
    }
  }

  async #loadColumns(): Promise<readonly (NumericColumn | CategoricalColumn | ListColumn)[]> {
    const names = this.#options.obs ?? [];
    this.#columns ??= await Promise.all(names.map((name) => this.#source.obsColumn(name)));
    return this.#columns;
  }

  async #openReader(): Promise<BatchReader> {
    if (this.#reader !== null && !this.#reader.isBroken) return this.#reader;
    await this.#reader?.close();
    const { collate = "csr", validate = false } = this.#options as LoaderOptions;
    const settings: GatherSettings = { layout: collate === "dense" ? "dense" : "csr", validate };
    const own = typeof collate === "function" ? (collate as CollateFunction) : null;
    const module = typeof collate === "object" ? describeModule(collate) : null;
    if (this.#workers === 0) {
      const imported = module === null ? own : await importCollate(module);
      this.#reader = new InlineReader(this.#source, settings, imported);
    } else {
      this.#reader = new WorkerPool({
        workers: this.#workers,
        setup: { source: describeSource(this.#source), settings, collate: module },
        nVars: this.#source.nVars,
        collate: own,
      });
    }
    return this.#reader;
  }

  #assertIdle(): void {
    if (this.#isClosed) throw new LoaderError("closed", "the loader was closed");
    if (!this.#isIterating) return;
    throw new LoaderError("loader-busy", "the loader is being iterated", {
      suggestions: ["leave the loop first", "make a second loader over the same data set"],
    });
  }
}

/** For callers without a type checker. */
function assertSource(dataset: RowSource, sampler: Sampler): void {
  if (typeof dataset?.gather !== "function") {
    const message = `Loader: expected a data set, found ${shown(dataset)}`;
    throw new InvalidArgumentError("dataset", dataset, message, {
      suggestions: ["pass what SingleCellDataset.open() gives"],
    });
  }
  if (typeof sampler?.fill === "function" && typeof sampler.describe === "function") return;
  const message = `Loader: expected a sampler, found ${shown(sampler)}`;
  throw new InvalidArgumentError("sampler", sampler, message, {
    suggestions: ["pass new ShuffledSampler(dataset.nObs) or another one"],
  });
}

function requireNeighbors(dataset: RowSource): NeighborSource {
  const neighbors = dataset.neighbors ?? null;
  if (neighbors !== null) return neighbors;
  throw new NotFoundError("no-neighbors", "the data set has no neighbours to draw from", {
    what: "neighbor_indices.npy",
    suggestions: [
      "convert with --neighbors KEY, KEY being one of obsp",
      "of a collection every data set must have them",
    ],
  });
}

function describeNeighbors({ strategy, seed }: NeighborSource): LoaderState["neighbors"] & object {
  return { strategy, seed };
}

function globalBatchSize(options: LoaderOptions, worldSize: number): number {
  const { batchSize, globalBatchSize: global } = options;
  if ((batchSize === undefined) === (global === undefined)) {
    throw new InvalidArgumentError(
      "batchSize",
      batchSize,
      "give batchSize (of each rank) or globalBatchSize (of all ranks), one of them",
    );
  }
  if (batchSize === undefined) return global as number;
  return whole("batchSize", batchSize, 1, Number.MAX_SAFE_INTEGER) * worldSize;
}

function whole(argument: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} is ${shown(value)}, expected an integer from ${least} to ${most}`,
  );
}
