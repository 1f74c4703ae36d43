import { type BatchSize, sizeKey, type TokenBatch, type TrainableModel } from "../models/index.ts";
import { askAhead, runsAhead } from "../tensor/ask-ahead.ts";
import type { Executor, HostArray, ParameterState, Program } from "../tensor/index.ts";
import { predictProgram } from "./outputs.ts";

export interface PredictTokensOptions<B> {
  readonly model: TrainableModel<B>;
  readonly executor: Executor;
  /** With the model's weights. */
  readonly state: ParameterState;
  /** Names of the model's outputs, e.g. `embeddings`; others are not computed. */
  readonly outputs: readonly string[];
  readonly padId: number;
  /** Sequences run at a time. Default 8. */
  readonly batchSize?: number;
  /** Rows are as long as the longest sequence of the batch, rounded up to this. Default 16. */
  readonly lengthStep?: number;
  /** But no longer than this: the positions of the model. Default: any length. */
  readonly maxLength?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Outputs of some sequences. */
export interface TokenPredictions {
  /** Numbers of the sequences, as they were given. */
  readonly rows: readonly number[];
  readonly size: BatchSize;
  /** By name; [rows, ...] with the shape that follows. */
  readonly values: Readonly<Record<string, HostArray>>;
  /** Shape of each output, rows first. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

/** The same of a batch whose rows the caller knows. */
export type BatchOutputs = Omit<TokenPredictions, "rows">;

/**
 * Runs a model without dropout over sequences of tokens, longest first: sequences of like length share
 * a batch, so that little is padded and few programs are compiled. `rows` says whose each result is.
 * No length comes back: an executor with `cachedPrograms: 1` keeps the memory of one. The executor is
 * asked for the next batches before the first is given; where the caller leaves early, they still run.
 */
export async function* predictTokens<B extends TokenBatch>(
  sequences: readonly Int32Array[],
  options: PredictTokensOptions<B>,
): AsyncGenerator<TokenPredictions, void, undefined> {
  const order = byLength(sequences.length, 0, (row) => sequences[row]?.length ?? 0);
  const predictor = new Predictor(options);
  const ask = (rows: readonly number[]) =>
    predictor.ask(rows.map((row) => sequences[row] as Int32Array)); // proof: order holds their numbers
  const batches = batchesOf(order, options.batchSize);
  for await (const { item, answer } of askAhead(batches, ask, predictor.ahead)) {
    yield { rows: item, ...answer };
  }
}

/** The numbers from `begin` on of `count` rows, longest first. */
export function byLength(
  count: number,
  begin: number,
  lengthOf: (row: number) => number,
): Float64Array {
  const rows = Float64Array.from({ length: count }, (_, at) => begin + at);
  return rows.sort((a, b) => lengthOf(b) - lengthOf(a) || a - b);
}

/** Rows that run together. */
export function* batchesOf(order: Float64Array, size = 8): Generator<number[], void, undefined> {
  for (let at = 0; at < order.length; at += size) yield [...order.subarray(at, at + size)];
}

/** Runs batches of sequences through a model, with one program for each size. */
export class Predictor<B extends TokenBatch> {
  readonly #options: PredictTokensOptions<B>;
  readonly #programs = new Map<string, Program>();

  constructor(options: PredictTokensOptions<B>) {
    this.#options = options;
  }

  /** Batches worth asking for before the outputs of the first are there. */
  get ahead(): number {
    return runsAhead(this.#options.executor);
  }

  /**
   * Asks the executor for a batch. The next may be asked for when it resolves, with what waits for the
   * outputs.
   * @throws the signal's reason, also in waiting; IncompatibleError for sequences that the model cannot take
   */
  async ask(sequences: readonly Int32Array[]): Promise<() => Promise<BatchOutputs>> {
    const { model, executor, state, outputs, padId, signal } = this.#options;
    const { lengthStep = 16, maxLength = Number.POSITIVE_INFINITY } = this.#options;
    signal?.throwIfAborted();
    const longest = sequences.reduce((most, { length }) => Math.max(most, length), 1);
    const rounded = Math.ceil(longest / lengthStep) * lengthStep;
    const length = Math.max(longest, Math.min(rounded, maxLength));
    const size: BatchSize = { batch: sequences.length, length };
    const program = this.#programs.get(sizeKey(size)) ?? predictProgram(model, size, outputs);
    this.#programs.set(sizeKey(size), program);
    const batch = tokenBatch(sequences, size, padId);
    const executable = await executor.compile(program);
    // proof: "predict" asks a batch for its tokens alone
    const run = state.run(executable, model.inputs(batch as B, size, "predict"));
    run.catch(() => {}); // it is looked at in its turn, or not at all
    const shapes = Object.fromEntries(
      program.outputs.map(({ name, value }) => [name, value.shape] as const),
    );
    return async () => {
      signal?.throwIfAborted();
      return { size, values: await run, shapes };
    };
  }
}

function tokenBatch(
  rows: readonly Int32Array[],
  { batch, length }: BatchSize,
  padId: number,
): TokenBatch {
  const text = new Int32Array(batch * length).fill(padId);
  const attentionMask = new Uint8Array(batch * length);
  for (const [row, tokens] of rows.entries()) {
    text.set(tokens, row * length);
    attentionMask.fill(1, row * length, row * length + tokens.length);
  }
  const nothing = new Uint8Array(batch * length);
  return {
    text,
    attentionMask,
    labels: new Int32Array(0),
    lossMask: nothing,
    shape: [batch, length],
  };
}
