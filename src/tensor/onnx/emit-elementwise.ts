import { dropoutMask } from "./emit-dropout.ts";
import type { EmitRules, Emitter, InputNames } from "./emitter.ts";

const binary =
  (type: string) =>
  (_: unknown, [a, b]: InputNames, emitter: Emitter) => [emitter.op(type, [a, b])];
const unary =
  (type: string) =>
  (_: unknown, [x]: InputNames, emitter: Emitter) => [emitter.op(type, [x])];

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

export const ELEMENTWISE_RULES = {
  add: binary("Add"),
  subtract: binary("Sub"),
  multiply: binary("Mul"),
  divide: binary("Div"),
  equal: binary("Equal"),
  where: (_, [condition, a, b], emitter) => [emitter.op("Where", [condition, a, b])],
  exp: unary("Exp"),
  log: unary("Log"),
  tanh: unary("Tanh"),
  relu: unary("Relu"),
  scale: ({ attributes }, [x], emitter) => [
    emitter.op("Mul", [x, emitter.graph.float(attributes.factor)]),
  ],
  reluBackward: (_, [gradient, y], emitter) => {
    const zero = emitter.graph.float(0);
    return [emitter.op("Where", [emitter.op("Greater", [y, zero]), gradient, zero])];
  },
  gelu: (node, [x], emitter) => {
    const approximate = node.attributes.approximation;
    return [emitter.op("Gelu", [x], { approximate })];
  },
  geluBackward: (node, [gradient, x], emitter) => {
    const slope = node.attributes.approximation === "none" ? exactSlope : tanhSlope;
    return [emitter.op("Mul", [gradient, slope(x, emitter)])];
  },
  cast: ({ attributes }, [x], emitter) => {
    const to = { float32: 1, int32: 6, bool: 9 }[attributes.dtype];
    return [emitter.op("Cast", [x], { to })];
  },
  dropoutMask: ({ attributes }, _, emitter) => [dropoutMask(attributes, emitter)],
  dropout: (node, [x, mask], emitter) => [
    emitter.scaled(emitter.op("Mul", [x, mask]), 1 / (1 - node.attributes.rate)),
  ],
} satisfies Partial<EmitRules>;

/** Φ(x) + x φ(x), with u = x / sqrt(2): 0.5 erf(u) + 0.5 + u exp(-u² - ln sqrt(π)); few passes. */
function exactSlope(x: string, emitter: Emitter): string {
  const u = emitter.scaled(x, Math.SQRT1_2);
  const erf = emitter.op("Erf", [u]);
  const half = emitter.op("HardSigmoid", [erf], { alpha: { float: 0.5 }, beta: { float: 0.5 } });
  const constant = emitter.graph.float(-0.5 * Math.log(Math.PI));
  const power = emitter.op("Sub", [constant, emitter.op("Mul", [u, u])]);
  const density = emitter.op("Mul", [u, emitter.op("Exp", [power])]);
  return emitter.op("Add", [half, density]);
}

/** Derivative of 0.5 x (1 + tanh(u)), u = sqrt(2/π) (x + 0.044715 x³) */
function tanhSlope(x: string, emitter: Emitter): string {
  const { graph } = emitter;
  const square = emitter.op("Mul", [x, x]);
  const cubic = emitter.op("Add", [emitter.scaled(square, 0.044_715), graph.float(1)]);
  const u = emitter.scaled(emitter.op("Mul", [x, cubic]), SQRT_2_OVER_PI);
  const t = emitter.op("Tanh", [u]);
  const slope = emitter.op("Add", [emitter.scaled(square, 3 * 0.044_715), graph.float(1)]);
  const du = emitter.scaled(emitter.op("Mul", [x, slope]), SQRT_2_OVER_PI);
  const rest = emitter.op("Sub", [graph.float(1), emitter.op("Mul", [t, t])]);
  const sum = emitter.op("Add", [
    emitter.op("Mul", [du, rest]),
    emitter.op("Add", [t, graph.float(1)]),
  ]);
  return emitter.scaled(sum, 0.5);
}
