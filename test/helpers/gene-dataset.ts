import fs from "node:fs";
import * as arrow from "apache-arrow";
import type { NumericArray } from "../../formats/common/dtype.ts";
import { ArchiveWriter } from "../../formats/scdl/archive-writer.ts";

export interface GeneDatasetContent {
  readonly genes: readonly string[];
  /** Var column of the genes. Default "feature_id". */
  readonly column?: string;
  readonly data: NumericArray;
  readonly indices: readonly number[];
  readonly indptr: readonly number[];
  /** Obs columns: numbers, or text. */
  readonly obs?: Readonly<Record<string, Float32Array | Int32Array | Float64Array | string[]>>;
}

/** A complete data set on disk whose variables are genes: float32, uint8, uint16 or float64 counts. */
export async function writeGeneDataset(
  directory: string,
  content: GeneDatasetContent,
): Promise<string> {
  const { genes, column = "feature_id", data, indices, indptr } = content;
  const nObs = indptr.length - 1;
  const writer = ArchiveWriter.create(directory);
  fs.writeFileSync(writer.pathOf("data"), data);
  fs.writeFileSync(writer.pathOf("indices"), Uint16Array.from(indices));
  fs.writeFileSync(writer.pathOf("indptr"), Uint32Array.from(indptr));
  const varTable = new arrow.Table({
    [column]: arrow.vectorFromArray([...genes], new arrow.Utf8()),
  });
  writer.varFeatures.beginBlock({ label: null, nRows: nObs, schema: varTable.schema });
  for (const batch of varTable.batches) await writer.varFeatures.write(batch);
  await writer.varFeatures.endBlock();
  const numbers = content.obs ?? { n: new Int32Array(nObs) };
  const obs = new arrow.Table(
    Object.fromEntries(
      Object.entries(numbers).map(([name, of]) => [
        name,
        Array.isArray(of) ? arrow.vectorFromArray(of, new arrow.Utf8()) : arrow.makeVector(of),
      ]),
    ),
  );
  writer.obsFeatures.beginBlock({ label: null, nRows: nObs, schema: obs.schema });
  for (const batch of obs.batches) await writer.obsFeatures.write(batch);
  await writer.obsFeatures.endBlock();
  const name = data.constructor.name.replace("Array", "").toLowerCase();
  // The callers' arrays have the names of SCDL's types.
  const dtypes = { data: name as "float32", indices: "uint16", indptr: "uint32" } as const;
  await writer.commit({ nObs, nnz: data.length, dtypes });
  return directory;
}
