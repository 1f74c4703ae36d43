import type { Label } from "../../proteins/label-map.ts";
import {
  argmax,
  cast,
  crossEntropy,
  equal,
  type ProgramBuilder,
  type RunInputs,
  relu,
  reshape,
  squaredError,
  sum,
  type Value,
} from "../../tensor/index.ts";
import type { Backbone } from "../backbone.ts";
import { Dropouts, dense } from "../layers.ts";
import { tokenInputs } from "../masked-language.ts";
import { meanOfResidues, meanOfTokens } from "../mean-embedding.ts";
import { CLASSIFICATION_METRICS, RANKED_METRICS, REGRESSION_METRICS } from "../metric-names.ts";
import type {
  BatchSize,
  BuildMode,
  ModelOutputs,
  ParameterSpec,
  TrainableModel,
} from "../model.ts";
import { ParameterList, requireSizes, type Weights, weightsOf } from "../parameters.ts";
import { countTokens } from "../token-batch.ts";
import type { WeightNotes } from "../weights/weight-notes.ts";
import {
  backboneInputs,
  fineTunedParameters,
  fineTuningMetrics,
  type LabelledBatch,
  labelledSize,
  momentsAround,
  requireRoomForLabels,
  wrongLabels,
} from "./fine-tuned.ts";

export interface SequenceModelOptions {
  /** "regression": one value a sequence, squared error. "classification": cross entropy. */
  readonly task: "regression" | "classification";
  /** Classes, or values of a regression. Default: as many as `labels`, or 1. */
  readonly targetSize?: number;
  /** Width between the two layers of the head. Default: 256. */
  readonly headSize?: number;
  /** Dropout in the head. Default: 0.25. */
  readonly dropout?: number;
  /** Trains the head alone. Default: true. */
  readonly encoderFrozen?: boolean;
  /** The class of each id, kept with the weights. Default: null, not known. */
  readonly labels?: readonly Label[] | null;
  /** Of a regression: validation sums up what correlations are made of around it. Default: 0. */
  readonly labelMean?: number;
}

/**
 * A value or a class for each sequence: the mean of its hidden states through a linear layer, ReLU,
 * dropout and a second linear layer. Head and names are those of BioNeMo's `ESM2FineTuneSeqModel`.
 *
 * ```ts
 * const model = new SequenceModel(new Esm2("8M"), { task: "classification", targetSize: 10 });
 * ```
 *
 * "predict" gives `regression_output` or `classification_output` [batch, targetSize], and
 * `hidden_states` and `embeddings` as the backbone does.
 */
export class SequenceModel implements TrainableModel<LabelledBatch> {
  readonly name: string;
  readonly metrics: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: readonly ParameterSpec[];
  readonly weightNotes: WeightNotes;
  readonly settings: Required<SequenceModelOptions>;
  readonly backbone: Backbone;
  readonly #head: string;

  constructor(backbone: Backbone, options: SequenceModelOptions) {
    const { task, headSize = 256, dropout = 0.25, encoderFrozen = true, labels = null } = options;
    const { targetSize = labels?.length ?? 1, labelMean = 0 } = options;
    this.settings = { task, targetSize, headSize, dropout, encoderFrozen, labels, labelMean };
    this.name = `${backbone.name}-${task}`;
    this.metrics = metricsOf(task, targetSize);
    this.backbone = backbone;
    this.#head = `${task}_head`;
    const { hiddenSize } = backbone.settings;
    requireSizes(this.name, { targetSize, headSize }, hiddenSize, 1);
    requireRoomForLabels(this.name, labels, targetSize);
    const head = new ParameterList({ std: 0.02 })
      .torchLinear(`${this.#head}.linear_layers.0`, [headSize, hiddenSize])
      .torchLinear(`${this.#head}.linear_layers.1`, [targetSize, headSize]);
    this.parameters = fineTunedParameters(backbone, head.specs, encoderFrozen);
    this.weightNotes = backbone.weightNotes;
    this.config = { model_type: "scdl-sequence", backbone: backbone.config, ...this.settings };
  }

  sizeOf(batch: LabelledBatch): BatchSize {
    return labelledSize(this.backbone, batch);
  }

  build(builder: ProgramBuilder, size: BatchSize, mode: BuildMode): ModelOutputs {
    const weights = weightsOf(builder, this.parameters);
    const tokens = tokenInputs(builder, size);
    const dropouts = new Dropouts(mode === "train");
    const hidden = this.backbone.hiddenStates(builder, weights, tokens, dropouts);
    const mean = this.backbone.settings.specialTokens === false ? meanOfTokens : meanOfResidues;
    // Rows are padded, never packed, so that there is a mask.
    const embeddings = mean(builder, hidden, tokens.keyMask as Value);
    const output = this.#apply(weights, embeddings, dropouts);
    const { task, targetSize } = this.settings;
    if (mode === "predict") {
      const outputs = { [`${task}_output`]: output, hidden_states: hidden, embeddings };
      return { loss: null, outputs };
    }
    if (task === "regression") {
      const target = builder.input("labels", "float32", [size.batch, targetSize]);
      const loss = squaredError(output, target);
      if (mode === "train") return { loss, outputs: {} };
      const outputs = momentsAround(this.settings.labelMean, output, target);
      if (targetSize !== 1) return { loss, outputs };
      const [predicted, labels] = [reshape(output, [-1]), reshape(target, [-1])];
      return { loss, outputs, ranked: { predicted, labels } };
    }
    const labels = builder.input("labels", "int32", [size.batch]);
    const loss = crossEntropy(output, labels).sum;
    if (mode === "train") return { loss, outputs: {} };
    return { loss, outputs: { correct: sum(cast(equal(argmax(output), labels), "float32")) } };
  }

  inputs(batch: LabelledBatch, size: BatchSize, mode: BuildMode): RunInputs {
    const inputs = backboneInputs(this.backbone, batch, size);
    if (mode === "predict") return inputs;
    const { labels } = batch;
    const { task, targetSize } = this.settings;
    const count = task === "regression" ? size.batch * targetSize : size.batch;
    const isKind = labels instanceof (task === "regression" ? Float32Array : Int32Array);
    if (labels.length === count && isKind) return { ...inputs, labels };
    const kind = task === "regression" ? "numbers" : "classes";
    const found = `${labels.constructor.name} of ${labels.length}`;
    throw wrongLabels(this.name, `${count} ${kind} as labels of ${size.batch} sequences`, found);
  }

  lossCount({ labels }: LabelledBatch): number {
    return labels.length;
  }

  tokenCount(batch: LabelledBatch): number {
    return countTokens(batch);
  }

  reduce(sums: Readonly<Record<string, number>>, count: number): Readonly<Record<string, number>> {
    return fineTuningMetrics(sums, count);
  }

  #apply(weights: Weights, x: Value, dropouts: Dropouts): Value {
    const wide = relu(dense(weights, `${this.#head}.linear_layers.0`, x));
    const kept = dropouts.apply(wide, this.settings.dropout);
    return dense(weights, `${this.#head}.linear_layers.1`, kept);
  }
}

function metricsOf(task: SequenceModelOptions["task"], targetSize: number): readonly string[] {
  if (task === "classification") return CLASSIFICATION_METRICS;
  return targetSize === 1 ? RANKED_METRICS : REGRESSION_METRICS;
}
