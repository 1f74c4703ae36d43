/** What of a step is charged as waiting for other ranks, by a clock of the test's own. */
import { expect, test } from "vitest";
import type { Communicator } from "../../../../src/distributed/communicator.ts";
import { SingleCommunicator } from "../../../../src/distributed/single-communicator.ts";
import { openExecutor, type ParameterState } from "../../../../src/tensor/index.ts";
import { BatchRunner } from "../../../../src/train/batch-runner.ts";
import { newWeights } from "../../../../src/train/checkpoints/training-weights.ts";
import { StepClock } from "../../../../src/train/metrics/step-times.ts";
import { ModelPrograms } from "../../../../src/train/model-programs.ts";
import { Replicas } from "../../../../src/train/ranks/replicas.ts";
import { type DigitBatch, DigitModel } from "../digits.fixture.ts";
import { run } from "../digits-run.fixture.ts";

const BATCH: DigitBatch = {
  rows: Float64Array.of(1, 2),
  shape: [2, 8],
  x: new Float32Array(16).fill(0.5),
  labels: new Int32Array(2),
} as unknown as DigitBatch; // proof: what the model reads

/** Times of a step for which the update before takes 5, the rest of the work 70, and sums 30 more. */
async function timesOfStep(waitedMs: number) {
  let now = 0;
  const clock = new StepClock(() => now);
  const other = Object.assign(new SingleCommunicator(), { worldSize: 2 });
  const ranks: Communicator = Object.assign(other, {
    allGather: async (bytes: Uint8Array) => {
      now += 1;
      return [bytes, bytes];
    },
  });
  await using executor = await openExecutor("reference");
  const model = new DigitModel();
  const state: ParameterState = await newWeights(executor, model, { seed: 1 });
  const zeroGradients = state.zeroGradients.bind(state);
  let updated = (): void => {};
  state.zeroGradients = async () => {
    await zeroGradients();
    await new Promise<void>((resolve) => {
      updated = resolve;
    });
  };
  state.shareGradients = async () => ({
    begin: () => {},
    finish: async () => {
      now += 5;
      updated();
      await new Promise((resolve) => setImmediate(resolve));
      now += 100;
      return { buckets: 1, early: 0, waitedMs };
    },
    unlessLost: (answer) => answer,
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  });
  const replicas = new Replicas(ranks);
  await replicas.connect(state);
  const runner = new BatchRunner({
    ...{ model, executor, state, programs: new ModelPrograms(model), seed: 1 },
    divide: (batch) => [batch],
    lossReduction: "global",
    countRows: () => 2,
    ...{ replicas, clock },
  });
  const sums = await runner.accumulate(BATCH, 0, 2);
  await sums();
  return clock.times;
}

test("only what sums take beyond this rank's own work is waiting for others", async () => {
  // And 1 for each of the two messages of a step.
  expect(await timesOfStep(30)).toMatchObject({ update: 5, run: 70, exchange: 32 });
  expect(await timesOfStep(0)).toMatchObject({ update: 5, run: 100, exchange: 2 });
  expect(await timesOfStep(1e6)).toMatchObject({ update: 5, run: 0, exchange: 102 });
});

test("one process waits for no others", async () => {
  const { result } = await run({ maxSteps: 3 });
  expect(result.times.exchange).toBe(0);
});
