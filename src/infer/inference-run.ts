import { ScdlError } from "../../formats/common/errors.ts";
import type { Label } from "../proteins/label-map.ts";
import { askAhead } from "../tensor/ask-ahead.ts";
import { outOfMemoryOf } from "../tensor/out-of-memory.ts";
import type { OpenPredictor, RowValues } from "./open-predictor.ts";
import { ParquetSink } from "./parquet-sink.ts";
import { batchesOf, byLength } from "./predict-tokens.ts";
import { elements, type PredictionSink } from "./prediction-sink.ts";
import type { ResultFolder } from "./result-folder.ts";
import type { InferenceOptions } from "./run-inference.ts";
import { TensorSink } from "./tensor-sink.ts";
import { mostTokens, type RowRange, type TokenSource } from "./token-source.ts";

export interface InferenceRunParts
  extends Pick<
    InferenceOptions,
    "format" | "predictionInterval" | "microBatchSize" | "signal" | "onProgress"
  > {
  readonly predictor: OpenPredictor;
  readonly source: TokenSource;
  readonly folder: ResultFolder;
  readonly labels: readonly Label[] | null;
  readonly padId: number;
}

/** Rows that run together, and where their outputs go. */
interface PlannedBatch {
  readonly rows: readonly number[];
  /** Of the files it is in: their name without what says their kind, and their rows. */
  readonly name: string;
  readonly range: RowRange;
  /** All rows until here are written together. */
  readonly endsWindow: boolean;
  readonly endsFile: boolean;
}

interface AskedBatch extends PlannedBatch {
  readonly tokens: readonly Int32Array[];
}

/** Outputs of a window of rows that wait to be written as parquet. */
const WINDOW_BYTES = 32 << 20;

/**
 * Files of predictions, one after another. Batches are asked for ahead, over the ends of windows and
 * files, and written in order: what is kept is the outputs of the batches in flight and, of parquet, a window.
 */
export class InferenceRun {
  readonly #parts: InferenceRunParts;
  readonly #batchSize: number;
  readonly #files: string[] = [];
  /** Of the file that is being written. */
  #sink: PredictionSink | null = null;
  #done = 0;

  constructor(parts: InferenceRunParts) {
    this.#parts = parts;
    this.#batchSize = parts.microBatchSize ?? 8;
  }

  /**
   * Returns the names of the files.
   * @throws ScdlError "out-of-memory" with the rows that did not fit; the signal's reason; StorageError
   */
  async write(): Promise<readonly string[]> {
    const { predictor } = this.#parts;
    const asked = askAhead(this.#asked(), ({ tokens }) => this.#ask(tokens), predictor.ahead);
    try {
      for await (const { item, answer } of asked) await this.#take(item, answer);
      return this.#files;
    } finally {
      this.#sink?.close();
    }
  }

  *#asked(): Generator<AskedBatch, void, undefined> {
    const { source, signal } = this.#parts;
    for (const planned of this.#planned()) {
      signal?.throwIfAborted();
      yield { ...planned, tokens: planned.rows.map((row) => source.tokens(row)) };
    }
  }

  *#planned(): Generator<PlannedBatch, void, undefined> {
    const { source, format } = this.#parts;
    for (const file of this.#ranges()) {
      const { begin: first, end: last } = file.range;
      const size = format === "parquet" ? this.#windowRows(file.range) : last - first;
      for (let begin = first; begin < last; begin += size) {
        const end = Math.min(begin + size, last);
        const order = byLength(end - begin, begin, (row) => source.mostTokens(row));
        let left = end - begin;
        for (const rows of batchesOf(order, this.#batchSize)) {
          left -= rows.length;
          const endsWindow = left === 0;
          yield { ...file, rows, endsWindow, endsFile: endsWindow && end === last };
        }
      }
    }
  }

  *#ranges(): Generator<Pick<PlannedBatch, "name" | "range">, void, undefined> {
    const { source, predictionInterval = "epoch" } = this.#parts;
    const { length } = source;
    if (predictionInterval === "epoch") {
      yield { name: "predictions", range: { begin: 0, end: length } };
      return;
    }
    for (let batch = 0; batch * this.#batchSize < length; batch++) {
      const begin = batch * this.#batchSize;
      const range = { begin, end: Math.min(begin + this.#batchSize, length) };
      yield { name: `predictions__rank_0__dp_rank_0__batch_${batch}`, range };
    }
  }

  /** Writes the outputs of a batch. */
  async #take({ rows, tokens, ...place }: AskedBatch, values: readonly RowValues[]): Promise<void> {
    const { source, onProgress } = this.#parts;
    this.#sink ??= this.#open(place);
    for (const [at, row] of rows.entries()) {
      // proof: one result and one sequence for each row
      this.#sink.add({
        row,
        tokens: tokens[at] as Int32Array,
        values: values[at] as RowValues,
      });
    }
    this.#done += rows.length;
    onProgress?.({ done: this.#done, total: source.length });
    if (place.endsWindow) await this.#sink.endWindow();
    if (!place.endsFile) return;
    await this.#sink.finish();
    this.#files.push(...this.#sink.files);
    this.#sink.close();
    this.#sink = null;
  }

  #open({ name, range }: Pick<PlannedBatch, "name" | "range">): PredictionSink {
    const { format = "safetensors", source, predictor, folder, labels, padId } = this.#parts;
    const longest = mostTokens(source, range);
    const id = (row: number) => source.id(row);
    const options = { folder, name, ...range, longest, padId, labels, id, specs: predictor.specs };
    return format === "parquet" ? new ParquetSink(options) : new TensorSink(format, options);
  }

  async #ask(tokens: readonly Int32Array[]): ReturnType<OpenPredictor["ask"]> {
    try {
      const outputs = await this.#parts.predictor.ask(tokens);
      return async () => {
        this.#parts.signal?.throwIfAborted();
        return outputs().catch((error: unknown) => Promise.reject(this.#failed(tokens, error)));
      };
    } catch (error) {
      throw this.#failed(tokens, error);
    }
  }

  #failed(tokens: readonly Int32Array[], error: unknown): unknown {
    const missing = outOfMemoryOf(error);
    if (missing === null) return error;
    const longest = Math.max(...tokens.map(({ length }) => length));
    const message = `${missing.message}, for ${tokens.length} rows of up to ${longest} tokens`;
    const suggestions = smallerBatches(this.#batchSize);
    return new ScdlError("out-of-memory", message, { suggestions, cause: missing });
  }

  #windowRows(range: RowRange): number {
    const { source, predictor } = this.#parts;
    const longest = mostTokens(source, range);
    const bytes = predictor.specs.map(({ perToken, shape }) => {
      return 4 * elements(shape) * (perToken ? longest : 1);
    });
    const each = bytes.reduce((sum, one) => sum + one, 64);
    const batches = Math.max(1, Math.floor(WINDOW_BYTES / each / this.#batchSize));
    return batches * this.#batchSize;
  }
}

function smallerBatches(microBatchSize: number): readonly string[] {
  const now = `a smaller --micro-batch-size (it is ${microBatchSize})`;
  return [
    ...(microBatchSize === 1 ? [] : [now]),
    "shorter rows: --max-seq-length, --seq-length",
    "embeddings alone: logits and hidden states are of every token",
  ];
}
