import { createHash } from "node:crypto";
import fs from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import type { DataModule } from "../../../src/data/data-module.ts";
import {
  Esm2DataModule,
  type Esm2DataModuleOptions,
} from "../../../src/proteins/esm2-data-module.ts";
import {
  FineTuneDataModule,
  type FineTuneDataModuleOptions,
} from "../../../src/proteins/fine-tune-data-module.ts";
import { InMemoryPerTokenValueDataset } from "../../../src/proteins/per-token-dataset.ts";
import type { FineTuneBatch } from "../../../src/proteins/protein-collate.ts";
import { InMemoryProteinDataset } from "../../../src/proteins/protein-dataset.ts";
import { InMemorySingleValueDataset } from "../../../src/proteins/single-value-dataset.ts";

type BatchChecksum = [batch: number, length: number, sha256: string];
interface Case {
  readonly seed: number;
  readonly maxSeqLength: number;
  readonly globalBatchSize: number;
  readonly maxSteps: number;
  readonly train: readonly BatchChecksum[];
}
interface PretrainingCase extends Case {
  readonly valBatches: number;
  readonly val: readonly BatchChecksum[];
  readonly valShuffled: readonly BatchChecksum[];
}
interface FineTuningCase extends Case {
  readonly table: "regression.csv" | "names.csv" | "residues.csv";
  readonly predict: readonly BatchChecksum[];
}
const golden = JSON.parse(fs.readFileSync("fixtures/proteins/data-modules.json", "utf8")) as {
  readonly pretraining: readonly PretrainingCase[];
  readonly finetuning: readonly FineTuningCase[];
};

function checksum(batch: FineTuneBatch): BatchChecksum {
  const hash = createHash("sha256");
  for (const array of [batch.text, batch.labels, batch.lossMask]) hash.update(array);
  return [...batch.shape, hash.digest("hex").slice(0, 16)];
}

async function checksums(batches: AsyncIterable<FineTuneBatch>): Promise<BatchChecksum[]> {
  const found: BatchChecksum[] = [];
  for await (const batch of batches) found.push(checksum(batch));
  return found;
}

function opened<M extends DataModule<FineTuneBatch>>(module: M): M {
  onTestFinished(() => module.close());
  return module;
}

const FILES = {
  trainClusterPath: "fixtures/proteins/train.parquet",
  trainDatabasePath: "fixtures/proteins/database.db",
  validClusterPath: "fixtures/proteins/valid.parquet",
  validDatabasePath: "fixtures/proteins/database.db",
};

type Esm2Case = Partial<Omit<PretrainingCase, "train" | "val" | "valShuffled">>;

function esm2({ valBatches, ...options }: Esm2Case, more: Esm2DataModuleOptions = {}) {
  const limit = valBatches === undefined ? {} : { limitValBatches: { batches: valBatches } };
  return opened(new Esm2DataModule({ ...FILES, ...options, ...limit, ...more }));
}

test.each(golden.pretraining)(
  "ESM-2 trains and validates on the original's batches: seed $seed, $maxSeqLength tokens",
  async ({ train, val, valShuffled, ...options }) => {
    const module = esm2(options);
    await module.setup("fit");
    expect(await checksums(module.trainLoader())).toEqual(train);
    expect(await checksums(module.valLoader())).toEqual(val);
    const shuffled = esm2(options, { shuffleVal: true });
    await shuffled.setup("validate");
    expect(await checksums(shuffled.valLoader())).toEqual(valShuffled);
  },
);

test("ranks divide the batches; a run stopped anywhere goes on at another world size", async () => {
  const { train, val: _, valShuffled: __, ...options } = golden.pretraining[2] as PretrainingCase;
  const whole = esm2(options);
  await whole.setup("fit");
  const batches: FineTuneBatch[] = [];
  for await (const batch of whole.trainLoader()) batches.push(batch);
  let state: unknown;
  const two = await Promise.all(
    [0, 1].map(async (rank) => {
      const module = esm2(options, { rank, worldSize: 2 });
      await module.setup("fit");
      const rows: number[][] = [];
      for await (const { text } of module.trainLoader()) {
        rows.push([...text]);
        if (rows.length === 3) break;
      }
      state = JSON.parse(JSON.stringify(module.state()));
      return rows;
    }),
  );
  expect(two[0]?.map((rows, i) => [...rows, ...(two[1]?.[i] ?? [])])).toEqual(
    batches.slice(0, 3).map(({ text }) => [...text]),
  );
  const resumed = esm2(options);
  await resumed.setup("fit");
  resumed.loadState(state);
  expect(await checksums(resumed.trainLoader())).toEqual(train.slice(3));
});

