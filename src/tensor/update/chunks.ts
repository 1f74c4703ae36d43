import { ALIGNMENT, type SharedState } from "../host-state.ts";
import type { OptimizerSettings, UpdateOptions } from "../optimizer.ts";
import { factorsFor, type UpdateFactors } from "./host-update.ts";
import { type Kernels, kernelsOver } from "./kernels.ts";

/** Part of a trained parameter that one call of a kernel treats. */
interface Chunk {
  readonly name: string;
  readonly segment: number;
  readonly value: number;
  readonly gradient: number;
  readonly first: number;
  readonly second: number;
  readonly count: number;
}

const CHUNK_ELEMENTS = 65_536;

/**
 * The trained parameters of a state in chunks, the same in every thread: threads share them out by
 * number. Sums are kept by chunk and added in their order, so that no result depends on the threads.
 */
export class UpdateChunks {
  readonly #chunks: readonly Chunk[];
  readonly #kernels: readonly Kernels[];

  constructor(shared: SharedState) {
    this.#chunks = chunksOf(shared);
    this.#kernels = shared.memories.map(kernelsOver);
  }

  get length(): number {
    return this.#chunks.length;
  }

  /** Sums of squares of the gradients of chunks `[begin, end)`. */
  squares(begin: number, end: number): Float64Array {
    return Float64Array.from(
      this.#chunks.slice(begin, end),
      ({ segment, gradient, count }) => this.#kernels[segment]?.squares(gradient, count) ?? 0,
    );
  }

  /** Adam or AdamW on chunks `[begin, end)`; `gradient` is the factor after clipping. */
  adam(
    begin: number,
    end: number,
    gradient: number,
    optimizer: OptimizerSettings,
    options: UpdateOptions,
  ): void {
    let factors: UpdateFactors | undefined;
    let name: string | undefined;
    for (const chunk of this.#chunks.slice(begin, end)) {
      if (options.only?.has(chunk.name) === false) continue;
      if (chunk.name !== name) factors = factorsFor(chunk.name, gradient, optimizer, options);
      name = chunk.name;
      if (factors !== undefined) this.#adam(chunk, factors);
    }
  }

  #adam({ segment, value, gradient, first, second, count }: Chunk, factors: UpdateFactors): void {
    const { beta1, beta2, learningRate, weightDecay, correction1, correction2, epsilon } = factors;
    this.#kernels[segment]?.adam(
      ...([value, gradient, first, second, count] as const),
      ...([factors.gradient, beta1, 1 - beta1, beta2, 1 - beta2] as const),
      learningRate * correction1,
      factors.kind === "adamw" ? 1 - learningRate * weightDecay : 1,
      factors.kind === "adam" ? weightDecay : 0,
      correction2,
      epsilon,
    );
  }
}

function chunksOf({ places }: SharedState): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (const { name, length, segment, offsets } of places) {
    const { values, gradients, first, second } = offsets;
    if (values === undefined || gradients === undefined) continue;
    if (first === undefined || second === undefined) continue;
    const padded = Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    for (let begin = 0; begin < padded; begin += CHUNK_ELEMENTS) {
      chunks.push({
        name,
        segment,
        value: values + 4 * begin,
        gradient: gradients + 4 * begin,
        first: first + 4 * begin,
        second: second + 4 * begin,
        count: Math.min(CHUNK_ELEMENTS, padded - begin),
      });
    }
  }
  return chunks;
}
