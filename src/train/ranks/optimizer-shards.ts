import { BUCKET_FLOATS } from "../../distributed/buckets.ts";
import type { Communicator } from "../../distributed/communicator.ts";
import type { ParameterSpec } from "../../models/model.ts";
import type { ParameterState } from "../../tensor/index.ts";

type Moment = "first" | "second";
/** Moments of parameters that other ranks update. */
export type OtherMoments = ReadonlyMap<Moment, ReadonlyMap<string, Float32Array>>;

/**
 * The optimizer's state divided over the ranks (ZeRO-1): each updates some of the parameters, and has
 * the moments of these alone; then the new values go to all. The results are those of an update of all
 * parameters, bit for bit.
 */
export class OptimizerShards {
  readonly #ranks: Communicator;
  /** Names by rank, the same on every rank. */
  readonly names: readonly (readonly string[])[];
  readonly #lengths: ReadonlyMap<string, number>;
  /** Parameters that this rank updates. */
  readonly mine: ReadonlySet<string>;

  constructor(ranks: Communicator, parameters: readonly ParameterSpec[]) {
    const trained = parameters.filter((parameter) => parameter.trained);
    this.#ranks = ranks;
    this.#lengths = new Map(trained.map(({ name, shape }) => [name, lengthOf(shape)]));
    this.names = divided(this.#lengths, ranks.worldSize);
    this.mine = new Set(this.names[ranks.rank]);
  }

  /** After an update: every rank takes the values of the others' parameters. */
  async shareValues(state: ParameterState): Promise<void> {
    for (const [owner, names] of this.names.entries()) {
      for (const group of this.#groups(names)) {
        const arrays = await this.#from(owner, group, () => state.read("values", group));
        if (owner !== this.#ranks.rank) await state.write("values", arrays);
      }
    }
  }

  /** Before a checkpoint: rank 0 gets what the others have; these get nothing. */
  async collect(state: ParameterState, kinds: readonly Moment[]): Promise<OtherMoments> {
    const collected = new Map<Moment, Map<string, Float32Array>>();
    for (const kind of kinds) {
      const found = new Map<string, Float32Array>();
      for (const [owner, names] of this.names.entries()) {
        if (owner === 0) continue;
        for (const group of this.#groups(names)) {
          const arrays = await this.#from(owner, group, () => state.read(kind, group));
          if (this.#ranks.rank !== 0) continue;
          for (const [name, array] of arrays) found.set(name, array.slice());
        }
      }
      collected.set(kind, found);
    }
    return collected;
  }

  /** From a checkpoint that rank 0 reads: each rank gets the moments of its parameters. */
  async handOut(
    state: ParameterState,
    kinds: readonly Moment[],
    read: (kind: Moment, name: string) => Float32Array,
  ): Promise<void> {
    for (const kind of kinds) {
      for (const name of this.#lengths.keys()) {
        const arrays = await this.#from(0, [name], async () => new Map([[name, read(kind, name)]]));
        if (this.mine.has(name)) await state.write(kind, arrays);
      }
    }
  }

  /** Arrays that `owner` reads, on every rank; only until the next call. */
  async #from(
    owner: number,
    names: readonly string[],
    read: () => Promise<ReadonlyMap<string, Float32Array>>,
  ): Promise<ReadonlyMap<string, Float32Array>> {
    const length = names.reduce((sum, name) => sum + (this.#lengths.get(name) ?? 0), 0);
    const packed = new Float32Array(length);
    const parts = new Map<string, Float32Array>();
    let at = 0;
    for (const name of names) {
      const end = at + (this.#lengths.get(name) ?? 0);
      parts.set(name, packed.subarray(at, end));
      at = end;
    }
    if (owner === this.#ranks.rank) {
      for (const [name, array] of await read()) parts.get(name)?.set(array);
    }
    await this.#ranks.broadcast(new Uint8Array(packed.buffer), owner);
    return parts;
  }

  /** Few messages for many small parameters. */
  #groups(names: readonly string[]): readonly (readonly string[])[] {
    const groups: string[][] = [];
    let length = Number.POSITIVE_INFINITY;
    for (const name of names) {
      const more = this.#lengths.get(name) ?? 0;
      if (length + more > BUCKET_FLOATS) {
        groups.push([]);
        length = 0;
      }
      groups.at(-1)?.push(name);
      length += more;
    }
    return groups;
  }
}

/** The largest first, each to the rank that has least. */
function divided(
  lengths: ReadonlyMap<string, number>,
  count: number,
): readonly (readonly string[])[] {
  const shares = Array.from({ length: count }, () => ({ names: [] as string[], length: 0 }));
  const bySize = [...lengths].sort(([, a], [, b]) => b - a);
  for (const [name, length] of bySize) {
    const least = shares.reduce((best, share) => (share.length < best.length ? share : best));
    least.names.push(name);
    least.length += length;
  }
  return shares.map(({ names }) => names);
}

function lengthOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
