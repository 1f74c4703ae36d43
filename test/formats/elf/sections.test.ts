import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { readElfSection } from "../../../formats/elf/sections.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-elf-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "library.so");

/** Header, ".rodata", names, then a table of three sections: none, ".rodata", names. */
function elf(change: (view: DataView) => void = () => {}): Uint8Array {
  const data = Buffer.from("one\0two\0");
  const names = Buffer.from("\0.rodata\0.names\0");
  const table = 64 + data.length + names.length;
  const bytes = new Uint8Array(table + 3 * 64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setBigUint64(40, BigInt(table), true);
  view.setUint16(58, 64, true);
  view.setUint16(60, 3, true);
  view.setUint16(62, 2, true);
  bytes.set(data, 64);
  bytes.set(names, 64 + data.length);
  const section = (at: number, name: number, offset: number, length: number) => {
    view.setUint32(table + 64 * at, name, true);
    view.setUint32(table + 64 * at + 4, 1, true);
    view.setBigUint64(table + 64 * at + 24, BigInt(offset), true);
    view.setBigUint64(table + 64 * at + 32, BigInt(length), true);
  };
  section(1, 1, 64, data.length);
  section(2, 9, 64 + data.length, names.length);
  change(view);
  return bytes;
}

function read(bytes: Uint8Array, name = ".rodata"): Uint8Array {
  writeFileSync(path, bytes);
  return readElfSection(path, name);
}

test("a section is found by its name", () => {
  expect(Buffer.from(read(elf())).toString()).toBe("one\0two\0");
  expect(() => read(elf(), ".rodat")).toThrow("expected a section .rodat, found none");
});

test("a file cut at any byte is a typed error that names it", () => {
  const whole = elf();
  for (let length = 0; length < whole.length; length++) {
    let error: unknown;
    try {
      read(whole.subarray(0, length));
    } catch (caught) {
      error = caught;
    }
    expect(isScdlError(error), `${length} bytes`).toBe(true);
    expect(String(error)).toContain(path);
  }
});

test.each([
  ["other bytes", (view: DataView) => view.setUint8(0, 0), "expected a shared library (ELF)"],
  ["32 bit", (view: DataView) => view.setUint8(4, 1), "expected a 64 bit"],
  ["big-endian", (view: DataView) => view.setUint8(5, 2), "expected a 64 bit, little-endian"],
  [
    "other table entries",
    (view: DataView) => view.setUint16(58, 40, true),
    "of 64 bytes, found 40",
  ],
  ["names beyond the table", (view: DataView) => view.setUint16(62, 9, true), "section 9 of 3"],
  ["a hostile offset", (view: DataView) => view.setBigUint64(40, 2n ** 63n, true), "is 9223372036"],
  [
    "a hostile count",
    (view: DataView) => view.setUint16(60, 65_535, true),
    "expected 4194240 bytes",
  ],
  [
    "a hostile length",
    (view: DataView) => view.setBigUint64(88 + 64 + 32, 2n ** 50n, true),
    "expected 1125899906842624 bytes",
  ],
])("%s is an error", (_, change, message) => {
  expect(() => read(elf(change))).toThrow(message);
});
