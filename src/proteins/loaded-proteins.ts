import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { Turn } from "../../formats/common/turn.ts";
import { readProteins } from "./protein-input.ts";
import type { ProteinSource } from "./protein-source.ts";

export interface LoadProteinsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Hears how many proteins were read, now and then. */
  readonly onProgress?: ((proteins: number) => void) | undefined;
}

/** Proteins of a file held in memory: their residues and little more. */
export class LoadedProteins implements ProteinSource {
  readonly #ids: readonly string[];
  readonly #ends: readonly number[];
  readonly #residues: Uint8Array;
  #rows: ReadonlyMap<string, number> | null = null;

  private constructor(ids: readonly string[], ends: readonly number[], residues: Uint8Array) {
    this.#ids = ids;
    this.#ends = ends;
    this.#residues = residues;
  }

  /**
   * Reads a file of proteins of any kind that `readProteins()` takes. Names may come twice; those of
   * a table without column `id` are the numbers of its rows.
   *
   * @throws NotFoundError, FormatError also for a file without proteins, StorageError
   */
  static async read(
    path: string,
    { signal, onProgress }: LoadProteinsOptions = {},
  ): Promise<LoadedProteins> {
    const ids: string[] = [];
    const ends: number[] = [];
    let residues = new Uint8Array(1 << 16);
    let end = 0;
    const turn = new Turn();
    await readProteins(
      path,
      (id, sequence) => {
        if (end + sequence.length > residues.length) {
          const grown = new Uint8Array(Math.max(2 * residues.length, end + sequence.length));
          grown.set(residues.subarray(0, end));
          residues = grown;
        }
        residues.set(sequence, end);
        end += sequence.length;
        ids.push(id);
        ends.push(end);
      },
      {
        signal,
        unnamed: "rows",
        turn: () => {
          if (!turn.isDue) return null;
          onProgress?.(ids.length);
          return turn.pass(signal);
        },
      },
    );
    if (ids.length === 0)
      throw new FormatError("empty", "there is no protein in it", {
        path,
        suggestions: ["check that the file was written to its end"],
      });
    return new LoadedProteins(ids, ends, residues.subarray(0, end));
  }

  get length(): number {
    return this.#ids.length;
  }

  id(row: number): string {
    this.#check(row);
    return this.#ids[row] as string; // proof: checked
  }

  /** The first row of a name, or -1. */
  indexOf(id: string): number {
    this.#rows ??= new Map(this.#ids.map((name, row) => [name, row] as const).reverse());
    return this.#rows.get(id) ?? -1;
  }

  sequence(row: number): Uint8Array {
    this.#check(row);
    return this.#residues.slice(row === 0 ? 0 : this.#ends[row - 1], this.#ends[row]);
  }

  #check(row: number): void {
    if (Number.isInteger(row) && row >= 0 && row < this.length) return;
    const message = `expected a protein of 0 to ${this.length - 1}, found ${row}`;
    throw new InvalidArgumentError("row", row, message);
  }
}
