import { dropoutMaskOnDevice, dropoutMaskOnHost } from "./dropout-mask.ts";
import type { OperatorName } from "./operators.ts";
import type { Operands, Rules, Run } from "./rule.ts";
import type { Tensor } from "./tensor.ts";

const binary =
  (name: OperatorName) =>
  (_: unknown, [a, b]: Operands, { torch }: Run): Tensor[] => [torch.one(name, a, b)];
const unary =
  (name: OperatorName) =>
  (_: unknown, [x]: Operands, { torch }: Run): Tensor[] => [torch.one(name, x)];
/** Functions that lose too much in a lower precision. */
const unaryHigh =
  (name: OperatorName) =>
  (_: unknown, [x]: Operands, run: Run): Tensor[] => [run.torch.one(name, run.high(x))];

export const ELEMENTWISE_RULES = {
  add: (_, [a, b], { torch }) => [torch.add(a, b)],
  subtract: (_, [a, b], { torch }) => [torch.add(a, b, -1)],
  multiply: binary("mul"),
  divide: binary("div"),
  scale: ({ attributes }, [x], { torch }) => [torch.one("mul", x, torch.number(attributes.factor))],
  exp: unaryHigh("exp"),
  log: unaryHigh("log"),
  tanh: unary("tanh"),
  relu: unary("relu"),
  reluBackward: (_, [gradient, y], run) => {
    const positive = run.torch.one("gt", y, run.torch.number(0));
    return [run.torch.one("where", positive, gradient, zeroLike(gradient, run))];
  },
  gelu: ({ attributes }, [x], { torch }) => [torch.one("gelu", x, attributes.approximation)],
  geluBackward: ({ attributes }, [gradient, x], run) => {
    const dtype = run.torch.dtypeOf(x);
    const given = run.lowDType === null ? gradient : run.torch.cast(gradient, dtype);
    return [run.torch.one("geluBackward", given, x, attributes.approximation)];
  },
  softmax: (_, [x], run) => [run.torch.one("softmax", run.high(x), -1, false)],
  softmaxBackward: (_, [gradient, y], run) => [
    run.torch.one("softmaxBackward", run.high(gradient), y, -1, run.torch.dtypes.float32),
  ],
  equal: binary("eq"),
  where: binaryWhere,
  cast: ({ attributes }, [x], { torch }) => [
    torch.one("toCopy", x, torch.dtypes[attributes.dtype]),
  ],
  dropoutMask: ({ attributes, outputs }, _, run) => {
    if (run.isDrawn(outputs[0]?.id)) return [];
    const { rate, layer, shape } = attributes;
    const make = run.torch.isCuda ? dropoutMaskOnDevice : dropoutMaskOnHost;
    const table = (name: string, make: () => Tensor) => run.lastingTable(name, 1, make);
    return [make(run.torch, shape, rate, { ...run.key, layer }, table)];
  },
  dropout: ({ attributes, inputs }, [x, mask], run) => {
    const { rate } = attributes;
    const id = inputs[1]?.id ?? -1;
    if (!run.isDrawn(id)) return [withMask(x, mask, rate, run)];
    if (run.hasSaved(id)) return [withMask(x, run.saved(id)[0] as Tensor, rate, run)]; // proof: below
    run.seedMask(id);
    const [y, drawn] = run.torch.many("dropout", x, rate, true) as [Tensor, Tensor]; // proof: its schema
    run.save(id, [drawn]);
    return [y];
  },
} satisfies Partial<Rules>;

function withMask(x: Tensor, mask: Tensor, rate: number, { torch }: Run): Tensor {
  return torch.one("dropoutBackward", x, mask, 1 / (1 - rate));
}

function binaryWhere(_: unknown, [condition, a, b]: Operands, { torch }: Run): Tensor[] {
  return [torch.one("where", condition, a, b)];
}

/** A zero that broadcasts, where a kernel wants it: beside the other operands. */
function zeroLike(x: Tensor, run: Run): Tensor {
  const dtype = run.lowDType === null ? run.torch.dtypes.float32 : run.torch.dtypeOf(x);
  return run.shared(`zero ${dtype}`, () => run.torch.full([], 0, dtype));
}
