import { expect, test } from "vitest";
import { Esm2 } from "../../../src/models/index.ts";
import { clustersFromArrays } from "../../../src/proteins/clusters-from-arrays.ts";
import { type Esm2Batch, Esm2DataModule } from "../../../src/proteins/esm2-data-module.ts";
import { defaultRng } from "../../../src/random/numpy-generator.ts";
import { openExecutor } from "../../../src/tensor/index.ts";
import { assertStopAndGo, type StopAndGoRun } from "../../../src/testing/index.ts";
import { warmupAnnealDecayHold } from "../../../src/train/schedule.ts";
import { type DigitBatch, DigitDataModule, DigitModel } from "../train/digits.fixture.ts";

function digits(data: DigitDataModule, model = new DigitModel()): StopAndGoRun<DigitBatch> {
  return {
    model,
    data,
    optimizer: { kind: "adamw" },
    schedule: (step) => 0.1 / (1 + step),
    maxSteps: 9,
    microBatchSize: 4,
    valCheckInterval: 3,
  };
}

test("a model and a data module that keep the rules pass", async () => {
  await assertStopAndGo(() => digits(new DigitDataModule({ maxSteps: 9 })));
  await assertStopAndGo(() => ({
    ...digits(new DigitDataModule({ maxSteps: 9 })),
    optimizer: { kind: "sgd", momentum: 0.9 },
  }));
});

test("ESM-2 with dropout passes with executor onnx", async () => {
  await using executor = await openExecutor("onnx", { threads: 1 });
  const rng = defaultRng(5);
  const letters = "ACDEFGHIKLMNPQRSTVWY";
  const proteins = Object.fromEntries(
    Array.from({ length: 14 }, (_, row) => {
      const residues = Array.from({ length: 10 + row }, () => letters[rng.integer(0, 20)]);
      return [`p${row}`, residues.join("")] as const;
    }),
  );
  const clusters = clustersFromArrays([["p0", "p1", "p2"], ["p3"], ["p4", "p5"]], proteins);
  const makeRun = (): StopAndGoRun<Esm2Batch> => ({
    model: new Esm2({
      layers: 1,
      hiddenSize: 16,
      heads: 2,
      hiddenDropout: 0.1,
      attentionDropout: 0.1,
    }),
    data: new Esm2DataModule({
      train: clusters,
      valid: clusters,
      maxSteps: 6,
      globalBatchSize: 3,
      maxSeqLength: 16,
    }),
    optimizer: { kind: "adamw" },
    schedule: warmupAnnealDecayHold(1e-2, { warmupSteps: 2, maxSteps: 6 }),
    maxSteps: 6,
    microBatchSize: 2,
    maxGradientNorm: 1,
    valCheckInterval: 2,
  });
  await assertStopAndGo(makeRun, { executor });
});

test("a data module that does not go on where it stood fails, with the step", async () => {
  class Forgetful extends DigitDataModule {
    override loadState(): void {}
  }
  const run = assertStopAndGo(() => digits(new Forgetful({ maxSteps: 9 })));
  await expect(run).rejects.toThrow("batch of step 4: stop and go differs");
});

test("a model with a state of its own fails", async () => {
  let builds = 0;
  class Counting extends DigitModel {
    override lossCount(batch: DigitBatch): number {
      return super.lossCount(batch) + builds++;
    }
  }
  const data = () => new DigitDataModule({ maxSteps: 9 });
  const run = assertStopAndGo(() => digits(data(), new Counting()));
  await expect(run).rejects.toThrow("loss of step 1: stop and go differs");
});
