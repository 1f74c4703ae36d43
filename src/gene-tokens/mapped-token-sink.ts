import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { makeData, RecordBatch, Schema, Struct } from "apache-arrow";
import { AppendedFile } from "../../formats/common/appended-file.ts";
import { ParquetWriter } from "../../formats/parquet/parquet-writer.ts";
import { type IdType, TOKEN_FILES, TOKEN_OBS_FILE } from "../../formats/tokens/layout.ts";
import type { ObsValues } from "./obs-values.ts";
import type { TokenRows } from "./token-rows.ts";
import type { Digests, TokenSink } from "./token-sink.ts";

/** Rows of obs.parquet written at a time. */
const OBS_ROWS = 65_536;

export interface MappedTokenSinkOptions {
  readonly idType: IdType;
  readonly obs: ObsValues;
  /** Where to go on: the files as the last part left them, and the tokens in them. */
  readonly files: Digests;
  readonly tokens: number;
}

/** Writes ids, offsets and rows, each one file from the first cell to the last. */
export class MappedTokenSink implements TokenSink {
  readonly #directory: string;
  readonly #options: MappedTokenSinkOptions;
  readonly #ids: AppendedFile;
  readonly #offsets: AppendedFile;
  readonly #rows: AppendedFile;
  #tokens: number;

  constructor(directory: string, options: MappedTokenSinkOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#tokens = options.tokens;
    const open = (name: string) =>
      AppendedFile.open(join(directory, name), options.files.get(name));
    this.#ids = open(TOKEN_FILES.ids);
    this.#offsets = open(TOKEN_FILES.offsets);
    this.#rows = open(TOKEN_FILES.rows);
    if (!options.files.has(TOKEN_FILES.offsets)) this.#offsets.write(new BigUint64Array(1));
  }

  add(tokens: TokenRows, from: number, to: number, rowBase: number): void {
    const { ids, offsets, rows } = tokens;
    const begin = offsets[from] as number;
    const added = ids.subarray(begin, offsets[to]);
    this.#ids.write(this.#options.idType === "uint16" ? new Uint16Array(added) : added);
    const ends = offsets.subarray(from + 1, to + 1);
    this.#offsets.write(uint64(ends, this.#tokens - begin));
    this.#rows.write(uint64(rows.subarray(from, to), rowBase));
    this.#tokens += added.length;
  }

  async endPart(): Promise<Digests> {
    return new Map([
      [TOKEN_FILES.ids, this.#ids.checkpoint()],
      [TOKEN_FILES.offsets, this.#offsets.checkpoint()],
      [TOKEN_FILES.rows, this.#rows.checkpoint()],
    ]);
  }

  async finish(): Promise<Digests> {
    const files = await this.endPart();
    const { bytes = 0 } = files.get(TOKEN_FILES.rows) ?? {};
    await this.close();
    if (this.#options.obs.fields.length === 0) return files;
    return new Map([...files, [TOKEN_OBS_FILE, await this.#writeObs(bytes / 8)]]);
  }

  async close(): Promise<void> {
    for (const file of [this.#ids, this.#offsets, this.#rows]) file.close();
  }

  async #writeObs(cells: number) {
    const { obs } = this.#options;
    const schema = new Schema([...obs.fields]);
    const writer = ParquetWriter.create(join(this.#directory, TOKEN_OBS_FILE), schema);
    const fd = openSync(this.#rows.path, "r");
    try {
      for (let begin = 0; begin < cells; begin += OBS_ROWS) {
        const rows = new BigUint64Array(Math.min(OBS_ROWS, cells - begin));
        readSync(fd, rows, 0, rows.byteLength, 8 * begin);
        const numbers = Array.from(rows, Number);
        const children = obs.fields.map((_, i) => obs.column(i, numbers));
        const type = new Struct(schema.fields);
        const data = makeData({ type, length: rows.length, nullCount: 0, children });
        await writer.write(new RecordBatch(schema, data));
      }
      return await writer.finish();
    } catch (error) {
      writer.abort();
      throw error;
    } finally {
      closeSync(fd);
    }
  }
}

function uint64(values: Float64Array, added: number): BigUint64Array {
  return BigUint64Array.from(values, (value) => BigInt(value + added));
}
