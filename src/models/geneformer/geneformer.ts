import { IncompatibleError } from "../../../formats/common/errors.ts";
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
} from "../token-batch.ts";
import { BERT_NOTES, BIONEMO_NOTES, type WeightNotes } from "../weights/weight-notes.ts";
import { BERT_LAYOUT } from "./bert-layout.ts";
import { BIONEMO_LAYOUT } from "./bionemo-layout.ts";
import {
  type GeneformerConfig,
  type GeneformerOptions,
  type GeneformerSize,
  geneformerConfig,
} from "./config.ts";
import { geneformerToJson } from "./config-json.ts";
import type { GeneformerNetwork } from "./layout.ts";

/**
 * Geneformer with its masked language loss: learned positions, dropout, the embedding as output
 * matrix; in BioNeMo's layout or in the authors'.
 *
 * ```ts
 * const model = new Geneformer("10M");
 * const model = new Geneformer({ layout: "bert", layers: 4, hiddenSize: 128, heads: 4 });
 * ```
 *
 * "predict" gives `logits` [batch, length, vocabulary], `hidden_states` [batch, length, hidden] and,
 * for padded rows, `embeddings` [batch, hidden]: the mean over a cell's genes.
 */
export class Geneformer implements TrainableModel<MaskedBatch>, Backbone {
  readonly name = "geneformer";
  readonly metrics = MASKED_LANGUAGE_METRICS;
  readonly settings: GeneformerConfig;
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: readonly ParameterSpec[];
  readonly trunkParameters: readonly ParameterSpec[];
  readonly weightNotes: WeightNotes;
  readonly #network: GeneformerNetwork;

  constructor(options: GeneformerSize | GeneformerOptions) {
    this.settings = geneformerConfig(options);
    this.config = geneformerToJson(this.settings);
    const isBert = this.settings.layout === "bert";
    this.weightNotes = isBert ? BERT_NOTES : BIONEMO_NOTES;
    this.#network = isBert ? BERT_LAYOUT : BIONEMO_LAYOUT;
    const { trunk, head } = this.#network.parameters(this.settings);
    this.trunkParameters = trunk.specs;
    this.parameters = [...trunk.specs, ...head.specs];
  }

  sizeOf(batch: MaskedBatch): BatchSize {
    const size = maskedBatchSize(batch);
    const longest = isPacked(batch) ? batch.maxSeqlen : size.length;
    const { maxPositions } = this.settings;
    if (longest <= maxPositions) return size;
    throw new IncompatibleError(
      "too-long",
      `a sequence of ${longest} tokens in the batch: the model has ${maxPositions} positions`,
      {
        suggestions: [
          `cut the sequences: --seq-length ${maxPositions}, or seqLength of the data module`,
        ],
      },
    );
  }

  build(builder: ProgramBuilder, size: BatchSize, mode: BuildMode): ModelOutputs {
    const weights = weightsOf(builder, this.parameters);
    const tokens = tokenInputs(builder, size, lossPositionsOf(size, mode));
    const dropouts = new Dropouts(mode === "train");
    const hidden = this.hiddenStates(builder, weights, tokens, dropouts);
    const { specialTokens } = this.settings;
    return maskedLanguageOutputs({ builder, size, mode, specialTokens }, hidden, tokens, (rows) =>
      this.#network.head(weights, rows, this.settings),
    );
  }

  hiddenStates(
    builder: ProgramBuilder,
    weights: Weights,
    tokens: TokenInputs,
    dropouts: Dropouts,
  ): Value {
    return this.#network.trunk(builder, weights, tokens, this.settings, dropouts);
  }

  inputs(batch: MaskedBatch, size: BatchSize, mode: BuildMode): RunInputs {
    return maskedLanguageInputs(batch, size, mode);
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
