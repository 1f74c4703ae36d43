import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aBoolean, checkOptions } from "../../formats/common/options.ts";
import type { TorchGenerator } from "./torch-generator.ts";

export interface MultinomialOptions {
  /** Default false. */
  readonly replacement?: boolean;
}

type Weights = Float32Array | Float64Array;

/** MCG31m1 (L'Ecuyer 1999), the generator MKL's exponentials come from. */
const MCG_MODULUS = 2 ** 31 - 1;
const MCG_MULTIPLIER = 1_132_489_760;

/** `torch.multinomial` of one distribution on the CPU. */
export function multinomialIndices(
  generator: TorchGenerator,
  weights: Weights,
  size: number,
  options: MultinomialOptions,
): Uint32Array {
  checkOptions(
    "multinomial",
    options,
    { replacement: aBoolean },
    { known: { replace: "replacement" } },
  );
  const replacement = options.replacement ?? false;
  assertWeights(weights);
  if (!(Number.isInteger(size) && size >= 1 && (replacement || size <= weights.length))) {
    throw new InvalidArgumentError(
      "size",
      size,
      `cannot draw ${size} of ${weights.length} ${replacement ? "with" : "without"} replacement`,
    );
  }
  if (replacement && size > 1) return withReplacement(generator, weights, size);
  let positive = 0;
  for (let i = 0; i < weights.length; i++) if ((weights[i] as number) > 0) positive++;
  if (size > positive) {
    throw new InvalidArgumentError(
      "size",
      size,
      `cannot draw ${size} different ones, only ${positive} weights are above 0`,
    );
  }
  return race(generator, weights, size);
}

/** Every weight over an exponential of rate 1; the `size` largest win, in falling order. */
function race(generator: TorchGenerator, weights: Weights, size: number): Uint32Array {
  const scores = exponentials(generator, weights);
  for (let i = 0; i < weights.length; i++) {
    scores[i] = (weights[i] as number) / (scores[i] as number);
  }
  if (size === 1) {
    let best = 0;
    for (let i = 1; i < scores.length; i++) {
      if ((scores[i] as number) > (scores[best] as number)) best = i;
    }
    return Uint32Array.of(best);
  }
  const order = Uint32Array.from(scores, (_, i) => i);
  order.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  return order.slice(0, size);
}

function exponentials(generator: TorchGenerator, weights: Weights): Weights {
  const drawn =
    weights instanceof Float64Array
      ? new Float64Array(weights.length)
      : new Float32Array(weights.length);
  switch (generator.release) {
    case "2.7":
      for (let i = 0; i < drawn.length; i++) drawn[i] = -Math.log1p(-generator.randomDouble());
      return drawn;
    case "1.13-mkl": {
      let x = generator.random32() % MCG_MODULUS || 1;
      for (let i = 0; i < drawn.length; i++) {
        drawn[i] = -Math.log(x / MCG_MODULUS);
        x = nextMcg(x);
      }
      return drawn;
    }
    default:
      throw new InvalidArgumentError(
        "release",
        generator.release satisfies never,
        `unknown release ${generator.release}`,
      );
  }
}

/** The product has 61 bits, so it is taken in two exact parts. */
function nextMcg(x: number): number {
  const upper = (MCG_MULTIPLIER * (x >>> 16)) % MCG_MODULUS;
  return (upper * 2 ** 16 + MCG_MULTIPLIER * (x & 0xffff)) % MCG_MODULUS;
}

function withReplacement(generator: TorchGenerator, weights: Weights, size: number): Uint32Array {
  const sums = weights.slice();
  for (let i = 1; i < sums.length; i++) sums[i] = (sums[i - 1] as number) + (sums[i] as number);
  const total = sums.at(-1) as number;
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) / total;
  sums[sums.length - 1] = 1;
  const drawn = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    const uniform = generator.randomDouble();
    let low = 0;
    let high = sums.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) < uniform) low = middle + 1;
      else high = middle;
    }
    drawn[i] = low;
  }
  return drawn;
}

function assertWeights(weights: Weights): void {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
      throw new InvalidArgumentError(
        "weights",
        weights,
        `weights must be finite and not negative, got ${weight} at ${i}`,
      );
    }
    sum += weight;
  }
  if (sum > 0) return;
  throw new InvalidArgumentError("weights", weights, "weights must have a sum above 0, got 0");
}
