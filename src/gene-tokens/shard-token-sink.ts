import { join } from "node:path";
import { fileDigest } from "../../formats/common/appended-file.ts";
import { TarWriter } from "../webdataset/tar-writer.ts";
import type { ObsValues } from "./obs-values.ts";
import type { TokenRows } from "./token-rows.ts";
import type { Digests, TokenSink } from "./token-sink.ts";

/** Writes a WebDataset shard for each part that has cells. */
export class ShardTokenSink implements TokenSink {
  readonly #directory: string;
  readonly #obs: ObsValues;
  #part: number;
  #writer: TarWriter | null = null;

  /** @param part the number of the first part to write */
  constructor(directory: string, obs: ObsValues, part: number) {
    this.#directory = directory;
    this.#obs = obs;
    this.#part = part;
  }

  async add(tokens: TokenRows, from: number, to: number, rowBase: number): Promise<void> {
    for (let cell = from; cell < to; cell++) {
      const row = rowBase + (tokens.rows[cell] as number);
      const options = { index: true, overwrite: true };
      this.#writer ??= TarWriter.create(join(this.#directory, this.#name), options);
      await this.#writer.write({
        __key__: String(row).padStart(12, "0"),
        "input_ids.npy": tokens.at(cell),
        ...(this.#obs.fields.length === 0 ? {} : { "obs.json": this.#obs.json(row) }),
      });
    }
  }

  async endPart(number: number): Promise<Digests> {
    const writer = this.#writer;
    const name = this.#name;
    this.#writer = null;
    this.#part = number + 1;
    if (writer === null) return new Map();
    await writer.close();
    const names = [name, `${name}.index`];
    return new Map(names.map((file) => [file, fileDigest(join(this.#directory, file))]));
  }

  async finish(): Promise<Digests> {
    return new Map();
  }

  async close(): Promise<void> {
    await this.#writer?.[Symbol.asyncDispose]();
    this.#writer = null;
  }

  get #name(): string {
    return `cells-${String(this.#part).padStart(6, "0")}.tar`;
  }
}
