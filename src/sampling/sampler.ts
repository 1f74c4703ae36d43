/**
 * Which rows come in which order: a pure function of (epoch, position).
 *
 * A sampler has no state that moves. Position p of an epoch is the p-th sample of all ranks and
 * workers together; who reads it, in batches of which size, and what was read before change nothing.
 * Resuming therefore means naming an epoch and a position.
 */
export interface Sampler {
  /** Samples of one epoch, the same in every epoch. */
  readonly length: number;
  /** Rows are integers from 0 to nRows - 1. */
  readonly nRows: number;
  /**
   * Writes the rows at positions `[begin, begin + out.length)` of an epoch to `out`.
   * @throws InvalidArgumentError for an epoch below 0 or positions outside [0, length).
   */
  fill(epoch: number, begin: number, out: Float64Array): void;
  /** The epoch that a position's item is made for, where it is not `epoch`: in a run of many epochs. */
  epochAt?(epoch: number, position: number): number;
  /**
   * Name, version and parameters: two samplers with equal descriptions give equal orders. A loader
   * keeps it in its state and refuses a state of another order.
   */
  describe(): SamplerDescription;
}

/** As JSON. Weights and lists stand in it as a checksum. */
export type SamplerDescription = Readonly<Record<string, string | number | boolean | null>> & {
  readonly name: string;
  /** Raised when the same parameters begin to give another order. */
  readonly version: number;
};
