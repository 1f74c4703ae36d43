import type { NcclLibrary } from "../../../distributed/nccl/nccl.ts";

/** Where gradients lie that can be added up there: in the host's memory, or on a GPU of NVIDIA. */
export type GradientMemory =
  | { readonly kind: "host" }
  | { readonly kind: "cuda"; readonly nccl: LoadNccl };

/** Loads NCCL. @throws NotFoundError where it is not */
export type LoadNccl = () => NcclLibrary;

/** How many buckets a step's gradients were added up in. */
export interface SumReport {
  readonly buckets: number;
  /** Those that were begun before the backward pass had made its last gradient. */
  readonly early: number;
  /**
   * Milliseconds that the device's thread waited for sums after its own last gradient. With NCCL the device
   * waits, and no thread does: next to nothing.
   */
  readonly waitedMs: number;
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
  /**
   * Ends when the state's gradients are the sums.
   *
   * @param outputs that are guarded by the update to come, see `UpdateOptions.guard`: where one was
   *   not finite on some rank, all leave the update out
   * @throws RankError when another rank is lost
   */
  finish(outputs?: readonly string[]): Promise<SumReport>;
  /**
   * After an update of parts: every rank gets the values of parameters by their owners, where they
   * lie. Runs asked for afterwards see them. Absent where they go by the host.
   *
   * @param names by rank, the same on every rank
   */
  shareValues?(names: readonly (readonly string[])[]): Promise<void>;
  /** The answer of the device, or at once the error of the ranks: a device may hang for one that is lost. */
  unlessLost<T>(answer: Promise<T>): Promise<T>;
  /** Ends what is under way. */
  close(): Promise<void>;
}
