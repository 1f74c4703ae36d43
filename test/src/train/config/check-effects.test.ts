/** Values that nothing comes of, and data that are there twice, are told of. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadRunConfig } from "../../../../src/train/config/run-config.ts";
import type { RunModel } from "../../../../src/train/config/run-kinds.ts";
import { temporaryDirectory } from "../../../helpers/bundle.ts";

function warningsOf(model: RunModel, overrides: Readonly<Record<string, unknown>>): string[] {
  const warnings: string[] = [];
  loadRunConfig({ model, overrides, onWarning: (message) => warnings.push(message) });
  return warnings;
}

const TABLE = { "data_config.train_data_path": "a.csv" };
const CELLS = { "data_config.data": "a.h5ad" };

test.each<[RunModel, Readonly<Record<string, unknown>>, string]>([
  ["esm2", { "optim_config.cosine_rampup_frac": 0.5 }, "lr_scheduler cosine, not of warmup_anneal"],
  [
    "geneformer",
    { ...CELLS, "optim_config.lr_scheduler": "constant", "optim_config.min_lr": 1e-6 },
    "optim_config.min_lr has no effect: optim_config.lr_scheduler is constant",
  ],
  ["esm2-finetune", { ...TABLE, "optim_config.lr_multiplier": 10 }, "scale_lr_layer says of which"],
  [
    "esm2",
    { "training_config.max_steps": 9, "training_config.profile_step": 10 },
    "the run ends after step 9",
  ],
  ["esm2", { "training_config.libtorch": "/opt/torch" }, "device cpu does not run on libtorch"],
  [
    "esm2",
    {
      "data_config.data": "a.fasta",
      "experiment_config.metric_to_monitor_for_checkpoints": "val_accuracy",
    },
    "the newest checkpoints are kept",
  ],
  [
    "esm2",
    { "experiment_config.save_top_k": 7, "training_config.enable_checkpointing": false },
    "save_top_k has no effect: no checkpoints are written",
  ],
  ["esm2-finetune", { ...TABLE, "bionemo_model_config.cnn_dropout": 0.5 }, "cnn_dropout has no"],
  [
    "esm2-finetune",
    {
      ...TABLE,
      "data_config.task_type": "token-classification",
      "bionemo_model_config.mlp_hidden_size": 3,
    },
    "token-classification has another head",
  ],
  ["esm2", { "optim_config.lr": 4 }, "optim_config.lr 4: Adam changes every weight"],
  ["esm2", { "optim_config.weight_decay": 50 }, "optim_config.weight_decay 50: every step"],
])("%s: %j is told of", (model, overrides, message) => {
  expect(warningsOf(model, overrides)).toEqual([expect.stringContaining(message)]);
});

test("what has an effect is not told of, nor what is the default", () => {
  const cosine = { "optim_config.lr_scheduler": "cosine", "optim_config.cosine_rampup_frac": 0.5 };
  const torch = { "training_config.device": "torch-cpu", "training_config.libtorch": "/opt/torch" };
  const metric = "experiment_config.metric_to_monitor_for_checkpoints";
  const valid = { "data_config.valid_share": 0.5, [metric]: "val_accuracy" };
  for (const effective of [cosine, torch, { "data_config.data": "a.fasta", ...valid }]) {
    expect(warningsOf("esm2", effective)).toEqual([]);
  }
  const defaults = { "optim_config.cosine_rampup_frac": 0.01, "optim_config.lr_multiplier": 1 };
  expect(warningsOf("esm2-finetune", { ...TABLE, ...defaults })).toEqual([]);
});

test("data named twice, and validation with what is trained on, are told of", () => {
  const folder = temporaryDirectory();
  const at = (name: string) => join(folder, name);
  mkdirSync(at("cells"));
  for (const name of ["a.fasta", "b.fasta", "ab.fasta", "cells/a.h5ad"])
    writeFileSync(at(name), "");
  const told = (model: RunModel, data: unknown, valid?: unknown) =>
    warningsOf(model, { "data_config.data": data, "data_config.valid_data": valid ?? null });
  const [a, b] = [at("a.fasta"), at("b.fasta")];
  expect(told("esm2", [a, b, at("ab.fasta")], at("nowhere"))).toEqual([]);
  expect(told("esm2", [a, b, a])).toEqual([
    `data_config.data: ${a} is named twice: what is in both counts twice`,
  ]);
  expect(told("geneformer", [at("cells/a.h5ad"), at("cells")])).toEqual([
    expect.stringMatching(/cells and .*cells\/a\.h5ad overlap/),
  ]);
  const leak = "validation says nothing of data that were not trained on";
  expect(told("esm2", [at("{a,b}.fasta")], [b])).toEqual([expect.stringContaining(leak)]);
  const same = { "data_config.train_data_path": a, "data_config.valid_data_path": a };
  expect(warningsOf("esm2-finetune", same)).toEqual([expect.stringContaining(leak)]);
});
