import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { castKernel, precisionLoss } from "../../../formats/common/cast.ts";
import {
  allocate,
  type DType,
  itemBytes,
  type NumericArray,
  SCDL_DTYPES,
  type ScdlDType,
} from "../../../formats/common/dtype.ts";
import { float16ToFloat32 } from "../../../formats/common/float16.ts";

interface Golden {
  readonly sources: Record<DType, { input: string; outputs: Record<ScdlDType, string> }>;
}
const golden: Golden = JSON.parse(
  readFileSync(new URL("../../../fixtures/scdl/casts.json", import.meta.url), "utf8"),
);
const cases = Object.entries(golden.sources).flatMap(([from, { input, outputs }]) =>
  // The script writes DType names as keys.
  SCDL_DTYPES.map((to) => ({ from: from as DType, to, input, output: outputs[to] })),
);

function decode(dtype: DType, bytes: Uint8Array): NumericArray {
  const values = allocate(dtype, bytes.byteLength / itemBytes(dtype));
  const aligned = new Uint8Array(bytes);
  if (dtype === "float16" && values instanceof Float32Array) {
    float16ToFloat32(new Uint16Array(aligned.buffer), values);
  } else {
    new Uint8Array(values.buffer).set(aligned);
  }
  return values;
}

function cast(from: DType, to: ScdlDType, values: NumericArray, tolerance = 0) {
  const target = new Uint8Array(values.length * itemBytes(to));
  const lost = castKernel(from, to, { tolerance })(values, target);
  return { lost, values: Array.from(decode(to, target) as ArrayLike<number | bigint>), target };
}

describe("casts equal numpy's astype bit for bit", () => {
  test.each(cases)("$from to $to", ({ from, to, input, output }) => {
    const source = decode(from, Buffer.from(input, "hex"));
    const { target, lost } = cast(from, to, source);
    expect(Buffer.from(target).toString("hex")).toBe(output);
    // Every loss the kernel names is real, and the first one by brute force.
    expect(lost).toBe(firstLossByDefinition(source, decode(to, target), to));
  });
});

/** The definition of the module comment, in exact arithmetic, one value at a time. */
function firstLossByDefinition(source: NumericArray, result: NumericArray, to: ScdlDType): number {
  for (let i = 0; i < source.length; i++) {
    const before = source[i] as number | bigint;
    const after = result[i] as number | bigint;
    if (to.startsWith("u")) {
      const held = Number.isInteger(Number(before)) && BigInt(before) === BigInt(after);
      if (!held) return i;
    } else if (!Number.isFinite(after)) {
      if (Number.isFinite(Number(before))) return i;
    } else if (typeof before === "bigint") {
      if (BigInt(after) !== before) return i;
    } else if (Number.isInteger(before) && Math.abs(before) <= 2 ** 53 && before !== after) {
      return i;
    }
  }
  return -1;
}

describe("what counts as a loss", () => {
  test("the first value lost is named, later ones and the cast itself do not change that", () => {
    const { lost, values } = cast("float32", "uint8", Float32Array.of(1, 2, 300, 4, -1, 7.5));
    expect(lost).toBe(2);
    expect(values).toEqual([1, 2, 44, 4, 255, 7]);
  });

  test("NaN and infinity have no integer", () => {
    expect(cast("float32", "uint32", Float32Array.of(1, Number.NaN)).lost).toBe(1);
    expect(cast("float64", "uint8", Float64Array.of(Number.POSITIVE_INFINITY)).lost).toBe(0);
    expect(cast("float64", "uint64", Float64Array.of(0, Number.NEGATIVE_INFINITY)).lost).toBe(1);
  });

  test("NaN and infinity are floats of every width", () => {
    for (const to of ["float16", "float32", "float64"] as const) {
      const source = Float64Array.of(Number.NaN, Number.POSITIVE_INFINITY, -0);
      const { lost, values } = cast("float64", to, source);
      expect(lost).toBe(-1);
      expect(values).toEqual([Number.NaN, Number.POSITIVE_INFINITY, -0]);
    }
  });

  test("rounding fractions to a narrower float is none", () => {
    expect(cast("float64", "float32", Float64Array.of(0.1, 1 / 3, 1e20 / 3)).lost).toBe(-1);
    expect(cast("float64", "float16", Float64Array.of(0.1, 1000.7, 2049.5)).lost).toBe(-1);
  });

  test("a count that float32 or float16 would round is one, in a float64 matrix too", () => {
    expect(cast("float64", "float32", Float64Array.of(16_777_216, 16_777_217)).lost).toBe(1);
    expect(cast("float32", "float16", Float32Array.of(2048, 2050, 2049)).lost).toBe(2);
    expect(cast("int64", "float64", BigInt64Array.of(2n ** 53n, 2n ** 53n + 1n)).lost).toBe(1);
  });

  test("a float64 beyond 2^53 is not a count and may be rounded", () => {
    expect(cast("float64", "float32", Float64Array.of(1e30)).lost).toBe(-1);
  });

  test("a difference within the tolerance is none", () => {
    const source = Float64Array.of(1, 2.000_000_001);
    expect(cast("float64", "uint8", source).lost).toBe(1);
    expect(cast("float64", "uint8", source, 1e-8).lost).toBe(-1);
    // C truncates, so just under an integer is a difference of almost one.
    expect(cast("float64", "uint8", Float64Array.of(1.999_999_999), 1e-8).lost).toBe(0);
  });
});

