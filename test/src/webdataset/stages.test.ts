import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  FormatError,
  IncompatibleError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../formats/common/errors.ts";
import { decodeField } from "../../../src/webdataset/decode-field.ts";
import { matcher } from "../../../src/webdataset/fnmatch.ts";
import { encodeIndex, indexPath, keyHash } from "../../../src/webdataset/shard-index.ts";
import { expandUrls } from "../../../src/webdataset/shard-urls.ts";
import { ShardWriter } from "../../../src/webdataset/shard-writer.ts";
import { TarWriter } from "../../../src/webdataset/tar-writer.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";
import { WebLoader } from "../../../src/webdataset/web-loader.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { errorOf } from "../../helpers/error-of.ts";
import { keysOf } from "../../helpers/webdataset-orders.ts";

let folder = "";
let urls = "";

/** 5 shards of 4 samples, with index files. */
async function writeSamples(): Promise<void> {
  folder = temporaryDirectory();
  urls = join(folder, "s-{0..4}.tar");
  await using writer = ShardWriter.create(join(folder, "s-%d.tar"), { maxCount: 4 });
  for (let i = 0; i < 20; i++) {
    await writer.write({
      __key__: `k${i}`,
      npy: new Float32Array([i, i + 0.5]),
      json: { i },
      cls: i,
    });
  }
  await writer.close();
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe("stages", () => {
  test("batches are columns: numbers, arrays with one axis more, lists", async () => {
    await writeSamples();
    const batches = new WebDataset(urls).decode().toTuple("cls npy json").batched(8);
    const [first, , last] = await all(batches);
    expect(first).toEqual([
      new Float64Array([0, 1, 2, 3, 4, 5, 6, 7]),
      {
        dtype: "float32",
        shape: [8, 2],
        data: Float32Array.from({ length: 16 }, (_, i) => Math.floor(i / 2) + (i % 2) / 2),
      },
      Array.from({ length: 8 }, (_, i) => ({ i })),
    ]);
    expect(last?.[0]).toEqual(new Float64Array([16, 17, 18, 19]));
    expect(await all(batches.unbatched().slice(0))).toEqual([]);
    const whole = new WebDataset(urls).decode().toTuple("cls").batched(8, { partial: false });
    expect(await all(whole)).toHaveLength(2);
    const lists = new WebDataset(urls).decode().batched<unknown[]>(6, { collate: null });
    expect((await all(lists)).map((list) => list.length)).toEqual([6, 6, 6, 2]);
    expect(await keysOf(lists.unlisted<{ __key__: string; __url__: string }>())).toHaveLength(20);
  });

  test("arrays of different shapes do not make a batch", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    await using writer = TarWriter.create(path);
    await writer.write({ __key__: "a", npy: new Float32Array(2) });
    await writer.write({ __key__: "b", npy: new Float32Array(3) });
    await writer.close();
    await expect(all(new WebDataset(path).decode().toTuple("npy").batched(2))).rejects.toThrow(
      "item 0 is float32 (2), item 1 is float32 (3)",
    );
  });

  test("map, filter, rename, mapDict and mapTuple, waiting or not", async () => {
    await writeSamples();
    const values = await all(
      new WebDataset(urls)
        .decode()
        .filter(async ({ cls }) => Number(cls) % 2 === 0)
        .filter(({ cls }) => Number(cls) > 3)
        .map((sample) => ({ class: sample["cls"], x: sample["npy"] }))
        .map(async (sample) => ({ ...sample, y: "y" }))
        .rename({ label: "gone;class" })
        .mapDict({ label: (value: number) => value * 10, y: async (value: string) => `${value}!` })
        .toTuple("__key__", "label", "y")
        .mapTuple([null, (value: number) => value + 1])
        .slice(2),
    );
    expect(values).toEqual([
      ["k4", 41, "y!"],
      ["k6", 61, "y!"],
    ]);
    const dropped = new WebDataset(urls).map(({ __key__ }) => (__key__ === "k3" ? __key__ : null));
    expect(await all(dropped)).toEqual(["k3"]);
  });

  test("a slice ends the pass without reading on, and lets a batch begun come out", async () => {
    await writeSamples();
    writeFileSync(join(folder, "s-2.tar"), "damaged");
    const batches = new WebDataset(urls).slice(7).decode().toTuple("cls").batched(5);
    expect(await all(batches)).toEqual([
      [new Float64Array([0, 1, 2, 3, 4])],
      [new Float64Array([5, 6])],
    ]);
  });

  test.each([
    [
      "toTuple",
      (d: WebDataset) => d.toTuple("gone;lost"),
      'sample "k0" has no gone or lost (there is: __key__, __url__, cls, json, npy)',
    ],
    ["extractKeys without a match", (d: WebDataset) => d.extractKeys("*.gone"), "has no *.gone"],
    ["extractKeys with two", (d: WebDataset) => d.extractKeys("*.npy;*.cls"), "matches cls, npy"],
    ["mapDict", (d: WebDataset) => d.mapDict({ x: () => 1 }), "has no x"],
    ["decode twice", (d: WebDataset) => d.decode().decode(), "expected bytes to decode"],
    ["a batch of samples", (d: WebDataset) => d.batched(2), "expected tuples"],
    [
      "toTuple of tuples",
      (d: WebDataset) => d.toTuple("npy").toTuple("npy"),
      "expected a sample with __key__",
    ],
    ["unbatched of samples", (d: WebDataset) => d.unbatched(), "expected a tuple"],
  ])("%s names the sample and what there is", async (_name, make, message) => {
    await writeSamples();
    await expect(all<unknown>(make(new WebDataset(urls)))).rejects.toThrow(message);
  });

  test("missing fields can be null or left out", async () => {
    await writeSamples();
    const [tuple] = await all(
      new WebDataset(urls).decode().toTuple("gone", "cls", { missingIsError: false }),
    );
    expect(tuple).toEqual([null, 0]);
    const [keys] = await all(
      new WebDataset(urls).decode().extractKeys("*.gone", "*.c?s", { ignoreMissing: true }),
    );
    expect(keys).toEqual([0]);
  });

  test("decoding can be given decoders, limited, and passed over", async () => {
    await writeSamples();
    const dataset = new WebDataset(urls).decode({ only: ["cls"] });
    const [first] = await all(dataset.slice(1));
    expect([first?.["cls"], first?.["json"]]).toEqual([0, new Uint8Array(Buffer.from('{"i": 0}'))]);
    const decoders = [
      (field: string, bytes: Uint8Array) => (field === "json" ? bytes.length : undefined),
    ];
    const [own] = await all(dataset.decode({ partial: true, decoders }).slice(1));
    expect([own?.["cls"], own?.["json"]]).toEqual([0, 8]);
  });
});

