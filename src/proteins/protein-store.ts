import type { FileAccess } from "../../formats/bytes/open-source.ts";
import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import { openStoreFiles, type StoreFiles } from "../../formats/protein-store/store-files.ts";
import type { ProteinSource } from "./protein-source.ts";
import { StoreClusters } from "./store-clusters.ts";

export interface ProteinStoreOptions {
  /** Default "auto": mapped on local file systems. Choose "read" for files that others change. */
  readonly access?: FileAccess;
}

/** Residues of many proteins. */
export interface GatheredSequences {
  /** ASCII; perhaps longer than what was gathered. */
  readonly bytes: Uint8Array;
  /** [proteins + 1] where each begins and, last, where all end. */
  readonly offsets: Float64Array;
}

const NOTHING = new Uint8Array(0);

/**
 * Proteins of a flat store, a folder that `scdl proteins build --store` makes: sequences, names and
 * an index of the names in mapped files, and clusters where there are some. It keeps nothing in memory
 * but what the system caches of the files.
 */
export class ProteinStore implements ProteinSource, Disposable {
  readonly path: string;
  readonly #files: StoreFiles;
  readonly length: number;
  /** Clusters of its proteins, read by row; null where the store has none. Closed with the store. */
  readonly clusters: StoreClusters | null;

  private constructor(path: string, files: StoreFiles) {
    this.path = path;
    this.#files = files;
    this.length = files.header.proteins;
    const { clusters, members } = files;
    this.clusters =
      clusters === null || members === null
        ? null
        : new StoreClusters(this, files.gate, clusters, members);
  }

  /**
   * @throws NotFoundError, StorageError; FormatError when it is no store, or a file of it does not
   *   have the length that the header says; UnsupportedFeatureError for a later version
   */
  static open(path: string, options: ProteinStoreOptions = {}): ProteinStore {
    return new ProteinStore(path, openStoreFiles(path, options));
  }

  /** Residues of all proteins. */
  get residues(): number {
    return this.#files.header.sequenceBytes;
  }

  id(row: number): string {
    this.#check(row);
    return this.#files.records.text(2 * row, "utf8");
  }

  indexOf(id: string): number {
    this.#files.gate.pass();
    return this.#files.index.find(id);
  }

  /**
   * Residues as ASCII bytes. They are a copy; short ones share a buffer, so that none can be
   * transferred to another thread.
   */
  sequence(row: number): Uint8Array {
    this.#check(row);
    return this.#files.records.copy(2 * row + 1);
  }

  /**
   * Residues of many proteins, one behind the other: those of rows[k] are bytes
   * [offsets[k], offsets[k + 1]). Twice as fast as one by one.
   * @param reuse memory for `bytes`, taken when it is large enough; else they are new.
   */
  gather(rows: ArrayLike<number>, reuse: Uint8Array = NOTHING): GatheredSequences {
    this.#files.gate.pass();
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k] as number;
      if (!(Number.isInteger(row) && row >= 0 && row < this.length)) this.#check(row);
    }
    return this.#files.records.gather(rows, 2, 1, reuse);
  }

  /** Residues by name as text. @throws NotFoundError no such protein */
  get(id: string): string {
    return this.#files.records.text(2 * this.#rowOf(id) + 1, "latin1");
  }

  /** Whether there is such a protein. */
  has(id: string): boolean {
    return this.indexOf(id) >= 0;
  }

  /** Residues by name. @throws NotFoundError no such protein */
  sequenceOf(id: string): Uint8Array {
    return this.#files.records.copy(2 * this.#rowOf(id) + 1);
  }

  /** Every protein once, in the order of rows. */
  *entries(): Generator<readonly [id: string, sequence: string]> {
    for (let row = 0; row < this.length; row++) {
      this.#files.gate.pass();
      yield [
        this.#files.records.text(2 * row, "utf8"),
        this.#files.records.text(2 * row + 1, "latin1"),
      ];
    }
  }

  close(): void {
    this.#files.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #rowOf(id: string): number {
    const row = this.indexOf(id);
    if (row >= 0) return row;
    throw new NotFoundError("no-such-protein", `${this.path}: no protein ${JSON.stringify(id)}`, {
      what: id,
      suggestions: ["check that the clusters belong to this store"],
    });
  }

  #check(row: number): void {
    this.#files.gate.pass();
    if (Number.isInteger(row) && row >= 0 && row < this.length) return;
    throw new InvalidArgumentError(
      "row",
      row,
      `${this.path}: expected a row of 0 to ${this.length - 1}, found ${row}`,
    );
  }
}
