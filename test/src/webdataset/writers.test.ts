import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { encodeNpyArray } from "../../../formats/npy/npy-array.ts";
import { picklesToTars } from "../../../src/webdataset/pickles-to-tars.ts";
import { decodeIndex, indexPath } from "../../../src/webdataset/shard-index.ts";
import { ShardWriter, shardName } from "../../../src/webdataset/shard-writer.ts";
import { TarWriter } from "../../../src/webdataset/tar-writer.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { describeValue } from "../../helpers/describe-value.ts";
import { keysOf } from "../../helpers/webdataset-orders.ts";

const VALUES = {
  npy: new Float32Array([1, 2.5]),
  "mask.npy": { dtype: "bool", shape: [1, 2], data: new Uint8Array([1, 0]) },
  "half.npy": { dtype: "float16", shape: [], data: new Float32Array([0.5]) },
  "big.npy": new BigInt64Array([-(2n ** 62n)]),
  json: { a: [1, null, "ü", true], b: { c: 0.5 } },
  msgpack: { bytes: new Uint8Array([1, 2]), n: 2n ** 60n },
  txt: "zelle ü",
  cls: -4,
  id: 2n ** 63n,
  bin: new Uint8Array([0, 255]),
  "info.json.gz": { zipped: "x".repeat(100) },
};

async function readAll(urls: string | string[]): Promise<Record<string, unknown>[]> {
  const samples: Record<string, unknown>[] = [];
  for await (const { __url__, ...sample } of new WebDataset(urls).decode()) samples.push(sample);
  return samples;
}

describe("TarWriter", () => {
  test.each(["a.tar", "a.tar.gz", "a.tgz", "a.tar.zst"])(
    "what it writes to %s is read back",
    async (name) => {
      const path = join(temporaryDirectory(), name);
      await using writer = TarWriter.create(path);
      for (let i = 0; i < 5; i++) await writer.write({ __key__: `dir/${i}`, __meta: 1, ...VALUES });
      await writer.close();
      const samples = await readAll(path);
      expect(samples.map(({ __key__ }) => __key__)).toEqual([
        "dir/0",
        "dir/1",
        "dir/2",
        "dir/3",
        "dir/4",
      ]);
      const { __key__, ...values } = samples[4] ?? {};
      const { npy, "big.npy": big, ...rest } = VALUES;
      const expected = {
        ...rest,
        npy: { dtype: "float32", shape: [2], data: npy },
        "big.npy": { dtype: "int64", shape: [1], data: big },
      };
      expect(describeFields(values)).toEqual(describeFields(expected));
    },
  );

  test("writes the same bytes for the same samples, and no others for another order of fields", async () => {
    const folder = temporaryDirectory();
    const reversed = Object.fromEntries(Object.entries(VALUES).reverse());
    for (const [name, fields] of [
      ["a", VALUES],
      ["b", VALUES],
      ["c", reversed],
    ] as const) {
      const writer = TarWriter.create(join(folder, name), { compress: "zstd" });
      for (let i = 0; i < 3; i++) await writer.write({ __key__: `${i}`, ...fields });
      await writer.close();
    }
    expect(readFileSync(join(folder, "a"))).toEqual(readFileSync(join(folder, "b")));
    expect(readFileSync(join(folder, "a"))).toEqual(readFileSync(join(folder, "c")));
  });

  test("a run that fails leaves nothing", async () => {
    const folder = temporaryDirectory();
    const failing = async () => {
      await using writer = TarWriter.create(join(folder, "a.tar"));
      await writer.write({ __key__: "a", txt: "1" });
      throw new Error("stop");
    };
    await expect(failing()).rejects.toThrow("stop");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a sample with a bad field is not written in part", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    await using writer = TarWriter.create(path);
    await expect(writer.write({ __key__: "a", a: "1", "b.json": () => 1 })).rejects.toThrow(
      'field "b.json": expected null, booleans, finite numbers',
    );
    await writer.write({ __key__: "b", txt: "1" });
    await writer.close();
    expect(await readAll(path)).toEqual([{ __key__: "b", txt: "1" }]);
    await expect(writer.write({ __key__: "c", txt: "1" })).rejects.toThrow("write after close");
  });

  test.each([
    [{ __key__: "a.b", txt: "" }, 'has a "."'],
    [{ __key__: "", txt: "" }, "is no text"],
    [{ __key__: "dir/", txt: "" }, 'ends with "/"'],
    [{ __key__: "__meta__", txt: "" }, "metadata"],
    [{ __key__: "a\nb", txt: "" }, "control character"],
    [{ __key__: "a" }, "no fields"],
    [{ __key__: "a", TXT: "" }, "lower case"],
    [{ __key__: "a", "x/y": "" }, "lower case without"],
    [{ __key__: "a", bin: "ok", x: [1] }, "expected bytes or text"],
    [{ __key__: "a", npy: [1, 2] }, "expected an NdArray or a typed array"],
    [{ __key__: "a", npy: "text" }, 'expected an NdArray or a typed array, found "text"'],
    [{ __key__: "a", npy: Uint8Array.of(1, 2) }, "the bytes of a .npy file, an NdArray"],
    [{ __key__: "a", json: { x: [Number.NaN] } }, "expected finite numbers, the only ones JSON"],
    [{ __key__: "a", cls: 1.5 }, 'field "cls": expected an integer, found 1.5'],
    [{ __key__: "a", cls: "x" }, 'expected an integer, found "x"'],
  ])("refuses %j", async (sample, message) => {
    await using writer = TarWriter.create(join(temporaryDirectory(), "a.tar"));
    const writing = writer.write(sample);
    await expect(writing).rejects.toThrow(InvalidArgumentError);
    await expect(writing).rejects.toThrow(message);
  });

  test("a key that repeats is refused, since both would be one sample", async () => {
    await using writer = TarWriter.create(join(temporaryDirectory(), "a.tar"));
    await writer.write({ __key__: "a", txt: "" });
    await expect(writer.write({ __key__: "a", json: 1 })).rejects.toThrow("equals the key before");
  });

  test("any key and field that it takes come back", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 150 }),
        fc.string({ minLength: 1, maxLength: 20 }),
        async (key, field) => {
          await using writer = TarWriter.create(path, { overwrite: true });
          try {
            await writer.write({ __key__: key, [field]: "x" });
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidArgumentError);
            return;
          }
          await writer.close();
          const samples: unknown[] = [];
          for await (const { __url__, ...sample } of new WebDataset([path])) samples.push(sample);
          expect(samples).toEqual([{ __key__: key, [field]: new Uint8Array([120]) }]);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("its index says where each sample begins", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    await using writer = TarWriter.create(path, { index: true });
    const offsets: number[] = [];
    for (let i = 0; i < 4; i++) {
      offsets.push(writer.byteLength);
      await writer.write({ __key__: `k${i}`, a: "1", b: Buffer.alloc(600) });
    }
    await writer.close();
    const index = decodeIndex(readFileSync(indexPath(path)), "index");
    expect([...index.offsets]).toEqual(offsets);
    expect(index.shardBytes).toBe(readFileSync(path).length);
  });
});

