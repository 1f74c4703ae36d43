/** What fine-tuning has in common, whatever is below the head. */
import { InvalidArgumentError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import {
  type Esm2,
  type Geneformer,
  openBackbone,
  type ParameterSpec,
  SequenceModel,
  TokenModel,
} from "../../models/index.ts";
import type { Label } from "../../proteins/label-map.ts";
import { findWeights } from "../checkpoints/training-weights.ts";
import type { TrainingRunOptions } from "./training-run.ts";

export type FineTuneTask = "regression" | "classification" | "token-classification";

/** Of the head and of what is trained; names and defaults are BioNeMo's. */
export interface HeadOptions {
  /** Trains the head alone. Default false. */
  readonly encoderFrozen?: boolean;
  /** Dropout in the head of a sequence. Default 0.25. */
  readonly mlpFtDropout?: number;
  /** Default 256. */
  readonly mlpHiddenSize?: number;
  /** Default: the number of classes, 1 for a regression. */
  readonly mlpTargetSize?: number;
  /** Dropout in the head of tokens. Default 0.25. */
  readonly cnnDropout?: number;
  /** Default 32. */
  readonly cnnHiddenSize?: number;
  /** Default: the number of classes. */
  readonly cnnNumClasses?: number;
  /** Parameters whose names contain this have the learning rate times `lrMultiplier`. */
  readonly scaleLrLayer?: string;
  /** Default 1. */
  readonly lrMultiplier?: number;
  /** Takes the head of the weights to restore, too, where they have one. Default false: a new head. */
  readonly keepHead?: boolean;
  /** Not yet: refused. */
  readonly loraFinetune?: boolean;
  /** Not yet: refused. */
  readonly loraCheckpointPath?: string;
}

/** @throws UnsupportedFeatureError for LoRA */
export function refuseLora({ loraFinetune, loraCheckpointPath }: HeadOptions): void {
  if (loraFinetune !== true && loraCheckpointPath === undefined) return;
  throw new UnsupportedFeatureError("lora", "fine-tuning with LoRA is not there yet", {
    suggestions: ["train all weights", "or the head alone: --encoder-frozen"],
  });
}

/** The network below the head: that of weights, whatever head they have. */
export function backboneOfWeights(path: string): Esm2 | Geneformer {
  return openBackbone(findWeights(path));
}

/** What the training data say of the targets. */
export interface Targets {
  /** The class of each id; null for a regression. */
  readonly labels: readonly Label[] | null;
  /** Of the values of a regression, else 0. */
  readonly mean: number;
}

/** Fewer classes are no sign of anything. */
const FEW_CLASSES = 10;

/** Says that classes look like numbers: hardly any has two rows. */
export function noteClasses(
  { labels }: Pick<Targets, "labels">,
  rows: number,
  onWarning?: (message: string) => void,
): void {
  if (labels === null || labels.length <= FEW_CLASSES || 2 * labels.length <= rows) return;
  const some = labels.slice(0, 3).join(", ");
  onWarning?.(
    `${labels.length} classes for ${rows} rows (${some}, ...): --task-type regression predicts numbers`,
  );
}

/** A new head on a backbone. @throws InvalidArgumentError for fewer outputs than classes */
export function headOn(
  backbone: Esm2 | Geneformer,
  task: FineTuneTask,
  { labels, mean }: Targets,
  options: HeadOptions,
): SequenceModel | TokenModel {
  const { encoderFrozen = false } = options;
  if (task === "token-classification") {
    const { cnnDropout: dropout = 0.25, cnnHiddenSize: headSize = 32, cnnNumClasses } = options;
    const classes = cnnNumClasses ?? labels?.length ?? 3;
    return new TokenModel(backbone, { classes, headSize, dropout, encoderFrozen, labels });
  }
  const { mlpFtDropout: dropout = 0.25, mlpHiddenSize: headSize = 256, mlpTargetSize } = options;
  const targetSize = mlpTargetSize ?? labels?.length ?? 1;
  if (task === "regression" && targetSize !== 1) {
    const message = `mlpTargetSize is ${targetSize}: a regression has one value for each sequence`;
    throw new InvalidArgumentError("mlpTargetSize", targetSize, message, {
      suggestions: ["of classes: --task-type classification", "or leave --mlp-target-size out"],
    });
  }
  const common = { headSize, dropout, encoderFrozen, labels, labelMean: mean };
  return new SequenceModel(backbone, { task, targetSize, ...common });
}

/** Beginnings of the names of both heads. */
const HEADS = ["regression_head", "classification_head"];

/** Which weights to restore: all but those of a head, unless it is to be kept. */
export function headLoading({ keepHead = false }: HeadOptions) {
  return keepHead ? {} : { skipPrefixes: HEADS };
}

/**
 * The factor of each parameter's learning rate.
 * @throws InvalidArgumentError for a name that no trained parameter has
 */
export function learningRateFactors(
  parameters: readonly ParameterSpec[],
  { scaleLrLayer, lrMultiplier = 1 }: HeadOptions,
): ReadonlyMap<string, number> {
  if (scaleLrLayer === undefined) return new Map();
  const trained = parameters.filter((spec) => spec.trained).map(({ name }) => name);
  const scaled = trained.filter((name) => name.includes(scaleLrLayer));
  if (scaled.length === 0) {
    const message = `no trained parameter has "${scaleLrLayer}" in its name`;
    throw new InvalidArgumentError("scaleLrLayer", scaleLrLayer, message, {
      suggestions: [`names are like ${trained.slice(-2).join(", ")}`],
    });
  }
  return new Map(scaled.map((name) => [name, lrMultiplier]));
}

/** A run has weights to begin with. @throws InvalidArgumentError without */
export function requireWeights(
  path: TrainingRunOptions<never>["restoreFromCheckpointPath"],
): string {
  if (path !== undefined) return path;
  throw new InvalidArgumentError(
    "restoreFromCheckpointPath",
    path,
    "expected weights to fine-tune",
    {
      suggestions: [
        "--restore-from-checkpoint-path results/esm2/checkpoints",
        "or a folder of transformers",
      ],
    },
  );
}
