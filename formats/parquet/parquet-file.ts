/**
 * A parquet file read by row groups and columns, in memory bounded by one row group of the columns
 * asked for.
 *
 * The footer is read and checked here; the pages of one row group are copied into a miniature
 * parquet file of their own, which parquet-wasm decodes. The file is opened for each read and no
 * descriptor is kept, so each read first makes sure that the path still names the file whose footer
 * was read: one replaced by rename fails with StorageError "file-changed".
 */
import {
  type RecordBatch,
  RecordBatchReader,
  type Schema,
  Table,
  tableFromIPC,
} from "apache-arrow";
import { changedError } from "../bytes/byte-source.ts";
import { FileSource } from "../bytes/file-source.ts";
import { FormatError, InvalidArgumentError, NotFoundError } from "../common/errors.ts";
import {
  type Footer,
  footerLength,
  miniatureFooter,
  PARQUET_MAGIC,
  parseFooter,
  SMALLEST_FILE,
  sealed,
  TAIL_BYTES,
} from "./footer.ts";
import { withParquet } from "./wasm.ts";

export interface ReadOptions {
  /** Columns wanted, in this order. Default all, in file order. */
  readonly columns?: readonly string[];
}

export interface RangeOptions extends ReadOptions {
  /** First row. Default 0. */
  readonly begin?: number;
  /** Row after the last. Default the number of rows. */
  readonly end?: number;
}

/** Row groups whose pages decode to more than this are handed out in several batches. */
const BATCH_BYTES = 64 << 20;
/** The decoder reserves memory for this many rows, whatever a footer claims. */
const MAX_BATCH_ROWS = 1 << 20;
/** More than this in one row group and column selection is refused: wasm memory ends at 4 GiB. */
const MAX_ROW_GROUP_BYTES = 1 << 30;

export class ParquetFile {
  readonly path: string;
  readonly rowCount: number;
  readonly columns: readonly string[];
  readonly #footer: Footer;
  readonly #fileBytes: number;
  readonly #identity: string;
  #schema: Schema | undefined;

  private constructor(file: FileSource, footer: Footer) {
    this.path = file.path;
    this.rowCount = footer.rowCount;
    this.columns = footer.columns;
    this.#fileBytes = file.byteLength;
    this.#identity = file.identity;
    this.#footer = footer;
  }

  /** Reads and checks the footer; no pages. */
  static open(path: string): ParquetFile {
    using file = FileSource.open(path);
    const fileBytes = file.byteLength;
    if (fileBytes < SMALLEST_FILE) {
      throw new FormatError(
        "truncated",
        `expected a parquet file of at least ${SMALLEST_FILE} bytes, found ${fileBytes}`,
        { path },
      );
    }
    const tail = file.read(fileBytes - TAIL_BYTES, TAIL_BYTES);
    const length = footerLength(tail, fileBytes, path);
    const bytes = file.read(fileBytes - TAIL_BYTES - length, length);
    return new ParquetFile(file, parseFooter(bytes, fileBytes, path));
  }

  /** Row counts of the row groups, in order. */
  get rowGroups(): readonly number[] {
    return this.#footer.rowGroups.map((group) => group.rowCount);
  }

  /** Arrow types as the parquet types imply them; text is Utf8. */
  async schema(): Promise<Schema> {
    this.#schema ??= await withParquet(this.path, (parquet) => {
      const all = new Map(this.#footer.leaves.map((_, leaf) => [leaf, 0]));
      const tail = sealed(miniatureFooter(this.#footer, undefined, all));
      const bytes = parquet.readSchema(withMagic(tail, 0)).intoIPCStream();
      return decodeIpc(bytes, this.path).schema;
    });
    return this.#schema;
  }

  /** Rows [begin, end) of the columns asked for. */
  async table(options: RangeOptions = {}): Promise<Table> {
    const { begin = 0, end = this.rowCount } = options;
    if (!(Number.isInteger(begin) && Number.isInteger(end) && 0 <= begin && begin <= end)) {
      throw new InvalidArgumentError("begin", begin, `rows [${begin}, ${end}) are not a range`);
    }
    if (end > this.rowCount) {
      throw new InvalidArgumentError(
        "end",
        end,
        `${this.path}: row ${end} is past the end, there are ${this.rowCount} rows`,
      );
    }
    const batches: RecordBatch[] = [];
    for (let i = 0; i < this.#footer.rowGroups.length; i++) {
      const { rowBegin, rowCount } = this.#group(i);
      if (rowBegin >= end || rowBegin + rowCount <= begin || rowCount === 0) continue;
      for (const batch of await this.#read(i, options.columns)) batches.push(batch);
    }
    const first = this.#footer.rowGroups.find(
      (group) => group.rowCount > 0 && group.rowBegin + group.rowCount > begin,
    );
    if (batches.length === 0 || first === undefined) return this.#emptyTable(options.columns);
    return new Table(batches).slice(begin - first.rowBegin, end - first.rowBegin);
  }

  /** All rows, a row group or less at a time. */
  async *batches(options: ReadOptions = {}): AsyncGenerator<RecordBatch> {
    for (let i = 0; i < this.#footer.rowGroups.length; i++) {
      const { rowCount } = this.#group(i);
      if (rowCount === 0) continue;
      const parts = Math.min(
        rowCount,
        Math.ceil(this.#decodedBytes(i, options.columns) / BATCH_BYTES),
      );
      const step = Math.ceil(rowCount / Math.max(1, parts));
      for (let offset = 0; offset < rowCount; offset += step) {
        const range = parts <= 1 ? undefined : { offset, limit: Math.min(step, rowCount - offset) };
        yield* await this.#read(i, options.columns, range);
      }
    }
  }

  async #emptyTable(columns: readonly string[] | undefined): Promise<Table> {
    const wanted = this.#wanted(columns);
    const schema = await this.schema();
    return new Table(schema.select(wanted));
  }

  #group(i: number) {
    const group = this.#footer.rowGroups[i];
    if (group === undefined) throw new InvalidArgumentError("rowGroup", i, `no row group ${i}`);
    return group;
  }

