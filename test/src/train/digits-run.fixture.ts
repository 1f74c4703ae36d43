/** Runs of the digit model with the reference executor, and everything they tell. */
import { join } from "node:path";
import { openExecutor } from "../../../src/tensor/index.ts";
import type { Scalars } from "../../../src/train/loggers/logger.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import type { TrainerOptions, TrainStep } from "../../../src/train/trainer-options.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import {
  type DigitBatch,
  DigitDataModule,
  DigitModel,
  type DigitOptions,
} from "./digits.fixture.ts";

/** A path where nothing is, for one test. */
export const newFolder = (): string => join(temporaryDirectory(), "run");

export interface Run extends Partial<TrainerOptions<DigitBatch>> {
  readonly data?: never;
  readonly digits?: Partial<DigitOptions>;
  readonly stopAt?: number;
  /** Stops in the validation after this step, once it has seen a batch. */
  readonly cutAt?: number;
}

export interface DigitRun {
  readonly result: Awaited<ReturnType<Trainer<DigitBatch>["fit"]>>;
  readonly steps: readonly TrainStep<DigitBatch>[];
  readonly lines: readonly [number, Scalars][];
  readonly validations: readonly { readonly step: number; readonly metrics: Scalars }[];
  readonly notes: readonly string[];
  readonly weights: ReadonlyMap<string, Float32Array>;
}

export async function run({ digits, stopAt, cutAt, ...options }: Run = {}): Promise<DigitRun> {
  const steps: TrainStep<DigitBatch>[] = [];
  const lines: [number, Scalars][] = [];
  const validations: { step: number; metrics: Scalars }[] = [];
  const told: string[] = [];
  const stop = new AbortController();
  const maxSteps = options.maxSteps ?? 12;
  await using executor = await openExecutor("reference");
  await using data = new DigitDataModule({ maxSteps, ...digits });
  await using trainer = new Trainer({
    model: new DigitModel(),
    executor,
    optimizer: { kind: "adamw" },
    schedule: (step) => 0.05 / (1 + step),
    maxSteps,
    logger: { log: (step, scalars) => lines.push([step, scalars]), close: () => {} },
    ...options,
    observer: {
      started: ({ notes }) => told.push(...notes),
      trained: (event) => {
        steps.push(event);
        if (event.step === stopAt) stop.abort();
      },
      validatedBatch: ({ step }) => {
        if (step === cutAt) stop.abort();
      },
      validated: (event) => validations.push(event),
      ...options.observer,
    },
    data,
  });
  const result = await trainer.fit({ signal: stop.signal });
  const weights = await trainer.weights();
  return { result, steps, lines, validations, notes: told, weights };
}

export async function errorOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

export const losses = (steps: readonly TrainStep<DigitBatch>[]) => steps.map(({ loss }) => loss);
