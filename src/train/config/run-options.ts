/** Fields of a configuration as the options of the programs that train, and back. */
import type { EarlyStoppingOptions } from "../early-stopping.ts";
import { loadRunConfig } from "./run-config.ts";
import {
  defaultOf,
  isFieldOf,
  type RunConfig,
  type RunConfigKey,
  type RunModel,
} from "./sections.ts";

/** What an option of `trainEsm2()` and `trainGeneformer()` is called in a configuration. */
const OPTIONS = {
  data: "data_config.data",
  validData: "data_config.valid_data",
  validShare: "data_config.valid_share",
  trainClusterPath: "data_config.train_cluster_path",
  trainDatabasePath: "data_config.train_database_path",
  validClusterPath: "data_config.valid_cluster_path",
  validDatabasePath: "data_config.valid_database_path",
  dataDir: "data_config.data_dir",
  medians: "data_config.medians",
  vocab: "data_config.vocab",
  genes: "data_config.genes",
  matrix: "data_config.matrix",
  includeUnrecognizedVocabInDataset: "data_config.include_unrecognized_vocab_in_dataset",
  microBatchSize: "data_config.micro_batch_size",
  minSeqLength: "data_config.min_seq_length",
  maxSeqLength: "data_config.max_seq_length",
  randomMaskStrategy: "data_config.random_mask_strategy",
  seed: "data_config.seed",
  devices: "parallel_config.num_devices",
  numNodes: "parallel_config.num_nodes",
  shardOptimizer: "parallel_config.shard_optimizer",
  tensorModelParallelSize: "parallel_config.tensor_model_parallel_size",
  pipelineModelParallelSize: "parallel_config.pipeline_model_parallel_size",
  accumulateGradBatches: "parallel_config.accumulate_grad_batches",
  numSteps: "training_config.max_steps",
  earlyStopOnStep: "training_config.early_stop_on_step",
  lossReduction: "training_config.loss_reduction",
  profileStep: "training_config.profile_step",
  limitValBatches: "training_config.limit_val_batches",
  valCheckInterval: "training_config.val_check_interval",
  logEveryNSteps: "training_config.log_every_n_steps",
  logTrainPpl: "training_config.log_train_ppl",
  logValPpl: "training_config.log_val_ppl",
  checkpointing: "training_config.enable_checkpointing",
  device: "training_config.device",
  precision: "training_config.precision",
  libtorch: "training_config.libtorch",
  executor: "training_config.executor",
  threads: "training_config.threads",
  lr: "optim_config.lr",
  adamBeta1: "optim_config.adam_beta1",
  adamBeta2: "optim_config.adam_beta2",
  adamEps: "optim_config.adam_eps",
  weightDecay: "optim_config.weight_decay",
  maxGradientNorm: "optim_config.clip_grad",
  lrScheduler: "optim_config.lr_scheduler",
  warmupSteps: "optim_config.warmup_steps",
  minLr: "optim_config.min_lr",
  cosineRampupFrac: "optim_config.cosine_rampup_frac",
  cosineHoldFrac: "optim_config.cosine_hold_frac",
  schedulerNumSteps: "optim_config.max_steps",
  resultDir: "experiment_config.result_dir",
  experimentName: "experiment_config.experiment_name",
  restoreFromCheckpointPath: "experiment_config.restore_from_checkpoint_path",
  asyncSave: "experiment_config.ckpt_async_save",
  skipKeysWithThesePrefixes: "bionemo_model_config.initial_ckpt_skip_keys_with_these_prefixes",
  saveLastCheckpoint: "experiment_config.save_last_checkpoint",
  metricToMonitor: "experiment_config.metric_to_monitor_for_checkpoints",
  saveTopK: "experiment_config.save_top_k",
  tensorboard: "experiment_config.create_tensorboard_logger",
} as const satisfies Readonly<Record<string, RunConfigKey>>;

/** Of one model only. */
const ESM2_OPTIONS = { ...OPTIONS } as const;
const GENEFORMER_OPTIONS = { ...OPTIONS, seqLength: "data_config.seq_length" } as const;

/** The same for `earlyStopping`. */
const EARLY_STOPPING = {
  patience: "training_config.early_stopping_patience",
  monitor: "training_config.early_stopping_monitor",
  minDelta: "training_config.early_stopping_min_delta",
  mode: "training_config.early_stopping_mode",
} as const satisfies Readonly<Record<keyof EarlyStoppingOptions, RunConfigKey>>;
/** Lightning's, where early stopping is asked for. */
const PATIENCE = 3;

