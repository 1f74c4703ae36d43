/** Products, look-ups, normalisation and losses as ONNX nodes. */
import { elementCount, type ProgramNode, type Value } from "../program.ts";
import { at, type EmitRules, type Emitter } from "./emitter.ts";

/** Up to this many rows a gradient of an embedding is a product with one-hot rows. */
const ONE_HOT_ROWS = 512;

/** From this many rows on, transposing a factor beforehand is faster than Gemm's doing it. */
const TALL_ROWS = 2048;

export const MODEL_RULES = {
  matmul: (node, [a, b], emitter) => {
    const { transposeA, transposeB, factor } = node.attributes;
    const rank = at(node.inputs, 0).shape.length;
    if (rank === 2) return [product(node, a, b, emitter)];
    const flags = { transA: transposeA, transB: transposeB, alpha: factor };
    return [emitter.matmul(a, b, rank, flags)];
  },
  linear: (node, [x, weight, bias], emitter) => {
    const [input, output] = [at(node.inputs, 0), at(node.outputs, 0)];
    const operands = [emitter.rows(x, input.shape), weight];
    if (node.inputs.length > 2) operands.push(bias);
    const rows = emitter.op("Gemm", operands, { transB: 1 });
    const out = output.shape.at(-1) ?? 1;
    return [emitter.reshape(rows, [elementCount(output.shape) / out, out], output.shape)];
  },
  embedding: (_, [table, ids], emitter) => [emitter.op("Gather", [table, ids], { axis: 0 })],
  embeddingBackward: (node, [gradient, ids], emitter) => {
    const given = at(node.inputs, 0);
    const [rows = 1, width = 1] = at(node.outputs, 0).shape;
    const count = elementCount(given.shape) / width;
    const flat = emitter.rows(gradient, given.shape);
    const index = at(node.inputs, 1);
    if (rows <= ONE_HOT_ROWS) {
      return [emitter.op("Gemm", [oneHot(index, ids, rows, emitter), flat], { transA: 1 })];
    }
    const zeros = emitter.op("ConstantOfShape", [emitter.graph.integers([rows, width])]);
    const column = emitter.reshape(ids, index.shape, [count, 1]);
    const places = emitter.op("Expand", [column, emitter.graph.integers([count, width])]);
    return [emitter.op("ScatterElements", [zeros, places, flat], { axis: 0, reduction: "add" })];
  },
  layerNorm: (node, [x, weight, bias], emitter) => {
    const attributes = { axis: -1, epsilon: { float: node.attributes.epsilon } };
    const inputs = [x, weight, bias];
    const [y = "", mean = "", inverse = ""] = emitter.graph.ops(
      "LayerNormalization",
      inputs,
      3,
      attributes,
    );
    const out = at(node.outputs, 0);
    emitter.once(out, "mean", () => mean);
    emitter.once(out, "inverse", () => inverse);
    return [y];
  },
  layerNormBackward: (node, [gradient, x, weight], emitter) => {
    const y = at(node.inputs, 3);
    const { shape } = y;
    const axes = shape.slice(0, -1).map((_, axis) => axis);
    const op = (type: string, a: string, b: string) => emitter.op(type, [a, b]);
    const mean = emitter.once(y, "mean", missing);
    const inverse = emitter.once(y, "inverse", missing);
    const normal = op("Mul", op("Sub", x, mean), inverse);
    const product = op("Mul", gradient, normal);
    const scaled = op("Mul", gradient, weight);
    const last = emitter.graph.integers([-1]);
    const average = (name: string) => emitter.op("ReduceMean", [name, last], { keepdims: 1 });
    const dot = average(op("Mul", product, weight));
    const centred = op("Sub", op("Sub", scaled, average(scaled)), op("Mul", normal, dot));
    return [
      op("Mul", centred, inverse),
      emitter.sum(product, axes, false),
      emitter.sum(gradient, axes, false),
    ];
  },
  softmax: (_, [x], emitter) => [emitter.op("Softmax", [x], { axis: -1 })],
  softmaxBackward: (_, [gradient, y], emitter) => {
    const dot = emitter.sum(emitter.op("Mul", [gradient, y]), [-1], true);
    return [emitter.op("Mul", [y, emitter.op("Sub", [gradient, dot])])];
  },
  crossEntropy: (node, [logits, labels, weights], emitter) => {
    const out = at(node.outputs, 0);
    const given = node.inputs.length > 2 ? weights : undefined;
    const terms = lossTerms(
      out,
      { labels, weights: given, ignoreIndex: node.attributes.ignoreIndex },
      emitter,
    );
    const likelihood = logSoftmax(logits, emitter);
    emitter.once(out, "likelihood", () => likelihood);
    const picked = emitter.op("GatherElements", [likelihood, terms.column], { axis: 1 });
    const weighted = emitter.op("Mul", [picked, terms.negative]);
    return [
      emitter.sum(weighted, [0, 1], false),
      emitter.op("Neg", [emitter.sum(terms.negative, [0, 1], false)]),
    ];
  },
  crossEntropyBackward: (node, inputs, emitter) => {
    const out = at(node.inputs, -1);
    const [classes = 1] = at(node.outputs, 0).shape.slice(-1);
    const labels = at(node.inputs, 2);
    const likelihood = emitter.once(out, "likelihood", missing);
    const negative = emitter.op("Mul", [emitter.once(out, "negative", missing), inputs[0]]);
    const probability = emitter.op("Exp", [likelihood]);
    const column = emitter.once(out, "column", missing);
    if (classes > ONE_HOT_ROWS) {
      const spread = emitter.op("Mul", [probability, emitter.op("Neg", [negative])]);
      const attributes = { axis: 1, reduction: "add" };
      return [emitter.op("ScatterElements", [spread, column, negative], attributes)];
    }
    const flat = emitter.reshape(column, [labels.shape[0] ?? 1, 1], labels.shape);
    const target = oneHot(out, flat, classes, emitter);
    return [emitter.op("Mul", [emitter.op("Sub", [target, probability]), negative])];
  },
} satisfies Partial<EmitRules>;

