import { closest } from "../../../formats/common/did-you-mean.ts";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import {
  CLASSIFICATION_METRICS,
  LARGER_IS_BETTER,
  MASKED_LANGUAGE_METRICS,
  RANKED_METRICS,
  SMALLER_IS_BETTER,
} from "../../models/metric-names.ts";
import type { Precision } from "../../tensor/index.ts";

/** Which value of a metric is the best; "auto" knows it of the published models' metrics. */
export type MonitorMode = "auto" | "min" | "max";

/** What every step has. */
const OF_STEPS = ["reduced_train_loss", "lr", "grad_norm", "epoch", "consumed_samples"];

/** What every step of float16 has, too. It follows the gradients: no value is the best. */
const OF_FLOAT16: readonly string[] = ["loss_scale", "skipped_steps"];

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
 * @throws InvalidArgumentError for "auto" and a metric that it does not know, and for one without a best
 *   value
 */
export function bestOf(
  monitor: string,
  mode: MonitorMode,
  who: string,
  modeOf: string | null = "mode",
): "min" | "max" {
  if (OF_FLOAT16.includes(monitor)) {
    const message = `${who}: ${monitor} has no best value, it follows the gradients`;
    throw new InvalidArgumentError("monitor", monitor, message, {
      suggestions: ["reduced_train_loss, or a metric of the validation: val_loss"],
    });
  }
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
 * @param precision of the run: float16 has metrics of its own
 * @throws InvalidArgumentError with the nearest, and all that there are
 */
export function requireMetricOf(
  metrics: readonly string[],
  monitor: string,
  purpose: string,
  precision: Precision = "32",
): void {
  const known = [...metrics.map((name) => `val_${name}`), ...OF_STEPS];
  requireKnown([...known, ...(precision === "16-mixed" ? OF_FLOAT16 : [])], monitor, purpose);
}

/** As {@link requireMetricOf}, with the names as they are logged. */
export function requireKnown(known: readonly string[], monitor: string, purpose: string): void {
  if (known.includes(monitor)) return;
  const near = closest(monitor, known);
  const without = known.filter((name) => OF_FLOAT16.includes(name));
  throw new InvalidArgumentError("monitor", monitor, `there is no metric ${monitor} ${purpose}`, {
    suggestions: [
      ...(near === null || without.includes(near) ? [] : [`${near}?`]),
      `there are ${known.join(", ")}`,
      ...(without.length === 0 ? [] : [`of ${without.join(" and ")} no value is the best`]),
    ],
  });
}
