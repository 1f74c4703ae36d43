/** Values of a configuration that do not go together, and what follows from the others. */
import { InvalidArgumentError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { INFERENCE_OUTPUTS } from "../../infer/inference-outputs.ts";
import { ESM2_SIZES } from "../../models/esm2/config.ts";
import { geneformerConfig } from "../../models/geneformer/config.ts";
import { executorOfDevice } from "../../tensor/device-names.ts";
import { checkEffects } from "./check-effects.ts";
import { checkMonitors } from "./check-monitors.ts";
import { isFineTuning, isInferring, networkOf, type RunModel } from "./run-kinds.ts";
import type { RunConfig, RunConfigKey } from "./sections.ts";

export interface CheckOptions {
  readonly model: RunModel;
  /** What the user calls a key. */
  readonly nameOf: (key: string) => string;
  /** Keys that are not left to their defaults. */
  readonly given: ReadonlySet<string>;
  readonly onWarning: (message: string) => void;
}

/** Adam's steps up at most, unless the schedule has fewer than ten times as many. */
const WARMUP_STEPS = 2000;

/**
 * The configuration with what was left open filled in: the model's sizes (unless weights are restored,
 * which have their own), the warm-up, paths and intervals that follow from others.
 * @throws InvalidArgumentError naming both of two values that do not go together,
 *   UnsupportedFeatureError for what one process on one device cannot do
 */
export function checkRunConfig(config: RunConfig, options: CheckOptions): RunConfig {
  if (isInferring(options.model)) return checkInference(config, options);
  checkExperimentName(config, options);
  checkParallel(config, options);
  checkData(config, options);
  checkMonitors(config, options);
  checkEffects(config, options);
  const { data_config, training_config, experiment_config, optim_config } = config;
  const { onWarning, nameOf, model } = options;
  const { val_check_interval: interval } = training_config;
  const saves = experiment_config.save_every_n_steps;
  if (saves !== null && saves !== interval) {
    onWarning(
      `${nameOf("experiment_config.save_every_n_steps")} is ${saves}; checkpoints are written with the validation, every ${interval} steps`,
    );
  }
  const restore = restorePath(config, options);
  const max = networkOf(model) === "esm2" ? data_config.max_seq_length : data_config.seq_length;
  return {
    ...config,
    training_config: {
      ...training_config,
      ...computingOf(config, options),
      enable_checkpointing:
        training_config.enable_checkpointing && experiment_config.create_checkpoint_callback,
    },
    bionemo_model_config: {
      ...modelOf(config, options, restore !== null),
      seq_length: max,
      initial_ckpt_path: restore,
    },
    optim_config: { ...optim_config, warmup_steps: warmupSteps(config, options) },
    experiment_config: {
      ...experiment_config,
      restore_from_checkpoint_path: restore,
      save_every_n_steps: interval,
    },
  };
}

/** ONNX Runtime on the CPU computes float32, whatever a file written for a GPU says. */
function computingOf({ training_config }: RunConfig, { nameOf, onWarning }: CheckOptions) {
  const { precision, tf32, executor, device } = training_config;
  executorOfDevice(device);
  if (device !== "cpu") return { precision, tf32 };
  if (tf32) {
    onWarning(`${nameOf("training_config.tf32")}: device cpu has no TF32; cuda would take it`);
  }
  if (precision === "32" || executor === "torch") return { precision, tf32: false };
  const name = nameOf("training_config.precision");
  onWarning(
    `${name} ${precision}: device cpu computes in float32; torch-cpu and cuda would take it`,
  );
  return { precision: "32", tf32: false } as const;
}

/** A folder below that of results: `run` or `group/run`, nothing that leads out of it. */
function checkExperimentName({ experiment_config }: RunConfig, { nameOf }: CheckOptions): void {
  const { experiment_name: name } = experiment_config;
  const parts = name.split(/[\\/]/);
  const isName = parts.every((part) => part.trim() !== "" && part !== "." && part !== "..");
  if (isName && !name.includes("\0")) return;
  const key = "experiment_config.experiment_name";
  const message = `${nameOf(key)} ${JSON.stringify(name)}: expected a name of a folder in ${nameOf("experiment_config.result_dir")}`;
  throw new InvalidArgumentError(key, name, message, {
    suggestions: [`choose where with ${nameOf("experiment_config.result_dir")}`],
  });
}

function checkParallel({ parallel_config }: RunConfig, { nameOf }: CheckOptions): void {
  for (const key of ["tensor_model_parallel_size", "pipeline_model_parallel_size"] as const) {
    if (parallel_config[key] === 1) continue;
    const name = nameOf(`parallel_config.${key}`);
    const message = `${name} is ${parallel_config[key]}: models are not divided`;
    throw new UnsupportedFeatureError(key, message, { suggestions: ["set it to 1"] });
  }
}

function checkData(config: RunConfig, options: CheckOptions): void {
  const { nameOf } = options;
  if (isFineTuning(options.model)) checkLabels(config, options);
  const { data_config: data, training_config: training } = config;
  const least = data.min_seq_length;
  if (least !== null && least > data.max_seq_length) {
    throw together(
      nameOf,
      ["data_config.min_seq_length", least, "is larger than"],
      ["data_config.max_seq_length", data.max_seq_length],
    );
  }
  for (const split of ["train", "valid"] as const) {
    const [cluster, database] = [data[`${split}_cluster_path`], data[`${split}_database_path`]];
    if ((cluster === null) === (database === null)) continue;
    const [here, missing] = cluster === null ? ["database", "cluster"] : ["cluster", "database"];
    const key = `data_config.${split}_${missing}_path`;
    const message = `${nameOf(`data_config.${split}_${here}_path`)} needs ${nameOf(key)}`;
    throw new InvalidArgumentError(key, undefined, message);
  }
  const kinds = (["data", "train_cluster_path", "data_dir"] as const).filter(
    (name) => data[name] !== null,
  );
  const [first, second] = kinds.map((name): RunConfigKey => `data_config.${name}`);
  if (first !== undefined && second !== undefined) throw both(nameOf, first, second);
  if (data.valid_share === 1) {
    const message = `${nameOf("data_config.valid_share")} is 1, expected less: nothing is left to train on`;
    throw new InvalidArgumentError("data_config.valid_share", 1, message);
  }
  if (data.valid_data !== null && data.valid_share > 0) {
    throw both(nameOf, "data_config.valid_data", "data_config.valid_share");
  }
  const [place, instead] =
    data.data_dir === null
      ? (["train_cluster_path", "valid_cluster_path"] as const)
      : (["data_dir", null] as const);
  for (const name of ["valid_data", "valid_share"] as const) {
    if (data[place] === null || data[name] === null || data[name] === 0) continue;
    const from = nameOf(`data_config.${place}`);
    const where = instead === null ? "val" : nameOf(`data_config.${instead}`);
    const message = `${from} has its validation data in ${where}: ${nameOf(`data_config.${name}`)} was given, too`;
    throw new InvalidArgumentError(`data_config.${name}`, data[name], message, {
      suggestions: [`give ${nameOf("data_config.data")} instead of ${from}`],
    });
  }
  const { early_stop_on_step: early, max_steps: steps } = training;
  if (early !== null && early > steps) {
    throw together(
      nameOf,
      ["training_config.early_stop_on_step", early, "is larger than"],
      ["training_config.max_steps", steps],
    );
  }
}

/** Inference has weights, data, and a place for what it writes. */
function checkInference(config: RunConfig, options: CheckOptions): RunConfig {
  const { nameOf } = options;
  const { bionemo_model_config: model, data_config: data, inference_config: inference } = config;
  const needed: readonly Named[] = [
    ["bionemo_model_config.initial_ckpt_path", model.initial_ckpt_path],
    ["data_config.data", data.data],
    ["inference_config.results_path", inference.results_path],
  ];
  for (const [key, value] of needed) {
    if (value !== null) continue;
    throw new InvalidArgumentError(key, value, `${nameOf(key)} must be given`, {
      suggestions: [`in a file it is ${key}`],
    });
  }
  const outputs: readonly string[] = INFERENCE_OUTPUTS;
  const unknown = inference.outputs?.find((output) => !outputs.includes(output));
  if (unknown === undefined) {
    const training_config = { ...config.training_config, ...computingOf(config, options) };
    return { ...config, training_config };
  }
  const name = nameOf("inference_config.outputs");
  const message = `${name}: there is no output ${unknown}`;
  throw new InvalidArgumentError("inference_config.outputs", unknown, message, {
    suggestions: [`choose of ${outputs.join(", ")}`],
  });
}

/** What fine-tuning must be told of its data. */
function checkLabels({ data_config: data }: RunConfig, { model, nameOf }: CheckOptions): void {
  const task = nameOf("data_config.task_type");
  const needed = model === "esm2-finetune" ? "train_data_path" : "label_column";
  const example = needed === "train_data_path" ? "train.csv" : "cell_type";
  if (data[needed] === null) {
    const key = `data_config.${needed}` as const;
    throw new InvalidArgumentError(key, null, `${nameOf(key)} must be given`, {
      suggestions: [`e.g. ${example}; in a file it is ${key}`],
    });
  }
  if (model !== "geneformer-finetune" || data.task_type !== "token-classification") return;
  throw new UnsupportedFeatureError(task, `${task} ${data.task_type}: a cell has one label`, {
    suggestions: ["classification or regression"],
  });
}

/** Two names that BioNeMo has for the weights to begin with. */
function restorePath(config: RunConfig, { nameOf }: CheckOptions): string | null {
  const inModel = config.bionemo_model_config.initial_ckpt_path;
  const inExperiment = config.experiment_config.restore_from_checkpoint_path;
  if (inModel !== null && inExperiment !== null && inModel !== inExperiment) {
    throw together(
      nameOf,
      ["bionemo_model_config.initial_ckpt_path", inModel, "is not"],
      ["experiment_config.restore_from_checkpoint_path", inExperiment],
    );
  }
  return inModel ?? inExperiment;
}

/** The steps up from a low rate. @throws InvalidArgumentError for a schedule without room for them */
function warmupSteps(config: RunConfig, { nameOf, given, onWarning }: CheckOptions): number | null {
  const { optim_config: optim, training_config } = config;
  const lastKey = optim.max_steps === null ? "training_config.max_steps" : "optim_config.max_steps";
  const last = optim.max_steps ?? training_config.max_steps;
  const { lr_scheduler: kind } = optim;
  if (kind === "cosine") {
    if (given.has("optim_config.warmup_steps") && (optim.warmup_steps ?? 0) > 0) {
      const [name, share] = ["warmup_steps", "cosine_rampup_frac"].map((field) =>
        nameOf(`optim_config.${field}`),
      );
      onWarning(`${name} has no meaning with lr_scheduler cosine: see ${share}`);
    }
    const [up, hold] = [optim.cosine_rampup_frac, optim.cosine_hold_frac].map((share) =>
      Math.ceil(share * training_config.max_steps),
    ) as [number, number]; // proof: of two come two
    if (up + hold > last) {
      const message =
        `${nameOf("optim_config.cosine_rampup_frac")} and ${nameOf("optim_config.cosine_hold_frac")} ` +
        `are ${up} and ${hold} steps, more than ${nameOf(lastKey)} ${last}`;
      throw new InvalidArgumentError("optim_config.cosine_rampup_frac", up, message);
    }
    return null;
  }
  const steps = optim.warmup_steps ?? Math.min(WARMUP_STEPS, Math.floor(last / 10));
  if (kind === "warmup_anneal" && steps >= last) {
    throw together(
      nameOf,
      ["optim_config.warmup_steps", steps, "leaves no step of"],
      [lastKey, last],
    );
  }
  return steps;
}

type ModelSection = RunConfig["bionemo_model_config"];

/** Sizes and dropouts: of the published small model where nothing is said. */
function modelOf(config: RunConfig, options: CheckOptions, hasWeights: boolean): ModelSection {
  const { nameOf } = options;
  const model = networkOf(options.model);
  const section = config.bionemo_model_config;
  if (model === "esm2" && section.activation_func !== null && section.activation_func !== "gelu") {
    const name = nameOf("bionemo_model_config.activation_func");
    throw new UnsupportedFeatureError(name, `${name} ${section.activation_func}: ESM-2 has gelu`);
  }
  const filled =
    hasWeights || isFineTuning(options.model)
      ? section
      : model === "esm2"
        ? esm2Section(section)
        : geneformerSection(section);
  const { hidden_size: hidden, num_attention_heads: heads } = filled;
  if (hidden !== null && heads !== null && hidden % heads !== 0) {
    throw together(
      nameOf,
      ["bionemo_model_config.hidden_size", hidden, "is not a multiple of"],
      ["bionemo_model_config.num_attention_heads", heads],
    );
  }
  if (model === "esm2" && hidden !== null && heads !== null && (hidden / heads) % 2 !== 0) {
    const [size, parts] = ["hidden_size", "num_attention_heads"].map((field) =>
      nameOf(`bionemo_model_config.${field}`),
    );
    const message = `${size} ${hidden} and ${parts} ${heads} give heads of ${hidden / heads}, expected an even number: positions are rotated in pairs`;
    throw new InvalidArgumentError("bionemo_model_config.hidden_size", hidden, message, {
      suggestions: [`${size} ${2 * hidden}, or another ${parts}`],
    });
  }
  return filled;
}

function esm2Section(section: ModelSection): ModelSection {
  const { layers, hiddenSize, heads } = ESM2_SIZES["8M"];
  const hidden = section.hidden_size ?? hiddenSize;
  return {
    ...section,
    num_layers: section.num_layers ?? layers,
    hidden_size: hidden,
    num_attention_heads: section.num_attention_heads ?? heads,
    ffn_hidden_size: section.ffn_hidden_size ?? 4 * hidden,
    hidden_dropout: section.hidden_dropout ?? 0,
    attention_dropout: section.attention_dropout ?? 0,
    init_method_std: section.init_method_std ?? 0.02,
    layernorm_epsilon: section.layernorm_epsilon ?? 1e-5,
    token_dropout: section.token_dropout ?? true,
  };
}

function geneformerSection(section: ModelSection): ModelSection {
  const small = geneformerConfig("10M");
  const layout = section.layout ?? "bionemo";
  const usual = geneformerConfig({ layers: 1, hiddenSize: 1, heads: 1, layout });
  return {
    ...section,
    layout,
    num_layers: section.num_layers ?? small.layers,
    hidden_size: section.hidden_size ?? small.hiddenSize,
    num_attention_heads: section.num_attention_heads ?? small.heads,
    ffn_hidden_size: section.ffn_hidden_size ?? small.intermediateSize,
    hidden_dropout: section.hidden_dropout ?? usual.hiddenDropout,
    attention_dropout: section.attention_dropout ?? usual.attentionDropout,
    init_method_std: section.init_method_std ?? usual.initialStd,
    layernorm_epsilon: section.layernorm_epsilon ?? usual.layerNormEpsilon,
    activation_func: section.activation_func ?? usual.activation,
  };
}

type Named = readonly [key: RunConfigKey, value: unknown];

/** Two values, the first of which is wrong beside the second. */
function together(
  nameOf: (key: string) => string,
  [key, value, says]: readonly [...Named, string],
  [other, limit]: Named,
): InvalidArgumentError {
  const message = `${nameOf(key)} ${String(value)} ${says} ${nameOf(other)} ${String(limit)}`;
  return new InvalidArgumentError(key, value, message);
}

function both(nameOf: (key: string) => string, key: RunConfigKey, other: RunConfigKey) {
  const message = `${nameOf(key)} and ${nameOf(other)} were given: one of them`;
  return new InvalidArgumentError(key, undefined, message);
}