describe("errors in samples and shards", () => {
  test("a handler leaves out a sample, or ends the pass", async () => {
    await writeSamples();
    const seen: unknown[] = [];
    const failing = (answer: boolean) =>
      new WebDataset(urls).map(
        ({ __key__ }) => {
          if (__key__ === "k2") throw new Error("bad");
          return __key__;
        },
        {
          handler: (error) => {
            seen.push(error);
            return answer;
          },
        },
      );
    expect(await all(failing(true))).toHaveLength(19);
    expect(await all(failing(false))).toEqual(["k0", "k1"]);
    expect(seen).toHaveLength(2);
  });

  test("a handler goes on with the next shard, also when a state is resumed", async () => {
    await writeSamples();
    const path = join(folder, "s-1.tar");
    writeFileSync(path, readFileSync(path).subarray(0, 4096));
    const dataset = (handler: () => boolean) =>
      new WebDataset(urls, { handler }).shuffle(3, { seed: 1 });
    const keys = await keysOf(dataset(() => true));
    expect(keys).toHaveLength(17);
    expect(keys).not.toContain("k5");
    const iterator = dataset(() => true).iterate({ pass: 0 });
    for (let i = 0; i < 10; i++) await iterator.next();
    const rest = dataset(() => true).iterate({ state: iterator.state() });
    expect(await keysOf(rest)).toEqual(keys.slice(10));
    expect(await keysOf(new WebDataset(urls, { handler: () => false }))).toHaveLength(5);
  });

  test("a shard cut at any block is an error that names it", async () => {
    await writeSamples();
    const path = join(folder, "s-1.tar");
    const bytes = readFileSync(path);
    const end = bytes.findLastIndex((byte) => byte !== 0);
    for (let length = 0; length < end + 512; length += 512) {
      writeFileSync(path, bytes.subarray(0, length));
      await expect(keysOf(new WebDataset(urls)), `${length}`).rejects.toThrow(
        expect.objectContaining({ code: "truncated", path }),
      );
    }
  });

  test("a compressed shard cut anywhere is an error", async () => {
    await writeSamples();
    for (const [name, compress] of [
      ["z.tar.gz", "gzip"],
      ["z.tar.zst", "zstd"],
    ] as const) {
      const path = join(folder, name);
      const writer = TarWriter.create(path, { compress });
      for (let i = 0; i < 50; i++) await writer.write({ __key__: `${i}`, txt: `${Math.sin(i)}` });
      await writer.close();
      const bytes = readFileSync(path);
      for (let length = 0; length < bytes.length; length += 97) {
        writeFileSync(path, bytes.subarray(0, length));
        await expect(keysOf(new WebDataset([path])), `${name} ${length}`).rejects.toThrow(
          FormatError,
        );
      }
      writeFileSync(
        path,
        Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(100), bytes.subarray(200)]),
      );
      await expect(keysOf(new WebDataset([path]))).rejects.toThrow(FormatError);
    }
  });

  test("a field that comes twice is an error, an empty shard among others is not", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    const one = TarWriter.create(path);
    await one.write({ __key__: "a", txt: "1" });
    await one.close();
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, 1024), bytes]));
    await expect(keysOf(new WebDataset([path]))).rejects.toThrow(
      'sample "a" has the field "txt" twice',
    );
    const empty = join(temporaryDirectory(), "empty.tar");
    writeFileSync(empty, Buffer.alloc(10_240));
    writeFileSync(path, bytes);
    expect(await keysOf(new WebDataset([empty, path, empty]))).toEqual(["a"]);
    await expect(keysOf(new WebDataset([empty]))).rejects.toThrow("no samples in 1 shards");
    expect(await keysOf(new WebDataset([empty], { emptyCheck: false }).repeat())).toEqual([]);
  });

  test.each([
    ["more workers than shards", { worker: 5, numWorkers: 6 }, "too-few-shards"],
    [
      "more ranks than shards",
      { rank: 5, worldSize: 6, nodeSplitter: "by-node" },
      "too-few-shards",
    ],
    ["ranks without a splitter", { rank: 0, worldSize: 2 }, "no-node-split"],
    ["a worker beyond its count", { worker: 2, numWorkers: 2 }, "invalid-argument"],
    ["a rank that is no number", { rank: Number.NaN, worldSize: 2 }, "invalid-argument"],
    ["a seed with a fraction", { seed: 0.5 }, "invalid-argument"],
    ["a negative shuffle", { shardShuffle: -1 }, "invalid-argument"],
  ] as const)("%s is refused", async (_name, options, code) => {
    await writeSamples();
    const reading = async () => keysOf(new WebDataset(urls, options));
    await expect(reading()).rejects.toThrow(expect.objectContaining({ code }));
  });

  test("what is no shard is refused by name", async () => {
    await writeSamples();
    const path = join(folder, "x");
    writeFileSync(path, "BZh9 and so on");
    await expect(keysOf(new WebDataset([path]))).rejects.toThrow(
      "compressed with bzip2 are not read",
    );
    await expect(keysOf(new WebDataset(["pipe:cat x"]))).rejects.toThrow(
      expect.objectContaining({ suggestions: ["commands are not run: download the shard first"] }),
    );
    await expect(keysOf(new WebDataset(["s3://a/b.tar"]))).rejects.toThrow(
      "only paths, file:, http: and https:",
    );
    await expect(keysOf(new WebDataset([join(folder, "none.tar")]))).rejects.toThrow(NotFoundError);
    expect(await keysOf(new WebDataset([`file://${folder}/s-0.tar`]))).toHaveLength(4);
  });

  test("an abort ends the reading with its reason", async () => {
    await writeSamples();
    const controller = new AbortController();
    const dataset = new WebDataset(urls, { signal: controller.signal }).repeat();
    const reading = async () => {
      for await (const { __key__ } of dataset)
        if (__key__ === "k9") controller.abort(new Error("stop"));
    };
    await expect(reading()).rejects.toThrow("stop");
  });
});

