import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { inspectionText } from "../../../cli/inspect-text.ts";
import { inspect } from "../../../src/inspect/inspect.ts";

const DEMO = fileURLToPath(new URL("../../../fixtures/h5ad/demo.h5ad", import.meta.url));

/** What numpy says of raw.X of demo.h5ad. */
const DEMO_DISTRIBUTIONS = {
  sampledRows: 500,
  totalRows: 500,
  counts: {
    minimum: 9,
    lowerQuartile: 46,
    median: 63,
    upperQuartile: 83,
    maximum: 311,
    mean: 69.18,
    edges: [0, 50, 100, 150, 200, 250, 300, 350],
    bins: [152, 275, 61, 7, 3, 1, 1],
  },
  genes: { minimum: 8, lowerQuartile: 25, median: 29, upperQuartile: 36.25, mean: 31.006 },
};

describe("inspect an AnnData file", () => {
  test("reports the matrix a conversion takes, its sizes and its distributions", async () => {
    const report = await inspect(DEMO);
    expect(report).toMatchObject({
      format: "anndata",
      path: DEMO,
      nObs: 500,
      nVars: 200,
      nnz: 15_503,
      sparsity: 1 - 15_503 / 100_000,
      matrix: "raw",
      schemaVersion: "0.1.0",
      bytesOnDisk: 169_452,
      distributions: DEMO_DISTRIBUTIONS,
      head: [],
      verified: false,
      problems: [],
    });
    expect(report.matrices.map(({ name, encoding, dtype }) => [name, encoding, dtype])).toEqual([
      ["raw", "csr", "float32"],
      ["X", "csr", "float32"],
    ]);
  });

  test("describes obs and var with types and examples", async () => {
    const { obsColumns, varColumns } = await inspect(DEMO);
    expect(obsColumns.map(({ name, type }) => [name, type])).toEqual([
      ["_index", "string"],
      ["cell_type", "categorical of string"],
      ["donor", "categorical of string"],
      ["n_counts", "int64"],
      ["is_doublet", "bool"],
    ]);
    expect(obsColumns[1]?.examples).toEqual(["CD8 T cell", "NK cell", "monocyte"]);
    expect(varColumns[0]?.examples).toEqual([
      "ENSG00000000000",
      "ENSG00000000001",
      "ENSG00000000002",
    ]);
  });

  test("shows the first rows when asked", async () => {
    const { head } = await inspect(DEMO, { head: 2 });
    expect(head.length).toBe(2);
    expect(head[1]).toMatchObject({
      row: 1,
      id: "CELL0001-1",
      nnz: 26,
      obs: { cell_type: "NK cell", donor: "D3", n_counts: 41, is_doublet: false },
    });
    expect(head[1]?.values.slice(0, 3)).toEqual([
      { column: 2, value: 2 },
      { column: 10, value: 1 },
      { column: 16, value: 1 },
    ]);
  });

  test("verifies by reading every matrix and annotation, with progress", async () => {
    const done: number[] = [];
    const report = await inspect(DEMO, { verify: true, onProgress: (p) => done.push(p.done) });
    expect(report).toMatchObject({ verified: true, problems: [] });
    expect(done.at(-1)).toBe(1000);
  });
});

test("a file without a matrix has no values to count, and says so", async () => {
  const report = await inspect(DEMO.replace("demo.h5ad", "no-x.h5ad"));
  expect(report).toMatchObject({ nObs: 3, nVars: 2, nnz: null, sparsity: null, matrices: [] });
  const text = inspectionText(report);
  expect(text).toContain("matrices    none: no X, no raw, no layers\n");
  expect(text).not.toContain("sparsity");
});

test("a path that is not there is a NotFoundError that names it", async () => {
  await expect(inspect("/no/such/file.h5ad")).rejects.toMatchObject({
    name: "NotFoundError",
    message: "/no/such/file.h5ad: no such file or directory",
  });
});

test("a file that is neither HDF5 nor a data set is a FormatError", async () => {
  await expect(inspect(fileURLToPath(import.meta.url))).rejects.toMatchObject({
    name: "FormatError",
  });
});
