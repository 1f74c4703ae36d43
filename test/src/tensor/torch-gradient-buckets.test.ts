/** The order of gradients and their sums in the thread that runs libtorch. */
import { expect, test } from "vitest";
import { Esm2, Geneformer, type TrainableModel } from "../../../src/models/index.ts";
import { plainProgram } from "../../../src/tensor/device/plan.ts";
import { gradientBuckets, HEALTH_BUCKET } from "../../../src/tensor/device/sums/layout.ts";
import { SharedBuckets } from "../../../src/tensor/device/sums/shared-buckets.ts";
import { elementCount, type Program } from "../../../src/tensor/index.ts";
import { Arrivals } from "../../../src/tensor/torch/arrivals.ts";
import { HOST_QUEUE } from "../../../src/tensor/torch/device-queue.ts";
import type { FoundLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";
import { Libtorch } from "../../../src/tensor/torch/libtorch.ts";
import { Runner } from "../../../src/tensor/torch/runner.ts";
import {
  type DeviceReducer,
  GradientBuckets,
} from "../../../src/tensor/torch/sums/gradient-buckets.ts";
import { HostReducer } from "../../../src/tensor/torch/sums/host-reducer.ts";
import type { Tensor } from "../../../src/tensor/torch/tensor.ts";
import { TensorState } from "../../../src/tensor/torch/tensor-state.ts";
import { ModelPrograms } from "../../../src/train/model-programs.ts";
import { LIBTORCH } from "./torch.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const noLibtorch = LIBTORCH === null;
const KEY = { seed: 0, step: 0, microBatch: 0 };
const SIZES = { first: 8, others: 64 };

const lengthsOf = (program: Program) =>
  new Map(program.parameters.map(({ name, value }) => [name, elementCount(value.shape)]));

test("buckets are the parameters from the last to the first, the first bucket small", () => {
  const lengths = new Map([
    ["a", 5],
    ["b", 60],
    ["c", 3],
    ["d", 90],
    ["e", 4],
    ["f", 4],
  ]);
  const buckets = gradientBuckets(lengths, SIZES);
  const named = buckets.map(({ parameters, length }) => [
    parameters.map(({ name }) => name).join(""),
    length,
  ]);
  expect(named).toEqual([
    ["fe", 8],
    ["d", 90],
    ["cba", 68],
  ]);
  expect(gradientBuckets(new Map(), SIZES)).toEqual([]);
});

/** A state with random values and what happens to its gradients, in order. */
function recorded(torch: Libtorch, program: Program) {
  const plain = plainProgram(program);
  const names = program.parameters.map(({ name }) => name);
  const state = new TensorState(torch, plain.parameters, names);
  state.write("values", randomParameters(program));
  const runner = new Runner(torch, plain, new Arrivals(HOST_QUEUE));
  const log: string[] = [];
  const buckets = gradientBuckets(lengthsOf(program), SIZES);
  const reducer: DeviceReducer = {
    start: (index, gradients) => {
      log.push(`start ${index}`);
      // Doubled, as two equal ranks would have it.
      return gradients.map((one) => torch.one("reshape", torch.add(one, one), [-1]));
    },
    finish: () => log.push("finish"),
    close: () => log.push("close"),
  };
  state.buckets = new GradientBuckets(state, reducer, buckets);
  const made = state.buckets.made.bind(state.buckets);
  state.buckets.made = (name) => {
    log.push(`made ${name}`);
    made(name);
  };
  const precision = {
    lowDType: null,
    lasting: new Map<string, Tensor>(),
    random: null,
    lossScale: null,
  };
  const step = () => {
    runner.run(state, TRANSFORMER_INPUTS, KEY, precision);
  };
  return { state, names, log, buckets, step };
}

test.skipIf(noLibtorch)(
  "buckets begin in order, before the last gradient is made, in the last micro-batch alone",
  () => {
    const torch = new Libtorch(LIBTORCH as FoundLibtorch, "cpu", 0); // proof: found
    const { state, names, log, buckets, step } = recorded(torch, transformer());
    step();
    step();
    expect(log.filter((line) => line.startsWith("start"))).toEqual([]);
    const before = state.read("gradients", names);
    state.zeroGradients();
    log.length = 0;

    step();
    state.buckets?.arm();
    step();
    const early = log.filter((line) => line.startsWith("start")).length;
    const lastMade = log.findLastIndex((line) => line.startsWith("made"));
    const begun = log.slice(0, lastMade).filter((line) => line.startsWith("start"));
    expect(begun.length).toBeGreaterThanOrEqual(2);
    expect(early).toBe(buckets.length);
    expect(state.buckets?.finish()).toMatchObject({ buckets: buckets.length, early: begun.length });
    const starts = log.filter((line) => /^(start|finish)/.test(line));
    expect(starts).toEqual([
      ...[...buckets, HEALTH_BUCKET].map((_, at) => `start ${at}`),
      "finish",
    ]);
    // No bucket begins before all its gradients of the last micro-batch are made.
    const second = log.indexOf("made table", names.length) < 0 ? 0 : names.length;
    for (const [at, { parameters }] of buckets.entries()) {
      const begin = log.indexOf(`start ${at}`);
      for (const { name } of parameters) {
        expect(log.indexOf(`made ${name}`, second)).toBeLessThan(begin);
      }
    }
    for (const [name, values] of state.read("gradients", names)) {
      expect(values).toEqual(before.get(name)?.map((value) => 2 * value));
    }
    // The next step begins anew: nothing is added up without being asked for.
    log.length = 0;
    step();
    expect(log.filter((line) => line.startsWith("start"))).toEqual([]);
    state.close();
    expect(log.at(-1)).toBe("close");
  },
);

test.skipIf(noLibtorch)("gradients that a run does not make are added up as zeros", () => {
  const torch = new Libtorch(LIBTORCH as FoundLibtorch, "cpu", 0); // proof: found
  const program = transformer();
  const { state, names, log, buckets } = recorded(torch, program);
  state.buckets?.arm();
  expect(state.buckets?.finish()).toMatchObject({ buckets: buckets.length, early: 0 });
  expect(log).toEqual([...[...buckets, HEALTH_BUCKET].map((_, at) => `start ${at}`), "finish"]);
  for (const values of state.read("gradients", names).values()) {
    expect(values.every((value) => value === 0)).toBe(true);
  }
  state.close();
});

test.skipIf(noLibtorch)("gradients go into shared memory, and what lies there are the sums", () => {
  const torch = new Libtorch(LIBTORCH as FoundLibtorch, "cpu", 0); // proof: found
  const program = transformer();
  const { names, state, step } = recorded(torch, program);
  const buckets = gradientBuckets(lengthsOf(program), SIZES);
  const all = [...buckets, HEALTH_BUCKET];
  const shared = SharedBuckets.allocate(all);
  step();
  const before = state.read("gradients", names);
  state.zeroGradients();
  const lengths = all.map(({ parameters }) => parameters.map(({ length }) => length));
  const reducer = new HostReducer(torch, lengths, shared.memory);
  state.buckets = new GradientBuckets(state, reducer, buckets);
  const live: number[] = [];
  for (const factor of [3, 5, 7]) {
    state.zeroGradients();
    shared.reset();
    state.buckets.arm();
    step();
    for (const floats of shared.memory.floats) {
      for (const [at, value] of floats.entries()) floats[at] = factor * value;
      shared.done();
    }
    state.buckets.finish();
    torch.sweep();
    live.push(torch.liveTensors);
    for (const [name, values] of state.read("gradients", names)) {
      expect(values).toEqual(before.get(name)?.map((value) => Math.fround(factor * value)));
    }
  }
  expect(new Set(live).size).toBe(1);
  shared.reset();
  shared.end();
  state.buckets.arm();
  expect(() => state.buckets?.finish()).toThrow("have not added up");
  state.close();
});

test("threads wait for each other by the memory they share, and for nobody that has ended", async () => {
  const shared = SharedBuckets.allocate(gradientBuckets(new Map([["a", 9]]), SIZES));
  const waiting = shared.whenStarted(0);
  shared.started();
  expect(await waiting).toBe(true);
  const other = shared.whenStarted(1);
  shared.end();
  expect(await other).toBe(false);
  expect(shared.waitUntilDone()).toBe(false);
});

const MODELS: readonly (readonly [string, TrainableModel<never>])[] = [
  ["ESM-2", new Esm2({ layers: 3, hiddenSize: 16, heads: 2 })],
  [
    "Geneformer",
    new Geneformer({
      ...{ layout: "bert", layers: 3, hiddenSize: 16, heads: 2, intermediateSize: 32 },
      ...{ vocabSize: 40, padId: 0, maxPositions: 32 },
    }),
  ],
];

test.each(MODELS)("the backward pass of %s makes gradients bucket by bucket", (_, model) => {
  const program = new ModelPrograms(model).get({ batch: 1, length: 8 }, "train");
  const made = new Map(program.gradients.map(({ name, value }) => [name, value.id]));
  const lengths = new Map([...lengthsOf(program)].filter(([name]) => made.has(name)));
  const buckets = gradientBuckets(lengths, { first: 500, others: 2000 });
  const last = buckets.map(({ parameters }) =>
    Math.max(...parameters.map(({ name }) => made.get(name) ?? 0)),
  );
  expect(buckets.length).toBeGreaterThan(4);
  const order = [...last].sort((a, b) => a - b);
  // The head's words are the table that the input is looked up in: its gradient is the last of all.
  const late = last.filter((id, at) => id !== order[at]).length;
  expect(late).toBeLessThan(buckets.length / 2);
});
