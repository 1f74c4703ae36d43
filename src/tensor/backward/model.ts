/** Gradients of products, look-ups, normalisation, attention and losses. */

import { matmul } from "../ops/linear.ts";
import { one } from "../ops/one.ts";
import { reshape, sum } from "../ops/shape.ts";
import { type BackwardRules, operands, result } from "./rule.ts";

export const MODEL_BACKWARD = {
  matmul: (node, gradient, needed) => {
    const [a, b] = operands(node);
    const { transposeA, transposeB, factor } = node.attributes;
    const da = () =>
      transposeA
        ? matmul(b, gradient, { transposeA: transposeB, transposeB: true, factor })
        : matmul(gradient, b, { transposeB: !transposeB, factor });
    const db = () =>
      transposeB
        ? matmul(gradient, a, { transposeA: true, transposeB: transposeA, factor })
        : matmul(a, gradient, { transposeA: !transposeA, factor });
    return [needed[0] === true ? da() : undefined, needed[1] === true ? db() : undefined];
  },
  linear: (node, gradient, needed) => {
    const [x, weight] = operands(node);
    const rows = reshape(gradient, [-1, gradient.shape.at(-1) ?? 1]);
    const flat = () => reshape(x, [-1, x.shape.at(-1) ?? 1]);
    return [
      needed[0] === true ? reshape(matmul(rows, weight), x.shape) : undefined,
      needed[1] === true ? matmul(rows, flat(), { transposeA: true }) : undefined,
      needed[2] === true ? sum(rows, { axes: [0] }) : undefined,
    ];
  },
  embedding: (node, gradient) => {
    const [table, ids] = operands(node);
    const attributes = { rows: table.shape[0] ?? 1 };
    return [one(gradient.builder.emit("embeddingBackward", [gradient, ids], attributes, [table]))];
  },
  layerNorm: (node, gradient) => {
    const [x, weight, bias] = operands(node);
    const inputs = [gradient, x, weight, result(node)];
    return gradient.builder.emit("layerNormBackward", inputs, node.attributes, [x, weight, bias]);
  },
  softmax: (node, gradient) => {
    return [
      one(gradient.builder.emit("softmaxBackward", [gradient, result(node)], {}, [gradient])),
    ];
  },
  attention: (node, gradient) => {
    const [q, k, v] = operands(node);
    const inputs = [gradient, ...node.inputs, result(node)];
    return gradient.builder.emit("attentionBackward", inputs, node.attributes, [q, k, v]);
  },
  rotary: (node, gradient) => {
    const { base, inverse } = node.attributes;
    const inputs = [gradient, ...node.inputs.slice(1)];
    return [one(gradient.builder.emit("rotary", inputs, { base, inverse: !inverse }, [gradient]))];
  },
  crossEntropy: (node, gradient) => {
    const logits = operands(node)[0];
    const inputs = [gradient, ...node.inputs, result(node)];
    return [one(gradient.builder.emit("crossEntropyBackward", inputs, node.attributes, [logits]))];
  },
} satisfies BackwardRules;
