import type { Shape } from "../program.ts";
import { at, type EmitRules, type Emitter } from "./emitter.ts";
import { asBytes } from "./graph.ts";

export const SHAPE_RULES = {
  sum: ({ attributes }, [x], emitter) => [emitter.sum(x, attributes.axes, attributes.keepDims)],
  argmax: (node, [x], emitter) => {
    if (emitter.webGpu) return [leastPlaceOfLargest(x, at(node.inputs, 0).shape, emitter)];
    const index = emitter.op("ArgMax", [x], { axis: -1, keepdims: 0 });
    return [emitter.op("Cast", [index], { to: 6 })];
  },
  broadcast: ({ attributes }, [x], emitter) => [
    emitter.op("Expand", [x, emitter.graph.integers(attributes.shape)]),
  ],
  reshape: (node, [x], emitter) => [
    emitter.reshape(x, at(node.inputs, 0).shape, node.attributes.shape),
  ],
  transpose: ({ attributes }, [x], emitter) => [
    emitter.op("Transpose", [x], { perm: attributes.permutation }),
  ],
  concat: ({ attributes }, inputs, emitter) => [
    emitter.op("Concat", inputs, { axis: attributes.axis }),
  ],
  slice: ({ attributes }, [x], emitter) => {
    const bounds = [attributes.begin, attributes.end, attributes.axis];
    return [emitter.op("Slice", [x, ...bounds.map((bound) => emitter.graph.integers([bound]))])];
  },
  pad: (node, [x], emitter) => {
    const { axis, before, after } = node.attributes;
    const zeros = at(node.inputs, 0).shape.map(() => 0);
    const amounts = emitter.graph.integers([
      ...zeros.with(axis, before),
      ...zeros.with(axis, after),
    ]);
    return [emitter.op("Pad", [x, amounts])];
  },
} satisfies Partial<EmitRules>;

/** ArgMax of int32: WebGPU's is of int64, which nothing else there takes. */
function leastPlaceOfLargest(x: string, shape: Shape, emitter: Emitter): string {
  const { graph } = emitter;
  const size = shape.at(-1) ?? 1;
  const axis = graph.integers([-1]);
  const places = Int32Array.from({ length: size }, (_, place) => place);
  const place = graph.initializer("int32", [size], asBytes(places));
  const end = graph.initializer("int32", [], asBytes(Int32Array.of(size)));
  const largest = emitter.op("ReduceMax", [x, axis], { keepdims: 1 });
  const found = emitter.op("Where", [emitter.op("Equal", [x, largest]), place, end]);
  return emitter.op("ReduceMin", [found, axis], { keepdims: 0 });
}
