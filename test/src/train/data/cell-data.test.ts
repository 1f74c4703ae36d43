import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { convertH5ad } from "../../../../src/convert/convert-h5ad.ts";
import { CellTokenizer } from "../../../../src/gene-tokens/cell-tokenizer.ts";
import { computeGeneMedians, saveMedians } from "../../../../src/gene-tokens/compute-medians.ts";
import { GeneTokenizer } from "../../../../src/gene-tokens/gene-tokenizer.ts";
import {
  type GeneformerBatch,
  GeneformerDataModule,
} from "../../../../src/gene-tokens/geneformer-data-module.ts";
import { LabelledCells } from "../../../../src/gene-tokens/labelled-cells.ts";
import { MaskedCellsDataModule } from "../../../../src/gene-tokens/masked-cells-data-module.ts";
import { tokenizeToDisk } from "../../../../src/gene-tokens/tokenize-to-disk.ts";
import { openCellTokens } from "../../../../src/infer/cell-tokens.ts";
import { Geneformer } from "../../../../src/models/index.ts";
import { simulateH5ad } from "../../../../src/simulate/simulate-h5ad.ts";
import { assertStopAndGo } from "../../../../src/testing/index.ts";
import { type OpenCellsOptions, openCellData } from "../../../../src/train/data/cell-data.ts";
import { constantSchedule } from "../../../../src/train/schedule.ts";
import { writeDatasetShards } from "../../../../src/webdataset/write-dataset-shards.ts";
import { writeGeneDataset } from "../../../helpers/gene-dataset.ts";

const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "scdl-cell-data-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const SEQ_LENGTH = 16;
const OBS = ["cell_type", "n_counts"];
const MEDIANS = at("medians.json");
let tokenizer: GeneTokenizer;
let medians: ReadonlyMap<string, number>;

beforeAll(async () => {
  mkdirSync(at("h5ads"));
  const sizes = { nVars: 40, nnzPerCell: 12 };
  await simulateH5ad({ output: at("h5ads/a.h5ad"), nObs: 25, ...sizes, seed: 1 });
  await simulateH5ad({ output: at("h5ads/b.h5ad"), nObs: 12, ...sizes, seed: 2 });
  mkdirSync(at("parts"));
  const files = ["a", "b"].map((name) => at(`h5ads/${name}.h5ad`));
  await convertH5ad({ inputs: files, output: at("whole"), workers: 0 });
  for (const file of files) {
    const output = file.replace("h5ads", "parts").replace(".h5ad", "");
    await convertH5ad({ inputs: [file], output, workers: 0 });
  }
  ({ medians } = await computeGeneMedians([at("whole")]));
  saveMedians(MEDIANS, medians);
  tokenizer = GeneTokenizer.fromMediansAndGenes(medians);
  const cells = new CellTokenizer({ vocabulary: tokenizer.vocabulary, medians });
  await tokenizeToDisk([at("whole")], cells, { output: at("tokens"), obs: OBS });
  const sharded = {
    output: at("tokens.tars"),
    format: "webdataset",
    cellsPerPart: 10,
    obs: OBS,
  } as const;
  await tokenizeToDisk(files, cells, sharded);
  const parquet = { output: at("parquet"), format: "parquet", cellsPerPart: 20, obs: OBS } as const;
  await tokenizeToDisk([at("whole")], cells, parquet);
  tokenizer.saveVocab(at("own.vocab"));
  // One list of genes: that of the first part is the second's.
  await writeDatasetShards(at("parts/a"), { output: at("cells"), samplesPerShard: 9, obs: OBS });
  const dense = { output: at("dense"), samplesPerShard: 12, layout: "dense", obs: OBS } as const;
  await writeDatasetShards(at("parts/b"), dense);
});

let runs = 0;
function optionsOf(options: Partial<OpenCellsOptions> = {}): OpenCellsOptions {
  const own = at(`run-${runs++}`);
  const shared = { seed: 42, seqLength: SEQ_LENGTH, folder: own, isResumed: false };
  return { ...shared, medians: MEDIANS, ...options };
}

