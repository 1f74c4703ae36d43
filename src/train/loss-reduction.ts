import { InvalidArgumentError } from "../../formats/common/errors.ts";

/**
 * How the losses of micro-batches become the one that is minimised: factors by which their summed
 * losses are multiplied, from what each of them counts (`lossCount` of the model).
 *
 * - "global": the mean over all that the batch counts, however it is divided.
 * - "micro-batch": the mean of the micro-batches' means, as Megatron and so BioNeMo take it: a token
 *   weighs less in a micro-batch that counts more. One that counts nothing has mean 0.
 *
 * The loss that is logged is the sum over the count of the whole batch, as in BioNeMo.
 */
export type LossReduction =
  | "global"
  | "micro-batch"
  | ((counts: readonly number[]) => readonly number[]);

/** @throws InvalidArgumentError for a function that does not give one number for each micro-batch */
export function lossFactors(reduction: LossReduction, counts: readonly number[]) {
  switch (reduction) {
    case "global": {
      const count = counts.reduce((total, one) => total + one, 0);
      return counts.map(() => (count === 0 ? 0 : 1 / count));
    }
    case "micro-batch":
      return counts.map((count) => (count === 0 ? 0 : 1 / count / counts.length));
    default: {
      const factors = reduction(counts);
      const isOne = factors.length === counts.length && factors.every(Number.isFinite);
      if (isOne) return factors;
      const message = `lossReduction gave [${factors.join(", ")}] for ${counts.length} micro-batches`;
      throw new InvalidArgumentError("lossReduction", factors, message, {
        suggestions: ["return one finite number for each count"],
      });
    }
  }
}
