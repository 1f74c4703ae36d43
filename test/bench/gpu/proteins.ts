import { readFileSync } from "node:fs";
import type { ClusteredProteins } from "../../../src/proteins/protein-source.ts";
import { randomNumbers } from "./models.ts";

const RESIDUES = Buffer.from("LAGVSERTIDPKQNFYMHWC");

/** Of the lengths in lengths.json, which have two special tokens; some residues are frequent. */
export function randomProteins(most = Number.POSITIVE_INFINITY): ClusteredProteins {
  const lengths: readonly number[] = JSON.parse(readFileSync("lengths.json", "utf8"));
  const random = randomNumbers(3);
  const sequences = lengths.slice(0, most).map((tokens) =>
    Uint8Array.from({ length: tokens - 2 }, () => {
      return RESIDUES[Math.floor(RESIDUES.length * random() ** 1.5)] ?? 0;
    }),
  );
  return {
    length: sequences.length,
    size: () => 1,
    memberId: (cluster) => `protein${cluster}`,
    memberSequence: (cluster) => Uint8Array.from(sequences[cluster] ?? []),
  };
}
