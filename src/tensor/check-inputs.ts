import {
  IncompatibleError,
  InvalidArgumentError,
  NotFoundError,
} from "../../formats/common/errors.ts";
import type { RunInputs } from "./executor.ts";
import { elementCount, newHostArray, type Program, type ProgramNode } from "./program.ts";
import { shapeText } from "./shape-checks.ts";

interface Range {
  readonly op: string;
  readonly end: number;
  /** A value allowed outside [0, end). */
  readonly also: number | undefined;
}

const RANGES = new WeakMap<Program, ReadonlyMap<number, readonly Range[]>>();

/**
 * Refuses inputs that are missing, unknown, of another type or length, and ids and labels outside
 * their table, which a runtime may read past.
 */
export function checkInputs(program: Program, inputs: RunInputs): void {
  const names = program.inputs.map(({ name }) => name);
  const unknown = Object.keys(inputs).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new NotFoundError("input-unknown", `the program has no input ${unknown}`, {
      what: unknown,
      available: names,
    });
  }
  for (const { name, value } of program.inputs) {
    const data = inputs[name];
    if (data === undefined) {
      throw new NotFoundError("input-missing", `the input ${name} was not given`, { what: name });
    }
    const wanted = newHostArray(value.dtype, 0);
    if (data.constructor !== wanted.constructor || data.length !== elementCount(value.shape)) {
      throw new IncompatibleError(
        "shape-mismatch",
        `input ${name}: expected a ${wanted.constructor.name} for ${shapeText(value.shape)}, ` +
          `found a ${data.constructor.name} of ${data.length}`,
      );
    }
    for (const range of rangesOf(program).get(value.id) ?? []) checkRange(name, data, range);
  }
}

function checkRange(name: string, data: ArrayLike<number>, { op, end, also }: Range): void {
  for (let i = 0; i < data.length; i++) {
    const id = data[i] ?? 0;
    if ((id >= 0 && id < end) || id === also) continue;
    throw new InvalidArgumentError(
      name,
      id,
      `input ${name}: ${id} at position ${i} is outside [0, ${end}) of the ${op}`,
      { suggestions: ["check that the tokenizer's vocabulary is the model's"] },
    );
  }
}

/** Ranges of the inputs that index something, by the id of the input. */
function rangesOf(program: Program): ReadonlyMap<number, readonly Range[]> {
  const known = RANGES.get(program);
  if (known !== undefined) return known;
  const ranges = new Map<number, Range[]>();
  for (const node of program.nodes) {
    const found = rangeOf(node);
    const id = node.inputs[1]?.id;
    if (found === undefined || id === undefined) continue;
    ranges.set(id, [...(ranges.get(id) ?? []), found]);
  }
  RANGES.set(program, ranges);
  return ranges;
}

function rangeOf(node: ProgramNode): Range | undefined {
  if (node.op === "embedding") {
    return { op: node.op, end: node.inputs[0]?.shape[0] ?? 0, also: undefined };
  }
  if (node.op === "rotary") {
    return { op: node.op, end: node.inputs[0]?.shape[1] ?? 0, also: undefined };
  }
  if (node.op !== "crossEntropy") return undefined;
  const { ignoreIndex } = node.attributes;
  return { op: node.op, end: node.inputs[0]?.shape[1] ?? 0, also: ignoreIndex };
}
