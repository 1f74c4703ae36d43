/** Inputs, loss and metrics that masked language models have in common. */
import {
  argmax,
  cast,
  crossEntropy,
  equal,
  type ProgramBuilder,
  type RunInputs,
  reshape,
  sum,
  type Value,
} from "../tensor/index.ts";
import type { Sight } from "./layers.ts";
import { rowsOf } from "./layers.ts";
import { meanOfResidues, meanOfTokens } from "./mean-embedding.ts";
import type { BatchSize, BuildMode, ModelOutputs } from "./model.ts";
import { isPacked, lossLabels, lossRows, type MaskedBatch, packedSegments } from "./token-batch.ts";

/** The tokens of a program and who sees whom. Names of inputs are Hugging Face's where they have one. */
export interface TokenInputs extends Sight {
  /** int32 [batch, length] */
  readonly ids: Value;
  /**
   * int32 [n]: hidden states are wanted at these places of the flattened batch alone, as
   * [n, hidden]. Default: everywhere.
   */
  readonly lossRows?: Value | undefined;
}

/** Inputs of a program; `lossPositions` is the number of places whose hidden states are wanted. */
export function tokenInputs(
  builder: ProgramBuilder,
  size: BatchSize,
  lossPositions?: number,
): TokenInputs {
  const shape = [size.batch, size.length];
  const ids = builder.input("input_ids", "int32", shape);
  const lossRows =
    lossPositions === undefined ? undefined : builder.input("loss_rows", "int32", [lossPositions]);
  if (size.packed !== true) {
    return { ids, lossRows, keyMask: builder.input("attention_mask", "bool", shape) };
  }
  return {
    ids,
    lossRows,
    positions: builder.input("position_ids", "int32", shape),
    segments: builder.input("segment_ids", "int32", shape),
  };
}

/** The arrays for {@link tokenInputs} and {@link maskedLanguageOutputs}. */
export function maskedLanguageInputs(
  batch: MaskedBatch,
  size: BatchSize,
  mode: BuildMode,
): Record<string, RunInputs[string]> {
  const inputs: Record<string, RunInputs[string]> = { input_ids: batch.text };
  if (isPacked(batch)) {
    inputs["position_ids"] = batch.positions;
    inputs["segment_ids"] = packedSegments(batch);
  } else {
    inputs["attention_mask"] = batch.attentionMask;
  }
  if (mode === "predict") return inputs;
  if (size.lossPositions === undefined) return { ...inputs, labels: lossLabels(batch) };
  const { rows, labels } = lossRows(batch, size.lossPositions);
  return { ...inputs, loss_rows: rows, labels };
}

/** What is built. */
export interface MaskedLanguageContext {
  readonly builder: ProgramBuilder;
  readonly size: BatchSize;
  readonly mode: BuildMode;
  /** Rows begin and end with a special token, which mean embeddings leave out. */
  readonly specialTokens: boolean;
}

/** The places whose hidden states the loss of a program needs: how many, undefined for all. */
export function lossPositionsOf(size: BatchSize, mode: BuildMode): number | undefined {
  return mode === "predict" ? undefined : size.lossPositions;
}

/**
 * Loss and outputs over the last hidden states, [batch, length, hidden] or those of `lossRows`.
 * `head` makes logits [rows, vocabulary] of hidden states [rows, hidden].
 */
export function maskedLanguageOutputs(
  { builder, size, mode, specialTokens }: MaskedLanguageContext,
  hidden: Value,
  tokens: TokenInputs,
  head: (rows: Value) => Value,
): ModelOutputs {
  if (mode === "predict") {
    const logits = head(rowsOf(hidden));
    const outputs = {
      logits: reshape(logits, [size.batch, size.length, -1]),
      hidden_states: hidden,
    };
    if (tokens.keyMask === undefined) return { loss: null, outputs };
    const mean = specialTokens ? meanOfResidues : meanOfTokens;
    const embeddings = mean(builder, hidden, tokens.keyMask);
    return { loss: null, outputs: { ...outputs, embeddings } };
  }
  const rows = rowsOf(hidden);
  const labels = builder.input("labels", "int32", rows.shape.slice(0, 1));
  const logits = head(rows);
  const loss = crossEntropy(logits, labels).sum;
  if (mode === "train") return { loss, outputs: {} };
  const correct = sum(cast(equal(argmax(logits), labels), "float32"));
  return { loss, outputs: { correct } };
}

/** `loss` the mean, `perplexity` its exponential, `accuracy` where `correct` was counted. */
export function maskedLanguageMetrics(
  sums: Readonly<Record<string, number>>,
  count: number,
): Readonly<Record<string, number>> {
  const { loss: total, correct } = sums;
  const metrics: Record<string, number> = {};
  if (total !== undefined) {
    metrics["loss"] = total / count;
    metrics["perplexity"] = Math.exp(total / count);
  }
  if (correct !== undefined) metrics["accuracy"] = correct / count;
  return metrics;
}
