import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  FormatError,
  InvalidArgumentError,
  isScdlError,
  NotFoundError,
} from "../../../formats/common/errors.ts";
import { toDense, validateCsr } from "../../../formats/csr/csr-matrix.ts";
import { DatasetCollection } from "../../../src/dataset/dataset-collection.ts";
import { GatherBuffers } from "../../../src/dataset/gather-buffers.ts";
import {
  type OpenDatasetOptions,
  SingleCellDataset,
} from "../../../src/dataset/single-cell-dataset.ts";
import { type RawArchiveContent, writeRawArchive } from "../../helpers/raw-archive.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "scdl-dataset-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));
let made = 0;
const write = (content: RawArchiveContent) =>
  writeRawArchive(path.join(directory, String(made++)), content);

/** 4 x 10: an empty row, unsorted and repeated columns, an explicit zero. */
const SMALL: RawArchiveContent = {
  dtypes: { data: "float32", indices: "uint8", indptr: "uint8" },
  data: Float32Array.of(1, 2, 3, 4, 0, 5, 6),
  indices: Uint8Array.of(0, 9, 5, 2, 7, 2, 4),
  indptr: Uint8Array.of(0, 2, 2, 6, 7),
  nVars: 10,
};

function caught(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

for (const access of ["map", "read"] as const) {
  describe(`SingleCellDataset, access ${access}`, () => {
    const open = (content: RawArchiveContent) =>
      SingleCellDataset.fromArchive(write(content), { access });

    it("counts cells, variables, stored values and sparsity", () => {
      using dataset = open(SMALL);
      expect(dataset.shape).toEqual([4, 10]);
      expect(dataset.nnz).toBe(7);
      expect(dataset.nValues).toBe(40);
      expect(dataset.sparsity).toBe(33 / 40);
      expect(dataset.dtypes).toEqual(SMALL.dtypes);
    });

    it("gives a row as it is stored, empty rows included", () => {
      using dataset = open(SMALL);
      expect(dataset.row(0)).toEqual({
        data: Float32Array.of(1, 2),
        indices: Uint8Array.of(0, 9),
      });
      expect(dataset.row(1).data.length).toBe(0);
      expect([...dataset.row(2).indices]).toEqual([5, 2, 7, 2]);
    });

    it("gives rows in the order asked, with repeats", () => {
      using dataset = open(SMALL);
      const rows = dataset.rows([3, 0, 1, 3]);
      expect(rows.shape).toEqual([4, 10]);
      expect([...rows.indptr]).toEqual([0, 1, 3, 3, 4]);
      expect(rows.data).toEqual(Float32Array.of(6, 1, 2, 6));
      expect(rows.indices).toEqual(Uint8Array.of(4, 0, 9, 4));
      validateCsr(rows, { path: "rows" });
      expect(dataset.rows([]).indptr).toEqual(Float64Array.of(0));
    });

    it("refuses rows that do not exist, naming the row and the number of rows", () => {
      using dataset = open(SMALL);
      for (const row of [-1, 4, 1.5, Number.NaN, 2 ** 40]) {
        const error = caught(() => dataset.row(row));
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(String(error)).toContain(`row ${row} does not exist`);
        expect(String(error)).toContain("(4 rows)");
        expect(() => dataset.rows([0, row])).toThrow(InvalidArgumentError);
        expect(() => dataset.rowDense(row)).toThrow(InvalidArgumentError);
      }
      expect(caught(() => dataset.row(-1))).toMatchObject({
        suggestions: ["rows are not counted from the end: use 3"],
      });
      expect(() => dataset.slice(2, 5)).toThrow(/rows \[2, 5\) are not inside \[0, 4\)/);
    });

    it("gathers into buffers of the caller and writes only their front", () => {
      using dataset = open(SMALL);
      const out = {
        data: new Float32Array(6).fill(-1),
        indices: new Uint8Array(6).fill(255),
        indptr: new Float64Array(5).fill(-1),
      };
      expect(dataset.gather([2, 3], out)).toEqual({ rows: 2, nnz: 5 });
      expect([...out.indptr]).toEqual([0, 4, 5, -1, -1]);
      expect([...out.data]).toEqual([3, 4, 0, 5, 6, -1]);
      expect([...out.indices]).toEqual([5, 2, 7, 2, 4, 255]);
    });

    it("says how much room a gather needs, and writes nothing when there is too little", () => {
      using dataset = open(SMALL);
      expect(dataset.gatherCapacity([2, 0])).toEqual({ rows: 2, nnz: 6 });
      const out = {
        data: new Float32Array(5),
        indices: new Uint8Array(6),
        indptr: new Float64Array(3),
      };
      expect(() => dataset.gather([2, 0], out)).toThrow(
        /out.data has room for 5 elements, 6 are needed for 2 rows/,
      );
      expect(() => dataset.gather([1, 1, 1], out)).toThrow(
        /out.indptr has room for 3 elements, 4 are needed/,
      );
      expect([...out.data]).toEqual([0, 0, 0, 0, 0]);
    });

    it("grows gather buffers when needed and reuses them otherwise", () => {
      using dataset = open(SMALL);
      const out = dataset.createBuffers();
      expect(dataset.gather([2], out)).toEqual({ rows: 1, nnz: 4 });
      const { data, indices } = out;
      for (let i = 0; i < 100; i++) dataset.gather([i % 4], out);
      expect(out.data).toBe(data);
      expect(out.indices).toBe(indices);
      dataset.gather([2, 2, 0], out);
      expect(out.data).not.toBe(data);
      expect([...out.data.slice(0, 10)]).toEqual([3, 4, 0, 5, 3, 4, 0, 5, 1, 2]);
    });

    it("allocates no memory for values once its buffers fit", () => {
      const nObs = 2_000;
      using dataset = open({
        dtypes: { data: "float32", indices: "uint16", indptr: "uint32" },
        data: new Float32Array(nObs * 500),
        indices: new Uint16Array(nObs * 500),
        indptr: Uint32Array.from({ length: nObs + 1 }, (_, row) => row * 500),
        nVars: 600,
      });
      const out = dataset.createBuffers();
      const rows = Uint32Array.from({ length: 64 }, (_, i) => (i * 37) % nObs);
      // The first calls map the files and read the row pointers.
      for (let i = 0; i < 50; i++) dataset.gather(rows, out);
      const before = process.memoryUsage().arrayBuffers;
      for (let i = 0; i < 200; i++) dataset.gather(rows, out);
      // 200 batches of 192 KB; collecting garbage can only make the difference smaller.
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(0);
    });

    it("gathers into wider types and refuses types that would round", () => {
      using dataset = open(SMALL);
      const out = new GatherBuffers({ data: "float64", indices: "uint32" });
      dataset.gather([2, 0], out);
      expect([...out.data.slice(0, 6)]).toEqual([3, 4, 0, 5, 1, 2]);
      expect([...out.indices.slice(0, 6)]).toEqual([5, 2, 7, 2, 0, 9]);
      const narrow = { ...out, data: new Uint8Array(6), indices: new Uint8Array(6) };
      expect(() => dataset.gather([2], { ...narrow, indptr: new Float64Array(2) })).toThrow(
        /out.data is a Uint8Array, expected Float32Array or Float64Array/,
      );
    });

    it("gives dense rows: zeros filled in, the last of repeated columns", () => {
      using dataset = open(SMALL);
      expect([...dataset.rowDense(2)]).toEqual([0, 0, 5, 0, 0, 3, 0, 0, 0, 0]);
      const out = new Float32Array(20).fill(9);
      dataset.rowsDense([1, 3], out);
      expect([...out.slice(0, 10)]).toEqual(Array(10).fill(0));
      expect([...out.slice(10)]).toEqual([0, 0, 0, 0, 6, 0, 0, 0, 0, 0]);
    });

    it("finds single values in rows with unsorted columns", () => {
      using dataset = open(SMALL);
      expect(dataset.value(2, 5)).toBe(3);
      expect(dataset.value(2, 2)).toBe(5);
      expect(dataset.value(2, 3)).toBe(0);
      expect(dataset.storedValue(2, 7)).toBe(0);
      expect(dataset.storedValue(2, 3)).toBeNull();
      expect(() => dataset.value(2, 10)).toThrow(/column 10 does not exist/);
    });

    it("streams all rows in blocks that reuse their buffers", () => {
      using dataset = open(SMALL);
      const seen: number[] = [];
      const buffers = new Set<ArrayBufferLike>();
      for (const block of dataset.rowBlocks({ blockBytes: 1 })) {
        validateCsr(block, { path: "block" });
        seen.push(...(block.data as Float32Array));
        buffers.add(block.indptr.buffer);
      }
      expect(seen).toEqual([...(SMALL.data as Float32Array)]);
      expect(buffers.size).toBe(1);
    });

    it("widens float16 and keeps uint64 exact", () => {
      using half = open({
        ...SMALL,
        dtypes: { ...SMALL.dtypes, data: "float16" },
        data: Uint16Array.of(0x3c00, 0x4000, 0x7bff, 1, 0, 0x8000, 0xfc00),
      });
      expect([...(half.rows([0, 2, 3]).data as Float32Array)]).toEqual([
        1,
        2,
        65504,
        2 ** -24,
        0,
        -0,
        Number.NEGATIVE_INFINITY,
      ]);
      using wide = open({
        ...SMALL,
        dtypes: { data: "uint64", indices: "uint64", indptr: "uint64" },
        data: BigUint64Array.of(1n, 2n ** 63n, 3n, 4n, 5n, 6n, 7n),
        indices: BigUint64Array.of(0n, 9n, 5n, 2n, 7n, 2n, 4n),
        indptr: BigUint64Array.of(0n, 2n, 2n, 6n, 7n),
      });
      expect(wide.row(0)).toEqual({
        data: BigUint64Array.of(1n, 2n ** 63n),
        indices: Uint32Array.of(0, 9),
      });
      expect(wide.value(0, 9)).toBe(2n ** 63n);
      expect(wide.value(0, 8)).toBe(0n);
      expect(wide.rowDense(0)[9]).toBe(2n ** 63n);
    });

    it("pads the rows of smaller var blocks", () => {
      using dataset = open({
        ...SMALL,
        indices: Uint8Array.of(0, 1, 5, 2, 7, 2, 4),
        varBlocks: [
          { rowBegin: 0, rowEnd: 2, nVars: 2, label: "a" },
          { rowBegin: 2, rowEnd: 4, nVars: 8, label: "b" },
        ],
      });
      expect(dataset.nValues).toBe(20);
      expect([dataset.nVarsAt(1), dataset.nVarsAt(2), dataset.varBlockAt(3)]).toEqual([2, 8, 1]);
      expect(dataset.rowDense(0).length).toBe(2);
      expect(dataset.rows([0, 1]).shape).toEqual([2, 2]);
      expect([...dataset.rowsDense([0, 3], new Float32Array(16).fill(9))]).toEqual([
        1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0,
      ]);
    });

    it("reads the same whether row pointers are cached or not", () => {
      const nObs = 1_000;
      const indptr = BigUint64Array.from({ length: nObs + 1 }, (_, i) => BigInt(i));
      const content: RawArchiveContent = {
        dtypes: { data: "float32", indices: "uint16", indptr: "uint64" },
        data: Float32Array.from({ length: nObs }, (_, i) => i),
        indices: new Uint16Array(nObs),
        indptr,
        nVars: 1,
      };
      const archive = write(content);
      using cached = SingleCellDataset.fromArchive(archive, { access });
      using tight = SingleCellDataset.fromArchive(archive, { access, memoryBudgetBytes: 100 });
      const rows = Uint32Array.from({ length: nObs }, (_, i) => (i * 7) % nObs);
      cached.row(5);
      expect(cached.isRowPointerCached).toBe(false);
      expect(cached.rows(rows)).toEqual(tight.rows(rows));
      expect(cached.isRowPointerCached).toBe(true);
      expect(tight.isRowPointerCached).toBe(false);
      expect(toDense(cached.rows(rows), "float32")[10]).toBe(70);
    });

    it("turns damaged row pointers into an error that names the row", () => {
      for (const indptr of [
        Uint8Array.of(0, 3, 2, 6, 7),
        Uint8Array.of(0, 200, 2, 6, 7),
        Uint8Array.of(9, 2, 2, 6, 7),
      ]) {
        using dataset = open({ ...SMALL, indptr });
        const rows = [0, 1];
        expect(() => dataset.rows(rows)).toThrow(FormatError);
        expect(() => dataset.rows(rows)).toThrow(/row [01] is stored at \[\d+, \d+\)/);
      }
    });

    it("refuses damaged columns; gather() and those who decline the check get them as stored", () => {
      using dataset = open({ ...SMALL, indices: Uint8Array.of(0, 10, 5, 2, 7, 2, 4) });
      const buffers = dataset.createBuffers();
      dataset.gather([3, 0], buffers);
      expect([...buffers.indices.subarray(0, 3)]).toEqual([4, 0, 10]);
      const stored = [
        dataset.row(0, { validate: false }),
        dataset.slice(0, 1, { validate: false }),
        dataset.rows([0], { validate: false }),
        ...dataset.rowBlocks({ end: 1, validate: false }),
      ];
      expect(stored.map(({ indices }) => [...indices])).toEqual(Array(4).fill([0, 10]));
      for (const read of [
        () => dataset.row(0),
        () => dataset.rows([3, 0]),
        () => dataset.gather([3, 0], buffers, { validate: true }),
        () => dataset.slice(0, 2),
        () => [...dataset.rowBlocks()],
        () => new DatasetCollection([dataset]).rows([3, 0]),
        () => dataset.rowDense(0),
        () => dataset.rowsDense([3, 0]),
      ]) {
        const error = caught(read);
        expect(isScdlError(error, "column-out-of-range")).toBe(true);
        expect(String(error)).toMatch(/row 0 has column 10, expected below 10/);
      }
    });

    it("notices arrays that are shorter than the archive says, and files that shrank", () => {
      const archive = write(SMALL);
      const short = { ...archive, data: { ...archive.data, length: 8 } };
      expect(() => SingleCellDataset.fromArchive(short, { access })).toThrow(
        /expected 32 bytes \(8 elements of float32\), found 28/,
      );
      using dataset = SingleCellDataset.fromArchive(archive, { access });
      expect(dataset.row(3).data[0]).toBe(6);
      fs.truncateSync(archive.data.path, 8);
      for (const read of [() => dataset.row(3), () => dataset.rows([0, 3])]) {
        expect(isScdlError(caught(read), "file-changed")).toBe(true);
      }
    });

    it("reads from a directory and files without write permission", () => {
      const archive = write(SMALL);
      for (const file of fs.readdirSync(archive.directory)) {
        fs.chmodSync(path.join(archive.directory, file), 0o444);
      }
      fs.chmodSync(archive.directory, 0o555);
      const before = fs.statSync(archive.directory).mtimeMs;
      using dataset = SingleCellDataset.fromArchive(archive, { access });
      expect(dataset.row(3).data[0]).toBe(6);
      expect(fs.statSync(archive.directory).mtimeMs).toBe(before);
      fs.chmodSync(archive.directory, 0o755);
    });

    it("throws a typed error after close", () => {
      const dataset = open(SMALL);
      dataset.close();
      dataset.close();
      for (const read of [
        () => dataset.row(0),
        () => dataset.rows([0]),
        () => dataset.slice(0, 1),
        () => dataset.neighbors,
      ]) {
        expect(isScdlError(caught(read), "closed")).toBe(true);
      }
    });

    it("opens a matrix without rows and one without values", () => {
      const dtypes = { data: "float32", indices: "uint8", indptr: "uint8" } as const;
      const none = { dtypes, data: new Float32Array(0), indices: new Uint8Array(0), nVars: 3 };
      using empty = open({ ...none, indptr: Uint8Array.of(0) });
      expect([empty.shape, empty.sparsity, empty.rows([]).shape]).toEqual([[0, 3], 0, [0, 3]]);
      using zeros = open({ ...none, indptr: Uint8Array.of(0, 0, 0) });
      expect([...zeros.rowsDense([1, 0])]).toEqual([0, 0, 0, 0, 0, 0]);
      expect(zeros.sparsity).toBe(1);
    });
  });
}

describe("neighbours", () => {
  const content: RawArchiveContent = {
    ...SMALL,
    neighbors: {
      indptr: BigUint64Array.of(0n, 2n, 3n, 3n, 6n),
      indices: Uint32Array.of(1, 2, 0, 0, 1, 2),
      values: Float32Array.of(0.5, 1, 2, 3, 4, 5),
    },
  };
  const open = (neighbors = {}) => SingleCellDataset.fromArchive(write(content), { neighbors });

  it("gives neighbours, weights and counts of a cell", () => {
    using dataset = open();
    const neighbors = dataset.neighbors;
    expect([...(neighbors?.indices(3) ?? [])]).toEqual([0, 1, 2]);
    expect([...(neighbors?.weights(0) ?? [])]).toEqual([0.5, 1]);
    expect([0, 1, 2, 3].map((row) => neighbors?.count(row))).toEqual([2, 1, 0, 3]);
    expect(() => neighbors?.indices(4)).toThrow(/row of the neighbour matrix 4 does not exist/);
    expect(neighbors?.stats()).toEqual({
      totalConnections: 6,
      minNeighborsPerCell: 0,
      maxNeighborsPerCell: 3,
      avgNeighborsPerCell: 1.5,
      cellsWithNoNeighbors: 1,
    });
  });

  it("samples as a pure function of seed, row and draw, over all neighbours evenly", () => {
    using dataset = open({ seed: 7 });
    using again = open({ seed: 7 });
    using other = open({ seed: 8 });
    const draws = Array.from({ length: 3_000 }, (_, draw) => dataset.neighbors?.sample(3, draw));
    expect(Array.from({ length: 3_000 }, (_, draw) => again.neighbors?.sample(3, draw))).toEqual(
      draws,
    );
    expect(
      Array.from({ length: 3_000 }, (_, draw) => other.neighbors?.sample(3, draw)),
    ).not.toEqual(draws);
    for (const neighbor of [0, 1, 2]) {
      const share = draws.filter((drawn) => drawn === neighbor).length / 3_000;
      // Three standard deviations of a fair draw.
      expect(Math.abs(share - 1 / 3)).toBeLessThan(0.026);
    }
  });

  it("takes the first neighbour when told, and the cell itself when there is none", () => {
    using dataset = open({ strategy: "first" });
    expect([...(dataset.neighbors?.sampleAll([3, 2, 1, 0]) ?? [])]).toEqual([0, 2, 0, 1]);
    expect(dataset.rowWithNeighbor(3)).toEqual({
      currentIndex: 3,
      nextIndex: 0,
      current: dataset.row(3),
      next: dataset.row(0),
    });
    const alone = dataset.rowDenseWithNeighbor(2);
    expect(alone.nextIndex).toBe(2);
    expect(alone.next).toEqual(dataset.rowDense(2));
  });

  it("says that a data set has none", () => {
    using dataset = SingleCellDataset.fromArchive(write(SMALL));
    expect(dataset.neighbors).toBeNull();
    expect(() => dataset.rowWithNeighbor(0)).toThrow(NotFoundError);
  });

  it("turns a neighbour beyond the cells into an error", () => {
    const neighbors = { ...content.neighbors, indices: Uint32Array.of(1, 2, 0, 0, 1, 4) };
    using dataset = SingleCellDataset.fromArchive(
      // The spread keeps the other two arrays.
      write({ ...content, neighbors: neighbors as NonNullable<typeof content.neighbors> }),
    );
    expect(() => dataset.neighbors?.indices(3)).toThrow(/row 3 has neighbour 4, expected below 4/);
  });

  it("warns when neighbours cover fewer cells than the data set, whose others have none", () => {
    const warnings: string[] = [];
    const archive = write({
      ...content,
      neighbors: {
        indptr: BigUint64Array.of(0n, 2n),
        indices: Uint32Array.of(1, 2),
        values: Float32Array.of(1, 1),
      },
    });
    using dataset = SingleCellDataset.fromArchive(archive, { onWarning: (w) => warnings.push(w) });
    expect(dataset.neighbors?.count(3)).toBe(0);
    expect(dataset.neighbors?.stats().cellsWithNoNeighbors).toBe(3);
    expect(warnings.join()).toMatch(/neighbours of 1 cells, the data set has 4/);
  });
});

it.each([
  ["no directory", undefined, {}],
  ["an access that is none", "x.scdl", { access: "foo" }],
  ["a negative budget", "x.scdl", { memoryBudgetBytes: -1 }],
])("opening with %s is an InvalidArgumentError", async (_name, directory, options) => {
  // As plain JavaScript may call it.
  const opened = SingleCellDataset.open(directory as string, options as OpenDatasetOptions);
  await expect(opened).rejects.toBeInstanceOf(InvalidArgumentError);
});
