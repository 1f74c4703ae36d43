/** The metrics that end a run and choose its checkpoints, before anything is read. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import {
  CLASSIFICATION_METRICS,
  MASKED_LANGUAGE_METRICS,
  RANKED_METRICS,
} from "../../models/metric-names.ts";
import {
  bestOf,
  type MonitorMode,
  PUBLISHED_METRICS,
  requireMetricOf,
} from "../metrics/monitored-metric.ts";
import type { CheckOptions } from "./check-config.ts";
import { isFineTuning } from "./run-kinds.ts";
import { defaultOf, type RunConfig, type RunConfigKey } from "./sections.ts";

const PATIENCE = "training_config.early_stopping_patience";
const MONITOR = "training_config.early_stopping_monitor";
const MODE = "training_config.early_stopping_mode";
const WITH_PATIENCE = ["monitor", "min_delta", "mode"] as const;

/**
 * @throws InvalidArgumentError for a metric that the run will not have or that has no best value, and
 *   for early stopping that nothing would come of
 */
export function checkMonitors(config: RunConfig, options: CheckOptions): void {
  const { nameOf, model } = options;
  const { training_config: training, experiment_config: experiment } = config;
  const known = isFineTuning(model) ? fineTuned(config) : MASKED_LANGUAGE_METRICS;
  const check = (key: RunConfigKey, monitor: string, to: string, mode?: MonitorMode) => {
    const purpose = `to ${to} by: ${nameOf(key)}`;
    requireMetricOf(known, monitor, purpose, training.precision);
    bestOf(monitor, mode ?? "auto", nameOf(key), mode === undefined ? null : nameOf(MODE));
  };
  const chosen = "experiment_config.metric_to_monitor_for_checkpoints";
  const { metric_to_monitor_for_checkpoints: choice } = experiment;
  check(chosen, choice, "choose checkpoints");
  const { early_stopping_patience: patience, early_stopping_monitor: monitor } = training;
  if (patience === null) {
    requirePatience(config, options);
    return;
  }
  check(MONITOR, monitor, "end early", training.early_stopping_mode);
  if (!monitor.startsWith("val_") || validates(config)) return;
  const message = `${nameOf(PATIENCE)} looks at ${monitor}, and nothing is validated`;
  throw new InvalidArgumentError(MONITOR, monitor, message, {
    suggestions: ["give validation data", `${nameOf(MONITOR)} reduced_train_loss`],
  });
}

/** A monitor alone ends nothing. */
function requirePatience(config: RunConfig, { nameOf, model }: CheckOptions): void {
  for (const field of WITH_PATIENCE) {
    const key = `training_config.early_stopping_${field}` as const;
    const value = config.training_config[`early_stopping_${field}`];
    if (value === defaultOf(model, key)) continue;
    const message = `${nameOf(key)} ${value} ends no run without ${nameOf(PATIENCE)}`;
    throw new InvalidArgumentError(key, value, message, {
      suggestions: [`${nameOf(PATIENCE)} 3: validations without an improvement`],
    });
  }
}

function fineTuned({ data_config }: RunConfig): readonly string[] {
  if (data_config.task_type === null) return PUBLISHED_METRICS;
  return data_config.task_type === "regression" ? RANKED_METRICS : CLASSIFICATION_METRICS;
}

/** Whether there are data to validate with, as far as the configuration says. */
export function validates({ data_config: data, training_config }: RunConfig): boolean {
  const limit = training_config.limit_val_batches;
  if (limit !== null && "batches" in limit && limit.batches === 0) return false;
  if (data.data_dir !== null) return true;
  if (data.train_cluster_path !== null) return data.valid_cluster_path !== null;
  if (data.train_data_path !== null) return data.valid_data_path !== null;
  return data.valid_data !== null || data.valid_share > 0;
}
