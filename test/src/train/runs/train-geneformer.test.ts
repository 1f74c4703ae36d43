import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeGeneMedians } from "../../../../src/gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../../../../src/gene-tokens/gene-tokenizer.ts";
import { Geneformer, openModel } from "../../../../src/models/index.ts";
import {
  type TrainGeneformerOptions,
  trainGeneformer,
} from "../../../../src/train/runs/train-geneformer.ts";
import { cellsOfKinds } from "../data/cells.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-train-geneformer-"));
const dataDir = join(folder, "cells");
beforeAll(() => cellsOfKinds(dataDir));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WITHOUT_SIZE: TrainGeneformerOptions = {
  dataDir,
  resultDir: folder,
  seqLength: 24,
  numSteps: 60,
  lr: 0.01,
  microBatchSize: 4,
  accumulateGradBatches: 2,
  valCheckInterval: 30,
  logEveryNSteps: 1,
  threads: 1,
};
const SMALL: TrainGeneformerOptions = {
  ...WITHOUT_SIZE,
  model: { layers: 1, hiddenSize: 16, heads: 2, intermediateSize: 32 },
};

const weightsOf = (checkpoint: string | null) =>
  readFileSync(join(checkpoint ?? "none", "model.safetensors"));

test("the loss falls, and a run stopped and gone on with has the weights of the whole", async () => {
  const losses: number[] = [];
  const rates: number[] = [];
  const whole = await trainGeneformer({
    ...SMALL,
    experimentName: "whole",
    observer: {
      trained: ({ loss, learningRate, batch }) => {
        losses.push(loss);
        rates.push(learningRate);
        expect(batch.shape).toEqual([8, 24]);
      },
    },
  });
  expect(whole).toMatchObject({ step: 60, reason: "max-steps", vocabulary: 35 });
  expect(losses[0]).toBeGreaterThan(4); // ln 128 is 4.85
  expect(whole.metrics["val_loss"]).toBeLessThan(3);
  // Warm-up of 1 step from 0, a cosine, 3 steps of a hundredth.
  expect([rates[0], rates[1], rates[59]]).toEqual([0, 0.01, 0.0001]);

  const stop = new AbortController();
  const parts = { ...SMALL, experimentName: "parts" };
  const stopped = await trainGeneformer({
    ...parts,
    signal: stop.signal,
    observer: { trained: ({ step }) => (step === 23 ? stop.abort() : undefined) },
  });
  expect(stopped).toMatchObject({ step: 23, reason: "stopped" });
  await expect(trainGeneformer(parts)).rejects.toMatchObject({ code: "already-exists" });
  const gone = await trainGeneformer({ ...parts, resumeIfExists: true });
  expect(gone.step).toBe(60);
  expect(weightsOf(gone.checkpoint)).toEqual(weightsOf(whole.checkpoint));

  const model = openModel(whole.checkpoint ?? "none");
  expect(model).toBeInstanceOf(Geneformer);
  expect(model.config).toMatchObject({ num_layers: 1, seq_length: 24, vocab_size: 128 });
  const restored = await trainGeneformer({
    ...WITHOUT_SIZE,
    experimentName: "restored",
    numSteps: 2,
    restoreFromCheckpointPath: whole.checkpoint ?? "none",
  });
  expect(restored.parameters).toBe(whole.parameters);
  expect(restored.metrics["reduced_train_loss"]).toBeLessThan(3);
});

test("a part of a run now and the rest later is the whole run; a longer run says its new rates", async () => {
  const short = { ...SMALL, numSteps: 8, valCheckInterval: 8, executor: "reference" };
  const whole = await trainGeneformer({ ...short, experimentName: "in-one" });
  const two = { ...short, experimentName: "in-two", resumeIfExists: true };
  const part = await trainGeneformer({ ...two, earlyStopOnStep: 3 });
  expect(part).toMatchObject({ step: 3, reason: "max-steps" });
  const rest = await trainGeneformer(two);
  expect(weightsOf(rest.checkpoint)).toEqual(weightsOf(whole.checkpoint));
  const notes: string[] = [];
  const observer = { started: (event: { notes: readonly string[] }) => notes.push(...event.notes) };
  const longer = await trainGeneformer({ ...two, numSteps: 10, observer });
  expect(longer).toMatchObject({ step: 10, reason: "max-steps" });
  expect(notes).toEqual([expect.stringContaining("step 8 had learning rate 0.0001000, by this")]);
});

test("a vocabulary beside the medians decides the ids", async () => {
  const train = join(folder, "with-vocabulary", "train");
  await cellsOfKinds(join(train, ".."));
  const genes = Array.from({ length: 200 }, (_, i) => [`ENSG${i}`, 1] as const);
  GeneTokenizer.fromMediansAndGenes(new Map(genes)).saveVocab(join(train, "geneformer.vocab"));
  const options = { ...SMALL, dataDir: join(train, ".."), numSteps: 2, experimentName: "vocab" };
  const result = await trainGeneformer({ ...options, checkpointing: false });
  expect(result.vocabulary).toBe(205);
});

test("what is missing or does not go together is named before a run's folder is made", async () => {
  const bare = join(folder, "bare");
  await cellsOfKinds(bare);
  rmSync(join(bare, "train", "medians.json"));
  writeGeneMedians(join(folder, "many.json"), new Map(numbered(150)));
  writeFileSync(join(folder, "not.json"), "[1]");
  const refused = (options: Partial<TrainGeneformerOptions>) =>
    expect(trainGeneformer({ ...SMALL, experimentName: "refused", ...options })).rejects;
  await refused({ dataDir: join(folder, "nowhere") }).toThrow(/nowhere\/train/);
  await refused({ dataDir: bare }).toMatchObject({ code: "no-medians" });
  await refused({ data: dataDir }).toThrow("data and dataDir were given");
  await refused({ validShare: 0.1 }).toThrow("dataDir has its validation data in val");
  await refused({ medians: join(folder, "not.json") }).toMatchObject({ code: "not-a-dictionary" });
  await refused({ genes: "symbol" }).toMatchObject({ code: "no-such-column" });
  await refused({ cosineRampupFrac: 1.5 }).toMatchObject({ name: "InvalidArgumentError" });
  await refused({ cosineRampupFrac: 0.6, cosineHoldFrac: 0.6 }).toThrow(
    /are 36 and 36 steps, more than numSteps 60/,
  );
  const weights = join(folder, "whole", "checkpoints");
  const vocab = join(folder, "many.vocab");
  GeneTokenizer.fromMediansAndGenes(new Map(numbered(150))).saveVocab(vocab);
  const medians = join(folder, "many.json");
  const restore = { medians, vocab, restoreFromCheckpointPath: weights };
  await expect(
    trainGeneformer({ ...WITHOUT_SIZE, experimentName: "refused", ...restore }),
  ).rejects.toThrow(/ENSG30 is none of the checkpoint, token 35 of the vocabulary given/);
  expect(() => readFileSync(join(folder, "refused", "metrics.jsonl"))).toThrow(/ENOENT/);
});

function numbered(count: number): [string, number][] {
  return Array.from({ length: count }, (_, i) => [`ENSG${i}`, 1]);
}