test("a pattern of a shell in a name is refused with what serves instead", () => {
  for (const names of ["out/*.tar", "a.tar::b-*.tar", ["a.tar", "b-*.tar"]]) {
    const open = () => new WebDataset(names);
    expect(open).toThrow(InvalidArgumentError);
    expect(open).toThrow('names with "*" are not looked for');
  }
  const path = join(temporaryDirectory(), "odd*.tar");
  writeFileSync(path, "");
  expect(expandUrls(path)).toEqual([path]);
});

test("a worker without a count of them is refused, as a rank without a world size", () => {
  expect(() => new WebDataset("a.tar", { worker: 1 })).toThrow("numWorkers is not given");
  expect(() => new WebDataset("a.tar", { worldSize: 2 })).toThrow("rank is not given");
});

describe("states", () => {
  test("a state goes on through filters and batches without reading what was given", async () => {
    await writeSamples();
    const read: string[] = [];
    const make = () =>
      new WebDataset(urls)
        .shuffle(3, { seed: 2 })
        .map(({ __key__ }) => {
          read.push(__key__);
          return [__key__];
        })
        .filter(([key]) => key !== "k7")
        .batched<string[][]>(4, { collate: null });
    const whole = await all(make().iterate({ pass: 0 }));
    const iterator = make().iterate({ pass: 0 });
    await iterator.next();
    await iterator.next();
    const state = iterator.state();
    read.length = 0;
    expect(await all(make().iterate({ state }))).toEqual(whole.slice(2));
    expect(read.length).toBeLessThanOrEqual(12);
    const restarted = make().shuffle(2, { seed: 1 }).iterate({ pass: 0 });
    await restarted.next();
    const others = make().shuffle(2, { seed: 1 });
    expect(await all(others.iterate({ state: restarted.state() }))).toHaveLength(whole.length - 1);
  });

  test("the file is entered at the sample: what lies between its head and there is not read", async () => {
    const path = join(temporaryDirectory(), "a.tar");
    await using writer = TarWriter.create(path, { index: true });
    for (const key of ["a", "b", "c"])
      await writer.write({ __key__: key, bin: Buffer.alloc(40_000) });
    await writer.write({ __key__: "d", bin: "d" });
    await writer.close();
    const iterator = new WebDataset(path).iterate({ pass: 0 });
    for (let i = 0; i < 3; i++) await iterator.next();
    const state = iterator.state();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(1, 50_000, 100_000));
    await expect(keysOf(new WebDataset(path))).rejects.toThrow(FormatError);
    expect(await keysOf(new WebDataset(path).iterate({ state }))).toEqual(["d"]);
  });

  test("an index that is damaged, missing or of another shard is made anew", async () => {
    await writeSamples();
    const keys = await keysOf(new WebDataset(urls));
    const make = () => new WebDataset(urls).shuffle(3, { seed: 1 });
    const shuffled = await keysOf(make().iterate({ pass: 0 }));
    const iterators = [new WebDataset(urls).iterate({ pass: 0 }), make().iterate({ pass: 0 })];
    for (const iterator of iterators) for (let i = 0; i < 6; i++) await iterator.next();
    const [state, held] = iterators.map((iterator) => iterator.state());
    const sound = readFileSync(indexPath(join(folder, "s-3.tar")));
    const hostile = Buffer.from(sound).fill(255, 16, 24);
    const shorter = encodeIndex({
      shardBytes: readFileSync(join(folder, "s-1.tar")).byteLength,
      offsets: Float64Array.of(0),
      keyHashes: Uint32Array.of(keyHash("k4")),
    });
    for (const index of [Buffer.alloc(0), sound.subarray(0, 50), hostile, sound, shorter]) {
      for (let i = 0; i < 3; i++) writeFileSync(indexPath(join(folder, `s-${i}.tar`)), index);
      const options = state === undefined ? {} : { state };
      expect(await keysOf(new WebDataset(urls).iterate(options))).toEqual(keys.slice(6));
      const others = held === undefined ? {} : { state: held };
      expect(await keysOf(make().iterate(others))).toEqual(shuffled.slice(6));
    }
  });

  test("a shard served by a filter of files is indexed anew each time", async () => {
    await writeSamples();
    const keys = await keysOf(new WebDataset(urls));
    const all = { selectFiles: () => true };
    const selecting = new WebDataset(urls, all).iterate({ pass: 0 });
    for (let i = 0; i < 6; i++) await selecting.next();
    expect(await keysOf(new WebDataset(urls, all).iterate({ state: selecting.state() }))).toEqual(
      keys.slice(6),
    );
  });

  test("a shard that was replaced after the state was taken is noticed", async () => {
    await writeSamples();
    const make = () => new WebDataset(urls).shuffle(3, { seed: 1 });
    const plain = new WebDataset(urls).iterate({ pass: 0 });
    const shuffled = make().iterate({ pass: 0 });
    for (let i = 0; i < 6; i++) await Promise.all([plain.next(), shuffled.next()]);
    const [state, held] = [plain.state(), shuffled.state()];
    expect(state.place).toMatchObject({ shard: 1, sample: 2 });
    const path = join(folder, "s-1.tar");
    const bytes = readFileSync(path);
    const refused = async (message: string) => {
      for (const items of [
        new WebDataset(urls).iterate({ state }),
        make().iterate({ state: held }),
      ]) {
        await expect(keysOf(items)).rejects.toMatchObject({
          name: "IncompatibleError",
          code: "state-mismatch",
          message: expect.stringContaining(message),
        });
      }
    };
    // The same keys and lengths, other values.
    const text = bytes.toString("latin1").replace(/("i": ?)4/, "$19");
    writeFileSync(path, text, "latin1");
    await refused("s-1.tar: the shard was replaced after the state was taken");
    writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(10_240)]));
    await refused("s-1.tar: the shard was replaced after the state was taken");
    writeFileSync(path, bytes);
    // One sample less in the shard before.
    await using writer = TarWriter.create(join(folder, "s-0.tar"), {
      overwrite: true,
      index: true,
    });
    for (let i = 0; i < 3; i++) await writer.write({ __key__: `k${i}`, cls: i });
    await writer.close();
    await refused("the shards now lead to sample");
  });

  test.each([
    ["another seed", { shardShuffle: 3, seed: 1 }],
    ["another worker", { worker: 1, numWorkers: 2 }],
  ])("a state of %s is refused", async (_name, options) => {
    await writeSamples();
    const state = new WebDataset(urls).iterate().state();
    expect(() => new WebDataset(urls, options).iterate({ state })).toThrow(IncompatibleError);
  });

  test("a state of another version, of other stages or of fewer samples is refused", async () => {
    await writeSamples();
    const dataset = new WebDataset(urls);
    const state = dataset.iterate().state();
    expect(() => dataset.iterate({ state: { ...state, version: 2 as 1 } })).toThrow("version 1");
    expect(() => dataset.batched(3).iterate({ state })).toThrow("stages differ");
    const beyond = dataset.iterate({ state: { ...state, samples: 21 } });
    await expect(beyond.next()).rejects.toThrow("the shards hold 20");
    const shuffled = dataset.shuffle(4, { seed: 1 });
    const later = { ...shuffled.iterate().state(), samples: 21 };
    await expect(shuffled.iterate({ state: later }).next()).rejects.toThrow("the shards hold 20");
  });

  test("a state past the end is refused", async () => {
    await writeSamples();
    const dataset = new WebDataset(urls).withEpoch(7);
    const state = { ...dataset.iterate({ pass: 0 }).state() };
    const past = (changes: object) => () => dataset.iterate({ state: { ...state, ...changes } });
    expect(past({ given: 1e9 })).toThrow(
      "the state is past the end: pass 0, 1000000000 items given",
    );
    expect(past({ given: 2, items: 3 })).toThrow(IncompatibleError);
    expect(past({ firstPass: 1 })).toThrow(IncompatibleError);
    const once = new WebDataset(urls);
    const start = once.iterate({ pass: 0 }).state();
    expect(() => once.iterate({ state: { ...start, pass: 2 } })).toThrow("past the end: pass 2");
    const items = { ...start, items: 21, given: 21 };
    await expect(once.iterate({ state: items }).next()).rejects.toThrow("1 more items than pass 0");
    const loader = new WebLoader(() => new WebDataset(urls)).withEpoch(7);
    const stands = loader.state();
    for (const wrong of [{ given: 1e9 }, { last: 5 }, { given: 1, items: 2 }]) {
      expect(() => loader.loadState({ ...stands, ...wrong }), JSON.stringify(wrong)).toThrow(
        "the state is past the end",
      );
    }
  });
});

