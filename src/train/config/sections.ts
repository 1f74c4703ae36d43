/** The sections and fields of a run's configuration, under BioNeMo's names, with their defaults. */
import {
  choice,
  count,
  type Field,
  flag,
  limit,
  number,
  optional,
  paths,
  share,
  text,
  texts,
} from "./field.ts";
import type { RunModel } from "./run-kinds.ts";

/** Precisions, and BioNeMo's other names of them. */
export const PRECISIONS = ["32", "bf16-mixed", "16-mixed"] as const;
const PRECISION_NAMES: Readonly<Record<string, (typeof PRECISIONS)[number]>> = {
  fp32: "32",
  "fp32-mixed": "32",
  bf16: "bf16-mixed",
  16: "16-mixed",
  fp16: "16-mixed",
  "fp16-mixed": "16-mixed",
};

/** Null is "not said": what a field is then, `checkRunConfig()` fills in. */
export const SECTIONS = {
  data_config: {
    data: optional(paths()),
    valid_data: optional(paths()),
    valid_share: share(0),
    train_cluster_path: optional(text("")),
    train_database_path: optional(text("")),
    valid_cluster_path: optional(text("")),
    valid_database_path: optional(text("")),
    data_dir: optional(text("")),
    train_data_path: optional(text("")),
    valid_data_path: optional(text("")),
    label_column: optional(text("")),
    labels_mask_column: optional(text("")),
    task_type: optional(
      choice(["regression", "classification", "token-classification"], "regression"),
    ),
    medians: optional(text("")),
    vocab: optional(text("")),
    genes: optional(text("")),
    matrix: optional(text("")),
    include_unrecognized_vocab_in_dataset: flag(false),
    micro_batch_size: count(8, 1),
    seq_length: count(1024, 2),
    min_seq_length: optional(count(1, 1)),
    max_seq_length: count(1024, 3),
    random_mask_strategy: choice(["all_tokens", "amino_acids_only"], "all_tokens"),
    num_dataset_workers: count(0),
    seed: count(42),
  },
  parallel_config: {
    tensor_model_parallel_size: count(1, 1),
    pipeline_model_parallel_size: count(1, 1),
    accumulate_grad_batches: count(1, 1),
    num_devices: count(1, 1),
    num_nodes: count(1, 1),
    shard_optimizer: flag(false),
    rank_timeout: count(600, 1),
  },
  training_config: {
    max_steps: count(500_000, 1),
    early_stop_on_step: optional(count(1, 1)),
    early_stopping_patience: optional(count(3, 1)),
    early_stopping_monitor: text("val_loss"),
    early_stopping_min_delta: number(0),
    early_stopping_mode: choice(["auto", "min", "max"], "auto"),
    loss_reduction: choice(["global", "micro-batch"], "global"),
    profile_step: optional(count(1, 1)),
    limit_val_batches: limit({ batches: 2 }),
    val_check_interval: count(10_000, 1),
    log_every_n_steps: count(10, 1),
    log_train_ppl: flag(false),
    log_val_ppl: flag(true),
    enable_checkpointing: flag(true),
    precision: choice(PRECISIONS, "32", PRECISION_NAMES),
    deterministic: flag(false),
    tf32: flag(false),
    executor: optional(text("")),
    device: text("cpu"),
    libtorch: optional(text("")),
    threads: optional(count(1, 1)),
  },
  bionemo_model_config: {
    layout: optional(choice(["bionemo", "bert"], "bionemo")),
    num_layers: optional(count(6, 1)),
    hidden_size: optional(count(256, 1)),
    ffn_hidden_size: optional(count(512, 1)),
    num_attention_heads: optional(count(4, 1)),
    seq_length: optional(count(128, 1)),
    hidden_dropout: optional(share(0)),
    attention_dropout: optional(share(0)),
    init_method_std: optional(number(0.02)),
    layernorm_epsilon: optional(number(1e-12)),
    token_dropout: optional(flag(true)),
    activation_func: optional(choice(["gelu", "gelu_tanh", "relu"], "gelu")),
    encoder_frozen: flag(false),
    keep_head: flag(false),
    mlp_ft_dropout: share(0.25),
    mlp_hidden_size: count(256, 1),
    mlp_target_size: optional(count(1, 1)),
    cnn_dropout: share(0.25),
    cnn_hidden_size: count(32, 1),
    cnn_num_classes: optional(count(1, 1)),
    lora_finetune: flag(false),
    lora_checkpoint_path: optional(text("")),
    initial_ckpt_path: optional(text("")),
    initial_ckpt_skip_keys_with_these_prefixes: texts(),
  },
  optim_config: {
    lr: number(1e-4),
    optimizer: choice(["adam"], "adam"),
    adam_beta1: share(0.9),
    adam_beta2: share(0.999),
    adam_eps: number(1e-8),
    weight_decay: number(0.01),
    clip_grad: number(1),
    lr_scheduler: choice(["warmup_anneal", "cosine", "constant"], "warmup_anneal"),
    warmup_steps: optional(count(0)),
    min_lr: optional(number(0)),
    cosine_rampup_frac: share(0.01),
    cosine_hold_frac: share(0.05),
    max_steps: optional(count(1, 1)),
    scale_lr_layer: optional(text("")),
    lr_multiplier: number(1),
  },
  inference_config: {
    results_path: optional(text("")),
    outputs: optional(texts()),
    format: choice(["safetensors", "parquet", "npy"], "safetensors"),
    prediction_interval: choice(["epoch", "batch"], "epoch"),
  },
  experiment_config: {
    result_dir: text("results"),
    experiment_name: text("esm2"),
    restore_from_checkpoint_path: optional(text("")),
    save_every_n_steps: optional(count(1, 1)),
    save_last_checkpoint: flag(true),
    ckpt_async_save: flag(true),
    metric_to_monitor_for_checkpoints: text("val_loss"),
    save_top_k: count(2, -1),
    create_tensorboard_logger: flag(false),
    create_checkpoint_callback: flag(true),
  },
} as const;

