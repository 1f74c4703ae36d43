import { cpSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Executor, openExecutor, scale } from "../../../src/tensor/index.ts";
import { CheckpointFiles } from "../../../src/train/checkpoints/checkpoint-files.ts";
import type { TrainerState } from "../../../src/train/checkpoints/trainer-file.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import type { TrainerObserver } from "../../../src/train/trainer-options.ts";
import { LateTorch } from "../tensor/late-torch.fixture.ts";
import { LIBTORCH } from "../tensor/torch.fixture.ts";
import { type DigitBatch, DigitDataModule, DigitModel } from "./digits.fixture.ts";
import { type DigitRun, errorOf, newFolder, type Run, run } from "./digits-run.fixture.ts";

/** Another executor that takes so many steps at a time, and tells of what it is asked for. */
function taking(
  stepsInFlight: number,
  executor: Executor,
  asked: string[] = [],
  runs: string[] = [],
): Executor {
  return {
    name: executor.name,
    stepsInFlight,
    compile: (program) => executor.compile(program),
    createState: async (parameters, options) => {
      const state = await executor.createState(parameters, options);
      const [run, update] = [state.run.bind(state), state.update.bind(state)];
      state.run = (...given) => {
        runs.push("ask");
        return run(...given);
      };
      state.update = (optimizer, given) => {
        asked.push(`ask ${given.step}${given.guard?.update === true ? " guarded" : ""}`);
        return update(optimizer, given);
      };
      return state;
    },
    close: () => executor.close(),
    [Symbol.asyncDispose]: () => executor.close(),
  };
}

test("steps are asked for ahead, up to the limit, and are all seen where something follows", async () => {
  const order: string[] = [];
  const observer: TrainerObserver<DigitBatch> = {
    trained: ({ step }) => order.push(`see ${step}`),
    validated: ({ step }) => order.push(`validate ${step}`),
  };
  await using executor = await openExecutor("reference");
  const options = { maxSteps: 7, valCheckInterval: 5, observer };
  const found = await run({ ...options, executor: taking(3, executor, order) });
  expect(order).toEqual([
    ...["ask 1", "ask 2 guarded", "ask 3 guarded", "see 1"],
    ...["ask 4 guarded", "see 2", "ask 5 guarded", "see 3", "see 4", "see 5", "validate 5"],
    ...["ask 6", "ask 7 guarded", "see 6", "see 7", "validate 7"],
  ]);
  const alone = await run({ maxSteps: 7, valCheckInterval: 5 });
  expect(found.weights).toEqual(alone.weights);
  expect(withoutTimes(found).lines).toEqual(withoutTimes(alone).lines);
});

test("batches of a validation are asked for ahead, and seen in order", async () => {
  const order: string[] = [];
  const seen: number[][] = [];
  const observer: TrainerObserver<DigitBatch> = {
    trained: () => order.push("see"),
    validatedBatch: ({ batch }) => {
      seen.push([...batch.rows]);
      order.push("see");
    },
  };
  await using executor = await openExecutor("reference");
  const options = { maxSteps: 1, observer };
  const found = await run({ ...options, executor: taking(3, executor, [], order) });
  expect(order.join(" ")).toBe("ask see ask ask ask see ask see see see");
  expect(seen.map(([first]) => first)).toEqual([0, 6, 12, 18]);
  const alone = await run({ maxSteps: 1 });
  expect(found.result.metrics).toEqual(alone.result.metrics);
});

