import { SpillableBytes } from "../../formats/bytes/spillable-bytes.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { type ClusterBlock, countOf } from "./cluster-block.ts";
import { type ClusterSplit, clusterParquetBlocks, openClusterParquet } from "./cluster-parquet.ts";

export interface ClusterTableOptions {
  /**
   * Default "train": lists of names in column `ur90_id`. "validation": one name a row in column
   * `ur50_id`, each a cluster of its own.
   */
  readonly split?: ClusterSplit;
  /** Names kept in memory; of longer tables all names go to a temporary file. Default 256 MiB. */
  readonly memoryBytes?: number;
  /** Where that file is made. Default the system's temporary directory. */
  readonly temporaryDirectory?: string;
  readonly signal?: AbortSignal;
  /** Called after each row group. */
  readonly onProgress?: (progress: { readonly clusters: number; readonly total: number }) => void;
}

const DEFAULT_MEMORY_BYTES = 256 << 20;
const NUMBER_BYTES = 8;

/**
 * The clusters of a parquet table: the names of their members, in the order of the table.
 *
 * The table is read once by row groups. Of UniRef's 65 million clusters nothing stays in memory but
 * one row group: names and offsets lie in a temporary file that is gone when the process ends.
 */
export class ClusterTable implements Disposable {
  readonly path: string;
  /** Clusters. */
  readonly length: number;
  /** Members of all clusters. */
  readonly members: number;
  readonly #texts: SpillableBytes;
  /** float64: where the text of member i begins, and one more. */
  readonly #textBegins: SpillableBytes;
  /** float64: the first member of cluster i, and one more. */
  readonly #begins: SpillableBytes;
  readonly #pair = new Float64Array(2);
  readonly #pairBytes = new Uint8Array(this.#pair.buffer);

  private constructor(path: string, builder: TableBuilder) {
    this.path = path;
    this.length = builder.clusters;
    this.members = builder.members;
    this.#texts = builder.texts;
    this.#textBegins = builder.textBegins;
    this.#begins = builder.begins;
  }

  /**
   * @throws NotFoundError no such file, or not the column; FormatError not parquet, or nulls;
   *   StorageError; the signal's reason
   */
  static async read(path: string, options: ClusterTableOptions = {}): Promise<ClusterTable> {
    const { split = "train", signal, onProgress } = options;
    const file = openClusterParquet(path, split);
    const builder = new TableBuilder(options);
    try {
      for await (const block of clusterParquetBlocks(file, split)) {
        signal?.throwIfAborted();
        builder.add(block);
        onProgress?.({ clusters: builder.clusters, total: file.rowCount });
      }
      return new ClusterTable(path, builder);
    } catch (error) {
      builder[Symbol.dispose]();
      throw error;
    }
  }

  /** Members of a cluster. @throws InvalidArgumentError no such cluster */
  size(cluster: number): number {
    this.#range(cluster);
    return (this.#pair[1] ?? 0) - (this.#pair[0] ?? 0);
  }

  /** The name of member k. @throws InvalidArgumentError no such cluster or member */
  memberId(cluster: number, k: number): string {
    const size = this.size(cluster);
    if (!(Number.isInteger(k) && k >= 0 && k < size)) {
      throw new InvalidArgumentError(
        "k",
        k,
        `cluster ${cluster} has ${size} members, expected one of 0 to ${size - 1}, found ${k}`,
      );
    }
    const member = (this.#pair[0] ?? 0) + k;
    this.#textBegins.readInto(NUMBER_BYTES * member, this.#pairBytes);
    const [begin = 0, end = 0] = this.#pair;
    const text = Buffer.allocUnsafe(end - begin);
    this.#texts.readInto(begin, text);
    return text.toString();
  }

  close(): void {
    for (const part of [this.#texts, this.#textBegins, this.#begins]) part[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #range(cluster: number): void {
    if (!(Number.isInteger(cluster) && cluster >= 0 && cluster < this.length)) {
      throw new InvalidArgumentError(
        "cluster",
        cluster,
        `${this.path}: expected a cluster of 0 to ${this.length - 1}, found ${cluster}`,
      );
    }
    this.#begins.readInto(NUMBER_BYTES * cluster, this.#pairBytes);
  }
}

class TableBuilder implements Disposable {
  readonly texts: SpillableBytes;
  readonly textBegins: SpillableBytes;
  readonly begins: SpillableBytes;
  clusters = 0;
  members = 0;

  constructor({ memoryBytes = DEFAULT_MEMORY_BYTES, temporaryDirectory }: ClusterTableOptions) {
    const part = (share: number) =>
      new SpillableBytes({
        memoryBytes: Math.floor(memoryBytes * share),
        ...(temporaryDirectory === undefined ? {} : { directory: temporaryDirectory }),
      });
    this.texts = part(0.6);
    this.textBegins = part(0.25);
    this.begins = part(0.15);
    const zero = new Uint8Array(NUMBER_BYTES);
    this.textBegins.append(zero);
    this.begins.append(zero);
  }

  add({ offsets, members }: ClusterBlock): void {
    const first = members.offsets[0] ?? 0;
    const last = members.offsets[countOf(members)] ?? first;
    const textsBegin = this.texts.byteLength - first;
    this.textBegins.append(shifted(members.offsets, textsBegin));
    this.texts.append(members.bytes.subarray(first, last));
    this.begins.append(shifted(offsets, this.members));
    this.clusters += offsets.length - 1;
    this.members += countOf(members);
  }

  [Symbol.dispose](): void {
    for (const part of [this.texts, this.textBegins, this.begins]) part[Symbol.dispose]();
  }
}

/** All offsets but the first, moved by `base`, as the bytes of float64 values. */
function shifted(offsets: Int32Array, base: number): Uint8Array {
  const numbers = Float64Array.from(offsets.subarray(1), (offset) => base + offset);
  return new Uint8Array(numbers.buffer);
}
