import { EsmTokenizer } from "../tokenize/esm-tokenizer.ts";
import {
  type OpenProteinRowsOptions,
  openProteinRows,
  type ProteinRows,
} from "../train/data/protein-rows.ts";
import type { TokenSource } from "./token-source.ts";

/** Proteins as ESM-2's tokens, made when they are asked for. */
export class ProteinTokens implements TokenSource {
  readonly #proteins: ProteinRows;
  readonly #maxLength: number;
  readonly #tokenizer = new EsmTokenizer();
  /** [rows] */
  readonly #lengths: Uint32Array;

  private constructor(proteins: ProteinRows, maxLength: number) {
    this.#proteins = proteins;
    this.#maxLength = maxLength;
    this.#lengths = new Uint32Array(proteins.length);
    for (let row = 0; row < proteins.length; row++) this.#lengths[row] = this.tokens(row).length;
  }

  /**
   * Opens what training reads, see `openProteinRows()`.
   * @param maxLength most tokens of a protein; what lies behind is left out
   */
  static async open(
    paths: string | readonly string[],
    maxLength: number,
    options: OpenProteinRowsOptions,
  ): Promise<ProteinTokens> {
    const proteins = await openProteinRows(paths, options);
    try {
      return new ProteinTokens(proteins, maxLength);
    } catch (error) {
      proteins[Symbol.dispose]();
      throw error;
    }
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
    this.#proteins[Symbol.dispose]();
  }
}
