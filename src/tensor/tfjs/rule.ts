import type { Tensor } from "@tensorflow/tfjs-core";
import type { PlainNode, PlainValue } from "../device/plan.ts";
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
export class Run {
  readonly tf: TensorFlow;
  readonly key: Omit<DropoutKey, "layer">;
  /** What forward operations leave for their backward ones, by the id of their first output. */
  readonly #saved = new Map<number, readonly Tensor[]>();
  readonly #lasting: LastingTensors;

  constructor(tf: TensorFlow, key: Omit<DropoutKey, "layer">, lasting: LastingTensors) {
    this.tf = tf;
    this.key = key;
    this.#lasting = lasting;
  }

  save(id: number, tensors: readonly Tensor[]): void {
    for (const tensor of tensors) this.tf.keep(tensor);
    this.#saved.set(id, tensors);
  }

  saved(id: number): readonly Tensor[] {
    const tensors = this.#saved.get(id);
    if (tensors === undefined) throw new Error("a backward operation came before its forward one");
    return tensors;
  }

  /** Frees what was saved for an output that is needed no more. */
  forget(id: number): void {
    for (const tensor of this.#saved.get(id) ?? []) tensor.dispose();
    this.#saved.delete(id);
  }

  /** A table, made the first time it is asked for. */
  lasting(key: string, make: () => Tensor): Tensor {
    const known = this.#lasting.get(key) ?? this.tf.keep(make());
    this.#lasting.set(key, known);
    return known;
  }

  /** Frees all that is left. */
  end(): void {
    for (const id of [...this.#saved.keys()]) this.forget(id);
  }
}

/** The shape of a place, where the operation has it. */
export function shapeOf(value: PlainValue | undefined): Shape {
  return value?.shape ?? [];
}
