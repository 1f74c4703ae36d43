/** How many buckets a step's gradients were added up in. */
export interface SumReport {
  readonly buckets: number;
  /** Those that were begun before the backward pass had made its last gradient. */
  readonly early: number;
}

/**
 * The gradients of a state on a device, added up over the ranks where they lie: each bucket as soon as
 * the backward pass has made its last gradient, beside what is left of the pass.
 *
 * All ranks call `begin` and `finish` in turn; between them they call nothing else of the communicator.
 */
export interface GradientSums extends AsyncDisposable {
  /** The next run is the last of a step. A rank that has none calls it, too. */
  begin(): void;
  /** Ends when the state's gradients are the sums. @throws RankError when another rank is lost */
  finish(): Promise<SumReport>;
  /** Ends what is under way. */
  close(): Promise<void>;
}
