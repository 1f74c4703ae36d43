import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { writeAtomically } from "../../formats/common/atomic-file.ts";
import {
  InvalidArgumentError,
  StorageError,
  UnsupportedFeatureError,
} from "../../formats/common/errors.ts";
import { makeDirectories } from "../../formats/common/make-directories.ts";
import { Geneformer, openModel, parameterCount } from "../models/index.ts";
import { exportedModel } from "../tensor/index.ts";
import { findWeights, startingWeights } from "../train/checkpoints/training-weights.ts";
import { type InferenceOutput, outputsOf } from "./inference-outputs.ts";
import { modelOutput, neededParameters, predictProgram } from "./outputs.ts";

export interface ExportOnnxOptions {
  /** A checkpoint, a run's folder, or what transformers wrote. */
  readonly checkpointPath: string;
  /** The file to write. */
  readonly output: string;
  /** Default: what the head gives out, of a model without one the logits. */
  readonly outputs?: readonly Exclude<InferenceOutput, "input_ids">[];
  /** Rows of the inputs: the graph has this size and no other. Default 1. */
  readonly batchSize?: number;
  /** Tokens of a row; shorter ones are filled up. Default 128. */
  readonly length?: number;
  /** Replace the file. Default false. */
  readonly overwrite?: boolean;
}

export interface ExportedOnnx {
  readonly output: string;
  readonly bytes: number;
  readonly parameters: number;
  /** Types and shapes of what goes in. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Shapes of what comes out, float32. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

/** Of a protobuf message. */
const MOST_BYTES = 2 ** 31 - 1;
/** Room for what is not weights. */
const GRAPH_BYTES = 2 ** 24;

/**
 * Writes the forward pass of a model with its weights as an ONNX file of standard operators, which any
 * runtime loads. Inputs are `input_ids` (int32) and `attention_mask` (bool, true for a token), both
 * [batchSize, length]; outputs have the original's names, batch first.
 *
 * @throws UnsupportedFeatureError for weights of 2 GiB and more; InvalidArgumentError for an output
 *   that the model does not have; StorageError
 */
export function exportOnnx(options: ExportOnnxOptions): ExportedOnnx {
  const { checkpointPath, output, batchSize = 1, length = 128, overwrite = false } = options;
  for (const [name, value] of Object.entries({ batchSize, length })) {
    if (Number.isSafeInteger(value) && value > 0) continue;
    const message = `${name} is ${value}, expected a whole number above 0`;
    throw new InvalidArgumentError(name, value, message);
  }
  if (!overwrite && existsSync(output)) {
    throw new StorageError("already-exists", "already exists", {
      path: output,
      suggestions: ["choose another name", "--overwrite"],
    });
  }
  const model = openModel(findWeights(checkpointPath));
  const isFineTuned = "backbone" in model;
  const asked = options.outputs ?? [isFineTuned ? "predictions" : "token_logits"];
  const names = outputsOf(model, asked);
  const network = isFineTuned ? model.backbone : model;
  if (network instanceof Geneformer && length > network.settings.maxPositions) {
    const message = `length is ${length}: the model has ${network.settings.maxPositions} positions`;
    throw new InvalidArgumentError("length", length, message);
  }
  const own = names.map(modelOutput);
  const parameters = neededParameters(model, own);
  requireRoom(parameterCount(parameters));
  const { values } = startingWeights({ ...describe(model), parameters }, checkpointPath, 0);
  const program = predictProgram(model, { batch: batchSize, length }, own);
  const renamed = {
    ...program,
    outputs: program.outputs.map(({ value }, at) => ({ name: names[at] ?? "", value })),
  };
  const bytes = exportedModel(renamed, values);
  makeDirectories(dirname(output));
  writeAtomically(output, (file) => file.write(bytes), { overwrite });
  const shapes = renamed.outputs.map(({ name, value }) => [name, value.shape] as const);
  const inputs = program.inputs.map(({ name, value }) => {
    return [name, `${value.dtype} [${value.shape.join(", ")}]`] as const;
  });
  return {
    output,
    bytes: bytes.byteLength,
    parameters: parameterCount(parameters),
    inputs: Object.fromEntries(inputs),
    outputs: Object.fromEntries(shapes),
  };
}

function describe(model: ReturnType<typeof openModel>) {
  return { name: model.name, weightNotes: model.weightNotes };
}

function requireRoom(parameters: number): void {
  const bytes = 4 * parameters + GRAPH_BYTES;
  if (bytes <= MOST_BYTES) return;
  throw new UnsupportedFeatureError(
    "onnx",
    `the weights take ${(bytes / 2 ** 30).toFixed(1)} GiB; a file of ONNX holds less than 2`,
    { suggestions: ["export a smaller model, or use its model.safetensors"] },
  );
}
