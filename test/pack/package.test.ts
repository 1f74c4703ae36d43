import { readFileSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as scdl from "../../src/index.ts";
import { MINIMUM_NODE_VERSION } from "../../src/node-version.ts";
import * as testing from "../../src/testing/index.ts";

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), "utf8"));
}

interface PackageJson {
  readonly version: string;
  readonly bin: { readonly scdl: string };
  readonly files: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

// The shape is that of the file beside this test; a missing field fails the tests below.
const packageJson = readJson("package.json") as PackageJson;

describe("package.json", () => {
  test("pins every dependency to one exact version", () => {
    const all = {
      ...packageJson.dependencies,
      ...packageJson.optionalDependencies,
      ...packageJson.devDependencies,
    };
    const loose = Object.entries(all).filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range));
    expect(loose).toEqual([]);
  });

  test("asks for the Node version that the code checks for", () => {
    expect(packageJson.engines.node).toBe(`>=${MINIMUM_NODE_VERSION}`);
  });

  test.skipIf(process.platform === "win32")("has a command that may be run unbuilt", () => {
    // npm links the command when it installs, and again never: a build must not replace the file.
    const { bin, files, scripts } = packageJson;
    const command = statSync(new URL(`../../${bin.scdl}`, import.meta.url));
    expect(command.mode & 0o111).toBe(0o111);
    expect(bin.scdl).toMatch(/^bin\//);
    expect(files).toContain("bin");
    expect(scripts["prepare"]).toContain("npm run --silent build");
  });

  test("has a demo that leaves the names of README free", () => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    const [, output = ""] = /--output (\S+)/.exec(packageJson.scripts["demo"] ?? "") ?? [];
    expect(output).toMatch(/\.scdl$/);
    expect(readme).not.toContain(output);
  });

  test("asks for the ONNX Runtime that the advice without one names", () => {
    const source = readFileSync("src/tensor/onnx/runtime.ts", "utf8");
    expect(source).toContain(`VERSION = "${packageJson.optionalDependencies["onnxruntime-node"]}"`);
  });

  test("has its version in the change log", () => {
    const log = readFileSync(new URL("../../CHANGELOG.md", import.meta.url), "utf8");
    expect(log).toContain(`## ${packageJson.version}`);
  });
});

test("the lock file names no registry host", () => {
  const lock = readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8");
  expect(lock).not.toContain('"resolved"');
});

test("the public names are these (a new one needs a line in CHANGELOG.md)", () => {
  expect(Object.keys(scdl).sort((a, b) => (a < b ? -1 : 1))).toMatchInlineSnapshot(`
    [
      "AMINO_ACID_IDS",
      "AccuracyMetric",
      "AlignedDataset",
      "BatchSampler",
      "BertMaskConfig",
      "BlockShuffledSampler",
      "BucketBatchSampler",
      "CellTokenizer",
      "CheckpointFiles",
      "ClusterParquetWriter",
      "ClusterTable",
      "CsvLogger",
      "DataModule",
      "DatasetCollection",
      "ESMMaskedResidueDataset",
      "ESM_TOKENS",
      "Esm2DataModule",
      "EsmTokenizer",
      "FastaFile",
      "FastaReader",
      "FineTuneDataModule",
      "FormatError",
      "GatherBuffers",
      "GeneDistributions",
      "GeneTokenizer",
      "GeneVocabulary",
      "GeneformerDataModule",
      "H5adFile",
      "IdentityMultiEpochDatasetWrapper",
      "InMemoryPerTokenValueDataset",
      "InMemoryProteinDataset",
      "InMemorySingleValueDataset",
      "IncompatibleError",
      "InvalidArgumentError",
      "ItemLoader",
      "JsonLinesLogger",
      "LabelMap",
      "Loader",
      "LoaderError",
      "LoggerGroup",
      "MeanMetric",
      "MixtureSampler",
      "MseMetric",
      "MsgpackExtension",
      "MultiEpochDatasetResampler",
      "MultiEpochDatasetWrapper",
      "NamedClusters",
      "NotFoundError",
      "NumpyGenerator",
      "PRECISIONS",
      "PRECISION_OF_DTYPE",
      "PRNGResampleDataset",
      "PearsonMetric",
      "PerplexityMetric",
      "PickledDataWDS",
      "PrecisionLossError",
      "ProgressLineLogger",
      "ProteinDatabase",
      "ProteinDatabaseWriter",
      "ProteinDataset",
      "ProteinStore",
      "ProteinStoreWriter",
      "PythonRandom",
      "RandomMix",
      "RankError",
      "ResampledSampler",
      "RoundRobin",
      "RunSampler",
      "SafetensorsCheckpoint",
      "SafetensorsFile",
      "ScdlError",
      "SequentialSampler",
      "ShardWriter",
      "Shares",
      "ShuffledSampler",
      "SingleCellDataModule",
      "SingleCellDataset",
      "SingleCellTokenDataset",
      "SizeAwareBatchSampler",
      "SpearmanMetric",
      "StorageError",
      "SubsetSampler",
      "TarWriter",
      "TensorBoardLogger",
      "TokenDataset",
      "TokenRows",
      "TorchGenerator",
      "UnsupportedFeatureError",
      "WebDataModule",
      "WebDataset",
      "WebLoader",
      "WeightedSampler",
      "alignGenes",
      "applyBertPretrainingMask",
      "bertPaddingCollate",
      "buildProteins",
      "castDataset",
      "classBalancedSampler",
      "clustersFromArrays",
      "collateNeighborSparseMatrixBatch",
      "collateSparseMatrixBatch",
      "computeGeneMedians",
      "concatDatasets",
      "constantSchedule",
      "convertH5ad",
      "cosineAnnealing",
      "cosineDecay",
      "createBuckets",
      "defaultRng",
      "encodeSafetensors",
      "expandFileRange",
      "fastaStats",
      "findCheckpoint",
      "float32Values",
      "floatTensor",
      "getAutocastDtype",
      "indexFasta",
      "inferGlobalBatchSize",
      "inferNumSamples",
      "inspect",
      "inspectProteins",
      "inspectShards",
      "isScdlError",
      "linearDecay",
      "loadRunConfig",
      "openCheckpoint",
      "openCommunicator",
      "packBatch",
      "packedRows",
      "padTokenIds",
      "paddingCollate",
      "permute",
      "picklesToTars",
      "planPacking",
      "processPlace",
      "proteinCollate",
      "readEnsemblMapping",
      "readGeneDistributions",
      "readGeneMedians",
      "resumeByReplay",
      "runConfigYaml",
      "saveDataset",
      "seedFrom",
      "simulateH5ad",
      "sizeAwareBatching",
      "splitByFraction",
      "splitByGroup",
      "splitByValue",
      "toDense",
      "tokenizeDataset",
      "tokenizeToDisk",
      "validateCsr",
      "verifyArchive",
      "verifyCheckpoint",
      "warmupAnnealDecayHold",
      "writeCheckpoint",
      "writeDatasetShards",
      "writeGeneDistributions",
      "writeGeneMedians",
      "writeProteinShards",
      "writeSafetensors",
      "writeShards",
    ]
  `);
});

test("the public names of scdl/testing are these", () => {
  expect(Object.keys(testing).sort((a, b) => (a < b ? -1 : 1))).toMatchInlineSnapshot(`
    [
      "DatasetDistributedNondeterministic",
      "DatasetLocallyNondeterministic",
      "assertDatasetDeterministic",
      "assertDatasetElementsNotEqual",
      "assertElementsEqual",
      "assertStopAndGo",
    ]
  `);
});
