import { statSync } from "node:fs";
import { fromFsError } from "../../formats/common/errors.ts";
import { LoadedProteins } from "../proteins/loaded-proteins.ts";
import type { ProteinSource } from "../proteins/protein-source.ts";
import { ProteinStore } from "../proteins/protein-store.ts";
import { EsmTokenizer } from "../tokenize/esm-tokenizer.ts";
import type { TokenSource } from "./token-source.ts";

/** Proteins of a store or a file as ESM-2's tokens, made when they are asked for. */
export class ProteinTokens implements TokenSource {
  readonly #proteins: ProteinSource;
  readonly #close: () => void;
  readonly #maxLength: number;
  readonly #tokenizer = new EsmTokenizer();
  /** [rows] */
  readonly #lengths: Uint32Array;

  private constructor(proteins: ProteinSource, close: () => void, maxLength: number) {
    this.#proteins = proteins;
    this.#close = close;
    this.#maxLength = maxLength;
    this.#lengths = new Uint32Array(proteins.length);
    for (let row = 0; row < proteins.length; row++) this.#lengths[row] = this.tokens(row).length;
  }

  /**
   * Opens a folder of `scdl proteins build --store`, or reads FASTA, FASTQ, an SQLite data base, or a
   * table (CSV, TSV, JSON lines; parquet) of sequences.
   * @param maxLength most tokens of a protein; what lies behind is left out
   */
  static async open(
    path: string,
    maxLength: number,
    signal: AbortSignal | undefined,
  ): Promise<ProteinTokens> {
    if (isFolder(path)) {
      const store = ProteinStore.open(path);
      return new ProteinTokens(store, () => store.close(), maxLength);
    }
    return new ProteinTokens(await LoadedProteins.read(path, { signal }), () => {}, maxLength);
  }

  get length(): number {
    return this.#proteins.length;
  }

  id(row: number): string {
    return this.#proteins.id(row);
  }

  mostTokens(row: number): number {
    return this.#lengths[row] ?? 0;
  }

  tokens(row: number): Int32Array {
    return this.#tokenizer.encode(this.#proteins.sequence(row)).slice(0, this.#maxLength);
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw fromFsError(error, path);
  }
}
