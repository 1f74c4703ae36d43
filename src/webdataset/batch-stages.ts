/** Stages that put items together and take them apart; webdataset's names in camel case. */
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  checkOptions,
  either,
  nothing,
  shown,
} from "../../formats/common/options.ts";
import { collateColumns, type SampleCollate } from "./collate.ts";
import { oneByOne, type Stage, type StageFactory } from "./stage.ts";
import { assertTuple } from "./stage-item.ts";

export interface BatchOptions {
  /** Makes a batch of items; null gives the list. Default: tuples become columns. */
  readonly collate?: SampleCollate | null;
  /** Give a smaller batch at the end of a pass. Default true. */
  readonly partial?: boolean;
}

export function batchedStage(size: number, options: BatchOptions): StageFactory {
  checkOptions("batched", options, { collate: either(aFunction, nothing), partial: aBoolean });
  const { collate, partial = true } = options;
  if (!(Number.isSafeInteger(size) && size >= 1)) {
    throw new InvalidArgumentError(
      "size",
      size,
      `expected a batch size from 1, found ${shown(size)}`,
    );
  }
  return {
    signature: `batched(${size},${partial})`,
    create: () => new BatchStage(size, collate === undefined ? collateColumns : collate, partial),
  };
}

class BatchStage implements Stage {
  readonly isDone = false;
  readonly #size: number;
  readonly #collate: SampleCollate | null;
  readonly #partial: boolean;
  #items: unknown[] = [];

  constructor(size: number, collate: SampleCollate | null, partial: boolean) {
    this.#size = size;
    this.#collate = collate;
    this.#partial = partial;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  push(item: unknown, out: unknown[]): void {
    this.#items.push(item);
    if (this.#items.length === this.#size) this.#give(out);
  }

  flush(out: unknown[]): void {
    if (this.#items.length > 0 && this.#partial) this.#give(out);
    this.#items = [];
  }

  #give(out: unknown[]): void {
    const items = this.#items;
    this.#items = [];
    out.push(this.#collate === null ? items : this.#collate(items));
  }
}

/** A batch of columns to a tuple per row. */
export function unbatchedStage(): StageFactory {
  return oneByOne("unbatched", (item, out) => {
    const columns = assertTuple(item, "unbatched").map((column) => rowsOf(column));
    for (let row = 0; row < (columns[0]?.length ?? 0); row++) {
      out.push(columns.map((column) => column[row]));
    }
  });
}

function rowsOf(column: unknown): ArrayLike<unknown> {
  if (Array.isArray(column) || (ArrayBuffer.isView(column) && !(column instanceof DataView))) {
    // Every view but DataView is a typed array.
    return column as ArrayLike<unknown>;
  }
  throw new InvalidArgumentError("item", column, "unbatched: expected arrays as columns", {
    suggestions: ["batch with collate: null, and use unlisted"],
  });
}

/** A list to its items: what batched with `collate: null` put together. */
export function unlistedStage(): StageFactory {
  return oneByOne("unlisted", (item, out) => {
    for (const part of assertTuple(item, "unlisted")) out.push(part);
  });
}
