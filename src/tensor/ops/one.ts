import type { Value } from "../program.ts";

/** The only output of an operation. */
export function one(outputs: readonly Value[]): Value {
  return outputs[0] as Value; // proof: the caller asked for one output
}
