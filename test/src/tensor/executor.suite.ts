/** What every executor must do; each runs it in a test file of its own. */
import { afterAll, describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import {
  type Executor,
  type HostArray,
  type OptimizerSettings,
  type Program,
  ProgramBuilder,
  scale,
  type UpdateOptions,
} from "../../../src/tensor/index.ts";
import { type GoldenTensor, goldenProgram, hostArray, readGoldens } from "./golden.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

export interface SuiteOptions {
  /** Largest difference from torch in float64, relative to the largest value of the tensor. */
  readonly tolerance: number;
}

const goldens = readGoldens();
const CLOSED = "the executor was closed";

function expectClose(
  found: HostArray | undefined,
  golden: GoldenTensor,
  tolerance: number,
  what: string,
) {
  expect(found?.length, what).toBe(golden.data.length);
  const largest = golden.data.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-30);
  const worst = golden.data.reduce(
    (top, value, at) => Math.max(top, Math.abs(value - (found?.[at] ?? Number.NaN))),
    0,
  );
  expect(worst / largest, what).toBeLessThanOrEqual(golden.dtype === "float32" ? tolerance : 0);
}

const floats = (tensors: Readonly<Record<string, GoldenTensor>>) =>
  new Map(
    Object.entries(tensors).flatMap(([name, given]) =>
      given.dtype === "float32" ? [[name, Float32Array.from(given.data)] as const] : [],
    ),
  );

function parametersOf(shapes: Readonly<Record<string, GoldenTensor>>): Program["parameters"] {
  const builder = new ProgramBuilder();
  for (const [name, { shape }] of Object.entries(shapes)) {
    builder.output(name, scale(builder.parameter(name, shape), 2));
  }
  return builder.build().parameters;
}

