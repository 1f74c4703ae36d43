import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ParquetFile } from "../../../../formats/parquet/parquet-file.ts";
import { SafetensorsCheckpoint } from "../../../../formats/safetensors/shards.ts";
import { inferEsm2 } from "../../../../src/infer/index.ts";
import {
  initialParameter,
  openModel,
  SequenceModel,
  type WeightReport,
} from "../../../../src/models/index.ts";
import { CheckpointFiles } from "../../../../src/train/checkpoints/checkpoint-files.ts";
import { type FinetuneEsm2Options, finetuneEsm2 } from "../../../../src/train/index.ts";
import { SpearmanMetric } from "../../../../src/train/metrics/metrics.ts";
import { warmupAnnealDecayHold } from "../../../../src/train/schedule.ts";
import { joinRanks } from "../../../helpers/ranks.ts";
import { fixture } from "../../models/model-fixture.ts";
import { labelledProteins } from "../data/labelled-proteins.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-finetune-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { train, valid } = labelledProteins(folder);

const SMALL: FinetuneEsm2Options = {
  trainDataPath: train,
  validDataPath: valid,
  resultDir: folder,
  model: { layers: 1, hiddenSize: 32, heads: 2, intermediateSize: 32 },
  mlpHiddenSize: 32,
  maxSeqLength: 96,
  minSeqLength: 96,
  microBatchSize: 16,
  numSteps: 80,
  valCheckInterval: 40,
  logEveryNSteps: 20,
  lr: 5e-3,
  threads: 1,
};

const weightsOf = (checkpoint: string | null) => {
  using file = SafetensorsCheckpoint.open(checkpoint ?? "none");
  return new Map(file.names.map((name) => [name, file.readFloat32(name)]));
};

/** Column `at` of the validation table. */
function column(at: number): string[] {
  const lines = readFileSync(valid, "utf8").trim().split("\n").slice(1);
  return lines.map((line) => line.split(",")[at] ?? "");
}

test("a share of residues is learned far better than by its mean", async () => {
  const shares = column(1).map(Number);
  const mean = shares.reduce((a, b) => a + b) / shares.length;
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length;
  const result = await finetuneEsm2({ ...SMALL, labelColumn: "share", experimentName: "share" });
  expect(result).toMatchObject({ trainProteins: 127, validProteins: 42, labels: null, step: 80 });
  expect(result.metrics["val_loss"]).toBeLessThan(0.2 * variance);
  expect(result.metrics["val_mse"]).toBe(result.metrics["val_loss"]);
  expect(result.metrics["val_pearson"]).toBeGreaterThan(0.9);
  // The rows of the validation are those that inference gives.
  const { path } = await inferEsm2({
    checkpointPath: result.checkpoint ?? "",
    dataPath: valid,
    resultsPath: join(folder, "share-out"),
    format: "parquet",
    threads: 1,
  });
  const table = await ParquetFile.open(path).table({ columns: ["regression_output"] });
  const spearman = new SpearmanMetric();
  spearman.addValues(
    Array.from(table, (row) => Number(row["regression_output"].get(0))),
    shares,
  );
  expect(spearman.result()).toBeGreaterThan(0.9);
  expect(result.metrics["val_spearman"]).toBeCloseTo(spearman.result(), 3);
});

test("checkpoints are chosen, and runs end, by the largest rank correlation", async () => {
  const found: [number, number][] = [];
  const result = await finetuneEsm2({
    ...{ ...SMALL, labelColumn: "share", experimentName: "ranked", numSteps: 60, lr: 0.02 },
    ...{ valCheckInterval: 3, saveTopK: 1, saveLastCheckpoint: false, asyncSave: false },
    metricToMonitor: "val_spearman",
    earlyStopping: { monitor: "val_spearman", patience: 2 },
    observer: {
      validated: ({ step, metrics }) => found.push([step, metrics["val_spearman"] ?? Number.NaN]),
    },
  });
  expect(result.reason).toBe("early-stop");
  const best = found.reduce((a, b) => (b[1] > a[1] ? b : a));
  expect(found.at(-1)?.[0]).toBe(best[0] + 2 * 3);
  const left = new CheckpointFiles(join(result.directory, "checkpoints")).list();
  expect(left.map(({ step }) => step)).toEqual([best[0]]);
  expect(left[0]?.path).toContain(`val_spearman=${best[1].toFixed(4)}`);
});

