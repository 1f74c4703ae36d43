import { IncompatibleError, NotFoundError } from "../../formats/common/errors.ts";
import type { StateKind, StateOptions } from "./executor.ts";
import { elementCount, type NamedValue } from "./program.ts";

/** Where a parameter lies in the blocks of a state, in elements. */
export interface ParameterPlace {
  readonly name: string;
  readonly begin: number;
  readonly length: number;
}

/** Parameters begin at multiples of a cache line. */
const ALIGNMENT = 16;

/**
 * Parameters in host memory that threads share: one block for values and, for trained parameters,
 * one each for gradients and the two moments, which is allocated when it is first used.
 */
export class HostState {
  readonly places: readonly ParameterPlace[];
  readonly trainedPlaces: readonly ParameterPlace[];
  readonly #views = new Map<StateKind, ReadonlyMap<string, Float32Array>>();
  readonly #blocks = new Map<StateKind, SharedArrayBuffer>();

  constructor(parameters: readonly NamedValue[], options: StateOptions) {
    const frozen = new Set(options.frozen ?? []);
    const unknown = [...frozen].find((name) => !parameters.some((known) => known.name === name));
    if (unknown !== undefined)
      throw this.#missing(
        unknown,
        parameters.map(({ name }) => name),
      );
    const trained =
      options.inferenceOnly === true ? [] : parameters.filter(({ name }) => !frozen.has(name));
    this.places = placed(parameters);
    this.trainedPlaces = placed(trained);
    this.#allocate("values");
  }

  /** The block of a kind; zeroed when it is new. Elements of `places` or `trainedPlaces`. */
  block(kind: StateKind): SharedArrayBuffer {
    this.views(kind);
    return this.#blocks.get(kind) as SharedArrayBuffer; // proof: views() allocated it
  }

  /** The arrays of a kind by name: the memory itself, not copies. */
  views(kind: StateKind): ReadonlyMap<string, Float32Array> {
    return this.#views.get(kind) ?? this.#allocate(kind);
  }

  write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): void {
    const views = this.views(kind);
    for (const [name, array] of arrays) {
      const view = views.get(name);
      if (view === undefined) throw this.#missing(name, [...views.keys()]);
      if (view.length !== array.length) {
        throw new IncompatibleError(
          "shape-mismatch",
          `parameter ${name} has ${view.length} elements, the array ${array.length}`,
        );
      }
    }
    for (const [name, array] of arrays) views.get(name)?.set(array);
  }

  read(kind: StateKind, names?: Iterable<string>): ReadonlyMap<string, Float32Array> {
    const views = this.views(kind);
    const copies = new Map<string, Float32Array>();
    for (const name of names ?? views.keys()) {
      const view = views.get(name);
      if (view === undefined) throw this.#missing(name, [...views.keys()]);
      copies.set(name, Float32Array.from(view));
    }
    return copies;
  }

  #allocate(kind: StateKind): ReadonlyMap<string, Float32Array> {
    const places = kind === "values" ? this.places : this.trainedPlaces;
    const last = places.at(-1);
    const block = new SharedArrayBuffer(4 * (last === undefined ? 0 : last.begin + last.length));
    const views = viewsOf(block, places);
    this.#blocks.set(kind, block);
    this.#views.set(kind, views);
    return views;
  }

  #missing(name: string, available: readonly string[]): NotFoundError {
    return new NotFoundError("parameter-missing", `there is no parameter ${name}`, {
      what: name,
      available,
    });
  }
}

/** Views of a block by name. */
export function viewsOf(
  block: SharedArrayBuffer,
  places: readonly ParameterPlace[],
): ReadonlyMap<string, Float32Array> {
  return new Map(
    places.map(({ name, begin, length }) => [name, new Float32Array(block, 4 * begin, length)]),
  );
}

function placed(parameters: readonly NamedValue[]): ParameterPlace[] {
  let begin = 0;
  return parameters.map(({ name, value }) => {
    const length = elementCount(value.shape);
    const place = { name, begin, length };
    begin += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    return place;
  });
}
