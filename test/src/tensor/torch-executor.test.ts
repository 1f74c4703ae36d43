import { describe, expect, test } from "vitest";
import {
  addGradients,
  attention,
  fillDropoutMask,
  multiply,
  openExecutor,
  ProgramBuilder,
  sum,
  type Value,
} from "../../../src/tensor/index.ts";
import { dropoutMaskOnDevice } from "../../../src/tensor/torch/dropout-mask.ts";
import { TorchExecutor } from "../../../src/tensor/torch/executor.ts";
import type { FoundLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";
import { Libtorch } from "../../../src/tensor/torch/libtorch.ts";
import type { Tensor } from "../../../src/tensor/torch/tensor.ts";
import { executorSuite } from "./executor.suite.ts";
import { expectSteadyTensors } from "./live-tensors.fixture.ts";
import { LIBTORCH, TORCH_DEVICES } from "./torch.fixture.ts";
import { trainTransformer } from "./train-transformer.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const program = transformer();

if (LIBTORCH === null) {
  test.skip("executor torch: no libtorch found, set LIBTORCH to a folder of PyTorch", () => {});
}

describe.each(TORCH_DEVICES)(`torch ${LIBTORCH?.version} on %s`, (device) => {
  // On a GPU dropout masks have the bits of the reference only so.
  const options = { device, threads: 1, deterministic: device !== "cpu" } as const;
  const tolerance = device === "cpu" ? 4e-6 : 1e-5;
  executorSuite(() => openExecutor("torch", options), { tolerance });

  test("trains a transformer layer as the reference does, to float32", async () => {
    const expected = await trainTransformer("reference");
    const found = await trainTransformer("torch", options);
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

  test.each(["bf16-mixed", "16-mixed"] as const)(
    "%s comes within 2e-2 of the loss",
    async (precision) => {
      const expected = await trainTransformer("torch", options);
      const found = await trainTransformer("torch", { ...options, precision }, 2 ** 10);
      expect(found.losses).not.toEqual(expected.losses);
      for (const [at, loss] of expected.losses.entries()) {
        expect(Math.abs((found.losses[at] ?? 0) / loss - 1)).toBeLessThan(2e-2);
      }
    },
  );

  test("packed rows are sequences by themselves, also where a number comes again", async () => {
    const builder = new ProgramBuilder();
    const shape = [2, 9, 2, 8];
    const [q, k, v] = ["q", "k", "v"].map((name) => builder.parameter(name, shape));
    const segments = builder.input("segments", "int32", [2, 9]);
    const mixed = attention(q as Value, k as Value, v as Value, { segments }); // proof: of three
    builder.output("mixed", mixed);
    addGradients(builder, sum(multiply(mixed, mixed)));
    const program = builder.build();
    const outcome = async (name: string, ids: Int32Array) => {
      await using executor = await openExecutor(name, name === "torch" ? options : {});
      await using state = await executor.createState(program.parameters);
      await state.write("values", randomParameters(program));
      const { mixed } = await state.run(await executor.compile(program), { segments: ids });
      return new Map([["mixed", mixed], ...(await state.read("gradients"))]);
    };
    for (const ids of [
      Int32Array.of(0, 0, 0, 1, 1, 1, 1, 2, -1, 2, 3, 3, 3, 3, 3, 3, 3, 3),
      Int32Array.of(0, 0, 1, 1, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ]) {
      const [expected, found] = [await outcome("reference", ids), await outcome("torch", ids)];
      for (const [name, data] of expected) {
        const other = found.get(name);
        const apart = Math.max(...(data ?? []).map((x, at) => Math.abs(x - (other?.[at] ?? 9))));
        expect(apart, name).toBeLessThan(2e-6);
      }
    }
  });

  test("a run again is the same bit for bit", async () => {
    const exact = { ...options, deterministic: true };
    const first = await trainTransformer("torch", exact);
    expect(await trainTransformer("torch", exact)).toEqual(first);
  });

  test("no step leaves a tensor behind, and closing frees all but the tables", async () => {
    await using executor = await TorchExecutor.open(options);
    const { liveTensors: none } = await executor.describe();
    const { state, executable } = await expectSteadyTensors(executor, 60);
    await expect(state.run(executable, { ...TRANSFORMER_INPUTS, ids: new Int32Array(1) }))
      .rejects //
      .toThrow("input ids");
    await state.close();
    const { liveTensors } = await executor.describe();
    expect(liveTensors).toBeLessThan(none + 12);
  });

  test("masks that kernels draw are kept for the backward call", () => {
    const torch = new Libtorch(LIBTORCH as FoundLibtorch, device as "cpu" | "cuda", 0); // proof: found
    const ones = torch.full([100, 100], 1, torch.dtypes.float32);
    const [y, mask] = torch.many("dropout", ones, 0.25, true) as [Tensor, Tensor]; // proof: its schema
    const again = torch.one("dropoutBackward", ones, mask, 1 / 0.75);
    const [found, expected] = [new Float32Array(10_000), new Float32Array(10_000)];
    torch.download(y, found, [100, 100]);
    torch.download(again, expected, [100, 100]);
    const kept = found.filter((value) => value > 0);
    expect(found).toEqual(expected);
    expect(Math.abs(kept.length / 10_000 - 0.75)).toBeLessThan(0.03);
    expect(kept.every((value) => value === kept[0])).toBe(true);
    expect(torch.sizeOf(y, -1)).toBe(100);
    torch.sweep();
  });

  test.runIf(device !== "cpu")(
    "a GPU's own masks follow from seed, step and micro-batch",
    async () => {
      const losses = async (step: number) => {
        await using executor = await openExecutor("torch", { device });
        await using state = await executor.createState(program.parameters);
        await state.write("values", randomParameters(program));
        const executable = await executor.compile(program);
        const run = { step, seed: 2, microBatch: 1 };
        const { loss } = await state.run(executable, TRANSFORMER_INPUTS, run);
        return [loss?.[0], ...(await state.read("gradients"))];
      };
      const first = await losses(1);
      expect(await losses(1)).toEqual(first);
      expect(await losses(2)).not.toEqual(first);
    },
  );

  test("the device's integer operations give the dropout masks of the host", () => {
    const torch = new Libtorch(LIBTORCH as FoundLibtorch, device as "cpu" | "cuda", 0); // proof: found
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
    await using executor = await openExecutor("torch", options);
    const [parameter] = program.parameters;
    const value = { ...parameter?.value, shape: [2 ** 44] } as NonNullable<
      typeof parameter
    >["value"]; // proof: the same fields
    const asked = executor.createState([{ name: "table", value }]);
    await expect(asked).rejects.toMatchObject({
      code: "out-of-memory",
      message: expect.stringMatching(/^out of memory in full: asked for 64\.00 TiB, .* free$/),
    });
    await using state = await executor.createState(program.parameters);
    const executable = await executor.compile(program);
    expect((await state.run(executable, TRANSFORMER_INPUTS))["loss"]?.[0]).toBeCloseTo(
      Math.log(7),
      6,
    );
  });
});
