import { NotFoundError } from "../../formats/common/errors.ts";
import type { FeatureValue } from "../dataset/feature-column.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { permute } from "../sampling/permute.ts";
import { checkShardFolder, type ShardFolderOptions, writeShardFolder } from "./shard-folder.ts";
import type { ShardWriter, WrittenShard } from "./shard-writer.ts";
import type { WritableSample } from "./tar-writer.ts";

export interface WriteDatasetShardsOptions extends ShardFolderOptions {
  /** "sparse": data.npy and indices.npy of the stored values; "dense": x.npy [nVars]. Default "sparse". */
  readonly layout?: "sparse" | "dense";
  /** obs columns that obs.json of each sample holds. Default none. */
  readonly obs?: readonly string[];
  /** Write the cells in the order that `permute` gives for this seed. Default: as stored. */
  readonly shuffleSeed?: number;
}

export interface WrittenDatasetShards {
  readonly output: string;
  readonly samples: number;
  readonly shards: readonly WrittenShard[];
  /** Names of the fields of every sample. */
  readonly fields: readonly string[];
}

const READ_ROWS = 256;

/**
 * Writes every cell of an SCDL data set as a sample: key = number of its row in ten digits, the
 * values as .npy, obs columns as obs.json. `shards.json` beside the shards names the data set, its
 * genes and the shards. Reads 256 rows at a time.
 * @throws InvalidArgumentError, NotFoundError for the data set or an obs column, StorageError.
 */
export async function writeDatasetShards(
  dataset: string,
  options: WriteDatasetShardsOptions,
): Promise<WrittenDatasetShards> {
  const { output } = options;
  checkShardFolder(options);
  using source = await SingleCellDataset.open(dataset);
  const obs = await loadObs(source, options.obs ?? []);
  const fields = fieldNames(options, obs.size > 0);
  const { nObs, nVars, dtypes } = source;
  const shards = await writeShardFolder(options, {
    prefix: "cells",
    write: (writer) => writeSamples(source, obs, writer, options),
    before: { nObs, nVars, dtypes: { data: dtypes.data, indices: dtypes.indices }, fields },
    after: { genes: await genesOf(source), var: await ensemblOf(source) },
  });
  return { output, samples: nObs, shards, fields };
}

function fieldNames(options: WriteDatasetShardsOptions, hasObs: boolean): string[] {
  const values = options.layout === "dense" ? ["x.npy"] : ["data.npy", "indices.npy"];
  return hasObs ? [...values, "obs.json"] : values;
}

type ObsColumns = ReadonlyMap<string, { at(row: number): FeatureValue }>;

async function loadObs(source: SingleCellDataset, names: readonly string[]): Promise<ObsColumns> {
  const columns = new Map<string, { at(row: number): FeatureValue }>();
  for (const name of names) columns.set(name, await source.obsColumn(name));
  return columns;
}

async function writeSamples(
  source: SingleCellDataset,
  obs: ObsColumns,
  writer: ShardWriter,
  options: WriteDatasetShardsOptions,
): Promise<void> {
  const { nObs } = source;
  const { shuffleSeed, signal, onProgress } = options;
  const rowAt = (i: number) =>
    shuffleSeed === undefined || nObs < 2 ? i : permute(i, nObs, shuffleSeed);
  for (let begin = 0; begin < nObs; begin += READ_ROWS) {
    signal?.throwIfAborted();
    const count = Math.min(READ_ROWS, nObs - begin);
    const rows = Float64Array.from({ length: count }, (_, i) => rowAt(begin + i));
    const values = options.layout === "dense" ? denseValues(source) : sparseValues(source, rows);
    for (let i = 0; i < count; i++) {
      const row = rows[i] as number;
      await writer.write(sampleOf(row, values(i, row), obs));
    }
    onProgress?.({ samples: begin + count, total: nObs });
  }
}

type Values = (i: number, row: number) => Record<string, ArrayBufferView>;

function denseValues(source: SingleCellDataset): Values {
  return (_, row) => ({ "x.npy": source.rowDense(row) });
}

function sparseValues(source: SingleCellDataset, rows: Float64Array): Values {
  const { data, indices, indptr } = source.rows(rows);
  return (i) => {
    const [begin, end] = [indptr[i] as number, indptr[i + 1] as number];
    return { "data.npy": data.subarray(begin, end), "indices.npy": indices.subarray(begin, end) };
  };
}

function sampleOf(
  row: number,
  values: Readonly<Record<string, ArrayBufferView>>,
  obs: ObsColumns,
): WritableSample {
  const sample: Record<string, unknown> = {};
  for (const [field, array] of Object.entries(values)) {
    // A Uint8Array alone would be taken for the bytes of a file.
    sample[field] =
      array instanceof Uint8Array ? { dtype: "uint8", shape: [array.length], data: array } : array;
  }
  if (obs.size > 0) {
    const entries = Array.from(obs, ([name, column]) => [name, jsonOf(column.at(row))] as const);
    sample["obs.json"] = Object.fromEntries(entries);
  }
  return { __key__: String(row).padStart(10, "0"), ...sample };
}

/** JSON has no bigint beyond 2^53 that other readers keep, and no NaN. */
function jsonOf(value: FeatureValue): string | number | boolean | null {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}

/** Names of the genes by column; null when the data set does not keep them, or has several lists. */
async function genesOf(source: SingleCellDataset): Promise<readonly string[] | null> {
  if (source.varBlocks.length !== 1) return null;
  try {
    return await source.varIds();
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}

/** Columns that hold Ensembl ids, for training on the shards. */
async function ensemblOf(source: SingleCellDataset): Promise<Record<string, readonly string[]>> {
  if (source.varBlocks.length !== 1) return {};
  const table = await source.var();
  const names = ["feature_id", "ensembl_id"].filter((name) => table.getChild(name) !== null);
  return Object.fromEntries(
    names.map((name) => [name, Array.from(table.getChild(name) ?? [], String)] as const),
  );
}