test("stages without data, steps or files are refused", async () => {
  const bare = opened(new Esm2DataModule({ maxSteps: 1 }));
  await expect(bare.setup("fit")).rejects.toThrow(
    "give trainClusterPath and trainDatabasePath, or train",
  );
  await expect(esm2({}).setup("fit")).rejects.toThrow("Please specify maxSteps");
  await expect(esm2({ maxSteps: 1 }).setup("test")).rejects.toThrow(
    "No test dataset provided for ESM2",
  );
  const none = esm2({ maxSteps: 1, valBatches: 0 });
  await none.setup("fit");
  expect(() => none.valLoader()).toThrow("there is no val loader yet");
});

async function table(name: FineTuningCase["table"]) {
  const file = `fixtures/finetune/${name}`;
  switch (name) {
    case "regression.csv":
      return InMemorySingleValueDataset.fromFile(file);
    case "names.csv":
      return InMemorySingleValueDataset.fromFile(file, { taskType: "classification" });
    case "residues.csv":
      return InMemoryPerTokenValueDataset.fromFile(file, { labelsMaskColumn: "resolved" });
  }
}

const fineTune = (options: FineTuneDataModuleOptions) => opened(new FineTuneDataModule(options));

test.each(golden.finetuning)(
  "fine-tuning on $table draws the original's batches: seed $seed, $maxSeqLength tokens",
  async ({ table: name, train, predict, ...options }) => {
    const dataset = await table(name);
    const module = fineTune({ ...options, trainDataset: dataset, validDataset: dataset });
    await module.setup("fit");
    expect(await checksums(module.trainLoader())).toEqual(train);
    // Validation comes as stored, which is what prediction is.
    expect(await checksums(module.valLoader())).toEqual(predict);
    const predicting = fineTune({ ...options, predictDataset: dataset });
    await predicting.setup("predict");
    expect(await checksums(predicting.predictLoader())).toEqual(predict);
  },
);

test("validation data get the class ids of the training data", async () => {
  const classes = { taskType: "classification" } as const;
  const trainDataset = new InMemorySingleValueDataset(["AC", "DE"], ["b", "a"], classes);
  const validDataset = new InMemorySingleValueDataset(["AC"], ["b"], classes);
  const module = fineTune({ trainDataset, validDataset, maxSteps: 1, globalBatchSize: 1 });
  await module.setup("fit");
  for await (const { labels } of module.valLoader()) expect([...labels]).toEqual([1]);
  const other = new InMemorySingleValueDataset(["AC"], ["c"], classes);
  const failing = fineTune({ trainDataset, validDataset: other, maxSteps: 1, globalBatchSize: 1 });
  await expect(failing.setup("fit")).rejects.toThrow("Do not recognize token: c");
});

test("weights decide which proteins are drawn", async () => {
  const weights = [0, 1, 0, 3];
  const options = { maxSteps: 500, globalBatchSize: 8, weighted: true };
  const trainDataset = new InMemoryProteinDataset(["A", "C", "D", "E"], { weights });
  const module = fineTune({ ...options, trainDataset });
  await module.setup("fit");
  const counts = [0, 0, 0, 0];
  for await (const { rows } of module.trainLoader()) {
    for (const row of rows) counts[row] = (counts[row] as number) + 1;
  }
  expect([counts[0], counts[2]]).toEqual([0, 0]);
  expect((counts[3] as number) / (counts[1] as number)).toBeCloseTo(3, 0);
  const unweighted = fineTune({ ...options, trainDataset: new InMemoryProteinDataset(["A"]) });
  await expect(unweighted.setup("fit")).rejects.toThrow("the training data has no weights");
});

test("training and prediction data together, or none, are refused", () => {
  const dataset = new InMemoryProteinDataset(["A"]);
  const message = "either train/valid dataset or predict dataset";
  expect(() => new FineTuneDataModule({})).toThrow(message);
  expect(() => new FineTuneDataModule({ trainDataset: dataset, predictDataset: dataset })).toThrow(
    message,
  );
});
