/** Weights and optimizer state between an executor and checkpoints. */
import { IncompatibleError } from "../../formats/common/errors.ts";
import { floatTensor } from "../../formats/safetensors/float-values.ts";
import type { StoredTensor } from "../../formats/safetensors/tensor.ts";
import { initialParameters } from "../models/initialise.ts";
import type { ParameterSpec, TrainableModel } from "../models/model.ts";
import type { Executor, ParameterState, StateKind } from "../tensor/index.ts";
import type { Checkpoint, OpenCheckpoint } from "./checkpoint.ts";
import { parameterValues } from "./model-programs.ts";

/** torch's names of the moments, before the name of the parameter. */
const MOMENTS = { first: "exp_avg.", second: "exp_avg_sq." } as const;

/**
 * The state of a model before its first step: initial values of `seed`, and `weights` in place of
 * those it names.
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
  await state.write("values", weights);
  return state;
}

/** The tensors of a checkpoint: copies. Moments are left out before the first update. */
export async function savedTensors(
  state: ParameterState,
  model: TrainableModel<never>,
  kinds: readonly (keyof typeof MOMENTS)[],
): Promise<Pick<Checkpoint, "model" | "optimizer">> {
  const shapes = new Map(model.parameters.map(({ name, shape }) => [name, shape]));
  const tensors = async (kind: StateKind, prefix: string) => {
    const saved: [string, StoredTensor][] = [];
    for (const [name, values] of await state.read(kind)) {
      saved.push([`${prefix}${name}`, floatTensor("F32", shapes.get(name) ?? [], values)]);
    }
    return saved;
  };
  const moments: [string, StoredTensor][] = [];
  for (const kind of kinds) moments.push(...(await tensors(kind, MOMENTS[kind])));
  return { model: new Map(await tensors("values", "")), optimizer: new Map(moments) };
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
      const moments = checkpoint.optimizer.readFloat32(`${MOMENTS[kind]}${name}`);
      await state.write(kind, new Map([[name, moments]]));
    }
  }
}

function assertSameParameters(model: TrainableModel<never>, checkpoint: OpenCheckpoint): void {
  const other = (what: string): IncompatibleError =>
    new IncompatibleError("other-model", `${checkpoint.path}: ${what}`, {
      suggestions: [`make the ${model.name} that the checkpoint is of`, "use another folder"],
    });
  const { model: tensors } = checkpoint;
  for (const spec of model.parameters) {
    if (!tensors.has(spec.name)) {
      throw other(`there is no ${spec.name}, which the ${model.name} to train has`);
    }
    const { shape } = tensors.fileOf(spec.name).entry(spec.name);
    if (!isShapeOf(spec, shape)) {
      throw other(`${spec.name} is [${shape}], that of the ${model.name} to train [${spec.shape}]`);
    }
  }
  const known = new Set(model.parameters.map(({ name }) => name));
  const more = tensors.names.find((name) => !known.has(name));
  if (more !== undefined) throw other(`there is ${more}, which the ${model.name} to train lacks`);
}

function isShapeOf({ shape }: ParameterSpec, found: readonly number[]): boolean {
  return shape.length === found.length && shape.every((size, axis) => size === found[axis]);
}
