import { join } from "node:path";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import type { Label } from "../proteins/label-map.ts";
import type { PreparationProgress } from "../train/data/preparation.ts";
import type { RunDeviceOptions } from "../train/runs/run-executor.ts";
import { InferenceRun } from "./inference-run.ts";
import { type AnyModel, openPredictor, padIdOf } from "./open-predictor.ts";
import { ResultFolder } from "./result-folder.ts";
import { mostTokens, type TokenSource } from "./token-source.ts";

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

/**
 * Runs a model over the rows of a source, which may use a folder until it ends, and writes its outputs
 * in the order of the rows, with `ids.txt` and, of classes with names, `labels.json`: all files or none.
 * Rows of like length run together, and each is written where it belongs, so that memory does not grow
 * with the rows. The executor is asked for the next batches before the outputs of the first are written.
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
    const longest = mostTokens(source, { begin: 0, end: source.length });
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