test("two processes have the correlations of one", async () => {
  const options = { ...SMALL, labelColumn: "share", mlpFtDropout: 0, numSteps: 6, lr: 1e-3 };
  const alone = { ...options, accumulateGradBatches: 2, microBatchSize: 8 };
  const one = await finetuneEsm2({ ...alone, experimentName: "one" });
  const ranks = await joinRanks(2);
  const both = await Promise.all(
    ranks.map((communicator) =>
      finetuneEsm2({ ...options, microBatchSize: 8, experimentName: "two", communicator }),
    ),
  );
  await Promise.all(ranks.map((rank) => rank.close()));
  for (const { metrics } of both) {
    for (const name of ["val_mse", "val_pearson", "val_spearman"]) {
      expect([name, metrics[name]]).toEqual([name, expect.closeTo(one.metrics[name] ?? 0, 3)]);
      expect(metrics[name]).toBe(both[0]?.metrics[name]);
    }
  }
});

test("a class is learned better than by guessing; a run stopped and gone on with is the same", async () => {
  const kinds = column(2);
  const most = Math.max(...["c", "h", "p"].map((kind) => kinds.filter((k) => k === kind).length));
  const options = { ...SMALL, labelColumn: "kind", taskType: "classification" } as const;
  const whole = await finetuneEsm2({ ...options, experimentName: "kind" });
  expect(whole.labels).toEqual(["c", "h", "p"]);
  expect(whole.metrics["val_accuracy"]).toBeGreaterThan(most / kinds.length + 0.15);

  const stop = new AbortController();
  const parts = { ...options, experimentName: "parts" };
  const observer = { trained: ({ step }: { step: number }) => step === 30 && stop.abort() };
  const stopped = await finetuneEsm2({ ...parts, observer, signal: stop.signal });
  expect(stopped).toMatchObject({ step: 30, reason: "stopped" });
  const gone = await finetuneEsm2({ ...parts, resumeIfExists: true });
  expect(weightsOf(gone.checkpoint)).toEqual(weightsOf(whole.checkpoint));

  const model = openModel(gone.checkpoint ?? "");
  if (!(model instanceof SequenceModel)) throw new Error(model.name);
  expect(model.settings).toMatchObject({ targetSize: 3, labels: ["c", "h", "p"], dropout: 0.25 });
});

test("classes of residues are learned; a second run begins with the weights of the first", async () => {
  const options = { ...SMALL, labelColumn: "groups", taskType: "token-classification" } as const;
  const first = await finetuneEsm2({ ...options, experimentName: "groups", numSteps: 40 });
  expect(first.metrics["val_accuracy"]).toBeGreaterThan(0.95);
  const { model: _random, ...others } = options;
  const reports: WeightReport[] = [];
  const onWeights = (report: WeightReport) => reports.push(report);
  const restoreFromCheckpointPath = join(folder, "groups");
  const again = { ...others, restoreFromCheckpointPath, onWeights, numSteps: 2 };
  const second = await finetuneEsm2({
    ...again,
    experimentName: "second",
    keepHead: true,
    encoderFrozen: true,
  });
  expect(second.metrics["val_accuracy"]).toBeGreaterThan(0.95);
  const before = weightsOf(first.checkpoint);
  for (const [name, values] of weightsOf(second.checkpoint)) {
    const isHead = name.startsWith("classification_head");
    expect([
      name,
      isHead !== (Buffer.compare(bytesOf(values), bytesOf(before.get(name))) === 0),
    ]).toEqual([name, true]);
  }
  // Of another task the head is new, and here it has no learning rate.
  const share = { ...again, labelColumn: "share", taskType: "regression" } as const;
  const third = await finetuneEsm2({
    ...share,
    experimentName: "third",
    scaleLrLayer: "regression_head",
    lrMultiplier: 0,
  });
  const model = openModel(third.checkpoint ?? "");
  const after = weightsOf(third.checkpoint);
  for (const spec of model.parameters) {
    const isHead = spec.name.startsWith("regression_head");
    const begin = isHead ? initialParameter(spec, 42) : before.get(spec.name);
    expect([
      spec.name,
      Buffer.compare(bytesOf(after.get(spec.name)), bytesOf(begin)) === 0,
    ]).toEqual([spec.name, isHead]);
  }
  expect(reports.map(({ matched, initial }) => [matched.length, initial.length])).toEqual([
    [23, 0],
    [19, 4],
  ]);
});

