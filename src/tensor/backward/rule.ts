import type { OpName } from "../op-attributes.ts";
import type { ProgramNode, Value } from "../program.ts";

/**
 * Appends what an operation passes back to its inputs.
 *
 * `gradient` belongs to the first output; operations whose first output does not reach the loss
 * are not asked. `needed` says which inputs want a gradient; the result may be undefined elsewhere.
 */
export type BackwardRule<K extends OpName> = (
  node: ProgramNode<K>,
  gradient: Value,
  needed: readonly boolean[],
) => readonly (Value | undefined)[];

export type BackwardRules = { readonly [K in OpName]?: BackwardRule<K> };

type Operands = readonly [Value, Value, Value, Value, Value];

/** The inputs of a node as a tuple; read no more of it than the operation has. */
export function operands(node: ProgramNode): Operands {
  return node.inputs as unknown as Operands; // proof: shape checks gave the node its inputs
}

/** The first output of a node. */
export function result(node: ProgramNode): Value {
  return node.outputs[0] as Value; // proof: every operation has one
}
