/**
 * The obs or var tables of a data set: consecutive blocks of matrix rows, one parquet file each.
 *
 * An obs block has one table row per matrix row; a var block has one table row per column of its
 * matrix rows.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { RecordBatch, Schema, Table } from "apache-arrow";
import { FormatError, InvalidArgumentError } from "../common/errors.ts";
import { decodeNpy } from "../npy/npy.ts";
import { ParquetFile, type RangeOptions, type ReadOptions } from "../parquet/parquet-file.ts";
import { namesIn } from "./directory-swap.ts";
import type { ScdlHeader } from "./header.ts";
import { blockFiles, CUMULATIVE_FILE, LABELS_FILE, LEGACY_LABELS_FILE } from "./layout.ts";
import { readSmallFile, readSmallText } from "./small-files.ts";

export interface OpenIndexOptions {
  readonly kind: "var" | "obs";
  /** Names the parquet files when it lists this index. */
  readonly header: ScdlHeader | null;
  readonly onWarning: (message: string) => void;
}

export class FeatureIndex {
  readonly kind: "var" | "obs";
  /** The directory. */
  readonly path: string;
  /** Row boundaries: block b covers rows [cumulative[b], cumulative[b + 1]). */
  readonly cumulative: readonly number[];
  readonly labels: readonly (string | null)[];
  /** Parquet file names inside the directory, in block order. */
  readonly files: readonly string[];
  readonly #open = new Map<number, ParquetFile>();

  private constructor(
    kind: "var" | "obs",
    path: string,
    cumulative: readonly number[],
    labels: readonly (string | null)[],
    files: readonly string[],
  ) {
    this.kind = kind;
    this.path = path;
    this.cumulative = cumulative;
    this.labels = labels;
    this.files = files;
  }

  /**
   * Reads the side files and finds the parquet files; reads none of them.
   *
   * @returns null for an index without blocks.
   */
  static open(path: string, options: OpenIndexOptions): FeatureIndex | null {
    const cumulative = readCumulative(join(path, CUMULATIVE_FILE));
    const blocks = cumulative.length - 1;
    const files = findBlockFiles(path, blocks, options);
    if (blocks === 0) return null;
    const labels = readLabels(path, blocks, options.onWarning);
    return new FeatureIndex(options.kind, path, cumulative, labels, files);
  }

  get nBlocks(): number {
    return this.files.length;
  }

  /** Matrix rows covered. */
  get nRows(): number {
    return this.cumulative.at(-1) ?? 0;
  }

  /** The block of a matrix row. */
  blockOf(row: number): number {
    if (!Number.isInteger(row) || row < 0 || row >= this.nRows) {
      throw new InvalidArgumentError("row", row, `row ${row} is not one of 0 to ${this.nRows - 1}`);
    }
    let low = 0;
    let high = this.nBlocks - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.cumulative[middle + 1] ?? 0) > row) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Rows of the block's table, from the parquet footer: for var the number of columns. */
  tableRows(block: number): number {
    return this.file(block).rowCount;
  }

  /** Names of the block's columns, from the parquet footer. */
  columns(block: number): readonly string[] {
    return this.file(block).columns;
  }

  /** Arrow types of the block's columns; text is Utf8. */
  schema(block: number): Promise<Schema> {
    return this.file(block).schema();
  }

  /** Rows [begin, end) of the block's table, by default all, and the columns asked for. */
  table(block: number, options: RangeOptions = {}): Promise<Table> {
    return this.file(block).table(options);
  }

  /** The block's table in pieces of bounded size. */
  batches(block: number, options: ReadOptions = {}): AsyncGenerator<RecordBatch> {
    return this.file(block).batches(options);
  }

  /** The parquet file of a block, its footer read and checked once. */
  file(block: number): ParquetFile {
    const name = this.files[block];
    if (name === undefined) {
      throw new InvalidArgumentError(
        "block",
        block,
        `block ${block} is not one of 0 to ${this.nBlocks - 1}`,
      );
    }
    const file = this.#open.get(block) ?? ParquetFile.open(join(this.path, name));
    this.#open.set(block, file);
    return file;
  }
}

