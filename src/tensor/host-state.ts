import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { StateKind, StateOptions } from "./executor.ts";
import { missingParameter, requireArrays } from "./parameter-names.ts";
import { elementCount, type NamedValue } from "./program.ts";
import { type SharedMemory, wasm } from "./update/webassembly.ts";

/** Where a parameter lies: byte offsets in the memory of its segment. */
export interface ParameterPlace {
  readonly name: string;
  readonly length: number;
  readonly segment: number;
  /** Offsets by kind; only `values` for a parameter that is not trained. */
  readonly offsets: Readonly<Partial<Record<StateKind, number>>>;
}

/** The memory of a state as threads share it. */
export interface SharedState {
  readonly memories: readonly SharedMemory[];
  readonly places: readonly ParameterPlace[];
}

/** Elements of a parameter are padded to a cache line, so that vector code needs no rest. */
export const ALIGNMENT = 16;
const PAGE_BYTES = 65_536;
/** A WebAssembly memory holds less than 4 GiB; larger states have several. */
const SEGMENT_BYTES = 65_000 * PAGE_BYTES;
const TRAINED: readonly StateKind[] = ["values", "gradients", "first", "second"];

/**
 * Parameters in host memory that threads share. The memory is WebAssembly's, so that the optimizer's
 * vector code works on it in place; the system provides pages of it when they are first written.
 */
export class HostState {
  readonly shared: SharedState;
  readonly trained: readonly string[];
  readonly #views = new Map<StateKind, ReadonlyMap<string, Float32Array>>();

  constructor(parameters: readonly NamedValue[], options: StateOptions) {
    const names = parameters.map(({ name }) => name);
    const frozen = new Set(options.frozen ?? []);
    for (const name of frozen) if (!names.includes(name)) throw missingParameter(name, names);
    const trains = (name: string) => options.inferenceOnly !== true && !frozen.has(name);
    this.trained = names.filter(trains);
    this.shared = allocate(parameters, trains);
  }

  get names(): readonly string[] {
    return this.shared.places.map(({ name }) => name);
  }

  /** The arrays of a kind by name: the memory itself, not copies. */
  views(kind: StateKind): ReadonlyMap<string, Float32Array> {
    const known = this.#views.get(kind);
    if (known !== undefined) return known;
    const views = viewsOf(this.shared, kind);
    this.#views.set(kind, views);
    return views;
  }

  zeroGradients(): void {
    for (const gradient of this.views("gradients").values()) gradient.fill(0);
  }

  write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): void {
    const views = this.views(kind);
    requireArrays(arrays, new Map([...views].map(([name, { length }]) => [name, length])));
    for (const [name, array] of arrays) views.get(name)?.set(array);
  }

  read(kind: StateKind, names?: Iterable<string>): ReadonlyMap<string, Float32Array> {
    const views = this.views(kind);
    const copies = new Map<string, Float32Array>();
    for (const name of names ?? views.keys()) {
      const view = views.get(name);
      if (view === undefined) throw missingParameter(name, [...views.keys()]);
      copies.set(name, new Float32Array(view));
    }
    return copies;
  }
}

/** Arrays over shared memory by name, of the parameters that have this kind. */
export function viewsOf(shared: SharedState, kind: StateKind): ReadonlyMap<string, Float32Array> {
  const views = new Map<string, Float32Array>();
  for (const { name, length, segment, offsets } of shared.places) {
    const memory = shared.memories[segment];
    const offset = offsets[kind];
    if (memory === undefined || offset === undefined) continue;
    views.set(name, new Float32Array(memory.buffer, offset, length));
  }
  return views;
}

function allocate(
  parameters: readonly NamedValue[],
  trains: (name: string) => boolean,
): SharedState {
  const places: ParameterPlace[] = [];
  const sizes = [0];
  for (const { name, value } of parameters) {
    const length = elementCount(value.shape);
    const bytes = 4 * Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    const kinds: readonly StateKind[] = trains(name) ? TRAINED : ["values"];
    if (bytes * kinds.length > SEGMENT_BYTES) {
      throw new InvalidArgumentError(
        "parameter",
        name,
        `parameter ${name} has ${length} elements`,
        {
          suggestions: [`split it: at most ${SEGMENT_BYTES / 16} elements`],
        },
      );
    }
    if ((sizes.at(-1) ?? 0) + bytes * kinds.length > SEGMENT_BYTES) sizes.push(0);
    const begin = sizes.at(-1) ?? 0;
    const offsets = Object.fromEntries(kinds.map((kind, at) => [kind, begin + at * bytes]));
    sizes[sizes.length - 1] = begin + bytes * kinds.length;
    places.push({ name, length, segment: sizes.length - 1, offsets });
  }
  const memories = sizes.map((size) => {
    const pages = Math.max(1, Math.ceil(size / PAGE_BYTES));
    return new wasm.Memory({ initial: pages, maximum: pages, shared: true });
  });
  return { memories, places };
}
