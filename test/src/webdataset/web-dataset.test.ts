import { describe, expect, test, vi } from "vitest";
import { braceExpand } from "../../../src/webdataset/brace-expand.ts";
import { RandomMix, RoundRobin } from "../../../src/webdataset/mix.ts";
import { type Sample, WebDataset } from "../../../src/webdataset/web-dataset.ts";
import { describeValue } from "../../helpers/describe-value.ts";
import { datasetOf, keysOf, loadOrders, writeShards } from "../../helpers/webdataset-orders.ts";

const orders = loadOrders();
const STEP = 13;
type Samples = AsyncIterable<Sample>;

describe("WebDataset", () => {
  test("decodes the samples that webdataset wrote to the values it reads", async () => {
    const samples: unknown[] = [];
    for await (const { __url__, ...sample } of new WebDataset(writeShards(orders)).decode()) {
      expect(__url__).toMatch(/w-00000\d\.tar$/);
      samples.push(
        Object.fromEntries(Object.entries(sample).map(([k, value]) => [k, describeValue(value)])),
      );
    }
    expect(samples).toEqual(orders.samples);
  });

  test.each(
    orders.cases.map((order) => ({ name: JSON.stringify({ ...order, keys: undefined }), order })),
  )("gives the order of webdataset: $name", async ({ order }) => {
    const dataset = datasetOf(writeShards(orders), order);
    for (const keys of order.keys) expect(await keysOf(dataset, order.count)).toEqual(keys);
  });

  test("going on from a state gives exactly what is left, in every order", async () => {
    const urls = writeShards(orders);
    for (const order of orders.cases) {
      const whole = await keysOf(datasetOf(urls, order).iterate({ pass: 1 }), order.count);
      const iterator = datasetOf(urls, order).iterate({ pass: 1 });
      for (let given = 0; given <= whole.length; given += STEP) {
        const state = JSON.parse(JSON.stringify(iterator.state()));
        const rest = datasetOf(urls, order).iterate({ state });
        const left = order.count === null ? null : order.count - given;
        if (left !== 0) expect(await keysOf(rest, left), `${given}`).toEqual(whole.slice(given));
        for (let i = 0; i < STEP; i++) await iterator.next();
      }
    }
  });
});

describe("mixing", () => {
  test.each([
    ["roundRobin", (parts: Samples[]): Samples => new RoundRobin(parts)],
    ["roundRobin longest", (parts: Samples[]): Samples => new RoundRobin(parts, { longest: true })],
    ["random", (parts: Samples[]): Samples => new RandomMix(parts, { seed: 3 })],
    [
      "random longest",
      (parts: Samples[]): Samples =>
        new RandomMix(parts, { seed: 3, longest: true, probs: [1, 5, 0.5] }),
    ],
  ] as const)("%s gives webdataset's order", async (name, mix) => {
    const urls = writeShards(orders);
    const parts = [4, 9, 2].map((count) => new WebDataset(urls).slice(count));
    const keys: string[] = [];
    for await (const { __key__ } of mix(parts)) keys.push(__key__);
    expect(keys).toEqual(orders.mixed[name]);
  });
});

test.each(orders.braces)("braces expand as Python's: %s", (pattern, names) => {
  if (names === null) expect(() => braceExpand(pattern)).toThrow("unbalanced braces");
  else expect(braceExpand(pattern)).toEqual(names);
});

test("the rank of Open MPI counts, and a node splitter that is none is refused", () => {
  vi.stubEnv("OMPI_COMM_WORLD_RANK", "1");
  vi.stubEnv("OMPI_COMM_WORLD_SIZE", "2");
  try {
    expect(() => new WebDataset("a-{0..3}.tar")).toThrow("2 ranks would all read every shard");
    expect(() => new WebDataset("a-{0..3}.tar", { nodeSplitter: "by-node" })).not.toThrow();
  } finally {
    vi.unstubAllEnvs();
  }
  // As plain JavaScript may call it.
  const options = { nodeSplitter: "by_node" } as unknown as { nodeSplitter: "by-node" };
  expect(() => new WebDataset("a.tar", options)).toThrow(
    "expected single-node-only, by-node or all",
  );
});
