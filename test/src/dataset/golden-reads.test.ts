import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { NotFoundError } from "../../../formats/common/errors.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { loadBundle, unpack } from "../../helpers/bundle.ts";

interface ExpectedReads {
  readonly nValues: number;
  readonly sparsity: number;
  readonly padded: number[][];
  readonly values: number[][];
  readonly obs: Readonly<Record<string, unknown[]>>;
  readonly var: Readonly<Record<string, unknown[]>>;
  readonly neighbors?: {
    readonly indices: number[][];
    readonly weights: number[][];
    readonly first: number[];
    readonly stats: Readonly<Record<string, unknown>>;
    readonly next: number[][];
  };
}

/** What bionemo-scdl reads, see fixtures/generate/dataset_reads.py. */
const reads: Readonly<Record<string, ExpectedReads>> = JSON.parse(
  readFileSync(new URL("../../../fixtures/scdl/reads.json", import.meta.url), "utf8"),
);
const bundle = loadBundle("head");

/** The original hands out NaN for missing numbers; the fixture has null. */
function orNull(value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : Number.isNaN(value) ? null : value;
}

it("never joins its rows to the labels and neighbours of a data set that took its place", async () => {
  const folder = mkdtempSync(join(tmpdir(), "scdl-replaced-"));
  const path = join(folder, "data");
  const [name = ""] = Object.entries(reads).find(([, { neighbors }]) => neighbors) ?? [];
  cpSync(unpack(bundle, name), path, { recursive: true });
  cpSync(path, join(folder, "other"), { recursive: true });
  using asked = await SingleCellDataset.open(path);
  using dataset = await SingleCellDataset.open(path);
  const row = dataset.row(0);
  const draws = asked.neighbors?.sampleAll([0, 1]);
  renameSync(path, join(folder, "old"));
  renameSync(join(folder, "other"), path);

  expect(dataset.row(0)).toEqual(row);
  const [column] = Object.keys(reads[name]?.obs ?? {});
  await expect(dataset.obsColumn(column ?? "")).rejects.toMatchObject({ code: "file-changed" });
  await expect(dataset.obs()).rejects.toMatchObject({
    code: "file-changed",
    path: expect.stringMatching(/obs_features/),
  });
  await expect(dataset.var()).rejects.toMatchObject({
    code: "file-changed",
    path: expect.stringMatching(/var_features/),
  });
  expect(() => dataset.neighbors).toThrow(/data\.npy: .*replaced while open/);
  expect(asked.neighbors?.sampleAll([0, 1])).toEqual(draws);
  rmSync(folder, { recursive: true });
});

for (const [name, expected] of Object.entries(reads)) {
  for (const access of ["map", "read"] as const) {
    describe(`data set ${name} of bionemo-scdl, access ${access}`, () => {
      const open = () =>
        SingleCellDataset.open(unpack(bundle, name), { access, neighbors: { strategy: "first" } });

      it("has the values the original reads, sparse, padded and one by one", async () => {
        using dataset = await open();
        const archive = bundle.expected[name];
        expect(dataset.nObs).toBe(archive?.nObs);
        expect(dataset.nnz).toBe(archive?.nnz);
        expect(dataset.nValues).toBe(expected.nValues);
        expect(dataset.sparsity).toBeCloseTo(expected.sparsity, 12);
        expect(dataset.varBlocks.map((block) => block.nVars)).toEqual(archive?.columnDims);
        for (let row = 0; row < dataset.nObs; row++) {
          const { data, indices } = dataset.row(row);
          expect([Array.from(data, Number), [...indices]]).toEqual(archive?.rows[row]);
          expect(Array.from(dataset.rowDense(row), Number)).toEqual(expected.padded[row]);
          const values = Array.from({ length: 10 }, (_, column) => dataset.value(row, column));
          expect(values).toEqual(expected.values[row]);
        }
      });

      it("has the obs and var columns the original reads", async () => {
        using dataset = await open();
        expect((await dataset.obsColumns()).map((column) => column.name)).toEqual(
          Object.keys(expected.obs),
        );
        for (const [column, values] of Object.entries(expected.obs)) {
          const loaded = await dataset.obsColumn(column);
          const rows = values.map((_, row) => row);
          expect(loaded.gather(rows).map(orNull)).toEqual(values);
          expect(orNull(loaded.at(3))).toEqual(values[3]);
          expect(await dataset.obsColumn(column)).toBe(loaded);
        }
        const table = await dataset.obs(["donor", "n_counts"]);
        expect(table.schema.fields.map((field) => field.name)).toEqual(["donor", "n_counts"]);
        expect(Array.from(table.getChild("donor") ?? [])).toEqual(expected.obs["donor"]);
        const genes = await dataset.var();
        expect(genes.numRows).toBe(dataset.varBlocks[0]?.nVars);
        for (const [column, values] of Object.entries(expected.var)) {
          expect(Array.from(genes.getChild(column) ?? [], orNull)).toEqual(values);
        }
      });

      const { neighbors } = expected;
      if (neighbors === undefined) return;

      it("has the neighbours the original reads", async () => {
        using dataset = await open();
        const found = dataset.neighbors;
        if (found === null) throw new Error("no neighbours");
        for (let row = 0; row < dataset.nObs; row++) {
          expect([...found.indices(row)]).toEqual(neighbors.indices[row]);
          expect([...found.weights(row)]).toEqual(neighbors.weights[row]);
          expect(found.sample(row)).toBe(neighbors.first[row]);
          expect([...dataset.rowDenseWithNeighbor(row).next].map(Number)).toEqual(
            neighbors.next[row],
          );
        }
        expect({
          has_neighbors: true,
          total_connections: found.stats().totalConnections,
          min_neighbors_per_cell: found.stats().minNeighborsPerCell,
          max_neighbors_per_cell: found.stats().maxNeighborsPerCell,
          avg_neighbors_per_cell: found.stats().avgNeighborsPerCell,
          cells_with_no_neighbors: found.stats().cellsWithNoNeighbors,
        }).toEqual(neighbors.stats);
      });
    });
  }
}

