import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ParquetFile } from "../../../../formats/parquet/parquet-file.ts";
import { inferGeneformer } from "../../../../src/infer/index.ts";
import {
  type FinetuneGeneformerOptions,
  finetuneGeneformer,
  trainGeneformer,
} from "../../../../src/train/index.ts";
import { fixture } from "../../models/model-fixture.ts";
import { cellsOfKinds } from "../data/cells.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-finetune-geneformer-"));
const dataDir = join(folder, "cells");
beforeAll(async () => {
  await cellsOfKinds(dataDir);
  await trainGeneformer({
    dataDir,
    resultDir: folder,
    seqLength: 12,
    numSteps: 2,
    threads: 1,
    model: { layers: 1, hiddenSize: 16, heads: 2, intermediateSize: 32 },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options: FinetuneGeneformerOptions = {
  dataDir,
  label: "kind",
  resultDir: folder,
  restoreFromCheckpointPath: join(folder, "geneformer"),
  mlpHiddenSize: 16,
  microBatchSize: 16,
  numSteps: 30,
  lr: 0.02,
  threads: 1,
};

test("kinds of cells are learned, kept with the weights, and predicted by name", async () => {
  const run = await finetuneGeneformer(options);
  expect(run).toMatchObject({ trainCells: 48, validCells: 16, labels: ["B", "NK", "T"] });
  expect(run.metrics["val_accuracy"]).toBe(1);
  const { path } = await inferGeneformer({
    checkpointPath: run.directory,
    dataDir: join(dataDir, "val"),
    resultsPath: join(folder, "out"),
    format: "parquet",
    threads: 1,
  });
  const table = await ParquetFile.open(path).table({ columns: ["prediction"] });
  expect(Array.from(table, (row) => row["prediction"])).toEqual(
    Array.from({ length: 16 }, (_, cell) => ["T", "B", "NK"][cell % 3]),
  );
});

test("a number of each cell is learned far better than by its mean", async () => {
  const run = await finetuneGeneformer({ ...options, label: "age", experimentName: "age" });
  expect(run.labels).toBeNull();
  // The ages of the validation cells vary by 0.67.
  expect(run.metrics["val_loss"]).toBeLessThan(0.2);
});

test("cells named one by one are fine-tuned on as those of a folder; a share is held out", async () => {
  const { dataDir: _, ...short } = { ...options, numSteps: 2, valCheckInterval: 2 };
  const ofFolder = await finetuneGeneformer({ ...short, dataDir, experimentName: "of-folder" });
  const ofPaths = await finetuneGeneformer({
    ...{ ...short, experimentName: "of-paths" },
    data: join(dataDir, "train"),
    validData: join(dataDir, "val"),
  });
  const losses = ({ metrics }: typeof ofPaths) => [
    metrics["reduced_train_loss"],
    metrics["val_loss"],
  ];
  expect(losses(ofPaths)).toEqual(losses(ofFolder));
  const data = [join(dataDir, "train"), join(dataDir, "val")];
  const shared = { ...short, data, validShare: 0.25, experimentName: "of-share" };
  const run = await finetuneGeneformer(shared);
  expect(run).toMatchObject({ trainCells: 48, validCells: 16 });
  await expect(
    finetuneGeneformer({ ...short, medians: "auto", data, experimentName: "refused" }),
  ).rejects.toThrow("it was trained with");
});

test("labels and weights that do not fit are refused before a run's folder is made", async () => {
  const refused = (more: Partial<FinetuneGeneformerOptions>) =>
    expect(finetuneGeneformer({ ...options, experimentName: "refused", ...more })).rejects;
  await refused({ label: "nothing" }).toMatchObject({ code: "no-such-column" });
  await refused({ taskType: "regression" }).toThrow("expected a finite number as label, found T");
  await refused({ label: "only_in_train" }).toThrow(/val.*row 0.*not in the training data/);
  await refused({ restoreFromCheckpointPath: fixture("esm2") }).toThrow("expected a Geneformer");
  await refused({ restoreFromCheckpointPath: fixture("bert"), medians: "none.json" }).toThrow(
    "none.json",
  );
  await refused({ loraFinetune: true }).toMatchObject({ code: "unsupported" });
  expect(existsSync(join(folder, "refused"))).toBe(false);
});
