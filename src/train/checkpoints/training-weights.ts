/** Weights and optimizer state between an executor and checkpoints. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FormatError, IncompatibleError, NotFoundError } from "../../../formats/common/errors.ts";
import { floatTensor } from "../../../formats/safetensors/float-values.ts";
import {
  type SafetensorsCheckpoint,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
} from "../../../formats/safetensors/shards.ts";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import { initialParameter, initialParameters } from "../../models/initialise.ts";
import type { ParameterSpec, TrainableModel } from "../../models/model.ts";
import {
  companionNames,
  companionTensors,
  readCompanions,
} from "../../models/weights/companions.ts";
import {
  type LoadedWeights,
  type LoadWeightsOptions,
  loadWeights,
} from "../../models/weights/load-weights.ts";
import type { Executor, ParameterState } from "../../tensor/index.ts";
import { parameterValues } from "../model-programs.ts";
import type { OtherMoments } from "../ranks/optimizer-shards.ts";
import {
  type Checkpoint,
  OPTIMIZER_FILE,
  type OpenCheckpoint,
  openCheckpoint,
} from "./checkpoint.ts";
import { findCheckpoint, verifyForReading } from "./checkpoint-files.ts";

/** Folder of checkpoints in that of a run. */
export const CHECKPOINTS = "checkpoints";

/** torch's names of the moments, before the name of the parameter. */
const MOMENTS = { first: "exp_avg.", second: "exp_avg_sq." } as const;

/**
 * The state of a model before its first step: initial values of `seed`, and `weights` in place of
 * those it names; its companions are no parameters, and are passed over.
 * @throws IncompatibleError for a weight of another length, NotFoundError for one the model lacks
 */
export async function newWeights(
  executor: Executor,
  model: TrainableModel<never>,
  options: { readonly seed: number; readonly weights?: ReadonlyMap<string, Float32Array> },
): Promise<ParameterState> {
  const { seed, weights = new Map<string, Float32Array>() } = options;
  const frozen = model.parameters.filter(({ trained }) => !trained).map(({ name }) => name);
  const state = await executor.createState(parameterValues(model), { frozen });
  const missing = model.parameters.filter(({ name }) => !weights.has(name));
  await state.write("values", initialParameters(missing, seed));
  const beside = new Set(companionNames(model));
  await state.write("values", new Map([...weights].filter(([name]) => !beside.has(name))));
  return state;
}

/**
 * The tensors of a checkpoint: copies. Moments are left out before the first update.
 * @param others moments that other ranks have, in place of the state's
 * @param companions written beside the parameters, so that other programs miss nothing
 */
export async function savedTensors(
  state: ParameterState,
  model: TrainableModel<never>,
  kinds: readonly (keyof typeof MOMENTS)[],
  others?: OtherMoments,
  companions: ReadonlyMap<string, Float32Array> = new Map(),
): Promise<Pick<Checkpoint, "model" | "optimizer">> {
  const shapes = new Map(model.parameters.map(({ name, shape }) => [name, shape]));
  const inOrder = (
    prefix: string,
    names: readonly string[],
    arrays: ReadonlyMap<string, Float32Array>,
  ): [string, StoredTensor][] =>
    names.flatMap((name) => {
      const values = arrays.get(name);
      if (values === undefined) return [];
      return [[`${prefix}${name}`, floatTensor("F32", shapes.get(name) ?? [], values)]];
    });
  const moments: [string, StoredTensor][] = [];
  for (const kind of kinds) {
    const elsewhere = others?.get(kind);
    const own = state.trained.filter((name) => elsewhere?.has(name) !== true);
    const read = new Map([...(await state.read(kind, own)), ...(elsewhere ?? [])]);
    moments.push(...inOrder(MOMENTS[kind], state.trained, read));
  }
  const values = inOrder("", state.names, await state.read("values"));
  const weights = new Map([...values, ...companionTensors(model, companions)]);
  return { model: weights, optimizer: new Map(moments) };
}

/**
 * Reads weights and moments of a checkpoint into a state.
 * @throws IncompatibleError naming the first parameter that is missing, too much or of another shape
 */
export async function loadTensors(
  state: ParameterState,
  model: TrainableModel<never>,
  checkpoint: OpenCheckpoint,
  kinds: readonly (keyof typeof MOMENTS)[],
): Promise<void> {
  assertSameParameters(model, checkpoint);
  const trained = new Set(state.trained);
  for (const { name } of model.parameters) {
    await state.write("values", new Map([[name, checkpoint.model.readFloat32(name)]]));
    if (!trained.has(name)) continue;
    for (const kind of kinds) {
      await state.write(kind, new Map([[name, storedMoments(checkpoint, kind, name)]]));
    }
  }
}

