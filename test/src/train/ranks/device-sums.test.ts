/** Gradients of libtorch added up over ranks where they lie, in threads of this process. */
import { expect, test } from "vitest";
import type { Communicator } from "../../../../src/distributed/communicator.ts";
import { SingleCommunicator } from "../../../../src/distributed/single-communicator.ts";
import {
  type Executor,
  type ExecutorOptions,
  openExecutor,
  type ParameterState,
  type SumReport,
} from "../../../../src/tensor/index.ts";
import { Trainer } from "../../../../src/train/trainer.ts";
import type { TrainerOptions } from "../../../../src/train/trainer-options.ts";
import { joinRanks, settledOnRanks, valuesOf } from "../../../helpers/ranks.ts";
import { LIBTORCH, TORCH_DEVICES } from "../../tensor/torch.fixture.ts";
import {
  randomParameters,
  TRANSFORMER_INPUTS,
  transformer,
} from "../../tensor/transformer.fixture.ts";
import {
  type DigitBatch,
  DigitDataModule,
  DigitModel,
  type DigitOptions,
} from "../digits.fixture.ts";

interface Run extends Partial<Omit<TrainerOptions<DigitBatch>, "data">> {
  readonly digits?: Omit<DigitOptions, "maxSteps">;
  readonly precision?: ExecutorOptions["precision"];
  /** Read, added up and written instead. */
  readonly byHost?: boolean;
  /** Default: as many as the executor wants. */
  readonly stepsInFlight?: number;
  /** What each step's sums were. */
  readonly reports?: SumReport[];
  /** Shares values as a device would; for one step at a time. */
  readonly device?: SharedDevice;
  /** Takes the error, which else is thrown. */
  readonly onError?: (message: string) => void;
}

async function run({ digits, precision, byHost = false, reports = [], ...given }: Run) {
  const { stepsInFlight, onError, device, ...options } = given;
  const maxSteps = 6;
  const losses: number[] = [];
  const { rank = 0, worldSize = 1 } = options.communicator ?? {};
  const low = precision === undefined ? {} : { precision };
  await using opened = await openExecutor("torch", { threads: 1, ...low });
  const executor =
    stepsInFlight === undefined ? opened : replacing(opened, "stepsInFlight", stepsInFlight);
  await using data = new DigitDataModule({ maxSteps, ...digits, rank, worldSize });
  await using trainer = new Trainer({
    model: new DigitModel(),
    executor: watched(executor, byHost, reports, device),
    optimizer: { kind: "adamw" },
    schedule: (step) => 0.05 / (1 + step),
    maxSteps,
    limitValBatches: 0,
    maxGradientNorm: 1,
    observer: { trained: ({ loss }) => losses.push(loss) },
    ...options,
    data,
  });
  await trainer.fit().catch((error: Error) => {
    if (onError === undefined) throw error;
    onError(error.message);
  });
  return { losses, weights: await trainer.weights() };
}

async function runRanks(worldSize: number, of: (communicator: Communicator) => Run) {
  const ranks = await joinRanks(worldSize);
  return settledOnRanks(ranks, (communicator) => run({ communicator, ...of(communicator) }));
}

async function finishedRanks(worldSize: number, of: (communicator: Communicator) => Run) {
  return valuesOf(await runRanks(worldSize, of));
}

/** The ranks' states, each of which takes what the others have updated. */
class SharedDevice {
  readonly #steps: (readonly PromiseWithResolvers<ReadonlyMap<string, Float32Array>>[])[] = [];
  calls = 0;

  async share(
    state: ParameterState,
    rank: number,
    step: number,
    names: readonly (readonly string[])[],
  ): Promise<void> {
    this.calls++;
    this.#steps[step] ??= names.map(() => Promise.withResolvers());
    this.#steps[step][rank]?.resolve(await state.read("values", names[rank]));
    for (const [other, { promise }] of this.#steps[step].entries()) {
      if (other !== rank) await state.write("values", await promise);
    }
  }
}