/** Block boundaries from 0; the file starts with -1. */
function readCumulative(path: string): number[] {
  const content = decodeNpy(readSmallFile(path), path);
  const [first, ...rest] = content.kind === "integers" ? content.values : [];
  if (first !== -1) {
    throw new FormatError("bad-cumulative", `expected integers that begin with -1`, { path });
  }
  const boundaries = [0, ...rest];
  for (let i = 1; i < boundaries.length; i++) {
    const [before = 0, after = 0] = [boundaries[i - 1], boundaries[i]];
    if (after < before) {
      throw new FormatError(
        "bad-cumulative",
        `expected boundaries that do not go down, found ${before} then ${after}`,
        { path },
      );
    }
  }
  return boundaries;
}

/**
 * The parquet files of the blocks. The original never removes old files, so there may be more than
 * blocks: the header's list decides, else the names that the number of blocks implies.
 */
function findBlockFiles(path: string, blocks: number, options: OpenIndexOptions): string[] {
  const present = listParquet(path);
  const chosen =
    listedInHeader(options.header, path, blocks, present) ??
    completeSet(blockFiles(blocks), present) ??
    (present.length === blocks ? present : undefined);
  if (chosen === undefined) {
    throw new FormatError(
      "missing-block",
      `expected ${blocks} parquet files (${blockFiles(blocks).slice(0, 2).join(", ")}${blocks > 2 ? ", ..." : ""}), found ${present.length}`,
      { path, suggestions: ["convert the source files again"] },
    );
  }
  const stale = present.filter((name) => !chosen.includes(name));
  if (stale.length > 0) {
    options.onWarning(
      `${path}: ignored ${stale.length} parquet files of an earlier save (${stale.slice(0, 3).join(", ")})`,
    );
  }
  return chosen;
}

function listParquet(path: string): string[] {
  return namesIn(path)
    .filter((name) => name.endsWith(".parquet"))
    .sort((a, b) => (a < b ? -1 : 1));
}

function listedInHeader(
  header: ScdlHeader | null,
  path: string,
  blocks: number,
  present: readonly string[],
): string[] | undefined {
  const directory = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  const files = header?.featureIndexes.find((index) => index.name === directory)?.files ?? [];
  const names = files
    .filter((file) => file.startsWith(`${directory}/`) && file.endsWith(".parquet"))
    .map((file) => file.slice(directory.length + 1));
  return names.length === blocks ? completeSet(names, present) : undefined;
}

function completeSet(names: readonly string[], present: readonly string[]): string[] | undefined {
  return names.every((name) => present.includes(name)) ? [...names] : undefined;
}

function readLabels(
  path: string,
  blocks: number,
  onWarning: (message: string) => void,
): (string | null)[] {
  const without = Array.from({ length: blocks }, () => null);
  for (const name of [LABELS_FILE, LEGACY_LABELS_FILE]) {
    const file = join(path, name);
    if (!existsSync(file)) continue;
    try {
      const labels = name === LABELS_FILE ? jsonLabels(file) : npyLabels(file);
      if (labels.length === blocks) return labels;
      onWarning(`${file}: expected ${blocks} labels, found ${labels.length}; left out`);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      onWarning(`${error.message}; labels left out`);
    }
  }
  if (!existsSync(join(path, LABELS_FILE)) && !existsSync(join(path, LEGACY_LABELS_FILE))) {
    onWarning(`${path}: no ${LABELS_FILE}; labels left out`);
  }
  return without;
}

function jsonLabels(file: string): (string | null)[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readSmallText(file));
  } catch (cause) {
    if (cause instanceof SyntaxError) {
      throw new FormatError("bad-json", "expected JSON", { path: file, cause });
    }
    throw cause;
  }
  const isLabel = (value: unknown) => value === null || typeof value === "string";
  if (!Array.isArray(parsed) || !parsed.every(isLabel)) {
    throw new FormatError("bad-labels", "expected a list of texts and nulls", { path: file });
  }
  return parsed;
}

function npyLabels(file: string): (string | null)[] {
  const content = decodeNpy(readSmallFile(file), file);
  if (content.kind === "text") return content.values.map((text) => (text === "" ? null : text));
  if (content.kind === "empty") return [];
  const found = content.kind === "pickle" ? "a pickle, which is never loaded" : "integers";
  throw new FormatError("bad-labels", `expected text, found ${found}`, { path: file });
}
