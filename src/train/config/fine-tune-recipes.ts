/** Configurations of fine-tuning to begin with. */
import type { Recipe, RecipeLine } from "./recipes.ts";
import type { RunModel } from "./run-kinds.ts";

const RUN: Recipe["lines"] = {
  "bionemo_model_config.initial_ckpt_path": {
    value: "???",
    note: "a run's folder, a checkpoint, or a folder of transformers",
  },
  "bionemo_model_config.encoder_frozen": { value: false, note: "true: the head alone is trained" },
  "bionemo_model_config.keep_head": { value: false, note: "true: begin with the head there is" },
  "training_config.max_steps": { value: 500 },
  "training_config.val_check_interval": { value: 50, note: "checkpoints, too" },
  "training_config.limit_val_batches": {
    value: { share: 1 },
    note: "a number with a point is a share of the validation data, 1.0 all of it",
  },
  "optim_config.lr": { value: 1e-4, note: "constant" },
  "optim_config.lr_multiplier": { value: 10, note: "of the parameters below" },
  "optim_config.scale_lr_layer": { value: "_head", note: "with this in their name: the new head" },
  "experiment_config.result_dir": { value: "results" },
};

const SEQUENCE_HEAD: Recipe["lines"] = {
  "bionemo_model_config.mlp_ft_dropout": { value: 0.25 },
  "bionemo_model_config.mlp_hidden_size": { value: 256 },
};

interface FineTuneRecipe {
  readonly name: string;
  readonly summary: string;
  readonly model: RunModel;
  readonly lines: Recipe["lines"];
}

function fineTune({ name, summary, model, lines }: FineTuneRecipe): Recipe {
  const experiment: RecipeLine = { value: name };
  return {
    ...{ name, summary, model },
    lines: { ...RUN, ...lines, "experiment_config.experiment_name": experiment },
  };
}

function ofProteins(task: string, label: RecipeLine, lines: Recipe["lines"]): Recipe["lines"] {
  return {
    "data_config.train_data_path": {
      value: "???",
      note: "CSV, TSV, JSON lines or parquet with a column sequences",
    },
    "data_config.valid_data_path": { value: null, note: "the same for validation; null: none" },
    "data_config.label_column": label,
    "data_config.task_type": { value: task },
    "data_config.micro_batch_size": { value: 8, note: "proteins run at a time" },
    "data_config.max_seq_length": { value: 512, note: "longer ones are cut" },
    ...lines,
  };
}

const LABELS = { value: "labels", note: "column of a number for each protein" };
const CLASSES = { value: "labels", note: "column of a class for each protein" };
const RESIDUES = { value: "labels", note: "column of a class for each residue, e.g. CCHHE" };

export const FINE_TUNE_RECIPES: readonly Recipe[] = [
  fineTune({
    name: "esm2-regression",
    summary: "fine-tune ESM-2 on a number for each protein",
    model: "esm2-finetune",
    lines: ofProteins("regression", LABELS, SEQUENCE_HEAD),
  }),
  fineTune({
    name: "esm2-classification",
    summary: "fine-tune ESM-2 on a class for each protein",
    model: "esm2-finetune",
    lines: ofProteins("classification", CLASSES, SEQUENCE_HEAD),
  }),
  fineTune({
    name: "esm2-token-classification",
    summary: "fine-tune ESM-2 on a class for each residue",
    model: "esm2-finetune",
    lines: ofProteins("token-classification", RESIDUES, {
      "data_config.labels_mask_column": {
        value: null,
        note: "column of 0 and 1: which residues count",
      },
      "bionemo_model_config.cnn_dropout": { value: 0.25 },
      "bionemo_model_config.cnn_hidden_size": { value: 32 },
    }),
  }),
  fineTune({
    name: "geneformer-cell-types",
    summary: "fine-tune Geneformer on the type of each cell",
    model: "geneformer-finetune",
    lines: {
      "data_config.data_dir": { value: "???", note: "SCDL data sets train and val" },
      "data_config.label_column": { value: "cell_type", note: "of obs" },
      "data_config.task_type": { value: "classification" },
      "data_config.micro_batch_size": { value: 4, note: "cells run at a time" },
      "data_config.seq_length": { value: 2048, note: "most genes of a cell" },
      ...SEQUENCE_HEAD,
    },
  }),
];
