import { closest } from "../../../formats/common/did-you-mean.ts";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import {
  CLASSIFICATION_METRICS,
  MASKED_LANGUAGE_METRICS,
  RANKED_METRICS,
} from "../../models/metric-names.ts";

/** What every step has. */
const OF_STEPS = ["reduced_train_loss", "lr", "grad_norm", "epoch", "consumed_samples"];

/** What `reduce()` of any published model gives. */
export const PUBLISHED_METRICS: readonly string[] = [
  ...new Set([...MASKED_LANGUAGE_METRICS, ...RANKED_METRICS, ...CLASSIFICATION_METRICS]),
];

/**
 * Refuses a metric that a run never has.
 *
 * @param metrics names that the model's `reduce()` gives
 * @param purpose what looks at it, e.g. "to choose checkpoints by"
 * @throws InvalidArgumentError with the nearest, and all that there are
 */
export function requireMetricOf(
  metrics: readonly string[],
  monitor: string,
  purpose: string,
): void {
  requireKnown([...metrics.map((name) => `val_${name}`), ...OF_STEPS], monitor, purpose);
}

/** As {@link requireMetricOf}, with the names as they are logged. */
export function requireKnown(known: readonly string[], monitor: string, purpose: string): void {
  if (known.includes(monitor)) return;
  const near = closest(monitor, known);
  throw new InvalidArgumentError("monitor", monitor, `there is no metric ${monitor} ${purpose}`, {
    suggestions: [...(near === null ? [] : [`${near}?`]), `there are ${known.join(", ")}`],
  });
}
