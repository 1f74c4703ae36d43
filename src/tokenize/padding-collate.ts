import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { type PaddedLengthOptions, paddedLength } from "./padded-length.ts";

export type PaddableArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export interface PaddedArray {
  /** [batch, length], row-major, of the type of the items' arrays. */
  readonly data: PaddableArray;
  readonly shape: readonly [batch: number, length: number];
}

/**
 * Items with arrays by name as one padded array a name, as BioNeMo's `padding_collate_fn`: what has
 * a padding value is padded at the end, the rest is stacked. No items give an empty object.
 *
 * @throws InvalidArgumentError for items whose names or types differ, arrays without a padding value
 *   whose lengths differ, or wrong lengths.
 */
export function paddingCollate<K extends string>(
  items: readonly Readonly<Record<K, PaddableArray>>[],
  paddingValues: Readonly<Partial<Record<K, number>>>,
  options: PaddedLengthOptions = {},
): Record<K, PaddedArray> {
  const [first] = items;
  // Object.keys of a record of K gives K; without items there is nothing to give.
  const names = Object.keys(first ?? {}) as K[];
  for (const [i, item] of items.entries()) assertNames(names, item, i);
  const collated = names.map((name) => {
    const arrays = items.map((item) => item[name]);
    const padding = paddingValues[name];
    return [name, padded(name, arrays, padding ?? 0, padding === undefined ? null : options)];
  });
  return Object.fromEntries(collated) as Record<K, PaddedArray>;
}

function padded(
  name: string,
  arrays: readonly PaddableArray[],
  padding: number,
  options: PaddedLengthOptions | null,
): PaddedArray {
  const lengths = arrays.map(({ length }) => length);
  const longest = Math.max(...lengths);
  if (options === null && lengths.some((length) => length !== longest)) {
    throw new InvalidArgumentError(
      "paddingValues",
      name,
      `${name} has no padding value, and its lengths differ: ${Math.min(...lengths)} to ${longest}`,
      { suggestions: [`give a padding value for ${name}`] },
    );
  }
  const length = options === null ? longest : paddedLength(longest, options);
  const mostValues = Math.min(length, options?.maxLength ?? length);
  const data = emptyLike(arrays[0] as PaddableArray, arrays.length * length);
  if (padding !== 0) data.fill(padding);
  for (const [i, array] of arrays.entries()) {
    if (array.constructor !== data.constructor) {
      throw new InvalidArgumentError(
        "items",
        array,
        `item ${i}: ${name} is ${array.constructor.name}, before it is ${data.constructor.name}`,
      );
    }
    data.set(array.subarray(0, mostValues), i * length);
  }
  return { data, shape: [arrays.length, length] };
}

function emptyLike(array: PaddableArray, length: number): PaddableArray {
  if (array instanceof Int8Array) return new Int8Array(length);
  if (array instanceof Uint8Array) return new Uint8Array(length);
  if (array instanceof Int16Array) return new Int16Array(length);
  if (array instanceof Uint16Array) return new Uint16Array(length);
  if (array instanceof Int32Array) return new Int32Array(length);
  if (array instanceof Uint32Array) return new Uint32Array(length);
  if (array instanceof Float32Array) return new Float32Array(length);
  return new Float64Array(length);
}

function assertNames(names: readonly string[], item: object, i: number): void {
  const found = Object.keys(item);
  if (found.length === names.length && names.every((name) => found.includes(name))) return;
  throw new InvalidArgumentError(
    "items",
    item,
    `All keys in inputs must match each other. Item 0 has ${names.join(", ")}, item ${i} has ${found.join(", ")}`,
  );
}
