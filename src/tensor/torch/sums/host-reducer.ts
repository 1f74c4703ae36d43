import { type SharedBucketMemory, SharedBuckets } from "../../device/sums/shared-buckets.ts";
import type { Libtorch } from "../libtorch.ts";
import type { Tensor } from "../tensor.ts";
import type { DeviceReducer } from "./gradient-buckets.ts";

/**
 * Gradients in the host's memory: each bucket is copied once, into memory that the main thread adds up
 * with its communicator. The sums stay there; gradients are views of it until the next step.
 */
export class HostReducer implements DeviceReducer {
  readonly #torch: Libtorch;
  readonly #shared: SharedBuckets;
  readonly #flats: readonly Tensor[];
  readonly #lengths: readonly (readonly number[])[];

  /** @param lengths elements of the gradients, by bucket */
  constructor(
    torch: Libtorch,
    lengths: readonly (readonly number[])[],
    memory: SharedBucketMemory,
  ) {
    this.#torch = torch;
    this.#shared = new SharedBuckets(memory);
    this.#flats = memory.floats.map((floats) =>
      torch.keep(torch.fromHost(floats, [floats.length])),
    );
    this.#lengths = lengths;
  }

  start(index: number, gradients: readonly Tensor[]): readonly Tensor[] {
    const torch = this.#torch;
    const flat = this.#flats[index] as Tensor; // proof: one for each bucket
    let at = 0;
    const sums = gradients.map((gradient, place) => {
      const begin = at;
      at += this.#lengths[index]?.[place] ?? 0;
      const part = torch.one("slice", flat, 0, begin, at);
      torch.copyInto(part, torch.one("reshape", gradient, [-1]));
      return part;
    });
    this.#shared.started();
    return sums;
  }

  finish(): void {
    if (!this.#shared.waitUntilDone()) throw new Error("the ranks have not added up gradients");
  }

  close(): void {
    for (const flat of this.#flats) this.#torch.release(flat);
  }
}
