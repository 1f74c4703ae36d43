import { FormatError, NotFoundError } from "../../formats/common/errors.ts";
import type { ErrorHandler } from "./error-handler.ts";
import {
  identifyShard,
  indexShard,
  isIndexed,
  type OpenShard,
  openShard,
  type ShardAccess,
} from "./open-shard.ts";
import type { Sample } from "./sample-reader.ts";
import { assertSamePlace, type ShardIdentity, type ShardPlace } from "./shard-identity.ts";
import type { ShardIndex } from "./shard-index.ts";

/** A sample that has not been read: number `sample` of shard number `shard` of the pass. */
export class SampleReference {
  readonly shard: number;
  readonly sample: number;

  constructor(shard: number, sample: number) {
    this.shard = shard;
    this.sample = sample;
  }
}

/** Between wanted samples closer than this, reading on is cheaper than seeking. */
const SEEK_BYTES = 2 ** 22;
/** Indexes kept for shards that come again: 12 bytes a sample. */
const MAX_INDEXES = 64;

/**
 * The samples of one pass, shard after shard. Until {@link read} is called first, samples can be
 * passed over by number, from the shards' indexes and without reading them.
 */
export class ShardSource {
  readonly #urls: Iterator<string>;
  readonly #access: ShardAccess;
  readonly #handler: ErrorHandler;
  readonly #drawn: string[] = [];
  readonly #indexes = new Map<string, ShardIndex>();
  #shard = -1;
  #sample = 0;
  #open: OpenShard | null = null;
  #identity: ShardIdentity | null = null;
  #ended = false;
  readonly #maxFruitless: number;
  /** The shard that last gave something. */
  #fruitful = -1;

  /** @param maxFruitless shards one after another that may be read without {@link markFruitful}. */
  constructor(
    urls: Iterator<string>,
    access: ShardAccess,
    handler: ErrorHandler,
    maxFruitless: number,
  ) {
    this.#maxFruitless = maxFruitless;
    this.#urls = urls;
    this.#access = access;
    this.#handler = handler;
  }

  /** The next sample, null after the last shard. */
  read(): Sample | null | Promise<Sample | null> {
    const open = this.#open;
    if (open === null) return this.#readLater(null);
    let next: ReturnType<typeof open.samples.next>;
    try {
      next = open.samples.next();
    } catch (error) {
      return this.#readLater(Promise.reject(error));
    }
    if (next instanceof Promise || next === null) return this.#readLater(next);
    this.#sample++;
    return next;
  }

  /** A sample of the current shard came through the stages, or is held by one. */
  markFruitful(): void {
    this.#fruitful = this.#shard;
  }

