import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { neededLibraries } from "../../../formats/elf/segments.ts";
import { sharedLibrary } from "./shared-library.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-segments-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "library.so");

function needed(bytes: Uint8Array): readonly string[] {
  writeFileSync(path, bytes);
  return neededLibraries(path);
}

test("what a library needs is read from its dynamic segment", () => {
  expect(needed(sharedLibrary(["libc10.so", "libgomp.so.1"]))).toEqual([
    "libc10.so",
    "libgomp.so.1",
  ]);
  expect(needed(sharedLibrary([]))).toEqual([]);
});

test("a file cut at any byte is a typed error that names it", () => {
  const whole = sharedLibrary(["libc10.so"]);
  for (let length = 0; length < whole.length; length++) {
    let error: unknown;
    try {
      needed(whole.subarray(0, length));
    } catch (caught) {
      error = caught;
    }
    expect(isScdlError(error), `${length} bytes`).toBe(true);
    expect(String(error)).toContain(path);
  }
  const act = () => needed(whole.subarray(0, whole.length - 1));
  expect(act).toThrow(
    `cut off: expected at least ${whole.length} bytes, found ${whole.length - 1}`,
  );
});

test.each<[string, (view: DataView) => void, string]>([
  ["other bytes", (view) => view.setUint8(0, 0), "expected a shared library (ELF)"],
  ["32 bit", (view) => view.setUint8(4, 1), "expected a 64 bit"],
  ["other entries", (view) => view.setUint16(54, 32, true), "of 56 bytes, found 32"],
  ["a hostile count", (view) => view.setUint16(56, 65_535, true), "expected 3669960 bytes"],
  ["a hostile offset", (view) => view.setBigUint64(32, 2n ** 63n, true), "is 9223372036"],
  ["a hostile length", (view) => view.setBigUint64(64 + 32, 2n ** 50n, true), "cut off"],
  [
    "a hostile dynamic segment",
    (view) => view.setBigUint64(64 + 56 + 32, 2n ** 40n, true),
    "a dynamic segment of at most",
  ],
  [
    "a name beyond the end",
    (view) => view.setBigUint64(64 + 2 * 56 + 16 + 8, 2n ** 40n, true),
    "expected 0 bytes at byte",
  ],
])("%s is an error", (_, change, message) => {
  const bytes = sharedLibrary(["libc10.so"]);
  change(new DataView(bytes.buffer));
  expect(() => needed(bytes)).toThrow(message);
});

test("a text is told to be none, however short", () => {
  for (const text of ["", "no", "no lib"]) {
    expect(() => needed(Buffer.from(text))).toThrow("expected a shared library (ELF)");
  }
});
