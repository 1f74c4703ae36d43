import { type Rules, shapeOf } from "./rule.ts";

export const SHAPE_RULES = {
  sum: ({ attributes }, [x], { tf }) =>
    attributes.axes.length === 0 ? [x] : [tf.sum(x, [...attributes.axes], attributes.keepDims)],
  argmax: (_, [x], { tf }) => [tf.argMax(x, -1)],
  broadcast: ({ attributes }, [x], { tf }) => [tf.broadcastTo(x, [...attributes.shape])],
  reshape: ({ attributes }, [x], { tf }) => [tf.reshape(x, [...attributes.shape])],
  transpose: ({ attributes }, [x], { tf }) => [tf.transpose(x, [...attributes.permutation])],
  concat: ({ attributes }, inputs, { tf }) => [tf.concat([...inputs], attributes.axis)],
  slice: (node, [x], { tf }) => {
    const { axis, begin, end } = node.attributes;
    const shape = shapeOf(node.inputs[0]);
    return [tf.slice(x, shape.map(() => 0).with(axis, begin), shape.with(axis, end - begin))];
  },
  pad: (node, [x], { tf }) => {
    const { axis, before, after } = node.attributes;
    const amounts = shapeOf(node.inputs[0]).map((_, place): [number, number] =>
      place === axis ? [before, after] : [0, 0],
    );
    return [tf.pad(x, amounts)];
  },
} satisfies Partial<Rules>;
