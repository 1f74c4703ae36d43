import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { BACKWARD } from "./backward/index.ts";
import { result } from "./backward/rule.ts";
import type { ProgramBuilder } from "./builder.ts";
import { add } from "./ops/elementwise.ts";
import type { ProgramNode, Value } from "./program.ts";
import { shapeText } from "./shape-checks.ts";

export interface GradientOptions {
  /** Which parameters are trained. Default: all that the program has so far. */
  readonly parameters?: Iterable<string>;
  /** float32 []: derivative of what is minimised by the loss, e.g. 1 / count. Default: 1. */
  readonly seed?: Value;
}

/**
 * Appends the backward pass of a scalar `loss` and makes its results the program's gradients.
 *
 * Nothing is appended for parts that no trained parameter feeds. A trained parameter that the loss
 * does not depend on has no gradient and is left out. Call it once, after the forward pass.
 *
 * @returns the gradient by parameter name, each in its parameter's shape.
 */
export function addGradients(
  builder: ProgramBuilder,
  loss: Value,
  options: GradientOptions = {},
): ReadonlyMap<string, Value> {
  if (loss.shape.length !== 0 || loss.dtype !== "float32") {
    throw new InvalidArgumentError(
      "loss",
      loss.shape,
      `gradients: the loss must be a float32 scalar, found ${loss.dtype} ${shapeText(loss.shape)}`,
      { suggestions: ["reduce it with sum() or mean()"] },
    );
  }
  const parameters = trained(builder, options.parameters);
  const forward = [...builder.nodes];
  const active = reachable(forward, parameters.values());
  const sums = new Map<number, Value>();
  // Of its own: the forward pass may have the same number.
  const seed = options.seed ?? builder.constant("float32", [], Float32Array.of(1));
  if (active.has(loss.id)) sums.set(loss.id, seed);
  for (const node of forward.reverse()) {
    if (!node.outputs.some(({ id }) => sums.has(id))) continue;
    backwardOf(node, sums, active);
  }
  const gradients = new Map<string, Value>();
  for (const [name, parameter] of parameters) {
    const gradient = sums.get(parameter.id);
    if (gradient === undefined) continue;
    gradients.set(name, gradient);
    builder.gradient(name, gradient);
  }
  if (gradients.size > 0) builder.gradientSeed(seed);
  return gradients;
}

/** Adds what `node` passes back to the sums of those of its inputs that are active. */
function backwardOf(
  node: ProgramNode,
  sums: Map<number, Value>,
  active: ReadonlySet<number>,
): void {
  const needed = node.inputs.map(({ id }) => active.has(id));
  if (!needed.includes(true)) return;
  const rule = BACKWARD[node.op] as Rule | undefined; // proof: the rule of this node's operation
  if (rule === undefined) return;
  const gradient = sums.get(result(node).id);
  if (gradient === undefined) return; // only the second output, a count, was used
  const gradients = rule(node, gradient, needed);
  for (const [at, input] of node.inputs.entries()) {
    const gradient = gradients[at];
    if (gradient === undefined || needed[at] !== true) continue;
    const known = sums.get(input.id);
    sums.set(input.id, known === undefined ? gradient : add(known, gradient));
  }
}

type Rule = (
  node: ProgramNode,
  gradient: Value,
  needed: readonly boolean[],
) => readonly (Value | undefined)[];

/** Ids of values that depend on one of `roots` by operations with a gradient, roots included. */
function reachable(nodes: readonly ProgramNode[], roots: Iterable<Value>): ReadonlySet<number> {
  const ids = new Set([...roots].map(({ id }) => id));
  for (const node of nodes) {
    if (BACKWARD[node.op] === undefined) continue;
    if (node.inputs.some(({ id }) => ids.has(id))) for (const { id } of node.outputs) ids.add(id);
  }
  return ids;
}

function trained(builder: ProgramBuilder, names?: Iterable<string>): ReadonlyMap<string, Value> {
  if (names === undefined) return builder.parameters;
  const chosen = new Map<string, Value>();
  for (const name of names) {
    const value = builder.parameters.get(name);
    if (value === undefined) {
      throw new InvalidArgumentError(
        "parameters",
        name,
        `gradients: there is no parameter ${name}`,
      );
    }
    chosen.set(name, value);
  }
  return chosen;
}
