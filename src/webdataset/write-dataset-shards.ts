import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError, NotFoundError, StorageError } from "../../formats/common/errors.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import { pythonJson } from "../../formats/common/python-json.ts";
import {
  createTemporary,
  outputTarget,
  replaceDirectory,
  sweepLeftovers,
} from "../../formats/scdl/directory-swap.ts";
import type { Compression } from "../../formats/tar/output-sink.ts";
import type { FeatureValue } from "../dataset/feature-column.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { permute } from "../sampling/permute.ts";
import { ShardWriter, type WrittenShard } from "./shard-writer.ts";
import type { WritableSample } from "./tar-writer.ts";

export interface WriteDatasetShardsOptions {
  /** Folder of the shards; it appears when all are written. */
  readonly output: string;
  readonly samplesPerShard: number;
  /** Shards are `<prefix>-000000.tar`. Default "cells". */
  readonly prefix?: string;
  /** "sparse": data.npy and indices.npy of the stored values; "dense": x.npy [nVars]. Default "sparse". */
  readonly layout?: "sparse" | "dense";
  /** obs columns that obs.json of each sample holds. Default none. */
  readonly obs?: readonly string[];
  /** Write the cells in the order that `permute` gives for this seed. Default: as stored. */
  readonly shuffleSeed?: number;
  readonly compress?: Compression | null;
  /** Replace a folder of shards. Default false. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly samples: number; readonly total: number }) => void;
  readonly onWarning?: (message: string) => void;
}

export interface WrittenDatasetShards {
  readonly output: string;
  readonly samples: number;
  readonly shards: readonly WrittenShard[];
  /** Names of the fields of every sample. */
  readonly fields: readonly string[];
}

/** Describes the shards, in their folder. */
export const MANIFEST_FILE = "shards.json";
const READ_ROWS = 256;
const OURS = /^[^/]+-\d{6}\.tar(\.gz|\.zst)?(\.index)?$/;

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
  const { output, samplesPerShard, prefix = "cells", overwrite = false } = options;
  if (!(Number.isSafeInteger(samplesPerShard) && samplesPerShard >= 1)) {
    const message = `samplesPerShard: expected 1 or more, found ${samplesPerShard}`;
    throw new InvalidArgumentError("samplesPerShard", samplesPerShard, message);
  }
  if (!/^[\w.-]+$/.test(prefix)) {
    const message = `prefix: expected letters, digits, "_", "." and "-", found "${prefix}"`;
    throw new InvalidArgumentError("prefix", prefix, message);
  }
  const target = outputTarget(output);
  checkOutput(output, overwrite);
  using source = await SingleCellDataset.open(dataset);
  const obs = await loadObs(source, options.obs ?? []);
  const fields = fieldNames(options, obs.size > 0);
  sweepLeftovers(target, options.onWarning ?? (() => {}));
  const temporary = createTemporary(target);
  try {
    const extension = { gzip: ".gz", zstd: ".zst", none: "" }[options.compress ?? "none"];
    await using writer = ShardWriter.create(join(temporary, `${prefix}-%06d.tar${extension}`), {
      maxCount: samplesPerShard,
      maxSize: Number.POSITIVE_INFINITY,
    });
    await writeSamples(source, obs, writer, options);
    const shards = (await writer.close()).map((shard) => ({
      ...shard,
      path: join(output, shard.path.slice(temporary.length + 1)),
    }));
    await writeManifest(source, temporary, shards, fields);
    checkOutput(output, overwrite);
    replaceDirectory(temporary, target);
    return { output, samples: source.nObs, shards, fields };
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
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

async function writeManifest(
  source: SingleCellDataset,
  folder: string,
  shards: readonly WrittenShard[],
  fields: readonly string[],
): Promise<void> {
  const manifest = {
    format: "scdl-shards",
    version: 1,
    nObs: source.nObs,
    nVars: source.nVars,
    dtypes: { data: source.dtypes.data, indices: source.dtypes.indices },
    fields: [...fields],
    shards: shards.map(({ path, samples, dataBytes }) => ({
      name: path.slice(path.lastIndexOf("/") + 1),
      samples,
      dataBytes,
    })),
    genes: await genesOf(source),
  };
  const text = `${pythonJson(manifest)}\n`;
  writeSmallFile(join(folder, MANIFEST_FILE), Buffer.from(text));
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

function checkOutput(output: string, overwrite: boolean): void {
  if (!existsSync(output)) return;
  const refuse = (message: string, suggestion: string): never => {
    throw new StorageError("already-exists", message, { path: output, suggestions: [suggestion] });
  };
  if (!overwrite) {
    refuse("already exists", "choose another name, or ask to overwrite (--overwrite)");
  }
  const foreign = readdirSync(output).filter((name) => name !== MANIFEST_FILE && !OURS.test(name));
  if (foreign.length > 0) {
    refuse(
      `holds files that are no shards (${foreign.slice(0, 3).join(", ")}), will not be replaced`,
      "move them elsewhere, or choose another name",
    );
  }
}
