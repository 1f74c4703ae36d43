/** Parts of a report that rows of either kind of data set give. */
import type * as arrow from "apache-arrow";
import { plainValue } from "./columns.ts";
import { summarize } from "./distribution.ts";
import type { Distributions, RowSummary } from "./report.ts";
import type { RowTotals } from "./row-sample.ts";

/** Values of a row that `head` shows. */
const HEAD_VALUES = 10;

export function describeTotals(
  totals: RowTotals,
  totalRows: number,
): { readonly distributions: Distributions | null; readonly missing: string | null } {
  const { counts, genes } = totals.values();
  if (genes.length === 0) return { distributions: null, missing: "there are no rows" };
  if (counts.length === 0) return { distributions: null, missing: "no row has a finite sum" };
  return {
    distributions: {
      sampledRows: totals.rows,
      totalRows,
      nonFiniteCells: genes.length - counts.length,
      counts: summarize(counts),
      genes: summarize(genes),
    },
    missing: null,
  };
}

/** One row of a CSR block and of its obs table; the table's first column holds the ids. */
export function rowSummary(
  row: number,
  indices: ArrayLike<number>,
  data: ArrayLike<number | bigint>,
  begin: number,
  end: number,
  obs: arrow.Table | null,
  obsRow: number,
): RowSummary {
  const fields = obs?.schema.fields ?? [];
  const cells = fields.map(
    ({ name }, at) => [name, plainValue(obs?.getChildAt(at)?.get(obsRow))] as const,
  );
  const id = cells.find(
    ([name]) => name === (obs?.schema.metadata.get("index") ?? "obs_feature_id"),
  )?.[1];
  return {
    row,
    id: id === undefined || id === null ? null : String(id),
    nnz: end - begin,
    values: Array.from({ length: Math.min(HEAD_VALUES, end - begin) }, (_, i) => ({
      column: indices[begin + i] ?? 0,
      value: Number(data[begin + i]),
    })),
    obs: Object.fromEntries(cells),
  };
}
