import { join } from "node:path";
import type { ByteSource } from "../../formats/bytes/byte-source.ts";
import { ElementSource } from "../../formats/bytes/element-source.ts";
import { FileSource } from "../../formats/bytes/file-source.ts";
import { type FileAccess, openSource } from "../../formats/bytes/open-source.ts";
import { fileDigest } from "../../formats/common/appended-file.ts";
import { FormatError, InvalidArgumentError, isScdlError } from "../../formats/common/errors.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import {
  decodeTokenHeader,
  expectedTokenBytes,
  MAX_TOKEN_HEADER_BYTES,
  TOKEN_FILES,
  TOKEN_HEADER,
  TOKEN_OBS_FILE,
  type TokenHeader,
} from "../../formats/tokens/layout.ts";
import type { EpochIndex, MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";

/** A cell as tokens. */
export interface TokenItem {
  /** [tokens] with the special tokens around them; the caller's. */
  readonly inputIds: Int32Array;
  /** The row it was, counted through all data sets. */
  readonly row: number;
}

export interface OpenTokensOptions {
  /** Default "auto": a map on local file systems, plain reads elsewhere. */
  readonly access?: FileAccess;
}

/**
 * Tokenised cells that `scdl tokenize-cells` wrote for being read here: memory-mapped ids, any cell at
 * once. Items do not depend on the epoch. Close it.
 */
export class TokenDataset implements MultiEpochDataset<TokenItem>, Disposable {
  readonly directory: string;
  readonly header: TokenHeader;
  /** Cells. */
  readonly length: number;
  readonly identity: string;
  readonly #sources: readonly ByteSource[];
  readonly #ids: ElementSource;
  readonly #offsets: ElementSource;
  readonly #rows: ElementSource;
  readonly #ends = new Float64Array(2);

  private constructor(directory: string, header: TokenHeader, sources: readonly ByteSource[]) {
    const { cells, tokens, idType, files } = header;
    this.directory = directory;
    this.header = header;
    this.length = cells;
    this.identity = [...files].map(([name, { crc32 }]) => `${name} ${crc32}`).join(", ");
    this.#sources = sources;
    // open() gives the three files in this order.
    const [ids, offsets, rows] = sources as [ByteSource, ByteSource, ByteSource];
    this.#ids = new ElementSource(ids, { dtype: idType, length: tokens });
    this.#offsets = new ElementSource(offsets, { dtype: "uint64", length: cells + 1 });
    this.#rows = new ElementSource(rows, { dtype: "uint64", length: cells });
  }

  /**
   * @throws NotFoundError, StorageError; FormatError for what is no token data set, or files of other
   *   lengths than the header says; InvalidArgumentError for parquet files and shards.
   */
  static open(directory: string, options: OpenTokensOptions = {}): TokenDataset {
    const header = readTokenHeader(directory);
    if (header.layout !== "mapped") {
      const message = `${directory} holds tokens as ${header.layout}, expected mapped ones`;
      throw new InvalidArgumentError("directory", directory, message, {
        suggestions: [
          header.layout === "parquet" ? "read its parquet files" : "read its shards as WebDataset",
          "scdl tokenize-cells --format mapped writes what this opens",
        ],
      });
    }
    const sources: ByteSource[] = [];
    try {
      for (const [name, bytes] of expectedTokenBytes(header)) {
        const source = openSource(join(directory, name), options);
        sources.push(source);
        if (source.byteLength === bytes) continue;
        throw new FormatError(
          source.byteLength < bytes ? "truncated" : "too-long",
          `expected ${bytes} bytes, found ${source.byteLength}`,
          { path: source.path, suggestions: ["copy the folder again, or tokenize again"] },
        );
      }
      return new TokenDataset(directory, header, sources);
    } catch (error) {
      for (const source of sources) source.close();
      throw error;
    }
  }

  /** @throws InvalidArgumentError for a cell beyond; FormatError for damaged offsets. */
  at({ idx }: EpochIndex): TokenItem {
    const inputIds = new Int32Array(this.#range(idx));
    const [begin = 0, end = 0] = this.#ends;
    this.#ids.copy(begin, end, inputIds, 0);
    return { inputIds, row: this.#rows.at(idx) };
  }

  /** Tokens of a cell. @throws as {@link at} */
  lengthOf(cell: number): number {
    return this.#range(cell);
  }

  /**
   * Obs columns of all cells, as an Arrow table; null when none were carried along.
   * @throws FormatError, StorageError
   */
  async obs(columns: readonly string[] = this.header.obs) {
    if (this.header.obs.length === 0) return null;
    const file = ParquetFile.open(join(this.directory, TOKEN_OBS_FILE));
    return file.table({ columns: [...columns] });
  }

  /** Compares every file with its checksum. @throws FormatError "checksum" naming the file */
  verify(): void {
    for (const [name, expected] of this.header.files) {
      const path = join(this.directory, name);
      const found = fileDigest(path);
      if (found.bytes === expected.bytes && found.crc32 === expected.crc32) continue;
      throw new FormatError("checksum", "the file is not the one that was written", {
        path,
        suggestions: ["copy the folder again, or tokenize again"],
      });
    }
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Where the ids of a cell lie, in #ends; returns how many there are. */
  #range(cell: number): number {
    if (!(Number.isSafeInteger(cell) && cell >= 0 && cell < this.length)) {
      throw new InvalidArgumentError(
        "cell",
        cell,
        `cell ${cell} does not exist: expected an integer from 0 to ${this.length - 1}`,
      );
    }
    this.#offsets.copy(cell, cell + 2, this.#ends, 0);
    const [begin = 0, end = 0] = this.#ends;
    if (begin <= end && end <= this.header.tokens) return end - begin;
    throw new FormatError(
      "bad-offsets",
      `cell ${cell}: expected ascending offsets up to ${this.header.tokens}, found ${begin} and ${end}`,
      { path: join(this.directory, TOKEN_FILES.offsets), offset: 8 * cell },
    );
  }
}

/** @throws as {@link TokenDataset.open} */
export function readTokenHeader(directory: string): TokenHeader {
  const path = join(directory, TOKEN_HEADER);
  let file: FileSource;
  try {
    file = FileSource.open(path);
  } catch (error) {
    if (!isScdlError(error, "no-such-file")) throw error;
    throw new FormatError("not-tokens", "expected the header of tokenised cells, found none", {
      path,
      cause: error,
      suggestions: ["check the path", "scdl tokenize-cells makes one"],
    });
  }
  try {
    const { byteLength } = file;
    if (byteLength > MAX_TOKEN_HEADER_BYTES) {
      const message = `expected at most ${MAX_TOKEN_HEADER_BYTES} bytes, found ${byteLength}`;
      throw new FormatError("bad-header", message, { path });
    }
    return decodeTokenHeader(Buffer.from(file.read(0, byteLength)).toString(), path);
  } finally {
    file.close();
  }
}
