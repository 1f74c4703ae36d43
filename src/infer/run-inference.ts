import { join } from "node:path";
import { InvalidArgumentError, ScdlError } from "../../formats/common/errors.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import type { Label } from "../proteins/label-map.ts";
import { outOfMemoryOf } from "../tensor/out-of-memory.ts";
import type { PreparationProgress } from "../train/data/preparation.ts";
import type { RunDeviceOptions } from "../train/runs/run-executor.ts";
import { type AnyModel, type OpenPredictor, openPredictor, padIdOf } from "./open-predictor.ts";
import { ParquetSink } from "./parquet-sink.ts";
import { batchesOf, byLength } from "./predict-tokens.ts";
import { elements, type PredictionSink } from "./prediction-sink.ts";
import { ResultFolder } from "./result-folder.ts";
import { TensorSink } from "./tensor-sink.ts";
import type { TokenSource } from "./token-source.ts";

export type PredictionFormat = "safetensors" | "parquet" | "npy";

/** How inference goes and what it writes, whatever the model. */
export interface InferenceOptions extends RunDeviceOptions {
  /** A checkpoint, a run's folder, or what transformers wrote. */
  readonly checkpointPath: string;
  /** Folder to write. */
  readonly resultsPath: string;
  /**
   * Default "safetensors": `predictions.safetensors`. "npy": `predictions.NAME.npy` for each output.
   * "parquet": `predictions.parquet`, a row for each input row.
   */
  readonly format?: PredictionFormat;
  /**
   * "batch": files of `microBatchSize` rows each, `predictions__rank_0__dp_rank_0__batch_N`, padded to
   * their longest. Default "epoch": all rows together.
   */
  readonly predictionInterval?: "epoch" | "batch";
  /** Rows run at a time. Default 8. */
  readonly microBatchSize?: number;
  /** Replace results that are there. Default false. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  /** Hears how far reading and converting are, before the first row is run. */
  readonly onPreparation?: (progress: PreparationProgress) => void;
}

export interface InferenceResult {
  /** The file, or the folder where there are several. */
  readonly path: string;
  /** Rows of the input. */
  readonly rows: number;
  /** Of each output, rows first; those of tokens have the length of the longest row. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

/** Rows, the first and the one behind the last. */
interface Range {
  readonly begin: number;
  readonly end: number;
}

/** Outputs of a window of rows that wait to be written as parquet. */
const WINDOW_BYTES = 32 << 20;

/**
 * Runs a model over the rows of a source, which may use a folder until it ends, and writes its outputs in the order of the rows, with
 * `ids.txt` and, of classes with names, `labels.json`: all files or none. Rows of like length run
 * together, and each is written where it belongs, so that memory does not grow with the rows.
 *
 * @throws StorageError when results are there; InvalidArgumentError for an output the model lacks
 */
export async function runInference(
  model: AnyModel,
  openSource: (folder: string) => Promise<TokenSource>,
  outputs: readonly string[],
  options: InferenceOptions & { readonly config: string },
): Promise<InferenceResult> {
  const { checkpointPath, resultsPath, signal } = options;
  const { format = "safetensors", microBatchSize = 8, predictionInterval } = options;
  if (!(Number.isSafeInteger(microBatchSize) && microBatchSize > 0)) {
    const message = `microBatchSize is ${microBatchSize}, expected a whole number above 0`;
    throw new InvalidArgumentError("microBatchSize", microBatchSize, message);
  }
  const folder = new ResultFolder(resultsPath, options.overwrite ?? false);
  try {
    using source = await openSource(folder.file("data"));
    // Longest first, a length does not come back; in windows or files of few rows it does.
    const isSorted = format !== "parquet" && predictionInterval !== "batch";
    const cached = isSorted ? { cachedPrograms: 1 } : {};
    const opening = { ...cached, place: options, outputs, signal };
    await using predictor = await openPredictor(model, checkpointPath, opening);
    const labels = "backbone" in model ? model.settings.labels : null;
    const run = new InferenceRun({
      ...options,
      predictor,
      source,
      folder,
      labels,
      padId: padIdOf(model),
    });
    const predictions = await run.write();
    const others = [
      writeIds(folder, source),
      writeConfig(folder, options.config),
      ...(labels === null ? [] : [writeLabels(folder, labels)]),
    ];
    folder.commit([...predictions, ...others]);
    const longest = longestOf(source, { begin: 0, end: source.length });
    const shapes = predictor.specs.map(({ name, perToken, shape }) => {
      return [name, [source.length, ...(perToken ? [longest] : []), ...shape]] as const;
    });
    const isOne = predictions.length === 1 && format !== "npy";
    return {
      path: isOne ? join(resultsPath, predictions[0] ?? "") : resultsPath,
      rows: source.length,
      shapes: { ...Object.fromEntries(shapes), lengths: [source.length] },
    };
  } finally {
    folder.abort();
  }
}

interface RunParts extends InferenceOptions {
  readonly predictor: OpenPredictor;
  readonly source: TokenSource;
  readonly folder: ResultFolder;
  readonly labels: readonly Label[] | null;
  readonly padId: number;
}

/** Files of predictions, one after another. */
class InferenceRun {
  readonly #parts: RunParts;
  readonly #batchSize: number;
  #done = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#batchSize = parts.microBatchSize ?? 8;
  }

