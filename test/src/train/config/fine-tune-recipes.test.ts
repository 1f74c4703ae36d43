import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { recipeYaml } from "../../../../src/train/config/recipe-yaml.ts";
import { loadRunConfig } from "../../../../src/train/config/run-config.ts";
import { runOptions } from "../../../../src/train/config/run-options.ts";
import { finetuneEsm2, finetuneGeneformer, trainGeneformer } from "../../../../src/train/index.ts";
import { fixture } from "../../models/model-fixture.ts";
import { cellsOfKinds } from "../data/cells.fixture.ts";
import { labelledProteins } from "../data/labelled-proteins.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-fine-tune-recipes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SHORT = {
  "training_config.max_steps": 2,
  "training_config.val_check_interval": 2,
  "training_config.limit_val_batches": 1,
  "training_config.threads": 1,
  "experiment_config.result_dir": folder,
};

/** The file of a recipe. */
function recipeFile(name: string, values: Record<string, unknown>): string {
  const path = join(folder, `${name}.yaml`);
  writeFileSync(path, recipeYaml(name, { ...SHORT, ...values }));
  return path;
}

const bytesOf = (directory: string, step: string) =>
  readFileSync(join(directory, "checkpoints", step, "model.safetensors"));
const newest = (directory: string) =>
  readFileSync(join(directory, "checkpoints", "last"), "utf8").trim();

test.each([
  ["esm2-regression", "share", "val_mse"],
  ["esm2-classification", "kind", "val_accuracy"],
  ["esm2-token-classification", "groups", "val_accuracy"],
])(
  "%s runs, and the configuration that it leaves gives the same run",
  async (name, label, metric) => {
    const { train, valid } = labelledProteins(folder);
    const path = recipeFile(name, {
      "data_config.train_data_path": train,
      "data_config.valid_data_path": valid,
      "data_config.label_column": label,
      "data_config.max_seq_length": 32,
      "bionemo_model_config.initial_ckpt_path": fixture("esm2"),
    });
    const run = async (file: string, experiment: string) => {
      const overrides = { "experiment_config.experiment_name": experiment };
      const config = loadRunConfig({ model: "esm2-finetune", path: file, overrides });
      return finetuneEsm2(runOptions("esm2-finetune", config));
    };
    const first = await run(path, name);
    expect(first.metrics[metric]).toEqual(expect.any(Number));
    const kept = join(first.directory, "config.yaml");
    const second = await run(kept, `${name}-again`);
    const step = newest(first.directory);
    expect(newest(second.directory)).toBe(step);
    expect(bytesOf(second.directory, step)).toEqual(bytesOf(first.directory, step));
    expect(readFileSync(join(second.directory, "config.yaml"), "utf8")).toBe(
      readFileSync(kept, "utf8").replace(
        `experiment_name: ${name}\n`,
        `experiment_name: ${name}-again\n`,
      ),
    );
  },
);

test("geneformer-cell-types runs", async () => {
  const dataDir = join(folder, "cells");
  await cellsOfKinds(dataDir);
  const { directory } = await trainGeneformer({
    dataDir,
    resultDir: folder,
    seqLength: 12,
    numSteps: 2,
    threads: 1,
    model: { layers: 1, hiddenSize: 16, heads: 2, intermediateSize: 32 },
  });
  const path = recipeFile("geneformer-cell-types", {
    "data_config.data_dir": dataDir,
    "data_config.label_column": "kind",
    "bionemo_model_config.initial_ckpt_path": directory,
  });
  const config = loadRunConfig({ model: "geneformer-finetune", path });
  const run = await finetuneGeneformer(runOptions("geneformer-finetune", config));
  expect(run).toMatchObject({ step: 2, labels: ["B", "NK", "T"] });
  expect(readFileSync(join(run.directory, "config.yaml"), "utf8")).toContain(
    "label_column: kind\n",
  );
});
