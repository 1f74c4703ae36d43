import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { decodeMsgpack, MsgpackExtension } from "../../../formats/msgpack/decode.ts";
import { encodeMsgpack } from "../../../formats/msgpack/encode.ts";
import { describeValue } from "../../helpers/describe-value.ts";
import { fromHex, loadStoredValues } from "../../helpers/webdataset-values.ts";

const { msgpack } = loadStoredValues();
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("msgpack", () => {
  test.each(Object.entries(msgpack))("reads what Python packed: %s", (_name, { value, hex }) => {
    expect(describeValue(decodeMsgpack(fromHex(hex), "a.mp"))).toEqual(value);
  });

  test.each(Object.entries(msgpack))("writes Python's bytes: %s", (_name, { hex }) => {
    // Integers from 2^32 to 2^63 are written signed, Python writes them unsigned: the same 9 bytes.
    const signed = hex.replaceAll(/cf(?=00(0000|1fff|2000)0?)/g, "d3");
    expect(hexOf(encodeMsgpack(decodeMsgpack(fromHex(hex), "a.mp")))).toBe(signed);
  });

  test("the key __proto__ is a key like any other", () => {
    const map = decodeMsgpack(fromHex(msgpack["map"]?.hex ?? ""), "a.mp");
    expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
    expect(Object.keys(map as object)).toContain("__proto__");
  });

  test("values come back as they were", () => {
    const leaf = fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.double().filter((value) => !Object.is(value, -0)),
      fc.maxSafeInteger(),
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        leaf,
        fc.array(tie("value"), { maxLength: 20 }),
        fc.dictionary(fc.string(), tie("value"), { maxKeys: 20, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (original) => {
        expect(decodeMsgpack(encodeMsgpack(original), "a.mp")).toEqual(original);
      }),
      { numRuns: 300 },
    );
  });

  test("extensions and timestamps are read", () => {
    const heads = ["c7002a", "d42a", "d52a", "c7032a", "d62a", "d72a", "d82a", "c7112a"];
    for (const [at, length] of [0, 1, 2, 3, 4, 8, 16, 17].entries()) {
      const bytes = fromHex(heads[at] + "07".repeat(length));
      const extension = new MsgpackExtension(42, new Uint8Array(length).fill(7));
      expect(decodeMsgpack(bytes, "a.mp")).toEqual(extension);
    }
    // 2020-01-01 in the three forms that the format has.
    for (const hex of ["d6ff5e0be100", "d7ff000000005e0be100", "c70cff00000000000000005e0be100"]) {
      expect(decodeMsgpack(fromHex(hex), "a.mp")).toEqual(new Date("2020-01-01T00:00:00Z"));
    }
  });

  test("bytes cut anywhere are a FormatError", () => {
    for (const { hex } of Object.values(msgpack)) {
      const bytes = fromHex(hex);
      const step = Math.max(1, Math.floor(bytes.length / 200));
      for (let length = 0; length < bytes.length; length += step) {
        expect(() => decodeMsgpack(bytes.subarray(0, length), "a.mp")).toThrow(FormatError);
      }
    }
  });

  test.each([
    ["a map of 2^32 - 1 items in six bytes", "dfffffffff00", "truncated"],
    ["an array of 2^32 - 1 items", "ddffffffff", "truncated"],
    ["text of 2^32 - 1 bytes", "dbffffffff61", "truncated"],
    ["the unused code", "c1", "bad-msgpack"],
    ["text that is not UTF-8", "a2c328", "bad-text"],
    ["a second value", "0101", "trailing-data"],
    ["a timestamp of 5 bytes", "c705ff0000000000", "bad-msgpack"],
    ["10,000 levels", "91".repeat(10_000), "too-deep"],
  ])("%s is refused", (_name, hex, code) => {
    expect(() => decodeMsgpack(fromHex(hex), "a.mp")).toThrow(expect.objectContaining({ code }));
  });

  test("any bytes are a value or a FormatError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeMsgpack(bytes, "a.mp");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["undefined", undefined],
    ["a function", () => 1],
    ["2^64", 2n ** 64n],
    ["a Float32Array", new Float32Array(2)],
    ["a class instance", new URL("http://a")],
    ["an extension", new MsgpackExtension(1, new Uint8Array(1))],
  ])("refuses to write %s", (_name, value) => {
    expect(() => encodeMsgpack({ a: [value] })).toThrow(InvalidArgumentError);
  });

  test("refuses a cycle", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(() => encodeMsgpack(cycle)).toThrow("or a cycle");
  });
});