/** Notes the reports of sums, or hides that there are any. */
function watched(
  executor: Executor,
  byHost: boolean,
  reports: SumReport[],
  device?: SharedDevice,
): Executor {
  const share = async (state: ParameterState, ranks: Communicator) => {
    const sums = (await state.shareGradients?.(ranks)) ?? null;
    if (sums === null) return null;
    let step = 0;
    const shareValues = (names: readonly (readonly string[])[]) =>
      device?.share(state, ranks.rank, step++, names) ?? Promise.resolve();
    const shared = device === undefined ? sums : replacing(sums, "shareValues", shareValues);
    return replacing(shared, "finish", async (...given) => {
      const report = await sums.finish(...given);
      reports.push(report);
      return report;
    });
  };
  return replacing(
    executor,
    "createState",
    async (...args: Parameters<Executor["createState"]>) => {
      const state = await executor.createState(...args);
      const shareGradients = (ranks: Communicator) => share(state, ranks);
      return replacing(state, "shareGradients", byHost ? async () => null : shareGradients);
    },
  );
}

function replacing<T extends object, K extends keyof T>(target: T, name: K, value: T[K]): T {
  return new Proxy(target, {
    get: (_, key) => {
      const found: unknown = key === name ? value : Reflect.get(target, key, target);
      return typeof found === "function" && key !== name ? found.bind(target) : found;
    },
  });
}

const noLibtorch = LIBTORCH === null;

test.skipIf(noLibtorch)(
  "two ranks are one, add up what the host would, and once a step",
  async () => {
    const model = new DigitModel({ dropout: 0 });
    const options = { model, microBatchSize: 1 };
    const reports: SumReport[] = [];
    const alone = await run({ ...options, microBatchSize: 6 });
    const ranks = await finishedRanks(2, ({ rank }) =>
      rank === 0 ? { ...options, reports } : options,
    );
    const [first, second] = ranks;
    expect(second).toEqual(first);
    for (const [at, loss] of alone.losses.entries()) {
      expect(Math.abs((first?.losses[at] ?? 0) - loss)).toBeLessThan(1e-5 * loss);
    }
    // Three micro-batches a step, one sum.
    expect(reports).toHaveLength(6);
    const [byHost] = await finishedRanks(2, () => ({ ...options, byHost: true }));
    expect(first).toEqual(byHost);
  },
);

test.skipIf(noLibtorch)("ranks without rows and float16 add up as the host does", async () => {
  const runs: readonly ((rank: number) => Run)[] = [
    (rank) => (rank === 1 ? { microBatchSize: 2, divide: () => [] } : { microBatchSize: 2 }),
    () => ({ precision: "16-mixed" }),
  ];
  for (const of of runs) {
    const [first, ...others] = await finishedRanks(3, ({ rank }) => of(rank));
    const [byHost] = await finishedRanks(3, ({ rank }) => ({ ...of(rank), byHost: true }));
    for (const other of others) expect(other).toEqual(first);
    for (const [name, values] of byHost?.weights ?? []) {
      const found = first?.weights.get(name) ?? new Float32Array(0);
      const apart = Math.max(...values.map((value, at) => Math.abs(value - (found[at] ?? 9))));
      expect(apart, name).toBeLessThan(1e-5);
    }
  }
});

test.skipIf(noLibtorch)(
  "a loss that is not finite on one rank leaves all with the weights of the step before",
  async () => {
    const precision = "16-mixed" as const; // in which other ranks would take it for gradients too large
    for (const shardOptimizer of [false, true]) {
      const outcome = async (stepsInFlight: number) => {
        const messages: string[] = [];
        const onError = (message: string) => messages.push(message);
        const digits = { broken: 10 };
        const given = { precision, shardOptimizer, stepsInFlight, digits, onError } as const;
        const ranks = await finishedRanks(2, () => given);
        return { ranks, messages };
      };
      const expected = await outcome(1);
      expect(expected.messages[0]).toMatch(/^the loss of step [2345] is NaN/);
      expect(expected.messages[1]).toBe(expected.messages[0]);
      expect(expected.ranks[1]).toEqual(expected.ranks[0]);
      expect(await outcome(3)).toEqual(expected);
    }
  },
);

