import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import {
  decodeNpyArray,
  encodeNpyArray,
  type NdArray,
  type TextArray,
} from "../../../formats/npy/npy-array.ts";
import { describeValue } from "../../helpers/describe-value.ts";
import { fromHex, loadStoredValues } from "../../helpers/webdataset-values.ts";

const { npy, npyVersions, npyRefused } = loadStoredValues();

describe("decodeNpyArray", () => {
  test.each(Object.entries(npy))("reads what numpy stored: %s", (_name, { value, hex }) => {
    const expected = withoutSign(value);
    expect(withoutSign(describeValue(decodeNpyArray(fromHex(hex), "a.npy")))).toEqual(expected);
  });

  test("reads versions 1, 2 and 3", () => {
    const { value } = npy["float64"] ?? {};
    for (const hex of npyVersions) {
      expect(describeValue(decodeNpyArray(fromHex(hex), "a.npy"))).toEqual(value);
    }
  });

  test("gives a view of aligned memory and a copy of memory that is not", () => {
    const bytes = fromHex(npy["float32"]?.hex ?? "");
    expect(bufferOf(decodeNpyArray(bytes, "a.npy"))).toBe(bytes.buffer);
    const shifted = new Uint8Array(bytes.length + 1).subarray(1);
    shifted.set(bytes);
    const decoded = decodeNpyArray(shifted, "a.npy");
    expect(describeValue(decoded)).toEqual(npy["float32"]?.value);
    expect(bufferOf(decoded)).not.toBe(shifted.buffer);
  });

  test("leaves the caller's big-endian bytes as they are", () => {
    const bytes = fromHex(npy["big-endian float32"]?.hex ?? "");
    const before = bytes.slice();
    decodeNpyArray(bytes, "a.npy");
    expect(bytes).toEqual(before);
  });

  test.each(Object.entries(npyRefused))("refuses %s by name", (_name, hex) => {
    expect(() => decodeNpyArray(fromHex(hex), "a.npy")).toThrow(UnsupportedFeatureError);
  });

  test("says that an object array is a pickle", () => {
    expect(() => decodeNpyArray(fromHex(npyRefused["object"] ?? ""), "a.npy")).toThrow(
      "a.npy: an array of Python objects is a pickle",
    );
  });

  test("a file cut at any byte is a FormatError, and so is one with a byte more", () => {
    const bytes = fromHex(npy["float32"]?.hex ?? "");
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeNpyArray(bytes.slice(0, length), "a.npy"), `${length}`).toThrow(
        FormatError,
      );
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    expect(() => decodeNpyArray(longer, "a.npy")).toThrow("expected 96 bytes of data");
  });

  test.each([
    ["(99999999999999, 99999999999999)", "<f4", "count-out-of-range"],
    ["(9007199254740991,)", "<f4", "truncated"],
    ["(999999999999,)", "|S0", "count-out-of-range"],
    ["(3,)", "<f3", "unsupported"],
  ])("a header with shape %s of %s is refused as %s", (shape, descr, code) => {
    const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117);
    const header = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${text}\n`, "latin1");
    expect(() => decodeNpyArray(new Uint8Array(header), "a.npy")).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe("encodeNpyArray", () => {
  const numeric = Object.entries(npy).filter(
    ([name]) => !/big-endian|fortran|text|bytes/.test(name),
  );

  test.each(numeric)("writes numpy's bytes: %s", (_name, { hex }) => {
    const array = decodeNpyArray(fromHex(hex), "a.npy");
    if (array.dtype === "str") throw new Error("expected numbers");
    expect(Buffer.from(encodeNpyArray(array)).toString("hex")).toBe(hex);
  });

  test("refuses data that does not fill the shape", () => {
    const array = { dtype: "float32", shape: [2, 2], data: new Float32Array(3) } as const;
    expect(() => encodeNpyArray(array)).toThrow("4 values for shape (2, 2), found float32 and 3");
  });
});

function bufferOf(array: NdArray | TextArray): unknown {
  return array.dtype === "str" ? null : array.data.buffer;
}

/** JSON has no -0. */
function withoutSign(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
