import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Communicator } from "../../../../src/distributed/communicator.ts";
import {
  type Executor,
  type ExecutorSettings,
  openExecutor,
  type ParameterState,
} from "../../../../src/tensor/index.ts";
import { CheckpointFiles } from "../../../../src/train/checkpoints/checkpoint-files.ts";
import type { Scalars } from "../../../../src/train/loggers/logger.ts";
import { Trainer } from "../../../../src/train/trainer.ts";
import type { TrainerOptions, TrainStep } from "../../../../src/train/trainer-options.ts";
import { joinRanks, settledOnRanks, valuesOf } from "../../../helpers/ranks.ts";
import {
  type DigitBatch,
  DigitDataModule,
  DigitModel,
  type DigitOptions,
} from "../digits.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-ranks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let runs = 0;
const newFolder = (): string => join(folder, `run-${runs++}`);

interface Run extends Partial<TrainerOptions<DigitBatch>> {
  readonly data?: never;
  readonly digits?: Omit<DigitOptions, "maxSteps">;
  readonly stopAt?: number;
  /** What the stop is given as its reason. */
  readonly stopReason?: unknown;
  /** Gradients cannot be touched in place. */
  readonly isOnDevice?: boolean;
  /** Of the executor, in the place of its own. */
  readonly settings?: Partial<ExecutorSettings>;
  /** Takes the place of the third run of a program. */
  readonly thirdRun?: () => Promise<never>;
  /** Is told of the state after each update, and what was updated. */
  readonly watch?: (state: ParameterState, only: ReadonlySet<string>) => Promise<void>;
}

/** A run of one rank with the reference executor, and everything it told. */
async function run({ digits, stopAt, stopReason, isOnDevice = false, ...more }: Run) {
  const { watch, thirdRun, settings, ...options } = more;
  const steps: TrainStep<DigitBatch>[] = [];
  const lines: [number, Scalars][] = [];
  const stop = new AbortController();
  const maxSteps = 8;
  const { rank = 0, worldSize = 1 } = options.communicator ?? {};
  await using opened = await openExecutor("reference");
  const executor = settings === undefined ? opened : withSettings(opened, settings);
  await using data = new DigitDataModule({ maxSteps, ...digits, rank, worldSize });
  await using trainer = new Trainer({
    model: new DigitModel(),
    executor: isOnDevice ? withoutHostGradients(executor) : watched(executor, watch, thirdRun),
    optimizer: { kind: "adamw" },
    schedule: (step) => 0.05 / (1 + step),
    maxSteps,
    valCheckInterval: 3,
    maxGradientNorm: 1,
    logger: { log: (step, scalars) => lines.push([step, scalars]), close: () => {} },
    observer: {
      trained: (event) => {
        steps.push(event);
        if (event.step === stopAt) stop.abort(stopReason);
      },
    },
    ...options,
    data,
  });
  const result = await trainer.fit({ signal: stop.signal });
  return { result, steps, lines, weights: await trainer.weights() };
}

/** The same on several ranks; `of` has what differs on one of them. */
async function runRanks(worldSize: number, of: (communicator: Communicator) => Run) {
  const ranks = await joinRanks(worldSize, { bucketFloats: 16 });
  return settledOnRanks(ranks, (communicator) => run({ communicator, ...of(communicator) }));
}

async function finishedRanks(worldSize: number, of: (communicator: Communicator) => Run) {
  return valuesOf(await runRanks(worldSize, of));
}

async function failures(worldSize: number, of: (communicator: Communicator) => Run) {
  const results = await runRanks(worldSize, of);
  return results.map((result) => (result.status === "rejected" ? result.reason : null));
}

const losses = ({ steps }: Awaited<ReturnType<typeof run>>) => steps.map(({ loss }) => loss);
const validations = ({ lines }: Awaited<ReturnType<typeof run>>) =>
  lines.flatMap(([step, { val_loss, val_accuracy }]) =>
    val_loss === undefined ? [] : [[step, val_loss, val_accuracy]],
  );

const near = (one: number, other: number, tolerance: number) =>
  expect(Math.abs(one - other)).toBeLessThanOrEqual(tolerance * Math.abs(other));

