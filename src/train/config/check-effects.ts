/** Values that were given and that nothing comes of, and those that are likely a mistake: warnings. */
import { realpathSync } from "node:fs";
import { sep } from "node:path";
import { executorOfDevice } from "../../tensor/device-names.ts";
import type { CheckOptions } from "./check-config.ts";
import { validates } from "./check-monitors.ts";
import { expandPaths } from "./expand-paths.ts";
import { isFieldOf } from "./run-kinds.ts";
import { defaultOf, type RunConfig, type RunConfigKey, valueAt } from "./sections.ts";

/** Adam changes a weight by about as much a step. */
const LARGE_RATE = 0.5;
const LARGE_DECAY = 2;

interface WithoutEffect {
  readonly keys: readonly RunConfigKey[];
  readonly when: (config: RunConfig) => boolean;
  readonly reason: (nameOf: CheckOptions["nameOf"], config: RunConfig) => string;
}

const kindOf = ({ optim_config }: RunConfig) => optim_config.lr_scheduler;
const ofTokens = ({ data_config }: RunConfig) => data_config.task_type === "token-classification";
const lastStep = ({ training_config: training }: RunConfig) =>
  training.early_stop_on_step ?? training.max_steps;

const WITHOUT_EFFECT: readonly WithoutEffect[] = [
  {
    keys: ["optim_config.cosine_rampup_frac", "optim_config.cosine_hold_frac"],
    when: (config) => kindOf(config) !== "cosine",
    reason: (nameOf, config) =>
      `it is of ${nameOf("optim_config.lr_scheduler")} cosine, not of ${kindOf(config)}`,
  },
  {
    keys: ["optim_config.min_lr", "optim_config.max_steps"],
    when: (config) => kindOf(config) === "constant",
    reason: (nameOf) => `${nameOf("optim_config.lr_scheduler")} is constant`,
  },
  {
    keys: ["optim_config.lr_multiplier"],
    when: ({ optim_config }) => optim_config.scale_lr_layer === null,
    reason: (nameOf) => `${nameOf("optim_config.scale_lr_layer")} says of which weights`,
  },
  {
    keys: ["training_config.profile_step"],
    when: (config) => (config.training_config.profile_step ?? 0) > lastStep(config),
    reason: (_, config) => `the run ends after step ${lastStep(config)}`,
  },
  {
    keys: ["training_config.libtorch"],
    when: ({ training_config: { device, executor } }) =>
      (executor ?? executorOfDevice(device).executor) !== "torch",
    reason: (nameOf, { training_config }) =>
      `${nameOf("training_config.device")} ${training_config.device} does not run on libtorch`,
  },
  {
    keys: ["experiment_config.metric_to_monitor_for_checkpoints"],
    when: (config) =>
      config.experiment_config.metric_to_monitor_for_checkpoints.startsWith("val_") &&
      !validates(config),
    reason: () => "nothing is validated, and the newest checkpoints are kept",
  },
  {
    keys: [
      "experiment_config.metric_to_monitor_for_checkpoints",
      "experiment_config.save_top_k",
      "experiment_config.save_last_checkpoint",
      "experiment_config.ckpt_async_save",
    ],
    when: ({ training_config, experiment_config }) =>
      !(training_config.enable_checkpointing && experiment_config.create_checkpoint_callback),
    reason: () => "no checkpoints are written",
  },
  {
    keys: [
      "bionemo_model_config.cnn_dropout",
      "bionemo_model_config.cnn_hidden_size",
      "bionemo_model_config.cnn_num_classes",
    ],
    when: (config) => !ofTokens(config),
    reason: (nameOf) => `it is of ${nameOf("data_config.task_type")} token-classification`,
  },
  {
    keys: [
      "bionemo_model_config.mlp_ft_dropout",
      "bionemo_model_config.mlp_hidden_size",
      "bionemo_model_config.mlp_target_size",
    ],
    when: ofTokens,
    reason: (nameOf) => `${nameOf("data_config.task_type")} token-classification has another head`,
  },
];

/** Tells of each; changes nothing. */
export function checkEffects(config: RunConfig, options: CheckOptions): void {
  const { nameOf, model, given, onWarning } = options;
  const told = new Set<string>();
  for (const { keys, when, reason } of WITHOUT_EFFECT) {
    for (const key of keys) {
      const isGiven = given.has(key) && valueAt(config, key) !== defaultOf(model, key);
      if (!isGiven || told.has(key) || !isFieldOf(model, key) || !when(config)) continue;
      told.add(key);
      onWarning(`${nameOf(key)} has no effect: ${reason(nameOf, config)}`);
    }
  }
  const { lr, weight_decay: decay } = config.optim_config;
  if (lr > LARGE_RATE) {
    onWarning(
      `${nameOf("optim_config.lr")} ${lr}: Adam changes every weight by about that much a step; usual are 1e-5 to 1e-2`,
    );
  }
  if (decay > LARGE_DECAY) {
    onWarning(
      `${nameOf("optim_config.weight_decay")} ${decay}: every step takes it times the learning rate off each weight; usual are 0.01 to 0.1`,
    );
  }
  checkPlaces(config, options);
}

/** Data that are there twice. */
function checkPlaces({ data_config: data }: RunConfig, { nameOf, onWarning }: CheckOptions): void {
  const fine = data.train_data_path;
  const [trainKey, validKey] =
    fine === null ? ["data", "valid_data"] : ["train_data_path", "valid_data_path"];
  const train = placesOf(fine ?? data.data);
  const valid = placesOf(fine === null ? data.valid_data : data.valid_data_path);
  const names = {
    train: nameOf(`data_config.${trainKey}`),
    valid: nameOf(`data_config.${validKey}`),
  };
  for (const [at, place] of train.entries()) {
    const before = train.slice(0, at).find((other) => overlap(place, other));
    if (before === undefined) continue;
    const as = before.path === place.path ? "is named twice" : `and ${before.path} overlap`;
    onWarning(`${names.train}: ${place.path} ${as}: what is in both counts twice`);
  }
  for (const place of valid) {
    const same = train.find((other) => overlap(place, other));
    if (same === undefined) continue;
    const where = same.path === place.path ? names.train : `${names.train} ${same.path}`;
    onWarning(
      `${names.valid} ${place.path} is in ${where}, too: validation says nothing of data that were not trained on`,
    );
  }
}

interface Place {
  readonly path: string;
  readonly real: string;
}

/** What cannot be found is left to whoever opens it. */
function placesOf(paths: string | readonly string[] | null): Place[] {
  if (paths === null) return [];
  return expandPaths(paths).flatMap((path) => {
    try {
      return [{ path, real: realpathSync(path) }];
    } catch {
      return [];
    }
  });
}

function overlap({ real: a }: Place, { real: b }: Place): boolean {
  return a === b || a.startsWith(b + sep) || b.startsWith(a + sep);
}
