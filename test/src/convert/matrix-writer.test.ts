import fs from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { itemBytes, type ScdlDType } from "../../../formats/common/dtype.ts";
import { FormatError, PrecisionLossError } from "../../../formats/common/errors.ts";
import { H5adFile } from "../../../formats/h5ad/h5ad-file.ts";
import { DecodePool } from "../../../src/convert/decode-pool.ts";
import {
  copyRowPointers,
  decodeMatrix,
  locate,
  type MatrixTarget,
  streamMatrix,
} from "../../../src/convert/matrix-writer.ts";
import { RowPointerWriter } from "../../../src/convert/row-pointers.ts";

interface Expected {
  readonly data: readonly number[];
  readonly indices: readonly number[];
  readonly indptr: readonly number[];
  readonly same: readonly string[];
  readonly lossy: Readonly<
    Record<string, { row: number; column: number; casts: Readonly<Record<string, string>> }>
  >;
  readonly damaged: readonly string[];
}

const FIXTURES = path.resolve(import.meta.dirname, "../../../fixtures/convert");
const expected: Expected = JSON.parse(
  fs.readFileSync(path.join(FIXTURES, "expected.json"), "utf8"),
);

let directory: string;
let file: H5adFile;
let pool: DecodePool;
beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(process.env["TMPDIR"] ?? "/tmp", "scdl-matrix-"));
  const h5ad = path.join(directory, "matrices.h5ad");
  fs.writeFileSync(h5ad, gunzipSync(fs.readFileSync(path.join(FIXTURES, "matrices.h5ad.gz"))));
  file = await H5adFile.open(h5ad);
  pool = new DecodePool({ workers: 1 });
});
afterAll(async () => {
  await pool.close();
  await file.close();
  fs.rmSync(directory, { recursive: true });
});

interface Converted {
  readonly data: Buffer;
  readonly indices: Uint16Array;
  readonly indptr: Uint8Array;
  readonly wasLocated: boolean;
  readonly maxAbsDiff: number | null;
}

/** One layer through the same steps as a conversion; uint16 columns, uint8 row pointers. */
async function convertLayer(
  layer: string,
  options: {
    dtype?: ScdlDType;
    tolerance?: number;
    allowLossy?: boolean;
    taskElements?: number;
    stream?: boolean;
  } = {},
): Promise<Converted> {
  const dataDtype = options.dtype ?? "float32";
  const out = fs.mkdtempSync(path.join(directory, "out-"));
  const name = (kind: string) => path.join(out, kind);
  fs.writeFileSync(name("data"), "");
  fs.writeFileSync(name("indices"), "");
  const target: MatrixTarget = {
    dataPath: name("data"),
    indicesPath: name("indices"),
    dataDtype,
    colPtrDtype: "uint16",
    elementBegin: 0,
    tolerance: options.tolerance ?? 0,
    allowLossy: options.allowLossy ?? false,
  };
  const matrix = file.matrix(`layers/${layer}`);
  const rows = new RowPointerWriter(name("indptr"), "uint8");
  const located = options.stream ? null : await locate(matrix, options.taskElements ?? 50);
  let maxAbsDiff: number | null;
  if (located === null) {
    const signal = undefined;
    const streaming = { blockBytes: 600, signal, onBlock: () => {} };
    ({ maxAbsDiff } = await streamMatrix(file.path, matrix, target, rows, streaming));
  } else {
    const written = decodeMatrix(file.path, matrix, located, target, pool);
    written.catch(() => {});
    await copyRowPointers(matrix, rows, undefined);
    ({ maxAbsDiff } = await written);
  }
  rows.finish();
  const columns = fs.readFileSync(name("indices"));
  return {
    data: fs.readFileSync(name("data")),
    indices: new Uint16Array(columns.buffer, columns.byteOffset, columns.length / 2),
    indptr: fs.readFileSync(name("indptr")),
    wasLocated: located !== null,
    maxAbsDiff,
  };
}

const golden = Buffer.from(Float32Array.from(expected.data).buffer);
const nnz = expected.data.length;

describe("a matrix becomes the same arrays from every storage", () => {
  it.each(expected.same)("%s", async (layer) => {
    const { data, indices, indptr } = await convertLayer(layer);
    expect(data.equals(golden)).toBe(true);
    expect([...indices]).toEqual(expected.indices);
    expect([...indptr]).toEqual(expected.indptr);
  });

  it.each(["csr_float32", "big_endian", "int64_indices"])("%s by row blocks", async (layer) => {
    const { data, indices, indptr } = await convertLayer(layer, { stream: true });
    expect(data.equals(golden)).toBe(true);
    expect([...indices]).toEqual(expected.indices);
    expect([...indptr]).toEqual(expected.indptr);
  });

  it("decodes located chunks itself, and leaves csc, dense and unknown filters to row blocks", async () => {
    const located = ["csr_float32", "contiguous", "shuffle_fletcher", "lzf", "big_endian"];
    for (const layer of located) expect((await convertLayer(layer)).wasLocated, layer).toBe(true);
    for (const layer of ["csc", "dense", "scaleoffset"]) {
      expect((await convertLayer(layer)).wasLocated, layer).toBe(false);
    }
  });

  it("does not depend on how many elements one task holds", async () => {
    for (const taskElements of [1, 64, 65, nnz, 10 * nnz]) {
      const { data } = await convertLayer("csr_float64", { taskElements });
      expect(data.equals(golden), `${taskElements}`).toBe(true);
    }
  });

  it("has no values when nothing is stored", async () => {
    const { data, indptr } = await convertLayer("empty");
    expect(data.length).toBe(0);
    expect([...indptr]).toEqual(expected.indptr.map(() => 0));
  });
});

