import { crc32, crc32Hex } from "../../formats/common/crc32.ts";
import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { SizedDataset } from "../sampling/multi-epoch-dataset.ts";
import type { BertItem } from "../tokenize/bert-item.ts";
import { EsmTokenizer } from "../tokenize/esm-tokenizer.ts";
import type { Label } from "./label-map.ts";
import { type ProteinTableOptions, readProteinTable } from "./protein-table.ts";

/** A tokenised protein, not masked, with the target of a fine-tuning task. */
export interface ProteinItem<L extends Int32Array | Float32Array = Int32Array>
  extends Omit<BertItem, "labels"> {
  /** The tokens; or one value of the protein; or a class per token, -100 where there is none. */
  readonly labels: L;
}

export interface ProteinDatasetOptions {
  /** Default the 33 tokens of ESM-2. */
  readonly tokenizer?: EsmTokenizer | undefined;
  /** One weight a protein, e.g. for a `WeightedSampler`. */
  readonly weights?: ArrayLike<number> | null | undefined;
  /** Where each protein stands, for errors: "proteins.csv, line 2". */
  readonly places?: readonly string[] | undefined;
}

/** Columns and tokeniser of a file. */
export interface ProteinFileOptions extends Partial<Omit<ProteinTableOptions, "labelColumn">> {
  readonly tokenizer?: EsmTokenizer | undefined;
}

/**
 * Proteins in memory, tokenised when asked for, without masking or cropping; `<mask>` in a sequence
 * stays. Subclasses say what the labels are.
 */
export abstract class ProteinDataset<L extends Int32Array | Float32Array>
  implements SizedDataset<ProteinItem<L>>
{
  readonly sequences: readonly string[];
  readonly tokenizer: EsmTokenizer;
  /** One a protein, or null. */
  readonly weights: Float64Array | null;
  readonly #places: readonly string[] | null;
  #identity: string | null = null;

  /** @throws InvalidArgumentError for weights of another length. */
  constructor(sequences: readonly string[], options: ProteinDatasetOptions = {}) {
    const { weights = null, places = null } = options;
    this.sequences = sequences;
    this.tokenizer = options.tokenizer ?? new EsmTokenizer();
    this.weights = weights === null ? null : Float64Array.from(weights);
    this.#places = places;
    if (weights !== null) assertLength("weights", weights, sequences.length);
  }

  get length(): number {
    return this.sequences.length;
  }

  /** A checksum of sequences and labels, for the state of a loader. */
  get identity(): string {
    this.#identity ??= crc32Hex(crc32(Buffer.from(JSON.stringify(this.content()))));
    return this.#identity;
  }

  /** @throws InvalidArgumentError for an index outside 0 to length - 1; FormatError for a bad label. */
  at(index: number): ProteinItem<L> {
    const sequence = this.sequences[index];
    if (sequence === undefined) {
      throw new InvalidArgumentError(
        "index",
        index,
        `there is no protein ${index}: expected an integer from 0 to ${this.length - 1}`,
      );
    }
    const text = this.tokenizer.encode(sequence);
    return {
      text,
      types: new Int32Array(text.length),
      attentionMask: new Uint8Array(text.length).fill(1),
      labels: this.labelsOf(index, text),
      lossMask: this.lossMaskOf(index, text),
      isRandom: new Uint8Array(text.length),
    };
  }

  /** What {@link identity} is made of. */
  protected content(): unknown {
    return this.sequences;
  }

  protected abstract labelsOf(index: number, text: Int32Array): L;

  /** 1 for every token that is not special. */
  protected lossMaskOf(_index: number, text: Int32Array): Uint8Array {
    return Uint8Array.from(text, (id) => (this.tokenizer.specialIds.includes(id) ? 0 : 1));
  }

  protected unknownLabel(index: number, label: Label): Error {
    return this.error(index, `Do not recognize token: ${label}`);
  }

  protected error(index: number, problem: string, suggestions: readonly string[] = []): Error {
    const place = this.#places?.[index];
    if (place !== undefined)
      return new FormatError("bad-row", problem, { path: place, suggestions });
    const message = `protein ${index}: ${problem}`;
    return new InvalidArgumentError("labels", index, message, { suggestions });
  }
}

/** BioNeMo's class of this name: for inference. The labels are the tokens. */
export class InMemoryProteinDataset extends ProteinDataset<Int32Array> {
  /**
   * Reads the sequences of a CSV, TSV, JSON lines or parquet file; labels are not read.
   * @throws FormatError naming the line, NotFoundError "no-such-column".
   */
  static async fromFile(
    path: string,
    options: ProteinFileOptions = {},
  ): Promise<InMemoryProteinDataset> {
    const table = await readProteinTable(path, { ...options, labelColumn: null });
    const { sequences, weights } = table;
    const places = table.places.map((place) => `${path}, ${place}`);
    return new InMemoryProteinDataset(sequences, {
      weights,
      places,
      tokenizer: options.tokenizer,
    });
  }

  protected override labelsOf(_index: number, text: Int32Array): Int32Array {
    return text.slice();
  }
}

/** @throws InvalidArgumentError */
export function assertLength(argument: string, list: ArrayLike<unknown>, expected: number): void {
  if (list.length === expected) return;
  throw new InvalidArgumentError(
    argument,
    list.length,
    `there are ${list.length} ${argument} for ${expected} sequences`,
  );
}