async function moduleOf(names: readonly string[], options: Partial<OpenCellsOptions> = {}) {
  const cells = await openCellData(names.map(at), optionsOf({ validShare: 0.3, ...options }));
  const { train, valid, vocabulary, ends } = cells;
  const module = new MaskedCellsDataModule({
    ...{ train, valid, vocabulary, ...ends, seed: 42, maxSteps: 9, globalBatchSize: 4 },
    ...{ seqLength: SEQ_LENGTH, limitValBatches: { batches: 2 }, randomTokenProb: 0.02 },
  });
  const close = module.close.bind(module);
  module.close = async () => {
    await close();
    cells[Symbol.dispose]();
  };
  return module;
}

async function batchesOf(names: readonly string[], options?: Partial<OpenCellsOptions>) {
  await using module = await moduleOf(names, options);
  await module.setup("fit");
  const batches: GeneformerBatch[] = [];
  for await (const batch of module.trainLoader()) batches.push(structuredClone(batch));
  if (module.has("val")) for await (const batch of module.valLoader()) batches.push(batch);
  return batches;
}

test("the same cells give the same batches whatever they are in", async () => {
  const expected = await batchesOf(["whole"]);
  expect(expected).toHaveLength(9 + 2);
  expect(new Set(expected.map(({ text }) => text.join())).size).toBe(11);
  const containers = [
    ...[["parts"], ["parts/a", "parts/b"], ["h5ads"], ["h5ads/a.h5ad", "h5ads/b.h5ad"]],
    ...[["parts/a", "h5ads/b.h5ad"], ["tokens"], ["tokens.tars"], ["parquet"]],
    ["cells", "dense"],
    ["cells/cells-{000000..000002}.tar", "dense/cells-000000.tar"],
  ];
  for (const names of containers) {
    expect(await batchesOf(names), names.join()).toEqual(expected);
  }
  // Tokens need no medians; the vocabulary is in their header.
  expect(await batchesOf(["tokens"], { medians: undefined })).toEqual(expected);
  // Geneformer's own files have no header.
  const bare = ["parquet/tokens-000000.parquet", "parquet/tokens-000001.parquet"].map((name, i) => {
    copyFileSync(at(name), at(`bare${i}.parquet`));
    return `bare${i}.parquet`;
  });
  const vocab = at("own.vocab");
  expect(await batchesOf(bare, { medians: undefined, vocab })).toEqual(expected);
  await expect(batchesOf(bare)).rejects.toMatchObject({ code: "no-vocabulary" });
  GeneTokenizer.fromMediansAndGenes(new Map([["ENSG1", 1]])).saveVocab(at("small.vocab"));
  const small = batchesOf(bare, { vocab: at("small.vocab") });
  await expect(small).rejects.toThrow(/row 0: expected ids below 6, found \d+/);
});

test("train and validation cells are those of GeneformerDataModule", async () => {
  const paths = { train: at("parts/a"), val: at("parts/b") };
  await using module = new GeneformerDataModule({
    ...{ tokenizer, medians, genes: "var_feature_id", testDatasetPath: at("none") },
    ...{ trainDatasetPath: paths.train, valDatasetPath: paths.val, randomTokenProb: 0.02 },
    ...{ maxSteps: 9, globalBatchSize: 4, seqLength: SEQ_LENGTH, limitValBatches: { batches: 2 } },
  });
  await module.setup("fit");
  const expected: GeneformerBatch[] = [];
  for await (const batch of module.trainLoader()) expected.push(structuredClone(batch));
  for await (const batch of module.valLoader()) expected.push(structuredClone(batch));
  const options = { validData: [at("h5ads/b.h5ad")], validShare: undefined };
  expect(await batchesOf(["cells"], options)).toEqual(expected);
});

test.each([["h5ads/a.h5ad"], ["tokens"], ["cells"]])(
  "a run on %s is stopped and gone on with exactly",
  async (name) => {
    const own = at(`run-${runs++}`);
    const modules = [await moduleOf([name], { folder: own })];
    const again = () => moduleOf([name], { folder: own, isResumed: true });
    for (let i = 0; i < 3; i++) modules.push(await again());
    const settings = { layers: 1, hiddenSize: 8, heads: 1, intermediateSize: 8 };
    await assertStopAndGo(() => ({
      model: new Geneformer({ ...settings, vocabSize: 128, maxPositions: SEQ_LENGTH, padId: 2 }),
      // proof: the harness asks four times
      data: modules.shift() as MaskedCellsDataModule,
      optimizer: { kind: "adamw" },
      schedule: constantSchedule(1e-3),
      ...{ maxSteps: 5, microBatchSize: 4, valCheckInterval: 2, limitValBatches: 1, seed: 1 },
    }));
  },
);