function bytesOf(values: Float32Array | undefined): Uint8Array {
  return values === undefined ? new Uint8Array() : new Uint8Array(values.buffer);
}

test("what cannot be fine-tuned is told without a run's folder", async () => {
  const tune = (more: Partial<FinetuneEsm2Options>) =>
    finetuneEsm2({ ...SMALL, labelColumn: "kind", experimentName: "none", ...more });
  const { model: _model, ...bare } = SMALL;
  await expect(tune({ loraFinetune: true })).rejects.toMatchObject({ code: "unsupported" });
  await expect(finetuneEsm2(bare)).rejects.toThrow("expected weights to fine-tune");
  await expect(tune({})).rejects.toThrow("expected a finite number as label");
  await expect(tune({ labelColumn: "age" })).rejects.toMatchObject({ code: "no-such-column" });
  const kinds = { taskType: "classification" } as const;
  await expect(tune({ ...kinds, mlpTargetSize: 2 })).rejects.toThrow(
    "3 classes for a head of 2 outputs",
  );
  await expect(tune({ ...kinds, scaleLrLayer: "decoder" })).rejects.toThrow(
    'no trained parameter has "decoder" in its name',
  );
  await expect(tune({ ...kinds, lrMultiplier: -1 })).rejects.toThrow(
    "expected a number of 0 or more",
  );
  const geneformer = { ...bare, ...kinds, labelColumn: "kind", experimentName: "none" };
  await expect(
    finetuneEsm2({ ...geneformer, restoreFromCheckpointPath: fixture("bert") }),
  ).rejects.toThrow("expected an ESM-2, found geneformer");
  expect(existsSync(join(folder, "none"))).toBe(false);
});

test("the learning rate goes as the schedule says, and is constant without one", async () => {
  const ratesOf = async (more: Partial<FinetuneEsm2Options>, experimentName: string) => {
    const rates: number[] = [];
    const logger = {
      log: (_: number, { lr }: Readonly<Record<string, number>>) => {
        if (lr !== undefined) rates.push(lr);
      },
      close: () => {},
    };
    const short = { numSteps: 4, logEveryNSteps: 1, limitValBatches: 0, labelColumn: "share" };
    await finetuneEsm2({ ...SMALL, ...short, lr: 0.01, logger, experimentName, ...more });
    return rates;
  };
  expect(await ratesOf({}, "constant")).toEqual([0.01, 0.01, 0.01, 0.01]);
  const warm = { lrScheduler: "warmup_anneal", warmupSteps: 2, minLr: 0 } as const;
  const schedule = warmupAnnealDecayHold(0.01, { warmupSteps: 2, maxSteps: 4, minLr: 0 });
  expect(await ratesOf(warm, "warm")).toEqual([0, 1, 2, 3].map(schedule));
  expect(schedule(3)).toBeLessThan(schedule(2));
});
