/** What a run does, and which fields of a configuration that takes. */
import { fieldOf, type RunConfigKey, type SectionName } from "./sections.ts";

/** A network that is there. */
export type RunNetwork = "esm2" | "geneformer";
/** What a run does: trains a network, fine-tunes one, or runs one. */
export type RunModel = RunNetwork | `${RunNetwork}-${"finetune" | "infer"}`;

const ESM2: readonly RunModel[] = ["esm2", "esm2-finetune", "esm2-infer"];
const GENEFORMER: readonly RunModel[] = ["geneformer", "geneformer-finetune", "geneformer-infer"];
const TRAINING: readonly RunModel[] = ["esm2", "geneformer"];
const FINE_TUNING: readonly RunModel[] = ["esm2-finetune", "geneformer-finetune"];
const INFERRING: readonly RunModel[] = ["esm2-infer", "geneformer-infer"];
export const RUN_MODELS: readonly RunModel[] = [...TRAINING, ...FINE_TUNING, ...INFERRING];

/** Keys, or whole sections, that some runs alone have. */
const OF_SOME: readonly (readonly [
  readonly RunModel[],
  readonly (RunConfigKey | `${SectionName}.`)[],
])[] = [
  [
    ["esm2"],
    [
      "data_config.train_cluster_path",
      "data_config.train_database_path",
      "data_config.valid_cluster_path",
      "data_config.valid_database_path",
      "data_config.random_mask_strategy",
      "bionemo_model_config.token_dropout",
    ],
  ],
  [ESM2, ["data_config.max_seq_length"]],
  [["esm2", "esm2-finetune"], ["data_config.min_seq_length"]],
  [INFERRING, ["inference_config."]],
  [["geneformer"], ["bionemo_model_config.layout"]],
  [["geneformer", "geneformer-finetune"], ["data_config.data_dir"]],
  [
    GENEFORMER,
    [
      "data_config.medians",
      "data_config.vocab",
      "data_config.genes",
      "data_config.matrix",
      "data_config.include_unrecognized_vocab_in_dataset",
    ],
  ],
  [
    ["esm2", "geneformer", "geneformer-finetune"],
    ["data_config.valid_data", "data_config.valid_share"],
  ],
  [["esm2", "geneformer", "geneformer-finetune", ...INFERRING], ["data_config.data"]],
  [
    TRAINING,
    [
      "bionemo_model_config.num_layers",
      "bionemo_model_config.hidden_size",
      "bionemo_model_config.ffn_hidden_size",
      "bionemo_model_config.num_attention_heads",
      "bionemo_model_config.hidden_dropout",
      "bionemo_model_config.attention_dropout",
      "bionemo_model_config.init_method_std",
      "bionemo_model_config.layernorm_epsilon",
      "bionemo_model_config.activation_func",
    ],
  ],
  [
    [...TRAINING, ...FINE_TUNING],
    [
      "optim_config.lr_scheduler",
      "optim_config.warmup_steps",
      "optim_config.min_lr",
      "optim_config.cosine_rampup_frac",
      "optim_config.cosine_hold_frac",
      "optim_config.max_steps",
    ],
  ],
  [
    ["esm2-finetune"],
    [
      "data_config.train_data_path",
      "data_config.valid_data_path",
      "data_config.labels_mask_column",
      "bionemo_model_config.cnn_dropout",
      "bionemo_model_config.cnn_hidden_size",
      "bionemo_model_config.cnn_num_classes",
    ],
  ],
  [
    FINE_TUNING,
    [
      "data_config.label_column",
      "data_config.task_type",
      "bionemo_model_config.encoder_frozen",
      "bionemo_model_config.keep_head",
      "bionemo_model_config.mlp_ft_dropout",
      "bionemo_model_config.mlp_hidden_size",
      "bionemo_model_config.mlp_target_size",
      "bionemo_model_config.lora_finetune",
      "bionemo_model_config.lora_checkpoint_path",
      "optim_config.scale_lr_layer",
      "optim_config.lr_multiplier",
    ],
  ],
];

/** All that inference has, of its network. */
const OF_INFERENCE: readonly string[] = [
  "data_config.data",
  "data_config.micro_batch_size",
  "data_config.seq_length",
  "data_config.max_seq_length",
  "data_config.medians",
  "data_config.vocab",
  "data_config.genes",
  "data_config.matrix",
  "data_config.include_unrecognized_vocab_in_dataset",
  "training_config.precision",
  "training_config.deterministic",
  "training_config.tf32",
  "training_config.executor",
  "training_config.device",
  "training_config.libtorch",
  "training_config.threads",
  "bionemo_model_config.initial_ckpt_path",
  "inference_config.results_path",
  "inference_config.outputs",
  "inference_config.format",
  "inference_config.prediction_interval",
];

/** Whether a run has a field. */
export function isFieldOf(model: RunModel, key: string): boolean {
  const [section = ""] = key.split(".");
  return (
    fieldOf(key) !== undefined &&
    (!isInferring(model) || OF_INFERENCE.includes(key)) &&
    OF_SOME.every(([models, keys]) => {
      return models.includes(model) || !keys.some((one) => one === key || one === `${section}.`);
    })
  );
}

export function networkOf(model: RunModel): RunNetwork {
  return ESM2.includes(model) ? "esm2" : "geneformer";
}

export function isFineTuning(model: RunModel): boolean {
  return FINE_TUNING.includes(model);
}

export function isInferring(model: RunModel): boolean {
  return INFERRING.includes(model);
}

/** "scdl train esm2" and the like. */
export function commandOf(model: RunModel): string {
  const work = isFineTuning(model) ? "finetune" : isInferring(model) ? "infer" : "train";
  return `scdl ${work} ${networkOf(model)}`;
}