/** The moments of one parameter in a checkpoint. */
export function storedMoments(
  { optimizer }: OpenCheckpoint,
  kind: keyof typeof MOMENTS,
  name: string,
): Float32Array {
  return optimizer.readFloat32(`${MOMENTS[kind]}${name}`);
}

/** What stands beside the parameters in a checkpoint; nothing in one of before companions were written. */
export function storedCompanions(
  path: string,
  model: TrainableModel<never>,
): ReadonlyMap<string, Float32Array> {
  using checkpoint = openCheckpoint(path);
  return readCompanions(model, checkpoint.model);
}

function assertSameParameters(model: TrainableModel<never>, checkpoint: OpenCheckpoint): void {
  const { model: tensors } = checkpoint;
  for (const spec of model.parameters) requireSame(spec, tensors, model.name);
  const known = new Set([...model.parameters.map(({ name }) => name), ...companionNames(model)]);
  const more = tensors.names.find((name) => !known.has(name));
  if (more === undefined) return;
  throw otherModel(tensors.path, `there is ${more}, which the ${model.name} to train lacks`);
}

function requireSame(spec: ParameterSpec, tensors: SafetensorsCheckpoint, model: string): void {
  const { name } = spec;
  if (!tensors.has(name)) {
    throw otherModel(tensors.path, `there is no ${name}, which the ${model} to train has`);
  }
  const { shape } = tensors.fileOf(name).entry(name);
  if (isShapeOf(spec, shape)) return;
  const message = `${name} is [${shape}], that of the ${model} to train [${spec.shape}]`;
  throw otherModel(tensors.path, message);
}

function otherModel(path: string, what: string): IncompatibleError {
  return new IncompatibleError("other-model", `${path}: ${what}`, {
    suggestions: ["make the model that the weights are of", "use another folder"],
  });
}

function isShapeOf({ shape }: ParameterSpec, found: readonly number[]): boolean {
  return shape.length === found.length && shape.every((size, axis) => size === found[axis]);
}

/**
 * Weights to begin with, of a checkpoint, a run's folder (its newest checkpoint), or what transformers
 * wrote. Those of a checkpoint are compared with its checksums.
 *
 * @throws as `loadWeights`; FormatError for a damaged checkpoint, with the one before it
 */
export function startingWeights(
  model: Pick<TrainableModel<never>, "name" | "parameters" | "weightNotes">,
  path: string,
  seed: number,
  options: LoadWeightsOptions = {},
): LoadedWeights {
  const weights = findWeights(path);
  const isFolder = existsSync(weights) && statSync(weights).isDirectory();
  const file = isFolder ? null : basename(weights);
  const isRead = (name: string) => isWeights(name) && (file === null || file === name);
  verifyForReading(isFolder ? weights : dirname(weights), isRead);
  return loadWeights(model, weights, (spec) => initialParameter(spec, seed), options);
}

const WEIGHTS_ARE =
  "name a run's folder, a checkpoint of it, or a folder of transformers with config.json and model.safetensors";

/**
 * A run's folder, or the folder of its checkpoints, means the newest. What stands beside the weights is
 * compared with the checksums.
 *
 * @throws NotFoundError for a path that is not there, FormatError for a file of something else, and for
 *   a damaged checkpoint, with the one before it
 */
export function findWeights(path: string): string {
  if (!existsSync(path)) {
    throw new NotFoundError("no-such-file", `${path}: expected a checkpoint, there is none`, {
      what: path,
      suggestions: [WEIGHTS_ARE],
    });
  }
  if (!statSync(path).isDirectory()) {
    if (/\.(safetensors|json)$/.test(path)) return path;
    throw new FormatError("no-checkpoint", "expected a checkpoint, found a file", {
      path,
      suggestions: [WEIGHTS_ARE],
    });
  }
  const isOne = [WEIGHTS_FILE, WEIGHTS_INDEX_FILE].some((name) => existsSync(join(path, name)));
  const inRun = join(path, CHECKPOINTS);
  const found = isOne ? path : findCheckpoint(existsSync(inRun) ? inRun : path);
  verifyForReading(found, (name) => {
    return name !== OPTIMIZER_FILE && (!isWeights(name) || !existsSync(join(found, name)));
  });
  return found;
}

function isWeights(name: string): boolean {
  return name.endsWith(".safetensors") && name !== OPTIMIZER_FILE;
}