/** The same for the model's sizes. */
const SIZES = {
  layout: "layout",
  layers: "num_layers",
  hiddenSize: "hidden_size",
  heads: "num_attention_heads",
  intermediateSize: "ffn_hidden_size",
  hiddenDropout: "hidden_dropout",
  attentionDropout: "attention_dropout",
  initialStd: "init_method_std",
  layerNormEpsilon: "layernorm_epsilon",
  tokenDropout: "token_dropout",
  activation: "activation_func",
} as const satisfies Readonly<Record<string, keyof RunConfig["bionemo_model_config"]>>;

type ValueAt<K extends RunConfigKey> = K extends `${infer S}.${infer N}`
  ? S extends keyof RunConfig
    ? N extends keyof RunConfig[S]
      ? RunConfig[S][N]
      : never
    : never
  : never;

/** Null is a value of these: no least length, all batches. */
type WithNull = "minSeqLength" | "limitValBatches";

type OptionsOf<T extends Readonly<Record<string, RunConfigKey>>> = {
  readonly [O in keyof T]?: O extends WithNull ? ValueAt<T[O]> : Exclude<ValueAt<T[O]>, null>;
};

interface Stopping {
  readonly earlyStopping?: EarlyStoppingOptions;
}

/** Every option of a model's program that a configuration can say; without those it leaves open. */
export interface RunOptions {
  readonly esm2: OptionsOf<typeof ESM2_OPTIONS> & Stopping;
  readonly geneformer: OptionsOf<typeof GENEFORMER_OPTIONS> & Stopping;
}

const TABLES = { esm2: ESM2_OPTIONS, geneformer: GENEFORMER_OPTIONS };

function pairs(model: RunModel): [string, RunConfigKey][] {
  const table: Readonly<Record<string, RunConfigKey>> = TABLES[model];
  return Object.entries(table).filter(([, key]) => isFieldOf(model, key));
}

/** The options that a configuration stands for. */
export function runOptions<M extends RunModel>(model: M, config: RunConfig): RunOptions[M] {
  const options = pairs(model)
    .map(([option, key]) => ({ option, key, value: valueAt(config, key) }))
    .filter(({ key, value }) => value !== null || defaultOf(model, key) !== null)
    .map(({ option, value }) => [option, value]);
  const { early_stopping_patience: patience, ...training } = config.training_config;
  const earlyStopping = {
    patience,
    monitor: training.early_stopping_monitor,
    minDelta: training.early_stopping_min_delta,
    mode: training.early_stopping_mode,
  };
  if (patience !== null) options.push(["earlyStopping", earlyStopping]);
  // proof: the names and values as the table of the model pairs them
  return Object.fromEntries(options) as RunOptions[M];
}

/**
 * The configuration of options, defaults filled in, checked as a file's is: errors call a value by its
 * option. Options that are no part of a configuration are left alone.
 */
export function configOfOptions(
  model: RunModel,
  options: Readonly<Record<string, unknown>>,
  size: Readonly<Record<string, unknown>>,
): RunConfig {
  const overrides: Record<string, unknown> = {};
  const names: Record<string, string> = {};
  const take = (option: string, key: RunConfigKey, value: unknown): void => {
    if (!isFieldOf(model, key)) return;
    names[key] = option;
    if (value !== undefined) overrides[key] = value;
  };
  for (const [option, key] of pairs(model)) take(option, key, options[option]);
  const { earlyStopping } = options;
  if (typeof earlyStopping === "object" && earlyStopping !== null) {
    const stopping = { patience: PATIENCE, ...earlyStopping };
    for (const [option, key] of Object.entries(EARLY_STOPPING)) {
      take(`earlyStopping.${option}`, key, stopping[option as keyof typeof stopping]);
    }
  }
  for (const [option, field] of Object.entries(SIZES)) {
    take(option, `bionemo_model_config.${field}`, size[option]);
  }
  return loadRunConfig({ model, overrides, names, env: {} });
}

/** The sizes that a configuration names: without those that the weights have. */
export function sizesOf(config: RunConfig): Readonly<Record<string, unknown>> {
  const entries = Object.entries(SIZES).map(([option, field]) => {
    return [option, config.bionemo_model_config[field]] as const;
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

/** The configuration with the sizes of the model as it is. */
export function withSizes(config: RunConfig, settings: object): RunConfig {
  const values = new Map(Object.entries(settings));
  const section: Record<string, unknown> = { ...config.bionemo_model_config };
  for (const [option, field] of Object.entries(SIZES)) {
    if (values.has(option)) section[field] = values.get(option);
  }
  // proof: the settings of a model have the types of the fields
  return { ...config, bionemo_model_config: section as RunConfig["bionemo_model_config"] };
}

function valueAt(config: RunConfig, key: RunConfigKey): unknown {
  const [section = "", name = ""] = key.split(".");
  const sections: Readonly<Record<string, Readonly<Record<string, unknown>>>> = config;
  return sections[section]?.[name];
}
