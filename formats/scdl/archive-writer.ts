/**
 * Writes an SCDL data set: into a temporary sibling directory first, which becomes the output in
 * one rename when everything is on the disk.
 */
import { closeSync, existsSync, fsyncSync, openSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { itemBytes, type ScdlDType, type UnsignedDType } from "../common/dtype.ts";
import { fromFsError, InvalidArgumentError } from "../common/errors.ts";
import { type FileDigest, writeSmallFile } from "../common/output-file.ts";
import { pythonJson } from "../common/python-json.ts";
import { syncDirectory } from "../common/sync-directory.ts";
import { digestFile, encodeChecksums } from "./checksums.ts";
import { checkOutput, createTemporary, moveIntoPlace, sweepLeftovers } from "./directory-swap.ts";
import { FeatureIndexWriter, type WrittenFeatureIndex } from "./feature-index-writer.ts";
import { encodeHeader, HEADER_FILE, SCHEMA_VERSION } from "./header.ts";
import {
  ARRAY_FILES,
  type ArrayName,
  CHECKSUM_FILE,
  DEFAULT_DTYPES,
  HEADER_NAMES,
  METADATA_FILE,
  OBS_DIRECTORY,
  SCDL_VERSION,
  VAR_DIRECTORY,
  VERSION_FILE,
} from "./layout.ts";

export interface ArchiveWriterOptions {
  /** Replace an existing data set. Default false: an existing output is an error. */
  readonly overwrite?: boolean;
  /** Package version in `version.json` and `version.npy`. Default "0.1.3". */
  readonly version?: string;
  /** Hears of what an interrupted earlier run left and what became of it. */
  readonly onWarning?: (message: string) => void;
}

export interface CommitOptions {
  readonly nObs: number;
  /** Stored values. */
  readonly nnz: number;
  readonly dtypes: {
    readonly data: ScdlDType;
    readonly indices: UnsignedDType;
    readonly indptr: UnsignedDType;
  };
  /** Digests the caller has computed while writing, by file name; the others are read back. */
  readonly checksums?: ReadonlyMap<string, FileDigest>;
}

export class ArchiveWriter {
  /** The temporary directory. */
  readonly directory: string;
  readonly varFeatures: FeatureIndexWriter;
  readonly obsFeatures: FeatureIndexWriter;
  readonly #output: string;
  readonly #overwrite: boolean;
  readonly #version: string;

  private constructor(output: string, directory: string, options: ArchiveWriterOptions) {
    this.#output = output;
    this.#overwrite = options.overwrite ?? false;
    this.#version = options.version ?? SCDL_VERSION;
    this.directory = directory;
    this.varFeatures = new FeatureIndexWriter(join(directory, VAR_DIRECTORY), "var");
    this.obsFeatures = new FeatureIndexWriter(join(directory, OBS_DIRECTORY), "obs");
  }

  /**
   * Starts a data set. Parent directories are made; leftovers of dead runs are removed.
   *
   * @throws StorageError "already-exists" when the output exists and may not be replaced.
   */
  static create(output: string, options: ArchiveWriterOptions = {}): ArchiveWriter {
    if (output === "") {
      throw new InvalidArgumentError("output", output, "expected the name of a new directory", {
        suggestions: ["--output data.scdl"],
      });
    }
    sweepLeftovers(output, options.onWarning ?? (() => {}));
    checkOutput(output, options.overwrite ?? false);
    const temporary = createTemporary(output);
    try {
      return new ArchiveWriter(resolve(output), temporary, options);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw fromFsError(error, output);
    }
  }

  /** Where the caller writes the raw little-endian bytes of an array. */
  pathOf(array: ArrayName): string {
    return join(this.directory, ARRAY_FILES[array]);
  }

  /**
   * Checks sizes, writes header and side files, flushes everything and puts the data set in place.
   * On an error the output is untouched and {@link abort} is to be called.
   */
  async commit(options: CommitOptions): Promise<void> {
    const { nObs, nnz, dtypes } = options;
    const lengths = this.#checkedLengths(options);
    const digests = new Map<string, FileDigest>();
    for (const array of lengths) {
      const name = ARRAY_FILES[array];
      flush(join(this.directory, name));
      const given = options.checksums?.get(name);
      digests.set(name, given ?? digestFile(join(this.directory, name)));
    }
    const indexes: [string, WrittenFeatureIndex][] = [
      [VAR_DIRECTORY, this.varFeatures.finish(this.#version)],
      [OBS_DIRECTORY, this.obsFeatures.finish(this.#version)],
    ];
    for (const [directory, index] of indexes) {
      for (const [name, digest] of index.digests) digests.set(`${directory}/${name}`, digest);
      syncDirectory(join(this.directory, directory));
    }
    const header = encodeHeader({
      version: SCHEMA_VERSION,
      backend: "memmap-v0",
      arrays: [
        { name: HEADER_NAMES.data, length: nnz, dtype: dtypes.data, shape: null },
        { name: HEADER_NAMES.indptr, length: nObs + 1, dtype: dtypes.indptr, shape: null },
        { name: HEADER_NAMES.indices, length: nnz, dtype: dtypes.indices, shape: null },
      ],
      featureIndexes: indexes.map(([name, index]) => ({
        name,
        length: index.nRows,
        dtype: "string",
        files: index.files.map((file) => `${name}/${file}`),
        shape: null,
      })),
    });
    const small: [string, Uint8Array][] = [
      [HEADER_FILE, header],
      [VERSION_FILE, Buffer.from(pythonJson(this.#version))],
      // Last: the original opens no directory without it.
      [METADATA_FILE, Buffer.from(pythonJson({ num_rows: nObs }))],
    ];
    for (const [name, bytes] of small) {
      digests.set(name, writeSmallFile(join(this.directory, name), bytes));
    }
    writeSmallFile(join(this.directory, CHECKSUM_FILE), encodeChecksums(digests));
    moveIntoPlace(this.directory, this.#output, this.#overwrite);
  }

  /** Removes everything written. Safe to call at any time before a commit succeeded. */
  async abort(): Promise<void> {
    this.varFeatures.abort();
    this.obsFeatures.abort();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The arrays there are, after their sizes were compared with what the header will say. */
  #checkedLengths({ nObs, nnz, dtypes }: CommitOptions): ArrayName[] {
    const expected: [ArrayName, number][] = [
      ["data", nnz * itemBytes(dtypes.data)],
      ["indices", nnz * itemBytes(dtypes.indices)],
      ["indptr", (nObs + 1) * itemBytes(dtypes.indptr)],
    ];
    const neighbors = ["neighborIndptr", "neighborIndices", "neighborValues"] as const;
    if (neighbors.some((array) => existsSync(this.pathOf(array)))) {
      const connections = sizeOf(this.pathOf("neighborValues")) / 4;
      expected.push(["neighborIndptr", (nObs + 1) * itemBytes(DEFAULT_DTYPES.neighborIndptr)]);
      expected.push(["neighborIndices", connections * 4], ["neighborValues", connections * 4]);
    }
    for (const [array, bytes] of expected) {
      const found = sizeOf(this.pathOf(array));
      if (found !== bytes) {
        throw new InvalidArgumentError(
          array,
          found,
          `${this.pathOf(array)}: expected ${bytes} bytes, found ${found}`,
        );
      }
    }
    for (const index of [this.varFeatures, this.obsFeatures]) {
      if (index.nBlocks > 0 && index.nRows !== nObs) {
        throw new InvalidArgumentError(
          `${index.kind}Features`,
          index.nRows,
          `${index.kind} blocks cover ${index.nRows} rows, the matrix has ${nObs}`,
        );
      }
    }
    return expected.map(([array]) => array);
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw fromFsError(error, path);
  }
}

function flush(path: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r+");
    fsyncSync(fd);
  } catch (error) {
    throw fromFsError(error, path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
