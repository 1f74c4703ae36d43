/** Products, look-ups, normalisation and losses by the operators of libtorch. */
import type { Libtorch } from "./libtorch.ts";
import { type Rules, shapeOf } from "./rule.ts";
import type { Tensor } from "./tensor.ts";

/** Each label has a loss of its own: weights are by label, which libtorch's sums do not know. */
const NO_REDUCTION = 0;
const SUM = 2;

export const MODEL_RULES = {
  matmul: ({ attributes }, [a, b], run) => {
    const { torch } = run;
    const { transposeA, transposeB, factor } = attributes;
    const left = transposeA ? swapped(run.low(a), torch) : run.low(a);
    const right = transposeB ? swapped(run.low(b), torch) : run.low(b);
    const product = torch.one("matmul", left, right);
    return [factor === 1 ? product : torch.one("mul", product, torch.number(factor))];
  },
  linear: (node, [x, weight, bias], run) => {
    const operands = [run.low(x), run.low(weight)];
    if (node.inputs.length > 2) operands.push(run.low(bias));
    return [run.torch.one("linear", ...operands)];
  },
  embedding: (_, [table, ids], { torch }) => [torch.one("embedding", table, ids)],
  embeddingBackward: ({ attributes }, [gradient, ids], run) => [
    run.torch.one("embeddingBackward", run.high(gradient), ids, attributes.rows, -1, false),
  ],
  layerNorm: (node, [x, weight, bias], run) => {
    const size = shapeOf(node.inputs[0]).slice(-1);
    const { epsilon } = node.attributes;
    const made = run.torch.many("layerNorm", run.high(x), size, weight, bias, epsilon);
    const [y, mean, deviation] = made as [Tensor, Tensor, Tensor]; // proof: the schema returns three
    run.save(node.outputs[0]?.id ?? 0, [mean, deviation]);
    return [y];
  },
  layerNormBackward: (node, [gradient, x, weight], run) => {
    const [mean, deviation] = run.saved(node.inputs[3]?.id ?? 0) as [Tensor, Tensor]; // proof: see above
    const size = shapeOf(node.inputs[1]).slice(-1);
    const all = [true, true, true];
    const given = [run.high(gradient), run.high(x), size, mean, deviation, weight, weight] as const;
    return run.torch.many("layerNormBackward", ...given, all);
  },
  crossEntropy: (node, [logits, labels, weights], run) => {
    const { torch } = run;
    const { ignoreIndex } = node.attributes;
    const weighted = node.inputs.length > 2;
    const targets = torch.cast(labels, torch.dtypes.int64);
    const logs = torch.one("logSoftmax", run.high(logits), 1, false);
    const ones = torch.full([], 1, torch.dtypes.float32);
    const reduction = weighted ? NO_REDUCTION : SUM;
    const made = torch.many("nllLoss", logs, targets, null, reduction, ignoreIndex);
    const [loss, total] = made as [Tensor, Tensor]; // proof: the schema returns two
    run.save(node.outputs[0]?.id ?? 0, [logs, targets, total]);
    const counted = torch.one("ne", labels, torch.integer(ignoreIndex));
    const each = torch.one("mul", counted, weighted ? weights : ones);
    const sum = weighted ? total32(torch.one("mul", loss, weights), torch) : loss;
    return [sum, total32(each, torch)];
  },
  crossEntropyBackward: (node, inputs, run) => {
    const { torch } = run;
    const [gradient, , , weights] = inputs;
    const weighted = node.inputs.length > 4;
    const id = node.inputs.at(-1)?.id ?? 0;
    const [logs, targets, total] = run.saved(id) as [Tensor, Tensor, Tensor]; // proof: see above
    const given = weighted ? torch.one("mul", weights, gradient) : gradient;
    const { ignoreIndex } = node.attributes;
    const reduction = weighted ? NO_REDUCTION : SUM;
    const slope = torch.one(
      "nllLossBackward",
      ...([given, logs, targets, null, reduction, ignoreIndex, total] as const),
    );
    return [torch.one("logSoftmaxBackward", slope, logs, 1, torch.dtypes.float32)];
  },
} satisfies Partial<Rules>;

function swapped(x: Tensor, torch: Libtorch): Tensor {
  return torch.one("transpose", x, -2, -1);
}

function total32(x: Tensor, torch: Libtorch): Tensor {
  return torch.one("sum", x, [0], false, torch.dtypes.float32);
}
