import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Data, Field, Int64, List, makeData, RecordBatch, Schema, Struct } from "apache-arrow";
import { ParquetWriter } from "../../formats/parquet/parquet-writer.ts";
import type { ObsValues } from "./obs-values.ts";
import { TokenRows } from "./token-rows.ts";
import type { Digests, TokenSink } from "./token-sink.ts";

/** Cells written at a time, counted from the start of a part: parts do not depend on blocks. */
const BATCH_CELLS = 512;

/** Writes a parquet file for each part, with the columns of Geneformer's training files. */
export class ParquetTokenSink implements TokenSink {
  readonly #directory: string;
  readonly #obs: ObsValues;
  readonly #schema: Schema;
  readonly #batch = new TokenRows({ cells: BATCH_CELLS });
  #writer: ParquetWriter | null = null;

  constructor(directory: string, obs: ObsValues) {
    this.#directory = directory;
    this.#obs = obs;
    this.#schema = new Schema([
      new Field("input_ids", new List(new Field("element", new Int64(), true)), true),
      ...obs.fields,
      new Field("length", new Int64(), true),
    ]);
  }

  async add(tokens: TokenRows, from: number, to: number, rowBase: number): Promise<void> {
    for (let cell = from; cell < to; cell++) {
      const ids = tokens.at(cell);
      const batch = this.#batch;
      batch.room(ids.length).set(ids, batch.tokens);
      batch.push(rowBase + (tokens.rows[cell] as number), -1, ids.length, -1);
      if (batch.count === BATCH_CELLS) await this.#flush();
    }
  }

  async endPart(number: number): Promise<Digests> {
    const name = `tokens-${String(number).padStart(6, "0")}.parquet`;
    await this.#flush();
    const writer = this.#open();
    const digest = await writer.finish();
    this.#writer = null;
    renameSync(writer.path, join(this.#directory, name));
    return new Map([[name, digest]]);
  }

  async finish(): Promise<Digests> {
    return new Map();
  }

  async close(): Promise<void> {
    this.#writer?.abort();
    this.#writer = null;
  }

  #open(): ParquetWriter {
    const path = join(this.#directory, "part.parquet");
    if (this.#writer === null && existsSync(path)) rmSync(path);
    this.#writer ??= ParquetWriter.create(path, this.#schema);
    return this.#writer;
  }

  async #flush(): Promise<void> {
    const { count: length, ids, offsets, rows } = this.#batch;
    if (length === 0) return;
    const lengths = new BigInt64Array(length);
    for (let i = 0; i < length; i++) lengths[i] = BigInt(this.#batch.at(i).length);
    const children = [
      idLists(ids, offsets),
      ...this.#obs.fields.map((_, i) => this.#obs.column(i, rows)),
      makeData({ type: new Int64(), length, nullCount: 0, data: lengths }),
    ];
    const type = new Struct(this.#schema.fields);
    const data = makeData({ type, length, nullCount: 0, children });
    await this.#open().write(new RecordBatch(this.#schema, data));
    this.#batch.clear();
  }
}

/** [cells] lists of int64; ids are not negative, so that their upper halves are zero. */
function idLists(ids: Int32Array, offsets: Float64Array): Data {
  const wide = new BigInt64Array(ids.length);
  const halves = new Int32Array(wide.buffer);
  const low = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;
  for (let i = 0; i < ids.length; i++) halves[2 * i + low] = ids[i] as number;
  return makeData({
    type: new List(new Field("element", new Int64(), true)),
    length: offsets.length - 1,
    nullCount: 0,
    valueOffsets: Int32Array.from(offsets),
    child: makeData({ type: new Int64(), length: ids.length, nullCount: 0, data: wide }),
  });
}
