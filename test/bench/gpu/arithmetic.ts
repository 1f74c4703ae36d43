import type { BatchSize, MaskedBatch, TrainableModel } from "../../../src/models/index.ts";
import { packedSequences } from "../../../src/models/token-batch.ts";

/**
 * Floating-point operations of the products of one step, forward and backward: 6 for each weight of a
 * matrix and token, those of the head for the positions that it is computed at, and 12 for each layer,
 * channel and pair of tokens that attend. Padding counts, since it is computed.
 */
export function stepOperations(
  model: TrainableModel<MaskedBatch>,
  batch: MaskedBatch,
  size: BatchSize,
): number {
  const hidden = Number(model.config["hidden_size"]);
  const layers = Number(model.config["num_hidden_layers"]);
  const tokens = size.batch * size.length;
  let [body, head] = [0, 0];
  for (const { name, shape } of model.parameters) {
    const [rows = 0, columns = 0] = shape;
    if (shape.length !== 2) continue;
    // The embeddings' matrix is the head's last product.
    if (name.endsWith("word_embeddings.weight") || /^(lm_head|cls)\./.test(name)) {
      head += rows * columns;
    } else if (!name.includes("embeddings")) body += rows * columns;
  }
  const lengths =
    "cuSeqlens" in batch
      ? packedSequences(batch).map(({ begin, paddedEnd }) => paddedEnd - begin)
      : Array.from({ length: size.batch }, () => size.length);
  const pairs = lengths.reduce((sum, length) => sum + length ** 2, 0);
  return 6 * (body * tokens + head * (size.lossPositions ?? tokens)) + 12 * layers * hidden * pairs;
}