const variable = (name: string) => `$\{${name}}`;

describe("fields", () => {
  const decode = (field: string, text: string | Uint8Array) =>
    decodeField(field, new Uint8Array(Buffer.from(text)), "f");

  test("JSON as Python writes it", () => {
    expect(
      decode(
        "json",
        "[NaN, Infinity, -Infinity, 1e3, 12345678901234567890, 0.1234567890123456789]",
      ),
    ).toEqual([Number.NaN, Infinity, -Infinity, 1000, 12345678901234567890n, 0.12345678901234568]);
    expect(decode("json", '{"a": "NaN 12345678901234567", "number:": 1234567890123456}')).toEqual({
      a: "NaN 12345678901234567",
      "number:": 1234567890123456,
    });
    expect(() => decode("json", '{"a": nan}')).toThrow(FormatError);
  });

  test("integers as Python's int", () => {
    expect(
      ["7", " -12\n", "+1_000", "9007199254740993"].map((text) => decode("cls", text)),
    ).toEqual([7, -12, 1000, 9007199254740993n]);
    for (const text of ["", "1.5", "1__0", "0x1"])
      expect(() => decode("id", text)).toThrow(FormatError);
  });

  test("what is not known stays bytes; gzip is undone first", () => {
    expect(decode("jpg", "ab")).toEqual(new Uint8Array([97, 98]));
    expect(decode("constructor", "ab")).toEqual(new Uint8Array([97, 98]));
    expect(decode("txt.gz", gzipSync("ü"))).toBe("ü");
    expect(decode("gz", gzipSync("a"))).toEqual(new Uint8Array([97]));
    expect(() => decode("txt.gz", "no")).toThrow(FormatError);
    expect(() => decode("txt", new Uint8Array([0xff]))).toThrow("expected UTF-8 text");
  });

  test.each([
    ["*.npy", ".npy", true],
    ["*.npy", ".seg.npy", true],
    [".npy", ".seg.npy", false],
    ["*.np[xy]", ".npy", true],
    ["*.np[!y]", ".npy", false],
    ["*.np[a-y]", ".npy", true],
    ["*.n?y", ".npy", true],
    ["*.a-b", ".a-b", true],
    ["*[", ".[", true],
    ["*[]]", ".]", true],
    ["*[z-a]", ".b", false],
    ["*.(a|b)", ".a", false],
    ["*", ".a\nb", true],
  ])("the pattern %s and %j: %s", (pattern, text, matches) => {
    expect(matcher([pattern])(text)).toBe(matches);
  });

  test("shards are named as webdataset names them", () => {
    expect(expandUrls("a-{0..1}.tar::b.tar")).toEqual(["a-0.tar", "a-1.tar", "b.tar"]);
    expect(
      expandUrls(`${variable("BASE")}/{x,y}`, { WDS_BASE: `/${variable("DIR")}`, WDS_DIR: "d" }),
    ).toEqual(["/d/x", "/d/y"]);
    expect(expandUrls(["{0..1}"])).toEqual(["{0..1}"]);
    expect(() => expandUrls(variable("GONE"), {})).toThrow("WDS_GONE is not set");
    expect(() => expandUrls([])).toThrow(InvalidArgumentError);
    expect(() => expandUrls("{0..99999999999}")).toThrow("more than 10000000 names");
  });
});

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