test("h5ad files are converted once for a run; files that changed are refused when it goes on", async () => {
  const file = at("changing.h5ad");
  copyFileSync(at("h5ads/a.h5ad"), file);
  const own = at(`run-${runs++}`);
  const heard: string[] = [];
  const options = { folder: own, onProgress: ({ label }: { label: string }) => heard.push(label) };
  const open = async (more: Partial<OpenCellsOptions> = {}) => {
    using cells = await openCellData([file], optionsOf({ ...options, ...more }));
    return cells.train.length;
  };
  expect(await open()).toBe(25);
  expect(heard.length).toBeGreaterThan(0);
  heard.length = 0;
  expect(await open({ isResumed: true })).toBe(25);
  expect(heard).toEqual([]);
  copyFileSync(at("h5ads/b.h5ad"), file);
  utimesSync(file, 1e9, 1e9);
  await expect(open({ isResumed: true })).rejects.toMatchObject({ code: "input-changed" });
  expect(await open()).toBe(12);
  expect(await open({ matrix: "raw", isResumed: true })).toBe(12);
  await expect(open({ matrix: "X" })).rejects.toMatchObject({ code: "no-such-matrix" });
});

test("medians beside the cells are found, or computed when asked to and kept for resuming", async () => {
  const own = at(`run-${runs++}`);
  const auto = { medians: "auto", folder: own };
  const expected = await batchesOf(["whole"]);
  expect(await batchesOf(["h5ads"], auto)).toEqual(expected);
  writeFileSync(join(own, "medians.json"), '{"ENSG00000000001": 1}');
  rmSync(join(own, "geneformer.vocab"));
  expect((await batchesOf(["h5ads"], { ...auto, isResumed: true }))[0]?.text).not.toEqual(
    expected[0]?.text,
  );
  expect(await batchesOf(["whole"], auto)).toEqual(expected);
  // h5ads/.. has medians.json.
  expect(await batchesOf(["whole"], { medians: undefined })).toEqual(expected);
  const shards = batchesOf(["cells"], { medians: "auto" });
  await expect(shards).rejects.toThrow(/medians are computed of SCDL data sets/);
});

test("what is missing, empty or does not fit is a typed error that says what to do", async () => {
  const refused = (names: readonly string[], options: Partial<OpenCellsOptions> = {}) =>
    expect(batchesOf(names, options), names.join()).rejects;
  const genes = ["ENSG00000000001", "ENSG00000000002"];
  const cells = { genes, data: Float32Array.of(3, 1), indices: [0, 1] };
  await writeGeneDataset(at("gap"), { ...cells, indptr: [0, 1, 1, 2] });
  await writeGeneDataset(at("one"), { ...cells, indptr: [0, 2] });
  const none = { genes, data: new Float32Array(0), indices: [], indptr: [0] };
  await writeGeneDataset(at("none"), none);
  const other = { ...cells, genes: ["TP53", "BRCA1"], indptr: [0, 2] };
  await writeGeneDataset(at("symbols"), other);

  await refused(["gap"]).toThrow(/1 of 3 cells have no counts, the first is cell 1/);
  await refused(["none"], { validShare: 0 }).toMatchObject({ code: "empty" });
  await refused(["symbols"]).toThrow(/none of 2 genes \(TP53, BRCA1\) is in the vocabulary/);
  await refused(["one"], { genes: "symbol" }).toMatchObject({ code: "no-such-column" });
  await refused(["one"]).toThrow(/a share of 0.3 of 1 is none/);
  await refused(["nothing"]).toMatchObject({ name: "NotFoundError" });
  mkdirSync(at("empty"));
  await refused(["empty"]).toMatchObject({ code: "no-cells" });
  await refused(["medians.json"]).toThrow(/expected cells .* found another file/);
  mkdirSync(at("alone"));
  symlinkSync(at("h5ads/a.h5ad"), at("alone/a.h5ad"));
  await refused(["alone/a.h5ad"], { medians: undefined }).toMatchObject({
    code: "no-medians",
    suggestions: expect.arrayContaining([expect.stringContaining("--medians auto")]),
  });
  saveMedians(at("other.json"), new Map(genes.map((gene) => [gene, 1])));
  const both = { medians: at("other.json") };
  await refused(["one", "tokens"], both).toMatchObject({ code: "vocabulary" });
  await refused(["tokens"], { seqLength: 0 }).toMatchObject({ name: "InvalidArgumentError" });
  copyFileSync(at("cells/cells-000000.tar"), at("alone/cells.tar"));
  await refused(["alone/cells.tar"]).toMatchObject({ code: "no-genes" });
  // Fewer cells than a batch.
  const [batch] = await batchesOf(["one"], { ...both, validShare: 0 });
  expect(batch?.shape).toEqual([4, SEQ_LENGTH]);
});

