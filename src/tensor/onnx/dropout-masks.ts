import type { RunOptions } from "../executor.ts";
import type { MaskInput } from "./emit-dropout.ts";
import type { MaskPart, SharedMask } from "./messages.ts";
import type { OnnxThread } from "./thread.ts";

/**
 * Memory of dropout masks that all threads of an executor see: each fills its share of them, then the
 * graph runs. It is as large as those of the largest program that ran, and one run has it at a time.
 */
export class DropoutMasks {
  #memory = new SharedArrayBuffer(0);
  #last: Promise<unknown> = Promise.resolve();

  /** Fills the masks of a run, then does it; `threads` are asked for when it is its turn. */
  run<T>(
    inputs: readonly MaskInput[],
    options: Required<RunOptions>,
    threads: () => readonly OnnxThread[],
    work: (masks: readonly SharedMask[]) => Promise<T>,
  ): Promise<T> {
    if (inputs.length === 0) return work([]);
    const done = this.#last.then(async () => {
      const masks = this.#place(inputs);
      await this.#fill(inputs, masks, options, threads());
      return work(masks);
    });
    this.#last = done.catch(() => {});
    return done;
  }

  #place(inputs: readonly MaskInput[]): readonly SharedMask[] {
    const bytes = 2 * inputs.reduce((sum, { numbers }) => sum + numbers, 0);
    if (this.#memory.byteLength < bytes) this.#memory = new SharedArrayBuffer(bytes);
    let offset = 0;
    return inputs.map(({ name, numbers }) => {
      const bits = new Uint16Array(this.#memory, offset, numbers);
      offset += bits.byteLength;
      return { name, bits };
    });
  }

  async #fill(
    inputs: readonly MaskInput[],
    masks: readonly SharedMask[],
    options: Required<RunOptions>,
    threads: readonly OnnxThread[],
  ): Promise<void> {
    const total = inputs.reduce((sum, { numbers }) => sum + numbers, 0);
    const bound = (share: number) => Math.floor((share * total) / threads.length);
    const asked = threads.map((thread, at) => {
      const parts = partsOf(inputs, masks, bound(at), bound(at + 1));
      return thread.send<"masks">({ kind: "masks", parts, options });
    });
    await Promise.all(asked);
  }
}

/** The numbers `[begin, end)` of all masks, counted one mask after another. */
function partsOf(
  inputs: readonly MaskInput[],
  masks: readonly SharedMask[],
  begin: number,
  end: number,
): readonly MaskPart[] {
  const parts: MaskPart[] = [];
  let offset = 0;
  for (const [at, { layer, rate, numbers }] of inputs.entries()) {
    const first = Math.max(begin - offset, 0);
    const last = Math.min(end - offset, numbers);
    const bits = masks[at]?.bits.subarray(first, last);
    if (bits !== undefined && first < last) parts.push({ layer, rate, first, bits });
    offset += numbers;
  }
  return parts;
}
