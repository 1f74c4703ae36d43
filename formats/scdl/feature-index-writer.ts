/**
 * Writes `var_features/` or `obs_features/`: one parquet file per block, block boundaries, labels.
 *
 * Blocks come in row order; the caller decides what is one block (see `unifiedType` for columns
 * that differ). The original merges consecutive blocks with equal var tables, and obs tables with
 * equal column names.
 */
import { renameSync } from "node:fs";
import { join } from "node:path";
import type { RecordBatch, Schema } from "apache-arrow";
import { InvalidArgumentError } from "../common/errors.ts";
import { makeDirectories } from "../common/make-directories.ts";
import { type FileDigest, writeSmallFile } from "../common/output-file.ts";
import { pythonJson } from "../common/python-json.ts";
import { encodeInt64Npy, encodeTextNpy, encodeTextScalarNpy } from "../npy/npy.ts";
import { ParquetWriter } from "../parquet/parquet-writer.ts";
import {
  blockFiles,
  CUMULATIVE_FILE,
  INDEX_VERSION_FILE,
  LABELS_FILE,
  LEGACY_LABELS_FILE,
} from "./layout.ts";

export interface BlockOptions {
  /** Where the rows came from, e.g. the path of the h5ad file. */
  readonly label: string | null;
  /** Matrix rows the block covers; for obs also the number of table rows. */
  readonly nRows: number;
  /** Columns to write and their types; categories are stored as plain values. */
  readonly schema: Schema;
}

export interface WrittenFeatureIndex {
  readonly nRows: number;
  /** File names inside the directory, in the order `header.sch` lists them. */
  readonly files: readonly string[];
  readonly digests: ReadonlyMap<string, FileDigest>;
}

interface Block {
  readonly label: string | null;
  nRows: number;
  readonly path: string;
  readonly digest: FileDigest;
}

export class FeatureIndexWriter {
  readonly kind: "var" | "obs";
  readonly #directory: string;
  readonly #blocks: Block[] = [];
  #open: { readonly writer: ParquetWriter; readonly options: BlockOptions } | undefined;

  /** Creates the directory. */
  constructor(directory: string, kind: "var" | "obs") {
    this.#directory = directory;
    this.kind = kind;
    makeDirectories(directory);
  }

  /** Matrix rows covered by finished blocks. */
  get nRows(): number {
    return this.#blocks.reduce((sum, block) => sum + block.nRows, 0);
  }

  get nBlocks(): number {
    return this.#blocks.length;
  }

  beginBlock(options: BlockOptions): void {
    if (this.#open !== undefined) throw new TypeError("the last block has not ended");
    if (!Number.isSafeInteger(options.nRows) || options.nRows < 0) {
      throw new InvalidArgumentError("nRows", options.nRows, "nRows is not a count");
    }
    // The final name depends on the number of blocks.
    const path = join(this.#directory, `block-${this.#blocks.length}.partial`);
    this.#open = { writer: ParquetWriter.create(path, options.schema), options };
  }

  /** Appends rows of the block's table; columns are found by name. */
  async write(batch: RecordBatch): Promise<void> {
    if (this.#open === undefined) throw new TypeError("no block has begun");
    await this.#open.writer.write(batch);
  }

  async endBlock(): Promise<void> {
    if (this.#open === undefined) throw new TypeError("no block has begun");
    const { writer, options } = this.#open;
    const columns = writer.schema.fields.length;
    if (this.kind === "obs" && columns > 0 && writer.rowCount !== options.nRows) {
      throw new InvalidArgumentError(
        "nRows",
        options.nRows,
        `expected ${options.nRows} rows of obs, found ${writer.rowCount}`,
      );
    }
    const digest = await writer.finish();
    const { label, nRows } = options;
    this.#blocks.push({ label, nRows, path: writer.path, digest });
    this.#open = undefined;
  }

  /** Lets the last var block cover `nRows` more rows: the next rows have the same var table. */
  extendLastBlock(nRows: number): void {
    const last = this.#blocks.at(-1);
    if (last === undefined || this.kind === "obs") throw new TypeError("no var block to extend");
    last.nRows += nRows;
  }

  /** Gives the parquet files their names and writes the side files. */
  finish(version: string): WrittenFeatureIndex {
    if (this.#open !== undefined) throw new TypeError("the last block has not ended");
    const digests = new Map<string, FileDigest>();
    const names = blockFiles(this.#blocks.length);
    this.#blocks.forEach((block, i) => {
      const name = names[i] as string; // one name per block
      renameSync(block.path, join(this.#directory, name));
      digests.set(name, block.digest);
    });
    let rows = 0;
    const cumulative = [-1, ...this.#blocks.map((block) => (rows += block.nRows))];
    const labels = this.#blocks.map((block) => block.label);
    const small: [string, Uint8Array][] = [
      [CUMULATIVE_FILE, encodeInt64Npy(cumulative)],
      [LABELS_FILE, Buffer.from(pythonJson(labels))],
      // For bionemo-scdl from PyPI, which knows no labels.json. Text, not pickle: null becomes "".
      [LEGACY_LABELS_FILE, encodeTextNpy(labels.map((label) => label ?? ""))],
      [INDEX_VERSION_FILE, encodeTextScalarNpy(version)],
    ];
    for (const [name, bytes] of small) {
      digests.set(name, writeSmallFile(join(this.#directory, name), bytes));
    }
    const files = [CUMULATIVE_FILE, LABELS_FILE, INDEX_VERSION_FILE, ...names];
    return { nRows: rows, files, digests };
  }

  /** Closes an unfinished block; the caller removes the directory. */
  abort(): void {
    this.#open?.writer.abort();
    this.#open = undefined;
  }
}
