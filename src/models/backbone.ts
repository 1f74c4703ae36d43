import type { ProgramBuilder, RunInputs, Value } from "../tensor/index.ts";
import type { Dropouts } from "./layers.ts";
import type { TokenInputs } from "./masked-language.ts";
import type { BatchSize, ParameterSpec } from "./model.ts";
import type { Weights } from "./parameters.ts";
import type { MaskedBatch } from "./token-batch.ts";
import type { WeightNotes } from "./weights/weight-notes.ts";

/** A network that heads for fine-tuning are put on: `Esm2`, `Geneformer`. */
export interface Backbone {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly weightNotes: WeightNotes;
  readonly settings: {
    readonly hiddenSize: number;
    readonly padId: number;
    readonly specialTokens?: boolean;
  };
  /** Parameters without those of the vocabulary head. */
  readonly trunkParameters: readonly ParameterSpec[];
  sizeOf(batch: MaskedBatch): BatchSize;
  /** Last hidden states [batch, length, hidden], or those of `lossRows`. */
  hiddenStates(
    builder: ProgramBuilder,
    weights: Weights,
    tokens: TokenInputs,
    dropouts: Dropouts,
  ): Value;
  inputs(batch: MaskedBatch, size: BatchSize, mode: "predict"): RunInputs;
}
