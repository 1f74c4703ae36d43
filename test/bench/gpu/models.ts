import {
  Esm2,
  type Esm2Size,
  Geneformer,
  type MaskedBatch,
  type TrainableModel,
} from "../../../src/models/index.ts";

/** The model that gpu_steps.py makes of the same name, without dropout. */
export function namedModel(name: string): TrainableModel<MaskedBatch> {
  if (name.startsWith("esm2-")) return new Esm2(name.slice(5) as Esm2Size); // proof: the bench's names
  const small = { layers: 6, hiddenSize: 256, intermediateSize: 512, heads: 4 };
  const large = { layers: 12, hiddenSize: 768, intermediateSize: 3072, heads: 12 };
  const size = name === "geneformer-10M" ? small : large;
  const dropout = { hiddenDropout: 0, attentionDropout: 0 };
  return new Geneformer({ layout: "bert", ...size, ...dropout, maxPositions: 2048 });
}

/** Numbers from 0 to 1, the same in every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
