/**
 * Checks a whole data set: every element of every array, every parquet page, every checksum.
 * Memory is bounded; time is that of reading the files once.
 */
import { existsSync, statSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { crc32Hex } from "../common/crc32.ts";
import { ScdlError } from "../common/errors.ts";
import type { FileDigest } from "../common/output-file.ts";
import { type ArrayFile, openArchive, type ScdlArchive } from "./archive.ts";
import { ArrayScan, toNumbers } from "./array-scan.ts";
import { decodeChecksums, digestFile } from "./checksums.ts";
import type { FeatureIndex } from "./feature-index.ts";
import { CHECKSUM_FILE } from "./layout.ts";
import { readSmallText } from "./small-files.ts";
import { VerifyCsr } from "./verify-csr.ts";

export interface Problem {
  /** error: damaged. warning: readable, but not as it should be. note: worth knowing. */
  readonly severity: "error" | "warning" | "note";
  /** Relative to the data set; "." for the whole of it. */
  readonly file: string;
  readonly message: string;
}

export interface VerifyProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerifyProgress) => void;
}

const CHUNK_LENGTH = 1 << 20;

/** Problems in the order found; none with severity "error" or "warning" when all is well. */
export async function verifyArchive(
  directory: string,
  options: VerifyOptions = {},
): Promise<Problem[]> {
  return new Verification(directory, options).run();
}