describe("the seven data types", () => {
  it.each(["uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"] as const)(
    "%s holds the counts exactly",
    async (dtype) => {
      const { data } = await convertLayer("csr_float32", { dtype });
      expect(data.length).toBe(nnz * itemBytes(dtype));
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      const read = {
        uint8: (i: number) => view.getUint8(i),
        uint16: (i: number) => view.getUint16(2 * i, true),
        uint32: (i: number) => view.getUint32(4 * i, true),
        uint64: (i: number) => Number(view.getBigUint64(8 * i, true)),
        // Counts below 100 have at most 7 significant bits: rebuilt from the bit pattern.
        float16: (i: number) => {
          const bits = view.getUint16(2 * i, true);
          return (1 + (bits & 0x3ff) / 1024) * 2 ** ((bits >> 10) - 15);
        },
        float32: (i: number) => view.getFloat32(4 * i, true),
        float64: (i: number) => view.getFloat64(8 * i, true),
      }[dtype];
      expect(expected.data.map((_, i) => read(i))).toEqual(expected.data);
    },
  );
});

describe("a value that the data type cannot hold", () => {
  const cases: readonly (readonly [layer: string, dtype: ScdlDType, message: string])[] = [
    ["fraction", "uint8", "value 0.5 has a fraction, uint8 has none"],
    ["negative", "uint16", "value -1 is negative, uint16 is not"],
    ["nan", "uint32", "value NaN has no uint32"],
    ["overflow", "uint16", "value 70000 is larger than uint16 holds"],
    ["overflow", "float16", "value 70000 is larger than float16 holds"],
    ["float32_overflow", "float32", "is larger than float32 holds"],
    ["large_integer", "float32", "value 16777217 is an integer that float32 would round"],
  ];
  it.each(cases)(
    "%s as %s is an error that names row, column and value",
    async (layer, dtype, message) => {
      const place = expected.lossy[layer];
      for (const stream of [false, true]) {
        const error: unknown = await convertLayer(layer, { dtype, stream }).catch(
          (caught) => caught,
        );
        expect(error).toBeInstanceOf(PrecisionLossError);
        expect(String(error)).toContain(message);
        expect(error).toMatchObject({ row: place?.row, column: place?.column });
      }
    },
  );

  it("is stored as numpy's cast with allowLossy, and the largest difference is reported", async () => {
    for (const [layer, dtype, difference] of [
      ["fraction", "uint8", 0.5],
      ["negative", "uint8", 256],
      ["overflow", "uint16", 65_536],
    ] as const) {
      for (const stream of [false, true]) {
        const options = { dtype, allowLossy: true, stream };
        const { data, maxAbsDiff } = await convertLayer(layer, options);
        expect(data.toString("hex")).toBe(expected.lossy[layer]?.casts[dtype]);
        expect(maxAbsDiff).toBe(difference);
      }
    }
  });

  it("is no loss within the tolerance, and a rounded fraction never is", async () => {
    const { data } = await convertLayer("fraction", { dtype: "uint8", tolerance: 0.5 });
    expect(data.toString("hex")).toBe(expected.lossy["fraction"]?.casts["uint8"]);
    const rounded = await convertLayer("rounded_fraction", { dtype: "float16" });
    expect(rounded.data.toString("hex")).toBe(expected.lossy["rounded_fraction"]?.casts["float16"]);
    expect(rounded.maxAbsDiff).toBeNull();
  });

  it("passes as NaN or infinity where the source has one", async () => {
    const { data } = await convertLayer("nan", { dtype: "float64" });
    expect(data.toString("hex")).toBe(expected.lossy["nan"]?.casts["float64"]);
  });
});

describe("damaged matrices", () => {
  it.each(expected.damaged)("%s is a FormatError that names the file", async (layer) => {
    for (const stream of [false, true]) {
      const error: unknown = await convertLayer(layer, { stream }).catch((caught) => caught);
      expect(error).toBeInstanceOf(FormatError);
      expect(String(error)).toContain(file.path);
    }
  });

  it("a column out of range names row and column", async () => {
    const row = expected.indptr.findLastIndex((begin) => begin <= 70);
    await expect(convertLayer("column_out_of_range")).rejects.toThrow(
      `layers/column_out_of_range: row ${row} has column 300, expected 0 to 299`,
    );
  });
});