/** A product of two matrices, added to a gradient where there is one to add to. */
function product(node: ProgramNode<"matmul">, a: string, b: string, emitter: Emitter): string {
  const { transposeA, transposeB, factor } = node.attributes;
  const apart = transposeA && (at(node.inputs, 0).shape[0] ?? 0) >= TALL_ROWS;
  const left = apart ? emitter.op("Transpose", [a], { perm: [1, 0] }) : a;
  const flags = {
    transA: transposeA && !apart ? 1 : 0,
    transB: transposeB ? 1 : 0,
    alpha: { float: factor },
  };
  // Gemm adds to what it is given: a gradient that is a product needs no pass of its own.
  const sums = emitter.accumulators.get(at(node.outputs, 0).id);
  return emitter.op("Gemm", sums === undefined ? [left, b] : [left, b, sums], flags);
}

function logSoftmax(x: string, emitter: Emitter): string {
  if (!emitter.webGpu) return emitter.op("LogSoftmax", [x], { axis: -1 });
  const largest = emitter.op("ReduceMax", [x, emitter.graph.integers([-1])], { keepdims: 1 });
  const below = emitter.op("Sub", [x, largest]);
  const total = emitter.sum(emitter.op("Exp", [below]), [-1], true);
  return emitter.op("Sub", [below, emitter.op("Log", [total])]);
}

interface LossInputs {
  readonly labels: string;
  readonly weights: string | undefined;
  readonly ignoreIndex: number;
}

/** Labels inside the classes and minus their weights, both [n, 1], kept for the backward pass. */
function lossTerms(out: Value, { labels, weights, ignoreIndex }: LossInputs, emitter: Emitter) {
  const { graph } = emitter;
  const ignored = graph.initializer("int32", [], new Uint8Array(Int32Array.of(ignoreIndex).buffer));
  const zero = graph.initializer("int32", [], new Uint8Array(4));
  const skip = emitter.op("Equal", [labels, ignored]);
  const one = graph.integers([1]);
  const column = emitter.once(out, "column", () =>
    emitter.op("Unsqueeze", [emitter.op("Where", [skip, zero, labels]), one]),
  );
  const negative = emitter.once(out, "negative", () => {
    const weight = weights === undefined ? graph.float(-1) : emitter.op("Neg", [weights]);
    return emitter.op("Unsqueeze", [emitter.op("Where", [skip, graph.float(0), weight]), one]);
  });
  return { column, negative };
}

/** float32 [n, rows]: 1 where the column is the id of the row. */
function oneHot(key: Value, ids: string, rows: number, emitter: Emitter): string {
  return emitter.once(key, `one-hot ${rows}`, () => {
    const { graph } = emitter;
    const column = emitter.op("Reshape", [ids, graph.integers([-1, 1])]);
    const range = Int32Array.from({ length: rows }, (_, at) => at);
    const classes = graph.initializer("int32", [1, rows], new Uint8Array(range.buffer));
    return emitter.op("Cast", [emitter.op("Equal", [column, classes])], { to: 1 });
  });
}

function missing(): string {
  throw new Error("a backward operation came before its forward operation");
}
