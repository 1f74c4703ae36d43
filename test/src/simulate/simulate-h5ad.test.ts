import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Dataset, File as H5File, ready } from "h5wasm/node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvalidArgumentError, StorageError } from "../../../formats/common/errors.ts";
import { simulateH5ad } from "../../../src/simulate/simulate-h5ad.ts";

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "scdl-simulate-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

async function values(file: string, names: readonly string[]): Promise<unknown[]> {
  await ready;
  const h5 = new H5File(file, "r");
  try {
    return names.map((name) => {
      const set = h5.get(name) as Dataset; // the test names data sets it has just written
      return Array.from(set.value as ArrayLike<unknown>, (value) =>
        typeof value === "bigint" ? Number(value) : value,
      );
    });
  } finally {
    h5.close();
  }
}

describe("simulateH5ad", () => {
  it("writes csr counts whose totals are the obs and var columns", async () => {
    const output = path.join(directory, "a.h5ad");
    const result = await simulateH5ad({ output, nObs: 700, nVars: 90, nnzPerCell: 20, seed: 4 });
    const [indptr, indices, data, nCounts, nGenes, nCells, index] = (await values(output, [
      "raw/X/indptr",
      "raw/X/indices",
      "raw/X/data",
      "obs/n_counts",
      "obs/n_genes",
      "raw/var/n_cells",
      "obs/_index",
    ])) as [number[], number[], number[], number[], number[], number[], string[]];
    expect(indptr).toHaveLength(701);
    expect(indptr[700]).toBe(result.nnz);
    expect(data).toHaveLength(result.nnz);
    expect(data.every((value) => Number.isInteger(value) && value >= 1)).toBe(true);
    const cells = new Array<number>(90).fill(0);
    for (let row = 0; row < 700; row++) {
      const genes = indices.slice(indptr[row], indptr[row + 1]);
      expect(genes).toEqual([...genes].sort((a, b) => a - b));
      expect(new Set(genes).size).toBe(genes.length);
      for (const gene of genes) cells[gene] = (cells[gene] ?? 0) + 1;
      expect(nGenes[row]).toBe(genes.length);
      const total = data.slice(indptr[row], indptr[row + 1]).reduce((a, b) => a + b, 0);
      expect(nCounts[row]).toBe(total);
    }
    expect(nCells).toEqual(cells);
    expect(index[699]).toBe("CELL-000699");
  });

  it("gives the same values for the same seed, compressed or not", async () => {
    const names = ["X/data", "X/indices", "obs/cell_type/codes"];
    const common = { nObs: 40, nVars: 60, matrix: "X", dtype: "uint16", seed: 9 } as const;
    const files = ["a", "b"].map((name) => path.join(directory, `${name}.h5ad`));
    await simulateH5ad({ ...common, output: files[0] ?? "", gzip: null });
    await simulateH5ad({ ...common, output: files[1] ?? "", gzip: 6 });
    expect(await values(files[0] ?? "", names)).toEqual(await values(files[1] ?? "", names));
  });

  it("refuses an existing file unless told to overwrite it", async () => {
    const output = path.join(directory, "a.h5ad");
    fs.writeFileSync(output, "mine");
    const options = { output, nObs: 3, nVars: 10 };
    await expect(simulateH5ad(options)).rejects.toThrow(StorageError);
    expect(fs.readFileSync(output, "utf8")).toBe("mine");
    await simulateH5ad({ ...options, overwrite: true });
    expect(fs.readdirSync(directory)).toEqual(["a.h5ad"]);
  });

  it("leaves nothing behind when aborted", async () => {
    const stop = new AbortController();
    const output = path.join(directory, "a.h5ad");
    const running = simulateH5ad({
      output,
      nObs: 1e6,
      nVars: 2000,
      signal: stop.signal,
      onProgress: ({ rows }) => {
        if (rows > 0) stop.abort(new Error("enough"));
      },
    });
    await expect(running).rejects.toThrow("enough");
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  it("names the argument that is wrong", async () => {
    const output = path.join(directory, "a.h5ad");
    await expect(simulateH5ad({ output, nObs: 0, nVars: 10 })).rejects.toThrow(
      "nObs must be an integer of 1 to",
    );
    await expect(simulateH5ad({ output, nObs: 5, nVars: 10, nnzPerCell: 10 })).rejects.toThrow(
      InvalidArgumentError,
    );
  });
});
