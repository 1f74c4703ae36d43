import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { FormatError } from "../../../formats/common/errors.ts";
import {
  decodeNpy,
  encodeInt64Npy,
  encodeTextNpy,
  encodeTextScalarNpy,
} from "../../../formats/npy/npy.ts";

const golden: Record<string, { values: (number | string)[]; hex: string }> = JSON.parse(
  readFileSync(new URL("../../../fixtures/scdl/npy.json", import.meta.url), "utf8"),
);
function file(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(golden[name]?.hex ?? "", "hex"));
}
const numbers = (name: string) => (golden[name]?.values ?? []).map(Number);
const texts = (name: string) => (golden[name]?.values ?? []).map(String);

test("written files are numpy's, byte for byte", () => {
  expect(encodeInt64Npy(numbers("integers"))).toEqual(file("integers"));
  expect(encodeInt64Npy([-1])).toEqual(file("minusOne"));
  expect(encodeTextNpy(texts("text"))).toEqual(file("text"));
  expect(encodeTextNpy(["a"])).toEqual(file("oneText"));
  expect(encodeTextNpy([])).toEqual(file("emptyText"));
  expect(encodeTextScalarNpy("0.1.3")).toEqual(file("scalar"));
});

test.each(["integers", "minusOne", "int32BigEndian", "uint8"])("%s are read", (name) => {
  expect(decodeNpy(file(name), name)).toEqual({ kind: "integers", values: numbers(name) });
});

test.each(["text", "oneText", "scalar"])("%s is read", (name) => {
  expect(decodeNpy(file(name), name)).toEqual({ kind: "text", values: texts(name) });
});

test("an empty list is empty whatever numpy made of it", () => {
  expect(decodeNpy(file("emptyList"), "x")).toEqual({ kind: "empty" });
  expect(decodeNpy(file("emptyText"), "x")).toEqual({ kind: "empty" });
});

test("an object array is recognised as a pickle and not decoded", () => {
  expect(decodeNpy(file("pickle"), "x")).toEqual({ kind: "pickle" });
});

describe("bad input", () => {
  test("cut at any byte it is a FormatError that names the file", () => {
    for (const name of ["text", "integers", "scalar"]) {
      const bytes = file(name);
      for (let end = 0; end < bytes.length; end++) {
        expect(() => decodeNpy(bytes.subarray(0, end), "labels.npy")).toThrow(FormatError);
      }
    }
  });

  test.each([
    ["matrix", /expected a 1-D array, found shape \(2, 2\)/],
    ["floats", /expected integers or text, found dtype <f8/],
  ])("a %s is refused", (name, message) => {
    expect(() => decodeNpy(file(name), "x.npy")).toThrow(message);
  });

  test("a claimed length beyond the file allocates nothing", () => {
    const bytes = file("minusOne");
    const text = Buffer.from(bytes)
      .toString("latin1")
      .replace("(1,), }        ", "(9999999999), }");
    expect(() => decodeNpy(Buffer.from(text, "latin1"), "x.npy")).toThrow(
      /expected 9999999999 items of 8 bytes, found 8 bytes/,
    );
  });

  test("text of width 0, which would be endless, is refused", () => {
    const text = Buffer.from(file("oneText")).toString("latin1");
    const hostile = text.replace("<U1", "<U0").replace("(1,), }        ", "(9999999999), }");
    expect(() => decodeNpy(Buffer.from(hostile, "latin1"), "x.npy")).toThrow(/found dtype <U0/);
  });

  test("a code point beyond Unicode is refused", () => {
    const bytes = file("oneText");
    bytes.set([0xff, 0xff, 0xff, 0x7f], bytes.length - 4);
    expect(() => decodeNpy(bytes, "x.npy")).toThrow(/expected a code point/);
  });
});