describe("columns of a data set", () => {
  it("are categories for repeated text, numbers with a mask, lists for the rest", async () => {
    using dataset = await SingleCellDataset.open(unpack(bundle, "abc"));
    const kinds: Record<string, string> = {};
    for (const { name } of await dataset.obsColumns()) {
      kinds[name] = (await dataset.obsColumn(name)).kind;
    }
    expect(kinds).toEqual({
      cell_type: "categorical",
      n_counts: "numeric",
      score: "numeric",
      is_primary: "list",
      donor: "categorical",
    });
    const types = await dataset.obsColumn("cell_type");
    if (types.kind !== "categorical") throw new Error("expected categories");
    expect(types.categories).toEqual(["B cell", "T cell", "mür"]);
    expect([...types.gatherCodes([1, 3, 0])]).toEqual([-1, 2, 0]);
    expect(() => types.at(19)).toThrow(/row 19 does not exist/);
    const counts = await dataset.obsColumn("n_counts");
    if (counts.kind !== "numeric") throw new Error("expected numbers");
    expect(counts.values).toBeInstanceOf(Int32Array);
  });

  it("that do not exist give an error that lists those there are", async () => {
    using dataset = await SingleCellDataset.open(unpack(bundle, "a"));
    await expect(dataset.obsColumn("celltype")).rejects.toThrow(NotFoundError);
    await expect(dataset.obsColumn("celltype")).rejects.toThrow(/cell_type, n_counts, score/);
    await expect(dataset.obs(["nothing"])).rejects.toThrow(/"nothing".*cell_type/);
    await expect(dataset.varIds()).rejects.toThrow(/var_feature_id.*gene_symbol/);
    await expect(dataset.var(undefined, 1)).rejects.toThrow(/var block 1 does not exist/);
  });
});

describe("legacy and damaged data sets", () => {
  it("open with a warning and read the right rows although the header is wrong", async () => {
    for (const [name, rows] of [
      ["stale-header-cast", 8],
      ["stale-header-concat", 13],
      ["empty", 3],
    ] as const) {
      const warnings: string[] = [];
      using dataset = await SingleCellDataset.open(unpack(bundle, name), {
        onWarning: (warning) => warnings.push(warning),
      });
      expect(dataset.nObs).toBe(rows);
      expect(warnings.length).toBeGreaterThan(0);
      dataset.slice(0, dataset.nObs);
      if (name === "empty") continue;
      for (let row = 0; row < 8; row++) {
        expect(Array.from(dataset.row(row).data, Number)).toEqual(
          bundle.expected["a"]?.rows[row]?.[0],
        );
      }
    }
  });

  it("that are missing say so", async () => {
    await expect(SingleCellDataset.open("/nowhere/at/all")).rejects.toThrow(NotFoundError);
  });
});
