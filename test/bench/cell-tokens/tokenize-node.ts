/** This package: tokenizes a data set into files of ids and offsets. Prints seconds and a sum. */
import fs from "node:fs";
import path from "node:path";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { CellTokenizer } from "../../../src/gene-tokens/cell-tokenizer.ts";
import { readGeneMedians } from "../../../src/gene-tokens/gene-medians.ts";
import { GeneVocabulary } from "../../../src/gene-tokens/gene-vocabulary.ts";
import { tokenizeDataset } from "../../../src/gene-tokens/tokenize-dataset.ts";
import { placesIn } from "./make-cells.ts";

const [folder = "", output = ""] = process.argv.slice(2);
const places = placesIn(folder);
const tokenizer = new CellTokenizer({
  vocabulary: await GeneVocabulary.read(places.tokens),
  medians: await readGeneMedians(places.medians),
});
using dataset = await SingleCellDataset.open(places.dataset);
const begin = performance.now();
const file = fs.openSync(path.join(output, "ids.i32"), "w");
const lengths: number[] = [];
for await (const { tokens } of tokenizeDataset(dataset, tokenizer)) {
  fs.writeSync(file, tokens.ids);
  const { offsets } = tokens;
  for (let i = 0; i < tokens.count; i++) lengths.push((offsets[i + 1] ?? 0) - (offsets[i] ?? 0));
}
fs.closeSync(file);
fs.writeFileSync(path.join(output, "lengths.i32"), Int32Array.from(lengths));
const seconds = (performance.now() - begin) / 1000;
const ids = new Int32Array(new Uint8Array(fs.readFileSync(path.join(output, "ids.i32"))).buffer);
const check = ids.reduce((sum, id) => sum + id, lengths.length);
console.log(JSON.stringify({ seconds: [seconds], check }));
