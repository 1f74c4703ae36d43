import type { ProgramBuilder, RunInputs, Value } from "../../tensor/index.ts";
import type { Backbone } from "../backbone.ts";
import { Dropouts } from "../layers.ts";
import {
  lossPositionsOf,
  maskedLanguageInputs,
  maskedLanguageMetrics,
  maskedLanguageOutputs,
  type TokenInputs,
  tokenInputs,
} from "../masked-language.ts";
import { MASKED_LANGUAGE_METRICS } from "../metric-names.ts";
import type {
  BatchSize,
  BuildMode,
  ModelOutputs,
  ParameterSpec,
  TrainableModel,
} from "../model.ts";
import { type Weights, weightsOf } from "../parameters.ts";
import {
  countLossPositions,
  countTokens,
  isPacked,
  type MaskedBatch,
  maskedBatchSize,
  packedSequences,
} from "../token-batch.ts";
import { esm2Notes, type WeightNotes } from "../weights/weight-notes.ts";
import { type Esm2Config, type Esm2Options, type Esm2Size, esm2Config } from "./config.ts";
import { esm2ToHuggingFace } from "./hugging-face.ts";
import { esm2Head, esm2Parameters, esm2Trunk, MASK_RATIO } from "./network.ts";

/**
 * ESM-2 with its masked language loss, as `EsmForMaskedLM` computes it: norms before the layers,
 * rotary positions, exact GELU, the embedding as output matrix, token dropout.
 *
 * ```ts
 * const model = new Esm2("8M");
 * const model = new Esm2({ layers: 4, hiddenSize: 128, heads: 4 });
 * ```
 *
 * "predict" gives `logits` [batch, length, vocabulary], `hidden_states` [batch, length, hidden] after
 * the last norm and, for padded rows, `embeddings` [batch, hidden]: the mean over residues.
 */
export class Esm2 implements TrainableModel<MaskedBatch>, Backbone {
  readonly name = "esm2";
  readonly metrics = MASKED_LANGUAGE_METRICS;
  readonly settings: Esm2Config;
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: readonly ParameterSpec[];
  readonly trunkParameters: readonly ParameterSpec[];
  readonly weightNotes: WeightNotes;

  constructor(options: Esm2Size | Esm2Options) {
    this.settings = esm2Config(options);
    this.config = esm2ToHuggingFace(this.settings);
    const { layers, heads, hiddenSize, rotaryBase: base } = this.settings;
    this.weightNotes = esm2Notes(layers, heads, { base, headSize: hiddenSize / heads });
    const { trunk, head } = esm2Parameters(this.settings);
    this.trunkParameters = trunk.specs;
    this.parameters = [...trunk.specs, ...head.specs];
  }

  sizeOf(batch: MaskedBatch): BatchSize {
    return maskedBatchSize(batch);
  }

  build(builder: ProgramBuilder, size: BatchSize, mode: BuildMode): ModelOutputs {
    const weights = weightsOf(builder, this.parameters);
    const tokens = tokenInputs(builder, size, lossPositionsOf(size, mode));
    const dropouts = new Dropouts(mode === "train");
    const hidden = this.hiddenStates(builder, weights, tokens, dropouts);
    const context = { builder, size, mode, specialTokens: true };
    return maskedLanguageOutputs(context, hidden, tokens, (rows) =>
      esm2Head(weights, rows, this.settings),
    );
  }

  hiddenStates(
    builder: ProgramBuilder,
    weights: Weights,
    tokens: TokenInputs,
    dropouts: Dropouts,
  ): Value {
    return esm2Trunk(builder, weights, tokens, this.settings, dropouts);
  }

  inputs(batch: MaskedBatch, size: BatchSize, mode: BuildMode): RunInputs {
    return esm2Inputs(batch, maskedLanguageInputs(batch, size, mode), this.settings);
  }

  lossCount(batch: MaskedBatch): number {
    return countLossPositions(batch);
  }

  tokenCount(batch: MaskedBatch): number {
    return countTokens(batch);
  }

  reduce(sums: Readonly<Record<string, number>>, count: number): Readonly<Record<string, number>> {
    return maskedLanguageMetrics(sums, count);
  }
}

/** Adds what the trunk needs for packed rows, whose sequences the program does not count. */
export function esm2Inputs(batch: MaskedBatch, inputs: RunInputs, config: Esm2Config): RunInputs {
  if (!isPacked(batch)) return inputs;
  const factors = new Float32Array(batch.text.length);
  for (const { begin, end } of packedSequences(batch)) {
    const ids = batch.text.subarray(begin, end);
    let [tokens, masks] = [0, 0];
    for (const id of ids) {
      if (id !== config.padId) tokens++;
      if (id === config.maskId) masks++;
    }
    const factor = config.tokenDropout ? ((1 - MASK_RATIO) * tokens) / (tokens - masks || 1) : 1;
    for (const [i, id] of ids.entries()) {
      const isDropped = id === config.padId || (config.tokenDropout && id === config.maskId);
      factors[begin + i] = isDropped ? 0 : factor;
    }
  }
  return { ...inputs, embedding_scale: factors };
}
