import fc from "fast-check";
import { expect, test } from "vitest";
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { ItemLoader, type ItemLoaderOptions } from "../../../src/data/item-loader.ts";
import { RunSampler } from "../../../src/data/run-sampler.ts";
import {
  type EpochIndex,
  MultiEpochDatasetResampler,
} from "../../../src/sampling/multi-epoch-dataset.ts";
import { ResampledSampler } from "../../../src/sampling/resampled-sampler.ts";
import { SequentialSampler } from "../../../src/sampling/sequential-sampler.ts";
import { ShuffledSampler } from "../../../src/sampling/shuffled-sampler.ts";

const named = (length: number, identity?: string) => ({
  length,
  ...(identity === undefined ? {} : { identity }),
  at: ({ epoch, idx }: EpochIndex) => `${epoch}:${idx}`,
});

type Options = Partial<ItemLoaderOptions<string, readonly string[]>>;
const options = (more: Options = {}) => ({ collate: (items: readonly string[]) => items, ...more });

async function all<B>(batches: AsyncIterable<B>): Promise<B[]> {
  const found: B[] = [];
  for await (const batch of batches) found.push(batch);
  return found;
}

test("one loop is one epoch in the sampler's order, with the epoch the items are made for", async () => {
  const sampler = new ShuffledSampler(7, { seed: 3 });
  const loader = new ItemLoader(named(7), sampler, options({ batchSize: 3 }));
  expect(loader.nBatches).toBe(3);
  for (const epoch of [0, 1]) {
    const rows = new Float64Array(7);
    sampler.fill(epoch, 0, rows);
    const expected = [...rows].map((row) => `${epoch}:${row}`);
    expect((await all(loader)).flat()).toEqual(expected);
  }
  expect(loader.position).toEqual({ epoch: 2, batch: 0 });
});

test("a run over resampled epochs gives the items of the original's resampler", async () => {
  const dataset = named(10);
  const original = new MultiEpochDatasetResampler(dataset, { numSamples: 24, seed: 42 });
  const run = new RunSampler(new ResampledSampler(10, { seed: 42 }), 24);
  const loader = new ItemLoader(dataset, run, options({ globalBatchSize: 8 }));
  const found = (await all(loader)).flat();
  expect(found).toEqual(Array.from({ length: 24 }, (_, i) => original.at(i)));
  expect(found.at(-1)).toMatch(/^2:/);
});

test("a data set that makes whole batches is asked for them, in the same order", async () => {
  const sampler = new RunSampler(new ShuffledSampler(5, { seed: 2 }), 12);
  const single = new ItemLoader(named(5), sampler, options({ batchSize: 4 }));
  const whole = new ItemLoader<string, string[]>(named(5), sampler, {
    batchSize: 4,
    makeBatch: (indices) => indices.map(({ epoch, idx }) => `${epoch}:${idx}`),
  });
  expect(await all(whole)).toEqual(await all(single));
});

test("the collate function gets the batch's place, rows and padding", async () => {
  const loader = new ItemLoader(named(5), new SequentialSampler(5), {
    batchSize: 3,
    padLast: true,
    collate: (items: readonly string[], info) => ({ items, ...info }),
  });
  const [, last] = await all(loader);
  expect(last).toEqual({
    items: ["0:3", "0:4", "0:0"],
    epoch: 0,
    batch: 1,
    rows: Float64Array.of(3, 4, 0),
    padding: 1,
  });
});

test("a run stopped at any batch goes on at another world size with exactly the items left", async () => {
  const world = fc.constantFrom(1, 2, 3, 4, 6);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      world,
      world,
      fc.nat(30),
      fc.nat(3),
      async (n, before, after, cut, prefetch) => {
        const sampler = new ShuffledSampler(n, { seed: 9 });
        const make = (rank: number, worldSize: number) =>
          new ItemLoader(
            named(n),
            sampler,
            options({ globalBatchSize: 12, rank, worldSize, prefetch }),
          );
        const wholeLoader = make(0, 1);
        const whole = await all(wholeLoader);
        const seen: string[][] = whole.map(() => []);
        let state: unknown = null;
        for (let rank = 0; rank < before; rank++) {
          const loader = make(rank, before);
          for await (const batch of loader) {
            const { batch: at } = loader.position;
            const index = (at === 0 ? loader.nBatches : at) - 1;
            if (index >= cut) break;
            seen[index]?.push(...batch);
          }
          loader.seek(0, Math.min(cut, loader.nBatches));
          state = JSON.parse(JSON.stringify(loader.state()));
        }
        for (let rank = 0; rank < after && cut < whole.length; rank++) {
          const loader = make(rank, after);
          loader.loadState(state);
          let index = cut;
          for await (const batch of loader) seen[index++]?.push(...batch);
        }
        expect(seen).toEqual(whole);
      },
    ),
    { numRuns: 60 },
  );
});

