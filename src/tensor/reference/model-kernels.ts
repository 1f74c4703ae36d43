import type { ProgramNode, Value } from "../program.ts";
import { elementCount } from "../program.ts";
import type { Floats, Kernels, Operands64 } from "./buffers.ts";

const size = (value: Value | undefined, axis: number): number => value?.shape.at(axis) ?? 1;

interface LossTerms {
  readonly probability: Float64Array;
  readonly logLikelihood: Float64Array;
  readonly weight: Float64Array;
}

/** Softmax of every row, log likelihood of its label (0 where ignored) and its weight. */
function lossTerms(
  logits: Floats,
  labels: Floats,
  weights: Floats | undefined,
  ignoreIndex: number,
): LossTerms {
  const classes = logits.length / labels.length;
  const probability = softmaxRows(logits, classes);
  const weight = Float64Array.from(labels, (label, row) =>
    label === ignoreIndex ? 0 : (weights?.[row] ?? 1),
  );
  const logLikelihood = Float64Array.from(labels, (label, row) => {
    if (label === ignoreIndex) return 0;
    const values = logits.subarray(row * classes, (row + 1) * classes);
    const top = values.reduce((a, b) => Math.max(a, b));
    const total = values.reduce((sum, value) => sum + Math.exp(value - top), 0);
    return (values[label] ?? Number.NaN) - top - Math.log(total);
  });
  return { probability, logLikelihood, weight };
}

export function softmaxRows(x: Floats, columns: number): Float64Array {
  const result = new Float64Array(x.length);
  for (let first = 0; first < x.length; first += columns) {
    const row = x.subarray(first, first + columns);
    const top = row.reduce((a, b) => Math.max(a, b));
    let total = 0;
    for (let i = 0; i < columns; i++) total += result[first + i] = Math.exp((row[i] ?? 0) - top);
    for (let i = 0; i < columns; i++) result[first + i] = (result[first + i] ?? 0) / total;
  }
  return result;
}

function lossInputs(
  node: ProgramNode<"crossEntropy" | "crossEntropyBackward">,
  inputs: Operands64,
) {
  const backward = node.op === "crossEntropyBackward";
  const own = backward ? inputs.slice(1, -1) : inputs;
  const [logits, labels, weights] = own;
  return lossTerms(
    logits as Floats, // proof: the operation has logits and labels
    labels as Floats,
    weights,
    node.attributes.ignoreIndex,
  );
}

