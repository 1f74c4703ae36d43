import type { Tensor } from "@tensorflow/tfjs-core";
import type { PlainNode, PlainValue } from "../device/plan.ts";
import { SavedTensors } from "../device/saved-tensors.ts";
import type { DropoutKey } from "../dropout-bits.ts";
import type { OpName } from "../op-attributes.ts";
import type { Shape } from "../program.ts";
import type { TensorFlow } from "./load.ts";

/** Tensors by place; rules read no more of them than their operation has. */
export type Operands = readonly [Tensor, Tensor, Tensor, Tensor, Tensor, ...Tensor[]];

/** Calls the functions of TensorFlow.js that make up one operation, inside a tidy. */
export type Rule<K extends OpName> = (
  node: PlainNode<K>,
  inputs: Operands,
  run: Run,
) => readonly Tensor[];

export type Rules<K extends OpName = OpName> = { readonly [N in K]: Rule<N> };

/** Tensors that are made once in the life of a runtime, by what they are. */
export type LastingTensors = Map<string, Tensor>;

/** One run of a program, as its operations see it. */
export class Run extends SavedTensors<Tensor> {
  readonly tf: TensorFlow;
  readonly key: Omit<DropoutKey, "layer">;
  readonly #lasting: LastingTensors;

  constructor(tf: TensorFlow, key: Omit<DropoutKey, "layer">, lasting: LastingTensors) {
    super(
      (tensor) => tf.keep(tensor),
      (tensor) => tensor.dispose(),
    );
    this.tf = tf;
    this.key = key;
    this.#lasting = lasting;
  }

  /** A table, made the first time it is asked for. */
  lasting(key: string, make: () => Tensor): Tensor {
    const known = this.#lasting.get(key) ?? this.tf.keep(make());
    this.#lasting.set(key, known);
    return known;
  }
}

/** The shape of a place, where the operation has it. */
export function shapeOf(value: PlainValue | undefined): Shape {
  return value?.shape ?? [];
}
