import { at, type EmitRules } from "./emitter.ts";

export const SHAPE_RULES = {
  sum: ({ attributes }, [x], emitter) => [emitter.sum(x, attributes.axes, attributes.keepDims)],
  argmax: (_, [x], emitter) => {
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
