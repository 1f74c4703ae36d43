/**
 * Optimizers as data: executors apply them, with the formulas of torch.optim.
 *
 * With g the gradient after clipping, lr the learning rate and t the number of the update from 1:
 *
 * - `adamw`: p -= lr · decay · p; m = β1 m + (1-β1) g; v = β2 v + (1-β2) g²;
 *   p -= lr · (m / (1-β1^t)) / (sqrt(v / (1-β2^t)) + ε)
 * - `adam`: the same with decay · p added to g instead of taken from p
 * - `sgd`: g += decay · p; m = μ m + g (m = g at the first update); p -= lr · m, without momentum
 *   p -= lr · g
 *
 * `first` holds m, `second` v.
 */
export type OptimizerSettings = AdamSettings | SgdSettings;

export interface AdamSettings {
  readonly kind: "adamw" | "adam";
  /** At least 0 and less than 1. Default: [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default: 1e-8. */
  readonly epsilon?: number;
  /** Default: 0.01 for adamw, 0 for adam. */
  readonly weightDecay?: number;
  /** Parameters without weight decay. Default: none. */
  readonly noDecay?: ReadonlySet<string>;
  /** What the learning rate of a parameter is multiplied by. Default: 1. */
  readonly learningRateFactors?: ReadonlyMap<string, number>;
}

export interface SgdSettings {
  readonly kind: "sgd";
  /** Default: 0. */
  readonly momentum?: number;
  /** Default: 0. */
  readonly weightDecay?: number;
  /** Parameters without weight decay. Default: none. */
  readonly noDecay?: ReadonlySet<string>;
  /** What the learning rate of a parameter is multiplied by. Default: 1. */
  readonly learningRateFactors?: ReadonlyMap<string, number>;
}

export interface UpdateOptions {
  /** Number of the update, whole, from 1: corrects the moments' bias. */
  readonly step: number;
  /** Finite, at least 0. */
  readonly learningRate: number;
  /** Gradients are multiplied by this before all else, e.g. 1 / loss scale: finite, above 0. Default: 1. */
  readonly gradientFactor?: number;
  /** Gradients are scaled down to this global norm, above 0. Default: no clipping. */
  readonly maxGradientNorm?: number;
  /**
   * Parameters to update; values and moments of the others stay as they are. The norm is that of all
   * gradients. Default: all that are trained.
   */
  readonly only?: ReadonlySet<string>;
  /**
   * For an update that is asked for before the results of what it follows are known: what else must be
   * well for anything to change. A run that throws forbids it too. Only executors with
   * `stepsInFlight` look at it.
   */
  readonly guard?: UpdateGuardOptions;
}

/** See {@link UpdateOptions.guard}. */
export interface UpdateGuardOptions {
  /** Scalar outputs that must be finite in every run since `zeroGradients()`. */
  readonly outputs: readonly string[];
  /** Whether the update before must have been applied. */
  readonly update: boolean;
}

export interface UpdateResult {
  /** Global norm of the gradients, after the factor and before clipping. */
  readonly gradientNorm: number;
  /** False when the norm is NaN or infinite, or the guard forbade it: nothing was changed. */
  readonly applied: boolean;
  /**
   * Of float16: it was left out because the loss's factor was too large, and the factor is halved.
   * Updates after it are made; the moments' bias is corrected by the number of those applied.
   */
  readonly skipped?: boolean;
  /** Of float16: the factor that the loss was multiplied by. */
  readonly lossScale?: number;
}

/** The factor on the loss of float16 runs, see `ParameterState.lossScale`. */
export interface LossScaleState {
  /** A power of 2, a float32 above 0; at first 2^16. */
  readonly factor: number;
  /** Updates applied since it changed, less than 2,000: then it is doubled. */
  readonly goodUpdates: number;
}
