import { describe, expect, test } from "vitest";
import { Late } from "../../../src/tensor/request-thread.ts";
import { Arrivals } from "../../../src/tensor/torch/arrivals.ts";
import { type CudaEvents, CudaQueue, cudaEvents } from "../../../src/tensor/torch/cuda-queue.ts";
import { HOST_QUEUE } from "../../../src/tensor/torch/device-queue.ts";
import { LateQueue } from "./late-queue.fixture.ts";

/** Events that are done when the test says so. */
class Events implements CudaEvents {
  readonly asked: string[] = [];
  created = 0;
  result = 600;
  create = () => [0, ++this.created] as const;
  record = (event: number, stream: number) => {
    this.asked.push(`${event} on ${stream}`);
    return 0;
  };
  query = () => this.result;
}

test("values come in order, each read only when the device has come to it", async () => {
  const queue = new LateQueue();
  const arrivals = new Arrivals(queue);
  const read: number[] = [];
  const late = Array.from({ length: 50 }, (_, at) => arrivals.after(() => read.push(at)));
  expect(late.filter((one) => one instanceof Late).length).toBeGreaterThan(48);
  expect(read.length).toBeLessThan(2);
  await Promise.all(late.map((one) => (one instanceof Late ? one.answer : one)));
  expect(read).toEqual(Array.from({ length: 50 }, (_, at) => at));
  expect(queue.held).toBe(0);
});

test("what is there already is not late, but never before what was asked for first", async () => {
  expect(new Arrivals(HOST_QUEUE).after(() => 7)).toBe(7);
  let isDone = false;
  let marks = 0;
  const arrivals = new Arrivals({
    mark: () => {
      const isFirst = marks++ === 0;
      return { isDone: () => !isFirst || isDone, release: () => {} };
    },
  });
  const first = arrivals.after(() => 1) as Late<number>;
  const second = arrivals.after(() => 2) as Late<number>;
  expect(second).toBeInstanceOf(Late);
  isDone = true;
  arrivals.look();
  expect(await Promise.all([first.answer, second.answer])).toEqual([1, 2]);
});

test("an error in reading is that value's alone", async () => {
  const arrivals = new Arrivals(new LateQueue());
  const values = [1, 2, 3].map((value) =>
    arrivals.after(() => {
      if (value === 2) throw new Error("two");
      return value;
    }),
  ) as Late<number>[];
  const settled = await Promise.allSettled(values.map(({ answer }) => answer));
  expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

describe("events of CUDA", () => {
  test("are recorded on the stream of libtorch and used again when they are over", () => {
    const events = new Events();
    let stream = 5;
    const queue = new CudaQueue(events, () => stream);
    const [first, second] = [queue.mark(), queue.mark()];
    expect(first.isDone()).toBe(false);
    events.result = 0;
    expect(first.isDone()).toBe(true);
    first.release();
    stream = 6;
    queue.mark();
    queue.mark();
    second.release();
    expect(events.asked).toEqual(["1 on 5", "2 on 5", "1 on 6", "3 on 6"]);
    expect(events.created).toBe(3);
  });

  test("what the device could not do is a typed error of all values that wait for it", async () => {
    const events = new Events();
    const arrivals = new Arrivals(new CudaQueue(events, () => 0));
    const values = [1, 2].map((value) => arrivals.after(() => value)) as Late<number>[];
    events.result = 700;
    arrivals.look();
    for (const { answer } of values) {
      await expect(answer).rejects.toMatchObject({
        code: "cuda",
        message: "CUDA: cuEventQuery failed with error 700",
      });
    }
    expect(() => arrivals.after(() => 3)).toThrow("error 700");
  });

  test("are called as the driver declares them", () => {
    const declared = new Map<string, readonly string[]>();
    const library = {
      func: (name: string, result: string, types: readonly string[]) => {
        declared.set(name, [result, ...types]);
        return (words: Uint32Array | number) => {
          if (words instanceof Uint32Array) words.set([0x9abc_def0, 0x1234]);
          return name === "cuEventQuery" ? 600 : 0;
        };
      },
    } as unknown as Parameters<typeof cudaEvents>[0]; // proof: what is used of a library
    const events = cudaEvents(library);
    expect(events.create()).toEqual([0, 0x1234_9abc_def0]);
    expect(events.record(1, 0)).toBe(0);
    expect(events.query(1)).toBe(600);
    expect(Object.fromEntries(declared)).toEqual({
      cuEventCreate: ["int", "void *", "uint"],
      cuEventRecord: ["int", "uintptr_t", "uintptr_t"],
      cuEventQuery: ["int", "uintptr_t"],
    });
    expect(() => cudaEvents(null)).toThrow("the driver");
  });
});
