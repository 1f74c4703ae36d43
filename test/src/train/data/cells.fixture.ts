import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { writeGeneMedians } from "../../../../src/gene-tokens/gene-medians.ts";
import { defaultRng } from "../../../../src/random/numpy-generator.ts";
import { writeGeneDataset } from "../../../helpers/gene-dataset.ts";

const GENES = 30;
const PER_KIND = 10;

/**
 * SCDL data sets `train` (48 cells) and `val` (16) with `train/medians.json`: each cell is of one of
 * three kinds, as obs says, and expresses the ten genes of its kind, in ranks of little noise.
 */
export async function cellsOfKinds(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const rng = defaultRng(11);
  const genes = Array.from({ length: GENES }, (_, i) => `ENSG${i}`);
  for (const [split, count] of [
    ["train", 48],
    ["val", 16],
  ] as const) {
    const data: number[] = [];
    const indices: number[] = [];
    for (let cell = 0; cell < count; cell++) {
      for (let gene = 0; gene < PER_KIND; gene++) {
        indices.push((cell % 3) * PER_KIND + gene);
        data.push(100 - 9 * gene + rng.integer(0, 10));
      }
    }
    const indptr = Array.from({ length: count + 1 }, (_, cell) => cell * PER_KIND);
    const cells = Array.from({ length: count }, (_, cell) => cell);
    const obs = {
      kind: cells.map((cell) => ["T", "B", "NK"][cell % 3] ?? ""),
      age: Float32Array.from(cells, (cell) => cell % 3),
      only_in_train: cells.map((cell) => `${split} ${cell}`),
    };
    const content = { genes, data: Float32Array.from(data), indices, indptr, obs };
    await writeGeneDataset(join(folder, split), content);
  }
  writeGeneMedians(join(folder, "train", "medians.json"), new Map(genes.map((gene) => [gene, 1])));
}
