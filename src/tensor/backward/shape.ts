import { broadcast, pad, reshape, slice, sumTo, transpose } from "../ops/shape.ts";
import { type BackwardRules, operands } from "./rule.ts";

export const SHAPE_BACKWARD = {
  reshape: (node, gradient) => [reshape(gradient, operands(node)[0].shape)],
  transpose: (node, gradient) => {
    const { permutation } = node.attributes;
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [transpose(gradient, inverse)];
  },
  broadcast: (node, gradient) => [sumTo(gradient, operands(node)[0].shape)],
  sum: (node, gradient) => {
    const { shape } = operands(node)[0];
    const kept = shape.map((size, axis) => (node.attributes.axes.includes(axis) ? 1 : size));
    return [broadcast(reshape(gradient, kept), shape)];
  },
  slice: (node, gradient) => {
    const { axis, begin, end } = node.attributes;
    return [pad(gradient, axis, begin, (operands(node)[0].shape[axis] ?? 0) - end)];
  },
  pad: (node, gradient) => {
    const { axis, before, after } = node.attributes;
    return [slice(gradient, axis, before, (gradient.shape[axis] ?? 0) - after)];
  },
  concat: (node, gradient, needed) => {
    const { axis } = node.attributes;
    let begin = 0;
    return node.inputs.map(({ shape }, at) => {
      const end = begin + (shape[axis] ?? 0);
      const part = needed[at] === true ? slice(gradient, axis, begin, end) : undefined;
      begin = end;
      return part;
    });
  },
} satisfies BackwardRules;
