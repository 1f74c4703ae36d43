/**
 * Writes a parquet file one row group at a time, in memory bounded by one row group.
 *
 * parquet-wasm encodes each row group as a complete small file; its column chunks are copied into
 * the output and one footer is written for all of them. Snappy and dictionary encoding, types as
 * pyarrow would have written them.
 */
import {
  type Data,
  DataType,
  makeData,
  Null,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
} from "apache-arrow";
import { InvalidArgumentError } from "../common/errors.ts";
import type { FileDigest } from "../common/output-file.ts";
import { OutputFile } from "../common/output-file.ts";
import { plainSchema, sharedDictionary, storedColumn } from "./columns.ts";
import {
  type Footer,
  footerLength,
  joinedFooter,
  movedRowGroup,
  PARQUET_MAGIC,
  parseFooter,
  rowGroupTree,
  sealed,
  TAIL_BYTES,
} from "./footer.ts";
import type { ThriftStruct } from "./thrift.ts";
import { withParquet } from "./wasm.ts";

/** pyarrow's own limit, so that narrow tables have the row groups they would have there. */
const MAX_ROW_GROUP_ROWS = 1 << 20;
/** Arrow bytes of one row group; encoding takes about three times this. */
const ROW_GROUP_BYTES = 8 << 20;

export class ParquetWriter {
  readonly path: string;
  /** Types on disk. */
  readonly schema: Schema;
  readonly #file: OutputFile;
  readonly #rowGroups: ThriftStruct[] = [];
  #pending: RecordBatch[] = [];
  #pendingRows = 0;
  #pendingBytes = 0;
  #rowCount = 0;
  #template: Footer | undefined;

  private constructor(path: string, schema: Schema, file: OutputFile) {
    this.path = path;
    this.schema = schema;
    this.#file = file;
  }

  /** `schema` may name types to widen to; categories are stored as their plain values. */
  static create(path: string, schema: Schema): ParquetWriter {
    const file = OutputFile.create(path);
    file.write(Buffer.from(PARQUET_MAGIC));
    return new ParquetWriter(path, plainSchema(schema), file);
  }

  /** Rows accepted so far. */
  get rowCount(): number {
    return this.#rowCount + this.#pendingRows;
  }