test("two ranks are one with twice the micro-batches, also with dropout", async () => {
  const alone = await run({ microBatchSize: 3 });
  const [first, second] = await finishedRanks(2, () => ({ microBatchSize: 3 }));
  // The same masks of dropout: the first loss is the same bit for bit, the rest to rounding.
  expect(first?.steps[0]?.loss).toBe(alone.steps[0]?.loss);
  for (const [at, loss] of losses(alone).entries()) near(first?.steps[at]?.loss ?? 0, loss, 1e-6);
  for (const [name, values] of alone.weights) {
    for (const [i, value] of values.entries())
      near(first?.weights.get(name)?.[i] ?? 0, value, 1e-4);
  }
  // The ranks themselves never differ.
  expect(second?.weights).toEqual(first?.weights);
  expect(second && losses(second)).toEqual(first && losses(first));
  expect(second?.result.metrics).toEqual(first?.result.metrics);
  expect(Object.keys(first?.result.metrics ?? {})).toEqual(Object.keys(alone.result.metrics));
  expect(second?.steps.at(-1)?.consumedSamples).toBe(48);
  // Each has read its half of every batch, and the halves are the batch.
  for (const [at, { batch }] of alone.steps.entries()) {
    const parts = [first, second].map((one) => [...(one?.steps[at]?.batch.rows ?? [])]);
    expect(parts.map(({ length }) => length)).toEqual([3, 3]);
    expect(parts.flat()).toEqual([...batch.rows]);
  }
  // Rank 0 writes.
  for (const [at, [step, loss = 0, accuracy]] of validations(alone).entries()) {
    const found = first === undefined ? [] : (validations(first)[at] ?? []);
    expect([found[0], found[2]]).toEqual([step, accuracy]);
    near(found[1] ?? 0, loss, 1e-5);
  }
  expect(second?.lines).toEqual([]);
});

test("however ranks divide a batch, losses are the same to rounding, and repeat bit for bit", async () => {
  const model = new DigitModel({ dropout: 0 });
  const alone = await run({ model });
  for (const [ranks, microBatchSize] of [
    [2, 3],
    [3, 2],
    [3, 1],
  ] as const) {
    const [one] = await finishedRanks(ranks, () => ({ model, microBatchSize }));
    const [again] = await finishedRanks(ranks, () => ({ model, microBatchSize }));
    expect(one && losses(one)).toEqual(again && losses(again));
    expect(one?.weights).toEqual(again?.weights);
    const pairs = losses(alone).map((loss, at) => [loss, one?.steps[at]?.loss ?? Number.NaN]);
    for (const [loss = 0, other = 0] of pairs) {
      expect(Math.abs(other - loss)).toBeLessThan(1e-5 * loss);
    }
    for (const [at, [, loss]] of validations(alone).entries()) {
      const other = one === undefined ? Number.NaN : validations(one)[at]?.[1];
      expect(Math.abs((other ?? Number.NaN) - (loss ?? 0))).toBeLessThan(1e-5 * (loss ?? 0));
    }
  }
});

test("means of micro-batches weigh those of other ranks", async () => {
  const options = { microBatchSize: 2, lossReduction: "micro-batch" } as const;
  const alone = await run(options);
  const [one] = await finishedRanks(3, () => options);
  expect(one?.result.step).toBe(8);
  const difference = Math.abs((one?.steps.at(-1)?.loss ?? 0) - (alone.steps.at(-1)?.loss ?? 0));
  expect(difference).toBeLessThan(1e-5);
});

