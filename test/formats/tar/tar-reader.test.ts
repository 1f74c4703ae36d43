import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChunkStream, FileStream } from "../../../formats/bytes/byte-stream.ts";
import { FormatError, isScdlError } from "../../../formats/common/errors.ts";
import { TarReader } from "../../../formats/tar/tar-reader.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { loadTars, readTar } from "../../helpers/webdataset-tars.ts";

const tars = loadTars();
const plain = tars["webdataset"]?.bytes ?? new Uint8Array(0);

/** Rewrites a field of the header at `at` and its checksum. */
function patched(bytes: Uint8Array, at: number, field: number, text: string): Uint8Array {
  const changed = Buffer.from(bytes);
  changed.write(text, at + field, "latin1");
  changed.fill(0x20, at + 148, at + 156);
  const sum = changed.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  changed.write(`${sum.toString(8).padStart(6, "0")}\0`, at + 148, "latin1");
  return new Uint8Array(changed);
}

describe("TarReader", () => {
  test.each(Object.entries(tars))(
    "reads what Python reads: %s",
    async (_name, { bytes, members }) => {
      const found = await readTar(bytes);
      expect(found).toMatchObject([...members]);
      // Members follow each other without a gap.
      let end = 0;
      for (const member of found) {
        expect(member.offset).toBe(end);
        end = member.endOffset;
      }
    },
  );

  test.each([1, 7, 512, 700, 4096])("reads the same %i bytes at a time", async (chunkBytes) => {
    const { bytes, members } = tars["pax"] ?? { bytes: plain, members: [] };
    expect(await readTar(bytes, { chunkBytes })).toMatchObject([...members]);
    expect(await readTar(bytes, { chunkBytes, waits: true })).toMatchObject([...members]);
  });

  test("begins at the offset of any member", async () => {
    for (const { bytes } of Object.values(tars)) {
      const all = await readTar(bytes);
      if (all.some(({ mtime }) => mtime === 12.5)) continue; // global headers are at the start
      for (const [i, { offset }] of all.entries()) {
        expect(await readTar(bytes, { offset })).toEqual(all.slice(i));
      }
    }
  });

  test("reads members larger than its window", async () => {
    const large = Buffer.alloc(5_000_000, "abc");
    const header = patched(
      plain.subarray(0, 512),
      0,
      124,
      `${large.length.toString(8).padStart(11, "0")}\0`,
    );
    const padding = Buffer.alloc(512 - (large.length % 512) + 1024);
    const [member] = await readTar(Buffer.concat([header, large, padding]), {
      chunkBytes: 100_000,
    });
    expect(member?.data).toBe(large.toString("hex"));
  });

  test("an archive cut at any byte is a FormatError that says where", async () => {
    for (const name of ["webdataset", "pax", "gnu"]) {
      const bytes = tars[name]?.bytes ?? plain;
      const end = (await readTar(bytes)).at(-1)?.endOffset ?? 0;
      for (let length = 0; length < end + 1024; length += length % 512 === 0 ? 1 : 73) {
        const cut = bytes.slice(0, length);
        await expect(readTar(cut), `${name} cut at ${length}`).rejects.toThrow(
          expect.objectContaining({ code: "truncated", offset: length === 0 ? undefined : length }),
        );
      }
      expect(await readTar(bytes.slice(0, end + 1024))).toHaveLength((await readTar(bytes)).length);
    }
  });

  test("changed at any byte of a header, an archive is read or refused with a typed error", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("webdataset", "pax", "gnu", "pax, global headers"),
        fc.nat(),
        fc.nat(255),
        fc.boolean(),
        async (name, position, byte, fixChecksum) => {
          const bytes = tars[name]?.bytes ?? plain;
          const at = position % bytes.length;
          let changed = bytes.slice();
          changed[at] = byte;
          if (fixChecksum) changed = patched(changed, at - (at % 512), 0, "") as typeof changed;
          try {
            await readTar(changed);
          } catch (error) {
            if (!isScdlError(error)) throw error;
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["a size that is no octal number", 124, "00000000zz9\0", "bad-header"],
    ["a size of 8 GiB less a byte", 124, "77777777777\0", "truncated"],
    ["a size of 2^55", 124, "\x80\0\0\0\0\x80\0\0\0\0\0\0", "count-out-of-range"],
    ["a negative size", 124, "\xff".repeat(12), "bad-header"],
    ["an extension of 8 GiB", 124, "77777777777\0", "bad-header", "x"],
    ["a sparse member", 0, "", "unsupported", "S"],
    ["a continued volume", 0, "", "unsupported", "M"],
    ["a name that is not UTF-8", 0, "\xc3\x28\0", "bad-name"],
    ["a PAX header without records", 0, "", "bad-pax", "x"],
  ])("%s is refused", async (_name, field, text, code, type = "0") => {
    const changed = patched(patched(plain, 0, 156, type), 0, field, text);
    await expect(readTar(changed)).rejects.toThrow(expect.objectContaining({ code }));
  });

  test.each([
    ["no digits", "xx path=a\n"],
    ["a length beyond the header", "99 path=a\n"],
    ["a length of zero", "0 path=a\n"],
    ["no equals sign", "9 path a\n"],
    ["no newline", "10 path=abc"],
    ["a size of text", "11 size=1x\n"],
    ["a size beyond 2^53", "25 size=9999999999999999\n"],
    ["a mtime of text", "13 mtime=now\n"],
    ["a path with NUL", "10 path=\0\n"],
  ])("a PAX record with %s is refused", async (_name, record) => {
    const header = patched(
      patched(plain.subarray(0, 512), 0, 156, "x"),
      0,
      124,
      `${record.length.toString(8).padStart(11, "0")}\0`,
    );
    const bytes = Buffer.concat([header, Buffer.from(record.padEnd(512, "\0")), plain]);
    await expect(readTar(bytes)).rejects.toThrow(expect.objectContaining({ code: "bad-pax" }));
  });

  test("a wrong checksum names the byte of the header", async () => {
    const second = (await readTar(plain))[1]?.offset ?? 0;
    const changed = plain.slice();
    changed[second] = 0x21;
    await expect(readTar(changed)).rejects.toThrow(
      expect.objectContaining({ code: "bad-checksum", offset: second }),
    );
  });

  test("the signed checksum of old programs is accepted", async () => {
    const changed = Buffer.from(patched(plain, 0, 0, "ü\0".repeat(1)));
    changed.write("\xc3\xbc.npy\0", 0, "latin1");
    changed.fill(0x20, 148, 156);
    const sum = changed.subarray(0, 512).reduce((total, byte) => total + ((byte << 24) >> 24), 0);
    changed.write(`${sum.toString(8).padStart(6, "0")}\0`, 148, "latin1");
    expect((await readTar(changed))[0]?.name).toBe("ü.npy");
  });

  test("two archives joined with cat are refused, since the second would be lost", async () => {
    const joined = Buffer.concat([plain, plain]);
    await expect(readTar(joined)).rejects.toThrow(
      expect.objectContaining({ code: "trailing-data" }),
    );
    await expect(readTar(joined, { chunkBytes: 4096, waits: true })).rejects.toThrow("byte 10240");
  });

  test("a single block of zeros is not an end", async () => {
    const changed = Buffer.concat([plain.subarray(0, 1024), Buffer.alloc(512), plain]);
    await expect(readTar(changed)).rejects.toThrow(expect.objectContaining({ code: "bad-header" }));
  });

  test("a directory, as old programs mark it, has no data", async () => {
    const header = patched(patched(plain.slice(0, 512), 0, 156, "\0"), 0, 0, "a/b/\0");
    const [first] = await readTar(Buffer.concat([header, Buffer.alloc(1024)]));
    expect(first).toMatchObject({ name: "a/b", isFile: false, data: "" });
  });
});

describe("byte streams", () => {
  test("a file is read from an offset, and one that is shortened meanwhile is an error", () => {
    const path = join(temporaryDirectory(), "a.tar");
    writeFileSync(path, plain);
    const target = new Uint8Array(100);
    const stream = FileStream.open(path, 1000);
    expect(stream.read(target)).toBe(100);
    expect(target).toEqual(plain.subarray(1000, 1100));
    writeFileSync(path, "");
    expect(() => stream.read(target)).toThrow(FormatError);
    stream.close();
    stream.close();
    expect(stream.read(target)).toBe(0);
  });

  test("chunks of any length are one stream, and closing ends their iteration", async () => {
    let ended = 0;
    async function* chunks() {
      try {
        yield new Uint8Array([1, 2, 3]);
        yield new Uint8Array(0);
        yield new Uint8Array([4]);
      } finally {
        ended++;
      }
    }
    const stream = new ChunkStream(chunks(), "a");
    const target = new Uint8Array(2);
    const got: number[] = [];
    for (let count = await stream.read(target); count > 0; count = await stream.read(target)) {
      got.push(...target.subarray(0, count));
    }
    expect(got).toEqual([1, 2, 3, 4]);
    const stopped = new ChunkStream(chunks(), "a");
    await stopped.read(target);
    stopped.close();
    await expect.poll(() => ended, { timeout: 30_000 }).toBe(2);
  });

  test("a member is a view or a copy, as asked", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    writeFileSync(path, plain);
    const reader = new TarReader(FileStream.open(path));
    await reader.next();
    await reader.next();
    const [view, copy] = [reader.viewData(), reader.copyData()];
    expect(view).toEqual(copy);
    expect(view.buffer.byteLength).toBeGreaterThan(copy.buffer.byteLength);
    expect(copy.buffer.byteLength).toBe(3);
  });
});
