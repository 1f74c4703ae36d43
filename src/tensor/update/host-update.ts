import type { HostState } from "../host-state.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";

/** The numbers of one update of one parameter; the meaning of each is in `optimizer.ts`. */
export interface UpdateFactors {
  readonly kind: OptimizerSettings["kind"];
  /** On the gradient: factor and clipping. */
  readonly gradient: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t) */
  readonly correction1: number;
  readonly correction2: number;
  readonly firstUpdate: boolean;
}

/** The factor on gradients after clipping, or null when the norm is not finite. */
export function clipFactor(norm: number, options: UpdateOptions): number | null {
  if (!Number.isFinite(norm)) return null;
  const { gradientFactor = 1, maxGradientNorm } = options;
  if (maxGradientNorm === undefined || norm <= maxGradientNorm) return gradientFactor;
  // torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6.
  return (gradientFactor * maxGradientNorm) / (norm + 1e-6);
}

export function factorsFor(
  name: string,
  gradient: number,
  optimizer: OptimizerSettings,
  { step, learningRate }: UpdateOptions,
): UpdateFactors {
  const decays = optimizer.noDecay?.has(name) !== true;
  const standard = optimizer.kind === "adamw" ? 0.01 : 0;
  const weightDecay = decays ? (optimizer.weightDecay ?? standard) : 0;
  const common = {
    kind: optimizer.kind,
    gradient,
    learningRate: learningRate * (optimizer.learningRateFactors?.get(name) ?? 1),
    weightDecay,
    firstUpdate: step === 1,
  };
  if (optimizer.kind === "sgd") {
    const momentum = { beta1: optimizer.momentum ?? 0, beta2: 0, epsilon: 0 };
    return { ...common, ...momentum, correction1: 1, correction2: 1 };
  }
  const [beta1, beta2] = optimizer.betas ?? [0.9, 0.999];
  const correction1 = 1 / (1 - beta1 ** step);
  const correction2 = 1 / Math.sqrt(1 - beta2 ** step);
  return { ...common, beta1, beta2, epsilon: optimizer.epsilon ?? 1e-8, correction1, correction2 };
}

/** {@link ParameterState.update} over host memory with plain loops. */
export function updateHost(
  state: HostState,
  optimizer: OptimizerSettings,
  options: UpdateOptions,
): UpdateResult {
  const gradients = state.views("gradients");
  let squares = 0;
  for (const gradient of gradients.values()) squares += sumOfSquares(gradient);
  const gradientNorm = Math.sqrt(squares) * (options.gradientFactor ?? 1);
  const factor = clipFactor(gradientNorm, options);
  if (factor === null) return { gradientNorm, applied: false };
  const values = state.views("values");
  const first = usesFirst(optimizer) ? state.views("first") : undefined;
  const second = optimizer.kind === "sgd" ? undefined : state.views("second");
  for (const [name, gradient] of gradients) {
    if (options.only?.has(name) === false) continue;
    const factors = factorsFor(name, factor, optimizer, options);
    const value = values.get(name) ?? EMPTY;
    if (optimizer.kind === "sgd") sgd(value, gradient, first?.get(name), factors);
    else adam(value, gradient, first?.get(name) ?? EMPTY, second?.get(name) ?? EMPTY, factors);
  }
  return { gradientNorm, applied: true };
}

const EMPTY = new Float32Array(0);

export function usesFirst(optimizer: OptimizerSettings): boolean {
  return optimizer.kind !== "sgd" || (optimizer.momentum ?? 0) !== 0;
}

export function sumOfSquares(array: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < array.length; i++) sum += (array[i] as number) ** 2; // proof: i < length
  return sum;
}

function adam(
  value: Float32Array,
  gradient: Float32Array,
  first: Float32Array,
  second: Float32Array,
  factors: UpdateFactors,
): void {
  const { kind, beta1, beta2, epsilon, learningRate, weightDecay, correction1, correction2 } =
    factors;
  const coupled = kind === "adam" ? weightDecay : 0;
  const shrink = kind === "adamw" ? 1 - learningRate * weightDecay : 1;
  const rate = learningRate * correction1;
  for (let i = 0; i < value.length; i++) {
    const p = value[i] as number; // proof: all arrays have the parameter's length
    const g = (gradient[i] as number) * factors.gradient + coupled * p;
    const m = beta1 * (first[i] as number) + (1 - beta1) * g;
    const v = beta2 * (second[i] as number) + (1 - beta2) * g * g;
    first[i] = m;
    second[i] = v;
    value[i] = p * shrink - (rate * m) / (Math.sqrt(v) * correction2 + epsilon);
  }
}

function sgd(
  value: Float32Array,
  gradient: Float32Array,
  first: Float32Array | undefined,
  factors: UpdateFactors,
): void {
  const { beta1, learningRate, weightDecay, firstUpdate } = factors;
  for (let i = 0; i < value.length; i++) {
    const p = value[i] as number; // proof: all arrays have the parameter's length
    let g = (gradient[i] as number) * factors.gradient + weightDecay * p;
    if (first !== undefined) {
      g += firstUpdate ? 0 : beta1 * (first[i] as number);
      first[i] = g;
    }
    value[i] = p - learningRate * g;
  }
}