test("a stop of any rank ends all after the same step; more or fewer ranks go on in the same order", async () => {
  const model = new DigitModel({ dropout: 0 });
  const whole = await run({ model });
  const place = newFolder();
  const stopped = await finishedRanks(2, ({ rank }) => ({
    model,
    checkpoints: new CheckpointFiles(place),
    ...(rank === 1 ? { stopAt: 4, stopReason: { signal: "SIGTERM" } } : {}),
  }));
  for (const { result } of stopped) {
    expect(result.stoppedBy).toEqual({ rank: 1, signal: "SIGTERM" });
  }
  const steps = stopped.map(({ result }) => [result.step, result.reason]);
  expect(steps).toEqual([
    [5, "stopped"],
    [5, "stopped"],
  ]);
  const checkpoint = stopped[0]?.result.checkpoint;
  expect(checkpoint).toMatch(/step=000005/);
  expect(stopped[1]?.result.checkpoint).toBe(checkpoint);

  for (const worldSize of [1, 3]) {
    const going = (of: () => Run) =>
      worldSize === 1 ? Promise.all([run(of())]) : finishedRanks(worldSize, of);
    const copy = newFolder();
    cpSync(place, copy, { recursive: true });
    const checkpoints = new CheckpointFiles(copy);
    const rest = await going(() => ({ model, checkpoints }));
    const read = rest[0]?.steps.map((_, step) =>
      rest.flatMap((one) => [...(one.steps[step]?.batch.rows ?? [])]),
    );
    expect(read).toEqual(whole.steps.slice(5).map(({ batch }) => [...batch.rows]));
    for (const { result, steps } of rest) {
      expect(result.step).toBe(8);
      const last = whole.steps.at(-1)?.loss ?? 0;
      expect(Math.abs((steps.at(-1)?.loss ?? 0) - last)).toBeLessThan(1e-5 * last);
    }
  }
});

test("of stops on several ranks all know the first; one without a signal has none", async () => {
  const reasons = [{ signal: "SIGNONE" }, { signal: "SIGINT" }];
  const stopped = await finishedRanks(3, ({ rank }) =>
    rank === 0 ? {} : { stopAt: 2, stopReason: reasons[rank - 1] },
  );
  for (const { result } of stopped) {
    expect(result).toMatchObject({ reason: "stopped", stoppedBy: { rank: 1, signal: null } });
  }
  const [whole] = await finishedRanks(2, () => ({ stopAt: 8, limitValBatches: 0 }));
  expect(whole?.result).toMatchObject({ reason: "max-steps", stoppedBy: null });
});

test("a rank that fails stops the others, which say why; the last checkpoint stays", async () => {
  const place = newFolder();
  const errors = await failures(3, ({ rank }) => ({
    checkpoints: new CheckpointFiles(place),
    observer: {
      trained: ({ step }) => {
        if (rank === 1 && step === 5) throw new Error("no space left");
      },
    },
  }));
  expect(errors[1]).toMatchObject({ message: "no space left" });
  for (const other of [errors[0], errors[2]]) {
    expect(other).toMatchObject({
      code: "rank-failed",
      rank: 1,
      message: "rank 1 has failed: no space left",
    });
  }
  const [kept, ...more] = readdirSync(place).filter((name) => name.startsWith("step="));
  expect(more).toEqual([]);
  // Rank 0 knows where to go on from.
  expect(errors[0].suggestions.at(-1)).toBe(`go on from ${join(place, kept ?? "")}`);
  expect(errors[2].suggestions).toEqual([]);
  const [again] = await finishedRanks(3, () => ({ checkpoints: new CheckpointFiles(place) }));
  expect(again?.steps[0]?.step).toBe(4);
});

test("a rank in the middle of a long run does not wait for its end when another has failed", async () => {
  const errors = await failures(2, ({ rank }) => ({
    thirdRun:
      rank === 0 ? () => new Promise(() => {}) : () => Promise.reject(new Error("no space left")),
  }));
  expect(errors).toMatchObject([
    { code: "rank-failed", rank: 1, message: "rank 1 has failed: no space left" },
    { message: "no space left" },
  ]);
});

test("a loss that is not finite ends every rank with the same error, which names the ranks it is on", async () => {
  const place = newFolder();
  const options = { saveEveryNSteps: 1, limitValBatches: 0 };
  const checkpoints = new CheckpointFiles(place);
  const errors = await failures(2, ({ rank }) => ({
    ...{ ...options, checkpoints, digits: rank === 1 ? { broken: 13 } : {} },
  }));
  const pattern = /^the loss of step (\d) is NaN, on rank 1: training stopped after step \d$/;
  const step = Number(pattern.exec(errors[0].message)?.[1]);
  expect(step).toBeGreaterThan(1);
  const { path } = checkpoints.newest() ?? {};
  expect(errors[0]).toMatchObject({ code: "loss-not-finite", step: step - 1, checkpoint: path });
  expect(errors[0].suggestions.at(-1)).toBe(`go on from ${path}`);
  const { code, message } = errors[0];
  expect(errors[1]).toMatchObject({ code, message, checkpoint: null });
  expect(errors[1].suggestions.at(-1)).toBe(
    "rank 0 writes the checkpoints: its error says where to go on from",
  );

  const weights = new Map([["b.weight", new Float32Array(3 * 5).fill(Number.NaN)]]);
  const none = await failures(2, () => ({ ...options, weights }));
  for (const { message, suggestions } of none) {
    expect(message).toBe("the loss of step 1 is NaN, on all ranks: training stopped after step 0");
    expect(suggestions.at(-1)).toBe("no checkpoint was written");
  }
});

