import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import { readGeneMedians } from "../../../src/gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../../../src/gene-tokens/gene-tokenizer.ts";
import { GeneVocabulary } from "../../../src/gene-tokens/gene-vocabulary.ts";
import { readEnsemblMapping } from "../../../src/gene-tokens/name-dictionary.ts";

const { SCDL_SHARED_DATA: shared = "../shared/data" } = process.env;
const folder = join(shared, "geneformer");
const isThere = existsSync(folder);

describe.skipIf(!isThere)(`Geneformer's dictionaries in ${folder}`, () => {
  test("vocabularies and medians have the published sizes and fit each other", async () => {
    const [v1, v2] = await Promise.all(
      ["gc30M", "gc95M"].map((name) =>
        GeneVocabulary.read(join(folder, `token_dictionary_${name}.pkl`)),
      ),
    );
    const medians1 = await readGeneMedians(join(folder, "gene_median_dictionary_gc30M.pkl"));
    const medians2 = await readGeneMedians(join(folder, "gene_median_dictionary_gc95M.pkl"));
    expect([v1?.layout, v1?.size, medians1.size]).toEqual(["V1", 25_426, 25_424]);
    expect([v2?.layout, v2?.size, medians2.size]).toEqual(["V2", 20_275, 42_005]);
    expect(Math.max(...medians1.values())).toBe(634.306_683_655_113_4);
    expect(Math.min(...medians2.values())).toBe(7.158_424_271_565_943e-7);
    expect([...(v2?.ids.keys() ?? [])].filter((token) => !medians2.has(token))).toEqual([
      "<pad>",
      "<mask>",
      "<cls>",
      "<eos>",
    ]);
    const bionemo = GeneTokenizer.fromMediansAndGenes(medians1);
    expect([bionemo.vocabSize, bionemo.paddedVocabSize()]).toEqual([25_429, 25_472]);
    expect(bionemo.tokensToIds(["ENSG00000000003"])).toEqual([5]);
    expect(v1?.idOf("ENSG00000000003")).toBe(2);
  });

  test("the Ensembl mapping has 173,697 names", async () => {
    const mapping = await readEnsemblMapping(join(folder, "ensembl_mapping_dict_gc95M.pkl"));
    expect(mapping.size).toBe(173_697);
    expect(mapping.get("7SK")).toBe("ENSG00000271394");
    expect(mapping.get("ENSG00000277488")).toBe("ENSG00000277411");
  });

  test("500 cells of the training corpus: tokens of the vocabulary, none twice, 2,048 at most", async () => {
    const v1 = await GeneVocabulary.read(join(folder, "token_dictionary_gc30M.pkl"));
    const special = new Set(v1.specialIds);
    const table = await ParquetFile.open(join(folder, "genecorpus500.parquet")).table();
    const lengths: number[] = [];
    for (const cell of table) {
      const ids = Array.from(cell["input_ids"] as Iterable<bigint>, Number);
      expect(ids.length).toBe(Number(cell["length"]));
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.some((id) => special.has(id))).toBe(false);
      expect(v1.decode(ids).length).toBe(ids.length);
      lengths.push(ids.length);
    }
    expect([lengths.length, Math.max(...lengths)]).toEqual([500, 2048]);
  });
});
