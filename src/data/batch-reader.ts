import { type BatchInfo, type CsrBatch, type DenseBatch, rowsToRead } from "./batch.ts";
import {
  BatchGatherer,
  type BatchMemory,
  type GatheredArrays,
  type GatherSettings,
} from "./batch-gatherer.ts";
import { type CollateFunction, toBatch } from "./collate.ts";
import { LoaderError } from "./loader-error.ts";
import type { RowSource } from "./row-source.ts";

/** A batch that was read: what the user gets, and the memory behind it. */
export interface ReadBatch {
  readonly value: unknown;
  /** Null when the value has its own. */
  readonly arrays: GatheredArrays | null;
}

/** A batch that was asked for. Exactly one of `take` and `cancel` is called. */
export interface Ticket {
  take(): ReadBatch | Promise<ReadBatch>;
  /** Nobody will take it. */
  cancel(): void;
}

/** Reads batches in the calling thread or in worker threads. */
export interface BatchReader {
  /** Whether it cannot be used any more. */
  readonly isBroken: boolean;
  /** Begins reading a batch: at once in a thread, or by announcing its pages. */
  request(info: BatchInfo): Ticket;
  /** Takes the memory of a batch back; its arrays have length 0 from now on. */
  recycle(arrays: GatheredArrays): void;
  /** Fails every ticket that waits, now. */
  interrupt(reason: unknown): void;
  close(): Promise<void>;
}

/** Reads in the calling thread; a request only announces pages that are not in memory. */
export class InlineReader implements BatchReader {
  readonly #source: RowSource;
  readonly #gatherer: BatchGatherer;
  readonly #collate: CollateFunction | null;
  readonly #memory: BatchMemory[] = [];
  readonly isBroken = false;

  constructor(source: RowSource, settings: GatherSettings, collate: CollateFunction | null) {
    this.#source = source;
    this.#gatherer = new BatchGatherer(source, settings);
    this.#collate = collate;
  }

  request(info: BatchInfo): Ticket {
    try {
      this.#source.prefetch(rowsToRead(info), { onlyCold: true });
    } catch {
      // The same rows fail again when they are read, after the batches before them were handed out.
    }
    return { take: () => this.#take(info), cancel: () => {} };
  }

  recycle(arrays: GatheredArrays): void {
    this.#memory.push(reclaim(arrays));
  }

  interrupt(): void {}

  async close(): Promise<void> {
    this.#memory.length = 0;
  }

  #take(info: BatchInfo): ReadBatch | Promise<ReadBatch> {
    const arrays = this.#gatherer.gather(rowsToRead(info), this.#memory.pop());
    return collated(info, arrays, this.#source.nVars, this.#collate);
  }
}

/** Applies the caller's function, if there is one. @throws LoaderError "collate-failed" */
export function collated(
  info: BatchInfo,
  arrays: GatheredArrays,
  nVars: number,
  collate: CollateFunction | null,
): ReadBatch | Promise<ReadBatch> {
  const batch = toBatch(info, arrays, nVars);
  if (collate === null) return { value: batch, arrays };
  return applyCollate(collate, batch, arrays);
}

async function applyCollate(
  collate: CollateFunction,
  batch: CsrBatch | DenseBatch,
  arrays: GatheredArrays,
): Promise<ReadBatch> {
  try {
    // Layout "csr" is what the loader asks for when there is a function.
    return { value: await collate(batch as CsrBatch), arrays };
  } catch (error) {
    throw collateError(batch, error);
  }
}

const NAMED_ROWS = 8;

export function collateError(info: BatchInfo, cause: unknown): LoaderError {
  const rows = [
    ...info.rows.slice(0, NAMED_ROWS),
    ...(info.rows.length > NAMED_ROWS ? ["..."] : []),
  ];
  const text = cause instanceof Error ? cause.message : String(cause);
  return new LoaderError(
    "collate-failed",
    `collate failed on batch ${info.batch} of epoch ${info.epoch} (rows ${rows.join(", ")}): ${text}`,
    { cause },
  );
}

/** Empties the arrays and returns their memory. */
export function reclaim({ data, indices, indptr }: GatheredArrays): BatchMemory {
  const arrays = indices === null || indptr === null ? [data] : [data, indices, indptr];
  // Made by the gatherer over ArrayBuffers, never over shared memory.
  const buffers = arrays.map(({ buffer }) => buffer as ArrayBuffer);
  const isWhole = buffers.every((buffer) => !buffer.detached);
  const memory = buffers.flatMap((buffer) => (buffer.detached ? [] : [buffer.transfer()]));
  // Where the user transferred some of it to another thread, the next batch gets new memory.
  return isWhole ? memory : [];
}
