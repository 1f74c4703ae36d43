import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { SafetensorsFile } from "../../../formats/safetensors/safetensors-file.ts";
import {
  type BatchSize,
  type BuildMode,
  initialParameter,
  loadWeights,
  type TokenBatch,
  type TrainableModel,
} from "../../../src/models/index.ts";
import {
  addGradients,
  type HostArray,
  openExecutor,
  ProgramBuilder,
  type RunOptions,
} from "../../../src/tensor/index.ts";

declare module "vitest" {
  interface Matchers {
    toBeBelow(limit: number): void;
  }
}

expect.extend({
  /** For use inside `toEqual`, so that a failure says which of many it was. */
  toBeBelow: (found: number, limit: number) => ({
    pass: found < limit,
    message: () => `${found} is not below ${limit}`,
  }),
});

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../fixtures/models/${name}`, import.meta.url));
}

/** Tensors of a safetensors file by name. */
export function readTensors(name: string): ReadonlyMap<string, HostArray> {
  using file = SafetensorsFile.open(fixture(name));
  return new Map(
    file.tensors.map(({ name: tensor }) => {
      const { data } = file.read(tensor);
      if (
        data instanceof Float32Array ||
        data instanceof Int32Array ||
        data instanceof Uint8Array
      ) {
        return [tensor, data];
      }
      throw new TypeError(`${tensor} is a ${data.constructor.name}`);
    }),
  );
}

/** All weights of a file. */
export function weightsFor(
  model: Parameters<typeof loadWeights>[0],
  name: string,
): ReadonlyMap<string, Float32Array> {
  return loadWeights(model, fixture(name), (spec) => initialParameter(spec, 0)).values;
}

/** The batch of a fixture. */
export function masked(
  tensors: ReadonlyMap<string, HostArray>,
  shape: readonly [number, number],
): TokenBatch {
  const text = tensors.get("input_ids") as Int32Array; // the script wrote these types
  const labels = tensors.get("labels") as Int32Array;
  const attentionMask = tensors.get("attention_mask") as Uint8Array;
  const lossMask = Uint8Array.from(labels, (label) => (label === -100 ? 0 : 1));
  return { text, labels, attentionMask, lossMask, shape };
}

/** The rows of a batch without their padding. */
export function rowsOf({ text, labels, lossMask, attentionMask, shape }: TokenBatch) {
  const [count, length] = shape;
  return Array.from({ length: count }, (_, row) => {
    const begin = row * length;
    const end = begin + attentionMask.subarray(begin, begin + length).reduce((a, b) => a + b, 0);
    return {
      text: text.slice(begin, end),
      labels: labels.slice(begin, end),
      lossMask: lossMask.slice(begin, end),
    };
  });
}

export interface Ran {
  readonly outputs: Readonly<Record<string, ArrayLike<number>>>;
  readonly loss: number | undefined;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Runs a model once with given weights. */
export async function runModel<B>(
  model: TrainableModel<B>,
  weights: ReadonlyMap<string, Float32Array>,
  batch: B,
  mode: BuildMode,
  options: {
    readonly executor?: string;
    readonly device?: string;
    readonly size?: BatchSize;
    readonly run?: RunOptions;
  } = {},
): Promise<Ran> {
  const size = options.size ?? model.sizeOf(batch);
  const builder = new ProgramBuilder();
  const { loss, outputs } = model.build(builder, size, mode);
  if (loss !== null) builder.output("loss", loss);
  for (const [name, value] of Object.entries(outputs)) builder.output(name, value);
  if (mode === "train" && loss !== null) addGradients(builder, loss);
  const program = builder.build();
  const place = options.device === undefined ? {} : { device: options.device };
  await using executor = await openExecutor(options.executor ?? "reference", place);
  await using state = await executor.createState(program.parameters);
  const used = program.parameters.map(({ name }) => name);
  await state.write("values", new Map([...weights].filter(([name]) => used.includes(name))));
  const executable = await executor.compile(program);
  const results = await state.run(executable, model.inputs(batch, size, mode), options.run);
  const gradients = await state.read("gradients");
  return { outputs: results, loss: results["loss"]?.[0], gradients };
}

/** Largest |a - b| over the largest |b|; infinite when lengths differ. */
export function relativeError(a: ArrayLike<number> = [], b: ArrayLike<number> = []): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [worst, most] = [0, 1e-30];
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    if (!(difference <= worst)) worst = difference; // NaN stays
    most = Math.max(most, Math.abs(b[i] as number));
  }
  return worst / most;
}
