/** This package: batches of ESM-2's items through a loader. Prints seconds and a sum. */
import { readFileSync } from "node:fs";
import {
  clustersFromArrays,
  ESMMaskedResidueDataset,
  ItemLoader,
  SequentialSampler,
} from "../built.ts";

const [file = "", batchSize = ""] = process.argv.slice(2);
const sequences = readFileSync(file, "utf8").trim().split("\n");
const proteins = Object.fromEntries(sequences.map((sequence, i) => [`P${i}`, sequence]));
const clusters = clustersFromArrays(
  sequences.map((_, i) => [`P${i}`]),
  proteins,
);
const dataset = new ESMMaskedResidueDataset(clusters, { seed: 42, maxSeqLength: 1024 });
const loader = new ItemLoader(dataset, new SequentialSampler(dataset.length), {
  batchSize: Number(batchSize),
  makeBatch: (indices) =>
    dataset.maskedBatch(
      indices.map(({ idx }) => ({ epoch: 1, idx })),
      { length: 1024 },
    ),
});
const seconds: number[] = [];
let check = 0;
for (let epoch = 0; epoch < 6; epoch++) {
  const begin = performance.now();
  check = 0;
  for await (const { text, labels } of loader) {
    for (let i = 0; i < text.length; i++) check += (text[i] as number) + (labels[i] as number);
  }
  seconds.push((performance.now() - begin) / 1000);
}
// The first pass compiles.
console.log(JSON.stringify({ seconds: seconds.slice(1), check }));