test("a validation loss that is not finite names the ranks it is on", async () => {
  const errors = await failures(3, ({ rank }) => ({ digits: rank === 0 ? {} : { brokenVal: 5 } }));
  for (const { message } of errors) {
    expect(message).toMatch(/^the validation loss of step 3 is NaN, on rank [12]: training/);
  }
});

test("a rank with other options is told so", async () => {
  const [, other] = await failures(2, ({ rank }) => ({ valCheckInterval: 3 + rank }));
  expect(other).toMatchObject({
    code: "ranks-differ",
    rank: 1,
    message: "rank 1 has valCheckInterval 4, rank 0 3",
  });
});

test.each([
  ["device", { device: "cuda" }, "rank 1 has device cuda, rank 0 reference"],
  ["precision", { precision: "bf16-mixed" }, "rank 1 has precision bf16-mixed, rank 0 32"],
  ["deterministic", { deterministic: true }, "rank 1 has deterministic true, rank 0 false"],
  ["TF32", { tf32: true }, "rank 1 has tf32 true, rank 0 false"],
] as const)(
  "a rank with another %s is told so before the first step",
  async (_what, settings, message) => {
    const errors = await failures(2, ({ rank }) => (rank === 0 ? {} : { settings }));
    expect(errors[1]).toMatchObject({ code: "ranks-differ", rank: 1, message });
    expect(errors[0]).toMatchObject({ code: "ranks-differ" });
  },
);

test("a data module that was not told its rank is found out", async () => {
  const ranks = await joinRanks(2);
  const results = await Promise.allSettled(
    ranks.map(async (communicator) => {
      await using executor = await openExecutor("reference");
      await using data = new DigitDataModule({ maxSteps: 5 });
      await using trainer = new Trainer({
        model: new DigitModel(),
        data,
        executor,
        optimizer: { kind: "adamw" },
        schedule: () => 0.01,
        maxSteps: 5,
        communicator,
      });
      await trainer.fit();
    }),
  );
  await Promise.all(ranks.map((one) => one.close()));
  for (const result of results) {
    expect(result).toMatchObject({
      reason: { code: "ranks-differ", message: "every rank reads the same rows" },
    });
  }
});

test("weights that have drifted apart are found at the next checkpoint, which is not written", async () => {
  const place = newFolder();
  const errors = await failures(2, (communicator) => ({
    checkpoints: new CheckpointFiles(place),
    communicator: communicator.rank === 0 ? communicator : flipping(communicator),
  }));
  for (const error of errors) {
    expect(error).toMatchObject({
      code: "ranks-differ",
      rank: 1,
      message: "after step 3 rank 1 has another a.weight than rank 0",
    });
  }
  expect(readdirSync(folder)).not.toContain(place.split("/").at(-1));
});

test("gradients on a device are copied, added up and copied back: the same bits", async () => {
  const [inPlace] = await finishedRanks(2, () => ({}));
  const notes: (readonly string[])[] = [];
  const observer = { started: (event: { notes: readonly string[] }) => notes.push(event.notes) };
  const [copied] = await finishedRanks(2, () => ({ isOnDevice: true, observer }));
  expect(notes).toEqual(
    Array(2).fill([expect.stringMatching(/^gradients are copied to the host/)]),
  );
  expect(copied?.weights).toEqual(inPlace?.weights);
});