export const MODEL_KERNELS = {
  softmax: (node, [x]) => [softmaxRows(x, size(node.inputs[0], -1))],
  softmaxBackward: (node, [gradient, y]) => {
    const columns = size(node.inputs[0], -1);
    const result = new Float64Array(y.length);
    for (let first = 0; first < y.length; first += columns) {
      let dot = 0;
      for (let i = first; i < first + columns; i++) dot += (gradient[i] ?? 0) * (y[i] ?? 0);
      for (let i = first; i < first + columns; i++) {
        result[i] = (y[i] ?? 0) * ((gradient[i] ?? 0) - dot);
      }
    }
    return [result];
  },
  matmul: (node, [a, b]) => {
    const { transposeA, transposeB, factor } = node.attributes;
    const [rows, columns] = [size(node.outputs[0], -2), size(node.outputs[0], -1)];
    const inner = size(node.inputs[0], transposeA ? -2 : -1);
    const result = new Float64Array(elementCount(node.outputs[0]?.shape ?? []));
    const [rowA, stepA] = transposeA ? [1, rows] : [inner, 1];
    const [columnB, stepB] = transposeB ? [inner, 1] : [1, columns];
    for (let at = 0; at < result.length; at++) {
      const batch = Math.floor(at / (rows * columns));
      const row = Math.floor(at / columns) % rows;
      let offsetA = batch * rows * inner + row * rowA;
      let offsetB = batch * inner * columns + (at % columns) * columnB;
      let total = 0;
      for (let i = 0; i < inner; i++, offsetA += stepA, offsetB += stepB) {
        total += (a[offsetA] ?? 0) * (b[offsetB] ?? 0);
      }
      result[at] = total * factor;
    }
    return [result];
  },
  linear: (node, [x, weight, ...rest]) => {
    const bias = node.inputs.length > 2 ? rest[0] : undefined;
    const [out, inner] = [size(node.inputs[1], 0), size(node.inputs[1], 1)];
    const result = new Float64Array((x.length / inner) * out);
    for (let at = 0; at < result.length; at++) {
      const row = Math.floor(at / out) * inner;
      const column = (at % out) * inner;
      let total = bias?.[at % out] ?? 0;
      for (let i = 0; i < inner; i++) total += (x[row + i] ?? 0) * (weight[column + i] ?? 0);
      result[at] = total;
    }
    return [result];
  },
  embedding: (node, [table, ids]) => {
    const width = size(node.inputs[0], 1);
    const result = new Float64Array(ids.length * width);
    for (const [row, id] of ids.entries()) {
      result.set(table.subarray(id * width, (id + 1) * width), row * width);
    }
    return [result];
  },
  embeddingBackward: (node, [gradient, ids]) => {
    const width = size(node.outputs[0], 1);
    const result = new Float64Array(node.attributes.rows * width);
    for (const [row, id] of ids.entries()) {
      for (let i = 0; i < width; i++) {
        result[id * width + i] = (result[id * width + i] ?? 0) + (gradient[row * width + i] ?? 0);
      }
    }
    return [result];
  },
  layerNorm: (node, [x, weight, bias]) => {
    const width = weight.length;
    const { normal } = normalise(x, width, node.attributes.epsilon);
    return [normal.map((v, i) => v * (weight[i % width] ?? 0) + (bias[i % width] ?? 0))];
  },
  layerNormBackward: (node, [gradient, x, weight]) => {
    const width = weight.length;
    const { normal, inverse } = normalise(x, width, node.attributes.epsilon);
    const dx = new Float64Array(x.length);
    const dw = new Float64Array(width);
    const db = new Float64Array(width);
    for (let first = 0; first < x.length; first += width) {
      let mean = 0;
      let dot = 0;
      for (let i = 0; i < width; i++) {
        const g = gradient[first + i] ?? 0;
        const scaled = g * (weight[i] ?? 0);
        mean += scaled / width;
        dot += (scaled * (normal[first + i] ?? 0)) / width;
        dw[i] = (dw[i] ?? 0) + g * (normal[first + i] ?? 0);
        db[i] = (db[i] ?? 0) + g;
      }
      for (let i = 0; i < width; i++) {
        const scaled = (gradient[first + i] ?? 0) * (weight[i] ?? 0);
        const centred = scaled - mean - (normal[first + i] ?? 0) * dot;
        dx[first + i] = centred * (inverse[first / width] ?? 0);
      }
    }
    return [dx, dw, db];
  },
  crossEntropy: (node, inputs) => {
    const { logLikelihood, weight } = lossInputs(node, inputs);
    const sum = logLikelihood.reduce((total, value, row) => total - value * (weight[row] ?? 0), 0);
    return [Float64Array.of(sum), Float64Array.of(weight.reduce((a, b) => a + b, 0))];
  },
  crossEntropyBackward: (node, inputs) => {
    const [gradient, , labels] = inputs;
    const { probability, weight } = lossInputs(node, inputs);
    const classes = probability.length / weight.length;
    return [
      probability.map((value, at) => {
        const row = Math.floor(at / classes);
        const target = labels[row] === at % classes ? 1 : 0;
        return (gradient[0] ?? 0) * (weight[row] ?? 0) * (value - target);
      }),
    ];
  },
} satisfies Partial<Kernels>;

function normalise(x: Floats, width: number, epsilon: number) {
  const normal = new Float64Array(x.length);
  const inverse = new Float64Array(x.length / width);
  for (let first = 0; first < x.length; first += width) {
    const row = x.subarray(first, first + width);
    const mean = row.reduce((a, b) => a + b, 0) / width;
    const variance = row.reduce((total, v) => total + (v - mean) ** 2, 0) / width;
    inverse[first / width] = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < width; i++) {
      normal[first + i] = ((row[i] ?? 0) - mean) * (inverse[first / width] ?? 0);
    }
  }
  return { normal, inverse };
}