test("a run that is stopped sees the steps it asked for, and goes on after them", async () => {
  await using executor = await openExecutor("reference");
  const ahead = { executor: taking(3, executor) };
  const checkpoints = new CheckpointFiles(newFolder());
  const whole = await run({ ...ahead, checkpoints: new CheckpointFiles(newFolder()) });
  const stop = await run({ ...ahead, checkpoints, stopAt: 4 });
  // Steps 5 and 6 were asked for before step 4 was seen.
  expect(stop.result).toMatchObject({ step: 6, reason: "stopped" });
  expect(stop.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  const go = await run({ ...ahead, checkpoints });
  expect(go.weights).toEqual(whole.weights);
  expect(go.steps.map(({ consumedSamples }) => consumedSamples)).toEqual([42, 48, 54, 60, 66, 72]);
});

test("a step has the epoch of its own batch, though the data is further", async () => {
  await using executor = await openExecutor("reference");
  const digits = { maxSteps: 3 }; // batches of an epoch
  const options = { maxSteps: 8, digits, limitValBatches: 0 };
  const found = await run({ ...options, executor: taking(3, executor) });
  const epochs = found.lines.map(([, { epoch }]) => epoch);
  expect(epochs).toEqual([0, 0, 0, 1, 1, 1, 2, 2]);
});

/** What a run tells but for times and memory. */
function withoutTimes({ lines, steps, validations, result }: Omit<DigitRun, "notes" | "weights">) {
  const kept = lines.map(([step, scalars]) => {
    const names = Object.entries(scalars).filter(([name]) => !/_(ms|mb|second)$/.test(name));
    return [step, Object.fromEntries(names)];
  });
  const { times: _times, checkpoint: _checkpoint, ...rest } = result;
  return { lines: kept, steps, validations, result: rest };
}

if (LIBTORCH === null) {
  test.skip("libtorch, values late: no libtorch found, set LIBTORCH to a folder of PyTorch", () => {});
}

describe.each(LIBTORCH === null ? [] : ["cpu"])("libtorch on %s, values late", (device) => {
  let [late, plain] = [null, null] as unknown as [Executor, Executor]; // proof: opened before
  beforeAll(async () => {
    late = new LateTorch();
    plain = taking(1, await openExecutor("torch", { device, threads: 1 }));
  });
  afterAll(() => Promise.all([late.close(), plain.close()]));

  /** Everything that a run of 20 steps leaves. */
  const outcome = async (executor: Executor, more: Run = {}) => {
    const checkpoints = new CheckpointFiles(newFolder(), { saveTopK: -1 });
    const options = { microBatchSize: 4, maxGradientNorm: 0.5, logEveryNSteps: 3, ...more };
    const milestones = { valCheckInterval: 5, saveEveryNSteps: 4, profileStep: 7 };
    const found = await run({ executor, checkpoints, maxSteps: 20, ...options, ...milestones });
    const files = checkpoints.list().map(({ step, path }) => {
      const tensors = ["model.safetensors", "optimizer.safetensors"].map((name) =>
        readFileSync(`${path}/${name}`).toString("base64"),
      );
      const { progress } = JSON.parse(readFileSync(`${path}/trainer.json`, "utf8")) as TrainerState; // proof: its form
      return { step, tensors, scale: progress?.lossScale };
    });
    return { ...withoutTimes(found), weights: found.weights, files };
  };

  test("all that a run leaves is the same, bit for bit, with steps in flight and without", async () => {
    const expected = await outcome(plain);
    expect(expected.files.map(({ step }) => step)).toEqual([4, 8, 12, 16, 20]);
    expect(expected.steps.at(-1)?.consumedSamples).toBe(120);
    expect(await outcome(late)).toEqual(expected);
  });

  describe("in float16, with updates left out", () => {
    /** Its gradients are too large for the first factors on the loss. */
    class LargeLoss extends DigitModel {
      override build(...given: Parameters<DigitModel["build"]>) {
        const { loss, outputs } = super.build(...given);
        return { loss: scale(loss, 256), outputs };
      }
    }
    const precision = "16-mixed";

    test("all that a run leaves is the same, bit for bit, with steps in flight and without", async () => {
      await using ahead = new LateTorch(3, precision);
      await using alone = taking(1, await openExecutor("torch", { device, threads: 1, precision }));
      const model = new LargeLoss();
      const expected = await outcome(alone, { model });
      const { loss_scale: factor, skipped_steps: skipped } = expected.result.metrics;
      expect(skipped).toBeGreaterThan(2);
      expect(skipped).toBeLessThan(10);
      expect(factor).toBe(2 ** (16 - (skipped ?? 0)));
      expect(expected.steps.map((step) => step.skipped)).toEqual(
        expected.steps.map((_, at) => at < (skipped ?? 0)),
      );
      expect(expected.files[0]?.scale?.skipped).toBe(Math.min(4, skipped ?? 0));
      expect(await outcome(ahead, { model })).toEqual(expected);
    });

    test("a run that stops between them and goes on is one that never stopped", async () => {
      await using ahead = new LateTorch(3, precision);
      const options = { executor: ahead, model: new LargeLoss(), maxSteps: 14 };
      const whole = await run({ ...options, checkpoints: new CheckpointFiles(newFolder()) });
      const checkpoints = new CheckpointFiles(newFolder());
      // Some are left out before it, and others after.
      expect((await run({ ...options, checkpoints, stopAt: 1 })).result.step).toBe(3);
      const go = await run({ ...options, checkpoints });
      expect(go.weights).toEqual(whole.weights);
      expect(go.result.metrics).toEqual(whole.result.metrics);
      expect(go.steps.filter(({ skipped }) => skipped).length).toBeGreaterThan(0);
      // Without the factor there is no such thing.
      const { lines } = await run({ ...options, checkpoints, executor: plain, maxSteps: 15 });
      expect(lines.at(-1)?.[1]).not.toHaveProperty("loss_scale");
    });

    test("it goes on in another precision, and back, as one that never stopped", async () => {
      await using ahead = new LateTorch(3, precision);
      await using reference = await openExecutor("reference");
      const model = new LargeLoss();
      const begun = newFolder();
      const first = await run({
        ...{ executor: ahead, model, maxSteps: 12, stopAt: 9 },
        checkpoints: new CheckpointFiles(begun),
      });
      const { loss_scale: factor = 0, skipped_steps: skipped } = first.result.metrics;
      expect(skipped).toBeGreaterThan(2);
      for (const executor of [plain, reference]) {
        const go = (folder: string, stopAt?: number) => {
          const more = stopAt === undefined ? {} : { stopAt };
          const checkpoints = new CheckpointFiles(folder);
          return run({ executor, model, maxSteps: 16, checkpoints, ...more });
        };
        const [whole, parts] = [newFolder(), newFolder()];
        for (const folder of [whole, parts]) cpSync(begun, folder, { recursive: true });
        const { weights } = await go(whole);
        expect((await go(parts, 13)).result.step).toBe(13);
        expect((await go(parts)).weights).toEqual(weights);
        const back = { executor: ahead, model, maxSteps: 18 };
        const again = await run({ ...back, checkpoints: new CheckpointFiles(parts) });
        const { metrics } = again.result;
        expect(metrics).toMatchObject({ loss_scale: factor, skipped_steps: skipped });
      }
    });

    test("a loss that is not finite ends the run, and gradients with a factor of 1", async () => {
      await using ahead = new LateTorch(3, precision);
      await using alone = taking(1, await openExecutor("torch", { device, threads: 1, precision }));
      for (const options of [{ digits: { broken: 10 } }, { model: new Overflowing() }]) {
        const expected = await failure(alone, { maxSteps: 30, ...options });
        expect(expected.message).toMatch(/^the (loss of step \d+ is NaN|gradient norm of step 17)/);
        expect(await failure(ahead, { maxSteps: 30, ...options })).toEqual(expected);
      }
    });

    /** Its gradients are never a float16. */
    class Overflowing extends DigitModel {
      override build(...given: Parameters<DigitModel["build"]>) {
        const { loss, outputs } = super.build(...given);
        return { loss: scale(loss, 2 ** 24), outputs };
      }
    }
  });

  /** A run that ends by an error, what was seen of it, and its weights then. */
  const failure = async (executor: Executor, { digits, maxSteps = 12, ...options }: Run) => {
    const seen: number[] = [];
    await using data = new DigitDataModule({ maxSteps, ...digits });
    await using trainer = new Trainer({
      ...{ model: new DigitModel(), executor, optimizer: { kind: "adamw" }, maxSteps, data },
      schedule: (step) => 0.05 / (1 + step),
      ...options,
      observer: { trained: ({ step }) => seen.push(step), ...options.observer },
    });
    const { message, step } = (await errorOf(() => trainer.fit())) as {
      message: string;
      step?: number;
    };
    return { message, step, seen, done: trainer.step, weights: await trainer.weights() };
  };

  test("a loss that is not finite leaves the weights of the step before it", async () => {
    const expected = await failure(plain, { digits: { broken: 10 } });
    expect(expected.step).toBeGreaterThan(1);
    expect(expected.step).toBeLessThan(11); // so that others were in flight
    expect(await failure(late, { digits: { broken: 10 } })).toEqual(expected);
  });

  test("where only the host can tell, the error names the step that the weights are of", async () => {
    class Model extends DigitModel {
      #steps = 0;
      override reduce(sums: Readonly<Record<string, number>>, count: number) {
        return ++this.#steps === 5 ? { loss: Number.NaN } : super.reduce(sums, count);
      }
    }
    const found = await failure(late, { model: new Model() });
    expect(found).toMatchObject({ step: 7, done: 7, seen: [1, 2, 3, 4] });
    expect(found.message).toBe("the loss of step 5 is NaN: training stopped after step 7");
    const schedule = (step: number) => 0.05 / (1 + step);
    const until = await run({ executor: plain, maxSteps: 7, schedule, digits: { items: 40 } });
    expect(found.weights).toEqual(until.weights);
  });

  test("an error of the observer, or of the data, comes after what was asked for is done", async () => {
    const trained = ({ step }: { step: number }) => {
      if (step === 4) throw new Error("enough");
    };
    const stopped = await failure(late, { observer: { trained } });
    expect(stopped).toMatchObject({ message: "enough", done: 6 });
    const model = new DigitModel();
    const sizeOf = model.sizeOf.bind(model);
    let batches = 0;
    model.sizeOf = (batch) => {
      if (++batches === 6) throw new Error("no such batch");
      return sizeOf(batch);
    };
    const broken = await failure(late, { model });
    expect(broken).toMatchObject({ message: "no such batch", done: 5, seen: [1, 2, 3, 4, 5] });
  });
});