describe("errors of the user's functions", () => {
  const fail = (): never => {
    throw new Error("no such organ");
  };

  test.each([
    ["map", (dataset: WebDataset) => dataset.map(fail)],
    ["filter", (dataset: WebDataset) => dataset.filter(fail)],
    ["map", (dataset: WebDataset) => dataset.map(async () => fail())],
    ["mapDict", (dataset: WebDataset) => dataset.mapDict({ cls: fail })],
    ["decode", (dataset: WebDataset) => dataset.decode({ decoders: [fail] })],
  ])("of %s name shard, sample and stage", async (stage, build) => {
    await writeSamples();
    const error = await rejection(all(build(new WebDataset(urls))));
    expect(error).toMatchObject({
      code: "stage-failed",
      message: `${join(folder, "s-0.tar")}: ${stage} failed on sample "k0": no such organ`,
      cause: { message: "no such organ" },
    });
  });

  test("typed ones and aborts stay what they are", async () => {
    await writeSamples();
    for (const thrown of [new IncompatibleError("x", "y"), new DOMException("z", "AbortError")]) {
      const build = new WebDataset(urls).map(() => {
        throw thrown;
      });
      expect(await rejection(all(build))).toBe(thrown);
    }
  });
});

test("a pattern for too many names is refused before the first of them is made", () => {
  const before = process.memoryUsage().heapUsed;
  for (const pattern of ["{0..9}".repeat(12), `{${Array(40).fill("{0..999999}").join(",")}}`]) {
    expect(() => expandUrls(pattern)).toThrow("stands for more than 10000000 names");
  }
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(2 ** 24);
});

