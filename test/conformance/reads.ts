/** Row calls of the original and ours on one data set: dense rows, values, features, neighbours. */
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import type { Original } from "./original.ts";

type Value = string | number | boolean | null;

interface RowReads {
  readonly padded: readonly number[];
  readonly values: readonly number[];
  readonly stored: readonly (number | null)[];
  readonly var: Readonly<Record<string, readonly Value[]>>;
  readonly obs: Readonly<Record<string, Value>>;
}

interface NeighborReads {
  readonly indices: readonly number[];
  readonly weights: readonly number[];
  readonly first: number;
  readonly nextIndex: number;
  readonly next: readonly number[];
}

/** What `reads` of original_data_sets.py returns. */
interface Reads {
  readonly nValues: number;
  readonly nVars: readonly number[];
  readonly sparsity: number;
  readonly rows: readonly RowReads[];
  readonly neighbors?: readonly NeighborReads[];
  readonly stats?: Readonly<Record<string, number>>;
}

/** Rows, columns and values are compared for up to 12 rows and columns over the whole data set. */
export async function rowDifferences(
  original: Original,
  archive: string,
  neighbors: boolean,
): Promise<string[]> {
  using dataset = await SingleCellDataset.open(archive, { neighbors: { strategy: "first" } });
  const narrowest = Math.min(...dataset.varBlocks.map(({ nVars }) => nVars));
  const rows = spread(dataset.nObs);
  const columns = spread(narrowest);
  const request = { archive, rows, columns, neighbors };
  const theirs = (await original.ask("reads", request)) as Reads; // original_data_sets.py's dict
  const list = new Differences();
  list.compare("number of values", dataset.nValues, theirs.nValues);
  list.compare("sparsity", dataset.sparsity, theirs.sparsity);
  list.compare(
    "variables",
    dataset.varBlocks.map(({ nVars }) => nVars),
    theirs.nVars,
  );
  for (const [i, row] of rows.entries()) {
    const expected = theirs.rows[i] as RowReads;
    list.compare(`rowDense(${row})`, numbers(dataset.rowDense(row)), expected.padded);
    const values = columns.map((column) => Number(dataset.value(row, column)));
    list.compare(`values of row ${row}`, values, expected.values);
    const stored = columns.map((column) => orNull(dataset.storedValue(row, column)));
    list.compare(`stored values of row ${row}`, stored, expected.stored);
    for (const [name, cells] of Object.entries(expected.var)) {
      const table = await dataset.var([name], dataset.varBlockAt(row));
      list.compare(`var ${name} at row ${row}`, plain(table.getChild(name) ?? []), cells);
    }
    for (const [name, cell] of Object.entries(expected.obs)) {
      const column = await dataset.obsColumn(name);
      list.compare(`obs ${name} of row ${row}`, plain([column.at(row)]), [cell]);
    }
    const graph = theirs.neighbors?.[i];
    if (graph !== undefined) compareNeighbors(list, dataset, row, graph);
  }
  if (theirs.stats !== undefined) compareStats(list, dataset, theirs.stats);
  return list.found;
}

function compareNeighbors(
  list: Differences,
  dataset: SingleCellDataset,
  row: number,
  expected: NeighborReads,
): void {
  const { neighbors } = dataset;
  if (neighbors === null) {
    list.found.push("no neighbours");
    return;
  }
  list.compare(`neighbours of ${row}`, [...neighbors.indices(row)], expected.indices);
  list.compare(`weights of ${row}`, [...neighbors.weights(row)], expected.weights);
  list.compare(`first neighbour of ${row}`, neighbors.sample(row), expected.first);
  const pair = dataset.rowDenseWithNeighbor(row);
  list.compare(`nextIndex of ${row}`, pair.nextIndex, expected.nextIndex);
  list.compare(`row after ${row}`, numbers(pair.next), expected.next);
}

function compareStats(
  list: Differences,
  dataset: SingleCellDataset,
  expected: Readonly<Record<string, number>>,
): void {
  const stats = dataset.neighbors?.stats();
  const pairs = {
    totalConnections: "total_connections",
    minNeighborsPerCell: "min_neighbors_per_cell",
    maxNeighborsPerCell: "max_neighbors_per_cell",
    avgNeighborsPerCell: "avg_neighbors_per_cell",
    cellsWithNoNeighbors: "cells_with_no_neighbors",
  } as const;
  for (const [ours, theirs] of Object.entries(pairs)) {
    list.compare(ours, stats?.[ours as keyof typeof pairs], expected[theirs]);
  }
}

class Differences {
  readonly found: string[] = [];

  compare(what: string, ours: unknown, theirs: unknown): void {
    const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)];
    if (a !== b) {
      this.found.push(
        `${what}: expected ${String(b).slice(0, 80)}, found ${String(a).slice(0, 80)}`,
      );
    }
  }
}

/** Up to 12 numbers from 0 to count - 1, the first and the last among them. */
function spread(count: number): number[] {
  const step = Math.max(1, (count - 1) / 11);
  return Array.from({ length: Math.min(12, count) }, (_, i) => Math.floor(i * step));
}

function numbers(values: ArrayLike<number | bigint>): number[] {
  return Array.from(values, Number);
}

function orNull(value: number | bigint | null): number | null {
  return value === null ? null : Number(value);
}

/** Missing is null on both sides: the original turns nulls of numbers into NaN. */
function plain(values: Iterable<unknown>): unknown[] {
  return Array.from(values, (value) => {
    if (typeof value === "bigint") return Number(value);
    return typeof value === "number" && Number.isNaN(value) ? null : (value ?? null);
  });
}
