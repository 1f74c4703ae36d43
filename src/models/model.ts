/**
 * What can be trained: a network with its loss, written as programs of `scdl/tensor`.
 *
 * The models of this folder are made of it, and so is a model of your own: list the parameters,
 * build the forward pass for a size of batch, turn a batch into inputs. Trainer, checkpoints,
 * weights and inference know nothing else of a model.
 */
import type { ProgramBuilder, RunInputs, Shape, Value } from "../tensor/index.ts";
import type { WeightNotes } from "./weights/weight-notes.ts";

/** How the values of a parameter begin. */
export type Initialisation =
  | {
      readonly kind: "normal";
      /** Standard deviation; the mean is 0. */
      readonly std: number;
      /** A row of zeros: that of the pad token. */
      readonly zeroRow?: number | undefined;
    }
  /** Between -bound and bound. */
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "zeros" }
  | { readonly kind: "ones" };

/** One parameter of a model. */
export interface ParameterSpec {
  /** Its name in checkpoints: Hugging Face's for their layouts. */
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initialisation;
  /** Whether weight decay applies: to matrices, not to biases and norms. */
  readonly decay: boolean;
  /** False for a frozen parameter, which gets no gradient and no moments. */
  readonly trained: boolean;
}

/** What batches that run the same program have in common; equal sizes have equal {@link sizeKey}s. */
export interface BatchSize {
  /** Rows. */
  readonly batch: number;
  /** Tokens of a row, with padding. */
  readonly length: number;
  /** Positions for which the vocabulary head is computed; all positions without it. */
  readonly lossPositions?: number | undefined;
  /** Several sequences in each row. Default: false. */
  readonly packed?: boolean | undefined;
}

export type BuildMode = "train" | "validate" | "predict";

/** A forward pass. What of it a program gives out is up to the caller: `builder.output(...)`. */
export interface ModelOutputs {
  /** float32 []: the loss summed over what {@link TrainableModel.lossCount} counts; null in "predict". */
  readonly loss: Value | null;
  /** "validate": scalars that are summed for the metrics. "predict": logits, embeddings, ... */
  readonly outputs: Readonly<Record<string, Value>>;
  /**
   * "validate", for a regression of one value: float32 [batch] each. They are kept row by row, and the
   * metric `spearman` is made of them. Default: none.
   */
  readonly ranked?: { readonly predicted: Value; readonly labels: Value };
}

/** A network with its loss for batches of a data module. */
export interface TrainableModel<B> {
  /** "esm2", "geneformer", ... */
  readonly name: string;
  /** JSON; `config.json` of a checkpoint, in Hugging Face's form where they have the model. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: readonly ParameterSpec[];
  /** How files of other programs name and hold its weights. Default: as the parameters. */
  readonly weightNotes?: WeightNotes;
  /**
   * The program that a batch needs.
   * @throws IncompatibleError for a batch that the model cannot take, e.g. more tokens than positions.
   */
  sizeOf(batch: B): BatchSize;
  /** Appends forward pass and loss; gradients and the naming of outputs are the caller's. */
  build(builder: ProgramBuilder, size: BatchSize, mode: BuildMode): ModelOutputs;
  /**
   * The batch as inputs of the program for `size` and `mode`: the arrays of the batch itself where
   * they fit, so do not change it before the run ends.
   */
  inputs(batch: B, size: BatchSize, mode: BuildMode): RunInputs;
  /** How many the loss sums over: positions, or proteins. The mean divides by that of all batches. */
  lossCount(batch: B): number;
  /** Tokens of a batch that are not padding, for tokens per second. Default: rows times length. */
  tokenCount?(batch: B): number;
  /** Names that {@link reduce} and `ranked` give at most. Default: what the first validation shows. */
  readonly metrics?: readonly string[];
  /** Metrics from outputs summed over micro-batches and ranks: `sums.loss`, others by name. */
  reduce(sums: Readonly<Record<string, number>>, count: number): Readonly<Record<string, number>>;
}

/** Text that is equal for equal sizes. */
export function sizeKey({ batch, length, lossPositions, packed }: BatchSize): string {
  return `${batch}x${length}x${lossPositions ?? "all"}${packed === true ? "packed" : ""}`;
}
