import type { LossScaleState } from "../optimizer.ts";
import type { Libtorch } from "./libtorch.ts";
import type { Tensor } from "./tensor.ts";

/** torch.amp.GradScaler's. */
const FIRST = 2 ** 16;
const GROWTH = 2;
const BACKOFF = 0.5;
const GROWTH_INTERVAL = 2000;

/** What a run multiplies its seed by, and its gradients: float32 [] on the device. */
export interface LossFactor {
  readonly factor: Tensor;
  readonly inverse: Tensor;
}

/**
 * The factor on the loss of float16 runs, so that small gradients do not vanish: torch.amp.GradScaler,
 * with all its numbers on the device. An update whose gradients are too large for float16 is left out,
 * and the factor halved; the host is told later. With a factor of 1 it cannot be the reason.
 */
export class LossScale {
  readonly #torch: Libtorch;
  /** float32 []. */
  readonly #factor: Tensor;
  /** Updates applied since the factor changed: int32 []. */
  readonly #good: Tensor;
  /** Updates left out in the life of the state: float32 []. */
  #skipped: Tensor;

  constructor(torch: Libtorch) {
    this.#torch = torch;
    this.#factor = torch.keep(torch.full([], FIRST, torch.dtypes.float32));
    this.#good = torch.keep(torch.full([], 0, torch.dtypes.int32));
    this.#skipped = torch.keep(torch.full([], 0, torch.dtypes.float32));
  }

  /** Of the next run; the caller keeps what it needs of it for longer. */
  ofRun(): LossFactor {
    const torch = this.#torch;
    return { factor: this.#factor, inverse: torch.one("div", torch.number(1), this.#factor) };
  }

  get factor(): Tensor {
    return this.#factor;
  }

  /** Of a number that is 0 where gradients are finite and NaN where not: 0 where the factor may be why. */
  excuse(own: Tensor): Tensor {
    const torch = this.#torch;
    const mayBe = torch.one("gt", this.#factor, torch.number(1));
    return torch.one("where", mayBe, this.#zero(), own);
  }

  /** The number of an update among those applied: `step` without those left out. */
  appliedStep(step: number): Tensor {
    const torch = this.#torch;
    return torch.add(torch.full([], step, torch.dtypes.float32), this.#skipped, -1);
  }

  /**
   * After an update.
   *
   * @param skipped float32 []: 1 where it changed nothing
   * @param health 0 where that is because of the factor, or it was applied; NaN where not
   */
  updated(skipped: Tensor, health: Tensor): void {
    const torch = this.#torch;
    const found = torch.one("where", torch.one("isfinite", health), skipped, this.#zero());
    const sum = torch.keep(torch.add(this.#skipped, found));
    torch.release(this.#skipped);
    this.#skipped = sum;
    const numbers = [GROWTH, BACKOFF, GROWTH_INTERVAL] as const;
    torch.one("updateLossScale", this.#factor, this.#good, found, ...numbers);
  }

  /** Waits for the device. */
  read(): LossScaleState {
    const [factor, good] = [new Float32Array(1), new Int32Array(1)];
    this.#torch.download(this.#factor, factor, []);
    this.#torch.download(this.#good, good, []);
    return { factor: factor[0] ?? FIRST, goodUpdates: good[0] ?? 0 };
  }

  write({ factor, goodUpdates }: LossScaleState): void {
    this.#torch.overwrite(this.#factor, Float32Array.of(factor), []);
    this.#torch.overwrite(this.#good, Int32Array.of(goodUpdates), []);
  }

  /** On the device: what chooses between tensors would wait for one of the host. */
  #zero(): Tensor {
    return this.#torch.full([], 0, this.#torch.dtypes.float32);
  }

  close(): void {
    for (const tensor of [this.#factor, this.#good, this.#skipped]) this.#torch.release(tensor);
  }
}
