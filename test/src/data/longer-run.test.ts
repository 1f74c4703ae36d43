import { expect, test } from "vitest";
import { ItemLoader } from "../../../src/data/item-loader.ts";
import { trainingOrder } from "../../../src/data/run-orders.ts";
import { RunSampler } from "../../../src/data/run-sampler.ts";
import type { Sampler } from "../../../src/sampling/sampler.ts";
import { SequentialSampler } from "../../../src/sampling/sequential-sampler.ts";

const items = { length: 10, at: ({ epoch, idx }: { epoch: number; idx: number }) => [epoch, idx] };

function load(sampler: Sampler, globalBatchSize = 4) {
  return new ItemLoader(items, sampler, { globalBatchSize, collate: (batch) => batch });
}

const run = (steps: number, size = 4) => load(trainingOrder(10, steps, size, 42), size);

async function take<B>(loader: AsyncIterable<B>, count = Number.POSITIVE_INFINITY): Promise<B[]> {
  const batches: B[] = [];
  for await (const batch of loader) {
    batches.push(batch);
    if (batches.length >= count) break;
  }
  return batches;
}

test("a run goes on in a longer one, where it stood or at its end", async () => {
  const whole = await take(run(9));
  for (const [steps, stop] of [
    [6, 4],
    [6, 6],
    [3, 3],
  ] as const) {
    const short = run(steps);
    const first = await take(short, stop);
    const state = JSON.parse(JSON.stringify(short.state()));
    const long = run(9);
    long.loadState(state);
    expect([...first, ...(await take(long))]).toEqual(whole);
  }
});

test("a run goes on in a shorter one that has not ended there", async () => {
  const long = run(9);
  await take(long, 4);
  const state = long.state();
  const short = run(6);
  short.loadState(state);
  expect(await take(short)).toHaveLength(2);
  const ended = run(4);
  ended.loadState(state);
  expect(ended.position).toEqual({ epoch: 1, batch: 0 });
  expect(() => run(3).loadState(state)).toThrow(
    "the state stands behind 4 batches, this run has 3",
  );
});

test.each([
  ["another global batch size", run(6, 5), "state-batches"],
  ["another seed", load(trainingOrder(10, 6, 4, 7)), "state-sampler"],
  ["another order", load(new RunSampler(new SequentialSampler(10), 24)), "state-sampler"],
  ["no run", load(new SequentialSampler(10)), "state-sampler"],
])("%s is refused", (_, loader, code) => {
  const state = run(5).state();
  expect(() => loader.loadState(state)).toThrow(expect.objectContaining({ code }));
});

test("a run whose last batch is not full goes on in no other: that batch would hold more", () => {
  const state = load(new RunSampler(new SequentialSampler(10), 10)).state();
  const longer = load(new RunSampler(new SequentialSampler(10), 20));
  expect(() => longer.loadState(state)).toThrow(expect.objectContaining({ code: "state-sampler" }));
});

test("damaged counts are refused as before", () => {
  for (const broken of [{ epoch: -1 }, { batch: 1.5 }, { epoch: 2 }, { epoch: 1, batch: 3 }]) {
    const state = { ...run(5).state(), ...broken };
    expect(() => run(9).loadState(state)).toThrow();
  }
  expect(() => run(9).loadState({ ...run(5).state(), sampler: null })).toThrow();
});
