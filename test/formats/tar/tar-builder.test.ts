import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { HeaderEncoder } from "../../../formats/tar/encode-header.ts";
import { CompressedSink, FileSink } from "../../../formats/tar/output-sink.ts";
import { TarBuilder } from "../../../formats/tar/tar-builder.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { loadTars, readTar } from "../../helpers/webdataset-tars.ts";

const tars = loadTars();
const ATTRIBUTES = { mode: 0o444, mtime: 0, uname: "bigdata", gname: "bigdata" };
const replace = { overwrite: false };

describe("TarBuilder", () => {
  test.each([
    ["webdataset", 0],
    ["webdataset, mtime with a fraction", 1700000000.25],
    ["webdataset, mtime rounded to even", 2.5],
  ])("writes the bytes of Python: %s", async (name, mtime) => {
    const { bytes, members } = tars[name] ?? { bytes: null, members: [] };
    const path = join(temporaryDirectory(), "a.tar");
    const builder = new TarBuilder(new FileSink(path, replace), { ...ATTRIBUTES, mtime });
    for (const { name: member, data } of members)
      await builder.add(member, Buffer.from(data, "hex"));
    await builder.finish();
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes);
  });

  test("members of every size around its batches come back, at the offsets it said", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    const builder = new TarBuilder(new FileSink(path, replace), ATTRIBUTES);
    const sizes = [
      0,
      1,
      511,
      512,
      513,
      2 ** 20 - 512,
      2 ** 20 - 511,
      2 ** 20,
      2 ** 20 + 1,
      3_000_000,
    ];
    const offsets: number[] = [];
    for (const [i, size] of [...sizes, ...sizes].entries()) {
      offsets.push(builder.offset);
      await builder.add(`${i}.bin`, Buffer.alloc(size, i + 1));
    }
    await builder.finish();
    const members = await readTar(readFileSync(path));
    expect(members.map(({ offset }) => offset)).toEqual(offsets);
    for (const [i, { data }] of members.entries()) {
      expect(data === Buffer.alloc(sizes[i % sizes.length] ?? 0, i + 1).toString("hex")).toBe(true);
    }
    expect(readFileSync(path).length % 10_240).toBe(0);
  });

  test.each([
    ["gzip", gunzipSync],
    ["zstd", zstdDecompressSync],
  ] as const)(
    "compressed with %s it is the same archive, and the same bytes again",
    async (kind, decompress) => {
      const { bytes, members } = tars["webdataset"] ?? { bytes: null, members: [] };
      const outputs: Buffer[] = [];
      for (const file of ["a", "b"]) {
        const path = join(temporaryDirectory(), file);
        const sink = new CompressedSink(new FileSink(path, replace), kind, 3);
        const builder = new TarBuilder(sink, ATTRIBUTES);
        for (const { name, data } of members) await builder.add(name, Buffer.from(data, "hex"));
        await builder.finish();
        expect(sink.bytesWritten).toBe(readFileSync(path).length);
        outputs.push(readFileSync(path));
      }
      expect(new Uint8Array(decompress(outputs[0] ?? Buffer.alloc(0)))).toEqual(bytes);
      expect(outputs[0]).toEqual(outputs[1]);
    },
  );

  test.each([
    ["mode", { mode: 0o10000 }],
    ["mtime", { mtime: -1 }],
    ["mtime", { mtime: Number.NaN }],
    ["uname", { uname: "ü" }],
    ["gname", { gname: "x".repeat(33) }],
  ])("refuses a %s that a header cannot hold", (_name, wrong) => {
    expect(() => new HeaderEncoder({ ...ATTRIBUTES, ...wrong })).toThrow(InvalidArgumentError);
  });

  test("a member of 8 GiB gets its size in a PAX header", async () => {
    const encoder = new HeaderEncoder(ATTRIBUTES);
    const size = 8 ** 11;
    const header = Buffer.alloc(encoder.byteLength("a.bin", size));
    encoder.encode(header, 0, "a.bin", size);
    expect(header.toString("latin1", 512, 512 + 19)).toBe("19 size=8589934592\n");
    await expect(readTar(header)).rejects.toThrow(`expected at least ${size} more bytes`);
  });
});

describe("FileSink", () => {
  test("the file is there when it is whole, and never before", async () => {
    const folder = temporaryDirectory();
    const path = join(folder, "a.tar");
    const builder = new TarBuilder(new FileSink(path, replace), ATTRIBUTES);
    await builder.add("a.bin", Buffer.alloc(3_000_000));
    expect(existsSync(path)).toBe(false);
    await builder.finish();
    expect(readdirSync(folder)).toEqual(["a.tar"]);
  });

  test("what is abandoned leaves nothing", async () => {
    const folder = temporaryDirectory();
    const sinks = [
      new FileSink(join(folder, "a"), replace),
      new CompressedSink(new FileSink(join(folder, "b"), replace), "gzip", 6),
    ];
    for (const sink of sinks) {
      await sink.write(Buffer.alloc(1000));
      sink.abandon();
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test("an existing file is kept unless overwriting was asked for, also when it appears meanwhile", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    const late = new FileSink(path, replace);
    writeFileSync(path, "old");
    expect(() => new FileSink(path, replace)).toThrow("already exists");
    await expect(late.finish()).rejects.toThrow("already exists");
    expect(readFileSync(path, "utf8")).toBe("old");
    const sink = new FileSink(path, { overwrite: true });
    sink.write(Buffer.from("new"));
    await sink.finish();
    expect(readFileSync(path, "utf8")).toBe("new");
  });
});
