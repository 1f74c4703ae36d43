import type { Tensor } from "@tensorflow/tfjs-core";
import { elementCount } from "../program.ts";
import { fillDropoutMaskFast } from "../update/dropout-kernel.ts";
import type { TensorFlow } from "./load.ts";
import type { Operands, Rules, Run } from "./rule.ts";

const binary =
  (name: "add" | "sub" | "mul" | "div" | "equal") =>
  (_: unknown, [a, b]: Operands, { tf }: Run): Tensor[] => [tf[name](a, b)];
const unary =
  (name: "exp" | "log" | "tanh" | "relu") =>
  (_: unknown, [x]: Operands, { tf }: Run): Tensor[] => [tf[name](x)];

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044_715;

export const ELEMENTWISE_RULES = {
  add: binary("add"),
  subtract: binary("sub"),
  multiply: binary("mul"),
  divide: binary("div"),
  equal: binary("equal"),
  exp: unary("exp"),
  log: unary("log"),
  tanh: unary("tanh"),
  relu: unary("relu"),
  where: (_, [condition, a, b], { tf }) => [tf.where(condition, a, b)],
  scale: ({ attributes }, [x], { tf }) => [tf.mul(x, attributes.factor)],
  reluBackward: (_, [gradient, y], { tf }) => [
    tf.where(tf.greater(y, 0), gradient, tf.zerosLike(gradient)),
  ],
  gelu: ({ attributes }, [x], { tf }) => {
    const rise =
      attributes.approximation === "none"
        ? tf.erf(tf.mul(x, Math.SQRT1_2))
        : tf.tanh(tanhArgument(x, tf));
    return [tf.mul(tf.mul(x, 0.5), tf.add(rise, 1))];
  },
  geluBackward: ({ attributes }, [gradient, x], { tf }) => {
    const slope = attributes.approximation === "none" ? exactSlope(x, tf) : tanhSlope(x, tf);
    return [tf.mul(gradient, slope)];
  },
  cast: ({ attributes: { dtype } }, [x], { tf }) => [
    dtype === "bool" && x.dtype !== "bool" ? tf.notEqual(x, tf.zerosLike(x)) : tf.cast(x, dtype),
  ],
  dropoutMask: ({ attributes }, _, { tf, key }) => {
    const { rate, layer, shape } = attributes;
    const bits = new Uint8Array(elementCount(shape));
    fillDropoutMaskFast(bits, rate, { ...key, layer });
    return [tf.tensor(bits, [...shape], "bool")];
  },
  dropout: ({ attributes }, [x, mask], { tf }) => [dropped(x, mask, attributes.rate, tf)],
} satisfies Partial<Rules>;

/** x * mask / (1 - rate) */
export function dropped(x: Tensor, mask: Tensor, rate: number, tf: TensorFlow): Tensor {
  return tf.mul(tf.mul(x, tf.cast(mask, "float32")), 1 / (1 - rate));
}

/** Φ(x) + x φ(x) */
function exactSlope(x: Tensor, tf: TensorFlow): Tensor {
  const below = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return tf.add(below, tf.mul(x, density));
}

/** sqrt(2/π) (x + 0.044715 x³) */
function tanhArgument(x: Tensor, tf: TensorFlow): Tensor {
  const cubic = tf.add(tf.mul(tf.square(x), CUBIC), 1);
  return tf.mul(tf.mul(x, cubic), SQRT_2_OVER_PI);
}

/** Derivative of 0.5 x (1 + tanh(u)), u as above. */
function tanhSlope(x: Tensor, tf: TensorFlow): Tensor {
  const t = tf.tanh(tanhArgument(x, tf));
  const inner = tf.mul(tf.add(tf.mul(tf.square(x), 3 * CUBIC), 1), SQRT_2_OVER_PI);
  const rest = tf.sub(1, tf.square(t));
  return tf.mul(tf.add(tf.mul(tf.mul(x, inner), rest), tf.add(t, 1)), 0.5);
}
