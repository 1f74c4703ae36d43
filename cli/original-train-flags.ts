/** Flags of BioNeMo's train_esm2, train_geneformer and finetune_esm2 that say nothing here: their scripts run as they are. */
import { boolean, integer, string } from "@oclif/core/flags";
import type { FlagKey } from "./config-flags.ts";

const hidden = { hidden: true } as const;

const WANDB_FLAGS = {
  "wandb-entity": string(hidden),
  "wandb-project": string(hidden),
  "wandb-tags": string({ ...hidden, multiple: true }),
  "wandb-group": string(hidden),
  "wandb-job-type": string(hidden),
  "wandb-id": string(hidden),
  "wandb-anonymous": boolean(hidden),
  "wandb-log-model": boolean(hidden),
  "wandb-offline": boolean(hidden),
};

const SHARED = {
  ...WANDB_FLAGS,
  "num-dataset-workers": integer({ ...hidden, min: 0 }),
  "biobert-spec-option": string(hidden),
  "nemo1-init-path": string(hidden),
  "save-best-checkpoint": boolean({ ...hidden, allowNo: true }),
  "create-tflops-callback": boolean(hidden),
  "nsys-profiling": boolean(hidden),
  "nsys-start-step": integer(hidden),
  "nsys-end-step": integer(hidden),
  "nsys-ranks": integer({ ...hidden, multiple: true }),
  "model-config-cls": string(hidden),
  "data-config-cls": string(hidden),
};

export const ORIGINAL_ESM2_FLAGS = {
  ...SHARED,
  "no-overlap-grad-reduce": boolean(hidden),
  "no-overlap-param-gather": boolean(hidden),
  "no-average-in-collective": boolean(hidden),
  "grad-reduce-in-fp32": boolean(hidden),
  "decoder-first-pipeline-num-layers": integer(hidden),
};

export const ORIGINAL_GENEFORMER_FLAGS = {
  ...SHARED,
  "gc-interval": integer(hidden),
  "aligned-megatron-ddp": boolean(hidden),
  "recompilation-check": boolean(hidden),
  "training-model-config-class": string(hidden),
};

export const ORIGINAL_FINETUNE_FLAGS = {
  ...SHARED,
  "max-epochs": integer(hidden),
  "limit-test-batches": integer(hidden),
  "no-persistent-workers": boolean(hidden),
  "no-pin-memory": boolean(hidden),
  "metric-tracker": string(hidden),
  "overlap-grad-reduce": boolean(hidden),
  "no-overlap-param-gather": boolean(hidden),
  "no-average-in-collective": boolean(hidden),
  "grad-reduce-in-fp32": boolean(hidden),
};

/** Those that a configuration has a key for. */
export const ORIGINAL_KEYS: Readonly<Record<string, FlagKey>> = {
  "wandb-entity": "wandb_config.entity",
  "wandb-project": "wandb_config.project",
  "wandb-tags": "wandb_config.tags",
  "wandb-group": "wandb_config.group",
  "wandb-job-type": "wandb_config.job_type",
  "wandb-id": "wandb_config.id",
  "wandb-anonymous": "wandb_config.anonymous",
  "wandb-log-model": "wandb_config.log_model",
  "wandb-offline": "wandb_config.offline",
  "num-dataset-workers": "data_config.num_dataset_workers",
  "biobert-spec-option": "bionemo_model_config.biobert_spec_option",
  "nemo1-init-path": "bionemo_model_config.nemo1_ckpt_path",
  "create-tflops-callback": "training_config.create_tflops_callback",
  "gc-interval": "training_config.gc_interval",
};

const OF_DEVICES = "gradients are of one device";
const NSYS = "there is no GPU to profile";
const CLASSES = "the command says which model is trained";

/** The others, and why they say nothing. */
const REASONS: Readonly<Record<string, string>> = {
  "save-best-checkpoint": "--save-top-k says how many are kept",
  "nsys-profiling": NSYS,
  "nsys-start-step": NSYS,
  "nsys-end-step": NSYS,
  "nsys-ranks": NSYS,
  "model-config-cls": CLASSES,
  "data-config-cls": CLASSES,
  "training-model-config-class": CLASSES,
  "max-epochs": "--num-steps says how long a run is",
  "limit-test-batches": "there is no test after the training",
  "metric-tracker": "metrics.jsonl has the metrics",
  "overlap-grad-reduce": OF_DEVICES,
  "no-overlap-grad-reduce": OF_DEVICES,
  "no-overlap-param-gather": OF_DEVICES,
  "no-average-in-collective": OF_DEVICES,
  "grad-reduce-in-fp32": OF_DEVICES,
  "aligned-megatron-ddp": OF_DEVICES,
  "decoder-first-pipeline-num-layers": "models are not divided",
  "recompilation-check": "there are no fused kernels",
};

/** One line for each that was given. */
export function originalWarnings(flags: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(REASONS)
    .filter(([flag]) => flags[flag] !== undefined)
    .map(([flag, reason]) => `--${flag} has no meaning here: ${reason}`);
}
