import type { Label } from "../../proteins/label-map.ts";
import {
  argmax,
  cast,
  conv1d,
  crossEntropy,
  equal,
  type ProgramBuilder,
  type RunInputs,
  relu,
  reshape,
  sum,
  type Value,
} from "../../tensor/index.ts";
import type { Backbone } from "../backbone.ts";
import { Dropouts } from "../layers.ts";
import { tokenInputs } from "../masked-language.ts";
import { CLASSIFICATION_METRICS } from "../metric-names.ts";
import type {
  BatchSize,
  BuildMode,
  ModelOutputs,
  ParameterSpec,
  TrainableModel,
} from "../model.ts";
import { ParameterList, requireSizes, type Weights, weightsOf } from "../parameters.ts";
import { countLossPositions, countTokens, lossLabels } from "../token-batch.ts";
import type { WeightNotes } from "../weights/weight-notes.ts";
import {
  backboneInputs,
  fineTunedParameters,
  fineTuningMetrics,
  type LabelledBatch,
  labelledSize,
  requireRoomForLabels,
  wrongLabels,
} from "./fine-tuned.ts";

/** Positions that a class is read from: the residue and three on each side. */
const WIDTH = 7;
const HEAD = "classification_head";

export interface TokenModelOptions {
  /** Default: as many as `labels`, or 3. */
  readonly classes?: number;
  /** Channels between the two convolutions. Default: 32. */
  readonly headSize?: number;
  /** Dropout in the head. Default: 0.25. */
  readonly dropout?: number;
  /** Trains the head alone. Default: true. */
  readonly encoderFrozen?: boolean;
  /** The class of each id, kept with the weights. Default: null, not known. */
  readonly labels?: readonly Label[] | null;
}

/**
 * A class for each token: two convolutions over 7 positions with ReLU and dropout between. Head and
 * names are those of BioNeMo's `ESM2FineTuneTokenModel`; padding is seen as the original sees it.
 *
 * "predict" gives `classification_output` [batch, length, classes] and `hidden_states`.
 */
export class TokenModel implements TrainableModel<LabelledBatch> {
  readonly name: string;
  readonly metrics = CLASSIFICATION_METRICS;
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: readonly ParameterSpec[];
  readonly weightNotes: WeightNotes;
  readonly settings: Required<TokenModelOptions>;
  readonly backbone: Backbone;

  constructor(backbone: Backbone, options: TokenModelOptions = {}) {
    const { headSize = 32, dropout = 0.25, encoderFrozen = true, labels = null } = options;
    const { classes = labels?.length ?? 3 } = options;
    this.settings = { classes, headSize, dropout, encoderFrozen, labels };
    this.name = `${backbone.name}-token-classification`;
    this.backbone = backbone;
    const { hiddenSize } = backbone.settings;
    requireSizes(this.name, { classes, headSize }, hiddenSize, 1);
    requireRoomForLabels(this.name, labels, classes);
    const head = new ParameterList({ std: 0.02 })
      .torchLinear(`${HEAD}.finetune_model.0`, [headSize, hiddenSize, WIDTH, 1])
      .torchLinear(`${HEAD}.class_heads`, [classes, headSize, WIDTH, 1]);
    this.parameters = fineTunedParameters(backbone, head.specs, encoderFrozen);
    this.weightNotes = backbone.weightNotes;
    this.config = { model_type: "scdl-token", backbone: backbone.config, ...this.settings };
  }

  sizeOf(batch: LabelledBatch): BatchSize {
    return labelledSize(this.backbone, batch);
  }

  build(builder: ProgramBuilder, size: BatchSize, mode: BuildMode): ModelOutputs {
    const weights = weightsOf(builder, this.parameters);
    const tokens = tokenInputs(builder, size);
    const dropouts = new Dropouts(mode === "train");
    const hidden = this.backbone.hiddenStates(builder, weights, tokens, dropouts);
    const wide = relu(convolution(weights, `${HEAD}.finetune_model.0`, hidden));
    const kept = dropouts.apply(wide, this.settings.dropout);
    const output = convolution(weights, `${HEAD}.class_heads`, kept);
    if (mode === "predict") {
      return { loss: null, outputs: { classification_output: output, hidden_states: hidden } };
    }
    const logits = reshape(output, [-1, this.settings.classes]);
    const labels = builder.input("labels", "int32", [size.batch * size.length]);
    const loss = crossEntropy(logits, labels).sum;
    if (mode === "train") return { loss, outputs: {} };
    return { loss, outputs: { correct: sum(cast(equal(argmax(logits), labels), "float32")) } };
  }

  inputs(batch: LabelledBatch, size: BatchSize, mode: BuildMode): RunInputs {
    const inputs = backboneInputs(this.backbone, batch, size);
    if (mode === "predict") return inputs;
    const { labels, lossMask } = batch;
    if (labels instanceof Int32Array && labels.length === batch.text.length) {
      return { ...inputs, labels: lossLabels({ labels, lossMask }) };
    }
    const found = `${labels.constructor.name} of ${labels.length}`;
    throw wrongLabels(this.name, `a class for each of ${batch.text.length} tokens`, found);
  }

  lossCount(batch: LabelledBatch): number {
    return countLossPositions(batch);
  }

  tokenCount(batch: LabelledBatch): number {
    return countTokens(batch);
  }

  reduce(sums: Readonly<Record<string, number>>, count: number): Readonly<Record<string, number>> {
    return fineTuningMetrics(sums, count);
  }
}

/** Over the length; the weight [out, in, width, 1] is that of a convolution in two dimensions. */
function convolution(weights: Weights, name: string, x: Value): Value {
  const weight = weights(`${name}.weight`);
  const flat = reshape(weight, weight.shape.slice(0, 3));
  return conv1d(x, flat, weights(`${name}.bias`), (WIDTH - 1) / 2);
}
