import { InvalidArgumentError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { NamedValue, Program, ProgramNode, Value } from "../program.ts";
import { ATTENTION_RULES } from "./emit-attention.ts";
import { type MaskInput, maskInputs } from "./emit-dropout.ts";
import { ELEMENTWISE_RULES } from "./emit-elementwise.ts";
import { MODEL_RULES } from "./emit-model.ts";
import { ROTARY_RULES } from "./emit-rotary.ts";
import { SHAPE_RULES } from "./emit-shape.ts";
import { type EmitOptions, type EmitRules, Emitter, type InputNames } from "./emitter.ts";
import { asBytes } from "./graph.ts";

/** One rule for every operation; the compiler checks that none is missing. */
const RULES: EmitRules = {
  ...ELEMENTWISE_RULES,
  ...SHAPE_RULES,
  ...MODEL_RULES,
  ...ATTENTION_RULES,
  ...ROTARY_RULES,
};

type AnyRule = (node: ProgramNode, inputs: InputNames, emitter: Emitter) => readonly string[];

export interface TrainingModel {
  readonly bytes: Uint8Array;
  readonly masks: readonly MaskInput[];
  readonly nodes: number;
}

/** Names of the tensors of a training graph; outputs `output:NAME` are joined by gradients. */
export const graphNames = {
  input: (name: string) => `input:${name}`,
  value: (name: string) => `value:${name}`,
  /** Gradients accumulated before the run: an input. */
  gradient: (name: string) => `gradient:${name}`,
  /** The same with this run's added: an output, which may share the input's memory. */
  sum: (name: string) => `sum:${name}`,
  output: (name: string) => `output:${name}`,
};

/**
 * A program as one ONNX model: forward and, where there are gradients, backward. Values of
 * parameters and the gradients so far are inputs, so that one model serves every step.
 */
export function trainingModel(program: Program, options: EmitOptions = {}): TrainingModel {
  const accumulators = gradientProducts(program);
  const emitter = new Emitter(options, accumulators);
  const { graph } = emitter;
  const names = new Map<number, string>();
  for (const { name, value } of program.inputs) {
    declare(emitter, names, graphNames.input(name), value);
  }
  for (const { name, value } of program.parameters) {
    declare(emitter, names, graphNames.value(name), value);
  }
  for (const { name, value } of program.gradients) {
    graph.input(graphNames.gradient(name), "float32", value.shape);
  }
  emitNodes(program, emitter, names);
  for (const { name, value } of program.gradients) {
    const terms = [nameOf(names, value), graphNames.gradient(name)] as const;
    if (accumulators.has(value.id))
      graph.node("Identity", terms.slice(0, 1), [graphNames.sum(name)]);
    else graph.node("Add", terms, [graphNames.sum(name)]);
    graph.output(graphNames.sum(name), "float32", value.shape);
  }
  nameOutputs(emitter, names, program.outputs, graphNames.output);
  return { bytes: graph.finish("program"), masks: maskInputs(program), nodes: graph.nodeCount };
}

/**
 * A forward program as an ONNX model file for any runtime: inputs and outputs under their names,
 * parameters inside.
 *
 * @throws UnsupportedFeatureError for a program with dropout: export the evaluation program.
 * @throws InvalidArgumentError when an input and an output share a name.
 */
export function exportedModel(
  program: Program,
  values: ReadonlyMap<string, Float32Array>,
  options: EmitOptions = { portable: true },
): Uint8Array {
  if (program.nodes.some(({ op }) => op === "dropoutMask")) {
    throw new UnsupportedFeatureError("dropout", "a program with dropout cannot be exported", {
      suggestions: ["build the program for evaluation, without dropout"],
    });
  }
  const twice = program.outputs.find(({ name }) =>
    program.inputs.some((input) => input.name === name),
  );
  if (twice !== undefined) {
    const message = `both an input and an output are named ${twice.name}`;
    throw new InvalidArgumentError("program", twice.name, message, {
      suggestions: ["rename the output: a file has one name for one tensor"],
    });
  }
  const emitter = new Emitter(options);
  const names = new Map<number, string>();
  for (const { name, value } of program.inputs) declare(emitter, names, name, value);
  const taken = new Set([...program.inputs, ...program.outputs].map(({ name }) => name));
  for (const { name, value } of program.parameters) {
    const data = values.get(name);
    if (data === undefined) throw new Error(`the parameter ${name} has no values`);
    const free = taken.has(name) ? graphNames.value(name) : name;
    emitter.graph.initializer("float32", value.shape, asBytes(data), free);
    names.set(value.id, free);
  }
  emitNodes(program, emitter, names);
  nameOutputs(emitter, names, program.outputs, (name) => name);
  return emitter.graph.finish("model");
}

/** Gradients that are products of matrices and nothing else needs, with what they are added to. */
function gradientProducts(program: Program): ReadonlyMap<number, string> {
  const uses = new Map<number, number>();
  const used = [...program.nodes.flatMap(({ inputs }) => inputs)];
  used.push(...program.outputs.map(({ value }) => value));
  used.push(...program.gradients.map(({ value }) => value));
  for (const { id } of used) uses.set(id, (uses.get(id) ?? 0) + 1);
  const products = new Set(
    program.nodes.flatMap(({ op, outputs }) =>
      op === "matmul" ? outputs.filter(({ shape }) => shape.length === 2).map(({ id }) => id) : [],
    ),
  );
  return new Map(
    program.gradients.flatMap(({ name, value: { id } }) =>
      products.has(id) && uses.get(id) === 1 ? [[id, graphNames.gradient(name)]] : [],
    ),
  );
}

function emitNodes(program: Program, emitter: Emitter, names: Map<number, string>): void {
  for (const { value, data } of program.constants) {
    names.set(value.id, emitter.graph.initializer(value.dtype, value.shape, asBytes(data)));
  }
  for (const node of program.nodes) {
    const inputs = node.inputs.map((value) => nameOf(names, value));
    const rule = RULES[node.op] as AnyRule; // proof: the rule of this node's operation
    const outputs = rule(node, inputs as unknown as InputNames, emitter); // proof: see InputNames
    for (const [place, { id }] of node.outputs.entries()) names.set(id, outputs[place] ?? "");
  }
}

function nameOutputs(
  emitter: Emitter,
  names: ReadonlyMap<number, string>,
  outputs: readonly NamedValue[],
  naming: (name: string) => string,
): void {
  for (const { name, value } of outputs) {
    emitter.graph.node("Identity", [nameOf(names, value)], [naming(name)]);
    emitter.graph.output(naming(name), value.dtype, value.shape);
  }
}

function declare(emitter: Emitter, names: Map<number, string>, name: string, value: Value): void {
  emitter.graph.input(name, value.dtype, value.shape);
  names.set(value.id, name);
}

function nameOf(names: ReadonlyMap<number, string>, value: Value): string {
  const name = names.get(value.id);
  if (name === undefined) throw new Error(`value ${value.id} was used before it was computed`);
  return name;
}
