import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SafetensorsFile } from "../../../formats/safetensors/safetensors-file.ts";
import { readGeneMedians, writeGeneMedians } from "../../../src/gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../../../src/gene-tokens/gene-tokenizer.ts";
import { CellTokenizer, tokenizeToDisk } from "../../../src/gene-tokens/index.ts";
import { type InferGeneformerOptions, inferGeneformer } from "../../../src/infer/index.ts";
import { simulateH5ad } from "../../../src/simulate/simulate-h5ad.ts";
import { verifyCheckpoint } from "../../../src/train/checkpoints/checkpoint.ts";
import { trainGeneformer } from "../../../src/train/index.ts";
import { fixture } from "../models/model-fixture.ts";
import { cellsOfKinds } from "../train/data/cells.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-infer-geneformer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const dataDir = join(folder, "cells");
const val = join(dataDir, "val");

test("a run of train geneformer is all that its cells need, and tokens give the same", async () => {
  await cellsOfKinds(dataDir);
  const run = await trainGeneformer({
    dataDir,
    resultDir: folder,
    seqLength: 12,
    numSteps: 2,
    valCheckInterval: 1,
    threads: 1,
    model: { layers: 1, hiddenSize: 16, heads: 2, intermediateSize: 32 },
  });
  // The dictionaries are in every checkpoint, also in one that another thread wrote.
  const checkpoints = join(run.directory, "checkpoints");
  const steps = readdirSync(checkpoints).filter((name) => name.startsWith("step="));
  expect(steps.length).toBe(2);
  for (const step of steps) {
    verifyCheckpoint(join(checkpoints, step));
    expect(readdirSync(join(checkpoints, step))).toContain("geneformer.vocab");
  }
  const medians = join(folder, "medians.json");
  renameSync(join(dataDir, "train", "medians.json"), medians);
  const infer = async (name: string, options: Partial<InferGeneformerOptions>) => {
    const resultsPath = join(folder, name);
    const base = { checkpointPath: run.directory, dataDir: val, resultsPath, threads: 1 };
    const outputs = ["embeddings", "input_ids"] as const;
    const result = await inferGeneformer({ ...base, outputs, ...options });
    using file = SafetensorsFile.open(result.path);
    return {
      result,
      ids: file.read("input_ids").data,
      lengths: file.read("lengths").data,
      embeddings: file.readFloat32("embeddings"),
    };
  };
  const whole = await infer("whole", {});
  expect(whole.result).toMatchObject({ cells: 16, shapes: { embeddings: [16, 16] } });
  expect([...whole.lengths]).toEqual(Array(16).fill(11));
  // [CLS], and the genes of the cell's kind: those of the first behind five special tokens.
  expect(whole.ids[0]).toBe(0);
  expect([...whole.ids.slice(1, 11)].map(Number).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 10 }, (_, gene) => 5 + gene),
  );
  expect(readFileSync(join(folder, "whole", "ids.txt"), "utf8")).toMatch(/^0\n1\n2\n/);

  const genes = await readGeneMedians(medians);
  const { vocabulary } = GeneTokenizer.fromMediansAndGenes(genes);
  const tokenizer = new CellTokenizer({
    vocabulary,
    medians: genes,
    encoding: "bionemo",
    eos: false,
  });
  await tokenizeToDisk([val], tokenizer, { output: join(folder, "tokens") });
  const tokens = await infer("of-tokens", { dataDir: join(folder, "tokens") });
  expect(tokens.embeddings).toEqual(whole.embeddings);
  const short = await infer("short", { seqLength: 6 });
  expect([...short.lengths]).toEqual(Array(16).fill(6));
  expect([...short.ids.slice(0, 6)]).toEqual([...whole.ids.slice(0, 6)]);
});

test("an h5ad file is converted beside the results and gives those of its data set", async () => {
  const h5ad = join(folder, "a.h5ad");
  await simulateH5ad({ output: h5ad, nObs: 12, nVars: 40, nnzPerCell: 10, seed: 3 });
  const run = await trainGeneformer({
    ...{ data: h5ad, medians: "auto", resultDir: folder, experimentName: "of-h5ad" },
    ...{ seqLength: 12, numSteps: 2, threads: 1 },
    model: { layers: 1, hiddenSize: 16, heads: 2, intermediateSize: 32 },
  });
  const infer = async (name: string, ...places: string[]) => {
    const resultsPath = join(folder, name);
    const { path } = await inferGeneformer({
      ...{ checkpointPath: run.directory, dataDir: places, resultsPath, threads: 1 },
    });
    expect(readdirSync(resultsPath).sort()).toEqual([
      ...["ids.txt", "predictions.safetensors", "predictions.yaml"],
    ]);
    using file = SafetensorsFile.open(path);
    return [...file.readFloat32("embeddings")];
  };
  const converted = join(run.directory, "data", "train.scdl");
  const expected = await infer("of-scdl", converted);
  expect(expected.length).toBe(12 * 16);
  const twice = await infer("twice", h5ad, converted);
  expect(twice).toEqual([...expected, ...expected]);
});

test("medians and vocabulary that are missing or of another model are refused", async () => {
  const options = { dataDir: val, resultsPath: join(folder, "refused"), threads: 1 };
  const bert = { ...options, checkpointPath: fixture("bert") };
  await expect(inferGeneformer(bert)).rejects.toMatchObject({ code: "no-medians" });
  const medians = join(folder, "many.json");
  writeGeneMedians(medians, new Map(Array.from({ length: 50 }, (_, i) => [`ENSG${i}`, 1])));
  const many = { ...bert, medians };
  await expect(inferGeneformer(many)).rejects.toThrow(
    /have 41 tokens, the cells are of bionemo with 55 tokens/,
  );
  const esm2 = { ...options, checkpointPath: fixture("esm2") };
  await expect(inferGeneformer(esm2)).rejects.toThrow("expected a Geneformer, found esm2");
});
