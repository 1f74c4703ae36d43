/** libtorch on the CPU with values that come late, as they do from a GPU. */
import { afterAll, describe, expect, test } from "vitest";
import {
  addGradients,
  type Executor,
  multiply,
  type ParameterState,
  ProgramBuilder,
  sum,
  type UpdateOptions,
} from "../../../src/tensor/index.ts";
import { TorchExecutor } from "../../../src/tensor/torch/executor.ts";
import { executorSuite } from "./executor.suite.ts";
import { LateTorch } from "./late-torch.fixture.ts";
import { LIBTORCH } from "./torch.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const adam = { kind: "adamw" } as const;
const rate = { learningRate: 0.01, maxGradientNorm: 1 };
const guard = (update: boolean) => ({ outputs: ["loss"], update });

if (LIBTORCH === null) {
  test.skip("libtorch, values late: no libtorch found, set LIBTORCH to a folder of PyTorch", () => {});
}

describe.each(LIBTORCH === null ? [] : ["cpu"])("libtorch on %s, values late", () => {
  executorSuite(async () => new LateTorch(), { tolerance: 4e-6 });

  const program = transformer();
  const opened: Executor[] = [];
  const open = async () => {
    const executor = new LateTorch();
    opened.push(executor);
    return executor;
  };
  afterAll(() => Promise.all(opened.map((executor) => executor.close())));

  test("steps asked for at once are the steps asked for one by one, bit for bit", async () => {
    const outcome = async (executor: Executor, isAtOnce: boolean) => {
      const state = await executor.createState(program.parameters);
      await state.write("values", randomParameters(program));
      const executable = await executor.compile(program);
      const asked: Promise<unknown>[] = [];
      for (let step = 1; step <= 6; step++) {
        const inStep = [
          () => state.zeroGradients(),
          () => state.run(executable, TRANSFORMER_INPUTS, { step }),
          () => state.run(executable, TRANSFORMER_INPUTS, { step, microBatch: 1 }),
          () => state.update(adam, { step, ...rate, guard: guard(step > 1) }),
        ];
        for (const ask of inStep) {
          asked.push(ask());
          if (!isAtOnce) await asked.at(-1);
        }
      }
      const told = await Promise.all(asked);
      return { told, values: await state.read("values"), first: await state.read("first") };
    };
    await using plain = await TorchExecutor.open({ threads: 1 });
    const expected = await outcome(plain, false);
    expect(await outcome(await open(), true)).toEqual(expected);
    expect(await outcome(plain, true)).toEqual(expected);
  });

  test("a training step waits for nothing", async () => {
    await using executor = await TorchExecutor.open({ threads: 1 });
    await using state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    const executable = await executor.compile(program);
    const waits: number[] = [];
    for (let step = 1; step <= 4; step++) {
      await state.zeroGradients();
      await state.run(executable, TRANSFORMER_INPUTS, { step });
      await state.update(adam, { step, ...rate, guard: guard(false) });
      waits.push((await executor.describe()).waits);
    }
    expect(new Set(waits).size).toBe(1);
    await state.read("values");
    expect((await executor.describe()).waits).toBe((waits[0] ?? 0) + state.names.length);
  });

  test("closing rejects what has not come yet", async () => {
    const executor = new LateTorch();
    const state = await executor.createState(program.parameters);
    const executable = await executor.compile(program);
    const runs = Array.from({ length: 20 }, () => state.run(executable, TRANSFORMER_INPUTS));
    const settled = Promise.allSettled(runs);
    await executor.close();
    const last = (await settled).at(-1);
    expect(last).toMatchObject({ status: "rejected", reason: { code: "invalid-argument" } });
  });

  describe("a guarded update changes nothing", () => {
    // loss = w · w · x, its gradient 2 w x times the seed; `other` is no loss
    const builder = new ProgramBuilder();
    const [w, x] = [builder.parameter("w", [2]), builder.input("x", "float32", [2])];
    const loss = sum(multiply(multiply(w, w), x));
    builder.output("loss", loss);
    builder.output("other", sum(multiply(x, builder.input("y", "float32", [2]))));
    addGradients(builder, loss, { seed: builder.input("seed", "float32", []) });
    const small = builder.build();
    const y = Float32Array.of(1, 1);
    const seed = Float32Array.of(1);
    const fresh = async (executor: Executor) => {
      const state = await executor.createState(small.parameters);
      await state.write("values", new Map([["w", Float32Array.of(1, 2)]]));
      const executable = await executor.compile(small);
      const ask = async (x: number, options: Partial<UpdateOptions>, other = y) => {
        await state.zeroGradients();
        await state.run(executable, { x: Float32Array.of(x, x), y: other, seed });
        return state.update({ kind: "sgd" }, { step: 1, learningRate: 0.1, ...options });
      };
      return { state, executable, ask };
    };
    const values = async (state: ParameterState) => [
      ...((await state.read("values")).get("w") ?? []),
    ];

    test("where a loss is not finite, though the gradient is", async () => {
      const { state, executable } = await fresh(await open());
      await state.write("values", new Map([["w", Float32Array.of(3e19, 2)]]));
      const inputs = { x: Float32Array.of(1, 1), y, seed: Float32Array.of(1e-20) };
      const { loss } = await state.run(executable, inputs);
      expect(loss).toEqual(Float32Array.of(Number.POSITIVE_INFINITY));
      const options = { learningRate: 1, step: 1 };
      const guarded = await state.update({ kind: "sgd" }, { ...options, guard: guard(false) });
      expect(guarded.applied).toBe(false);
      expect(guarded.gradientNorm).toBeCloseTo(0.6, 5);
      expect(await values(state)).toEqual([Math.fround(3e19), 2]);
      expect(await state.update({ kind: "sgd" }, options)).toMatchObject({ applied: true });
    });

    test("where the update before it was not applied, until one is asked for without", async () => {
      const { state, ask } = await fresh(await open());
      expect(await ask(Number.NaN, { guard: guard(false) })).toMatchObject({ applied: false });
      for (const _ of [1, 2, 3]) {
        expect(await ask(1, { guard: guard(true) })).toMatchObject({ applied: false });
      }
      expect(await values(state)).toEqual([1, 2]);
      expect(await ask(1, { guard: guard(false) })).toMatchObject({ applied: true });
      expect(await ask(1, { guard: guard(true) })).toMatchObject({ applied: true });
      expect((await values(state))[0]).toBeCloseTo(0.64, 6);
    });

    test("where a run before it has thrown, and those after it neither", async () => {
      const executor = await open();
      const { state, ask } = await fresh(executor);
      await state.zeroGradients();
      // Past the check of inputs, which is this side's.
      const lost = executor.thread.send<"run">({
        ...({ kind: "run", program: executor.load(small), state: 0, inputs: { x: y } } as const),
        options: { seed: 0, step: 0, microBatch: 0 },
      });
      await expect(lost).rejects.toThrow("an input was not given");
      const options = { step: 1, learningRate: 0.1 };
      const after = await state.update({ kind: "sgd" }, { ...options, guard: guard(false) });
      expect(after).toEqual({ gradientNorm: Number.NaN, applied: false });
      expect(await ask(1, { guard: guard(true) })).toMatchObject({ applied: false });
      expect(await values(state)).toEqual([1, 2]);
      expect(await ask(1, { guard: guard(false) })).toMatchObject({ applied: true });
    });

    test("nothing else: other outputs may be what they like", async () => {
      const { ask } = await fresh(await open());
      const nan = Float32Array.of(Number.NaN, 0);
      expect(await ask(1, { guard: guard(false) }, nan)).toMatchObject({ applied: true });
    });
  });
});
