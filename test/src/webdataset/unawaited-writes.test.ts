import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ShardWriter } from "../../../src/webdataset/shard-writer.ts";
import { TarWriter } from "../../../src/webdataset/tar-writer.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { keysOf } from "../../helpers/webdataset-orders.ts";

const KEYS = Array.from({ length: 25 }, (_, i) => `k${String(i).padStart(2, "0")}`);
const sampleOf = (key: string) => ({ __key__: key, txt: key });
const bad = { __key__: "a.b", txt: "x" };
/** More than a batch of the tar writer: written in several calls of the sink. */
const large = (key: string) => ({ __key__: key, bin: new Uint8Array(3_000_000).fill(7) });

describe("writes that are not awaited one by one", () => {
  test("give the samples of ShardWriter in the order of the calls", async () => {
    const directory = temporaryDirectory();
    await using writer = ShardWriter.create(join(directory, "%d.tar"), { maxCount: 10 });
    await Promise.all(KEYS.map((key) => writer.write(sampleOf(key))));
    const shards = await writer.close();
    expect(shards.map(({ samples }) => samples)).toEqual([10, 10, 5]);
    expect(await keysOf(new WebDataset(shards.map(({ path }) => path)))).toEqual(KEYS);
    expect(readdirSync(directory).filter((name) => name.includes(".tmp"))).toEqual([]);
  });

  test("are all in the shard when close() follows at once", async () => {
    await using writer = ShardWriter.create(join(temporaryDirectory(), "%d.tar"));
    for (const key of KEYS) void writer.write(sampleOf(key));
    const shards = await writer.close();
    expect(shards).toMatchObject([{ samples: 25 }]);
  });

  test.each(["a.tar", "a.tar.gz", "a.tar.zst"])("of large fields give a whole %s", async (name) => {
    const path = join(temporaryDirectory(), name);
    await using writer = TarWriter.create(path);
    for (const key of KEYS.slice(0, 4)) void writer.write(large(key));
    await writer.close();
    expect(await keysOf(new WebDataset(path))).toEqual(KEYS.slice(0, 4));
  });

  test("tell their error at close(), and leave the shard out", async () => {
    const directory = temporaryDirectory();
    const writer = ShardWriter.create(join(directory, "%d.tar"));
    void writer.write(sampleOf("a"));
    void writer.write(bad);
    await expect(writer.close()).rejects.toMatchObject({ argument: "__key__" });
    expect(readdirSync(directory)).toEqual([]);
    const tar = TarWriter.create(join(directory, "b.tar"));
    void tar.write(bad);
    await expect(tar.close()).rejects.toMatchObject({ argument: "__key__" });
    expect(readdirSync(directory)).toEqual([]);
  });

  test("that were awaited and failed leave the writer as it was", async () => {
    await using writer = ShardWriter.create(join(temporaryDirectory(), "%d.tar"));
    await writer.write(sampleOf("a"));
    await expect(writer.write(bad)).rejects.toMatchObject({ argument: "__key__" });
    await writer.write(sampleOf("b"));
    expect(await writer.close()).toMatchObject([{ samples: 2 }]);
  });

  test.each(["%d.tar", "%d.tar.gz"])("and left alone leave nothing behind in %s", async (name) => {
    const directory = temporaryDirectory();
    {
      await using writer = ShardWriter.create(join(directory, name), { maxCount: 2 });
      for (const key of KEYS.slice(0, 3)) void writer.write(large(key));
    }
    expect(readdirSync(directory)).toEqual([]);
  });
});
