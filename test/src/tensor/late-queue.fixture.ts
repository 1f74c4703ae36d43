import type { DeviceQueue } from "../../../src/tensor/torch/device-queue.ts";

/** A device that is done when it likes: with a mark after it was asked for it 0 to 29 times. */
export class LateQueue implements DeviceQueue {
  #random = 1;
  /** Marks that were asked for and not yet given back. */
  held = 0;

  mark() {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    let left = Math.floor((this.#random / 2 ** 32) * 30);
    this.held++;
    return {
      isDone: () => left-- <= 0,
      release: () => {
        this.held--;
      },
    };
  }
}
