import { AssertionError } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { DataModule } from "../data/data-module.ts";
import { type Executor, openExecutor } from "../tensor/index.ts";
import { openCheckpoint } from "../train/checkpoints/checkpoint.ts";
import { CheckpointFiles } from "../train/checkpoints/checkpoint-files.ts";
import type { FitResult } from "../train/fit-result.ts";
import { Trainer } from "../train/trainer.ts";
import type { TrainerOptions } from "../train/trainer-options.ts";

/** A run as it is given to the harness; data are opened anew for each of its three runs. */
export interface StopAndGoRun<B>
  extends Omit<
    TrainerOptions<B>,
    "executor" | "data" | "checkpoints" | "resumeIfExists" | "observer" | "saveEveryNSteps"
  > {
  readonly data: DataModule<B>;
  /** Less than half of `maxSteps`: the first run is stopped after the first validation. */
  readonly valCheckInterval: number;
}

export interface StopAndGoOptions {
  /** Default: the executor `reference`. It stays the caller's. */
  readonly executor?: Executor;
  /** Folder for checkpoints. Default: one in the system's temporary folder, removed at the end. */
  readonly directory?: string;
}

/** What of a step the runs are compared by. */
interface StepRecord {
  readonly step: number;
  readonly batch: unknown;
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly consumedSamples: number;
}

interface RunRecord {
  readonly steps: readonly StepRecord[];
  /** Batches, sums and counts of validations. */
  readonly validations: readonly unknown[];
  readonly result: FitResult;
}

/**
 * Asserts that training stopped after the first validation and gone on with is the training that never
 * stopped: BioNeMo's stop-and-go harness. Three runs: one is stopped, one resumes it, one goes through.
 * Batches, learning rates, losses, gradient norms, consumed samples, validations, weights and optimizer
 * state must be equal, bit for bit.
 *
 * ```ts
 * test("my model can be stopped", () =>
 *   assertStopAndGo(() => ({ model, data: new MyDataModule(), optimizer, schedule, maxSteps: 8, valCheckInterval: 3 })));
 * ```
 *
 * @param makeRun called for each run: nothing that a run changes may be shared between them.
 * @throws AssertionError that names what differs and the step; what training throws.
 */
export async function assertStopAndGo<B>(
  makeRun: () => StopAndGoRun<B>,
  options: StopAndGoOptions = {},
): Promise<void> {
  const own = options.executor === undefined ? await openExecutor("reference") : null;
  const executor = options.executor ?? own;
  if (executor === null) return; // never: one of them is there
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "scdl-stop-and-go-"));
  const stopAt = makeRun().valCheckInterval;
  try {
    const parts = join(directory, "stop-and-go");
    const stop = await recorded(makeRun(), executor, parts, stopAt);
    const go = await recorded(makeRun(), executor, parts, null);
    const through = await recorded(makeRun(), executor, join(directory, "through"), null);
    assertStopped(stop, go, stopAt);
    compareSteps([...stop.steps, ...go.steps], through.steps);
    same("validations", [...stop.validations, ...go.validations], through.validations);
    compareCheckpoints(go.result.checkpoint, through.result.checkpoint);
  } finally {
    await own?.close();
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

async function recorded<B>(
  run: StopAndGoRun<B>,
  executor: Executor,
  directory: string,
  stopAt: number | null,
): Promise<RunRecord> {
  const stop = new AbortController();
  const steps: StepRecord[] = [];
  const validations: unknown[] = [];
  await using data = run.data;
  await using trainer = new Trainer<B>({
    ...run,
    data,
    executor,
    checkpoints: new CheckpointFiles(directory, { saveTopK: 0 }),
    observer: {
      trained: ({ tokens: _tokens, ...event }) => {
        steps.push({ ...event, batch: structuredClone(event.batch) });
      },
      validatedBatch: (event) => {
        validations.push({ ...event, batch: structuredClone(event.batch) });
      },
      validated: ({ step, metrics }) => {
        validations.push({ step, metrics });
        if (step === stopAt) stop.abort();
      },
    },
  });
  const result = await trainer.fit({ signal: stop.signal });
  return { steps, validations, result };
}

function assertStopped(stop: RunRecord, go: RunRecord, stopAt: number): void {
  same("the reason of the first run's end", stop.result.reason, "stopped");
  same("steps of the first run", stop.result.step, stopAt);
  const first = stop.steps[0]?.consumedSamples ?? 0;
  const next = go.steps[0]?.consumedSamples ?? 0;
  const last = stop.steps.at(-1)?.consumedSamples ?? 0;
  if (first > 0 && next > last) return;
  fail("consumed samples do not go on", next, last);
}

function compareSteps(parts: readonly StepRecord[], through: readonly StepRecord[]): void {
  same("the number of steps", parts.length, through.length);
  for (const [at, expected] of through.entries()) {
    const found = parts[at];
    for (const name of Object.keys(expected) as (keyof StepRecord)[]) {
      same(`${name} of step ${expected.step}`, found?.[name], expected[name]);
    }
  }
}

function compareCheckpoints(go: string | null, through: string | null): void {
  if (go === null || through === null) throw new AssertionError({ message: "no checkpoint" });
  using found = openCheckpoint(go);
  using expected = openCheckpoint(through);
  same("names of the weights", found.model.names, expected.model.names);
  for (const name of expected.model.names) {
    same(`weight ${name}`, found.model.read(name), expected.model.read(name));
  }
  for (const { name } of expected.optimizer.tensors) {
    same(`optimizer state ${name}`, found.optimizer.read(name), expected.optimizer.read(name));
  }
  const { versions: _found, ...place } = found.trainer;
  const { versions: _expected, ...wanted } = expected.trainer;
  same("the state in the checkpoint", place, wanted);
}

function same(what: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) fail(`${what}: stop and go differs`, actual, expected);
}

function fail(message: string, actual: unknown, expected: unknown): never {
  throw new AssertionError({ message, actual, expected });
}
