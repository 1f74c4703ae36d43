/** Fields of a configuration as the options of the programs that train, and back. */

import type { InferenceOutput } from "../../infer/inference-outputs.ts";
import type { EarlyStoppingOptions } from "../early-stopping.ts";
import { thisMachine } from "./check-machine.ts";
import { isDefault } from "./given-keys.ts";
import { OPTION_KEYS } from "./option-keys.ts";
import { loadRunConfig } from "./run-config.ts";
import { isFieldOf, type RunModel } from "./run-kinds.ts";
import { defaultOf, type RunConfig, type RunConfigKey, valueAt } from "./sections.ts";

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

type OptionsFor<M extends RunModel> = OptionsOf<(typeof OPTION_KEYS)[M]> & {
  readonly earlyStopping?: EarlyStoppingOptions;
};

type Paths = string | readonly string[];
interface NeededForInference {
  readonly checkpointPath: string;
  readonly resultsPath: string;
  readonly outputs?: readonly InferenceOutput[];
}

/** Every option of a model's program that a configuration can say; without those it leaves open. */
export interface RunOptions {
  readonly "esm2-infer": Omit<OptionsFor<"esm2-infer">, keyof NeededForInference> &
    NeededForInference & { readonly dataPath: Paths };
  readonly "geneformer-infer": Omit<OptionsFor<"geneformer-infer">, keyof NeededForInference> &
    NeededForInference & { readonly dataDir: Paths };
  readonly esm2: OptionsFor<"esm2">;
  readonly geneformer: OptionsFor<"geneformer">;
  readonly "esm2-finetune": OptionsFor<"esm2-finetune"> & { readonly trainDataPath: string };
  readonly "geneformer-finetune": Omit<OptionsFor<"geneformer-finetune">, "taskType"> & {
    readonly label: string;
    readonly taskType?: "regression" | "classification";
  };
}

function pairs(model: RunModel): [string, RunConfigKey][] {
  const table: Readonly<Record<string, RunConfigKey>> = OPTION_KEYS[model];
  return Object.entries(table).filter(([, key]) => isFieldOf(model, key));
}

/** The options that a configuration stands for. */
export function runOptions<M extends RunModel>(model: M, config: RunConfig): RunOptions[M] {
  const options = pairs(model)
    .map(([option, key]) => ({ option, key, value: valueAt(config, key) }))
    .filter(({ key, value }) => value !== null || defaultOf(model, key) !== null)
    // A length that was asked for is told from the usual one: the model may have fewer positions.
    .filter(({ key }) => key !== "data_config.seq_length" || !isDefault(config, key))
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
  return loadRunConfig({ model, overrides, names, env: {}, machine: thisMachine() });
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
