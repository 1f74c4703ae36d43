import { describe, expect, test } from "vitest";
import { ScdlError } from "../../../formats/common/errors.ts";
import type { BatchSize, BuildMode } from "../../../src/models/index.ts";
import { add, matmul, openExecutor, type ProgramBuilder, sum } from "../../../src/tensor/index.ts";
import { CheckpointFiles } from "../../../src/train/checkpoints/checkpoint-files.ts";
import { constantSchedule } from "../../../src/train/schedule.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { TORCH_DEVICES } from "../tensor/torch.fixture.ts";
import { type DigitBatch, DigitDataModule, DigitModel } from "./digits.fixture.ts";
import { errorOf, newFolder, run } from "./digits-run.fixture.ts";

/** The digit model; its validation multiplies vectors to a matrix of 64 TiB. */
class LargeModel extends DigitModel {
  override build(builder: ProgramBuilder, size: BatchSize, mode: BuildMode) {
    const { loss, outputs } = super.build(builder, size, mode);
    if (mode === "train") return { loss, outputs };
    const column = builder.constant("float32", [2 ** 22, 1], new Float32Array(2 ** 22));
    return { loss: add(loss, sum(matmul(column, column, { transposeB: true }))), outputs };
  }
}

describe.each(TORCH_DEVICES)("torch on %s", (device) => {
  test("a run that does not fit ends with what to make smaller, and its last checkpoint", async () => {
    const folder = newFolder();
    const train = async (model: DigitModel, maxSteps: number, microBatchSize: number) => {
      const checkpoints = new CheckpointFiles(folder);
      await using executor = await openExecutor("torch", { device, threads: 1 });
      await using data = new DigitDataModule({ maxSteps: 8, globalBatchSize: 6 });
      await using trainer = new Trainer<DigitBatch>({
        ...{ model, data, executor, checkpoints, maxSteps, microBatchSize },
        ...{ optimizer: { kind: "sgd" }, schedule: constantSchedule(0.1), valCheckInterval: 2 },
      });
      return { ...(await trainer.fit()), weights: await trainer.weights() };
    };
    const before = await train(new DigitModel(), 2, 6);
    const error = await errorOf(() => train(new LargeModel(), 8, 6));
    expect(error).toMatchObject({
      name: "TrainingError",
      code: "out-of-memory",
      step: 4,
      checkpoint: before.checkpoint,
      message: expect.stringMatching(
        /^out of memory in aten::\w+: asked for 64\.00 TiB, .* free, for step 5: training stopped after step 4$/,
      ),
      suggestions: [
        "a smaller --micro-batch-size (it is 6), with a larger --accumulate-grad-batches for the same update",
        expect.stringContaining("packed"),
        expect.stringContaining("bf16-mixed"),
        `go on from ${before.checkpoint}`,
      ],
    });
    // The checkpoint is whole: the run goes on from it.
    const after = await train(new DigitModel(), 4, 6);
    expect(after.step).toBe(4);
    expect(after.weights).not.toEqual(before.weights);
  });
});

test("weights that do not fit are told apart from steps that do not", async () => {
  await using executor = await openExecutor("reference");
  const createState = () => Promise.reject(new ScdlError("out-of-memory", "out of memory in full"));
  const error = await errorOf(() => run({ executor: Object.assign(executor, { createState }) }));
  expect(error).toMatchObject({
    code: "out-of-memory",
    message: "out of memory in full, for the weights: training stopped after step 0",
    suggestions: [expect.stringContaining("a smaller model"), "no checkpoint was written"],
  });
});

test("a model that is larger than the machine is refused before its weights are made", async () => {
  await using executor = await openExecutor("reference");
  let made = 0;
  const createState = () => {
    made += 1;
    return Promise.reject(new Error("made"));
  };
  const parameters = new DigitModel().parameters.map((one) => ({ ...one, shape: [2 ** 40] }));
  const model = Object.defineProperty(new DigitModel(), "parameters", { value: parameters });
  const given = { model, executor: Object.assign(executor, { createState }) };
  expect(await errorOf(() => run(given))).toMatchObject({
    code: "out-of-memory",
    message: expect.stringMatching(/parameters take at least \d+ TiB, .* has /),
  });
  expect(made).toBe(0);
});