const CONTAINERS = [
  ["whole"],
  ["parts/a", "h5ads/b.h5ad"],
  ["tokens"],
  ["tokens.tars"],
  ["parquet"],
  ["cells", "dense"],
];

test("labels of cells are the same whatever they are in, held out ones too", async () => {
  const labelsOf = async (names: readonly string[], label: string) => {
    using cells = await openCellData(names.map(at), optionsOf({ validShare: 0.3 }));
    const { vocabulary, ends } = cells;
    const shared = { vocabulary, ends, maxLen: SEQ_LENGTH, label };
    const train = await LabelledCells.open(cells.train, shared);
    if (cells.valid === null) throw new Error("expected cells held out");
    const { labelMap, task } = train;
    const valid = await LabelledCells.open(cells.valid, { ...shared, task, labelMap });
    const items = [train, valid].flatMap((of) => {
      return Array.from({ length: of.length }, (_, idx) => of.at({ epoch: 0, idx }));
    });
    return {
      ...{ task, classes: labelMap?.labels },
      items: items.map(({ text, labels }) => [...text, ...labels]),
    };
  };
  for (const label of OBS) {
    const expected = await labelsOf(["whole"], label);
    expect(expected.items).toHaveLength(37);
    expect(expected.task).toBe(label === "cell_type" ? "classification" : "regression");
    for (const names of CONTAINERS) {
      expect(await labelsOf(names, label), names.join()).toEqual(expected);
    }
  }
  await expect(labelsOf(["tokens"], "donor")).rejects.toMatchObject({
    code: "no-such-column",
    available: OBS,
  });
  await expect(labelsOf(["dense"], "donor")).rejects.toMatchObject({ available: OBS });
  await expect(labelsOf(["parquet"], "donor")).rejects.toMatchObject({ code: "no-such-column" });
});

test("cells to run a model on are the same whatever they are in", async () => {
  const rowsOf = async (names: readonly string[], maxLength = SEQ_LENGTH) => {
    const options = { maxLength, vocabSize: 100, folder: at(`infer-${runs++}`), medians: MEDIANS };
    using source = await openCellTokens(names.map(at), options);
    return Array.from({ length: source.length }, (_, row) => {
      const tokens = source.tokens(row);
      expect(source.mostTokens(row)).toBeGreaterThanOrEqual(tokens.length);
      expect(source.mostTokens(row)).toBeLessThanOrEqual(maxLength);
      return [...tokens];
    });
  };
  const expected = await rowsOf(["whole"]);
  expect(expected).toHaveLength(37);
  for (const names of CONTAINERS) expect(await rowsOf(names), names.join()).toEqual(expected);
  expect(await rowsOf(["cells", "tokens.tars"], 5)).toEqual(
    [...expected.slice(0, 25), ...expected].map((row) => row.slice(0, 5)),
  );
  const auto = { maxLength: 9, vocabSize: 100, folder: at("auto"), medians: "auto", weights: "w" };
  await expect(openCellTokens([at("whole")], auto)).rejects.toThrow("it was trained with");
});
