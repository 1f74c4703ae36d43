/** Shards in both directions against Python's webdataset: values, bytes, orders. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defaultRng } from "../../src/random/numpy-generator.ts";
import { ShardWriter } from "../../src/webdataset/shard-writer.ts";
import { TarWriter, type WritableSample } from "../../src/webdataset/tar-writer.ts";
import { WebDataset } from "../../src/webdataset/web-dataset.ts";
import { describeValue } from "../helpers/describe-value.ts";
import { datasetOf, keysOf, type OrderCase } from "../helpers/webdataset-orders.ts";
import { askOnce } from "./ask-once.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./webdataset_original.py", import.meta.url));
const SHARDS = 23;
const SAMPLES_PER_SHARD = 5;
const ORDERS = 150;

export async function checkWebDataset(
  tally: Tally,
  python: string,
  workspace: string,
): Promise<void> {
  mkdirSync(workspace, { recursive: true });
  const ask = (request: Readonly<Record<string, unknown>>) => askOnce(python, DRIVER, request);

  await tally.check("webdataset: what Python wrote, read by us", async () => {
    await ask({ op: "write", pattern: join(workspace, "theirs-%06d.tar"), count: 90 });
    const urls = join(workspace, "theirs-{000000..000002}.tar");
    return differences(await ask({ op: "read", urls }), await described(urls));
  });
  for (const compress of [null, "gzip"] as const) {
    const name = compress ?? "not compressed";
    await tally.check(`webdataset: what we wrote (${name}), read by Python`, async () => {
      const shard = join(workspace, `ours-${name}.tar`);
      await writeOurs(shard, compress);
      return differences(await ask({ op: "read", urls: [shard] }), await described([shard]));
    });
  }
  await tally.check("webdataset: Python's TarWriter writes our bytes from our shard", async () => {
    const shard = join(workspace, "ours-not compressed.tar");
    const output = join(workspace, "rewritten.tar");
    await ask({ op: "rewrite", shard, output });
    return readFileSync(shard).equals(readFileSync(output)) ? [] : ["the archives differ"];
  });
  await tally.check(`webdataset: ${ORDERS} orders of random options`, async () => {
    const urls = await writeNumbered(workspace);
    const cases = Array.from({ length: ORDERS }, (_, i) => randomCase(i));
    const expected = await ask({ op: "orders", urls, cases });
    const found: unknown[] = [];
    for (const order of cases) {
      const dataset = datasetOf(urls, { ...order, keys: [] });
      found.push([await keysOf(dataset, order.count), await keysOf(dataset, order.count)]);
    }
    return differences(expected, found, (i) => JSON.stringify(cases[i]));
  });
}

type Case = Omit<OrderCase, "keys">;

function randomCase(seed: number): Case {
  const rng = defaultRng([20_26, seed]);
  const below = (n: number) => rng.integer(0, n);
  const world = 1 + below(3);
  const workers = 1 + below(3);
  const environment = {
    RANK: String(below(world)),
    WORLD_SIZE: String(world),
    WORKER: String(below(workers)),
    NUM_WORKERS: String(workers),
  };
  if (below(5) === 0) {
    const options = {
      resampled: true,
      seed: below(1000),
      nodeSplitter: "all",
      splitByWorker: false,
    } as const;
    return { options, stages: [], environment, count: 1 + below(60) };
  }
  const stages: unknown[][] = [];
  for (let i = below(3); i > 0; i--) {
    stages.push(["shuffle", 1 + below(40), { initial: below(50), seed: below(2 ** 31) }]);
  }
  if (below(3) === 0) stages.push(["withEpoch", 1 + below(60)]);
  const options = {
    shardShuffle: [false, true, 1 + below(30)][below(3)] ?? false,
    seed: below(2 ** 40),
    detShuffle: below(2) === 0,
    nodeSplitter: "by-node",
  } as const;
  return { options, stages, environment, count: null };
}

async function writeNumbered(workspace: string): Promise<string> {
  await using writer = ShardWriter.create(join(workspace, "numbered-%06d.tar"), {
    maxCount: SAMPLES_PER_SHARD,
  });
  for (let i = 0; i < SHARDS * SAMPLES_PER_SHARD; i++) {
    await writer.write({ __key__: String(i), txt: "" });
  }
  await writer.close();
  return join(workspace, `numbered-{000000..${String(SHARDS - 1).padStart(6, "0")}}.tar`);
}

async function writeOurs(path: string, compress: "gzip" | null): Promise<void> {
  await using writer = TarWriter.create(path, { compress });
  for (let i = 0; i < 40; i++) await writer.write(ourSample(i));
  await writer.close();
}

function ourSample(i: number): WritableSample {
  const values = Float32Array.from({ length: i }, (_, k) => Math.fround(Math.sin(i + k)));
  return {
    __key__: i % 5 === 0 ? `ordner-ü/${"x".repeat(120)}-${i}` : `k${i}`,
    npy: values,
    "int.npy": BigInt64Array.of(BigInt(i) - 2n ** 62n),
    "half.npy": { dtype: "float16", shape: [1, 2], data: Float32Array.of(i, -0.25) },
    "bool.npy": { dtype: "bool", shape: [3], data: Uint8Array.of(0, 1, i % 2) },
    json: { i, text: `ü "${i}"`, list: [null, true, 1e-7, i / 3] },
    mp: { i, big: 2n ** 63n + BigInt(i), bytes: new Uint8Array(i), f: [0.1, -i] },
    txt: "zelle 🧬".repeat(i),
    cls: -i,
    "json.gz": { i },
    bin: new Uint8Array(600).fill(i),
  };
}

async function described(urls: string | string[]): Promise<unknown[]> {
  const samples: unknown[] = [];
  for await (const sample of new WebDataset(urls).decode()) {
    const { __url__, ...fields } = sample;
    samples.push(Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, describeValue(v)])));
  }
  return samples;
}

function differences(
  expected: unknown,
  found: readonly unknown[],
  nameOf = (i: number) => `sample ${i}`,
): string[] {
  if (!Array.isArray(expected) || expected.length !== found.length) {
    return [
      `expected ${Array.isArray(expected) ? expected.length : "a list"}, found ${found.length}`,
    ];
  }
  return found.flatMap((item, i) => {
    const [ours, theirs] = [canonical(item), canonical(expected[i])];
    return ours === theirs
      ? []
      : [`${nameOf(i)}: Python ${theirs.slice(0, 300)}, we ${ours.slice(0, 300)}`];
  });
}

/** JSON with sorted keys: Python and we list the fields of a sample in one order, objects in any. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