describe("ShardWriter", () => {
  test("begins a shard after so many samples or bytes, and never an empty one", async () => {
    const folder = temporaryDirectory();
    const finished: string[] = [];
    await using byCount = ShardWriter.create(join(folder, "new/c-%06d.tar"), {
      maxCount: 3,
      startShard: 5,
      onShard: ({ path, samples }) => void finished.push(`${path.slice(-12)} ${samples}`),
    });
    for (let i = 0; i < 7; i++) await byCount.write({ __key__: `${i}`, txt: "abc" });
    const shards = await byCount.close();
    expect(finished).toEqual(["c-000005.tar 3", "c-000006.tar 3", "c-000007.tar 1"]);
    expect(shards.map(({ samples, dataBytes }) => [samples, dataBytes])).toEqual([
      [3, 9],
      [3, 9],
      [1, 3],
    ]);
    await using bySize = ShardWriter.create(join(folder, "s-%d.tar"), {
      maxSize: 10,
      index: false,
    });
    for (const bytes of [4, 6, 9, 1, 25, 1]) {
      await bySize.write({
        __key__: `${bytes}-${Math.random()}`.replace(".", "-"),
        bin: Buffer.alloc(bytes),
      });
    }
    expect((await bySize.close()).map(({ dataBytes }) => dataBytes)).toEqual([10, 10, 25, 1]);
    await using none = ShardWriter.create(join(folder, "n-%d.tar"));
    expect(await none.close()).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(["new", "s-0.tar", "s-1.tar", "s-2.tar", "s-3.tar"]);
  });

  test("an error keeps what is finished and removes what is not", async () => {
    const folder = temporaryDirectory();
    const failing = async () => {
      await using writer = ShardWriter.create(join(folder, "a-%d.tar"), {
        maxCount: 2,
        index: false,
      });
      for (let i = 0; i < 3; i++) await writer.write({ __key__: `${i}`, txt: "" });
      throw new Error("stop");
    };
    await expect(failing()).rejects.toThrow("stop");
    expect(readdirSync(folder)).toEqual(["a-0.tar"]);
  });

  test("a shard that cannot be put in its place is an error of the next call that waits", async () => {
    const folder = temporaryDirectory();
    await using writer = ShardWriter.create(join(folder, "a-%d.tar"), { maxCount: 1 });
    await writer.write({ __key__: "0", txt: "" });
    writeFileSync(join(folder, "a-0.tar"), "another");
    await expect(
      (async () => {
        for (let i = 1; i < 4; i++) await writer.write({ __key__: `${i}`, txt: "" });
      })(),
    ).rejects.toThrow("a-0.tar: already exists");
    expect(readFileSync(join(folder, "a-0.tar"), "utf8")).toBe("another");
  });

  test.each(["a.tar", "a-%d-%d.tar", "%s.tar", "100%-%d.tar", "100%%d.tar"])(
    "refuses the pattern %s",
    (pattern) => {
      expect(() => ShardWriter.create(pattern)).toThrow(InvalidArgumentError);
    },
  );

  test("names shards as Python's %", () => {
    expect(shardName("100%%-%03d%%", 7)).toBe("100%-007%");
    expect([shardName("a-%06d", 7), shardName("a-%d", 7), shardName("a-%3d", 7)]).toEqual([
      "a-000007",
      "a-7",
      "a-  7",
    ]);
  });
});

