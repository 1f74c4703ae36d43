import { elementCount, type Shape } from "../program.ts";
import {
  broadcastOffsets,
  type Floats,
  type Kernels,
  newBuffer,
  offsets,
  strides,
} from "./buffers.ts";

const shapeOf = (value: { readonly shape: Shape } | undefined): Shape => value?.shape ?? [];

function pick(x: Floats, places: Int32Array): Float64Array {
  return Float64Array.from(places, (at) => x[at] ?? 0);
}

/** Elements before and after an axis, as counts. */
function around(shape: Shape, axis: number): { readonly outer: number; readonly inner: number } {
  return {
    outer: elementCount(shape.slice(0, axis)),
    inner: elementCount(shape.slice(axis + 1)),
  };
}

export const SHAPE_KERNELS = {
  sum: (node, [x]) => {
    const shape = shapeOf(node.inputs[0]);
    const kept = shape.map((size, axis) => (node.attributes.axes.includes(axis) ? 1 : size));
    const places = broadcastOffsets(kept, shape);
    const result = new Float64Array(elementCount(kept));
    for (const [i, at] of places.entries()) result[at] = (result[at] ?? 0) + (x[i] ?? 0);
    return [result];
  },
  argmax: (node, [x]) => {
    const size = shapeOf(node.inputs[0]).at(-1) ?? 1;
    const result = new Int32Array(x.length / size);
    for (const [row] of result.entries()) {
      const values = x.subarray(row * size, (row + 1) * size);
      result[row] = values.indexOf(values.reduce((a, b) => Math.max(a, b)));
    }
    return [result];
  },
  broadcast: (node, [x]) => [
    pick(x, broadcastOffsets(shapeOf(node.inputs[0]), node.attributes.shape)),
  ],
  reshape: (_, [x]) => [x],
  transpose: (node, [x]) => {
    const shape = shapeOf(node.inputs[0]);
    const own = strides(shape);
    const steps = node.attributes.permutation.map((axis) => own[axis] ?? 0);
    const [out] = node.outputs;
    if (out === undefined) return [];
    const result = newBuffer(out);
    for (const [i, at] of offsets(out.shape, steps).entries()) result[i] = x[at] ?? 0;
    return [result];
  },
  concat: (node, inputs) => {
    const { axis } = node.attributes;
    const { outer } = around(shapeOf(node.outputs[0]), axis);
    const result = new Float64Array(elementCount(shapeOf(node.outputs[0])));
    let at = 0;
    for (let row = 0; row < outer; row++) {
      for (const input of inputs) {
        const length = input.length / outer;
        result.set(input.subarray(row * length, (row + 1) * length), at);
        at += length;
      }
    }
    return [result];
  },
  slice: (node, [x]) => {
    const { axis, begin, end } = node.attributes;
    const shape = shapeOf(node.inputs[0]);
    const { outer, inner } = around(shape, axis);
    const row = (shape[axis] ?? 1) * inner;
    const length = (end - begin) * inner;
    const result = new Float64Array(outer * length);
    for (let i = 0; i < outer; i++) {
      const first = i * row + begin * inner;
      result.set(x.subarray(first, first + length), i * length);
    }
    return [result];
  },
  pad: (node, [x]) => {
    const { axis, before } = node.attributes;
    const shape = shapeOf(node.inputs[0]);
    const { outer, inner } = around(shape, axis);
    const length = (shape[axis] ?? 1) * inner;
    const result = new Float64Array(elementCount(shapeOf(node.outputs[0])));
    const row = result.length / outer;
    for (let i = 0; i < outer; i++) {
      result.set(x.subarray(i * length, (i + 1) * length), i * row + before * inner);
    }
    return [result];
  },
} satisfies Partial<Kernels>;
