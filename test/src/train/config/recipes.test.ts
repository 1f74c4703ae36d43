import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NotFoundError } from "../../../../formats/common/errors.ts";
import { dottedEntries } from "../../../../src/train/config/config-file.ts";
import { findRecipe, recipeYaml } from "../../../../src/train/config/recipe-yaml.ts";
import { RECIPES } from "../../../../src/train/config/recipes.ts";
import { loadRunConfig } from "../../../../src/train/config/run-config.ts";
import { temporaryDirectory } from "../../../helpers/bundle.ts";

const ORIGINALS = "fixtures/train/recipes";

function loadRecipe(name: string, values: Record<string, unknown>) {
  const path = join(temporaryDirectory(), `${name}.yaml`);
  writeFileSync(path, recipeYaml(name, values));
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const config = loadRunConfig({ model: findRecipe(name).model, path, onWarning });
  expect(warnings).toEqual([]);
  return new Map(dottedEntries(config));
}

const ESM2_PATHS = {
  "data_config.train_cluster_path": "train.parquet",
  "data_config.train_database_path": "train.db",
  "data_config.valid_cluster_path": "valid.parquet",
  "data_config.valid_database_path": "valid.db",
};
const CELLS = { "data_config.data_dir": "cells" };
/** Ours where they are not BioNeMo's; docs/configuration.md says why. */
const ESM2_DIFFERENCES = {
  "data_config.num_dataset_workers": 0,
  "data_config.seq_length": 1024,
  "bionemo_model_config.hidden_dropout": 0,
  "bionemo_model_config.attention_dropout": 0,
  "bionemo_model_config.layernorm_epsilon": 1e-5,
  "bionemo_model_config.activation_func": null,
  "experiment_config.metric_to_monitor_for_checkpoints": "val_loss",
  "optim_config.min_lr": 4e-5,
};
const REPLICAS = (accumulate: number) => ({
  "parallel_config.num_devices": 1,
  "parallel_config.tensor_model_parallel_size": 1,
  "parallel_config.accumulate_grad_batches": accumulate,
});
const GENEFORMER_DIFFERENCES = {
  "experiment_config.metric_to_monitor_for_checkpoints": "val_loss",
};

test.each([
  ["esm2-8m", {}],
  ["esm2-650m", {}],
  ["esm2-3b", REPLICAS(4)],
  ["geneformer-10m", {}],
  ["geneformer-10m-short", {}],
  ["geneformer-106m", REPLICAS(8)],
])("%s is BioNeMo's recipe, but for what is said to differ", (name, parallel) => {
  const { model, original } = findRecipe(name);
  const warnings: string[] = [];
  const theirs = loadRunConfig({
    model,
    path: `${ORIGINALS}/${original}.yaml`,
    overrides: parallel,
    onWarning: (message) => warnings.push(message),
  });
  // All that a user of the original's file reads.
  expect(new Set(warnings)).toEqual(
    new Set([
      ...(model === "esm2"
        ? [
            "experiment_config.save_every_n_steps is 50; checkpoints are written with the validation, every 10000 steps",
          ]
        : []),
      "training_config.precision bf16-mixed: device cpu computes in float32; torch-cpu and cuda would take it",
      "wandb_config: Weights & Biases gets nothing; the run's metrics.jsonl has the metrics",
    ]),
  );
  const ours = loadRecipe(name, model === "esm2" ? ESM2_PATHS : CELLS);
  const differences = [...dottedEntries(theirs)].filter(([key, value]) => {
    return JSON.stringify(ours.get(key)) !== JSON.stringify(value);
  });
  const expected = model === "esm2" ? ESM2_DIFFERENCES : GENEFORMER_DIFFERENCES;
  expect(Object.fromEntries(differences.map(([key]) => [key, ours.get(key)]))).toEqual(expected);
});

test.each(readdirSync(ORIGINALS))("%s of BioNeMo is a configuration here", (file) => {
  const model = file.startsWith("esm2") ? "esm2" : "geneformer";
  const overrides = /3b|106m/.test(file) ? REPLICAS(1) : {};
  const config = loadRunConfig({ model, path: `${ORIGINALS}/${file}`, overrides });
  expect(config.bionemo_model_config.num_layers).toBeGreaterThan(1);
});

test("divided models are refused; how many devices there are the launcher decides", () => {
  const load = (original: string, model: "esm2" | "geneformer", overrides = {}) =>
    loadRunConfig({ model, path: `${ORIGINALS}/${original}.yaml`, overrides });
  const oneDevice = { "parallel_config.tensor_model_parallel_size": 1 };
  expect(() => load("esm2_3b_recipe", "esm2")).toThrow("tensor_model_parallel_size is 2");
  const config = load("esm2_3b_recipe", "esm2", oneDevice);
  expect(config.parallel_config.num_devices).toBe(8);
});

const DATA = {
  esm2: "data_config.data",
  geneformer: "data_config.data_dir",
  "esm2-finetune": "data_config.train_data_path",
  "geneformer-finetune": "data_config.data_dir",
  "esm2-infer": "data_config.data",
  "geneformer-infer": "data_config.data",
};

test("every recipe is a configuration once its data is said; without it asks for it", () => {
  const weights = "experiment_config.restore_from_checkpoint_path";
  for (const { name, model } of RECIPES) {
    const data = DATA[model];
    const given = model.endsWith("-finetune") ? { [weights]: "weights" } : {};
    expect(loadRecipe(name, { ...given, [data]: "here" }).get(data)).toBe("here");
    expect(() => loadRecipe(name, given)).toThrow(`${data} must be given`);
    if (model.endsWith("-finetune")) {
      expect(() => loadRecipe(name, { [data]: "here" })).toThrow("_path must be given");
    }
  }
  expect(() => recipeYaml("esm2-9m")).toThrow(NotFoundError);
  expect(() => recipeYaml("esm2-8m", { "data_config.data_dir": "x" })).toThrow(
    "it is of Geneformer",
  );
  expect(() => recipeYaml("esm2-8m", { "optim_config.lr": "fast" })).toThrow(
    "a number of 0 or more",
  );
});
