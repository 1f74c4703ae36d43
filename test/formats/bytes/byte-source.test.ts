import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ByteSource } from "../../../formats/bytes/byte-source.ts";
import { FileSource } from "../../../formats/bytes/file-source.ts";
import { remoteKind } from "../../../formats/bytes/file-system-kind.ts";
import { MappedSource } from "../../../formats/bytes/mapped-source.ts";
import { MemorySource } from "../../../formats/bytes/memory-source.ts";
import { openSource } from "../../../formats/bytes/open-source.ts";
import { NotFoundError, StorageError } from "../../../formats/common/errors.ts";
import { byteSourceSuite } from "../../conformance/byte-source.suite.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "scdl-bytes-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

let files = 0;
function writeFile(bytes: Uint8Array): string {
  const file = path.join(directory, `${files++}.bin`);
  fs.writeFileSync(file, bytes);
  // An mtime in the past: a rewrite within one clock tick would otherwise not show.
  fs.utimesSync(file, 1_000_000_000, 1_000_000_000);
  return file;
}

function change(source: ByteSource, action: "truncate" | "append" | "rewrite"): void {
  const file = source.path;
  if (action === "truncate") fs.truncateSync(file, 5_000);
  else if (action === "append") fs.appendFileSync(file, "more");
  else {
    const fd = fs.openSync(file, "r+");
    fs.writeSync(fd, "changed", 0);
    fs.closeSync(fd);
  }
}

byteSourceSuite({ name: "memory", open: (bytes) => new MemorySource(bytes) });
byteSourceSuite({ name: "file", change, open: (bytes) => FileSource.open(writeFile(bytes)) });
byteSourceSuite({
  name: "mapped",
  change,
  open(bytes) {
    const source = MappedSource.open(writeFile(bytes));
    if (source.bytes === null) throw new Error("this system cannot map files");
    return source;
  },
});
byteSourceSuite({
  name: "mapped",
  change,
  // Not mapped yet: read by position.
  open: (bytes) => MappedSource.open(writeFile(bytes)),
});

describe("openSource", () => {
  it("reads an empty file without a map", () => {
    const source = openSource(writeFile(new Uint8Array(0)), { access: "map" });
    expect(source.bytes).toBeNull();
    expect(source.byteLength).toBe(0);
    source.readInto(0, new Uint8Array(0));
    source.close();
  });

  it("takes the access it is told", () => {
    const file = writeFile(new Uint8Array(10));
    for (const [access, kind] of [
      ["map", "mapped"],
      ["read", "file"],
    ] as const) {
      const source = openSource(file, { access });
      expect(source.kind).toBe(kind);
      source.close();
    }
  });

  it("opens a file without write permission", () => {
    const file = writeFile(new Uint8Array([1, 2, 3]));
    fs.chmodSync(file, 0o444);
    const source = openSource(file);
    const target = new Uint8Array(3);
    source.readInto(0, target);
    expect([...target]).toEqual([1, 2, 3]);
    source.close();
  });

  it("says which file is missing, and refuses a directory", () => {
    for (const access of ["map", "read"] as const) {
      expect(() => openSource(path.join(directory, "none"), { access })).toThrow(NotFoundError);
      expect(() => openSource(directory, { access })).toThrow(StorageError);
    }
  });

  it("keeps reading the old content when the file is replaced by rename", () => {
    const file = writeFile(new Uint8Array([1, 2, 3]));
    const source = openSource(file);
    fs.writeFileSync(`${file}.new`, new Uint8Array([9]));
    fs.renameSync(`${file}.new`, file);
    const target = new Uint8Array(3);
    source.check();
    source.readInto(0, target);
    expect([...target]).toEqual([1, 2, 3]);
    source.close();
  });
});

describe("files beyond 4 GiB", () => {
  const large = path.join(directory, "large.bin");
  const places = [2 ** 31 - 2, 2 ** 32 - 2, 2 ** 32 + 5, 5 * 2 ** 30 + 123];
  const fd = fs.openSync(large, "w");
  // Sparse: a few blocks on disk.
  fs.ftruncateSync(fd, 5 * 2 ** 30 + 4096);
  for (const [i, place] of places.entries()) {
    fs.writeSync(fd, Uint8Array.from([i + 1, i + 2, i + 3, i + 4]), 0, 4, place);
  }
  fs.closeSync(fd);

  for (const access of ["map", "read"] as const) {
    it(`are read at every offset: ${access}`, () => {
      const source = openSource(large, { access });
      const target = new Uint8Array(6);
      expect(source.bytes?.length ?? null).toBe(access === "map" ? 5 * 2 ** 30 + 4096 : null);
      for (const [i, place] of places.entries()) {
        source.readInto(place - 1, target);
        expect([...target]).toEqual([0, i + 1, i + 2, i + 3, i + 4, 0]);
      }
      source.close();
    });
  }
});

describe("remoteKind", () => {
  it("knows network file systems by their statfs type, also when it is negative", () => {
    expect(remoteKind(0x6969)).toBe("nfs");
    expect(remoteKind(0xff534d42 | 0)).toBe("cifs");
    expect(remoteKind(0xef53)).toBeNull();
    expect(remoteKind(0x01021994)).toBeNull();
  });
});
