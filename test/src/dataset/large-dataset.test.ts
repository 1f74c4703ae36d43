import fs from "node:fs";
import { describe, expect, it } from "vitest";
import { ArchiveWriter } from "../../../formats/scdl/archive-writer.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { runProcess } from "../../helpers/run-process.ts";

const ROWS = 1_000_000;
const PER_ROW = 1_250;
/** Two rows far beyond 4 GiB have values; all others are zeros of a sparse file. */
const MARKED = [600_000, 999_999];

/** 10 GB, of which a few MB are on disk. */
async function writeLarge(root: string): Promise<string> {
  const output = `${root}/large.scdl`;
  const writer = ArchiveWriter.create(output);
  const sparse = (
    name: "data" | "indices",
    valuesOf: (row: number) => Float32Array | Uint32Array,
  ) => {
    const fd = fs.openSync(writer.pathOf(name), "w");
    fs.ftruncateSync(fd, ROWS * PER_ROW * 4);
    for (const row of MARKED) {
      const values = valuesOf(row);
      fs.writeSync(fd, values, 0, values.byteLength, row * PER_ROW * 4);
    }
    fs.closeSync(fd);
  };
  sparse("data", (row) => Float32Array.from({ length: PER_ROW }, (_, k) => row + k / 2));
  sparse("indices", () => Uint32Array.from({ length: PER_ROW }, (_, k) => k));
  const indptr = BigUint64Array.from({ length: ROWS + 1 }, (_, row) => BigInt(row * PER_ROW));
  fs.writeFileSync(writer.pathOf("indptr"), indptr);
  // Given, since reading 10 GB to compute them is not what is tested.
  const digest = { bytes: 0, crc32: 0 };
  await writer.commit({
    nObs: ROWS,
    nnz: ROWS * PER_ROW,
    dtypes: { data: "float32", indices: "uint32", indptr: "uint64" },
    checksums: new Map(
      ["data.npy", "col_ptr.npy", "row_ptr.npy"].map((name) => [name, digest] as const),
    ),
  });
  return output;
}

describe("a data set of 10 GB", () => {
  it("opens and gives rows beyond 4 GiB in 100 MiB of memory, 64 reads and 256 KiB", async () => {
    const directory = await writeLarge(temporaryDirectory());
    // The built package: stripping types takes 30 MiB of its own.
    const module = new URL("../../../dist/src/index.js", import.meta.url).href;
    const program = `
      import fs from "node:fs";
      import { SingleCellDataset } from ${JSON.stringify(module)};
      const io = (name) => !fs.existsSync("/proc/self/io") ? 0
        : Number(new RegExp(name + ": (\\\\d+)").exec(fs.readFileSync("/proc/self/io", "utf8"))[1]);
      const before = [io("syscr"), io("rchar")];
      const dataset = await SingleCellDataset.open(${JSON.stringify(directory)});
      const { data, indices } = dataset.row(999_999);
      const [reads, bytes] = [io("syscr") - before[0], io("rchar") - before[1]];
      console.log(JSON.stringify({ reads, bytes, first: data[0], last: data.at(-1), column: indices.at(-1),
        cached: dataset.isRowPointerCached, rssMiB: process.resourceUsage().maxRSS / 1024 }));`;
    const result = await runProcess(process.execPath, ["--input-type=module", "--eval", program]);
    expect(result.stderr).toBe("");
    const { rssMiB, reads, bytes, ...read } = JSON.parse(result.stdout) as Record<string, number>;
    expect(read).toEqual({ first: 999_999, last: 999_999 + 624.5, column: 1_249, cached: false });
    expect(rssMiB).toBeLessThan(100);
    // Nothing that grows with the rows: the row pointers alone are 8 MB.
    expect(reads).toBeLessThan(64);
    expect(bytes).toBeLessThan(2 ** 18);

    for (const access of ["map", "read"] as const) {
      using dataset = await SingleCellDataset.open(directory, { access });
      const rows = dataset.rows([999_999, 0, 600_000]);
      expect([0, 1_250, 2_500].map((k) => rows.data[k])).toEqual([999_999, 0, 600_000]);
      expect(rows.data[3_749]).toBe(600_000 + 624.5);
    }
  });
});
