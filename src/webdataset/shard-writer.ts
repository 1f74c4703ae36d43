import { dirname } from "node:path";
import { fromFsError, InvalidArgumentError, ScdlError } from "../../formats/common/errors.ts";
import { makeDirectories } from "../../formats/common/make-directories.ts";
import {
  aFunction,
  aNumber,
  checkOptions,
  type OptionKinds,
} from "../../formats/common/options.ts";
import {
  TAR_WRITER_KINDS,
  TarWriter,
  type TarWriterOptions,
  type WritableSample,
} from "./tar-writer.ts";
import { WriteQueue } from "./write-queue.ts";

export interface ShardWriterOptions extends TarWriterOptions {
  /** Samples a shard holds at most. Default 100,000. */
  readonly maxCount?: number;
  /** A shard whose data has reached so many bytes is the last. Default 3e9. */
  readonly maxSize?: number;
  /** Number of the first shard. Default 0. */
  readonly startShard?: number;
  /** Write `<shard>.index` beside each shard. Default true. */
  readonly index?: boolean;
  /** Called with each shard that is finished, e.g. to upload it. */
  readonly onShard?: (shard: WrittenShard) => void | Promise<void>;
}

const KINDS: OptionKinds<ShardWriterOptions> = {
  ...TAR_WRITER_KINDS,
  maxCount: aNumber,
  maxSize: aNumber,
  startShard: aNumber,
  onShard: aFunction,
};

export interface WrittenShard {
  readonly path: string;
  readonly samples: number;
  /** Bytes of the fields' data. */
  readonly dataBytes: number;
}

/**
 * Writes samples to shards named by a pattern, as Python's ShardWriter: the next shard begins when
 * `maxCount` or `maxSize` was reached. Each shard appears when it is whole. Unlike the original no
 * shard is opened before its first sample, so none is empty.
 *
 * ```ts
 * await using writer = ShardWriter.create("out/train-%06d.tar", { maxCount: 1000 });
 * for (const sample of samples) await writer.write(sample);
 * await writer.close();
 * ```
 * Calls that are not awaited are done one after another; await each to hold one sample in memory.
 */
export class ShardWriter implements AsyncDisposable {
  readonly pattern: string;
  readonly #options: ShardWriterOptions;
  readonly #maxCount: number;
  readonly #maxSize: number;
  readonly #shards: WrittenShard[] = [];
  #next: number;
  #writer: TarWriter | null = null;
  #dataBytes = 0;
  #state: "open" | "closed" | "left" = "open";
  readonly #queue = new WriteQueue();
  /** The shard before, on its way to the disk while the next is written. */
  #finishing: Promise<void> = Promise.resolve();

  private constructor(pattern: string, options: ShardWriterOptions) {
    this.pattern = pattern;
    this.#options = options;
    this.#maxCount = positive("maxCount", options.maxCount ?? 100_000);
    this.#maxSize = positive("maxSize", options.maxSize ?? 3e9);
    this.#next = options.startShard ?? 0;
  }

  /** @param pattern a path with one `%d` or `%06d` for the number, `%%` for "%". @throws InvalidArgumentError */
  static create(pattern: string, options: ShardWriterOptions = {}): ShardWriter {
    checkOptions("ShardWriter", options, KINDS);
    const { startShard = 0 } = options;
    if (!(Number.isSafeInteger(startShard) && startShard >= 0)) {
      throw new InvalidArgumentError("startShard", startShard, "startShard: expected 0 or more");
    }
    shardName(pattern, startShard);
    return new ShardWriter(pattern, options);
  }

  /** The shards finished so far, in order. */
  get shards(): readonly WrittenShard[] {
    return this.#shards;
  }

  /** Returns the bytes of the sample's data. @throws as {@link TarWriter.write}. */
  write(sample: WritableSample): Promise<number> {
    if (this.#state !== "open") return Promise.reject(this.#closedError());
    return this.#queue.run(() => this.#write(sample));
  }

  async #write(sample: WritableSample): Promise<number> {
    if (this.#state === "left") throw this.#closedError();
    let writer = this.#writer;
    if (writer === null || writer.samples >= this.#maxCount || this.#dataBytes >= this.#maxSize) {
      writer = await this.#nextShard();
    }
    const bytes = await writer.write(sample);
    this.#dataBytes += bytes;
    return bytes;
  }

  /**
   * Finishes the last shard and returns all. Does nothing more the second time.
   * @throws the error of a call of write() that had not ended: the last shard is left out then.
   */
  async close(): Promise<readonly WrittenShard[]> {
    if (this.#state === "open") this.#state = "closed";
    try {
      await this.#queue.drain();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
    await this.#finishShard();
    await this.#finishing;
    return this.#shards;
  }

  /** Removes the shard that is being written; finished ones stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = "left";
    this.#writer?.abandon();
    await this.#queue.settle();
    // One that was begun meanwhile.
    this.#writer?.abandon();
    // Its error was reported by the call that waited for it, or something else failed before.
    await this.#finishing.catch(() => {});
  }

  #closedError(): ScdlError {
    return new ScdlError("closed", `${this.pattern}: write after close`);
  }

  async #nextShard(): Promise<TarWriter> {
    await this.#finishShard();
    const path = shardName(this.pattern, this.#next);
    try {
      makeDirectories(dirname(path));
    } catch (error) {
      throw fromFsError(error, dirname(path));
    }
    const { maxCount, maxSize, startShard, onShard, ...options } = this.#options;
    const writer = TarWriter.create(path, { index: true, ...options });
    this.#next++;
    this.#writer = writer;
    return writer;
  }

  /** At most one shard is finished while another is written. */
  async #finishShard(): Promise<void> {
    await this.#finishing;
    const writer = this.#writer;
    if (writer === null) return;
    this.#writer = null;
    const dataBytes = this.#dataBytes;
    this.#dataBytes = 0;
    this.#finishing = this.#finish(writer, dataBytes);
    // Thrown where it is awaited, which may be later than it fails.
    this.#finishing.catch(() => {});
  }

  async #finish(writer: TarWriter, dataBytes: number): Promise<void> {
    await writer.close();
    const shard = { path: writer.path, samples: writer.samples, dataBytes };
    this.#shards.push(shard);
    await this.#options.onShard?.(shard);
  }
}

/** The pattern with a number in it, as Python's `pattern % number`. */
export function shardName(pattern: string, number: number): string {
  if (typeof pattern !== "string") {
    throw new InvalidArgumentError("pattern", pattern, "ShardWriter: expected a path with %06d");
  }
  const places = pattern.match(/%(%|0?\d{0,2}d)/g) ?? [];
  const numbers = places.filter((place) => place !== "%%");
  if (numbers.length !== 1 || pattern.replaceAll(/%(%|0?\d{0,2}d)/g, "").includes("%")) {
    throw new InvalidArgumentError(
      "pattern",
      pattern,
      `expected a path with one "%06d" for the number of the shard, found "${pattern}"`,
    );
  }
  return pattern.replaceAll(/%(?:%|(0?)(\d{0,2})d)/g, (place, zero?: string, width?: string) =>
    place === "%%" ? "%" : String(number).padStart(Number(width), zero === "0" ? "0" : " "),
  );
}

function positive(name: string, value: number): number {
  if (value >= 1) return value;
  throw new InvalidArgumentError(name, value, `${name}: expected 1 or more, found ${value}`);
}
