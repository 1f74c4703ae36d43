/** Products, look-ups, normalisation and losses by functions of TensorFlow.js. */
import type { Tensor, Tensor1D } from "@tensorflow/tfjs-core";
import { elementCount } from "../program.ts";
import type { TensorFlow } from "./load.ts";
import { type Rules, shapeOf } from "./rule.ts";

export const MODEL_RULES = {
  matmul: ({ attributes }, [a, b], { tf }) => {
    const { transposeA, transposeB, factor } = attributes;
    const product = tf.matMul(a, b, transposeA, transposeB);
    return [factor === 1 ? product : tf.mul(product, factor)];
  },
  linear: (node, [x, weight, bias], { tf }) => {
    const rows = tf.matMul(rowsOf(x, tf), weight, false, true);
    const moved = node.inputs.length > 2 ? tf.add(rows, bias) : rows;
    return [tf.reshape(moved, [...shapeOf(node.outputs[0])])];
  },
  embedding: (_, [table, ids], { tf }) => [tf.gather(table, ids, 0)],
  embeddingBackward: (node, [gradient, ids], { tf }) => {
    const [rows = 1, width = 1] = shapeOf(node.outputs[0]);
    return [tf.scatterND(tf.reshape(ids, [-1, 1]), rowsOf(gradient, tf), [rows, width])];
  },
  layerNorm: (node, [x, weight, bias], run) => {
    const { tf } = run;
    const mean = tf.mean(x, -1, true);
    const centred = tf.sub(x, mean);
    const variance = tf.mean(tf.square(centred), -1, true);
    const inverse = tf.rsqrt(tf.add(variance, node.attributes.epsilon));
    run.save(node.outputs[0]?.id ?? 0, [mean, inverse]);
    return [tf.add(tf.mul(tf.mul(centred, inverse), weight), bias)];
  },
  layerNormBackward: (node, [gradient, x, weight], run) => {
    const { tf } = run;
    const [mean, inverse] = run.saved(node.inputs[3]?.id ?? 0) as [Tensor, Tensor]; // proof: see above
    const normal = tf.mul(tf.sub(x, mean), inverse);
    const scaled = tf.mul(gradient, weight);
    const average = (a: Tensor) => tf.mean(a, -1, true);
    const along = tf.mul(normal, average(tf.mul(scaled, normal)));
    const dx = tf.mul(tf.sub(tf.sub(scaled, average(scaled)), along), inverse);
    const total = (a: Tensor) => tf.sum(rowsOf(a, tf), 0);
    return [dx, total(tf.mul(gradient, normal)), total(gradient)];
  },
  softmax: (_, [x], { tf }) => [tf.softmax(x)],
  softmaxBackward: (_, [gradient, y], { tf }) => [softmaxSlope(gradient, y, tf)],
  crossEntropy: (node, [logits, labels, weights], run) => {
    const { tf } = run;
    const given = node.inputs.length > 2 ? weights : undefined;
    const skip = tf.equal(labels, tf.scalar(node.attributes.ignoreIndex, "int32"));
    const counted = tf.sub(1, tf.cast(skip, "float32"));
    const weight = given === undefined ? counted : tf.mul(counted, given);
    const inside = tf.mul(labels, tf.cast(counted, "int32"));
    const row = tf.tensor(Int32Array.from({ length: labels.size }, (_, at) => at));
    const places = tf.stack([row, inside], 1);
    const likelihood = tf.logSoftmax(logits);
    run.save(node.outputs[0]?.id ?? 0, [likelihood, places, weight]);
    const picked = tf.gatherND(likelihood, places);
    return [tf.neg(tf.sum(tf.mul(picked, weight))), tf.sum(weight)];
  },
  crossEntropyBackward: (node, [gradient], run) => {
    const { tf } = run;
    const kept = run.saved(node.inputs.at(-1)?.id ?? 0);
    const [likelihood, places, weight] = kept as [Tensor, Tensor, Tensor1D]; // proof: see above
    const given = tf.mul(weight, gradient);
    const [rows = 1, classes = 1] = likelihood.shape;
    const probability = tf.mul(tf.exp(likelihood), tf.reshape(given, [-1, 1]));
    return [tf.sub(probability, tf.scatterND(places, given, [rows, classes]))];
  },
} satisfies Partial<Rules>;

/** y * (gradient - sum(gradient * y)) over the last axis */
export function softmaxSlope(gradient: Tensor, y: Tensor, tf: TensorFlow): Tensor {
  return tf.mul(y, tf.sub(gradient, tf.sum(tf.mul(gradient, y), -1, true)));
}

/** All but the last axis as one. */
function rowsOf(x: Tensor, tf: TensorFlow): Tensor {
  const width = x.shape.at(-1) ?? 1;
  return tf.reshape(x, [elementCount(x.shape) / width, width]);
}
