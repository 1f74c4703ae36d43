import { FormatError } from "../../formats/common/errors.ts";
import type { TarReader } from "../../formats/tar/tar-reader.ts";

/**
 * One training sample: `__key__`, `__url__` (the shard) and a value per field, which is a file name
 * extension such as "npy" or "seg.json". Bytes before decoding, anything afterwards.
 */
export interface Sample {
  __key__: string;
  __url__: string;
  [field: string]: unknown;
}

export interface GroupOptions {
  /** Files whose name this refuses are left out. */
  readonly selectFiles?: ((name: string) => boolean) | undefined;
  /** The name a file is read under. */
  readonly renameFiles?: ((name: string) => string) | undefined;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Groups the members of one shard into samples, as webdataset does: a name is cut at the first dot
 * of its last component, neighbours with the same key are one sample, extensions become lower case.
 * Files without a dot, other things than files and names like `__meta__` are passed over.
 */
export class SampleReader {
  readonly #tar: TarReader;
  readonly #url: string;
  readonly #options: GroupOptions;
  readonly #headersOnly: boolean;
  #current: Sample | null = null;
  #currentOffset = 0;
  #nextOffset = 0;
  #ended = false;

  /** @param headersOnly gives empty fields: for counting samples. */
  constructor(tar: TarReader, url: string, options: GroupOptions = {}, headersOnly = false) {
    this.#tar = tar;
    this.#url = url;
    this.#options = options;
    this.#headersOnly = headersOnly;
  }

  /** Where the first file of the sample given last begins in the archive. */
  get offset(): number {
    return this.#currentOffset;
  }

  /** Where the archive has been read to. */
  get position(): number {
    return this.#tar.endOffset;
  }

  /**
   * The next sample, null after the last. Its bytes are the caller's.
   * @throws FormatError, also for a field that comes twice.
   */
  next(): Sample | null | Promise<Sample | null> {
    for (;;) {
      if (this.#ended) return null;
      const more = this.#tar.next();
      if (typeof more !== "boolean") return this.#nextLater(more);
      const finished = this.#accept(more);
      if (finished !== undefined) return finished;
    }
  }

  async #nextLater(first: Promise<boolean>): Promise<Sample | null> {
    const finished = this.#accept(await first);
    return finished === undefined ? await this.next() : finished;
  }

  /** Takes the member that was read; the sample it ends, or undefined when it ends none. */
  #accept(isMember: boolean): Sample | null | undefined {
    if (!isMember) {
      this.#ended = true;
      const last = this.#current;
      this.#currentOffset = this.#nextOffset;
      this.#current = null;
      return last;
    }
    const tar = this.#tar;
    if (!tar.isFile) return undefined;
    const name = this.#nameOf(tar.name);
    if (name === null) return undefined;
    const dot = splitName(name);
    if (dot === 0) return undefined;
    const key = name.slice(0, dot);
    let finished: Sample | undefined;
    let sample = this.#current;
    if (sample === null || sample.__key__ !== key) {
      if (sample !== null) finished = sample;
      sample = { __key__: key, __url__: this.#url };
      this.#current = sample;
      this.#currentOffset = this.#nextOffset;
      this.#nextOffset = tar.offset;
    }
    const field = name.slice(dot + 1).toLowerCase();
    if (Object.hasOwn(sample, field)) {
      throw new FormatError("duplicate-field", `sample "${key}" has the field "${field}" twice`, {
        path: this.#url,
        offset: tar.offset,
        suggestions: ["write each field of a sample once, and each key once in a row"],
      });
    }
    const value = this.#headersOnly ? NO_BYTES : tar.copyData();
    if (field === "__proto__") {
      // Assigning would set the prototype.
      Object.defineProperty(sample, field, { value, enumerable: true, writable: true });
    } else {
      sample[field] = value;
    }
    return finished;
  }

  #nameOf(stored: string): string | null {
    if (isMeta(stored)) return null;
    const { renameFiles, selectFiles } = this.#options;
    const name = renameFiles === undefined ? stored : renameFiles(stored);
    return selectFiles === undefined || selectFiles(name) ? name : null;
  }
}

/** The key and the field that a member's name means; null for a name that is none of a field. */
export function fieldOf(name: string): { readonly key: string; readonly field: string } | null {
  const dot = isMeta(name) ? 0 : splitName(name);
  if (dot === 0) return null;
  return { key: name.slice(0, dot), field: name.slice(dot + 1).toLowerCase() };
}

function isMeta(name: string): boolean {
  if (!name.startsWith("__")) return false;
  return /^__[^/]*__($|\/)/.test(name);
}

/** Position of the dot that ends the key; 0 when the name is not that of a field. */
function splitName(name: string): number {
  const slash = name.lastIndexOf("/");
  const dot = name.indexOf(".", slash + 1);
  if (dot < 0) return 0;
  if (dot > slash + 1 && !name.includes("\n")) return dot;
  // A last component that begins with a dot: webdataset's expression, with Python's meaning.
  return /^((?:[^\n]*\/|)[^.]+)[.][^/]*$/.exec(name)?.[1]?.length ?? 0;
}
