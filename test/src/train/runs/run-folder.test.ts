/** What a run's folder refuses before anything is read or written. */
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { TrainingRun } from "../../../../src/train/runs/training-run.ts";
import { temporaryDirectory } from "../../../helpers/bundle.ts";

test("a metric that no model has is refused before data are read", () => {
  const resultDir = temporaryDirectory();
  const open = (options: object) => () => new TrainingRun({ resultDir, ...options }, "run");
  expect(open({ metricToMonitor: "val_los" })).toThrow(
    expect.objectContaining({
      message: "there is no metric val_los to choose checkpoints by",
      suggestions: ["val_loss?", expect.stringContaining("val_pearson, val_spearman")],
    }),
  );
  expect(open({ earlyStopping: { monitor: "nonsense" } })).toThrow("nonsense to end early by");
  expect(open({ metricToMonitor: "reduced_train_loss" })).not.toThrow();
  const float16 = { precision: "16-mixed", device: "torch-cpu" };
  expect(open({ ...float16, metricToMonitor: "lossscale" })).toThrow(
    expect.objectContaining({
      message: "there is no metric lossscale to choose checkpoints by",
      suggestions: [
        expect.stringContaining("consumed_samples, loss_scale, skipped_steps"),
        "of loss_scale and skipped_steps no value is the best",
      ],
    }),
  );
  for (const mode of ["auto", "min"]) {
    const earlyStopping = { monitor: "skipped_steps", mode };
    const message = "earlyStopping: skipped_steps has no best value, it follows the gradients";
    expect(open({ ...float16, earlyStopping })).toThrow(message);
  }
  const message = "there is no metric loss_scale to choose checkpoints by";
  expect(open({ metricToMonitor: "loss_scale" })).toThrow(message);
  expect(readdirSync(resultDir)).toEqual([]);
});
