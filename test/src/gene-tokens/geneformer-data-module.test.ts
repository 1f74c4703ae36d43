import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { GeneTokenizer } from "../../../src/gene-tokens/gene-tokenizer.ts";
import {
  type GeneformerBatch,
  GeneformerDataModule,
  type GeneformerDataModuleOptions,
} from "../../../src/gene-tokens/geneformer-data-module.ts";
import { SingleCellTokenDataset } from "../../../src/gene-tokens/single-cell-token-dataset.ts";
import { writeGeneDataset } from "../../helpers/gene-dataset.ts";

type BatchChecksum = [batch: number, length: number, sha256: string];
type Split = "train" | "val" | "test" | "predict";
interface Case extends Readonly<Record<Split, readonly BatchChecksum[]>> {
  readonly seed: number;
  readonly seqLength: number;
  readonly globalBatchSize: number;
  readonly maxSteps: number;
  readonly limits: readonly [val: number, test: number];
}

function fixture<T>(name: string): T {
  const url = new URL(`../../../fixtures/gene-tokens/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as T;
}
const golden = fixture<{
  readonly ranges: Readonly<Record<Split, readonly [number, number]>>;
  readonly seeds: readonly (readonly [seed: number, drawn: readonly string[]])[];
  readonly cases: readonly Case[];
}>("data-module");
const cells = fixture<{
  readonly genes: readonly string[];
  readonly medians: readonly (readonly [string, number])[];
  readonly indptr: readonly number[];
  readonly indices: readonly number[];
  readonly cases: readonly { readonly data: readonly number[] }[];
}>("bionemo");
const folder = mkdtempSync(join(tmpdir(), "scdl-geneformer-"));
const medians = new Map(cells.medians);
const tokenizer = GeneTokenizer.fromMediansAndGenes(medians);

beforeAll(async () => {
  for (const [split, [begin, end]] of Object.entries(golden.ranges)) {
    const [first = 0, last = 0] = [cells.indptr[begin], cells.indptr[end]];
    await writeGeneDataset(join(folder, split), {
      genes: cells.genes,
      data: Float32Array.from(cells.cases[0]?.data.slice(first, last) ?? []),
      indices: cells.indices.slice(first, last),
      indptr: cells.indptr.slice(begin, end + 1).map((pointer) => pointer - first),
    });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function moduleOf(options: Partial<GeneformerDataModuleOptions>, splits: readonly Split[]) {
  const paths = Object.fromEntries(
    splits.map((split) => [`${split}DatasetPath`, join(folder, split)]),
  );
  const module = new GeneformerDataModule({ tokenizer, medians, ...paths, ...options });
  onTestFinished(() => module.close());
  return module;
}
const TRAINING = ["train", "val", "test"] as const;

/** A limit of the original: 1.0 is all, other numbers are batches. */
const limit = (of: number) => (of === 1 ? { share: 1 } : { batches: of });

function optionsOf({ seed, seqLength, globalBatchSize, maxSteps, limits }: Case) {
  return {
    ...{ seed, seqLength, globalBatchSize, maxSteps, randomTokenProb: 0.02 },
    limitValBatches: limit(limits[0]),
    // The one case of one batch, which JSON cannot tell from all.
    limitTestBatches: seed === 7 ? { batches: 1 } : limit(limits[1]),
  };
}

function checksum({ text, labels, lossMask, shape }: GeneformerBatch): BatchChecksum {
  const hash = createHash("sha256").update(text).update(labels).update(lossMask);
  return [...shape, hash.digest("hex").slice(0, 16)];
}

async function checksums(batches: AsyncIterable<GeneformerBatch>): Promise<BatchChecksum[]> {
  const found: BatchChecksum[] = [];
  for await (const batch of batches) found.push(checksum(batch));
  return found;
}

test.each(golden.cases)(
  "Geneformer's batches are the original's: seed $seed, $seqLength tokens",
  async (example) => {
    const module = moduleOf(optionsOf(example), TRAINING);
    await module.setup("fit");
    await module.setup("test");
    expect(await checksums(module.trainLoader())).toEqual(example.train);
    expect(await checksums(module.valLoader())).toEqual(example.val);
    expect(await checksums(module.testLoader())).toEqual(example.test);
    const predicting = moduleOf(optionsOf(example), ["predict"]);
    await predicting.setup("predict");
    expect(await checksums(predicting.predictLoader())).toEqual(example.predict);
  },
);

test.each(golden.seeds)(
  "the data sets of seed %i have the original's seeds",
  async (seed, drawn) => {
    for (const [i, split] of ([...TRAINING, "predict"] as const).entries()) {
      const module = moduleOf({ seed, maxSteps: 1, globalBatchSize: 1, seqLength: 90 }, [
        ...(split === "predict" ? ["predict" as const] : TRAINING),
      ]);
      await module.setup(split === "train" ? "fit" : split === "val" ? "validate" : split);
      const [batch] = await first(module[`${split}Loader`](), 1);
      const idx = batch?.rows[0] ?? -1;
      using dataset = await SingleCellDataset.open(join(folder, split));
      const items = await SingleCellTokenDataset.open(dataset, {
        ...{ tokenizer, medians, maxLen: 90, seed: BigInt(drawn[i] ?? 0) },
      });
      const { text } = items.at({ epoch: 0, idx });
      expect(batch?.text.subarray(0, text.length)).toEqual(text);
    }
  },
);

async function first(batches: AsyncIterable<GeneformerBatch>, count: number) {
  const found: GeneformerBatch[] = [];
  for await (const batch of batches) if (found.push(batch) === count) break;
  return found;
}

test("ranks divide the batches; a run stopped anywhere goes on at another world size", async () => {
  const example = golden.cases[1] as Case;
  const options = optionsOf(example);
  const whole = moduleOf(options, TRAINING);
  await whole.setup("fit");
  const expected = await first(whole.trainLoader(), 5);
  let state: unknown;
  const parts: GeneformerBatch[][] = [];
  for (const rank of [0, 1]) {
    const module = moduleOf({ ...options, rank, worldSize: 2 }, TRAINING);
    await module.setup("fit");
    parts.push(await first(module.trainLoader(), 5));
    state = JSON.parse(JSON.stringify(module.state()));
  }
  expect(expected.map(({ text }) => [...text])).toEqual(
    expected.map((_, i) => parts.flatMap((part) => [...(part[i]?.text ?? [])])),
  );
  const resumed = moduleOf(options, TRAINING);
  await resumed.setup("fit");
  resumed.loadState(state);
  expect(await checksums(resumed.trainLoader())).toEqual(example.train.slice(5));
  const other = moduleOf({ ...options, seqLength: 25 }, TRAINING);
  await other.setup("fit");
  expect(() => other.loadState(state)).toThrow("another data set");
});

test("wrong options are refused with the one probably meant, missing steps with their name", async () => {
  expect(() => moduleOf({ seqLenght: 5 } as object, ["predict"])).toThrow(
    "has no option seqLenght",
  );
  expect(() => moduleOf({}, ["predict", "train"])).toThrow(
    "give either predictDatasetPath, or all",
  );
  expect(() => moduleOf({}, ["train", "val"])).toThrow("give either predictDatasetPath, or all");
  await expect(moduleOf({}, TRAINING).setup("fit")).rejects.toThrow("Please specify maxSteps");
  await expect(moduleOf({}, ["predict"]).setup("validate")).rejects.toThrow("no val data set");
});
