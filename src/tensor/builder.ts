import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { OpAttributes, OpName } from "./op-attributes.ts";
import {
  type ConstantValue,
  elementCount,
  type HostArrays,
  type NamedValue,
  type NodeSink,
  type Program,
  type ProgramNode,
  type Shape,
  type TensorDType,
  type TensorType,
  type Value,
} from "./program.ts";
import { requireOneProgram, requireShape, sameShape, shapeMismatch } from "./shape-checks.ts";

/**
 * Builds a {@link Program}: declare inputs and parameters, apply the operations of `ops/`, name the
 * outputs, `build()`.
 *
 * ```ts
 * const builder = new ProgramBuilder();
 * const x = builder.input("x", "float32", [8, 4]);
 * const w = builder.parameter("w", [2, 4]);
 * builder.output("y", relu(linear(x, w)));
 * const program = builder.build();
 * ```
 *
 * Names are unique among inputs, among parameters and among outputs; asking for a parameter again
 * gives the same value, so that layers may share one (a tied embedding), and throws when the shape
 * differs.
 */
export class ProgramBuilder implements NodeSink {
  readonly #inputs = new Map<string, Value>();
  readonly #parameters = new Map<string, Value>();
  readonly #outputs = new Map<string, Value>();
  readonly #gradients = new Map<string, Value>();
  #seed: Value | undefined;
  readonly #constants: ConstantValue[] = [];
  readonly #scalars = new Map<number, Value>();
  readonly #nodes: ProgramNode[] = [];
  #values = 0;

  /** A tensor fed with every run. */
  input(name: string, dtype: TensorDType, shape: Shape): Value {
    if (this.#inputs.has(name)) throw taken("input", name);
    const value = this.#value({ dtype, shape });
    this.#inputs.set(name, value);
    return value;
  }

  /** A float32 tensor that the executor holds under `name`. */
  parameter(name: string, shape: Shape): Value {
    const known = this.#parameters.get(name);
    if (known !== undefined) {
      if (sameShape(known.shape, shape)) return known;
      throw shapeMismatch(`parameter ${name}`, "used with two shapes", known.shape, shape);
    }
    const value = this.#value({ dtype: "float32", shape });
    this.#parameters.set(name, value);
    return value;
  }

  /** A tensor that is part of the program. The array is kept: do not change it. */
  constant<D extends TensorDType>(dtype: D, shape: Shape, data: HostArrays[D]): Value {
    if (data.length !== elementCount(shape)) {
      throw shapeMismatch("constant", "data and shape", [data.length], shape);
    }
    const value = this.#value({ dtype, shape });
    this.#constants.push({ value, data });
    return value;
  }

  /** A float32 scalar. Equal numbers are one value. */
  scalar(number: number): Value {
    const known = this.#scalars.get(number);
    if (known !== undefined) return known;
    const value = this.constant("float32", [], Float32Array.of(number));
    this.#scalars.set(number, value);
    return value;
  }

  /** Names a result of the program. Any dtype. */
  output(name: string, value: Value): void {
    this.#own(value, `output ${name}`);
    if (this.#outputs.has(name)) throw taken("output", name);
    this.#outputs.set(name, value);
  }

  /** Makes `value` the gradient of a parameter; `addGradients` calls it. */
  gradient(parameter: string, value: Value): void {
    this.#own(value, `gradient of ${parameter}`);
    if (this.#gradients.has(parameter)) throw taken("gradient", parameter);
    this.#gradients.set(parameter, value);
  }

  /** What the gradients begin with; see {@link Program.gradientSeed}. */
  gradientSeed(value: Value): void {
    this.#own(value, "gradient seed");
    this.#seed = value;
  }

  /** Appends a node; the functions of `ops/` call it after their checks. */
  emit<K extends OpName>(
    op: K,
    inputs: readonly Value[],
    attributes: OpAttributes[K],
    outputs: readonly TensorType[],
  ): readonly Value[] {
    requireOneProgram(op, inputs);
    const values = outputs.map((type) => this.#value(type));
    // proof: the four fields are those of one K, which the union cannot see through a type parameter.
    this.#nodes.push({ op, attributes, inputs, outputs: values } as unknown as ProgramNode);
    return values;
  }

  /** Parameters declared so far, by name. */
  get parameters(): ReadonlyMap<string, Value> {
    return this.#parameters;
  }

  /** Nodes appended so far. */
  get nodes(): readonly ProgramNode[] {
    return this.#nodes;
  }

  /** The program so far, without nodes, parameters and constants that no output or gradient needs. */
  build(): Program {
    const outputs = named(this.#outputs);
    const gradients = named(this.#gradients);
    const needed = new Set([...outputs, ...gradients].map(({ value }) => value.id));
    const nodes: ProgramNode[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some(({ id }) => needed.has(id))) continue;
      for (const { id } of node.inputs) needed.add(id);
      nodes.push(node);
    }
    return {
      inputs: named(this.#inputs),
      parameters: named(this.#parameters).filter(({ value }) => needed.has(value.id)),
      constants: this.#constants.filter(({ value }) => needed.has(value.id)),
      nodes: nodes.reverse(),
      outputs,
      gradients,
      ...(this.#seed === undefined ? {} : { gradientSeed: this.#seed }),
    };
  }

  #value(type: TensorType): Value {
    requireShape("tensor", type.shape);
    return { id: this.#values++, builder: this, dtype: type.dtype, shape: [...type.shape] };
  }

  #own(value: Value, what: string): void {
    if (value.builder === this) return;
    throw new InvalidArgumentError("value", what, `${what}: the value belongs to another program`);
  }
}

function named(values: ReadonlyMap<string, Value>): NamedValue[] {
  return [...values].map(([name, value]) => ({ name, value }));
}

function taken(what: string, name: string): InvalidArgumentError {
  return new InvalidArgumentError("name", name, `the program already has the ${what} ${name}`);
}
