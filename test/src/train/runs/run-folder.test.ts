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
  expect(readdirSync(resultDir)).toEqual([]);
});