test.skipIf(noLibtorch)("a divided optimizer gives the same weights, bit for bit", async () => {
  const [together] = await finishedRanks(2, () => ({}));
  for (const stepsInFlight of [1, 3]) {
    const apart = await finishedRanks(2, () => ({ shardOptimizer: true, stepsInFlight }));
    for (const one of apart) expect(one).toEqual(together);
  }
  // Values that a device shares do not come to the host.
  const device = new SharedDevice();
  const apart = await finishedRanks(2, () => ({ shardOptimizer: true, stepsInFlight: 1, device }));
  for (const one of apart) expect(one).toEqual(together);
  expect(device.calls).toBe(2 * 6);
});

test.skipIf(noLibtorch)(
  "a rank that fails in a step ends the others, which say which",
  async () => {
    const results = await runRanks(2, ({ rank }) => ({
      observer: {
        trained: ({ step }) => {
          if (rank === 1 && step === 3) throw new Error("no space left");
        },
      },
    }));
    expect(results[0]).toMatchObject({ reason: { code: "rank-failed", rank: 1 } });
    expect(results[1]).toMatchObject({ reason: { message: "no space left" } });
  },
);

// On a GPU this is NCCL itself, with one rank.
test.skipIf(noLibtorch).each(TORCH_DEVICES)("one rank on %s has its own sums", async (device) => {
  const program = transformer();
  await using executor = await openExecutor("torch", { device, threads: 1, deterministic: true });
  await using state = await executor.createState(program.parameters);
  await state.write("values", randomParameters(program));
  const executable = await executor.compile(program);
  await state.run(executable, TRANSFORMER_INPUTS);
  const expected = await state.read("gradients");
  await using sums = (await state.shareGradients?.(new SingleCommunicator())) ?? null;
  expect(sums).not.toBeNull();
  for (const _ of [1, 2, 3]) {
    await state.zeroGradients();
    sums?.begin();
    await state.run(executable, TRANSFORMER_INPUTS);
    expect((await sums?.finish())?.buckets).toBe(1);
    expect(await state.read("gradients")).toEqual(expected);
  }
});

test.skipIf(noLibtorch)(
  "steps in flight are the steps one by one, bit for bit, also where all stop",
  async () => {
    const options = { microBatchSize: 1, limitValBatches: 2, valCheckInterval: 4 };
    const byOne = await finishedRanks(2, () => ({ ...options, stepsInFlight: 1 }));
    expect(await finishedRanks(2, () => ({ ...options, stepsInFlight: 3 }))).toEqual(byOne);
    expect(byOne[1]).toEqual(byOne[0]);
    const broken = { ...options, stepsInFlight: 3, digits: { broken: 10 } };
    const [first, second] = await runRanks(2, () => broken);
    expect(first).toMatchObject({ reason: { code: "loss-not-finite", step: 2 } });
    expect(second).toMatchObject({ reason: { code: "loss-not-finite", step: 2 } });
  },
);

test.skipIf(noLibtorch)(
  "a run that fails with others in flight ends the others, which say which",
  async () => {
    const results = await runRanks(2, ({ rank }) => {
      const model = new DigitModel();
      let batches = 0;
      const inputs = model.inputs.bind(model);
      model.inputs = (batch) => {
        // Labels that there are not: the run is refused.
        const labels = ++batches === 4 && rank === 1 ? batch.labels.map(() => 99) : batch.labels;
        return inputs({ ...batch, labels });
      };
      return { model, stepsInFlight: 3 };
    });
    expect(results[0]).toMatchObject({ reason: { code: "rank-failed", rank: 1 } });
    expect(results[1]).toMatchObject({ reason: { code: "invalid-argument" } });
  },
);
