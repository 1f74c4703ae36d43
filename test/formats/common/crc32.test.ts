import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32, crc32Combine, crc32Hex } from "../../../formats/common/crc32.ts";

test("the check value of the standard", () => {
  expect(crc32Hex(crc32(Buffer.from("123456789")))).toBe("cbf43926");
  expect(crc32Hex(5)).toBe("00000005");
});

test("parts computed apart combine to the whole", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const whole = crc32(Buffer.concat([a, b]));
      expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(whole);
      expect(crc32(b, crc32(a))).toBe(whole);
    }),
    { seed: 2 },
  );
});

test("lengths past 4 GiB combine", () => {
  // Appending n and then m zero bytes is appending n + m of them.
  const zeros = (n: number) => crc32Combine(crc32(Buffer.from("x")), 0, n);
  const [n, m] = [2 ** 33 + 5, 12_345];
  expect(crc32Combine(zeros(n), 0, m)).toBe(zeros(n + m));
});