export function executorSuite(open: () => Promise<Executor>, { tolerance }: SuiteOptions): void {
  const opened = open();
  afterAll(async () => (await opened).close());

  test("a closed executor refuses what is asked for and what is pending, its states close in silence", async () => {
    const executor = await open();
    const builder = new ProgramBuilder();
    builder.output("y", scale(builder.parameter("p", [2]), 2));
    const program = builder.build();
    const [known, fresh] = [program, { ...program }];
    const { parameters } = program;
    const state = await executor.createState(parameters);
    const other = await executor.createState(parameters);
    const executable = await executor.compile(program);
    const options = { step: 1, learningRate: 0.1 };
    const asking: Readonly<Record<string, () => Promise<unknown>>> = {
      compile: () => executor.compile(fresh),
      "compile again": () => executor.compile(known),
      createState: () => executor.createState(parameters),
      write: () => state.write("values", new Map([["p", Float32Array.of(1, 2)]])),
      read: () => state.read("values"),
      zeroGradients: () => state.zeroGradients(),
      run: () => state.run(executable, {}),
      update: () => state.update({ kind: "adamw" }, options),
      "update by sgd": () => state.update({ kind: "sgd" }, options),
      lossScale: async () => {
        if (state.lossScale === undefined) throw new InvalidArgumentError("", "", CLOSED);
        return state.lossScale();
      },
    };
    const answers = () =>
      Promise.all(
        Object.entries(asking).map(([name, ask]) =>
          ask().then(
            () => [name, "answered"],
            ({ name: error, message }: Error) => [name, `${error}: ${message}`],
          ),
        ),
      );
    const expected = Object.keys(asking).map((name) => [name, `InvalidArgumentError: ${CLOSED}`]);
    const pending = answers();
    await executor.close();
    expect(await pending).toEqual(expected);
    expect(await answers()).toEqual(expected);
    await state.close();
    await other[Symbol.asyncDispose]();
    await executor.close();
  });

  test("numbers that no update can be made with are refused, and change nothing", async () => {
    const executor = await opened;
    const { parameters } = goldenProgram(goldens.cases[0] as (typeof goldens.cases)[number]); // proof: there are some
    await using state = await executor.createState(parameters);
    const before = await state.read("values");
    const good = { step: 1, learningRate: 0.1 };
    const few = "a finite number of at least 0";
    const count = "a whole number of at least 1";
    const refused: readonly [string, string, Partial<UpdateOptions>, object?][] = [
      ["step is 0", count, { step: 0 }],
      ["step is -3", count, { step: -3 }],
      ["step is 1.5", count, { step: 1.5 }],
      ["learningRate is NaN", few, { learningRate: Number.NaN }],
      ["learningRate is -0.1", few, { learningRate: -0.1 }],
      ["gradientFactor is NaN", "a finite number above 0", { gradientFactor: Number.NaN }],
      ["gradientFactor is 0", "a finite number above 0", { gradientFactor: 0 }],
      ["maxGradientNorm is NaN", "more than 0", { maxGradientNorm: Number.NaN }],
      ["maxGradientNorm is 0", "more than 0", { maxGradientNorm: 0 }],
      ["betas is [0.9, 1]", "two numbers of at least 0 and less than 1", {}, { betas: [0.9, 1] }],
      ["epsilon is -1e-8", few, {}, { epsilon: -1e-8 }],
      ["weightDecay is Infinity", few, {}, { weightDecay: Number.POSITIVE_INFINITY }],
      ["momentum is -1", few, {}, { kind: "sgd", momentum: -1 }],
      ["kind is lion", "one of adamw, adam, sgd", {}, { kind: "lion" }],
      [
        "learningRateFactors of w is NaN",
        few,
        {},
        { learningRateFactors: new Map([["w", Number.NaN]]) },
      ],
    ];
    for (const [found, expected, options, settings = {}] of refused) {
      const optimizer = { kind: "adamw", ...settings } as OptimizerSettings;
      await expect(state.update(optimizer, { ...good, ...options })).rejects.toMatchObject({
        name: "InvalidArgumentError",
        argument: found.split(" is ")[0],
        message: `${found}, expected ${expected}`,
      });
    }
    const scales = [
      [{ factor: 0, goodUpdates: 0 }, "factor is 0, expected a float32 above 0"],
      [{ factor: Number.NaN, goodUpdates: 0 }, "factor is NaN, expected a float32 above 0"],
      [
        { factor: 2, goodUpdates: 0.5 },
        "goodUpdates is 0.5, expected a whole number of at least 0, less than 2000",
      ],
      [
        { factor: 2, goodUpdates: -1 },
        "goodUpdates is -1, expected a whole number of at least 0, less than 2000",
      ],
    ] as const;
    if (state.lossScale !== undefined) {
      for (const [given, message] of scales) {
        await expect(state.lossScale(given)).rejects.toMatchObject({ message });
      }
    }
    expect(await state.read("values")).toEqual(before);
    const unlimited = { ...good, maxGradientNorm: Number.POSITIVE_INFINITY };
    const { applied } = await state.update({ kind: "adamw", betas: [0, 0] }, unlimited);
    expect(applied).toBe(true);
  });

  describe("operations equal torch in float64", () => {
    test.each(goldens.cases.map((golden, at) => [`${at} ${golden.name}`, golden] as const))(
      "%s",
      async (_, golden) => {
        const executor = await opened;
        const program = goldenProgram(golden);
        await using state = await executor.createState(program.parameters);
        const values = floats(golden.inputs);
        const names = new Set(state.names);
        await state.write("values", new Map([...values].filter(([name]) => names.has(name))));
        const fed = Object.entries(golden.inputs).filter(([, { dtype }]) => dtype !== "float32");
        const inputs = Object.fromEntries(fed.map(([name, given]) => [name, hostArray(given)]));
        const executable = await executor.compile(program);
        const { seed = 0, step = 0, microBatch = 0 } = golden.attributes;
        const { output } = await state.run(executable, inputs, { seed, step, microBatch });
        expectClose(output, golden.output, tolerance, "output");
        const gradients = await state.read("gradients");
        for (const [name, gradient] of Object.entries(golden.gradients ?? {})) {
          expectClose(gradients.get(name), gradient, tolerance, `gradient of ${name}`);
        }
      },
    );
  });

  describe("optimizers equal torch.optim with clip_grad_norm_", () => {
    test.each(goldens.optimizers.map((row) => [JSON.stringify(row.settings), row] as const))(
      "%s",
      async (_, { settings, maxGradientNorm, norms, values }) => {
        const executor = await opened;
        await using state = await executor.createState(parametersOf(goldens.start));
        await state.write("values", floats(goldens.start));
        for (const [at, gradients] of goldens.updates.entries()) {
          await state.write("gradients", floats(gradients));
          const clip = maxGradientNorm === null ? {} : { maxGradientNorm };
          const options = { step: at + 1, learningRate: 0.03, ...clip };
          const { gradientNorm, applied } = await state.update(settings, options);
          expect(applied).toBe(true);
          expect(gradientNorm / (norms[at] ?? 0)).toBeCloseTo(1, 6);
        }
        const found = await state.read("values");
        for (const [name, golden] of Object.entries(values)) {
          expectClose(found.get(name), golden, 1e-6, name);
        }
      },
    );
  });

  test("an update of some parameters is that of all for these, and leaves the others", async () => {
    const executor = await opened;
    const [gradients = {}] = goldens.updates;
    const names = Object.keys(goldens.start);
    const only = new Set(names.slice(0, 1));
    const results = [];
    for (const part of [{}, { only }]) {
      const state = await executor.createState(parametersOf(goldens.start));
      await state.write("values", floats(goldens.start));
      await state.write("gradients", floats(gradients));
      const options = { step: 1, learningRate: 0.03, maxGradientNorm: 0.5, ...part };
      const { gradientNorm } = await state.update({ kind: "adamw" }, options);
      results.push({ gradientNorm, values: await state.read("values") });
      if ("only" in part) {
        const first = await state.read("first");
        for (const name of names) {
          expect(first.get(name)?.some((value) => value !== 0)).toBe(only.has(name));
        }
      }
      await state.close();
    }
    const [whole, some] = results;
    expect(some?.gradientNorm).toBe(whole?.gradientNorm);
    for (const name of names) {
      const start = floats(goldens.start).get(name);
      expect(some?.values.get(name)).toEqual(only.has(name) ? whole?.values.get(name) : start);
    }
  });

  test("weight decay and learning rate are by parameter", async () => {
    const executor = await opened;
    const after = async (learningRate: number, more: object) => {
      await using state = await executor.createState(parametersOf(goldens.start));
      await state.write("values", floats(goldens.start));
      for (const gradients of goldens.updates.slice(0, 1)) {
        await state.write("gradients", floats(gradients));
      }
      const settings = { kind: "adamw", weightDecay: 0.3, ...more } as const;
      await state.update(settings, { step: 1, learningRate });
      return state.read("values");
    };
    const [first = "", ...others] = Object.keys(goldens.start);
    const noDecay = new Set([first]);
    const plain = await after(0.04, {});
    const slow = await after(0.01, {});
    const undecayed = await after(0.04, { weightDecay: 0 });
    const factors = await after(0.04, { learningRateFactors: new Map([[first, 0.25]]) });
    const mixed = await after(0.04, { noDecay });
    expect(undecayed.get(first)).not.toEqual(plain.get(first));
    for (const [found, expected] of [
      [factors.get(first), slow.get(first)],
      [mixed.get(first), undecayed.get(first)],
      ...others.flatMap((name) => [
        [factors.get(name), plain.get(name)] as const,
        [mixed.get(name), plain.get(name)] as const,
      ]),
    ] as const) {
      const data = [...(expected ?? [])];
      expectClose(found, { dtype: "float32", shape: [data.length], data }, 1e-6, first);
    }
  });

  test("gradients accumulate over runs, until they are set to zero", async () => {
    const executor = await opened;
    const program = transformer();
    await using state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    const executable = await executor.compile(program);
    const key = { seed: 1, step: 2, microBatch: 0 };
    await state.run(executable, TRANSFORMER_INPUTS, key);
    const once = await state.read("gradients");
    await state.run(executable, TRANSFORMER_INPUTS, key);
    const twice = await state.read("gradients");
    for (const [name, data] of once) {
      expectClose(
        twice.get(name),
        { dtype: "float32", shape: [data.length], data: [...data].map((value) => 2 * value) },
        1e-6,
        name,
      );
    }
    await state.zeroGradients();
    for (const data of (await state.read("gradients")).values()) {
      expect(data.every((value) => value === 0)).toBe(true);
    }
  });

  test("dropout depends on seed, step and micro-batch, and on nothing else", async () => {
    const executor = await opened;
    const program = transformer();
    await using state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    const executable = await executor.compile(program);
    const loss = async (seed: number, step: number, microBatch: number) =>
      (await state.run(executable, TRANSFORMER_INPUTS, { seed, step, microBatch }))["loss"]?.[0];
    const first = await loss(1, 1, 0);
    const others = [await loss(2, 1, 0), await loss(1, 2, 0), await loss(1, 1, 1)];
    expect(new Set([first, ...others]).size).toBe(4);
    expect(await loss(1, 1, 0)).toBe(first);
  });

  test("an update with gradients that are not finite changes nothing and says so", async () => {
    const executor = await opened;
    await using state = await executor.createState(parametersOf(goldens.start));
    await state.write("values", floats(goldens.start));
    await state.write("gradients", new Map([["b", Float32Array.of(1, Number.NaN, 1, 1)]]));
    const result = await state.update({ kind: "adamw" }, { step: 1, learningRate: 0.1 });
    expect(result).toEqual({ gradientNorm: Number.NaN, applied: false });
    expect(await state.read("values")).toEqual(floats(goldens.start));
  });

  test("frozen parameters have no gradients and are not updated", async () => {
    const executor = await opened;
    const program = transformer();
    const frozen = ["table", "q.weight"];
    await using state = await executor.createState(program.parameters, { frozen });
    const before = randomParameters(program);
    await state.write("values", before);
    expect(state.trained).not.toContain("table");
    await state.run(await executor.compile(program), TRANSFORMER_INPUTS, {});
    await state.update({ kind: "sgd" }, { step: 1, learningRate: 0.1 });
    const after = await state.read("values");
    for (const name of state.names) {
      expect(after.get(name)?.join() === before.get(name)?.join(), name).toBe(
        frozen.includes(name),
      );
    }
  });

  test("bad inputs are typed errors that name the input, and the state goes on", async () => {
    const executor = await opened;
    const program = transformer();
    await using state = await executor.createState(program.parameters);
    const executable = await executor.compile(program);
    const run = (change: Record<string, HostArray>) =>
      state.run(executable, { ...TRANSFORMER_INPUTS, ...change });
    await expect(run({ ids: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7) })).rejects.toThrow(
      "input ids: 7 at position 7 is outside [0, 7) of the embedding",
    );
    await expect(run({ labels: new Int32Array(8).fill(-1) })).rejects.toThrow("input labels: -1");
    await expect(run({ ids: new Int32Array(9) })).rejects.toThrow("for [2, 4], found");
    await expect(run({ ids: new Float32Array(8) })).rejects.toThrow("expected a Int32Array");
    await expect(run({ tokens: new Int32Array(8) })).rejects.toThrow("no input tokens");
    const { mask, labels } = TRANSFORMER_INPUTS;
    await expect(state.run(executable, { mask, labels })).rejects.toThrow(
      "input ids was not given",
    );
    await expect(state.write("values", new Map([["tabel", new Float32Array(1)]]))).rejects.toThrow(
      "there is no parameter tabel",
    );
    expect((await run({}))["loss"]?.[0]).toBeCloseTo(Math.log(7), 6);
  });
}