test("a divided optimizer gives the same weights and checkpoints, and goes on divided or not", async () => {
  const places = [newFolder(), newFolder()];
  const runs = [];
  for (const [at, shardOptimizer] of [false, true].entries()) {
    const checkpoints = new CheckpointFiles(places[at] ?? "");
    runs.push(await finishedRanks(2, () => ({ checkpoints, shardOptimizer, maxSteps: 5 })));
  }
  const [together, apart] = runs.map(([first]) => first);
  expect(apart?.weights).toEqual(together?.weights);
  const files = [together, apart].map((one) => {
    const path = one?.result.checkpoint ?? "";
    return ["model", "optimizer"].map((name) => readFileSync(join(path, `${name}.safetensors`)));
  });
  expect(files[1]).toEqual(files[0]);

  const rest = await finishedRanks(2, () => ({
    checkpoints: new CheckpointFiles(places[0] ?? ""),
  }));
  const going: readonly (readonly [number, boolean])[] = [
    [2, true],
    [2, false],
  ];
  for (const [ranks, shardOptimizer] of going) {
    const copy = newFolder();
    cpSync(places[1] ?? "", copy, { recursive: true });
    const [one] = await finishedRanks(ranks, () => ({
      checkpoints: new CheckpointFiles(copy),
      shardOptimizer,
    }));
    expect(one?.weights).toEqual(rest[0]?.weights);
  }
});

test("each rank updates its own parameters, and has moments of no others", async () => {
  const moments: ReadonlyMap<string, Float32Array>[] = [];
  const only: (readonly string[])[] = [];
  await finishedRanks(2, ({ rank }) => ({
    shardOptimizer: true,
    watch: async (state, updated) => {
      only[rank] = [...updated].sort((a, b) => (a < b ? -1 : 1));
      moments[rank] = await state.read("first");
    },
  }));
  expect(only).toEqual([["a.weight"], ["a.bias", "b.weight"]]);
  for (const [rank, names] of only.entries()) {
    for (const [name, values] of moments[rank] ?? []) {
      expect(values.some((value) => value !== 0)).toBe(names.includes(name));
    }
  }
});

function withSettings(executor: Executor, settings: Partial<ExecutorSettings>): Executor {
  // proof: executors that are opened have settings
  const own = executor.settings as ExecutorSettings;
  return replacing(executor, "settings", { ...own, ...settings });
}

function withoutHostGradients(executor: Executor): Executor {
  return replacing(executor, "createState", async (...args: Parameters<Executor["createState"]>) =>
    replacing(await executor.createState(...args), "hostGradients", null),
  );
}

function watched(executor: Executor, watch: Run["watch"], thirdRun: Run["thirdRun"]): Executor {
  if (thirdRun !== undefined) return withThirdRun(executor, thirdRun);
  if (watch === undefined) return executor;
  const create = async (...args: Parameters<Executor["createState"]>) => {
    const state = await executor.createState(...args);
    return replacing(state, "update", async (optimizer, options) => {
      const result = await state.update(optimizer, options);
      await watch(state, options.only ?? new Set());
      return result;
    });
  };
  return replacing(executor, "createState", create);
}

function withThirdRun(executor: Executor, thirdRun: () => Promise<never>): Executor {
  let runs = 0;
  return replacing(
    executor,
    "createState",
    async (...args: Parameters<Executor["createState"]>) => {
      const state = await executor.createState(...args);
      return replacing(state, "run", (...given) => {
        runs++;
        return runs === 3 ? thirdRun() : state.run(...given);
      });
    },
  );
}

/** The same object with another value of one property. */
function replacing<T extends object, K extends keyof T>(target: T, name: K, value: T[K]): T {
  return new Proxy(target, {
    get: (_, key) => {
      const found: unknown = key === name ? value : Reflect.get(target, key, target);
      return typeof found === "function" && key !== name ? found.bind(target) : found;
    },
  });
}

/** The last bit of one sum is another one. */
function flipping(communicator: Communicator): Communicator {
  return {
    name: "flipping",
    rank: communicator.rank,
    worldSize: communicator.worldSize,
    failure: communicator.failure,
    async allReduceSum(arrays) {
      await communicator.allReduceSum(arrays);
      const [first = new Float32Array(1)] = arrays;
      first[0] = (first[0] ?? 0) + 1e-3;
    },
    broadcast: (bytes, root) => communicator.broadcast(bytes, root),
    allGather: (bytes) => communicator.allGather(bytes),
    barrier: (timeoutMs) => communicator.barrier(timeoutMs),
    abort: (reason) => communicator.abort(reason),
    close: () => communicator.close(),
    [Symbol.asyncDispose]: () => communicator.close(),
  };
}
