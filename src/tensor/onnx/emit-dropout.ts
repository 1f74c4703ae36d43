import type { OpAttributes } from "../op-attributes.ts";
import { elementCount, type Program } from "../program.ts";
import type { Emitter } from "./emitter.ts";
import { asBytes } from "./graph.ts";

/** Elements of a mask in one number of the graph input, the first in the lowest bit. */
const BITS = 16;

/** A mask that the graph wants as an input, uint16 [numbers]; int32 on WebGPU, which has no uint16. */
export interface MaskInput {
  readonly name: string;
  readonly layer: number;
  readonly rate: number;
  /** Room for a bit for every element. */
  readonly numbers: number;
}

type MaskAttributes = OpAttributes["dropoutMask"];

function maskInput({ layer, rate, shape }: MaskAttributes): MaskInput {
  return { name: `dropout:${layer}`, layer, rate, numbers: Math.ceil(elementCount(shape) / BITS) };
}

/** The masks of a program, in the order of its nodes. */
export function maskInputs({ nodes }: Program): readonly MaskInput[] {
  return nodes.flatMap((node) => (node.op === "dropoutMask" ? [maskInput(node.attributes)] : []));
}

/**
 * A mask as float32 zeros and ones, which is what both operations multiply by. It comes as bits and
 * is unpacked where it is needed: the masks of all layers would be a gigabyte at 2,048 tokens.
 */
export function dropoutMask(attributes: MaskAttributes, emitter: Emitter): string {
  const { graph } = emitter;
  const { name, numbers } = maskInput(attributes);
  graph.input(name, emitter.webGpu ? "int32" : "uint16", [numbers]);
  const [table] = emitter.shared("bits", () => [bitTable(emitter), ""]);
  const places = emitter.webGpu ? name : emitter.op("Cast", [name], { to: 6 });
  const rows = emitter.op("Gather", [table, places], { axis: 0 });
  const count = elementCount(attributes.shape);
  const shape = graph.integers(attributes.shape);
  if (count === numbers * BITS) return emitter.op("Reshape", [rows, shape]);
  const flat = emitter.op("Reshape", [rows, graph.integers([-1])]);
  const ends = [graph.integers([0]), graph.integers([count])];
  return emitter.op("Reshape", [emitter.op("Slice", [flat, ...ends]), shape]);
}

/** float32 [65536, 16]: the bits of every number, made of those of every byte. */
function bitTable(emitter: Emitter): string {
  const { graph } = emitter;
  const bits = Float32Array.from({ length: 256 * 8 }, (_, at) => ((at >> 3) >> (at & 7)) & 1);
  const bytes = graph.initializer("float32", [256, 8], asBytes(bits));
  const every = graph.integers([256, 256, 8]);
  const half = (axis: number) =>
    emitter.op("Expand", [emitter.op("Unsqueeze", [bytes, graph.integers([axis])]), every]);
  const pairs = emitter.op("Concat", [half(0), half(1)], { axis: -1 });
  return emitter.op("Reshape", [pairs, graph.integers([256 * 256, BITS])]);
}