  #wanted(columns: readonly string[] | undefined): string[] {
    if (columns === undefined) return [...this.columns];
    for (const name of columns) {
      if (!this.columns.includes(name)) {
        throw new NotFoundError(
          "no-such-column",
          `${this.path}: no column ${JSON.stringify(name)}`,
          {
            what: name,
            available: this.columns,
          },
        );
      }
    }
    return [...columns];
  }

  #decodedBytes(i: number, columns: readonly string[] | undefined): number {
    const wanted = new Set(this.#wanted(columns));
    const { chunks } = this.#group(i);
    let total = 0;
    this.#footer.leaves.forEach((column, leaf) => {
      if (wanted.has(this.columns[column] ?? "")) total += chunks[leaf]?.uncompressedBytes ?? 0;
    });
    return total;
  }

  async #read(
    i: number,
    columns: readonly string[] | undefined,
    range?: { readonly offset: number; readonly limit: number },
  ): Promise<readonly RecordBatch[]> {
    const wanted = this.#wanted(columns);
    if (this.#decodedBytes(i, columns) > MAX_ROW_GROUP_BYTES) {
      throw new FormatError(
        "row-group-too-large",
        `row group ${i} decodes to more than ${MAX_ROW_GROUP_BYTES} bytes`,
        { path: this.path, suggestions: ["ask for fewer columns at a time"] },
      );
    }
    const miniature = this.#miniature(i, new Set(wanted));
    const rows = range?.limit ?? this.#group(i).rowCount;
    const table = await withParquet(this.path, (parquet) => {
      const bytes = parquet
        .readParquet(miniature, {
          batchSize: Math.max(1, Math.min(rows, MAX_BATCH_ROWS)),
          ...range,
        })
        .intoIPCStream();
      return decodeIpc(bytes, this.path);
    });
    if (wanted.length > 0 && table.numRows !== rows) {
      throw new FormatError(
        "bad-parquet",
        `expected ${rows} rows in row group ${i}, found ${table.numRows}`,
        { path: this.path },
      );
    }
    return table.select(wanted).batches;
  }

  /** A parquet file of row group `i` alone with the pages of the wanted columns. */
  #miniature(i: number, wanted: ReadonlySet<string>): Uint8Array {
    const { chunks } = this.#group(i);
    let at = PARQUET_MAGIC.length;
    const offsets = new Map<number, number>();
    chunks.forEach((chunk, leaf) => {
      if (!wanted.has(this.columns[this.#footer.leaves[leaf] ?? -1] ?? "")) return;
      offsets.set(leaf, at);
      at += chunk.byteLength;
    });
    const miniature = withMagic(sealed(miniatureFooter(this.#footer, i, offsets)), at - 4);
    using file = FileSource.open(this.path);
    if (file.identity !== this.#identity) {
      throw changedError(this.path, this.#fileBytes, file.byteLength);
    }
    chunks.forEach((chunk, leaf) => {
      const to = offsets.get(leaf);
      if (to === undefined) return;
      file.readInto(chunk.offset, miniature.subarray(to, to + chunk.byteLength));
    });
    return miniature;
  }
}

/** "PAR1", room for `dataBytes`, then `tail`. */
function withMagic(tail: Uint8Array, dataBytes: number): Uint8Array {
  const file = new Uint8Array(4 + dataBytes + tail.byteLength);
  file.set(Buffer.from(PARQUET_MAGIC));
  file.set(tail, 4 + dataBytes);
  return file;
}

function decodeIpc(bytes: Uint8Array, path: string): Table {
  try {
    return tableFromIPC(RecordBatchReader.from(bytes));
  } catch (cause) {
    throw new FormatError("bad-parquet", "has columns of a type that cannot be read", {
      path,
      cause,
    });
  }
}
