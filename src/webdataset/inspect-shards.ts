import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isScdlError, NotFoundError } from "../../formats/common/errors.ts";
import { decodeField } from "./decode-field.ts";
import { openShard } from "./open-shard.ts";
import type { Sample } from "./sample-reader.ts";
import { indexPath, keyHash, readIndexFile } from "./shard-index.ts";
import { expandUrls } from "./shard-urls.ts";

export interface InspectShardsOptions {
  /** Decode every field. Default false: only the first sample's. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly shards: number; readonly total: number }) => void;
}

export interface ShardReport {
  readonly url: string;
  readonly samples: number;
  /** Bytes of the fields' data. */
  readonly dataBytes: number;
  /** Null for a shard that is not on a disk. */
  readonly fileBytes: number | null;
  readonly compressed: boolean;
  /** Whether a fitting index file lies beside it. */
  readonly indexed: boolean;
}

export interface FieldReport {
  readonly field: string;
  /** Samples that have it. */
  readonly samples: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  /** What the first one is, e.g. "float32 (2500)". */
  readonly example: string;
}

export interface ShardProblem {
  readonly severity: "error" | "warning";
  readonly url: string;
  readonly message: string;
  /** What to try. */
  readonly suggestions: readonly string[];
}

export interface ShardsReport {
  readonly samples: number;
  readonly shards: readonly ShardReport[];
  readonly fields: readonly FieldReport[];
  readonly problems: readonly ShardProblem[];
}

/**
 * Reads shards through and tells what is in them. A folder stands for its `.tar`, `.tgz`, `.tar.gz`
 * and `.tar.zst` files. Damage is a problem of the report, not an error.
 * @throws NotFoundError when there is no shard, InvalidArgumentError for a bad pattern.
 */
export async function inspectShards(
  urls: string | readonly string[],
  options: InspectShardsOptions = {},
): Promise<ShardsReport> {
  const list = (typeof urls === "string" ? [urls] : urls).flatMap(shardsOf);
  const inspection = new Inspection(options);
  for (const [i, url] of list.entries()) {
    options.signal?.throwIfAborted();
    await inspection.add(url);
    options.onProgress?.({ shards: i + 1, total: list.length });
  }
  return inspection.report();
}

function shardsOf(url: string): string[] {
  if (!existsSync(url) || !statSync(url).isDirectory()) return expandUrls(url);
  const names = readdirSync(url).filter((name) => /\.(tar|tgz|tar\.gz|tar\.zst)$/.test(name));
  if (names.length > 0)
    return names.sort((a, b) => (a < b ? -1 : 1)).map((name) => join(url, name));
  throw new NotFoundError("no-shards", `${url}: no .tar file in the folder`, {
    what: url,
    suggestions: ["name the folder that scdl shards write --output was given, or a shard"],
  });
}

interface FieldCount {
  samples: number;
  minBytes: number;
  maxBytes: number;
  example: string;
}

class Inspection {
  readonly #options: InspectShardsOptions;
  readonly #shards: ShardReport[] = [];
  readonly #fields = new Map<string, FieldCount>();
  readonly #problems: ShardProblem[] = [];
  #samples = 0;

  constructor(options: InspectShardsOptions) {
    this.#options = options;
  }

  async add(url: string): Promise<void> {
    const before = this.#samples;
    let dataBytes = 0;
    const hashes: number[] = [];
    let compressed = false;
    try {
      const { signal } = this.#options;
      const shard = await openShard(url, { signal });
      compressed = !shard.seekable;
      try {
        for (let sample = await shard.samples.next(); sample !== null; ) {
          hashes.push(keyHash(sample.__key__));
          dataBytes += this.#addSample(url, sample);
          sample = await shard.samples.next();
        }
      } finally {
        shard.close();
      }
      if (this.#samples === before) this.#problem("warning", url, "the shard is empty");
    } catch (error) {
      if (!isScdlError(error)) throw error;
      this.#problem("error", url, error.message, error.suggestions);
    }
    const fileBytes = existsSync(url) ? statSync(url).size : null;
    const indexed = this.#checkIndex(url, fileBytes, hashes);
    const samples = this.#samples - before;
    this.#shards.push({ url, samples, dataBytes, fileBytes, compressed, indexed });
  }

  report(): ShardsReport {
    const fields = Array.from(this.#fields, ([field, count]) => ({ field, ...count }));
    for (const { field, samples } of fields) {
      if (samples === this.#samples) continue;
      const message = `field "${field}" is in ${samples} of ${this.#samples} samples`;
      this.#problem("warning", this.#shards[0]?.url ?? "", message);
    }
    return {
      samples: this.#samples,
      shards: this.#shards,
      fields: fields.sort((a, b) => (a.field < b.field ? -1 : 1)),
      problems: this.#problems,
    };
  }

  #addSample(url: string, sample: Sample): number {
    this.#samples++;
    let bytes = 0;
    for (const [field, value] of Object.entries(sample)) {
      if (!(value instanceof Uint8Array)) continue;
      const size = value.byteLength;
      bytes += size;
      const count = this.#fields.get(field);
      // Bytes of a sample are memory of their own.
      const content = value as Uint8Array<ArrayBuffer>;
      if (count === undefined) {
        const example = this.#decode(url, sample, field, content);
        this.#fields.set(field, { samples: 1, minBytes: size, maxBytes: size, example });
        continue;
      }
      if (this.#options.verify === true) this.#decode(url, sample, field, content);
      count.samples++;
      count.minBytes = Math.min(count.minBytes, size);
      count.maxBytes = Math.max(count.maxBytes, size);
    }
    return bytes;
  }

  #decode(url: string, sample: Sample, field: string, bytes: Uint8Array<ArrayBuffer>): string {
    try {
      return describe(decodeField(field, bytes, `sample "${sample.__key__}" field "${field}"`));
    } catch (error) {
      if (!isScdlError(error)) throw error;
      this.#problem("error", url, error.message, error.suggestions);
      return "not readable";
    }
  }

  #checkIndex(url: string, fileBytes: number | null, hashes: readonly number[]): boolean {
    if (fileBytes === null || !existsSync(indexPath(url))) return false;
    try {
      const index = readIndexFile(url, fileBytes);
      const fits =
        index !== null &&
        index.keyHashes.length === hashes.length &&
        index.keyHashes.every((hash, i) => hash === hashes[i]);
      if (!fits) this.#problem("warning", url, "the index file is that of another shard");
      return fits;
    } catch (error) {
      if (!isScdlError(error)) throw error;
      this.#problem("warning", url, error.message);
      return false;
    }
  }

  #problem(
    severity: ShardProblem["severity"],
    url: string,
    message: string,
    suggestions: readonly string[] = [],
  ): void {
    this.#problems.push({ severity, url, message, suggestions });
  }
}

const MAX_TEXT = 40;

function describe(value: unknown): string {
  if (value instanceof Uint8Array) return "bytes";
  if (typeof value === "object" && value !== null && "dtype" in value && "shape" in value) {
    const shape = Array.isArray(value.shape) ? value.shape.join(", ") : "";
    return `${String(value.dtype)} (${shape})`;
  }
  if (value instanceof Map) return `dict of ${value.size}`;
  if (value instanceof Set) return `set of ${value.size}`;
  if (Array.isArray(value)) return `list of ${value.length}`;
  if (typeof value === "object" && value !== null) {
    return `object with ${Object.keys(value).slice(0, 5).join(", ")}`;
  }
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}