test("every value that fits keeps its value, in every pair of types", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(255), { maxLength: 40 }),
      fc.constantFrom<DType>("int16", "int32", "int64", "uint8", "uint64", "float16", "float64"),
      fc.constantFrom(...SCDL_DTYPES),
      (numbers, from, to) => {
        const source = allocate(from, numbers.length);
        for (let i = 0; i < numbers.length; i++) {
          const value = numbers[i] as number;
          if (source instanceof BigInt64Array || source instanceof BigUint64Array) {
            source[i] = BigInt(value);
          } else {
            source[i] = value;
          }
        }
        const { lost, values } = cast(from, to, source);
        expect(lost).toBe(-1);
        expect(values.map(Number)).toEqual(numbers);
      },
    ),
    { seed: 11, numRuns: 200 },
  );
});

test("a target that is too small or not aligned is refused", () => {
  const kernel = castKernel("float32", "float32");
  expect(() => kernel(new Float32Array(2), new Uint8Array(4))).toThrow(/expected 8 bytes/);
  expect(() => kernel(new Float32Array(1), new Uint8Array(8).subarray(1))).toThrow(/aligned to 4/);
});

test("the error names file, row, column, value and what to do", () => {
  const error = precisionLoss({
    path: "cells.h5ad",
    from: "int32",
    to: "uint8",
    row: 3,
    column: 17,
    value: 300,
  });
  expect(error.message).toBe(
    "cells.h5ad: row 3, column 17: int32 value 300 is larger than uint8 holds",
  );
  expect(error.suggestions[0]).toContain("--data-dtype float32");
});

test("the type that is suggested holds the value; where none does, none is", () => {
  const suggested = (from: DType, to: ScdlDType, value: number | bigint) => {
    const error = precisionLoss({ path: "x", from, to, row: 0, column: 0, value });
    return /--data-dtype (\w+)/.exec(error.suggestions.join("\n"))?.[1];
  };
  const cases: readonly [DType, ScdlDType, number | bigint, ScdlDType | undefined][] = [
    ["float64", "float32", 1e300, "float64"],
    ["float64", "float32", 2 ** 24 + 1, "float64"],
    ["float64", "uint8", 0.5, "float32"],
    ["float32", "uint8", Number.NaN, "float32"],
    ["int32", "float32", -(2 ** 24) - 1, "float64"],
    ["int64", "uint8", 300n, "float32"],
    ["int64", "float32", 2n ** 24n + 1n, "float64"],
    ["int64", "float32", 2n ** 53n + 1n, "uint64"],
    ["uint64", "float64", 2n ** 64n - 1n, "uint64"],
    ["int64", "float64", -(2n ** 53n) - 1n, undefined],
  ];
  for (const [from, to, value, expected] of cases) {
    expect(suggested(from, to, value), `${from} ${value} to ${to}`).toBe(expected);
    if (expected === undefined) continue;
    const source = allocate(from, 1);
    source[0] = value;
    expect(castKernel(from, expected)(source, new Uint8Array(8))).toBe(-1);
  }
});
