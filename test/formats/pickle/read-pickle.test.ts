import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  FormatError,
  isScdlError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";
import { readPickle } from "../../../formats/pickle/read-pickle.ts";
import { describeValue } from "../../helpers/describe-value.ts";
import { fromHex, loadStoredValues } from "../../helpers/webdataset-values.ts";

const { pickle, pickleRefused } = loadStoredValues();

function everyProtocol<T>(
  entries: Readonly<Record<string, T>>,
  hexOf: (entry: T) => readonly string[],
) {
  return Object.entries(entries).flatMap(([name, entry]) =>
    hexOf(entry).map((hex, protocol) => ({ name, protocol, hex, entry })),
  );
}

describe("readPickle", () => {
  test.each(everyProtocol(pickle, ({ hex }) => hex))(
    "reads $name, protocol $protocol",
    ({ hex, entry }) => {
      expect(describeValue(readPickle(fromHex(hex), "a.pyd"))).toEqual(entry.value);
    },
  );

  test.each(everyProtocol(pickleRefused, (hex) => hex))(
    "refuses $name by name, protocol $protocol",
    ({ name, hex }) => {
      const bytes = fromHex(hex);
      expect(() => readPickle(bytes, "a.pyd")).toThrow(UnsupportedFeatureError);
      const parts = name.split(".");
      // Old protocols build instances through copyreg, and Python 2 names.
      expect(() => readPickle(bytes, "a.pyd")).toThrow(
        new RegExp(`a\\.pyd: .*(${parts.at(-1)}|copy_?reg|object array)`),
      );
    },
  );

  test("what a pickle shares stays shared, arrays included", () => {
    const { hex } = pickle["shared"] ?? { hex: [] };
    for (const bytes of hex.map(fromHex)) {
      const { a, b, c } = readPickle(bytes, "a.pyd") as Record<string, unknown>;
      expect(a).toBe(b);
      expect((c as unknown[])[0]).toBe(a);
    }
  });

  test("a list that holds itself is read", () => {
    const list = readPickle(fromHex("5d71006800612e"), "a.pyd") as unknown[];
    expect(list[0]).toBe(list);
  });

  test("cut anywhere, every pickle is a FormatError", () => {
    for (const { hex } of Object.values(pickle)) {
      for (const bytes of hex.map(fromHex)) {
        const step = Math.max(1, Math.floor(bytes.length / 100));
        for (let length = 0; length < bytes.length; length += step) {
          expect(() => readPickle(bytes.subarray(0, length), "a.pyd")).toThrow(FormatError);
        }
      }
    }
  });

  test("changed at any byte, a pickle is a value or a typed error, and allocates no more than it holds", () => {
    const originals = ["plain", "float32", "matrix", "text array"].flatMap((name) =>
      (pickle[name]?.hex ?? []).map(fromHex),
    );
    fc.assert(
      fc.property(fc.constantFrom(...originals), fc.nat(), fc.nat(255), (bytes, at, byte) => {
        const changed = bytes.slice();
        changed[at % changed.length] = byte;
        try {
          readPickle(changed, "a.pyd");
        } catch (error) {
          if (!isScdlError(error)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["protocol 6", "80062e", "bad-pickle"],
    ["bytes of 2^63", "8effffffffffffff7f2e", "truncated"],
    ["an integer of 2^31 - 1 bytes", "8bffffff7f2e", "bad-pickle"],
    ["an empty stack", "2e", "bad-pickle"],
    ["a value never remembered", "68052e", "bad-pickle"],
    ["a class as the value", "8c056e756d70798c0564747970659380", "bad-pickle"],
    ["2000 levels", `${"5d".repeat(2000)}${"61".repeat(1999)}2e`, "too-deep"],
    ["two values", "4e4e2e", "bad-pickle"],
    ["more bytes", "4e2e00", "trailing-data"],
  ])("%s is refused", (_name, hex, code) => {
    const whole = hex.endsWith("9380") ? `${hex.slice(0, -2)}2e` : hex;
    expect(() => readPickle(fromHex(whole), "a.pyd")).toThrow(expect.objectContaining({ code }));
  });
});
