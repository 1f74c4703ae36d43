/** The sections and fields of a run's configuration, under BioNeMo's names, with their defaults. */
import { choice, count, type Field, flag, number, optionalText, text, texts } from "./field.ts";

const PRECISIONS = ["32", "bf16-mixed", "16-mixed"] as const;

export const SECTIONS = {
  data_config: {
    train_cluster_path: optionalText(),
    train_database_path: optionalText(),
    valid_cluster_path: optionalText(),
    valid_database_path: optionalText(),
    data_dir: optionalText(),
    micro_batch_size: count(8, 1),
    num_dataset_workers: count(0),
    seq_length: count(128, 1),
    min_seq_length: count<number | null>(null, 1),
    max_seq_length: count<number | null>(null, 1),
    random_mask_strategy: choice(["all_tokens", "amino_acids_only"], "all_tokens"),
    seed: count(42),
  },
  parallel_config: {
    tensor_model_parallel_size: count(1, 1),
    pipeline_model_parallel_size: count(1, 1),
    accumulate_grad_batches: count(1, 1),
    num_devices: count(1, 1),
    num_nodes: count(1, 1),
  },
  training_config: {
    max_steps: count(500_000, 1),
    limit_val_batches: number(1),
    val_check_interval: count(10_000, 1),
    precision: choice(PRECISIONS, "32"),
    log_train_ppl: flag(false),
    log_val_ppl: flag(true),
    enable_checkpointing: flag(true),
  },
  bionemo_model_config: {
    num_layers: count(6, 1),
    hidden_size: count(256, 1),
    ffn_hidden_size: count(512, 1),
    num_attention_heads: count(4, 1),
    seq_length: count(128, 1),
    hidden_dropout: number(0.02),
    attention_dropout: number(0.1),
    init_method_std: number(0.02),
    layernorm_epsilon: number(1e-12),
    token_dropout: flag(true),
    initial_ckpt_path: optionalText(),
    initial_ckpt_skip_keys_with_these_prefixes: texts(),
  },
  optim_config: {
    lr: number(1e-4),
    adam_beta1: number(0.9),
    adam_beta2: number(0.98),
    adam_eps: number(1e-8),
    weight_decay: number(0.01),
    optimizer: choice(["adam"], "adam"),
    lr_scheduler: choice(["warmup_anneal", "cosine"], "warmup_anneal"),
    warmup_steps: count(0),
    cosine_rampup_frac: number(0.01),
    cosine_hold_frac: number(0.05),
    max_steps: count<number | null>(null, 1),
  },
  experiment_config: {
    save_every_n_steps: count<number | null>(null, 1),
    result_dir: text("./results"),
    experiment_name: text("run"),
    restore_from_checkpoint_path: optionalText(),
    save_last_checkpoint: flag(true),
    metric_to_monitor_for_checkpoints: text("val_loss"),
    save_top_k: count(2, -1),
    create_tensorboard_logger: flag(false),
    create_checkpoint_callback: flag(true),
  },
} as const;

export type SectionName = keyof typeof SECTIONS;
type ValueOf<F> = F extends Field<infer T> ? T : never;

/** A whole configuration: every field has a value. */
export type RunConfig = {
  readonly [S in SectionName]: {
    readonly [K in keyof (typeof SECTIONS)[S]]: ValueOf<(typeof SECTIONS)[S][K]>;
  };
};

/** What ESM-2 needs and BioNeMo's shared defaults would take from it, as `train_esm2` has it. */
export const ESM2_DEFAULTS: Readonly<Record<string, unknown>> = {
  "bionemo_model_config.hidden_dropout": 0,
  "bionemo_model_config.attention_dropout": 0,
  "bionemo_model_config.layernorm_epsilon": 1e-5,
};
export const GENEFORMER_DEFAULTS: Readonly<Record<string, unknown>> = {
  "data_config.seq_length": 2048,
  "optim_config.lr_scheduler": "cosine",
};

/** Keys of BioNeMo's files that have no meaning here: taken, with a warning. */
export const WITHOUT_MEANING: Readonly<Record<string, string>> = {
  "data_config.result_dir": "experiment_config.result_dir is used",
  "parallel_config.ddp": "there is one way",
  "parallel_config.remove_unused_parameters": "there are none",
  "parallel_config.use_distributed_optimizer": "the optimizer's state is not divided",
  "training_config.accelerator": "the device is chosen on the command line",
  "training_config.gc_interval": "memory is managed by Node",
  "training_config.create_tflops_callback": "tokens per second are logged",
  "training_config.include_perplexity": "BioNeMo ignores it too; see log_val_ppl",
  "bionemo_model_config.params_dtype": "see training_config.precision",
  "bionemo_model_config.pipeline_dtype": "see training_config.precision",
  "bionemo_model_config.autocast_dtype": "see training_config.precision",
  "bionemo_model_config.enable_autocast": "see training_config.precision",
  "bionemo_model_config.fp32_residual_connection": "activations are float32",
  "bionemo_model_config.kv_channels": "hidden_size / num_attention_heads",
  "bionemo_model_config.apply_query_key_layer_scaling": "attention is computed in float32",
  "bionemo_model_config.make_vocab_size_divisible_by": "the vocabulary is not padded",
  "bionemo_model_config.masked_softmax_fusion": "a kernel of Megatron",
  "bionemo_model_config.fp16_lm_cross_entropy": "the loss is float32",
  "bionemo_model_config.gradient_accumulation_fusion": "a kernel of Megatron",
  "bionemo_model_config.bias_activation_fusion": "a kernel of Megatron",
  "bionemo_model_config.bias_dropout_fusion": "a kernel of Megatron",
  "bionemo_model_config.get_attention_mask_from_fusion": "a kernel of Megatron",
  "bionemo_model_config.layernorm_zero_centered_gamma": "weights are those of Hugging Face",
  "bionemo_model_config.activation_func": "GELU",
  "bionemo_model_config.qk_layernorm": "there is none",
  "bionemo_model_config.apply_residual_connection_post_layernorm": "the model says which",
  "bionemo_model_config.share_embeddings_and_output_weights": "they are shared",
  "bionemo_model_config.nemo1_ckpt_path": "NeMo checkpoints are not read",
  "bionemo_model_config.biobert_spec_option": "a choice of Megatron's layers",
  "bionemo_model_config.use_esm_attention": "a choice of Megatron's layers",
  "bionemo_model_config.normalize_attention_scores": "a choice of Megatron's layers",
  "bionemo_model_config.variable_seq_lengths": "for pipelines",
  "bionemo_model_config.core_attention_override": "a choice of Megatron's layers",
  "optim_config.sgd_momentum": "the optimizer is Adam",
  "optim_config.use_distributed_optimizer": "the optimizer's state is not divided",
  "optim_config.interval": "the rate changes with every step",
  "optim_config.monitor": "no schedule depends on a metric",
};
