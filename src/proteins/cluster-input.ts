/** Cluster tables of every kind that `scdl proteins build` takes, as clusters in order. */
import { DataType } from "apache-arrow";
import { FileSource } from "../../formats/bytes/file-source.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import { countOf, type TextColumn } from "./cluster-block.ts";
import { clustersOfPairs, type Pair } from "./cluster-pairs.ts";
import {
  type ClusterSplit,
  clusterParquetBlocks,
  openClusterParquet,
  TRAIN_COLUMN,
  VALIDATION_COLUMN,
} from "./cluster-parquet.ts";
import { tsvPairs } from "./cluster-tsv.ts";
import type { NamedCluster } from "./named-cluster.ts";

export interface ClusterInput {
  readonly path: string;
  /** What a parquet table of these clusters is: "validation" when it has names of clusters only. */
  readonly split: ClusterSplit;
  /** Whether clusters have names. */
  readonly hasIds: boolean;
  clusters(signal?: AbortSignal): AsyncGenerator<readonly NamedCluster[]>;
}

/**
 * A parquet table with lists (`ur90_id`), with a pair a row (`ur50_id`, `ur90_id`), or with names
 * only (`ur50_id`); or text with `cluster<TAB>member` lines, plain or compressed.
 *
 * @throws NotFoundError, FormatError
 */
export async function openClusterInput(path: string): Promise<ClusterInput> {
  if (!isParquet(path)) {
    const clusters = (signal?: AbortSignal) => clustersOfPairs(path, tsvPairs(path, signal));
    return { path, split: "train", hasIds: true, clusters };
  }
  const columns = ParquetFile.open(path).columns;
  const hasIds = columns.includes(VALIDATION_COLUMN);
  const split = hasIds && !columns.includes(TRAIN_COLUMN) ? "validation" : "train";
  const file = openClusterParquet(path, split);
  const member = (await file.schema()).fields.find(({ name }) => name === TRAIN_COLUMN);
  const isPairs = hasIds && member !== undefined && DataType.isUtf8(member.type);
  const clusters = (signal?: AbortSignal) =>
    isPairs ? clustersOfPairs(path, parquetPairs(file, signal)) : lists(file, split, signal);
  return { path, split, hasIds, clusters };
}

function isParquet(path: string): boolean {
  using file = FileSource.open(path);
  const magic = new Uint8Array(4);
  if (file.byteLength >= 4) file.readInto(0, magic);
  return Buffer.from(magic).toString("latin1") === "PAR1";
}

async function* lists(
  file: ParquetFile,
  split: ClusterSplit,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly NamedCluster[]> {
  for await (const { ids, offsets, members } of clusterParquetBlocks(file, split)) {
    signal?.throwIfAborted();
    const names = texts(members);
    const own = ids === null ? null : texts(ids);
    const clusters: NamedCluster[] = [];
    for (let i = 0; i + 1 < offsets.length; i++) {
      clusters.push({ id: own?.[i] ?? null, members: names.slice(offsets[i], offsets[i + 1]) });
    }
    yield clusters;
  }
}

async function* parquetPairs(
  file: ParquetFile,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly Pair[]> {
  let row = 0;
  for await (const batch of file.batches({ columns: [VALIDATION_COLUMN, TRAIN_COLUMN] })) {
    signal?.throwIfAborted();
    const pairs: Pair[] = [];
    const clusters = batch.getChildAt<DataType>(0);
    const members = batch.getChildAt<DataType>(1);
    for (let i = 0; i < batch.numRows; i++) {
      const [cluster, member]: unknown[] = [clusters?.get(i), members?.get(i)];
      const place = `row ${row + i}`;
      pairs.push({
        cluster: typeof cluster === "string" ? cluster : "",
        member: typeof member === "string" ? member : "",
        place,
      });
    }
    row += batch.numRows;
    yield pairs;
  }
}

function texts(column: TextColumn): string[] {
  const { bytes, offsets } = column;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: countOf(column) }, (_, i) =>
    buffer.toString("utf8", offsets[i], offsets[i + 1]),
  );
}
