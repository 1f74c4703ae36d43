import type { RunOutputs } from "../executor.ts";
import type { Late } from "../request-thread.ts";
import type { Libtorch } from "./libtorch.ts";
import type { TensorState } from "./tensor-state.ts";
import { globalNorm } from "./update.ts";

/** torch.amp.GradScaler's. */
const FIRST = 2 ** 16;
const RUNS_TO_DOUBLE = 2000;
const LARGEST = 2 ** 24;

/**
 * The factor on the loss of float16 runs, so that small gradients do not vanish. Where torch leaves an
 * update out when a gradient is too large for float16, the run is made again with half the factor.
 */
export class LossScale {
  #factor = FIRST;
  #good = 0;

  get factor(): number {
    return this.#factor;
  }

  /**
   * Calls `run` until its gradients are finite, or the factor is 1 and cannot be the reason: the host
   * waits for each.
   */
  find(
    state: TensorState,
    torch: Libtorch,
    run: (factor: number) => RunOutputs | Late<RunOutputs>,
  ): RunOutputs | Late<RunOutputs> {
    for (;;) {
      const before = state.heldGradients();
      try {
        const outputs = run(this.#factor);
        if (this.#factor === 1 || gradientsAreFinite(state, torch)) {
          this.#worked();
          return outputs;
        }
        state.restoreGradients(before);
        this.#factor /= 2;
        this.#good = 0;
      } finally {
        for (const gradient of before.values()) torch.release(gradient);
      }
    }
  }

  #worked(): void {
    if (++this.#good < RUNS_TO_DOUBLE || this.#factor >= LARGEST) return;
    this.#factor *= 2;
    this.#good = 0;
  }
}

function gradientsAreFinite(state: TensorState, torch: Libtorch): boolean {
  const { trained } = state;
  if (trained.length === 0) return true;
  const read = new Float32Array(1);
  torch.download(globalNorm(state.all("gradients", trained), torch), read, []);
  torch.sweep();
  return Number.isFinite(read[0]);
}
