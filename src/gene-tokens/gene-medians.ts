import { FormatError } from "../../formats/common/errors.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import { pythonFloat, pythonText } from "../../formats/common/python-json.ts";
import { describe, readDictionary } from "./read-dictionary.ts";

/** The non-zero median expression of each gene, in the order of its file. */
export type GeneMedians = ReadonlyMap<string, number>;

/**
 * Medians from a pickle (`gene_median_dictionary_*.pkl`), JSON (`medians.json`) or parquet.
 * @throws FormatError "bad-median", naming the gene, for a median that is not a number above zero.
 */
export async function readGeneMedians(path: string): Promise<GeneMedians> {
  const medians = new Map<string, number>();
  for (const [gene, median] of await readDictionary(path)) {
    if (!(typeof median === "number" && median > 0 && Number.isFinite(median))) {
      throw new FormatError(
        "bad-median",
        `the median of ${JSON.stringify(gene)} is ${describe(median)}, expected a number above zero`,
        {
          path,
          suggestions: [
            gene === "vocab"
              ? "this is a vocabulary: --vocab takes it, --medians those of its genes"
              : "leave out genes that no cell expresses",
          ],
        },
      );
    }
    medians.set(gene, median);
  }
  if (medians.size === 0) {
    throw new FormatError("no-medians", "expected medians of genes, found none", { path });
  }
  return medians;
}

/** Writes `medians.json` with the bytes of Python's `json.dump`. The file must not exist. */
export function writeGeneMedians(path: string, medians: GeneMedians): void {
  writeSmallFile(path, encodeGeneMedians(medians));
}

/** The bytes of `medians.json`. */
export function encodeGeneMedians(medians: GeneMedians): Uint8Array {
  const members = Array.from(
    medians,
    ([gene, median]) => `${pythonText(gene)}: ${pythonFloat(median)}`,
  );
  return Buffer.from(`{${members.join(", ")}}`);
}
