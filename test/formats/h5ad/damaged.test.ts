import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FormatError, isScdlError } from "../../../formats/common/errors.ts";
import { H5adFile } from "../../../formats/h5ad/index.ts";
import { annDataTree, frameTree, type Hdf5Tree, writeHdf5 } from "../../helpers/write-hdf5.ts";

const FIXTURES = path.resolve(import.meta.dirname, "../../../fixtures/h5ad");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "scdl-damaged-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** The error of opening the file and reading all of it. */
async function readAll(tree: Hdf5Tree): Promise<unknown> {
  const file = path.join(folder, "damaged.h5ad");
  await writeHdf5(file, tree);
  try {
    await using opened = await H5adFile.open(file);
    for (const name of opened.matrixNames) {
      for await (const block of opened.matrix(name).rowBlocks())
        expect(block.rowEnd).toBeGreaterThan(0);
    }
    await opened.obs();
    await opened.var();
    await opened.uns();
    return null;
  } catch (error) {
    return error;
  }
}

const text = (value: string): Hdf5Tree => ({ data: [value] });
const shape = (rows: bigint, columns: bigint): Hdf5Tree => ({
  attributes: { "encoding-type": "csr_matrix", shape: BigInt64Array.of(rows, columns) },
  members: {
    data: { data: Float32Array.of(1) },
    indices: { data: Int32Array.of(0) },
    indptr: { data: Int32Array.of(0, 1, 1) },
  },
});
const category = (codes: Int8Array): Hdf5Tree => ({
  attributes: { "encoding-type": "categorical", "encoding-version": "0.2.0", ordered: 0 },
  members: { codes: { data: codes }, categories: { data: ["a", "b"] } },
});

