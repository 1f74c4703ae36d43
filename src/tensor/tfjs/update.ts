import type { Tensor } from "@tensorflow/tfjs-core";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import { clipFactor, factorsFor, type UpdateFactors, usesFirst } from "../update/host-update.ts";
import type { TensorFlow } from "./load.ts";
import type { TfjsTensors } from "./tensors.ts";

/** An update by functions of TensorFlow.js; only the norm comes to the host. */
export async function updateOnBackend(
  tf: TensorFlow,
  state: TfjsTensors,
  optimizer: OptimizerSettings,
  options: UpdateOptions,
): Promise<UpdateResult> {
  const { trained } = state;
  if (trained.length === 0) return { gradientNorm: 0, applied: true };
  const squares = tf.tidy(() =>
    tf.stack(trained.map((name) => tf.sum(tf.square(state.tensor("gradients", name))))),
  );
  const sums = await squares.data();
  squares.dispose();
  let total = 0;
  for (const sum of sums) total += sum;
  const gradientNorm = Math.sqrt(total) * (options.gradientFactor ?? 1);
  const factor = clipFactor(gradientNorm, options);
  if (factor === null) return { gradientNorm, applied: false };
  for (const name of trained) {
    if (options.only?.has(name) === false) continue;
    const factors = factorsFor(name, factor, optimizer, options);
    if (optimizer.kind === "sgd")
      sgd(tf, state, name, { ...factors, momentum: usesFirst(optimizer) });
    else adam(tf, state, name, factors);
  }
  return { gradientNorm, applied: true };
}

function adam(tf: TensorFlow, state: TfjsTensors, name: string, factors: UpdateFactors): void {
  const { kind, beta1, beta2, epsilon, learningRate, weightDecay, correction1, correction2 } =
    factors;
  const value = state.tensor("values", name);
  const [p, m, v] = tf.tidy((): [Tensor, Tensor, Tensor] => {
    const scaled = tf.mul(state.tensor("gradients", name), factors.gradient);
    const coupled = kind === "adam" && weightDecay !== 0;
    const g = coupled ? tf.add(scaled, tf.mul(value, weightDecay)) : scaled;
    const first = mixed(tf, state.tensor("first", name), g, beta1);
    const second = mixed(tf, state.tensor("second", name), tf.square(g), beta2);
    const divisor = tf.add(tf.mul(tf.sqrt(second), correction2), epsilon);
    const change = tf.mul(tf.div(first, divisor), learningRate * correction1);
    const shrink = kind === "adamw" ? 1 - learningRate * weightDecay : 1;
    return [tf.sub(tf.mul(value, shrink), change), first, second];
  });
  state.replace("values", name, p);
  state.replace("first", name, m);
  state.replace("second", name, v);
}

/** share * a + (1 - share) * b */
function mixed(tf: TensorFlow, a: Tensor, b: Tensor, share: number): Tensor {
  return tf.add(tf.mul(a, share), tf.mul(b, 1 - share));
}

function sgd(
  tf: TensorFlow,
  state: TfjsTensors,
  name: string,
  factors: UpdateFactors & { readonly momentum: boolean },
): void {
  const { beta1, learningRate, weightDecay, firstUpdate, momentum } = factors;
  const value = state.tensor("values", name);
  const [p, m] = tf.tidy((): [Tensor, Tensor] => {
    const scaled = tf.mul(state.tensor("gradients", name), factors.gradient);
    const g = tf.add(scaled, tf.mul(value, weightDecay));
    const first =
      momentum && !firstUpdate ? tf.add(g, tf.mul(state.tensor("first", name), beta1)) : g;
    return [tf.sub(value, tf.mul(first, learningRate)), first];
  });
  state.replace("values", name, p);
  if (momentum) state.replace("first", name, m);
  else m.dispose();
}
