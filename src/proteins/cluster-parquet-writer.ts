import { type Data, Field, List, makeData, RecordBatch, Schema, Struct, Utf8 } from "apache-arrow";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { ParquetWriter } from "../../formats/parquet/parquet-writer.ts";
import { type ClusterSplit, TRAIN_COLUMN, VALIDATION_COLUMN } from "./cluster-parquet.ts";
import { PendingFile, type PendingFileOptions } from "./pending-file.ts";

/** Text of a batch before it goes to the file. */
const BATCH_BYTES = 4 << 20;

export interface ClusterParquetOptions extends PendingFileOptions {
  /**
   * `train` writes lists of names as `ur90_id`, and the names of the clusters as `ur50_id` when they
   * have any; `validation` only the names of the clusters. Default "train".
   */
  readonly split?: ClusterSplit;
  /** Whether clusters have names, for training. Default true. */
  readonly hasIds?: boolean;
}

/**
 * Writes the cluster table that {@link ClusterTable} and bionemo-esm2 read, a row group at a time,
 * complete at `output` after {@link finish} or absent.
 */
export class ClusterParquetWriter {
  readonly #file: PendingFile;
  readonly #schema: Schema;
  readonly #writer: ParquetWriter;
  readonly #hasMembers: boolean;
  readonly #hasIds: boolean;
  #ids: string[] = [];
  #ends: number[] = [0];
  #members: string[] = [];
  #pendingBytes = 0;
  #length = 0;

  private constructor(file: PendingFile, schema: Schema) {
    this.#file = file;
    this.#schema = schema;
    this.#hasMembers = schema.names.includes(TRAIN_COLUMN);
    this.#hasIds = schema.names.includes(VALIDATION_COLUMN);
    this.#writer = ParquetWriter.create(file.path, schema);
  }

  /** @throws StorageError */
  static create(output: string, options: ClusterParquetOptions = {}): ClusterParquetWriter {
    const hasMembers = options.split !== "validation";
    const fields: Field[] = [];
    if (!hasMembers || options.hasIds !== false) {
      fields.push(new Field(VALIDATION_COLUMN, new Utf8(), true));
    }
    if (hasMembers) {
      fields.push(new Field(TRAIN_COLUMN, new List(new Field("item", new Utf8(), true)), true));
    }
    const file = new PendingFile(output, options);
    try {
      return new ClusterParquetWriter(file, new Schema(fields));
    } catch (error) {
      file.abort();
      throw error;
    }
  }

  /** Clusters added. */
  get length(): number {
    return this.#length;
  }

  /**
   * `id` names the cluster: in UniRef its representative; null only where none has a name. Waits
   * when a batch is written.
   */
  add(id: string | null, members: readonly string[]): Promise<void> | undefined {
    if ((id !== null) !== this.#hasIds) {
      throw new InvalidArgumentError(
        "id",
        id,
        this.#hasIds ? "expected the name of the cluster" : "clusters were said to have no names",
      );
    }
    this.#ids.push(id ?? "");
    this.#pendingBytes += (id?.length ?? 0) + 8;
    if (this.#hasMembers) {
      for (const member of members) {
        this.#members.push(member);
        this.#pendingBytes += member.length + 4;
      }
      this.#ends.push(this.#members.length);
    }
    this.#length++;
    return this.#pendingBytes >= BATCH_BYTES ? this.#flush() : undefined;
  }

  /** Writes the rest and puts the file in its place. */
  async finish(): Promise<void> {
    try {
      await this.#flush();
      await this.#writer.finish();
      this.#file.commit();
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** Removes what was written. Does nothing after {@link finish}. */
  abort(): void {
    this.#writer.abort();
    this.#file.abort();
  }

  async #flush(): Promise<void> {
    const columns: Data[] = this.#hasIds ? [textData(this.#ids)] : [];
    if (this.#hasMembers) {
      columns.push(
        makeData({
          type: new List(new Field("item", new Utf8(), true)),
          length: this.#ids.length,
          nullCount: 0,
          valueOffsets: Int32Array.from(this.#ends),
          child: textData(this.#members),
        }),
      );
    }
    const length = this.#ids.length;
    this.#ids = [];
    this.#ends = [0];
    this.#members = [];
    this.#pendingBytes = 0;
    if (length === 0) return;
    const type = new Struct(this.#schema.fields);
    const children = makeData({ type, length, nullCount: 0, children: columns });
    await this.#writer.write(new RecordBatch(this.#schema, children));
  }
}

function textData(texts: readonly string[]) {
  const valueOffsets = new Int32Array(texts.length + 1);
  const parts: string[] = [];
  let at = 0;
  texts.forEach((text, i) => {
    parts.push(text);
    at += Buffer.byteLength(text);
    valueOffsets[i + 1] = at;
  });
  const data = Buffer.from(parts.join(""));
  return makeData({ type: new Utf8(), length: texts.length, nullCount: 0, valueOffsets, data });
}
