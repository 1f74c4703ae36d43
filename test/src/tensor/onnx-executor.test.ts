import { expect, test } from "vitest";
import {
  addGradients,
  attention,
  dropout,
  fillDropoutMask,
  multiply,
  openExecutor,
  ProgramBuilder,
  sum,
  type Value,
} from "../../../src/tensor/index.ts";
import { executorSuite } from "./executor.suite.ts";
import { trainTransformer } from "./train-transformer.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

executorSuite(() => openExecutor("onnx", { threads: 2 }), { tolerance: 4e-6 });

test("onnx trains a transformer layer as the reference does, to float32", async () => {
  const expected = await trainTransformer("reference");
  const found = await trainTransformer("onnx", { threads: 2 });
  for (const [at, loss] of expected.losses.entries()) expect(found.losses[at]).toBeCloseTo(loss, 5);
  for (const kind of ["values", "gradients"] as const) {
    for (const [name, data] of expected[kind]) {
      expect(difference(found[kind].get(name), data), `${kind} of ${name}`).toBeLessThan(5e-6);
    }
  }
});

test("heads of 64, whose products are turned the other way, have the reference's gradients", async () => {
  const program = transformer(64);
  const gradients = async (name: string) => {
    await using executor = await openExecutor(name, { threads: 2 });
    await using state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    await state.run(await executor.compile(program), TRANSFORMER_INPUTS, { seed: 5 });
    return state.read("gradients");
  };
  const [expected, found] = [await gradients("reference"), await gradients("onnx")];
  for (const [name, data] of expected) {
    const largest = Math.max(...data.map(Math.abs));
    expect(difference(found.get(name), data), name).toBeLessThan(2e-5 * Math.max(largest, 0.01));
  }
});

function difference(found: Float32Array | undefined, expected: Float32Array): number {
  return Math.max(...expected.map((value, at) => Math.abs(value - (found?.[at] ?? Number.NaN))));
}

test("attention in pieces gives what rows of the batch give one after another", async () => {
  // A row has 8 MiB of scores, which are one piece; three rows are three.
  const [length, heads, size] = [1024, 2, 4];
  const width = length * heads * size;
  const random = Float32Array.from({ length: 9 * width }, (_, i) => Math.sin(i * i));
  const keys = Uint8Array.from({ length: 3 * length }, (_, i) => (i % length < 700 ? 1 : 0));
  await using executor = await openExecutor("onnx", { threads: 2 });
  const gradients = async (first: number, batch: number) => {
    const builder = new ProgramBuilder();
    const shape = [batch, length, heads, size];
    const [q, k, v] = ["q", "k", "v"].map((name) => builder.parameter(name, shape)) as [
      Value,
      Value,
      Value, // proof: three names
    ];
    const keyMask = builder.input("keys", "bool", [batch, length]);
    const out = attention(q, k, v, { keyMask });
    addGradients(builder, sum(multiply(out, multiply(out, out))));
    builder.output("out", out);
    const program = builder.build();
    await using state = await executor.createState(program.parameters);
    const part = (place: number) =>
      random.slice((3 * place + first) * width, (3 * place + first + batch) * width);
    await state.write("values", new Map(["q", "k", "v"].map((name, at) => [name, part(at)])));
    const mask = keys.slice(first * length, (first + batch) * length);
    const outputs = await state.run(await executor.compile(program), { keys: mask });
    return [outputs["out"], ...(await state.read("gradients")).values()];
  };
  const whole = await gradients(0, 3);
  for (const row of [0, 1, 2]) {
    const single = await gradients(row, 1);
    const parts = whole.map((array) => array?.slice(row * width, (row + 1) * width));
    expect(parts.map((array) => array?.length)).toEqual([width, width, width, width]);
    expect(parts).toEqual(single);
  }
});

test("a run is the same bit for bit with any number of threads", async () => {
  expect(await trainTransformer("onnx", { threads: 1 })).toEqual(
    await trainTransformer("onnx", { threads: 2 }),
  );
});

test("runs asked for at once have their own dropout masks, on any number of threads", async () => {
  const [rows, columns] = [3, 35];
  const builder = new ProgramBuilder();
  const ones = builder.parameter("ones", [rows, columns]);
  const rate = 0.5;
  builder.output("once", dropout(ones, rate, 0));
  builder.output("twice", dropout(ones, rate, 1));
  const program = builder.build();
  for (const threads of [1, 2, 5]) {
    await using executor = await openExecutor("onnx", { threads });
    const states = await Promise.all(
      [0, 1, 2].map(() => executor.createState(program.parameters, { inferenceOnly: true })),
    );
    const executable = await executor.compile(program);
    const found = await Promise.all(
      states.map(async (state, seed) => {
        await state.write("values", new Map([["ones", new Float32Array(rows * columns).fill(1)]]));
        return state.run(executable, {}, { seed, step: 7 });
      }),
    );
    for (const [seed, outputs] of found.entries()) {
      for (const [layer, name] of ["once", "twice"].entries()) {
        const mask = new Uint8Array(rows * columns);
        fillDropoutMask(mask, rate, { seed, step: 7, microBatch: 0, layer });
        expect([...(outputs[name] ?? [])]).toEqual([...mask].map((kept) => 2 * kept));
      }
    }
  }
});