test("batches are made ahead, as many as asked, and not more", async () => {
  let asked = 0;
  const dataset = {
    length: 100,
    at: ({ idx }: EpochIndex) => {
      asked = idx + 1;
      return idx;
    },
  };
  for (const prefetch of [0, 3]) {
    const loader = new ItemLoader(dataset, new SequentialSampler(100), {
      batchSize: 10,
      prefetch,
      collate: (items: readonly number[]) => items,
    });
    for await (const batch of loader) {
      expect(batch[0]).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(asked).toBe(10 * (1 + prefetch));
      break;
    }
  }
});

test("an item that fails is told in its turn, by number; the loop can be started again", async () => {
  let isBroken = true;
  const dataset = {
    length: 6,
    at: async ({ idx }: EpochIndex) => {
      if (idx === 3 && isBroken) throw new TypeError("no such residue");
      return `${idx}`;
    },
  };
  const loader = new ItemLoader(dataset, new SequentialSampler(6), options({ batchSize: 2 }));
  const found: unknown[] = [];
  const failing = (async () => {
    for await (const batch of loader) found.push(batch);
  })();
  await expect(failing).rejects.toMatchObject({
    code: "item-failed",
    message: "item 3 of epoch 0 failed: no such residue",
    cause: expect.any(TypeError),
  });
  expect(found).toEqual([["0", "1"]]);
  isBroken = false;
  expect(await all(loader)).toEqual([
    ["2", "3"],
    ["4", "5"],
  ]);
});

test("a collate function that fails, an abort and a closed loader end the loop", async () => {
  const sampler = new SequentialSampler(6);
  const thrower = () => {
    throw new RangeError("ragged");
  };
  const failing = new ItemLoader(named(6), sampler, { batchSize: 2, collate: thrower });
  await expect(all(failing)).rejects.toMatchObject({
    code: "collate-failed",
    message: "collate failed on batch 0 of epoch 0: ragged",
  });
  const controller = new AbortController();
  const { signal } = controller;
  const loader = new ItemLoader(named(6), sampler, options({ batchSize: 2, signal }));
  const reason = new Error("enough");
  const looping = (async () => {
    for await (const _ of loader) controller.abort(reason);
  })();
  await expect(looping).rejects.toBe(reason);
  await loader.close();
  await expect(all(loader)).rejects.toMatchObject({ code: "closed" });
});

test("a state of other data, order, batches or format is refused", () => {
  const make = (identity: string, seed: number, globalBatchSize: number) =>
    new ItemLoader(
      named(12, identity),
      new ShuffledSampler(12, { seed }),
      options({ globalBatchSize }),
    );
  const state = make("a", 1, 4).state();
  const refusal = (loader: ItemLoader<string, readonly string[]>, given: unknown = state) => {
    try {
      loader.loadState(given);
    } catch (error) {
      return error instanceof IncompatibleError || error instanceof InvalidArgumentError
        ? error.code
        : error;
    }
    return "accepted";
  };
  expect(refusal(make("a", 1, 4))).toBe("accepted");
  expect(refusal(make("b", 1, 4))).toBe("state-dataset");
  expect(refusal(make("a", 2, 4))).toBe("state-sampler");
  expect(refusal(make("a", 1, 6))).toBe("state-batches");
  expect(refusal(make("a", 1, 4), { ...state, version: 9 })).toBe("state-version");
  expect(refusal(make("a", 1, 4), { ...state, batch: 1e9 })).toBe("invalid-argument");
  expect(refusal(make("a", 1, 4), { ...state, format: "scdl-loader" })).toBe("invalid-argument");
});

test("arguments that make no sense are refused by name", () => {
  const sampler = new SequentialSampler(4);
  const argumentOf = (more: Options, order = sampler) => {
    try {
      new ItemLoader(named(4), order, options(more));
    } catch (error) {
      return (error as InvalidArgumentError).argument;
    }
    return null;
  };
  expect(argumentOf({})).toBe("batchSize");
  expect(argumentOf({ batchSize: 2, globalBatchSize: 2 })).toBe("batchSize");
  expect(argumentOf({ batchSize: 2, worldSize: 2 })).toBe("rank");
  expect(argumentOf({ batchSize: 2, rank: 0 })).toBe("worldSize");
  expect(argumentOf({ globalBatchSize: 3, rank: 0, worldSize: 2 })).toBe("globalBatchSize");
  expect(argumentOf({ batchSize: 2, dropLast: true, padLast: true })).toBe("padLast");
  expect(argumentOf({ batchSize: 2, makeBatch: () => [] })).toBe("collate");
  expect(argumentOf({ batchSize: 2, prefetch: -1 })).toBe("prefetch");
  expect(argumentOf({ batchSize: 2 }, new SequentialSampler(5))).toBe("sampler");
});
