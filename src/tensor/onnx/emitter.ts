import type { OpName } from "../op-attributes.ts";
import type { ProgramNode, Shape, Value } from "../program.ts";
import { elementCount } from "../program.ts";
import { type Attributes, MICROSOFT, OnnxGraph } from "./graph.ts";

export interface EmitOptions {
  /** Only operators of the ONNX standard, for other runtimes; slower on ours. Default: false. */
  readonly portable?: boolean;
  /** Only operators that ONNX Runtime has for WebGPU. Default: false. */
  readonly webGpu?: boolean;
}

/** Emits one operation of a program as ONNX nodes and returns the names of its outputs. */
export type EmitRule<K extends OpName> = (
  node: ProgramNode<K>,
  inputs: InputNames,
  emitter: Emitter,
) => readonly string[];

export type EmitRules<K extends OpName = OpName> = { readonly [N in K]: EmitRule<N> };

/** Names of the inputs; a rule reads no more of them than its operation has. */
export type InputNames = readonly [string, string, string, string, string, ...string[]];

/** The graph being emitted, and what forward operations keep for backward ones. */
export class Emitter {
  readonly graph = new OnnxGraph();
  readonly portable: boolean;
  readonly webGpu: boolean;
  /** Values to be added to an existing tensor where they are computed, by id. */
  readonly accumulators: ReadonlyMap<number, string>;
  readonly #kept = new Map<string, string>();
  readonly #shared = new Map<string, readonly [string, string]>();

  constructor(options: EmitOptions, accumulators: ReadonlyMap<number, string> = new Map()) {
    this.webGpu = options.webGpu ?? false;
    this.portable = options.portable ?? this.webGpu;
    this.accumulators = accumulators;
  }

  /** A tensor that belongs to `value`, emitted the first time it is asked for. */
  once(value: Value, what: string, emit: () => string): string {
    const key = `${value.id} ${what}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const name = emit();
    this.#kept.set(key, name);
    return name;
  }

  /** Tensors that do not belong to one value, e.g. tables, emitted once for their key. */
  shared(key: string, emit: () => readonly [string, string]): readonly [string, string] {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const names = emit();
    this.#shared.set(key, names);
    return names;
  }

  op(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.graph.op(type, inputs, attributes);
  }

  reshape(name: string, from: Shape, to: Shape): string {
    if (from.length === to.length && from.every((size, axis) => size === to[axis])) return name;
    return this.op("Reshape", [name, this.graph.integers(to)]);
  }

  /** All but the last axis as one: what Gemm takes. */
  rows(name: string, shape: Shape): string {
    const columns = shape.at(-1) ?? 1;
    return this.reshape(name, shape, [elementCount(shape) / columns, columns]);
  }

  sum(name: string, axes: readonly number[], keepDims: boolean): string {
    return this.op("ReduceSum", [name, this.graph.integers(axes)], { keepdims: keepDims ? 1 : 0 });
  }

  scaled(name: string, factor: number): string {
    return factor === 1 ? name : this.op("Mul", [name, this.graph.float(factor)]);
  }

  /** Batched product of matrices of `rank` dimensions. */
  matmul(
    a: string,
    b: string,
    rank: number,
    { transA = false, transB = false, alpha = 1 }: MatmulFlags = {},
  ): string {
    if (!transA && !transB && alpha === 1) return this.op("MatMul", [a, b]);
    if (!this.portable) {
      const flags = { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } };
      return this.graph.op("FusedMatMul", [a, b], flags, MICROSOFT);
    }
    const swap = Array.from({ length: rank }, (_, axis) => axis);
    swap.push(...swap.splice(-2).reverse());
    const left = transA ? this.op("Transpose", [a], { perm: swap }) : a;
    const right = transB ? this.op("Transpose", [b], { perm: swap }) : b;
    return this.scaled(this.op("MatMul", [left, right]), alpha);
  }
}

export interface MatmulFlags {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
}

/** The value at a place of a list that the operation always fills. */
export function at(values: readonly Value[], place: number): Value {
  return values.at(place) as Value; // proof: shape checks gave the node its inputs and outputs
}