describe("picklesToTars", () => {
  const pickles = (names: readonly string[]) => {
    const folder = temporaryDirectory();
    mkdirSync(join(folder, "in"));
    for (const name of names) {
      writeFileSync(join(folder, "in", `${name}.a.pyd`), Buffer.from("4e2e", "hex"));
      writeFileSync(
        join(folder, "in", `${name}.b.pyd`),
        encodeNpyArray({ dtype: "int8", shape: [], data: new Int8Array(1) }),
      );
    }
    return folder;
  };
  const names = ["x.1", "y", "z", "v", "w"];

  test.each([
    [2, [2, 2, 1]],
    [5, [1, 1, 1, 1, 1]],
    [9, [1, 1, 1, 1, 1]],
    [undefined, [5]],
  ])("with at least %s shards it writes %j samples", async (minNumShards, counts) => {
    const folder = pickles(names);
    const shards = await picklesToTars({
      dirInput: join(folder, "in"),
      inputPrefixSubset: names,
      inputSuffix: ["a.pyd", "b.pyd"],
      dirOutput: join(folder, "out"),
      outputPrefix: "wdshards",
      ...(minNumShards === undefined ? {} : { minNumShards }),
    });
    expect(shards.map(({ samples }) => samples)).toEqual(counts);
    const paths = shards.map(({ path }) => path);
    expect(paths[0]).toBe(join(folder, "out/wdshards-000000.tar"));
    expect(existsSync(`${paths[0]}.index`)).toBe(false);
    expect(await keysOf(new WebDataset(paths))).toEqual(["x-1", "y", "z", "v", "w"]);
    // The payload is copied as it is: b is no pickle at all.
    const decoded = new WebDataset(paths).extractKeys("*a.pyd").slice(1);
    for await (const values of decoded) expect(values).toEqual([new Uint8Array([0x4e, 0x2e])]);
    // Mode 0777, as the original.
    expect(readFileSync(paths[0] ?? "").toString("latin1", 100, 107)).toBe("0000777");
  });

  test("a file that is missing names the sample", async () => {
    const folder = pickles(["a"]);
    const writing = picklesToTars({
      dirInput: join(folder, "in"),
      inputPrefixSubset: ["a", "gone"],
      inputSuffix: "a.pyd",
      dirOutput: join(folder, "out"),
      outputPrefix: "p",
    });
    await expect(writing).rejects.toThrow(FormatError);
    await expect(writing).rejects.toThrow(
      /sample "gone" was not written: .*gone\.a\.pyd: no such file/,
    );
  });

  test("keeps a % of the prefix", async () => {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, "a.pkl"), "x");
    const shards = await picklesToTars({
      ...{ dirInput: folder, dirOutput: folder, outputPrefix: "50%-%06d" },
      ...{ inputPrefixSubset: ["a"], inputSuffix: "pkl" },
    });
    expect(shards.map(({ path }) => path)).toEqual([join(folder, "50%-%06d-000000.tar")]);
  });

  test.each([0, -1, 1.5])("refuses minNumShards %s", async (minNumShards) => {
    const options = {
      dirInput: "",
      inputPrefixSubset: [],
      inputSuffix: "a",
      dirOutput: "",
      outputPrefix: "",
    };
    await expect(picklesToTars({ ...options, minNumShards })).rejects.toThrow(InvalidArgumentError);
  });
});

function describeFields(sample: Record<string, unknown>): unknown {
  return Object.fromEntries(
    Object.keys(sample)
      .sort((a, b) => (a < b ? -1 : 1))
      .map((field) => [field, describeValue(sample[field])]),
  );
}
