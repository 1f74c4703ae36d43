import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { askAhead, runsAhead } from "../../../src/tensor/ask-ahead.ts";
import { openExecutor } from "../../../src/tensor/index.ts";

/** What was asked and given, in order. */
class Told {
  readonly events: string[] = [];

  *items(count: number): Generator<number, void, undefined> {
    try {
      for (let item = 1; item <= count; item++) yield item;
    } finally {
      this.events.push("left");
    }
  }

  readonly ask = async (item: number) => {
    this.events.push(`ask ${item}`);
    return async () => {
      this.events.push(`wait ${item}`);
      return 10 * item;
    };
  };
}

async function events(count: number, limit: number): Promise<string> {
  const told = new Told();
  for await (const { item, answer } of askAhead(told.items(count), told.ask, limit)) {
    told.events.push(`see ${item}: ${answer}`);
  }
  return told.events.join(", ");
}

test("answers come in order, with no more asked for than the limit", async () => {
  expect(await events(2, 1)).toBe("ask 1, wait 1, see 1: 10, ask 2, wait 2, see 2: 20, left");
  expect(await events(4, 3)).toBe(
    "ask 1, ask 2, ask 3, wait 1, see 1: 10, ask 4, wait 2, see 2: 20, " +
      "left, wait 3, see 3: 30, wait 4, see 4: 40",
  );
  expect(await events(1, 3)).toBe("ask 1, left, wait 1, see 1: 10");
  expect(await events(0, 3)).toBe("left");
});

test("an error of an answer comes in its place; nothing is asked for after it", async () => {
  const told = new Told();
  const ask = async (item: number) => {
    const answer = await told.ask(item);
    return item === 2 ? () => Promise.reject(new Error("two")) : answer;
  };
  const seen: number[] = [];
  const all = async () => {
    for await (const { item } of askAhead(told.items(9), ask, 2)) seen.push(item);
  };
  await expect(all()).rejects.toThrow("two");
  expect(seen).toEqual([1]);
  expect(told.events).toEqual(["ask 1", "ask 2", "wait 1", "ask 3", "left"]);
});

test.each([
  ["the items", 3, 9],
  ["asking", 9, 3],
])("an error of %s comes after the answers to what was asked before", async (_, last, broken) => {
  const told = new Told();
  function* items() {
    yield* told.items(last);
    throw new Error("no more");
  }
  const ask = (item: number) => {
    return item > broken ? Promise.reject(new Error("no more")) : told.ask(item);
  };
  const seen: number[] = [];
  const all = async () => {
    for await (const { item } of askAhead(items(), ask, 3)) seen.push(item);
  };
  await expect(all()).rejects.toThrow("no more");
  expect(seen).toEqual([1, 2, 3]);
});

test("who leaves early waits for nothing", async () => {
  const told = new Told();
  for await (const { item } of askAhead(told.items(9), told.ask, 3)) if (item === 2) break;
  expect(told.events.join(", ")).toBe("ask 1, ask 2, ask 3, wait 1, ask 4, wait 2, left");
});

test("forward passes are asked for ahead as the executor says, or as steps are", async () => {
  const said = [{}, { stepsInFlight: 3 }, { stepsInFlight: 1, runsInFlight: 2 }];
  expect(said.map(runsAhead)).toEqual([1, 3, 2]);
  const processors = availableParallelism();
  const found: number[] = [];
  for (const threads of [processors, processors + 1]) {
    await using executor = await openExecutor("onnx", { threads });
    found.push(runsAhead(executor));
  }
  await using one = await openExecutor("onnx", { threads: 1 });
  expect([...found, runsAhead(one)]).toEqual([1, 1, processors > 1 ? 2 : 1]);
});
