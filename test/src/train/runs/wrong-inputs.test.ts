/** What is named in the place of something else is told what it is, and what to name. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { readGeneMedians } from "../../../../src/gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../../../../src/gene-tokens/gene-tokenizer.ts";
import { Esm2, openBackbone, openModel } from "../../../../src/models/index.ts";
import { saveWeights } from "../../../../src/models/weights/save-weights.ts";
import { InMemorySingleValueDataset } from "../../../../src/proteins/single-value-dataset.ts";
import { finetuneGeneformer, trainEsm2, trainGeneformer } from "../../../../src/train/index.ts";
import { noteClasses } from "../../../../src/train/runs/fine-tune-parts.ts";

let folder = "";
const at = (name: string) => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "scdl-wrong-inputs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});
const saying = (text: string) => ({
  suggestions: expect.arrayContaining([expect.stringContaining(text)]),
});

function writeEsm2(): void {
  const model = new Esm2({ layers: 1, hiddenSize: 8, heads: 1 });
  const values = new Map(
    model.parameters.map(({ name, shape }) => [
      name,
      new Float32Array(shape.reduce((size, length) => size * length, 1)),
    ]),
  );
  saveWeights(model, values, at("esm2"));
}

test("weights of the other network name the commands that take them", async () => {
  writeEsm2();
  const other = { code: "other-model", ...saying("scdl train, finetune and infer esm2") };
  const cells = { data: at("none.h5ad"), resultDir: folder, restoreFromCheckpointPath: at("esm2") };
  await expect(trainGeneformer(cells)).rejects.toMatchObject(other);
  await expect(finetuneGeneformer({ ...cells, label: "kind" })).rejects.toMatchObject(other);
  const deeper = { model: { layers: 2 }, resultDir: folder, numSteps: 1, threads: 1 };
  writeFileSync(at("a.fasta"), ">a\nMKT\n>b\nMKV\n");
  const data = { data: at("a.fasta"), restoreFromCheckpointPath: at("esm2") };
  await expect(trainEsm2({ ...deeper, ...data, executor: "reference" })).rejects.toMatchObject({
    code: "weights-missing",
    ...saying("those of the weights count"),
  });
});

test("a file of weights is read with the config.json beside it", () => {
  writeEsm2();
  const file = join(at("esm2"), "model.safetensors");
  expect(openModel(file).config).toEqual(openModel(at("esm2")).config);
  expect(openBackbone(file).settings.hiddenSize).toBe(8);
});

test("classes that are as many as rows look like numbers, few are no sign", () => {
  const told: string[] = [];
  const note = (labels: number, rows: number) =>
    noteClasses({ labels: Array.from({ length: labels }, (_, i) => i / 7) }, rows, (text) =>
      told.push(text),
    );
  note(10, 10);
  note(30, 60);
  note(31, 60);
  expect(told).toEqual([expect.stringMatching(/^31 classes for 60 rows \(0, .*regression/)]);
});

test("a folder without train names the other way to give data", async () => {
  const nowhere = { dataDir: folder, resultDir: folder };
  await expect(trainGeneformer(nowhere)).rejects.toMatchObject(saying("--data-dir takes a folder"));
});

test("a vocabulary given as medians, and medians as a vocabulary, are told of", async () => {
  const vocabulary = GeneTokenizer.fromMediansAndGenes(new Map([["ENSG1", 1]]));
  vocabulary.saveVocab(at("genes.vocab"));
  writeFileSync(at("medians.json"), '{"ENSG1": 1}');
  await expect(readGeneMedians(at("genes.vocab"))).rejects.toMatchObject(
    saying("--vocab takes it"),
  );
  expect(() => GeneTokenizer.fromVocabFile(at("medians.json"))).toThrow(
    expect.objectContaining(saying("name BioNeMo's geneformer.vocab")),
  );
});

test("labels that are no numbers name the task for classes", async () => {
  writeFileSync(at("a.csv"), "sequences,labels\nMKT,helix\n");
  const read = (options: object) =>
    InMemorySingleValueDataset.fromFile(at("a.csv"), { taskType: "regression", ...options });
  await expect(read({})).rejects.toMatchObject(saying("--task-type classification"));
  await expect(read({ labelsMaskColumn: "mask" })).rejects.toMatchObject(
    saying("--task-type token-classification"),
  );
});
