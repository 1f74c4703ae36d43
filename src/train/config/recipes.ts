/** Configurations to begin with, as BioNeMo's recipe commands have them. */
import { ESM2_SIZES, type Esm2Size } from "../../models/esm2/config.ts";
import { GENEFORMER_SIZES } from "../../models/geneformer/config.ts";
import { FINE_TUNE_RECIPES } from "./fine-tune-recipes.ts";
import type { RunModel } from "./run-kinds.ts";
import type { RunConfigKey } from "./sections.ts";

/** A value, and what is to be known of it. */
export interface RecipeLine {
  readonly value: unknown;
  readonly note?: string;
}

export interface Recipe {
  readonly name: string;
  readonly summary: string;
  readonly model: RunModel;
  /** BioNeMo's name of it. */
  readonly original?: string;
  readonly lines: Readonly<Partial<Record<RunConfigKey, RecipeLine>>>;
}

const ALL_BATCHES = "a number with a point is a share of the validation data, 1.0 all of it";
const REPLICAS = "BioNeMo's recipe has this many replicas; the global batch is the same";
const LIMITS = {
  "training_config.val_check_interval": { value: 10_000, note: "checkpoints, too" },
};

const ESM2_DATA: Recipe["lines"] = {
  "data_config.data": {
    value: "???",
    note: "FASTA, CSV, parquet, a store, shards; or train_cluster_path and the three other paths",
  },
};

function esm2Model(size: Esm2Size): Recipe["lines"] {
  const { layers, hiddenSize, heads } = ESM2_SIZES[size];
  return {
    "bionemo_model_config.num_layers": { value: layers },
    "bionemo_model_config.hidden_size": { value: hiddenSize },
    "bionemo_model_config.ffn_hidden_size": { value: 4 * hiddenSize },
    "bionemo_model_config.num_attention_heads": { value: heads },
    "bionemo_model_config.hidden_dropout": {
      value: 0,
      note: "as the published model; BioNeMo's YAML says 0.02, 0.1 and 1e-12 by mistake",
    },
    "bionemo_model_config.attention_dropout": { value: 0 },
    "bionemo_model_config.layernorm_epsilon": { value: 1e-5 },
  };
}

function esm2(size: Esm2Size, original?: string, accumulated = 1): Recipe {
  const small = size.toLowerCase();
  return {
    name: `esm2-${small}`,
    summary: `ESM-2 ${size} from the beginning, 1024 tokens, 500,000 steps`,
    model: "esm2",
    ...(original === undefined ? {} : { original }),
    lines: {
      ...ESM2_DATA,
      "data_config.micro_batch_size": { value: 1, note: "proteins run at a time" },
      "data_config.min_seq_length": { value: 1024, note: "null: as long as the longest protein" },
      "data_config.max_seq_length": { value: 1024 },
      ...accumulation(accumulated),
      "training_config.max_steps": { value: 500_000 },
      ...LIMITS,
      "training_config.limit_val_batches": { value: { share: 1 }, note: ALL_BATCHES },
      ...esm2Model(size),
      "optim_config.lr": { value: 4e-4 },
      "optim_config.lr_scheduler": { value: "warmup_anneal" },
      "optim_config.warmup_steps": { value: 2000 },
      "optim_config.min_lr": { value: 4e-5, note: "where the warm-up begins" },
      "experiment_config.result_dir": { value: "results" },
      "experiment_config.experiment_name": { value: `esm2-${small}-pretraining` },
    },
  };
}

function accumulation(value: number): Recipe["lines"] {
  if (value === 1) return { "parallel_config.accumulate_grad_batches": { value } };
  return { "parallel_config.accumulate_grad_batches": { value, note: REPLICAS } };
}

interface GeneformerRecipe {
  readonly size: "10M" | "106M";
  readonly original: string;
  readonly name?: string;
  readonly steps?: number;
  readonly accumulated?: number;
}

function geneformer(options: GeneformerRecipe): Recipe {
  const { size, original, steps = 400_000, accumulated = 1 } = options;
  const { layers, hiddenSize, heads, intermediateSize, ...rest } = GENEFORMER_SIZES[size];
  const usual = `geneformer-${size.toLowerCase()}`;
  return {
    name: options.name ?? usual,
    summary: `Geneformer ${size} from the beginning, 2048 genes, ${steps.toLocaleString("en")} steps`,
    model: "geneformer",
    original,
    lines: {
      "data_config.data_dir": {
        value: "???",
        note: "with train and val; or data: h5ad, tokens, shards",
      },
      "data_config.micro_batch_size": { value: 8, note: "cells run at a time" },
      "data_config.seq_length": { value: 2048, note: "of every row, also of short ones" },
      ...accumulation(accumulated),
      "training_config.max_steps": { value: steps },
      "training_config.val_check_interval": { value: 100, note: "checkpoints, too" },
      "training_config.limit_val_batches": { value: { batches: 8 } },
      "bionemo_model_config.layout": { value: "bionemo", note: "bert: transformers loads it" },
      "bionemo_model_config.num_layers": { value: layers },
      "bionemo_model_config.hidden_size": { value: hiddenSize },
      "bionemo_model_config.ffn_hidden_size": { value: intermediateSize },
      "bionemo_model_config.num_attention_heads": { value: heads },
      "bionemo_model_config.hidden_dropout": { value: rest.hiddenDropout },
      "bionemo_model_config.attention_dropout": { value: rest.attentionDropout },
      "optim_config.lr": { value: 1e-3 },
      "optim_config.lr_scheduler": { value: "cosine", note: "ends at min_lr, null: lr / 100" },
      "optim_config.cosine_rampup_frac": { value: 0.01 },
      "optim_config.cosine_hold_frac": { value: 0.05 },
      "experiment_config.result_dir": { value: "results" },
      "experiment_config.experiment_name": { value: usual },
    },
  };
}

/** Small enough to learn something in a minute on two cores. */
const ESM2_TINY: Recipe = {
  name: "esm2-tiny",
  summary: "a small ESM-2, 64 tokens, 300 steps: a minute on two cores",
  model: "esm2",
  lines: {
    ...ESM2_DATA,
    "data_config.micro_batch_size": { value: 8 },
    "data_config.max_seq_length": { value: 64 },
    "training_config.max_steps": { value: 300 },
    "training_config.val_check_interval": { value: 100, note: "checkpoints, too" },
    "training_config.log_every_n_steps": { value: 50 },
    "bionemo_model_config.num_layers": { value: 2 },
    "bionemo_model_config.hidden_size": { value: 64 },
    "bionemo_model_config.num_attention_heads": { value: 4 },
    "optim_config.lr": { value: 3e-3 },
    "experiment_config.result_dir": { value: "results" },
    "experiment_config.experiment_name": { value: "esm2-tiny" },
  },
};

export const RECIPES: readonly Recipe[] = [
  ESM2_TINY,
  esm2("8M", "esm2_8m_recipe"),
  esm2("35M"),
  esm2("150M"),
  esm2("650M", "esm2_650m_recipe"),
  esm2("3B", "esm2_3b_recipe", 4),
  geneformer({ size: "10M", original: "geneformer_10m_pretrain_recipe" }),
  geneformer({
    size: "10M",
    name: "geneformer-10m-short",
    original: "geneformer_10m_shortpretrain_recipe",
    steps: 500,
  }),
  geneformer({ size: "106M", original: "geneformer_106m_pretrain_recipe", accumulated: 8 }),
  ...FINE_TUNE_RECIPES,
];
