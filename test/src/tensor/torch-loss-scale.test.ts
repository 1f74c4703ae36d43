/** The factor on the loss of float16 runs, which the device decides on. */
import { afterAll, describe, expect, test } from "vitest";
import {
  addGradients,
  type Executor,
  linear,
  type Program,
  ProgramBuilder,
  scale,
  sum,
} from "../../../src/tensor/index.ts";
import { TorchExecutor } from "../../../src/tensor/torch/executor.ts";
import { LateTorch } from "./late-torch.fixture.ts";
import { LIBTORCH, TORCH_DEVICES } from "./torch.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

if (LIBTORCH === null) {
  test.skip("float16 on libtorch: no libtorch found, set LIBTORCH to a folder of PyTorch", () => {});
}

/** loss = 1000 · sum(x w'), times the seed. */
function sums(): Program {
  const builder = new ProgramBuilder();
  const rows = linear(builder.input("x", "float32", [2, 3]), builder.parameter("w", [4, 3]));
  const loss = scale(sum(rows), 1000);
  builder.output("loss", loss);
  addGradients(builder, loss, { seed: builder.input("seed", "float32", []) });
  return builder.build();
}

const X = Float32Array.of(1, 2, 3, 4, 5, 6);
/** Of the gradient, with a seed of 1. */
const NORM = 1000 * Math.hypot(...Array(4).fill([5, 7, 9]).flat());

describe.each(TORCH_DEVICES)("float16 on %s", (device) => {
  const options = { device, precision: "16-mixed", threads: 1 } as const;
  const opened = TorchExecutor.open(options);
  const program = sums();
  const asking = async () => {
    const executor = await opened;
    const state = await executor.createState(program.parameters);
    const executable = await executor.compile(program);
    const ask = async (seed: number, step: number, microBatches = 1) => {
      await state.zeroGradients();
      for (let at = 0; at < microBatches; at++) {
        await state.run(executable, { x: X, seed: Float32Array.of(seed) });
      }
      return state.update({ kind: "adamw", weightDecay: 0 }, { step, learningRate: 0.125 });
    };
    return { executor, state, ask };
  };
  afterAll(async () => (await opened).close());

  test("gradients too small for float16 are there, and are told without the factor", async () => {
    const { ask, state } = await asking();
    const { gradientNorm, ...rest } = await ask(1e-10, 1, 2);
    expect(gradientNorm / (2 * NORM * 1e-10)).toBeCloseTo(1, 2);
    expect(rest).toEqual({ applied: true, skipped: false, lossScale: 2 ** 16 });
    expect(await state.lossScale?.()).toEqual({ factor: 2 ** 16, goodUpdates: 1 });
  });

  test("updates whose gradients are too large are left out until the factor is small enough", async () => {
    const { ask, state, executor } = await asking();
    await state.lossScale?.({ factor: 2 ** 8, goodUpdates: 0 });
    const before = (await executor.describe()).waits;
    const results = [];
    for (let step = 1; step <= 9; step++) results.push(await ask(1, step));
    expect((await executor.describe()).waits).toBe(before);
    // 1000 · (4 + 5) · 2^2 is a float16, twice that is none.
    const lost = 6;
    const factors = results.map(({ lossScale }) => lossScale);
    expect(factors).toEqual([256, 128, 64, 32, 16, 8, 4, 4, 4]);
    for (const [at, { applied, skipped, gradientNorm }] of results.entries()) {
      expect([applied, skipped]).toEqual([at >= lost, at < lost]);
      expect(Number.isFinite(gradientNorm)).toBe(at >= lost);
    }
    expect(await state.lossScale?.()).toEqual({ factor: 4, goodUpdates: 3 });
    // Adam with equal gradients and the number of updates applied goes by its learning rate each.
    for (const value of (await state.read("values")).get("w") ?? []) {
      expect(value).toBeCloseTo(-0.125 * 3, 5);
    }
  });

  test("the factor is doubled after 2,000 updates in a row", async () => {
    const { ask, state } = await asking();
    await state.lossScale?.({ factor: 4, goodUpdates: 1998 });
    const found = [];
    for (let step = 1; step <= 3; step++) found.push((await ask(1e-3, step)).lossScale);
    expect(found).toEqual([4, 4, 8]);
    expect(await state.lossScale?.()).toEqual({ factor: 8, goodUpdates: 1 });
  });

  test("with a factor of 1 it is not float16 that is to blame", async () => {
    const { ask, state } = await asking();
    await state.lossScale?.({ factor: 2, goodUpdates: 7 });
    expect(await ask(1e6, 1)).toMatchObject({ applied: false, skipped: true, lossScale: 2 });
    expect(await ask(1e6, 2)).toMatchObject({ applied: false, skipped: false, lossScale: 1 });
    expect(new Set((await state.read("values")).get("w"))).toEqual(new Set([0]));
  });

  test("other precisions and states that are not trained have none", async () => {
    const executor = await opened;
    await using idle = await executor.createState(program.parameters, { inferenceOnly: true });
    expect(await idle.lossScale?.()).toBeNull();
    await using plain = await TorchExecutor.open({ device, threads: 1 });
    await using state = await plain.createState(program.parameters);
    expect(await state.lossScale?.({ factor: 4, goodUpdates: 0 })).toBeNull();
  });
});

describe.each(LIBTORCH === null ? [] : ["cpu"])("float16 on %s, values late", () => {
  const program = transformer();

  /** Eight steps of two micro-batches, of which the first are left out. */
  const outcome = async (executor: Executor, isAtOnce: boolean) => {
    const state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    await state.lossScale?.({ factor: 2 ** 20, goodUpdates: 0 });
    const executable = await executor.compile(program);
    const asked: Promise<unknown>[] = [];
    for (let step = 1; step <= 8; step++) {
      const guard = { outputs: ["loss"], update: step > 1 };
      const rate = { learningRate: 0.01, maxGradientNorm: 1 };
      const inStep = [
        () => state.zeroGradients(),
        () => state.run(executable, TRANSFORMER_INPUTS, { step }),
        () => state.run(executable, TRANSFORMER_INPUTS, { step, microBatch: 1 }),
        () => state.update({ kind: "adamw" }, { step, ...rate, guard }),
      ];
      for (const ask of inStep) {
        asked.push(ask());
        if (!isAtOnce) await asked.at(-1);
      }
    }
    const told = await Promise.all(asked);
    const values = await state.read("values");
    return { told, values, first: await state.read("first"), scale: await state.lossScale?.() };
  };

  test("steps asked for at once are those one by one, bit for bit, with some left out", async () => {
    await using plain = await TorchExecutor.open({ threads: 1, precision: "16-mixed" });
    await using late = new LateTorch(3, "16-mixed");
    const expected = await outcome(plain, false);
    const skipped = expected.told.flatMap((one) => {
      return (one as { skipped?: boolean } | null)?.skipped ?? [];
    });
    expect(skipped[0]).toBe(true);
    expect(skipped.at(-1)).toBe(false);
    expect(await outcome(late, true)).toEqual(expected);
    expect(await outcome(plain, true)).toEqual(expected);
  });
});
