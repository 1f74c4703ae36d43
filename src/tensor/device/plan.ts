import type { OpName } from "../op-attributes.ts";
import type { NamedValue, Program, ProgramNode, TensorType, Value } from "../program.ts";

/** A value of a program as the thread has it. */
export interface PlainValue extends TensorType {
  readonly id: number;
}

/** A node of a program as the thread has it. */
export type PlainNode<K extends OpName = OpName> = ProgramNode<K, PlainValue>;

export type PlainNamed = NamedValue<PlainValue>;

/** A program as it is sent to the thread: the same lists, values without their builder. */
export interface PlainProgram {
  readonly inputs: readonly PlainNamed[];
  readonly parameters: readonly PlainNamed[];
  readonly constants: readonly {
    readonly value: PlainValue;
    readonly data: Program["constants"][0]["data"];
  }[];
  readonly nodes: readonly PlainNode[];
  readonly outputs: readonly PlainNamed[];
  readonly gradients: readonly PlainNamed[];
  readonly gradientSeed: PlainValue | undefined;
}

export function plainProgram(program: Program): PlainProgram {
  const values = new Map<number, PlainValue>();
  const plain = ({ id, dtype, shape }: Value): PlainValue => {
    const known = values.get(id) ?? { id, dtype, shape };
    values.set(id, known);
    return known;
  };
  const named = (list: readonly NamedValue[]) =>
    list.map(({ name, value }) => ({ name, value: plain(value) }));
  return {
    inputs: named(program.inputs),
    parameters: named(program.parameters),
    constants: program.constants.map(({ value, data }) => ({ value: plain(value), data })),
    // proof: the fields of a node, its values replaced by plain ones
    nodes: program.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(plain),
      outputs: node.outputs.map(plain),
    })) as unknown as readonly PlainNode[],
    outputs: named(program.outputs),
    gradients: named(program.gradients),
    gradientSeed: program.gradientSeed === undefined ? undefined : plain(program.gradientSeed),
  };
}

/** When a program's values are needed for the last time. */
export interface Plan {
  /** By node: values whose tensors are freed after it. */
  readonly freed: readonly (readonly number[])[];
  /** By node: values whose saved tensors are freed after it. */
  readonly forgotten: readonly (readonly number[])[];
  /** Names of the gradients that a value is, by its id. */
  readonly gradients: ReadonlyMap<number, readonly string[]>;
  /** Values that may share memory with parameters, inputs or constants. */
  readonly views: ReadonlySet<number>;
}

/** Operations whose result may be their first input's memory, seen otherwise. */
const VIEWS = new Set(["reshape", "transpose", "slice", "broadcast"]);

export function planOf(program: PlainProgram): Plan {
  const last = new Map<number, number>();
  const lastSaved = new Map<number, number>();
  for (const [at, node] of program.nodes.entries()) {
    for (const { id } of node.outputs) {
      last.set(id, at);
      lastSaved.set(id, at);
    }
    for (const [place, { id }] of node.inputs.entries()) {
      lastSaved.set(id, at);
      // The backward operation asks for what layerNorm saved, not for what it returned.
      if (node.op === "layerNormBackward" && place === 3) continue;
      last.set(id, at);
    }
  }
  const lasting = new Set([...program.parameters, ...program.outputs].map(({ value }) => value.id));
  for (const { value } of program.constants) lasting.add(value.id);
  const freed: number[][] = program.nodes.map(() => []);
  for (const [id, at] of last) if (!lasting.has(id)) freed[at]?.push(id);
  const forgotten: number[][] = program.nodes.map(() => []);
  for (const [id, at] of lastSaved) forgotten[at]?.push(id);
  const gradients = new Map<number, string[]>();
  for (const { name, value } of program.gradients) {
    gradients.set(value.id, [...(gradients.get(value.id) ?? []), name]);
  }
  return { freed, forgotten, gradients, views: viewsOf(program) };
}

function viewsOf({ inputs, parameters, constants, nodes }: PlainProgram): ReadonlySet<number> {
  const views = new Set([...inputs, ...parameters, ...constants].map(({ value }) => value.id));
  for (const node of nodes) {
    if (!VIEWS.has(node.op) || !views.has(node.inputs[0]?.id ?? -1)) continue;
    for (const { id } of node.outputs) views.add(id);
  }
  return views;
}
