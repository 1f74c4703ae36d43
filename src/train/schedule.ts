/**
 * Learning rates as pure functions of the optimizer's step, so that resuming is naming a step.
 * Step 0 is the first update. Formulas and their order of operations are those of the originals.
 */
import { InvalidArgumentError } from "../../formats/common/errors.ts";

/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number;

/** One rate, reached by `warmupSteps` steps from 0: transformers' constant schedule. */
export function constantSchedule(lr: number, warmupSteps = 0): Schedule {
  assertRate("lr", lr);
  assertSteps("warmupSteps", warmupSteps);
  return (step) => (step < warmupSteps ? lr * (step / warmupSteps) : lr);
}

export interface WarmupAnnealOptions {
  /** Default 2000. */
  readonly warmupSteps?: number;
  /** Default 500,000. */
  readonly maxSteps?: number;
  /** Where the warm-up begins; nothing else depends on it. Default 4e-5; `train_esm2` gives 0. */
  readonly minLr?: number;
  /** Share of `lr` below which the rate does not fall. Default 0.1. */
  readonly annealShare?: number;
}

/**
 * BioNeMo's WarmupAnnealDecayHold: up from `minLr` to `lr`, then down in a straight line that would
 * reach 0 at `maxSteps`, held at a share of `lr`.
 */
export function warmupAnnealDecayHold(lr: number, options: WarmupAnnealOptions = {}): Schedule {
  const { warmupSteps = 2000, maxSteps = 500_000, minLr = 4e-5, annealShare = 0.1 } = options;
  assertRate("lr", lr);
  assertRate("minLr", minLr);
  assertRate("annealShare", annealShare);
  assertSteps("warmupSteps", warmupSteps);
  assertAfter(maxSteps, warmupSteps, "the warm-up of");
  return (step) => {
    if (step < warmupSteps) return minLr + ((lr - minLr) * step) / warmupSteps;
    const annealed = lr * (1 - (step - warmupSteps) / (maxSteps - warmupSteps));
    return Math.max(annealed, lr * annealShare);
  };
}

export interface CosineAnnealingOptions {
  readonly maxSteps: number;
  /** Default 0. */
  readonly warmupSteps?: number;
  /** Steps before `maxSteps` that stay at `minLr`. Default 0. */
  readonly constantSteps?: number;
  /** Default 0; BioNeMo's programs give `lr / 100`. */
  readonly minLr?: number;
}

/**
 * NeMo's CosineAnnealing: warm-up, half a cosine down to `minLr`, which holds.
 *
 * As there, the warm-up of a schedule with constant steps begins at 0 and reaches `lr` at
 * `warmupSteps`; without them it begins at `lr / (warmupSteps + 1)`.
 */
export function cosineAnnealing(lr: number, options: CosineAnnealingOptions): Schedule {
  const { maxSteps, warmupSteps = 0, constantSteps = 0, minLr = 0 } = options;
  assertRate("lr", lr);
  assertRate("minLr", minLr);
  assertSteps("warmupSteps", warmupSteps);
  assertSteps("constantSteps", constantSteps);
  assertSteps("maxSteps", maxSteps);
  if (warmupSteps + constantSteps > maxSteps) {
    throw new InvalidArgumentError(
      "maxSteps",
      maxSteps,
      `maxSteps is ${maxSteps}, too few for ${warmupSteps} warm-up and ${constantSteps} constant steps`,
    );
  }
  if (minLr > lr) {
    throw new InvalidArgumentError("minLr", minLr, `minLr ${minLr} is larger than lr ${lr}`);
  }
  const decaySteps = maxSteps - constantSteps - warmupSteps;
  return (step) => {
    if (warmupSteps > 0 && step <= warmupSteps) {
      if (constantSteps > 0) return (lr * step) / warmupSteps;
      return lr * ((step + 1) / (warmupSteps + 1));
    }
    if (step > warmupSteps + decaySteps) return minLr;
    const decayed = step - warmupSteps;
    if (constantSteps > 0) {
      const share = 0.5 * (Math.cos(Math.PI * (decayed / decaySteps)) + 1);
      return minLr + share * (lr - minLr);
    }
    const share = 0.5 * (1 + Math.cos((Math.PI * decayed) / decaySteps));
    return (lr - minLr) * share + minLr;
  };
}

export interface DecayOptions {
  readonly maxSteps: number;
  /** Default 0. */
  readonly warmupSteps?: number;
}

/** transformers' linear schedule: up from 0 in `warmupSteps`, down to 0 at `maxSteps`. */
export function linearDecay(lr: number, options: DecayOptions): Schedule {
  const { maxSteps, warmupSteps = 0 } = options;
  assertRate("lr", lr);
  assertSteps("warmupSteps", warmupSteps);
  assertSteps("maxSteps", maxSteps);
  return (step) => {
    if (step < warmupSteps) return lr * (step / warmupSteps);
    return lr * Math.max(0, (maxSteps - step) / Math.max(1, maxSteps - warmupSteps));
  };
}

export interface CosineDecayOptions extends DecayOptions {
  /** Waves between warm-up and end. Default 0.5: down to 0 once. */
  readonly cycles?: number;
}

/** transformers' cosine schedule: up from 0 in `warmupSteps`, then a cosine of `cycles` waves. */
export function cosineDecay(lr: number, options: CosineDecayOptions): Schedule {
  const { maxSteps, warmupSteps = 0, cycles = 0.5 } = options;
  assertRate("lr", lr);
  assertRate("cycles", cycles);
  assertSteps("warmupSteps", warmupSteps);
  assertSteps("maxSteps", maxSteps);
  return (step) => {
    if (step < warmupSteps) return lr * (step / warmupSteps);
    const progress = (step - warmupSteps) / Math.max(1, maxSteps - warmupSteps);
    return lr * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress)));
  };
}

function assertRate(name: string, value: number): void {
  if (Number.isFinite(value) && value >= 0) return;
  throw new InvalidArgumentError(name, value, `${name} is ${value}, expected 0 or more`);
}

function assertSteps(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new InvalidArgumentError(name, value, `${name} is ${value}, expected a number of steps`);
}

function assertAfter(maxSteps: number, steps: number, what: string): void {
  assertSteps("maxSteps", maxSteps);
  if (maxSteps > steps) return;
  const message = `maxSteps is ${maxSteps}, expected more than ${what} ${steps} steps`;
  throw new InvalidArgumentError("maxSteps", maxSteps, message);
}