  /** Appends the columns of the schema, found by name. The batch's buffers are used until the next flush. */
  async write(batch: RecordBatch): Promise<void> {
    const prepared = this.#prepared(batch);
    const bytesPerRow = Math.max(1, batchBytes(prepared) / Math.max(1, prepared.numRows));
    const room = Math.max(1, Math.floor(ROW_GROUP_BYTES / bytesPerRow));
    for (let begin = 0; begin < prepared.numRows; ) {
      const byBytes = Math.floor((ROW_GROUP_BYTES - this.#pendingBytes) / bytesPerRow);
      const free = Math.min(MAX_ROW_GROUP_ROWS - this.#pendingRows, byBytes, room);
      if (free < 1) {
        await this.#flush();
        continue;
      }
      const end = Math.min(prepared.numRows, begin + free);
      this.#pending.push(prepared.slice(begin, end));
      this.#pendingRows += end - begin;
      this.#pendingBytes += (end - begin) * bytesPerRow;
      begin = end;
    }
  }

  /** Writes what is left and the footer, and flushes the file to the disk. */
  async finish(): Promise<FileDigest> {
    if (this.#pendingRows > 0 || this.#template === undefined) await this.#flush();
    const template = this.#template;
    if (template === undefined) throw new TypeError("a flush leaves a template");
    const keyValues = { "ARROW:schema": arrowSchemaText(this.schema) };
    const footer = joinedFooter(template, this.#rowGroups, this.#rowCount, keyValues);
    this.#file.write(sealed(footer));
    return this.#file.finish();
  }

  /** Closes the unfinished file; the caller removes it. */
  abort(): void {
    this.#file.close();
  }

  #prepared(batch: RecordBatch): RecordBatch {
    const columns = this.schema.fields.map((field) => {
      const data = batch.getChild(field.name)?.data[0];
      if (data === undefined) {
        throw new InvalidArgumentError(
          "batch",
          batch.schema.names,
          `${this.path}: the batch has no column ${JSON.stringify(String(field.name))}`,
        );
      }
      return storedColumn(data, field.type);
    });
    return recordBatch(this.schema, columns, batch.numRows);
  }

  async #flush(): Promise<void> {
    const batches = withSharedDictionaries(this.schema, this.#pending);
    const rows = this.#pendingRows;
    this.#pending = [];
    this.#pendingRows = 0;
    this.#pendingBytes = 0;
    const ipc = tableToIPC(new Table(batches.length > 0 ? batches : [emptyBatch(this.schema)]));
    const bytes = await withParquet(this.path, (parquet) => {
      const properties = new parquet.WriterPropertiesBuilder()
        .setCompression(parquet.Compression.SNAPPY)
        .setDictionaryEnabled(true)
        .setStatisticsEnabled(parquet.EnabledStatistics.Chunk)
        .setMaxRowGroupSize(MAX_ROW_GROUP_ROWS)
        .build();
      return parquet.writeParquet(parquet.Table.fromIPCStream(ipc), properties);
    });
    // Collecting these late is what would make memory grow with the number of row groups.
    release(ipc);
    const tail = bytes.subarray(bytes.byteLength - TAIL_BYTES);
    const length = footerLength(tail, bytes.byteLength, this.path);
    const begin = bytes.byteLength - TAIL_BYTES - length;
    // A copy: the tree keeps views of it for as long as the writer lives.
    const footerBytes = bytes.slice(begin, begin + length);
    const footer = parseFooter(footerBytes, bytes.byteLength, this.path);
    this.#rowCount += rows;
    footer.rowGroups.forEach((group, i) => {
      const shifts = new Map<number, number>();
      group.chunks.forEach((chunk, leaf) => {
        shifts.set(leaf, this.#file.position - chunk.offset);
        this.#file.write(bytes.subarray(chunk.offset, chunk.offset + chunk.byteLength));
      });
      this.#rowGroups.push(movedRowGroup(rowGroupTree(footer, i), shifts));
    });
    this.#template ??= footer;
    release(bytes);
  }
}

/** Gives the memory of an array that fills its buffer back at once. */
function release(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength) {
    bytes.buffer.transfer(0);
  }
}

function recordBatch(schema: Schema, columns: readonly Data[], rows: number): RecordBatch {
  const type = new Struct(schema.fields);
  return new RecordBatch(
    schema,
    makeData({ type, length: rows, nullCount: 0, children: [...columns] }),
  );
}

function emptyBatch(schema: Schema): RecordBatch {
  const columns = schema.fields.map((field) => emptyData(field.type));
  return recordBatch(schema, columns, 0);
}

function emptyData(type: DataType): Data {
  if (!DataType.isList(type)) return makeData({ type, length: 0 });
  const child = emptyData(type.valueType);
  return makeData({ type, length: 0, nullCount: 0, valueOffsets: new Int32Array(1), child });
}

/** Every text column of all batches with one encoding and, if any, one dictionary. */
function withSharedDictionaries(schema: Schema, batches: readonly RecordBatch[]): RecordBatch[] {
  const columns = schema.fields.map((field, i) => {
    const parts = batches.map((batch) => batch.data.children[i] as Data); // one child per field
    if (DataType.isUtf8(field.type)) return sharedDictionary(parts);
    // A sliced null column does not know its null count, which the IPC reader insists on.
    if (!DataType.isNull(field.type)) return parts;
    return parts.map(({ length }) => makeData({ type: new Null(), length, nullCount: length }));
  });
  const fields = schema.fields.map((field, i) => {
    const type = columns[i]?.[0]?.type ?? field.type;
    return field.clone({ name: field.name, type, nullable: true });
  });
  const actual = new Schema(fields);
  return batches.map((batch, b) => {
    const children = columns.map((parts) => parts[b] as Data); // one part per batch
    return recordBatch(actual, children, batch.numRows);
  });
}

/** Bytes the batch's rows hold, dictionaries left out. */
function batchBytes(batch: RecordBatch): number {
  return columnsBytes(batch.data.children);
}

function columnsBytes(columns: readonly Data[]): number {
  let total = 0;
  for (const data of columns) {
    // Lists keep all their values, also those that a slice does not use.
    if (DataType.isList(data.type)) total += columnsBytes(data.children);
    const offsets: unknown = data.valueOffsets;
    if (offsets instanceof Int32Array) {
      const values = DataType.isList(data.type)
        ? 0
        : (offsets[data.length] ?? 0) - (offsets[0] ?? 0);
      total += 4 * data.length + values;
    } else {
      total += data.length * fixedWidth(data.type);
    }
    total += data.length / 8;
  }
  return total;
}

function fixedWidth(type: DataType): number {
  if (DataType.isInt(type)) return type.bitWidth / 8;
  return DataType.isFloat(type) ? 2 << type.precision : 4;
}

/** The schema as parquet-cpp-arrow stores it: a base64 Arrow IPC message. */
function arrowSchemaText(schema: Schema): string {
  const stream = tableToIPC(new Table([emptyBatch(schema)]), "stream");
  // Continuation marker, length of the message, message; batches follow and are left out.
  const length = new DataView(stream.buffer, stream.byteOffset).getInt32(4, true);
  return Buffer.from(stream.subarray(0, 8 + length)).toString("base64");
}