describe("damaged fields", () => {
  const damaged = {
    json: Buffer.from("{"),
    npy: Buffer.from("NUMPY"),
    msgpack: Buffer.from([0xc1]),
    txt: Buffer.from([0xff]),
    cls: Buffer.from("x"),
    "a.json.gz": Buffer.from("x"),
  };

  test.each(Object.entries(damaged))("%s is an error with advice", (field, bytes) => {
    const error = errorOf(() => decodeField(field, new Uint8Array(bytes), "a.tar"), FormatError);
    expect(error.suggestions.length).toBeGreaterThan(0);
    expect(error.message).toMatch(/^a\.tar: [^a]/);
  });

  test("gzip that unpacks to more than allowed is refused", async () => {
    const zeros = gzipSync(Buffer.alloc(2 ** 20));
    const bytes = new Uint8Array(zeros);
    const error = errorOf(() => decodeField("a.bin.gz", bytes, "x", 2 ** 20 - 1), FormatError);
    expect(error).toMatchObject({
      code: "count-out-of-range",
      message: `x: ${bytes.length} bytes of gzip unpack to more than 1048575`,
      suggestions: [expect.stringContaining("maxUnzippedBytes")],
    });
    expect(decodeField("a.bin.gz", bytes, "x", 2 ** 20)).toHaveLength(2 ** 20);
    // Members of a gzip file stand one after another: 256 MiB and a byte.
    const part = gzipSync(Buffer.alloc(2 ** 24), { level: 1 });
    const parts = [...Array<Buffer>(16).fill(part), gzipSync(Buffer.alloc(1))];
    const bomb = new Uint8Array(parts.flatMap((bytes) => [...bytes]));
    expect(() => decodeField("a.bin.gz", bomb, "x")).toThrow("more than 268435456");
  });

  test("a field that is not there comes with advice", async () => {
    await writeSamples();
    const error = await rejection(all(new WebDataset(urls).toTuple("png")));
    expect(error).toMatchObject({
      code: "no-such-field",
      suggestions: [expect.stringContaining("alternatives"), expect.anything()],
    });
  });
});

test("what is no state, and a state of another version, are told apart", async () => {
  await writeSamples();
  const dataset = new WebDataset(urls);
  const state = dataset.iterate().state();
  const loader = new WebLoader(() => new WebDataset(urls));
  for (const wrong of [null, 5, {}, [], { ...state, given: -1 }, { ...state, kind: "x" }]) {
    expect(() => dataset.iterate({ state: wrong as typeof state })).toThrow(InvalidArgumentError);
    expect(() => loader.loadState(wrong)).toThrow(InvalidArgumentError);
  }
  const version = /state has version 2, this package reads version 1/;
  // @ts-expect-error: of a later version.
  expect(() => dataset.iterate({ state: { ...state, version: 2 } })).toThrow(version);
  expect(() => loader.loadState({ ...loader.state(), version: 2 })).toThrow(version);
});
