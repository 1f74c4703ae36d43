/** What executors refuse in front of an update, before anything is changed. */
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { LossScaleState, OptimizerSettings, UpdateOptions } from "./optimizer.ts";

const KINDS: readonly string[] = ["adamw", "adam", "sgd"] satisfies OptimizerSettings["kind"][];
/** After so many updates in a row the factor on the loss is doubled, and counting begins again. */
const GROWTH_INTERVAL = 2000;

/** @throws InvalidArgumentError naming the first argument that no update can be made with */
export function checkUpdate(optimizer: OptimizerSettings, options: UpdateOptions): void {
  checkOptimizer(optimizer);
  const { step, learningRate, gradientFactor = 1, maxGradientNorm = 1 } = options;
  const isCount = Number.isSafeInteger(step) && step >= 1;
  if (!isCount) refuse("step", step, "a whole number of at least 1");
  atLeastZero("learningRate", learningRate);
  if (!(gradientFactor > 0 && Number.isFinite(gradientFactor))) {
    refuse("gradientFactor", gradientFactor, "a finite number above 0");
  }
  if (maxGradientNorm > 0) return;
  refuse("maxGradientNorm", maxGradientNorm, "more than 0", ["leave it out for no clipping"]);
}

/** @throws InvalidArgumentError for an optimizer that is none, or numbers out of range */
export function checkOptimizer(optimizer: OptimizerSettings): void {
  const { kind, weightDecay = 0, learningRateFactors = [] } = optimizer;
  if (!KINDS.includes(kind)) refuse("kind", kind, `one of ${KINDS.join(", ")}`);
  atLeastZero("weightDecay", weightDecay);
  for (const [name, factor] of learningRateFactors) {
    atLeastZero(`learningRateFactors of ${name}`, factor);
  }
  if (optimizer.kind === "sgd") {
    atLeastZero("momentum", optimizer.momentum ?? 0);
    return;
  }
  atLeastZero("epsilon", optimizer.epsilon ?? 0);
  const { betas = [0, 0] } = optimizer;
  const areBetas = betas.length === 2 && betas.every((beta) => beta >= 0 && beta < 1);
  if (!areBetas) refuse("betas", betas, "two numbers of at least 0 and less than 1");
}

/** @throws InvalidArgumentError for what no run in float16 can go on with */
export function checkLossScale({ factor, goodUpdates }: LossScaleState): void {
  const wide = Math.fround(factor);
  if (!(wide > 0 && Number.isFinite(wide))) refuse("factor", factor, "a float32 above 0");
  const isCount = Number.isSafeInteger(goodUpdates) && goodUpdates >= 0;
  if (isCount && goodUpdates < GROWTH_INTERVAL) return;
  refuse("goodUpdates", goodUpdates, `a whole number of at least 0, less than ${GROWTH_INTERVAL}`);
}

function atLeastZero(name: string, value: number): void {
  if (value >= 0 && Number.isFinite(value)) return;
  refuse(name, value, "a finite number of at least 0");
}

function refuse(
  name: string,
  value: unknown,
  expected: string,
  suggestions: readonly string[] = [],
): never {
  const found = Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
  const message = `${name} is ${found}, expected ${expected}`;
  throw new InvalidArgumentError(name, value, message, { suggestions });
}