export type SectionName = keyof typeof SECTIONS;
type ValueOf<F> = F extends Field<infer T> ? T : never;

/** A whole configuration: every field has a value; those of another model have none that counts. */
export type RunConfig = {
  readonly [S in SectionName]: {
    readonly [K in keyof (typeof SECTIONS)[S]]: ValueOf<(typeof SECTIONS)[S][K]>;
  };
};

/** `optim_config.lr` and all the others. */
export type RunConfigKey = {
  [S in SectionName]: `${S}.${Extract<keyof (typeof SECTIONS)[S], string>}`;
}[SectionName];

/** Of both programs that fine-tune. */
const FINE_TUNED = {
  "training_config.val_check_interval": 20,
  "training_config.limit_val_batches": { batches: 1000 },
  "optim_config.adam_beta2": 0.98,
  "optim_config.lr_scheduler": "constant",
  "optim_config.warmup_steps": 0,
} as const;

/** Defaults of one model where they differ from the fields', as BioNeMo's programs have them. */
export const MODEL_DEFAULTS: Readonly<
  Record<RunModel, Readonly<Partial<Record<RunConfigKey, unknown>>>>
> = {
  esm2: {
    "data_config.max_seq_length": `\${data_config.seq_length}`,
    "data_config.min_seq_length": `\${data_config.max_seq_length}`,
    "optim_config.lr": 4e-4,
    "optim_config.adam_beta2": 0.98,
  },
  geneformer: {
    "data_config.seq_length": 2048,
    "data_config.micro_batch_size": 4,
    "training_config.max_steps": 10_000,
    "optim_config.lr_scheduler": "cosine",
    "experiment_config.experiment_name": "geneformer",
  },
  "esm2-finetune": {
    ...FINE_TUNED,
    "data_config.seq_length": 512,
    "data_config.max_seq_length": `\${data_config.seq_length}`,
    "data_config.label_column": "labels",
    "data_config.task_type": "regression",
    "optim_config.lr": 4e-4,
    "experiment_config.experiment_name": "esm2-finetune",
  },
  "geneformer-finetune": {
    ...FINE_TUNED,
    "data_config.seq_length": 2048,
    "data_config.micro_batch_size": 4,
    "training_config.max_steps": 10_000,
    "experiment_config.experiment_name": "geneformer-finetune",
  },
  "esm2-infer": { "data_config.max_seq_length": `\${data_config.seq_length}` },
  "geneformer-infer": { "data_config.seq_length": 2048 },
};

export function fieldOf(key: string): Field<unknown> | undefined {
  const [section = "", name = "", ...rest] = key.split(".");
  if (rest.length > 0 || !Object.hasOwn(SECTIONS, section)) return undefined;
  const fields: Readonly<Record<string, Field<unknown>>> = SECTIONS[section as SectionName]; // proof: asked for above
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** Every key, in the order of the sections. */
export const RUN_CONFIG_KEYS = Object.entries(SECTIONS).flatMap(([section, fields]) =>
  Object.keys(fields).map((name) => `${section}.${name}`),
) as readonly RunConfigKey[]; // proof: the keys as the type spells them

/** The default of a field; a text may refer to another field. */
export function defaultOf(model: RunModel, key: RunConfigKey): unknown {
  const defaults = MODEL_DEFAULTS[model];
  return Object.hasOwn(defaults, key) ? defaults[key] : fieldOf(key)?.value;
}

export function valueAt(config: RunConfig, key: RunConfigKey): unknown {
  const [section = "", name = ""] = key.split(".");
  const sections: Readonly<Record<string, Readonly<Record<string, unknown>>>> = config;
  return sections[section]?.[name];
}
