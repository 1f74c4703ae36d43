/** Random cells as ranked genes against numpy and scipy. */
import { fileURLToPath } from "node:url";
import { allocate, type ScdlDType } from "../../formats/common/dtype.ts";
import { CellTokenizer } from "../../src/gene-tokens/cell-tokenizer.ts";
import { GeneVocabulary } from "../../src/gene-tokens/gene-vocabulary.ts";
import { askOnce } from "./ask-once.ts";
import { seedOfRun } from "./orders.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./cell_tokens_original.py", import.meta.url));
const CASES = 240;

interface Case {
  readonly kind: "bionemo" | "sparse" | "dense";
  readonly dtype: ScdlDType;
  readonly countsDtype: "float32" | "float64" | "int64";
  readonly medians: readonly number[];
  readonly indptr: readonly number[];
  readonly indices: readonly number[];
  readonly data: readonly number[];
  readonly nCounts: readonly number[];
  /** Columns by rank, for each cell. */
  readonly ids: readonly (readonly number[])[];
}

export async function checkCellTokens(tally: Tally, python: string): Promise<void> {
  const seed = seedOfRun();
  const name = `cells as ranked genes: ${CASES} data sets, SCDL_CONFORMANCE_SEED=${seed}`;
  await tally.check(name, async () => {
    // What cell_tokens_original.py prints.
    const cases = (await askOnce(python, DRIVER, { cases: CASES, seed })) as readonly Case[];
    return cases.flatMap((given, number) => {
      const found = ranked(given);
      return given.ids.flatMap((ids, cell) =>
        ids.join() === found[cell]?.join()
          ? []
          : [`case ${number} (${given.kind}, ${given.dtype}), cell ${cell}: other ranks`],
      );
    });
  });
}

function ranked(given: Case): number[][] {
  const genes = given.medians.map((_, column) => `G${column}`);
  const medians = new Map(genes.map((gene, column) => [gene, given.medians[column] ?? 1]));
  const ids = new Map(["<pad>", "<mask>", ...genes].map((token, id) => [token, id]));
  const tokenizer = new CellTokenizer({
    vocabulary: new GeneVocabulary(ids, "V1"),
    medians,
    ...(given.kind === "bionemo"
      ? { encoding: "bionemo" }
      : { encoding: "geneformer", matrix: given.kind }),
  });
  const nCounts = given.countsDtype === "float32" ? "float32" : "float64";
  const data = allocate(given.dtype, given.data.length);
  // No case has uint64 values.
  data.set(given.data as never);
  const rows = tokenizer.bind(genes, { data: given.dtype, nCounts }).tokenize(
    {
      data,
      indices: Uint16Array.from(given.indices),
      indptr: Float64Array.from(given.indptr),
      shape: [given.indptr.length - 1, genes.length],
    },
    undefined,
    { nCounts: given.nCounts },
  );
  return given.ids.map((_, cell) => Array.from(rows.at(cell), (id) => id - 2));
}
