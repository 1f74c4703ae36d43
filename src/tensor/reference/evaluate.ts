import type { DropoutKey } from "../dropout-bits.ts";
import { newHostArray, type Program, type ProgramNode, type Value } from "../program.ts";
import { ATTENTION_KERNELS } from "./attention-kernels.ts";
import type { Buffer64, Kernels, Operands64 } from "./buffers.ts";
import { ELEMENTWISE_KERNELS } from "./elementwise-kernels.ts";
import { MODEL_KERNELS } from "./model-kernels.ts";
import { SHAPE_KERNELS } from "./shape-kernels.ts";

/** One kernel for every operation; the compiler checks that none is missing. */
const KERNELS: Kernels = {
  ...ELEMENTWISE_KERNELS,
  ...SHAPE_KERNELS,
  ...MODEL_KERNELS,
  ...ATTENTION_KERNELS,
};

/** Tensors by name. Floats may be float64. */
export type Feeds = Readonly<Record<string, ArrayLike<number>>>;

export interface Evaluated {
  readonly outputs: ReadonlyMap<string, Buffer64>;
  readonly gradients: ReadonlyMap<string, Buffer64>;
}

/**
 * Runs a program with plain loops in float64, for tests: slow, and nothing is reused.
 *
 * @throws Error when an input or parameter is missing.
 */
export function evaluate(
  program: Program,
  feeds: { readonly inputs: Feeds; readonly parameters: Feeds },
  key: Omit<DropoutKey, "layer"> = { seed: 0, step: 0, microBatch: 0 },
): Evaluated {
  const buffers = new Map<number, Buffer64>();
  for (const { name, value } of program.inputs)
    buffers.set(value.id, feed(value, feeds.inputs, name));
  for (const { name, value } of program.parameters) {
    buffers.set(value.id, feed(value, feeds.parameters, name));
  }
  for (const { value, data } of program.constants) buffers.set(value.id, wide(value, data));
  for (const node of program.nodes) {
    const inputs = node.inputs.map(({ id }) => buffers.get(id));
    const kernel = KERNELS[node.op] as AnyKernel; // proof: the kernel of this node's operation
    const results = kernel(node, inputs as unknown as Operands64, key); // proof: see Operands64
    for (const [at, { id }] of node.outputs.entries()) buffers.set(id, results[at] as Buffer64); // proof: kernels give every output
  }
  const collect = (values: Program["outputs"]) =>
    new Map(values.map(({ name, value }) => [name, buffers.get(value.id) as Buffer64])); // proof: every value was computed
  return { outputs: collect(program.outputs), gradients: collect(program.gradients) };
}

type AnyKernel = (
  node: ProgramNode,
  inputs: Operands64,
  key: Omit<DropoutKey, "layer">,
) => readonly Buffer64[];

function feed(value: Value, feeds: Feeds, name: string): Buffer64 {
  const data = feeds[name];
  if (data === undefined) throw new Error(`${name} was not fed`);
  return wide(value, data);
}

function wide(value: Value, data: ArrayLike<number>): Buffer64 {
  if (value.dtype === "float32") return Float64Array.from(data);
  const narrow = newHostArray(value.dtype, data.length);
  narrow.set(data);
  return narrow;
}
