import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { type BatchSize, sizeKey, type TokenBatch, type TrainableModel } from "../models/index.ts";
import {
  type Executor,
  type HostArray,
  type ParameterState,
  type Program,
  ProgramBuilder,
} from "../tensor/index.ts";

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

/**
 * Runs a model without dropout over sequences of tokens, longest first: sequences of like length share
 * a batch, so that little is padded and few programs are compiled. `rows` says whose each result is.
 */
export async function* predictTokens<B extends TokenBatch>(
  sequences: readonly Int32Array[],
  options: PredictTokensOptions<B>,
): AsyncGenerator<TokenPredictions, void, undefined> {
  const { model, executor, state, outputs, padId, signal } = options;
  const { batchSize = 8, lengthStep = 16 } = options;
  const order = sequences
    .map((_, row) => row)
    .sort((a, b) => lengthOf(sequences, b) - lengthOf(sequences, a) || a - b);
  const programs = new Map<string, Program>();
  for (let begin = 0; begin < order.length; begin += batchSize) {
    signal?.throwIfAborted();
    const rows = order.slice(begin, begin + batchSize);
    const longest = lengthOf(sequences, rows[0] ?? 0);
    const length = Math.max(1, Math.ceil(longest / lengthStep)) * lengthStep;
    const size: BatchSize = { batch: rows.length, length };
    const program = programs.get(sizeKey(size)) ?? predictProgram(model, size, outputs);
    programs.set(sizeKey(size), program);
    const batch = tokenBatch(
      rows.map((row) => sequences[row] as Int32Array), // proof: order holds their numbers
      size,
      padId,
    );
    const executable = await executor.compile(program);
    // proof: "predict" asks a batch for its tokens alone
    const values = await state.run(executable, model.inputs(batch as B, size, "predict"));
    const shapes = program.outputs.map(({ name, value }) => [name, value.shape] as const);
    yield { rows, size, values, shapes: Object.fromEntries(shapes) };
  }
}

function lengthOf(sequences: readonly Int32Array[], row: number): number {
  return sequences[row]?.length ?? 0;
}

function predictProgram<B>(
  model: TrainableModel<B>,
  size: BatchSize,
  names: readonly string[],
): Program {
  const builder = new ProgramBuilder();
  const { outputs } = model.build(builder, size, "predict");
  for (const name of names) {
    const value = outputs[name];
    if (value === undefined) {
      throw new InvalidArgumentError("outputs", name, `${model.name} has no output ${name}`, {
        suggestions: [`choose of ${Object.keys(outputs).join(", ")}`],
      });
    }
    builder.output(name, value);
  }
  return builder.build();
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
