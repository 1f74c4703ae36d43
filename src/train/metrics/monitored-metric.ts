import { closest } from "../../../formats/common/did-you-mean.ts";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import {
  CLASSIFICATION_METRICS,
  LARGER_IS_BETTER,
  MASKED_LANGUAGE_METRICS,
  RANKED_METRICS,
  SMALLER_IS_BETTER,
} from "../../models/metric-names.ts";

/** Which value of a metric is the best; "auto" knows it of the published models' metrics. */
export type MonitorMode = "auto" | "min" | "max";

/** What every step has. */
const OF_STEPS = ["reduced_train_loss", "lr", "grad_norm", "epoch", "consumed_samples"];

/** What `reduce()` of any published model gives. */
export const PUBLISHED_METRICS: readonly string[] = [
  ...new Set([...MASKED_LANGUAGE_METRICS, ...RANKED_METRICS, ...CLASSIFICATION_METRICS]),
];

/**
 * Whether the smallest or the largest value is the best: for everything that looks at a metric.
 *
 * @param monitor the name as it is logged, e.g. "val_accuracy"
 * @param who what looks at it, e.g. "earlyStopping"
 * @param modeOf what the mode is called, where there is one to give
 * @throws InvalidArgumentError for "auto" and a metric that it does not know
 */
export function bestOf(
  monitor: string,
  mode: MonitorMode,
  who: string,
  modeOf: string | null = "mode",
): "min" | "max" {
  if (mode !== "auto") return mode;
  const metric = monitor.replace(/^(val|reduced_train)_/, "");
  if (LARGER_IS_BETTER.has(metric)) return "max";
  if (SMALLER_IS_BETTER.has(metric)) return "min";
  const known = PUBLISHED_METRICS.map((name) => `val_${name}`);
  const near = closest(monitor, known);
  const message = `${who}: is the smallest or the largest ${monitor} the best? "auto" does not know`;
  throw new InvalidArgumentError("mode", mode, message, {
    suggestions: [
      ...(near === null ? [] : [`${near}?`]),
      ...(modeOf === null ? [] : [`say it: ${modeOf} min or max`]),
      `"auto" knows ${known.join(", ")}, reduced_train_loss`,
    ],
  });
}

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
