import path from "node:path";
import { describe, expect, it } from "vitest";
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { validateCsr } from "../../../formats/csr/csr-matrix.ts";
import { DatasetCollection } from "../../../src/dataset/dataset-collection.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { loadBundle, temporaryDirectory, unpack } from "../../helpers/bundle.ts";
import { type RawArchiveContent, writeRawArchive } from "../../helpers/raw-archive.ts";

const bundle = loadBundle("head");

function member(content: Partial<RawArchiveContent>): SingleCellDataset {
  const directory = path.join(temporaryDirectory(), "member");
  return SingleCellDataset.fromArchive(
    writeRawArchive(directory, {
      dtypes: { data: "float32", indices: "uint8", indptr: "uint8" },
      data: Float32Array.of(1.5, 2.5),
      indices: Uint8Array.of(0, 1),
      indptr: Uint8Array.of(0, 1, 1, 2),
      nVars: 2,
      ...content,
    }),
  );
}

describe("DatasetCollection", () => {
  it("is one row space that equals the concatenation the original makes", async () => {
    using collection = await DatasetCollection.open(["a", "b", "c"].map((n) => unpack(bundle, n)));
    using joined = await SingleCellDataset.open(unpack(bundle, "abc"));
    expect(collection.shape).toEqual([19, 300]);
    expect(collection.shape).toEqual(joined.shape);
    expect([collection.nnz, collection.nValues]).toEqual([joined.nnz, joined.nValues]);
    expect(collection.sparsity).toBe(joined.sparsity);
    const order = [18, 0, 8, 13, 3, 14, 7, 0, 12];
    const batch = collection.rows(order);
    validateCsr(batch, { path: "batch" });
    expect(batch).toEqual(joined.rows(order));
    for (const row of order) {
      expect(collection.nVarsAt(row)).toBe(joined.nVarsAt(row));
      expect(collection.rowDense(row)).toEqual(joined.rowDense(row));
      expect(collection.value(row, 3)).toBe(joined.value(row, 3));
    }
    for (const name of ["cell_type", "n_counts", "score", "is_primary"]) {
      const columns = await Promise.all([collection.obsColumn(name), joined.obsColumn(name)]);
      const [ours, theirs] = columns.map((column) => column.gather(order));
      expect(ours).toEqual(theirs);
    }
  });

  it("keeps var blocks of members, shifted to its own rows", async () => {
    using collection = await DatasetCollection.open(["a", "abc"].map((n) => unpack(bundle, n)));
    expect(
      collection.varBlocks.map(({ rowBegin, rowEnd, nVars }) => [rowBegin, rowEnd, nVars]),
    ).toEqual([
      [0, 8, 10],
      [8, 22, 10],
      [22, 27, 300],
    ]);
    expect([0, 8, 26].map((row) => collection.varBlockAt(row))).toEqual([0, 1, 2]);
    expect(collection.rows([0, 8]).shape).toEqual([2, 10]);
  });

  it("gathers into reused buffers in the common types of its members", () => {
    using collection = new DatasetCollection([
      member({}),
      member({
        dtypes: { data: "uint16", indices: "uint16", indptr: "uint8" },
        data: Uint16Array.of(65_535, 7),
        indices: Uint16Array.of(300, 4),
        nVars: 400,
      }),
    ]);
    expect(collection.dtypes).toEqual({ data: "float32", indices: "uint16" });
    const out = collection.createBuffers();
    expect(collection.gather([3, 0, 1, 5, 2], out)).toEqual({ rows: 5, nnz: 4 });
    expect([...out.indptr.slice(0, 6)]).toEqual([0, 1, 2, 2, 3, 4]);
    expect([...out.data.slice(0, 4)]).toEqual([65_535, 1.5, 7, 2.5]);
    expect([...out.indices.slice(0, 4)]).toEqual([300, 0, 4, 1]);
    const { data } = out;
    collection.gather([5, 4], out);
    expect(out.data).toBe(data);
  });

  it("finds common types that hold every value, and refuses where there is none", () => {
    const of = (data: "uint8" | "uint32" | "uint64" | "float32") => {
      const array = { uint8: Uint8Array, uint32: Uint32Array, float32: Float32Array };
      return member({
        dtypes: { data, indices: "uint8", indptr: "uint8" },
        data: data === "uint64" ? BigUint64Array.of(1n, 2n) : array[data].of(1, 2),
      });
    };
    const common = (...types: Parameters<typeof of>[0][]) => {
      using collection = new DatasetCollection(types.map(of));
      expect(Array.from(collection.rows([0, 2, 3]).data, Number)).toEqual([1, 2, 1]);
      return collection.dtypes.data;
    };
    expect(common("uint8", "uint32")).toBe("uint32");
    expect(common("uint8", "float32")).toBe("float32");
    expect(common("uint32", "float32")).toBe("float64");
    expect(common("uint8", "uint64")).toBe("uint64");
    expect(() => common("float32", "uint64")).toThrow(IncompatibleError);
  });

  it("names a row that does not exist, and needs at least one member", async () => {
    using collection = new DatasetCollection([member({}), member({})]);
    expect(() => collection.rows([0, 6])).toThrow(InvalidArgumentError);
    expect(() => collection.row(6)).toThrow(/row 6 does not exist.*\(6 rows\)/);
    expect(() => new DatasetCollection([])).toThrow(/at least one data set/);
    await expect(DatasetCollection.open([unpack(bundle, "a"), "/nowhere"])).rejects.toThrow(
      /nowhere/,
    );
  });

  it("is written as one data set with the same rows, and so are concat, save and cast", async () => {
    using collection = await DatasetCollection.open(["a", "b", "c"].map((n) => unpack(bundle, n)));
    const root = temporaryDirectory();
    const everything = Array.from({ length: collection.nObs }, (_, row) => row);
    const [first, ...rest] = collection.members;
    if (first === undefined) throw new Error("no members");
    await collection.save(`${root}/flat`);
    await first.concat(rest, { output: `${root}/joined` });
    for (const name of ["flat", "joined"]) {
      using written = await SingleCellDataset.open(`${root}/${name}`);
      expect(written.rows(everything)).toEqual(collection.rows(everything));
    }
    await first.save(`${root}/copy`);
    await first.cast("uint8", { output: `${root}/bytes` });
    using copy = await SingleCellDataset.open(`${root}/copy`);
    using bytes = await SingleCellDataset.open(`${root}/bytes`);
    expect(copy.slice(0, 8)).toEqual(first.slice(0, 8));
    expect(bytes.dtypes.data).toBe("uint8");
    expect(Array.from(bytes.slice(0, 8).data, Number)).toEqual(
      Array.from(first.slice(0, 8).data, Number),
    );
  });

  it("skips members without rows", () => {
    const empty = { data: new Float32Array(0), indices: new Uint8Array(0) };
    using collection = new DatasetCollection([
      member({ ...empty, indptr: Uint8Array.of(0) }),
      member({}),
      member({ ...empty, indptr: Uint8Array.of(0) }),
      member({}),
    ]);
    expect(collection.nObs).toBe(6);
    expect([...collection.rows([5, 0]).data]).toEqual([2.5, 1.5]);
  });
});
