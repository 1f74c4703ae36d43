import { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";

/** Relative and absolute differences that torch.testing.assert_close allows, by array type. */
const TOLERANCES: Readonly<Record<string, readonly [relative: number, absolute: number]>> = {
  Float32Array: [1.3e-6, 1e-5],
  Float64Array: [1e-7, 1e-7],
};

type Numbers = Float32Array | Float64Array;

/**
 * Asserts that two items hold the same: the original's `assert_dict_tensors_approx_equal`. Typed arrays
 * must agree in type and length; floats within torch's tolerances (float32 1.3e-6 relative and 1e-5
 * absolute, float64 1e-7 and 1e-7); everything else exactly, objects and lists by their parts. Unlike
 * there NaN equals NaN: it is the same data.
 * @throws AssertionError that names the place.
 */
export function assertElementsEqual(actual: unknown, expected: unknown): void {
  compare(actual, expected, "item");
}

function compare(actual: unknown, expected: unknown, place: string): void {
  if (isFloats(actual) && isFloats(expected) && actual.constructor === expected.constructor) {
    compareFloats(actual, expected, place);
  } else if (isParts(actual) && isParts(expected) && sameKeys(actual, expected)) {
    for (const key of Object.keys(expected)) compare(actual[key], expected[key], `${place}.${key}`);
  } else if (!isDeepStrictEqual(actual, expected)) {
    fail(place, "is not the same", actual, expected);
  }
}

function compareFloats(actual: Numbers, expected: Numbers, place: string): void {
  if (actual.length !== expected.length) {
    fail(place, `has ${actual.length} elements instead of ${expected.length}`, actual, expected);
  }
  // Both are float arrays.
  const [relative, absolute] = TOLERANCES[expected.constructor.name] as readonly [number, number];
  for (let i = 0; i < expected.length; i++) {
    const [found, wanted] = [actual[i] as number, expected[i] as number];
    if (Object.is(found, wanted) || found === wanted) continue;
    const allowed = Number.isFinite(wanted) ? absolute + relative * Math.abs(wanted) : 0;
    if (Math.abs(found - wanted) <= allowed) continue;
    fail(place, `has ${found} at ${i} instead of ${wanted}`, actual, expected);
  }
}

function isFloats(value: unknown): value is Numbers {
  return value instanceof Float32Array || value instanceof Float64Array;
}

/** A list or a plain object. */
function isParts(value: unknown): value is Record<string, unknown> {
  if (Array.isArray(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function sameKeys(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  return Array.isArray(a) === Array.isArray(b) && isDeepStrictEqual(keysOf(a), keysOf(b));
}

function keysOf(value: Record<string, unknown>): Set<string> {
  return new Set(Object.keys(value));
}

function fail(place: string, how: string, actual: unknown, expected: unknown): never {
  throw new AssertionError({ message: `${place} ${how}`, actual, expected });
}
