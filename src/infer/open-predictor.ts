import {
  Geneformer,
  type LabelledBatch,
  type openModel,
  type TokenBatch,
  type TrainableModel,
} from "../models/index.ts";
import { startingWeights } from "../train/checkpoints/training-weights.ts";
import { parameterValues } from "../train/model-programs.ts";
import { placeOf, requireModelMemory } from "../train/runs/model-memory.ts";
import { openRunExecutor, type RunDeviceOptions } from "../train/runs/run-executor.ts";
import {
  INPUT_IDS,
  modelOutput,
  neededParameters,
  type OutputSpec,
  outputSpecs,
} from "./outputs.ts";
import { type BatchOutputs, Predictor } from "./predict-tokens.ts";
import { elements } from "./prediction-sink.ts";

export type AnyModel = ReturnType<typeof openModel>;

/** Outputs of a row by name: a view of its batch's. */
export type RowValues = Readonly<Record<string, Float32Array>>;

/** A model with its weights, ready to run. */
export interface OpenPredictor extends AsyncDisposable {
  readonly specs: readonly OutputSpec[];
  /** Batches worth asking for before the outputs of the first are there. */
  readonly ahead: number;
  /**
   * Asks for the outputs of each sequence in the names of `specs`. The next batch may be asked for when
   * it resolves, with what waits for them.
   */
  ask(sequences: readonly Int32Array[]): Promise<() => Promise<readonly RowValues[]>>;
}

export interface OpenPredictorOptions {
  readonly outputs: readonly string[];
  /** What it runs on. */
  readonly place: RunDeviceOptions;
  /** Compiled programs kept at a time, each with its memory. Default: the executor's. */
  readonly cachedPrograms?: number;
  readonly signal: AbortSignal | undefined;
}

/** The id of the token that fills rows up. */
export function padIdOf(model: AnyModel): number {
  return "backbone" in model ? model.backbone.settings.padId : model.settings.padId;
}

/** Most tokens of a row; undefined where there is no end. */
function positionsOf(model: AnyModel): number | undefined {
  const network = "backbone" in model ? model.backbone : model;
  return network instanceof Geneformer ? network.settings.maxPositions : undefined;
}

/**
 * Reads the weights that the outputs need: those of a vocabulary head that is not asked for may be
 * missing.
 * @throws InvalidArgumentError for an output the model lacks; as `loadWeights`
 */
export async function openPredictor(
  given: AnyModel,
  checkpointPath: string,
  { outputs, place, cachedPrograms, signal }: OpenPredictorOptions,
): Promise<OpenPredictor> {
  // proof: "predict" asks a batch for its tokens alone, which batches of every model have
  const model = given as unknown as TrainableModel<TokenBatch & LabelledBatch>;
  const specs = outputSpecs(given, outputs);
  const computed = specs.filter((spec) => spec.name !== INPUT_IDS);
  if (computed.length === 0) {
    const ask = async (sequences: readonly Int32Array[]) => async () => sequences.map(() => ({}));
    return { specs, ahead: 1, ask, [Symbol.asyncDispose]: async () => {} };
  }
  const names = computed.map((spec) => modelOutput(spec.name));
  const { weightNotes } = model;
  const needed = {
    ...{ name: model.name, parameters: neededParameters(model, names) },
    ...(weightNotes === undefined ? {} : { weightNotes }),
  };
  requireModelMemory({ ...needed, trains: false, sharers: 1 }, placeOf(place));
  const { values: weights } = startingWeights(needed, checkpointPath, 0);
  const executor = await openRunExecutor(
    place,
    cachedPrograms === undefined ? {} : { cachedPrograms },
  );
  try {
    const state = await executor.createState(parameterValues(needed), { inferenceOnly: true });
    await state.write("values", weights);
    const padId = padIdOf(given);
    const maxLength = positionsOf(given);
    const predictor = new Predictor({
      ...{ model, executor, state, outputs: names, padId, maxLength, signal },
    });
    return {
      specs,
      ahead: predictor.ahead,
      ask: async (sequences) => {
        const outputs = await predictor.ask(sequences);
        return async () => rowsOf(sequences, await outputs(), computed);
      },
      // What is ahead is dropped, as is the state.
      [Symbol.asyncDispose]: () => executor.close(),
    };
  } catch (error) {
    await executor.close();
    throw error;
  }
}

function rowsOf(
  sequences: readonly Int32Array[],
  { size, values }: BatchOutputs,
  computed: readonly OutputSpec[],
): readonly RowValues[] {
  return sequences.map(({ length }, at) => {
    const parts = computed.map(({ name, perToken, shape }) => {
      const width = elements(shape);
      const each = perToken ? size.length * width : width;
      // proof: outputs of models are float32
      const found = values[modelOutput(name)] as Float32Array;
      const part = found.subarray(at * each, at * each + (perToken ? length * width : width));
      return [name, part] as const;
    });
    return Object.fromEntries(parts);
  });
}
