/**
 * A program: a list of operations over tensors of fixed shapes, written once and run by any executor.
 *
 * A program has inputs (fed with every run), parameters (held by the executor under their names),
 * constants, nodes in the order of execution, named outputs and, after `addGradients`, one gradient
 * for every trainable parameter. Shapes are static: a trainer makes one program for every (batch,
 * length) it meets. Programs are plain data; nothing in them knows which executor runs them.
 */
import type { OpAttributes, OpName } from "./op-attributes.ts";

/** `bool` is held as bytes 0 and 1. Row-major everywhere. */
export type TensorDType = "float32" | "int32" | "bool";

export type Shape = readonly number[];

export interface TensorType {
  readonly dtype: TensorDType;
  readonly shape: Shape;
}

/** The array that holds a tensor of a dtype on the host. */
export interface HostArrays {
  float32: Float32Array;
  int32: Int32Array;
  bool: Uint8Array;
}
export type HostArray = HostArrays[TensorDType];

/** A tensor of a program that is being built; made by the builder and by operations only. */
export interface Value extends TensorType {
  /** Unique in its program. */
  readonly id: number;
  readonly builder: NodeSink;
}

/** Where operations append their nodes: `ProgramBuilder`. */
export interface NodeSink {
  emit<K extends OpName>(
    op: K,
    inputs: readonly Value[],
    attributes: OpAttributes[K],
    outputs: readonly TensorType[],
  ): readonly Value[];
  constant<D extends TensorDType>(dtype: D, shape: Shape, data: HostArrays[D]): Value;
}

/** One operation. `inputs` and `outputs` are in the order that `op-attributes.ts` states. */
export type ProgramNode<K extends OpName = OpName, V = Value> = {
  [N in K]: {
    readonly op: N;
    readonly attributes: OpAttributes[N];
    readonly inputs: readonly V[];
    readonly outputs: readonly V[];
  };
}[K];

export interface NamedValue<V = Value> {
  readonly name: string;
  readonly value: V;
}

export interface ConstantValue {
  readonly value: Value;
  readonly data: HostArray;
}

export interface Program {
  readonly inputs: readonly NamedValue[];
  readonly parameters: readonly NamedValue[];
  readonly constants: readonly ConstantValue[];
  /** Every node's inputs come before it. Nodes that no output needs are not here. */
  readonly nodes: readonly ProgramNode[];
  readonly outputs: readonly NamedValue[];
  /** Gradients of the loss by parameter name; empty for a program without backward pass. */
  readonly gradients: readonly NamedValue[];
  /** What the backward pass begins with: gradients are proportional to it. */
  readonly gradientSeed?: Value;
}

/** Elements of a shape; 1 for a scalar `[]`. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** A zeroed array for a tensor type. */
export function newHostArray<D extends TensorDType>(dtype: D, length: number): HostArrays[D];
export function newHostArray(dtype: TensorDType, length: number): HostArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(length);
    case "int32":
      return new Int32Array(length);
    case "bool":
      return new Uint8Array(length);
  }
}
