import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, checkOptions, shown } from "../../formats/common/options.ts";

export interface PadTokenIdsOptions {
  /** Default 0. */
  readonly paddingValue?: number;
  /** Length of every sequence. Default: the longest of the batch. */
  readonly paddingLength?: number;
  /** The length is rounded up to a multiple of this. Default 1. */
  readonly padSizeDivisibleBy?: number;
}

export interface PaddedTokenIds {
  /** [batch, length], row-major. */
  readonly ids: Int32Array;
  /** [batch, length], 1 for a token, 0 for padding. */
  readonly mask: Uint8Array;
  readonly shape: readonly [batch: number, length: number];
}

/**
 * `pad_token_ids` of bionemo-core: sequences of token ids filled up at the end to one length, with
 * the attention mask.
 *
 * @throws InvalidArgumentError for no sequences, an id that is no 32-bit integer, or a sequence
 *   longer than `paddingLength` (where the original returns ids and mask of different shapes).
 */
export function padTokenIds(
  sequences: readonly ArrayLike<number>[],
  options: PadTokenIdsOptions = {},
): PaddedTokenIds {
  checkOptions("padTokenIds", options, {
    paddingValue: aNumber,
    paddingLength: aNumber,
    padSizeDivisibleBy: aNumber,
  });
  const { paddingValue = 0, paddingLength, padSizeDivisibleBy = 1 } = options;
  if (sequences.length === 0) {
    throw new InvalidArgumentError("sequences", sequences, "expected at least one sequence");
  }
  assertAtLeast("padSizeDivisibleBy", padSizeDivisibleBy, 1);
  if (paddingLength !== undefined) assertAtLeast("paddingLength", paddingLength, 0);
  const longest = sequences.reduce((most, { length }) => Math.max(most, length), 0);
  const length = Math.ceil((paddingLength ?? longest) / padSizeDivisibleBy) * padSizeDivisibleBy;
  if (longest > length) {
    const which = sequences.findIndex((sequence) => sequence.length === longest);
    throw new InvalidArgumentError(
      "paddingLength",
      paddingLength,
      `sequence ${which} has ${longest} tokens, more than the padded length of ${length}`,
      { suggestions: ["truncate the sequences first"] },
    );
  }
  const ids = new Int32Array(sequences.length * length).fill(paddingValue);
  const mask = new Uint8Array(ids.length);
  for (const [i, sequence] of sequences.entries()) {
    for (let k = 0; k < sequence.length; k++) {
      const id = sequence[k] as number;
      if ((id | 0) !== id) throw notAnId(i, k, id);
      ids[i * length + k] = id;
    }
    mask.fill(1, i * length, i * length + sequence.length);
  }
  return { ids, mask, shape: [sequences.length, length] };
}

function notAnId(sequence: number, position: number, id: number): InvalidArgumentError {
  return new InvalidArgumentError(
    "sequences",
    id,
    `token ${position} of sequence ${sequence} is ${id}, expected a 32-bit integer`,
  );
}

function assertAtLeast(argument: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} is ${shown(value)}, expected an integer of at least ${least}`,
  );
}
