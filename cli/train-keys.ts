/** What the flags of the commands that train are in a configuration. */
import { ESM2_SIZES, type Esm2Size } from "../src/models/esm2/config.ts";
import type { FlagKey } from "./config-flags.ts";
import { ORIGINAL_KEYS } from "./original-train-flags.ts";

/** Those of both models. */
const TRAIN_KEYS: Readonly<Record<string, FlagKey>> = {
  "restore-from-checkpoint-path": "experiment_config.restore_from_checkpoint_path",
  "num-steps": "training_config.max_steps",
  lr: "optim_config.lr",
  "weight-decay": "optim_config.weight_decay",
  "clip-grad": "optim_config.clip_grad",
  "micro-batch-size": "data_config.micro_batch_size",
  "accumulate-grad-batches": "parallel_config.accumulate_grad_batches",
  "val-check-interval": "training_config.val_check_interval",
  "limit-val-batches": "training_config.limit_val_batches",
  seed: "data_config.seed",
  threads: "training_config.threads",
  "result-dir": "experiment_config.result_dir",
  "experiment-name": "experiment_config.experiment_name",
  "log-every-n-steps": "training_config.log_every_n_steps",
  "create-tensorboard-logger": "experiment_config.create_tensorboard_logger",
  "disable-checkpointing": (value) => ({ "training_config.enable_checkpointing": value !== true }),
  "save-top-k": "experiment_config.save_top_k",
  "save-last-checkpoint": "experiment_config.save_last_checkpoint",
  "metric-to-monitor-for-checkpoints": "experiment_config.metric_to_monitor_for_checkpoints",
  "num-layers": "bionemo_model_config.num_layers",
  "hidden-size": "bionemo_model_config.hidden_size",
  "num-attention-heads": "bionemo_model_config.num_attention_heads",
  "ffn-hidden-size": "bionemo_model_config.ffn_hidden_size",
  "hidden-dropout": "bionemo_model_config.hidden_dropout",
  "attention-dropout": "bionemo_model_config.attention_dropout",
  "lr-scheduler": "optim_config.lr_scheduler",
  "warmup-steps": "optim_config.warmup_steps",
  "scheduler-num-steps": "optim_config.max_steps",
  "cosine-rampup-frac": "optim_config.cosine_rampup_frac",
  "cosine-hold-frac": "optim_config.cosine_hold_frac",
  "early-stop-on-step": "training_config.early_stop_on_step",
  "early-stopping-patience": "training_config.early_stopping_patience",
  "early-stopping-monitor": "training_config.early_stopping_monitor",
  "early-stopping-min-delta": "training_config.early_stopping_min_delta",
  "early-stopping-mode": "training_config.early_stopping_mode",
  "loss-reduction": "training_config.loss_reduction",
  "profile-step": "training_config.profile_step",
  "ckpt-async-save": "experiment_config.ckpt_async_save",
  precision: "training_config.precision",
  deterministic: "training_config.deterministic",
  tf32: "training_config.tf32",
  device: "training_config.device",
  libtorch: "training_config.libtorch",
  "num-gpus": "parallel_config.num_devices",
  "num-nodes": "parallel_config.num_nodes",
  "shard-optimizer": "parallel_config.shard_optimizer",
  "rank-timeout": "parallel_config.rank_timeout",
  "tensor-model-parallel-size": "parallel_config.tensor_model_parallel_size",
  "pipeline-model-parallel-size": "parallel_config.pipeline_model_parallel_size",
};

/** Those of both programs that fine-tune. */
const FINE_TUNE_KEYS: Readonly<Record<string, FlagKey>> = {
  ...TRAIN_KEYS,
  ...ORIGINAL_KEYS,
  "task-type": "data_config.task_type",
  "encoder-frozen": "bionemo_model_config.encoder_frozen",
  "keep-head": "bionemo_model_config.keep_head",
  "scale-lr-layer": "optim_config.scale_lr_layer",
  "lr-multiplier": "optim_config.lr_multiplier",
  "mlp-ft-dropout": "bionemo_model_config.mlp_ft_dropout",
  "mlp-hidden-size": "bionemo_model_config.mlp_hidden_size",
  "mlp-target-size": "bionemo_model_config.mlp_target_size",
  "lora-finetune": "bionemo_model_config.lora_finetune",
  "lora-checkpoint-path": "bionemo_model_config.lora_checkpoint_path",
};

function keysOfSize(size: unknown): Readonly<Record<string, unknown>> {
  const { layers, hiddenSize, heads } = ESM2_SIZES[size as Esm2Size]; // proof: an option of the flag
  return {
    "bionemo_model_config.num_layers": layers,
    "bionemo_model_config.hidden_size": hiddenSize,
    "bionemo_model_config.num_attention_heads": heads,
    "bionemo_model_config.ffn_hidden_size": 4 * hiddenSize,
  };
}

export const ESM2_KEYS: Readonly<Record<string, FlagKey>> = {
  ...TRAIN_KEYS,
  ...ORIGINAL_KEYS,
  data: "data_config.data",
  "valid-data": "data_config.valid_data",
  "valid-share": "data_config.valid_share",
  "train-cluster-path": "data_config.train_cluster_path",
  "train-database-path": "data_config.train_database_path",
  "valid-cluster-path": "data_config.valid_cluster_path",
  "valid-database-path": "data_config.valid_database_path",
  "min-seq-length": "data_config.min_seq_length",
  "max-seq-length": "data_config.max_seq_length",
  "random-mask-strategy": "data_config.random_mask_strategy",
  size: keysOfSize,
};

export const GENEFORMER_KEYS: Readonly<Record<string, FlagKey>> = {
  ...TRAIN_KEYS,
  ...ORIGINAL_KEYS,
  data: "data_config.data",
  "valid-data": "data_config.valid_data",
  "valid-share": "data_config.valid_share",
  "data-dir": "data_config.data_dir",
  matrix: "data_config.matrix",
  medians: "data_config.medians",
  vocab: "data_config.vocab",
  genes: "data_config.genes",
  "include-unrecognized-vocab-in-dataset": "data_config.include_unrecognized_vocab_in_dataset",
  "seq-length": "data_config.seq_length",
  layout: "bionemo_model_config.layout",
};

export const FINETUNE_ESM2_KEYS: Readonly<Record<string, FlagKey>> = {
  ...FINE_TUNE_KEYS,
  "train-data-path": "data_config.train_data_path",
  "valid-data-path": "data_config.valid_data_path",
  "label-column": "data_config.label_column",
  "labels-mask-column": "data_config.labels_mask_column",
  "min-seq-length": "data_config.min_seq_length",
  "max-seq-length": "data_config.max_seq_length",
  "cnn-dropout": "bionemo_model_config.cnn_dropout",
  "cnn-hidden-size": "bionemo_model_config.cnn_hidden_size",
  "cnn-num-classes": "bionemo_model_config.cnn_num_classes",
};

export const FINETUNE_GENEFORMER_KEYS: Readonly<Record<string, FlagKey>> = {
  ...FINE_TUNE_KEYS,
  data: "data_config.data",
  "valid-data": "data_config.valid_data",
  "valid-share": "data_config.valid_share",
  "data-dir": "data_config.data_dir",
  matrix: "data_config.matrix",
  label: "data_config.label_column",
  medians: "data_config.medians",
  vocab: "data_config.vocab",
  genes: "data_config.genes",
  "include-unrecognized-vocab-in-dataset": "data_config.include_unrecognized_vocab_in_dataset",
  "seq-length": "data_config.seq_length",
};