  /** Errors of a shard go to the handler; a shard that is given up ends there. */
  async #readLater(first: Sample | null | Promise<Sample | null>): Promise<Sample | null> {
    let pending: Sample | null | Promise<Sample | null> = first;
    for (;;) {
      this.#access.signal?.throwIfAborted();
      const fruitless = this.#shard - this.#fruitful;
      if (fruitless > this.#maxFruitless) throw fruitlessError(fruitless);
      try {
        const sample = await pending;
        if (sample !== null) {
          this.#sample++;
          return sample;
        }
        if (this.#ended || !(await this.#openNext())) return null;
        pending = this.#open?.samples.next() ?? null;
      } catch (error) {
        this.#access.signal?.throwIfAborted();
        this.#closeShard();
        if (!this.#handler(error)) this.#ended = true;
        pending = null;
      }
    }
  }

  /** The next sample as a reference; null after the last. Only before the first {@link read}. */
  async nextReference(): Promise<SampleReference | null> {
    for (;;) {
      if (this.#shard >= 0 && this.#sample < (await this.#countOf(this.#shard))) {
        return new SampleReference(this.#shard, this.#sample++);
      }
      if (!this.#advance()) return null;
    }
  }

  /** Passes over `count` samples; fewer when there are no more. Returns how many. */
  async skip(count: number): Promise<number> {
    for (let left = count; ; ) {
      const rest = this.#shard < 0 ? 0 : (await this.#countOf(this.#shard)) - this.#sample;
      if (left <= rest) {
        this.#sample += left;
        return count;
      }
      left -= rest;
      this.#sample += rest;
      if (!this.#advance()) return count - left;
    }
  }

  /** Where reading stands; null before the first shard and in one that could not be opened. */
  get place(): ShardPlace | null {
    const identity = this.#identity;
    if (identity === null) return null;
    const { bytes, head } = identity;
    return { shard: this.#shard, sample: this.#sample, bytes, head };
  }

  /** @throws IncompatibleError when passing over did not lead to `expected`, in the same shard. */
  async assertAt(expected: ShardPlace): Promise<void> {
    const url = this.#urlOf(this.#shard);
    this.#identity = (await identifyShard(url, this.#access)).identity;
    if (this.place !== null) assertSamePlace(expected, this.place, url);
  }

  /** Opens the shard where passing over ended, so that {@link read} goes on there. */
  async startReading(): Promise<void> {
    if (this.#shard < 0) return;
    const index = await this.#indexOf(this.#shard);
    if (this.#sample >= index.offsets.length) return;
    this.#open = await this.#openAt(this.#shard, this.#sample, index);
  }

  /** Reads samples that were passed over, each shard forward and once. */
  async load(references: readonly SampleReference[]): Promise<Map<SampleReference, Sample>> {
    const loaded = new Map<SampleReference, Sample>();
    const ordered = references.toSorted((a, b) => a.shard - b.shard || a.sample - b.sample);
    let open: OpenShard | null = null;
    let at = new SampleReference(-1, 0);
    try {
      for (const reference of ordered) {
        this.#access.signal?.throwIfAborted();
        const index = await this.#indexOf(reference.shard);
        if (open === null || at.shard !== reference.shard || isFar(index, at, reference, open)) {
          open?.close();
          open = await this.#openAt(reference.shard, reference.sample, index);
          at = reference;
        }
        let sample = await open.samples.next();
        for (let i = at.sample; i < reference.sample; i++) sample = await open.samples.next();
        if (sample === null) throw this.#stale(reference.shard);
        loaded.set(reference, sample);
        at = new SampleReference(reference.shard, reference.sample + 1);
      }
    } finally {
      open?.close();
    }
    return loaded;
  }

  close(): void {
    this.#ended = true;
    this.#closeShard();
  }

  /** Whether there is another shard; it becomes the current one, not yet open. */
  #advance(): boolean {
    const next = this.#urls.next();
    if (next.done === true) {
      this.#ended = true;
      return false;
    }
    this.#drawn.push(next.value);
    this.#shard++;
    this.#sample = 0;
    this.#identity = null;
    return true;
  }

  async #openNext(): Promise<boolean> {
    this.#closeShard();
    if (!this.#advance()) return false;
    this.#open = await openShard(this.#urlOf(this.#shard), this.#access);
    this.#identity = this.#open.identity;
    return true;
  }

  #closeShard(): void {
    this.#open?.close();
    this.#open = null;
  }

  #urlOf(shard: number): string {
    return this.#drawn[shard] as string;
  }

  async #countOf(shard: number): Promise<number> {
    return (await this.#indexOf(shard)).offsets.length;
  }

  async #indexOf(shard: number): Promise<ShardIndex> {
    const url = this.#urlOf(shard);
    const known = this.#indexes.get(url);
    if (known !== undefined) return known;
    this.#access.signal?.throwIfAborted();
    const index = await indexShard(url, this.#access, this.#handler);
    const oldest = this.#indexes.keys().next();
    if (this.#indexes.size >= MAX_INDEXES && oldest.done === false)
      this.#indexes.delete(oldest.value);
    this.#indexes.set(url, index);
    return index;
  }

  /** Opens a shard so that the next sample read is number `sample`. */
  async #openAt(shard: number, sample: number, index: ShardIndex): Promise<OpenShard> {
    const url = this.#urlOf(shard);
    if (sample > 0 && (await identifyShard(url, this.#access)).seekable) {
      if (!(await isIndexed(url, this.#access, index, sample))) throw this.#stale(shard);
      return await openShard(url, this.#access, index.offsets[sample]);
    }
    const first = await openShard(url, this.#access);
    for (let i = 0; i < sample; i++) await first.samples.next();
    return first;
  }

  #stale(shard: number): FormatError {
    return new FormatError("stale-index", "the shard is not the one its index was made of", {
      path: this.#urlOf(shard),
      suggestions: ["delete the .index file beside the shard", "start a new epoch"],
    });
  }
}

function fruitlessError(shards: number): NotFoundError {
  return new NotFoundError("no-samples", `not one item came of ${shards} shards, drawn at random`, {
    what: "samples",
    suggestions: [
      "check filter(), map() and handlers: they leave every sample out",
      "check that the shards hold files named <key>.<extension>",
    ],
  });
}

function isFar(
  index: ShardIndex,
  at: SampleReference,
  wanted: SampleReference,
  open: OpenShard,
): boolean {
  const from = index.offsets[at.sample] ?? Number.POSITIVE_INFINITY;
  return open.seekable && (index.offsets[wanted.sample] as number) - from > SEEK_BYTES;
}
