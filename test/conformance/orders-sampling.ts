/** The random cases of orders_original.py for samplers, collates and picklesToTars. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { ScdlError } from "../../formats/common/errors.ts";
import { padTokenIds } from "../../src/data/pad-token-ids.ts";
import { getAutocastDtype, type Precision } from "../../src/data/precision.ts";
import {
  type CollatedRows,
  collateNeighborSparseMatrixBatch,
  collateSparseMatrixBatch,
} from "../../src/data/sparse-collate.ts";
import { TorchGenerator } from "../../src/random/torch-generator.ts";
import { BatchSampler, BucketBatchSampler } from "../../src/sampling/bucket-batch-sampler.ts";
import { createBuckets } from "../../src/sampling/create-buckets.ts";
import {
  type EpochIndex,
  IdentityMultiEpochDatasetWrapper,
  MultiEpochDatasetResampler,
} from "../../src/sampling/multi-epoch-dataset.ts";
import { permute } from "../../src/sampling/permute.ts";
import { PRNGResampleDataset } from "../../src/sampling/prng-resample-dataset.ts";
import { SizeAwareBatchSampler } from "../../src/sampling/size-aware-batches.ts";
import { picklesToTars } from "../../src/webdataset/pickles-to-tars.ts";
import { WebDataset } from "../../src/webdataset/web-dataset.ts";
import {
  all,
  type ModuleCase,
  modulePickled,
  type SplitNames,
} from "../helpers/pickled-data-wds.ts";
import type { Kind } from "./orders-random.ts";

const numbers = (length: number) => ({ length, at: (index: number) => index });
const pairs = (length: number) => ({
  length,
  at: ({ epoch, idx }: EpochIndex) => [epoch, idx],
});

type ResamplerCase = readonly [
  number,
  { num_epochs?: number; num_samples?: number; seed: number; shuffle: boolean },
  readonly number[],
];

function resampler([n, { num_epochs, num_samples, ...rest }, at]: ResamplerCase): unknown {
  const options = {
    ...rest,
    ...(num_epochs === undefined ? {} : { numEpochs: num_epochs }),
    ...(num_samples === undefined ? {} : { numSamples: num_samples }),
  };
  const dataset = new MultiEpochDatasetResampler(pairs(n), options);
  const identity = new IdentityMultiEpochDatasetWrapper(numbers(n));
  const wrapped = new MultiEpochDatasetResampler(identity, options);
  const items = [at.map((i) => dataset.at(i)), at.map((i) => wrapped.at(i))];
  return [dataset.length, dataset.numEpochs, ...items];
}

function prng([n, seed, at]: readonly [number, number | string, readonly number[]]): unknown {
  const dataset = new PRNGResampleDataset(numbers(n), { seed });
  return at.map((i) => dataset.at(i));
}

function sizeAware([sizes, limit]: readonly [readonly number[], number]): unknown {
  let warnings = 0;
  const onWarning = () => {
    warnings++;
  };
  const indices = [...sizes.keys()];
  const sampler = new SizeAwareBatchSampler(indices, (i) => sizes[i] ?? 0, limit, { onWarning });
  return [[...sampler], warnings];
}

type BucketCase = readonly [
  readonly number[],
  readonly number[],
  "cost" | "drop" | "keep",
  readonly number[],
  number,
  boolean,
  number,
];

function buckets([sizes, boundaries, kind, each, limit, shuffle, seed]: BucketCase): unknown {
  const sampler = new BucketBatchSampler({
    sizes,
    boundaries,
    shuffle,
    generator: TorchGenerator.fromSeed(seed),
    batches: (indices, bucket) =>
      kind === "cost"
        ? new SizeAwareBatchSampler(indices, (i) => Math.abs(sizes[i] ?? 0) + 1, limit)
        : new BatchSampler(indices, each[bucket] ?? 0, { dropLast: kind === "drop" }),
  });
  return [[...sampler], [...sampler], [...sampler]];
}

function created([sizes, width, count]: readonly [readonly number[], number, number]): unknown {
  const found = createBuckets(sizes, width, count);
  return [[...found.boundaries], [...found.sizes]];
}

type Cell = readonly [values: readonly number[], columns: readonly number[]];
const row = ([values, columns]: Cell) => ({
  data: Float32Array.from(values),
  indices: Uint16Array.from(columns),
});
const csr = ({ data, indices, indptr, shape }: CollatedRows) => [
  [...data],
  [...indices],
  [...indptr],
  shape,
];

type Neighbours = readonly [readonly Cell[], readonly Cell[], readonly (readonly number[])[]];

function neighbors([current, following, at]: Neighbours): unknown {
  const batch = collateNeighborSparseMatrixBatch(
    current.map((cell, k) => ({
      current: row(cell),
      next: row(following[k] ?? [[], []]),
      currentIndex: at[k]?.[0] ?? -1,
      nextIndex: at[k]?.[1] ?? -1,
    })),
  );
  const { currentCells, nextCells, currentCellIndices, nextCellIndices, batchSize } = batch;
  return [csr(currentCells), csr(nextCells), currentCellIndices, nextCellIndices, batchSize];
}

type PaddingCase = readonly [
  readonly (readonly number[])[],
  { padding_value: number; padding_len: number | null; pad_size_divisible_by: number },
];

function padding([sequences, options]: PaddingCase): unknown {
  const { ids, mask, shape } = padTokenIds(sequences, {
    paddingValue: options.padding_value,
    padSizeDivisibleBy: options.pad_size_divisible_by,
    ...(options.padding_len === null ? {} : { paddingLength: options.padding_len }),
  });
  const rows = (array: Int32Array | Uint8Array) =>
    sequences.map((_, i) => [...array.subarray(i * shape[1], (i + 1) * shape[1])]);
  return [rows(ids), rows(mask), shape];
}

function precision([name]: readonly [Precision]): unknown {
  try {
    return getAutocastDtype(name);
  } catch {
    return null;
  }
}

type PicklesCase = readonly [string, readonly string[], string | readonly string[], number | null];

async function pickles([folder, names, suffixes, shards]: PicklesCase): Promise<unknown> {
  await picklesToTars({
    dirInput: folder,
    inputPrefixSubset: names,
    inputSuffix: suffixes,
    dirOutput: `${folder}/ours`,
    outputPrefix: "shard",
    ...(shards === null ? {} : { minNumShards: shards }),
  });
  const found: unknown[] = [];
  for (let shard = 0; ; shard++) {
    const path = `${folder}/ours/shard-${String(shard).padStart(6, "0")}.tar`;
    if (!existsSync(path)) return found;
    const samples: unknown[] = [];
    for await (const { __key__, __url__, ...fields } of new WebDataset([path])) {
      samples.push([__key__, Object.entries(fields).map(([name, value]) => [name, sha256(value)])]);
    }
    found.push(samples);
  }
}

type DataModuleCase = readonly [string, SplitNames, ModuleCase];

async function dataModule([folder, names, options]: DataModuleCase): Promise<unknown> {
  const module = modulePickled(`${folder}/pickles`, names, `${folder}/ours`, options);
  await module.prepareData();
  await module.setup("fit");
  await module.setup("test");
  const found: Record<string, unknown> = {};
  for (const split of ["train", "val", "test"] as const) {
    found[split] = await all(module[`${split}Loader`]()).catch((error: unknown) => {
      if (error instanceof ScdlError && error.code === "too-few-shards") return true;
      throw error;
    });
  }
  await module.close();
  return found;
}

function sha256(value: unknown): string {
  if (!(value instanceof Uint8Array)) throw new Error("a field without decode() is not bytes");
  return createHash("sha256").update(value).digest("hex");
}

export const SAMPLING_KINDS = {
  permute: {
    name: "permute",
    run: ([length, seed, at]: readonly [number, number, readonly number[]]) =>
      at.map((index) => permute(index, length, seed)),
  },
  resampler: { name: "MultiEpochDatasetResampler and the identity wrapper", run: resampler },
  prng: { name: "PRNGResampleDataset", run: prng },
  sizeAware: { name: "SizeAwareBatchSampler", run: sizeAware },
  buckets: { name: "BucketBatchSampler over three epochs", run: buckets },
  createBuckets: { name: "create_buckets", run: created },
  sparse: {
    name: "collate_sparse_matrix_batch",
    run: ([cells]: readonly [readonly Cell[]]) => csr(collateSparseMatrixBatch(cells.map(row))),
  },
  neighbors: { name: "collate_neighbor_sparse_matrix_batch", run: neighbors },
  padding: { name: "pad_token_ids", run: padding },
  precision: { name: "get_autocast_dtype", run: precision },
  pickles: { name: "pickles_to_tars", run: pickles },
  dataModule: { name: "WebDataModule and PickledDataWDS", run: dataModule },
} satisfies Record<string, Kind<never>>;
