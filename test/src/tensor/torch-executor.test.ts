import { describe, expect, test } from "vitest";
import { fillDropoutMask, openExecutor } from "../../../src/tensor/index.ts";
import { dropoutMaskOnDevice } from "../../../src/tensor/torch/dropout-mask.ts";
import { TorchExecutor } from "../../../src/tensor/torch/executor.ts";
import { Libtorch } from "../../../src/tensor/torch/libtorch.ts";
import { executorSuite } from "./executor.suite.ts";
import { LIBTORCH, NO_LIBTORCH, TITLE } from "./torch.fixture.ts";
import { trainTransformer } from "./train-transformer.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const program = transformer();

describe.skipIf(NO_LIBTORCH)(TITLE, () => {
  if (NO_LIBTORCH) return;
  executorSuite(() => openExecutor("torch", { threads: 1 }), { tolerance: 4e-6 });

  test("trains a transformer layer as the reference does, to float32", async () => {
    const expected = await trainTransformer("reference");
    const found = await trainTransformer("torch", { threads: 1 });
    for (const [at, loss] of expected.losses.entries()) {
      expect(found.losses[at]).toBeCloseTo(loss, 5);
    }
    for (const kind of ["values", "gradients", "first", "second"] as const) {
      for (const [name, data] of expected[kind]) {
        const other = found[kind].get(name) ?? new Float32Array(0);
        const difference = Math.max(...data.map((value, at) => Math.abs(value - (other[at] ?? 0))));
        expect(difference, `${kind} of ${name}`).toBeLessThan(5e-6);
      }
    }
  });

  test("bfloat16 products keep float32 weights and come within 2e-2 of the loss", async () => {
    const expected = await trainTransformer("torch", { threads: 1 });
    const found = await trainTransformer("torch", { threads: 1, precision: "bf16-mixed" });
    expect(found.losses).not.toEqual(expected.losses);
    for (const [at, loss] of expected.losses.entries()) {
      expect(Math.abs((found.losses[at] ?? 0) / loss - 1)).toBeLessThan(2e-2);
    }
  });

  test("a run again is the same bit for bit", async () => {
    const options = { threads: 1, deterministic: true };
    const first = await trainTransformer("torch", options);
    expect(await trainTransformer("torch", options)).toEqual(first);
  });

  test("no step leaves a tensor behind, and closing frees all but the tables", async () => {
    await using executor = await TorchExecutor.open({ threads: 1 });
    const { liveTensors: none } = await executor.describe();
    const state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    const executable = await executor.compile(program);
    const counts: number[] = [];
    for (let step = 1; step <= 60; step++) {
      await state.zeroGradients();
      await state.run(executable, TRANSFORMER_INPUTS, { step });
      await state.run(executable, TRANSFORMER_INPUTS, { step, microBatch: 1 });
      await state.update({ kind: "adamw" }, { step, learningRate: 0.01, maxGradientNorm: 1 });
      counts.push((await executor.describe()).liveTensors);
    }
    expect(new Set(counts).size).toBe(1);
    await expect(state.run(executable, { ...TRANSFORMER_INPUTS, ids: new Int32Array(1) }))
      .rejects //
      .toThrow("input ids");
    await state.close();
    const { liveTensors } = await executor.describe();
    expect(liveTensors).toBeLessThan(none + 12);
  });

  test("the device's integer operations give the dropout masks of the host", () => {
    const torch = new Libtorch(LIBTORCH as NonNullable<typeof LIBTORCH>, "cpu", 0); // proof: found
    for (const [at, count] of [1, 7, 4096, 200_001].entries()) {
      const key = { seed: 2 ** 40 + at, step: 3 + at, microBatch: at, layer: 2 * at };
      const expected = new Uint8Array(count);
      fillDropoutMask(expected, 0.1, key);
      const found = new Uint8Array(count);
      torch.download(dropoutMaskOnDevice(torch, [count], 0.1, key), found, [count]);
      torch.sweep();
      expect(Buffer.compare(found, expected), `${count} elements`).toBe(0);
    }
  });

  test("memory that is not there is an error with the bytes asked for", async () => {
    await using executor = await openExecutor("torch", { threads: 1 });
    const [parameter] = program.parameters;
    const value = { ...parameter?.value, shape: [2 ** 44] } as NonNullable<
      typeof parameter
    >["value"]; // proof: the same fields
    const asked = executor.createState([{ name: "table", value }]);
    const old = /^2\.1[0-2]/.test(LIBTORCH?.version ?? "");
    await expect(asked).rejects.toMatchObject(
      old ? { code: "libtorch" } : { code: "out-of-memory", message: /asked for 70368744177664/ },
    );
    await using state = await executor.createState(program.parameters);
    const executable = await executor.compile(program);
    expect((await state.run(executable, TRANSFORMER_INPUTS))["loss"]?.[0]).toBeCloseTo(
      Math.log(7),
      6,
    );
  });
});
