import { divide, multiply, scale, subtract, where } from "../ops/elementwise.ts";
import { one } from "../ops/one.ts";
import { sumTo } from "../ops/shape.ts";
import type { Value } from "../program.ts";
import { type BackwardRules, operands, result } from "./rule.ts";

/** An operand's share of a gradient, only where it is wanted, with broadcasting undone. */
function share(
  needed: boolean | undefined,
  operand: Value,
  gradient: () => Value,
): Value | undefined {
  return needed === true ? sumTo(gradient(), operand.shape) : undefined;
}

export const ELEMENTWISE_BACKWARD = {
  add: (node, gradient, needed) => {
    const [a, b] = operands(node);
    return [share(needed[0], a, () => gradient), share(needed[1], b, () => gradient)];
  },
  subtract: (node, gradient, needed) => {
    const [a, b] = operands(node);
    return [share(needed[0], a, () => gradient), share(needed[1], b, () => scale(gradient, -1))];
  },
  multiply: (node, gradient, needed) => {
    const [a, b] = operands(node);
    return [
      share(needed[0], a, () => multiply(gradient, b)),
      share(needed[1], b, () => multiply(gradient, a)),
    ];
  },
  divide: (node, gradient, needed) => {
    const [a, b] = operands(node);
    return [
      share(needed[0], a, () => divide(gradient, b)),
      share(needed[1], b, () => scale(divide(multiply(gradient, result(node)), b), -1)),
    ];
  },
  scale: (node, gradient) => [scale(gradient, node.attributes.factor)],
  exp: (node, gradient) => [multiply(gradient, result(node))],
  log: (node, gradient) => [divide(gradient, operands(node)[0])],
  tanh: (node, gradient) => {
    const y = result(node);
    return [subtract(gradient, multiply(gradient, multiply(y, y)))];
  },
  relu: (node, gradient) => {
    const inputs = [gradient, result(node)];
    return [one(gradient.builder.emit("reluBackward", inputs, {}, [gradient]))];
  },
  gelu: (node, gradient) => {
    const inputs = [gradient, operands(node)[0]];
    return [one(gradient.builder.emit("geluBackward", inputs, node.attributes, [gradient]))];
  },
  where: (node, gradient, needed) => {
    const [condition, a, b] = operands(node);
    const zero = gradient.builder.constant("float32", [], new Float32Array(1));
    return [
      undefined,
      share(needed[1], a, () => where(condition, gradient, zero)),
      share(needed[2], b, () => where(condition, zero, gradient)),
    ];
  },
  dropout: (node, gradient) => {
    const inputs = [gradient, operands(node)[1]];
    return [one(gradient.builder.emit("dropout", inputs, node.attributes, [gradient]))];
  },
} satisfies BackwardRules;