class Verification {
  readonly #directory: string;
  readonly #options: VerifyOptions;
  readonly #problems: Problem[] = [];
  /** Digests that fell out of reading the arrays. */
  readonly #digests = new Map<string, FileDigest>();
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(directory: string, options: VerifyOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  async run(): Promise<Problem[]> {
    const archive = await this.#guarded(".", () =>
      openArchive(this.#directory, {
        onWarning: (message) => this.#report("warning", ".", message),
      }),
    );
    const listed = await this.#guarded(CHECKSUM_FILE, async () => this.#readChecksums());
    if (archive !== undefined) {
      const { data, indices, indptr, neighbors } = archive;
      const arrays: ArrayFile[] = [data, indices, indptr];
      if (neighbors !== null) arrays.push(neighbors.indptr, neighbors.indices, neighbors.values);
      this.#bytesTotal = arrays.reduce((sum, { path }) => sum + statSync(path).size, 0);
      await this.#guarded(basename(indptr.path), () => this.#checkMatrix(archive));
      if (neighbors !== null) {
        await this.#guarded(basename(neighbors.indptr.path), () => this.#checkNeighbors(archive));
      }
      for (const index of [archive.var, archive.obs]) {
        if (index !== null) await this.#checkIndex(index);
      }
    }
    if (listed !== undefined) await this.#checkDigests(listed);
    return this.#problems;
  }

  #report(severity: Problem["severity"], file: string, message: string): void {
    this.#problems.push({ severity, file, message });
  }

  /** Runs one check; what it throws about the data becomes a problem. */
  async #guarded<T>(file: string, check: () => Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof ScdlError)) throw error;
      this.#report("error", file, error.message);
      return undefined;
    }
  }

  /** Counts bytes, and lets the event loop and an abort have their turn. */
  async #advance(bytes: number): Promise<void> {
    this.#bytesDone += bytes;
    this.#options.onProgress?.({ bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal });
    await new Promise((resolve) => setImmediate(resolve));
    this.#options.signal?.throwIfAborted();
  }

  async #checkMatrix(archive: ScdlArchive): Promise<void> {
    const { data, indices, indptr } = archive;
    const limits = archive.varBlocks.map(({ rowEnd, nVars }, block) => {
      // A block without columns does not say how many there are.
      const isKnown = (archive.var?.columns(block).length ?? 0) > 0;
      return { rowEnd, limit: isKnown ? nVars : Number.POSITIVE_INFINITY };
    });
    await this.#checkCsr(indptr, indices, limits, "column");
    await this.#readThrough(data);
    const nnz = archive.nnz;
    const last = this.#lastPointer;
    if (last !== undefined && last !== nnz) {
      this.#report(
        "warning",
        basename(indptr.path),
        `rows end at ${last}, ${nnz} values are stored`,
      );
    }
  }

  #lastPointer: number | undefined;

  async #checkNeighbors(archive: ScdlArchive): Promise<void> {
    if (archive.neighbors === null) return;
    const { indptr, indices, values } = archive.neighbors;
    const limits = [{ rowEnd: archive.nObs, limit: archive.nObs }];
    await this.#checkCsr(indptr, indices, limits, "neighbour");
    if (this.#lastPointer !== undefined && this.#lastPointer !== indices.length) {
      this.#report(
        "error",
        basename(indptr.path),
        `expected to end with ${indices.length}, found ${this.#lastPointer}`,
      );
    }
    await this.#readThrough(values);
  }

  /** Row pointers and indices side by side, each read once. */
  async #checkCsr(
    indptr: ScdlArchive["indptr"],
    indices: ScdlArchive["indices"],
    limits: readonly { readonly rowEnd: number; readonly limit: number }[],
    what: "column" | "neighbour",
  ): Promise<void> {
    const check = new VerifyCsr(limits, indices.length, what);
    using pointers = new ArrayScan(indptr, CHUNK_LENGTH);
    using columns = new ArrayScan(indices, CHUNK_LENGTH);
    while (pointers.position < pointers.length) {
      const bytes = pointers.next();
      const sound = check.pointers(toNumbers(bytes, indptr.dtype, indptr.path));
      await this.#advance(bytes.byteLength);
      while (sound && columns.position < check.pointerEnd) {
        const columnBytes = columns.next(check.pointerEnd - columns.position);
        check.columns(toNumbers(columnBytes, indices.dtype, indices.path));
        await this.#advance(columnBytes.byteLength);
      }
    }
    while (columns.position < columns.length) await this.#advance(columns.next().byteLength);
    this.#lastPointer = check.failed ? undefined : check.pointerEnd;
    this.#digests.set(basename(indptr.path), pointers.digest);
    this.#digests.set(basename(indices.path), columns.digest);
    for (const { severity, where, message } of check.findings()) {
      this.#report(severity, basename(where === "pointers" ? indptr.path : indices.path), message);
    }
  }

  async #readThrough(file: ArrayFile): Promise<void> {
    using scan = new ArrayScan(file, CHUNK_LENGTH);
    while (scan.position < scan.length) await this.#advance(scan.next().byteLength);
    this.#digests.set(basename(file.path), scan.digest);
  }

  /** Decodes every page of every block. */
  async #checkIndex(index: FeatureIndex): Promise<void> {
    for (let block = 0; block < index.nBlocks; block++) {
      const file = `${basename(index.path)}/${index.files[block]}`;
      await this.#guarded(file, async () => {
        let rows = 0;
        for await (const batch of index.batches(block)) {
          rows += batch.numRows;
          this.#options.signal?.throwIfAborted();
        }
        const expected = index.tableRows(block);
        if (rows !== expected && index.columns(block).length > 0) {
          this.#report("error", file, `expected ${expected} rows, found ${rows}`);
        }
      });
    }
  }

  #readChecksums(): Map<string, FileDigest> | undefined {
    const path = join(this.#directory, CHECKSUM_FILE);
    if (existsSync(path)) return decodeChecksums(readSmallText(path), path);
    this.#report("note", CHECKSUM_FILE, "no checksums: the original writes none");
    return undefined;
  }

  async #checkDigests(listed: ReadonlyMap<string, FileDigest>): Promise<void> {
    for (const [name, expected] of listed) {
      const path = join(this.#directory, name);
      if (relative(this.#directory, path).startsWith("..") || !existsSync(path)) {
        this.#report("error", name, "is missing");
        continue;
      }
      await this.#guarded(name, async () => {
        const found = this.#digests.get(name) ?? digestFile(path);
        if (found.bytes !== expected.bytes || found.crc32 !== expected.crc32) {
          this.#report(
            "error",
            name,
            `changed since it was written: expected ${expected.bytes} bytes with CRC-32 ${crc32Hex(expected.crc32)}, found ${found.bytes} with ${crc32Hex(found.crc32)}`,
          );
        }
        this.#options.signal?.throwIfAborted();
      });
    }
  }
}
