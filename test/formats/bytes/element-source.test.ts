import { describe, expect, it } from "vitest";
import type { ByteSource } from "../../../formats/bytes/byte-source.ts";
import { ElementSource } from "../../../formats/bytes/element-source.ts";
import { MemorySource } from "../../../formats/bytes/memory-source.ts";
import { allocate, type DType, type NumericArray } from "../../../formats/common/dtype.ts";
import { FormatError } from "../../../formats/common/errors.ts";

function bytesOf(array: NumericArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A memory source that pretends to have no memory, as files read by position do. */
class ReadsOnly extends MemorySource {
  override get bytes(): Uint8Array {
    // The interface allows null; the class it borrows from does not.
    return null as unknown as Uint8Array;
  }
}

function sources(array: NumericArray, dtype: DType): ElementSource[] {
  const file = { dtype, length: array.length };
  const make = (source: ByteSource) => new ElementSource(source, file);
  return [make(new MemorySource(bytesOf(array))), make(new ReadsOnly(bytesOf(array).slice()))];
}

const ARRAYS: readonly (readonly [DType, NumericArray, NumericArray])[] = [
  ["uint8", Uint8Array.of(1, 2, 255, 4), Uint8Array.of(2, 255)],
  ["uint16", Uint16Array.of(1, 2, 65535, 4), Uint16Array.of(2, 65535)],
  ["uint32", Uint32Array.of(1, 2, 2 ** 32 - 1, 4), Uint32Array.of(2, 2 ** 32 - 1)],
  ["uint64", BigUint64Array.of(1n, 2n, 2n ** 63n, 4n), BigUint64Array.of(2n, 2n ** 63n)],
  ["float32", Float32Array.of(1, 2.5, -0, 4), Float32Array.of(2.5, -0)],
  ["float64", Float64Array.of(1, 0.1, 3, 4), Float64Array.of(0.1, 3)],
  // 0x3c00 = 1, 0xc000 = -2, 0x7bff = 65504, 0x0001 = 2^-24.
  ["float16", Uint16Array.of(0x3c00, 0xc000, 0x7bff, 1), Float32Array.of(-2, 65504)],
];

describe("ElementSource", () => {
  for (const [dtype, array, middle] of ARRAYS) {
    it(`copies a range of ${dtype} from memory and by reads`, () => {
      for (const source of sources(array, dtype)) {
        const target = allocate(dtype, middle.length);
        source.copy(1, 3, target, 0);
        expect(target).toEqual(middle);
      }
    });
  }

  it("copies many ranges, short and long, to their places", () => {
    const array = Float32Array.from({ length: 1_000 }, (_, i) => i);
    for (const source of sources(array, "float32")) {
      const target = new Float32Array(310).fill(-1);
      source.gather(
        Float64Array.of(990, 5, 700),
        Float64Array.of(1_000, 7, 988),
        Float64Array.of(0, 10, 12),
        3,
        target,
      );
      expect([...target.slice(0, 13)]).toEqual([
        990, 991, 992, 993, 994, 995, 996, 997, 998, 999, 5, 6, 700,
      ]);
      expect(target[299]).toBe(987);
      expect(target[300]).toBe(-1);
    }
  });

  it("widens into a larger type and reads single elements", () => {
    for (const source of sources(Uint16Array.of(7, 8, 9), "uint16")) {
      const wide = new Uint32Array(3);
      source.gather(Float64Array.of(0), Float64Array.of(3), Float64Array.of(0), 1, wide);
      expect([...wide]).toEqual([7, 8, 9]);
      expect(source.at(2)).toBe(9);
    }
    for (const source of sources(Uint16Array.of(0x3c00), "float16")) expect(source.at(0)).toBe(1);
  });

  it("narrows uint64 to numbers and names the element that does not fit", () => {
    for (const source of sources(BigUint64Array.of(5n, 2n ** 33n), "uint64")) {
      const target = new Uint32Array(2);
      source.copy(0, 1, target, 0);
      expect(target[0]).toBe(5);
      expect(() => source.copy(0, 2, target, 0)).toThrow(/element 1 is 8589934592/);
    }
  });

  it("converts by reads in pieces longer than its scratch memory", () => {
    const array = Uint16Array.from({ length: 150_000 }, () => 0x3c00);
    const source = sources(array, "float16")[1];
    const target = new Float32Array(150_000);
    source?.copy(0, 150_000, target, 0);
    expect(target.every((value) => value === 1)).toBe(true);
  });

  it("copes with memory that does not start at a multiple of the element size", () => {
    const bytes = new Uint8Array(9);
    bytes.set(bytesOf(Float32Array.of(1.5, 2.5)), 1);
    const source = new ElementSource(new MemorySource(bytes.subarray(1)), {
      dtype: "float32",
      length: 2,
    });
    expect(source.at(1)).toBe(2.5);
  });

  it("refuses a file shorter than its elements", () => {
    const open = () =>
      new ElementSource(new MemorySource(new Uint8Array(7)), { dtype: "uint32", length: 2 });
    expect(open).toThrow(FormatError);
    expect(open).toThrow(/expected 8 bytes \(2 elements of uint32\), found 7/);
  });
});