  /** Returns the names of the files. */
  async write(): Promise<readonly string[]> {
    const { source, predictionInterval = "epoch" } = this.#parts;
    const end = source.length;
    if (predictionInterval === "epoch") return this.#file("predictions", { begin: 0, end });
    const files: string[] = [];
    for (let batch = 0; batch * this.#batchSize < end; batch++) {
      const begin = batch * this.#batchSize;
      const range = { begin, end: Math.min(begin + this.#batchSize, end) };
      files.push(...(await this.#file(`predictions__rank_0__dp_rank_0__batch_${batch}`, range)));
    }
    return files;
  }

  async #file(name: string, range: Range): Promise<readonly string[]> {
    const { format } = this.#parts;
    const sink = this.#sink(name, range);
    const size = format === "parquet" ? this.#windowRows(range) : range.end - range.begin;
    try {
      for (let begin = range.begin; begin < range.end; begin += size) {
        await this.#window(sink, { begin, end: Math.min(begin + size, range.end) });
      }
      await sink.finish();
      return sink.files;
    } finally {
      sink.close();
    }
  }

  #sink(name: string, range: Range): PredictionSink {
    const { format = "safetensors", source, predictor, folder, labels, padId } = this.#parts;
    const longest = longestOf(source, range);
    const id = (row: number) => source.id(row);
    const options = { folder, name, ...range, longest, padId, labels, id, specs: predictor.specs };
    return format === "parquet" ? new ParquetSink(options) : new TensorSink(format, options);
  }

  /** Rows of like length together, and all of them before the next window. */
  async #window(sink: PredictionSink, { begin, end }: Range): Promise<void> {
    const { source, onProgress, signal } = this.#parts;
    const order = byLength(end - begin, begin, (row) => source.mostTokens(row));
    for (const rows of batchesOf(order, this.#batchSize)) {
      signal?.throwIfAborted();
      const tokens = rows.map((row) => source.tokens(row));
      for (const [at, values] of (await this.#predict(tokens)).entries()) {
        // proof: one result for each row
        sink.add({ row: rows[at] as number, tokens: tokens[at] as Int32Array, values });
      }
      this.#done += rows.length;
      onProgress?.({ done: this.#done, total: source.length });
    }
    await sink.endWindow();
  }

  /** @throws ScdlError "out-of-memory" with the rows that did not fit */
  async #predict(tokens: readonly Int32Array[]): ReturnType<OpenPredictor["predict"]> {
    try {
      return await this.#parts.predictor.predict(tokens);
    } catch (error) {
      const missing = outOfMemoryOf(error);
      if (missing === null) throw error;
      const longest = Math.max(...tokens.map(({ length }) => length));
      const message = `${missing.message}, for ${tokens.length} rows of up to ${longest} tokens`;
      const suggestions = smallerBatches(this.#batchSize);
      throw new ScdlError("out-of-memory", message, { suggestions, cause: missing });
    }
  }

  #windowRows(range: Range): number {
    const { source, predictor } = this.#parts;
    const longest = longestOf(source, range);
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

function longestOf(source: TokenSource, { begin, end }: Range): number {
  let longest = 0;
  for (let row = begin; row < end; row++) longest = Math.max(longest, source.mostTokens(row));
  return longest;
}

function writeIds(folder: ResultFolder, source: TokenSource): string {
  const ids = Array.from({ length: source.length }, (_, row) => `${source.id(row)}\n`);
  writeSmallFile(folder.file("ids.txt"), Buffer.from(ids.join("")));
  return "ids.txt";
}

/** What was asked for, so that it can be done again. */
function writeConfig(folder: ResultFolder, yaml: string): string {
  writeSmallFile(folder.file("predictions.yaml"), Buffer.from(yaml));
  return "predictions.yaml";
}

function writeLabels(folder: ResultFolder, labels: readonly Label[]): string {
  writeSmallFile(folder.file("labels.json"), Buffer.from(`${JSON.stringify(labels)}\n`));
  return "labels.json";
}
