import type { SumReport } from "../../device/sums/gradient-sums.ts";
import type { GradientBucket } from "../../device/sums/layout.ts";
import type { Tensor } from "../tensor.ts";

/** A float32 tensor of the same length on every rank, whose values one of them has. */
export interface OwnedTensor {
  readonly tensor: Tensor;
  readonly length: number;
  readonly owner: number;
}

/** What adds up buckets of gradients over the ranks, in the thread that has the device. */
export interface DeviceReducer {
  /**
   * Begins to add up a bucket; all ranks begin the same buckets in the same order, then one more with
   * one number. What is given may change or be freed afterwards.
   *
   * @returns for each gradient its sums, flat: they are there after {@link finish}
   */
  start(index: number, gradients: readonly Tensor[]): readonly Tensor[];
  /** What comes next on the device sees the sums. @throws when they will never be there */
  finish(): void;
  /** Gives every rank the tensors of their owners: what comes next on the device sees them. Absent: cannot. */
  share?(owned: readonly OwnedTensor[]): void;
  /** Frees what it has. */
  close(): void;
}

/** The gradients of a state. */
export interface GradientOwner {
  value(name: string): Tensor;
  /** By name; absent ones are made, zero. */
  gradients(names: readonly string[]): readonly Tensor[];
  replaceGradient(name: string, flat: Tensor): void;
  /** Whether outputs are finite: float32 [], see `UpdateGuard.health`. */
  health(outputs: readonly string[]): Tensor;
  /** Takes that of all ranks for it, given flat. */
  replaceHealth(outputs: readonly string[], flat: Tensor): void;
}

/**
 * Which gradients of a step have been made, and which buckets are on their way. A bucket is begun when
 * its last gradient is there and the one before it is begun, so that all ranks keep to one order.
 */
export class GradientBuckets {
  readonly #owner: GradientOwner;
  readonly #reducer: DeviceReducer;
  readonly #buckets: readonly (readonly string[])[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #lengths: ReadonlyMap<string, number>;
  /** Gradients that each bucket waits for; empty while nothing is to be added up. */
  #waiting: Set<string>[] = [];
  #next = 0;
  #early = 0;

  constructor(owner: GradientOwner, reducer: DeviceReducer, buckets: readonly GradientBucket[]) {
    this.#owner = owner;
    this.#reducer = reducer;
    this.#buckets = buckets.map(({ parameters }) => parameters.map(({ name }) => name));
    const parameters = buckets.flatMap((bucket) => bucket.parameters);
    this.#lengths = new Map(parameters.map(({ name, length }) => [name, length]));
    this.#places = new Map(
      this.#buckets.flatMap((names, at) => names.map((name) => [name, at] as const)),
    );
  }

  /** Gradients from now on are the last of a step. */
  arm(): void {
    this.#waiting = this.#buckets.map((names) => new Set(names));
    [this.#next, this.#early] = [0, 0];
  }

  /** A gradient is what it will be. */
  made(name: string): void {
    if (this.#waiting.length === 0) return;
    this.#early = this.#next;
    this.#waiting[this.#places.get(name) ?? -1]?.delete(name);
    while (this.#waiting[this.#next]?.size === 0) this.#start();
  }

  /** Begins what has not been begun, and waits as the reducer does. */
  finish(outputs: readonly string[] = []): SumReport {
    while (this.#next < this.#buckets.length) this.#start();
    // No run is to come.
    const [health] = this.#reducer.start(this.#buckets.length, [this.#owner.health(outputs)]);
    if (health !== undefined) this.#owner.replaceHealth(outputs, health);
    this.#waiting = [];
    const since = performance.now();
    this.#reducer.finish();
    const waitedMs = performance.now() - since;
    return { buckets: this.#buckets.length, early: this.#early, waitedMs };
  }

  /** Every rank gets the values of parameters by their owners, rank by rank. */
  shareValues(names: readonly (readonly string[])[]): void {
    if (this.#reducer.share === undefined) throw new Error("values are not shared on this device");
    const owned = names.flatMap((list, owner) =>
      list.map((name) => {
        const length = this.#lengths.get(name) ?? 0;
        return { tensor: this.#owner.value(name), length, owner };
      }),
    );
    this.#reducer.share(owned);
  }

  close(): void {
    this.#reducer.close();
  }

  #start(): void {
    const names = this.#buckets[this.#next] ?? [];
    const sums = this.#reducer.start(this.#next, this.#owner.gradients(names));
    this.#next++;
    for (const [at, sum] of sums.entries()) this.#owner.replaceGradient(names[at] ?? "", sum);
  }
}
