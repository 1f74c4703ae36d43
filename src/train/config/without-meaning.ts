/** Keys of BioNeMo's files that have no meaning here. */
import { InvalidArgumentError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";

interface WithoutMeaning {
  readonly reason: string;
  /** Values that are taken in silence: nothing is lost with them. Default: all. */
  readonly usual?: readonly unknown[];
  /** Other values would change what is computed: they are an error, not a warning. */
  readonly changesResults?: boolean;
}

const SEE_PRECISION = { reason: "see training_config.precision" };
const KERNEL = { reason: "a kernel of Megatron" };
const NOT_DIVIDED = { reason: "the optimizer's state is not divided" };
const none = { usual: [null], changesResults: true };
const never = { usual: [false, null], changesResults: true };

const WITHOUT_MEANING: Readonly<Record<string, WithoutMeaning>> = {
  "data_config.result_dir": {
    reason: "experiment_config.result_dir is used",
    usual: ["./results", "results"],
  },
  "parallel_config.ddp": { reason: "there is one way" },
  "parallel_config.remove_unused_parameters": { reason: "there are none" },
  "parallel_config.use_distributed_optimizer": NOT_DIVIDED,
  "training_config.accelerator": {
    reason: "see training_config.device",
    usual: ["gpu", "cpu", "auto"],
  },
  "training_config.gc_interval": { reason: "memory is managed by Node", usual: [0] },
  "training_config.create_tflops_callback": {
    reason: "tokens per second are logged",
    usual: [false],
  },
  "training_config.include_perplexity": { reason: "see log_val_ppl" },
  "bionemo_model_config.params_dtype": SEE_PRECISION,
  "bionemo_model_config.pipeline_dtype": SEE_PRECISION,
  "bionemo_model_config.autocast_dtype": SEE_PRECISION,
  "bionemo_model_config.enable_autocast": SEE_PRECISION,
  "bionemo_model_config.fp32_residual_connection": { reason: "activations are float32" },
  "bionemo_model_config.kv_channels": {
    reason: "it is hidden_size / num_attention_heads",
    ...none,
  },
  "bionemo_model_config.apply_query_key_layer_scaling": { reason: "attention is float32" },
  "bionemo_model_config.make_vocab_size_divisible_by": {
    reason: "Geneformer's is rounded up to 128, ESM-2's is 33",
    usual: [128],
  },
  "bionemo_model_config.masked_softmax_fusion": KERNEL,
  "bionemo_model_config.fp16_lm_cross_entropy": { reason: "the loss is float32" },
  "bionemo_model_config.gradient_accumulation_fusion": KERNEL,
  "bionemo_model_config.bias_activation_fusion": KERNEL,
  "bionemo_model_config.bias_dropout_fusion": KERNEL,
  "bionemo_model_config.get_attention_mask_from_fusion": KERNEL,
  "bionemo_model_config.layernorm_zero_centered_gamma": {
    reason: "weights are those of Hugging Face",
    usual: [false],
  },
  "bionemo_model_config.qk_layernorm": { reason: "there is none", ...never },
  "bionemo_model_config.apply_residual_connection_post_layernorm": {
    reason: "the model says which",
    ...never,
  },
  "bionemo_model_config.share_embeddings_and_output_weights": {
    reason: "they are shared",
    usual: [true],
    changesResults: true,
  },
  "bionemo_model_config.nemo1_ckpt_path": {
    reason: "NeMo checkpoints are not read; see initial_ckpt_path",
    ...none,
  },
  "bionemo_model_config.biobert_spec_option": {
    reason: "a choice of Megatron's layers; there are no norms of queries and keys",
    usual: [
      "bert_layer_local_spec",
      "bert_layer_with_transformer_engine_spec",
      "esm2_bert_layer_local_spec",
      "esm2_bert_layer_with_transformer_engine_spec",
    ],
    changesResults: true,
  },
  "bionemo_model_config.use_esm_attention": { reason: "a choice of Megatron's layers" },
  "bionemo_model_config.normalize_attention_scores": {
    reason: "a choice of Megatron's layers",
    ...never,
  },
  "bionemo_model_config.variable_seq_lengths": { reason: "for pipelines" },
  "bionemo_model_config.core_attention_override": { reason: "there is one attention", ...none },
  "optim_config.sgd_momentum": { reason: "the optimizer is Adam" },
  "optim_config.use_distributed_optimizer": NOT_DIVIDED,
  "optim_config.interval": { reason: "the rate changes with every step", usual: ["step"] },
  "optim_config.monitor": { reason: "no schedule depends on a metric" },
};

/** Taken whole. */
export const WANDB_SECTION = "wandb_config";
const WANDB = ["entity", "project", "group", "tags", "offline", "anonymous", "id", "log_model"];
const WANDB_KEYS: readonly string[] = [...WANDB, "job_type", "name"].map(
  (name) => `${WANDB_SECTION}.${name}`,
);

export function isWithoutMeaning(key: string): boolean {
  return Object.hasOwn(WITHOUT_MEANING, key) || WANDB_KEYS.includes(key);
}

/** All of them, among which a mistyped key is looked for. */
export const KEYS_WITHOUT_MEANING: readonly string[] = [
  ...Object.keys(WITHOUT_MEANING),
  ...WANDB_KEYS,
];

/**
 * Says what becomes of such a key: nothing for the values that every file of BioNeMo has, else a warning.
 * @throws UnsupportedFeatureError for a value with which another model would be trained
 */
export function noteWithoutMeaning(
  key: string,
  value: unknown,
  name: string,
  onWarning: (message: string) => void,
): void {
  const known = Object.hasOwn(WITHOUT_MEANING, key) ? WITHOUT_MEANING[key] : undefined;
  if (known === undefined) return;
  const { usual, reason, changesResults = false } = known;
  if (usual === undefined || usual.some((one) => String(one) === String(value))) return;
  const shown = (JSON.stringify(value) ?? String(value)).slice(0, 80);
  if (!changesResults) {
    onWarning(`${name} ${shown} has no meaning here: ${reason}`);
    return;
  }
  if (value === "???") throw new InvalidArgumentError(key, value, `${name} must be given`);
  throw new UnsupportedFeatureError(name, `${name} ${shown} is not supported: ${reason}`, {
    suggestions: [usual[0] === null ? "leave it out" : `set it to ${String(usual.at(-1))}`],
  });
}
