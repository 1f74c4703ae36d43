import { NotFoundError } from "../../formats/common/errors.ts";
import type { SingleCellDataset } from "../dataset/single-cell-dataset.ts";

/** Var columns that hold Ensembl ids, in the order in which they are looked for. */
export const GENE_COLUMNS = ["feature_id", "ensembl_id", "var_feature_id"] as const;

/**
 * The genes of every var block: of `column`, or else of `feature_id` (CELLxGENE, BioNeMo),
 * `ensembl_id` (Geneformer), or the names of the variables.
 * @throws NotFoundError "no-such-column" listing the columns there are.
 */
export async function readGeneNames(
  dataset: SingleCellDataset,
  column?: string,
): Promise<readonly (readonly string[])[]> {
  const blocks: string[][] = [];
  for (let block = 0; block < dataset.varBlocks.length; block++) {
    const table = await dataset.var(undefined, block);
    const names = table.schema.fields.map(({ name }) => name);
    const wanted = column === undefined ? GENE_COLUMNS : [column];
    const found = wanted.find((name) => names.includes(name));
    if (found === undefined) {
      throw new NotFoundError(
        "no-such-column",
        `${dataset.directory}: var has no column ${wanted.join(" or ")} with Ensembl ids`,
        { what: wanted.join(", "), available: names },
      );
    }
    blocks.push(Array.from(table.getChild(found) ?? [], String));
  }
  return blocks;
}