describe("a file whose parts contradict each other is a FormatError that says which", () => {
  it("reads the file that the other cases change", async () => {
    expect(await readAll(annDataTree())).toBe(null);
  });

  it.for<[string, string, string, Record<string, Hdf5Tree | null>]>([
    [
      "a column index past the last gene",
      "bad-index",
      "X/indices[1] is 3, expected 0 to 2",
      { "X/indices": { data: Int32Array.of(0, 3, 1) } },
    ],
    [
      "a negative column index",
      "bad-index",
      "X/indices[2] is -1, expected 0 to 2",
      { "X/indices": { data: Int32Array.of(0, 2, -1) } },
    ],
    [
      "a 64-bit column index past 2^32",
      "bad-index",
      "X/indices[0] is 4294967296",
      { "X/indices": { data: BigInt64Array.of(4294967296n, 0n, 0n) } },
    ],
    [
      "row pointers that go down",
      "bad-indptr",
      "X/indptr[2] is 1, expected 2 to 3",
      {
        X: {
          attributes: { "encoding-type": "csr_matrix", shape: BigInt64Array.of(3n, 3n) },
          members: {
            data: { data: Float32Array.of(1, 2, 3) },
            indices: { data: Int32Array.of(0, 1, 2) },
            indptr: { data: Int32Array.of(0, 2, 1, 3) },
          },
        },
        obs: frameTree(["a", "b", "c"]),
      },
    ],
    [
      "row pointers past the values",
      "bad-indptr",
      "ends at 9, there are 3 values",
      { "X/indptr": { data: Int32Array.of(0, 2, 9) } },
    ],
    [
      "row pointers past 2^53",
      "bad-indptr",
      "ends at 9007199254740992",
      { "X/indptr": { data: BigInt64Array.of(0n, 2n, 2n ** 53n) } },
    ],
    [
      "row pointers that do not begin at 0",
      "bad-indptr",
      "X/indptr[0] is 1, expected 0",
      { "X/indptr": { data: Int32Array.of(1, 2, 3) } },
    ],
    [
      "too few row pointers",
      "bad-indptr",
      "has 2 elements, expected 3",
      { "X/indptr": { data: Int32Array.of(0, 3) } },
    ],
    [
      "row pointers that are fractions",
      "wrong-type",
      "X/indptr holds float32",
      { "X/indptr": { data: Float32Array.of(0, 2, 3) } },
    ],
    [
      "values that are texts",
      "wrong-type",
      "X/data holds values of kind string",
      { "X/data": { data: ["a", "b", "c"] } },
    ],
    ["no indices", "missing-member", "/X/indices is missing", { "X/indices": null }],
    [
      "a matrix of another size than obs and var",
      "wrong-shape",
      "X is 2 x 4, expected 2 x 3",
      { X: shape(2n, 4n) },
    ],
    [
      "a matrix of hostile size",
      "bad-indptr",
      "X/indptr has 3 elements, expected 4503599627370497",
      { X: shape(4503599627370496n, 3n) },
    ],
    ["a negative size", "wrong-shape", "claims -2 x 3", { X: shape(-2n, 3n) }],
    [
      "three dimensions",
      "wrong-shape",
      "X has shape [1,2,3], expected a matrix",
      { X: { data: new Float32Array(6), shape: [1, 2, 3] } },
    ],
    ["no obs", "not-anndata", "expected obs and var, found X, var", { obs: null }],
    [
      "obs of numbers",
      "wrong-type",
      "/obs is a dataset, expected a data frame",
      { obs: { data: Float32Array.of(1, 2) } },
    ],
    [
      "a column that is not there",
      "missing-member",
      "/obs/ghost is missing",
      { obs: frameTree(["a", "b"], {}, ["ghost"]) },
    ],
    [
      "a column of another length",
      "wrong-shape",
      "column n of /obs has 3 rows, the index has 2",
      { obs: frameTree(["a", "b"], { n: { data: Int32Array.of(1, 2, 3) } }) },
    ],
    [
      "a category code past the categories",
      "bad-code",
      "has code 2, expected -1 to 1",
      { obs: frameTree(["a", "b"], { t: category(Int8Array.of(0, 2)) }) },
    ],
    [
      "a category code below -1",
      "bad-code",
      "has code -2, expected -1 to 1",
      { obs: frameTree(["a", "b"], { t: category(Int8Array.of(0, -2)) }) },
    ],
    [
      "an index that is a group",
      "wrong-type",
      "/obs/_index is a group",
      { "obs/_index": { members: {} } },
    ],
    [
      "obsm of another length",
      "wrong-shape",
      "/obsm/pca has 3 rows, expected 2",
      { obsm: { members: { pca: { data: new Float32Array(6), shape: [3, 2] } } } },
    ],
  ])("%s", async ([, code, message, changes]) => {
    const error = await readAll(annDataTree(changes));
    expect(isScdlError(error, code), String(error)).toBe(true);
    expect(error).toBeInstanceOf(FormatError);
    expect(String(error)).toContain(message);
    expect(String(error)).toContain("damaged.h5ad");
  });

  it("a group that contains itself ends", async () => {
    const deep = Array.from({ length: 40 }).reduce<Hdf5Tree>(
      (inner) => ({ members: { deeper: inner } }),
      text("end"),
    );
    const error = await readAll(annDataTree({ uns: { members: { deep } } }));
    expect(isScdlError(error, "too-deep"), String(error)).toBe(true);
  });

  it("a missing matrix names the ones there are and the option to choose one", async () => {
    const file = path.join(folder, "plain.h5ad");
    await writeHdf5(file, annDataTree());
    await using opened = await H5adFile.open(file);
    expect(() => opened.matrix("raw")).toThrow('no matrix "raw" (there is: X)');
    expect(() => opened.matrix("layers/counts")).toThrow("there is: X");
    await expect(opened.obs({ columns: ["nope"] })).rejects.toThrow('has no column "nope"');
  });

  it("a missing file and a folder are told apart", async () => {
    await expect(H5adFile.open(path.join(folder, "none.h5ad"))).rejects.toThrow("no such file");
    await expect(H5adFile.open(folder)).rejects.toThrow("expected a file, found a directory");
  });

  it("a file without any matrix says so, whichever is asked for", async () => {
    const file = path.join(folder, "no-matrix.h5ad");
    await writeHdf5(file, annDataTree({ X: null }));
    await using opened = await H5adFile.open(file);
    for (const name of ["raw", "X", "layers/x"]) {
      expect(() => opened.matrix(name)).toThrow("has no matrix (no X, no raw, no layers)");
    }
  });

  it("a name that is not UTF-8 is named", async () => {
    const bytes = fs.readFileSync(path.join(FIXTURES, "anndata-0.8.h5ad"));
    const at = bytes.indexOf("dense\0");
    for (const name of ["d\xffnse", "d\xe9nse", "dens\xe9"]) {
      bytes.write(name, at, "latin1");
      const file = path.join(folder, "bad-name.h5ad");
      fs.writeFileSync(file, bytes);
      const error: unknown = await H5adFile.open(file).catch((reason: unknown) => reason);
      expect(isScdlError(error, "bad-name"), String(error)).toBe(true);
      expect(String(error)).toMatch(
        / \/layers\/d.* is listed but not found: its name is not UTF-8/,
      );
    }
  });

  it("a file that is cut off or rewritten while it is read is noticed", async () => {
    const file = path.join(folder, "shrinking.h5ad");
    for (const damage of [
      (length: number) => fs.truncateSync(file, length >> 3),
      () => fs.truncateSync(file, 0),
      (length: number) => fs.writeFileSync(file, Buffer.alloc(length, 0xff)),
    ]) {
      fs.copyFileSync(path.join(FIXTURES, "demo.h5ad"), file);
      const { size } = fs.statSync(file);
      await using opened = await H5adFile.open(file);
      damage(size);
      const read = async () => {
        for await (const block of opened.matrix("X").rowBlocks()) expect(block.rowEnd).toBe(500);
      };
      const error: unknown = await read().catch((reason: unknown) => reason);
      expect(isScdlError(error), String(error)).toBe(true);
    }
  });

  it("an aborted opening rejects with the signal's reason", async () => {
    const file = path.join(folder, "plain.h5ad");
    await writeHdf5(file, annDataTree());
    const reason = new Error("stop");
    await expect(H5adFile.open(file, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const opening = H5adFile.open(file, { signal: controller.signal });
    controller.abort(reason);
    await expect(opening).rejects.toBe(reason);
  });
});
