import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { openArchive, type ScdlArchive } from "../../../formats/scdl/archive.ts";
import { ArrayScan, toNumbers } from "../../../formats/scdl/array-scan.ts";
import { convertH5ad } from "../../../src/convert/convert-h5ad.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { type Bundle, loadBundle, temporaryDirectory, unpack } from "../../helpers/bundle.ts";

const bundles = {
  head: loadBundle("head"),
  wheel: loadBundle("wheel"),
  legacy: loadBundle("legacy"),
};
const { head } = bundles;

async function open(directory: string) {
  const warnings: string[] = [];
  const archive = await openArchive(directory, {
    onWarning: (message) => warnings.push(message.replaceAll(directory, "DIR")),
  });
  return { archive, warnings };
}

/** Every row as [values, columns], read the slow way. */
function rowsOf(archive: ScdlArchive): [number[], number[]][] {
  const all = (file: ScdlArchive["indptr"]) => {
    using scan = new ArrayScan(file, Math.max(1, file.length));
    return Array.from(toNumbers(scan.next(), file.dtype, file.path));
  };
  const { data } = archive;
  const bytes = new Uint8Array(readFileSync(data.path));
  const values =
    data.dtype === "uint8" ? Array.from(bytes) : Array.from(new Float32Array(bytes.buffer));
  const columns = all(archive.indices);
  const pointers = all(archive.indptr);
  return pointers
    .slice(1)
    .map((end, i) => [values.slice(pointers[i], end), columns.slice(pointers[i], end)]);
}

const everyArchive = Object.entries(bundles).flatMap(([made, bundle]) =>
  Object.keys(bundle.expected).map((name) => [made, name, bundle] as const),
);

test.each(everyArchive)(
  "%s/%s holds what the original reads from it",
  async (_, name, bundle: Bundle) => {
    const expected = bundle.expected[name];
    const { archive } = await open(unpack(bundle, name));
    expect([archive.nObs, archive.nnz]).toEqual([expected?.nObs, expected?.nnz]);
    expect(archive.data.dtype).toBe(expected?.dtypes["data.npy"]);
    expect(archive.indices.dtype).toBe(expected?.dtypes["col_ptr.npy"]);
    expect(archive.indptr.dtype).toBe(expected?.dtypes["row_ptr.npy"]);
    expect(rowsOf(archive)).toEqual(expected?.rows);
    expect(archive.var?.cumulative.slice(1)).toEqual(expected?.cumulative.slice(1));
    expect(archive.varBlocks.map((block) => block.nVars)).toEqual(expected?.columnDims);
    // Labels that were paths are pickles, which are never loaded.
    const labels = name.endsWith("path-label") ? [null] : expected?.labels;
    expect(archive.var?.labels).toEqual(labels);
  },
);

test("what today's releases write opens without a warning", async () => {
  for (const [bundle, name] of [
    [head, "a"],
    [head, "uint8"],
    [bundles.wheel, "a"],
    [bundles.legacy, "0.1.2-a"],
  ] as const) {
    expect((await open(unpack(bundle, name))).warnings, name).toEqual([]);
  }
});

describe("legacy and wrong data sets open with a warning", () => {
  test.each([
    ["0.0.7-a", ["SCDL header missing at DIR/header.sch; continuing without header."]],
    ["0.1.2-abc", ["DIR/metadata.json: num_rows is 8, the data set has 19 rows"]],
    [
      "0.1.2-path-label",
      [
        "DIR/features/labels.npy: expected text, found a pickle, which is never loaded; labels left out",
      ],
    ],
  ])("%s", async (name, warnings) => {
    expect((await open(unpack(bundles.legacy, name))).warnings).toEqual(warnings);
  });

  test("a header that a cast left behind: the type follows from the sizes", async () => {
    const { archive, warnings } = await open(unpack(head, "stale-header-cast"));
    expect(archive.header?.arrays[0]?.dtype).toBe("float32");
    expect(archive.data.dtype).toBe("uint8");
    expect(rowsOf(archive)).toEqual(head.expected["a"]?.rows);
    expect(warnings).toEqual([expect.stringContaining("from their sizes data is uint8")]);
  });

  test("a header that a concat left behind: rows of both, and no stale neighbours", async () => {
    const { archive, warnings } = await open(unpack(head, "stale-header-concat"));
    expect(rowsOf(archive)).toEqual([
      ...(head.expected["a"]?.rows ?? []),
      ...(head.expected["c"]?.rows ?? []),
    ]);
    expect(archive.neighbors).toBeNull();
    expect(warnings.join("\n")).toContain("continuing without neighbours");
  });

  test("parquet files of an earlier save are not read", async () => {
    const { archive, warnings } = await open(unpack(head, "stale-parquet"));
    expect(archive.var?.files).toEqual(
      Array.from({ length: 10 }, (_, i) => `dataframe_0${i}.parquet`),
    );
    expect(archive.var?.labels).toEqual(Array.from({ length: 10 }, (_, i) => `block${i}`));
    expect(warnings.join("\n")).toContain("ignored 8 parquet files of an earlier save");
  });

  test("float64 data without a header is not taken for float32", async () => {
    const directory = unpack(bundles.legacy, "0.0.7-a");
    const values = head.expected["a"]?.rows.flatMap(([row]) => row) ?? [];
    writeFileSync(join(directory, "data.npy"), Float64Array.from(values));
    expect((await open(directory)).archive.data.dtype).toBe("float64");
    writeFileSync(join(directory, "data.npy"), BigUint64Array.from(values, BigInt));
    expect((await open(directory)).archive.data.dtype).toBe("uint64");
  });

  test("an archive created empty has its rows, all without values", async () => {
    const { archive } = await open(unpack(head, "empty"));
    expect([archive.nObs, archive.nnz, archive.var, archive.obs]).toEqual([3, 5, null, null]);
  });

  test("missing side files are named", async () => {
    const directory = unpack(head, "a");
    for (const name of ["metadata.json", "version.json", "var_features/labels.json"]) {
      rmSync(join(directory, name));
    }
    const { archive, warnings } = await open(directory);
    expect(archive.version).toBeNull();
    expect(archive.var?.labels).toEqual([null]);
    expect(warnings).toEqual([
      "DIR/var_features: no labels.json; labels left out",
      "DIR/metadata.json: missing (bionemo-scdl cannot open this data set)",
      "DIR/version.json: missing",
    ]);
  });

  test("an obs index of another length is left out", async () => {
    const directory = unpack(head, "a");
    const other = join(unpack(head, "b"), "obs_features");
    for (const name of readdirSync(other)) {
      writeFileSync(join(directory, "obs_features", name), readFileSync(join(other, name)));
    }
    const { archive, warnings } = await open(directory);
    expect(archive.obs).toBeNull();
    expect(warnings).toEqual([
      "DIR/obs_features: expected 8 rows, found 6; continuing without obs",
    ]);
  });
});

describe("a directory that is no data set says what it is", () => {
  const failure = async (directory: string) => {
    const error: unknown = await openArchive(directory).catch((reason: unknown) => reason);
    return isScdlError(error) ? `${error.message} / ${error.suggestions[0]}` : String(error);
  };

  test("missing", async () => {
    expect(await failure("/no/such/place")).toContain("no such file or directory");
  });

  test("empty, a file, an h5ad file, h5ad files, zarr, a collection, half a data set", async () => {
    const root = temporaryDirectory();
    expect(await failure(root)).toMatch(/expected an SCDL data set .*found nothing of it/);
    writeFileSync(join(root, "x.h5ad"), "");
    expect(await failure(root)).toMatch(/found a directory of h5ad files \/ scdl convert-h5ad/);
    expect(await failure(join(root, "x.h5ad"))).toMatch(/found an HDF5 file \/ scdl convert-h5ad/);
    writeFileSync(join(root, "notes"), "");
    expect(await failure(join(root, "notes"))).toMatch(/found a file \/ name the directory/);
    mkdirSync(join(root, "z"));
    writeFileSync(join(root, "z", ".zgroup"), "{}");
    expect(await failure(join(root, "z"))).toMatch(/found a zarr store/);
    mkdirSync(join(root, "set"));
    writeFileSync(join(root, "set", "data.npy"), "");
    expect(await failure(join(root, "set"))).toMatch(/without col_ptr\.npy, row_ptr\.npy/);
    expect(await failure(root)).toMatch(/found a collection of 1 data sets/);
  });
});

describe("bad input", () => {
  const files = Object.keys(head.files).filter((path) => path.startsWith("a/"));

  test.each(files)("%s cut short is a typed error or a warning", async (path) => {
    const directory = unpack(head, "a");
    const file = join(directory, path.slice(2));
    const whole = readFileSync(file);
    const step = Math.max(1, Math.floor(whole.length / 60));
    for (let end = 0; end < whole.length; end += step) {
      writeFileSync(file, whole.subarray(0, end));
      const outcome = await open(directory).catch((error: unknown) => error);
      const warned = outcome instanceof Error ? isScdlError(outcome) : true;
      expect(warned, `${path} cut at ${end}: ${outcome}`).toBe(true);
    }
  });

  test("sizes that fit no types name file, expected and found", async () => {
    const directory = unpack(head, "a");
    truncateSync(join(directory, "row_ptr.npy"), 8);
    await expect(openArchive(directory)).rejects.toThrow(
      /row_ptr\.npy: expected 9 uint8 row pointers, found 8/,
    );
  });

  test("row pointers past the values are refused", async () => {
    const directory = unpack(head, "a");
    const pointers = readFileSync(join(directory, "row_ptr.npy"));
    pointers[8] = 25;
    writeFileSync(join(directory, "row_ptr.npy"), pointers);
    await expect(openArchive(directory)).rejects.toThrow(
      /expected to end with 24, the number of values, found 25/,
    );
  });

  test("block boundaries that go down are refused", async () => {
    const directory = unpack(head, "abc");
    const file = join(directory, "var_features", "cumulative_sum_index.npy");
    const bytes = readFileSync(file);
    bytes.writeBigInt64LE(3n, bytes.length - 8);
    writeFileSync(file, bytes);
    await expect(openArchive(directory)).rejects.toThrow(/do not go down, found 14 then 3/);
  });

  test("a parquet file that is gone is refused", async () => {
    const directory = unpack(head, "abc");
    rmSync(join(directory, "var_features", "dataframe_0.parquet"));
    await expect(openArchive(directory)).rejects.toThrow(/expected 2 parquet files .*found 1/);
  });

  test("the byte that numpy appends to empty arrays when the original opens them is no value", async () => {
    const directory = join(temporaryDirectory(), "empty");
    const inputs = ["fixtures/h5ad/nnz0.h5ad"];
    await convertH5ad({ inputs, output: directory, matrix: "X", workers: 0 });
    for (const name of ["data.npy", "col_ptr.npy"]) writeFileSync(join(directory, name), "\0");
    const { archive, warnings } = await open(directory);
    expect([archive.nnz, archive.data.length, archive.indices.length]).toEqual([0, 0, 0]);
    expect(warnings).toEqual([
      "DIR/data.npy: one byte, appended by numpy to an empty array; read as empty",
    ]);
    using dataset = await SingleCellDataset.open(directory);
    expect(dataset.row(0).data.length).toBe(0);
    // One file alone is damage.
    truncateSync(join(directory, "col_ptr.npy"));
    await expect(openArchive(directory)).rejects.toThrow(/data.npy.*found 1/);
  });

  test("a header that names files outside the data set does not reach them", async () => {
    const directory = unpack(head, "a");
    const file = join(directory, "header.sch");
    const text = readFileSync(file).toString("latin1");
    writeFileSync(
      file,
      text.replace("var_features/dataframe_0.parquet", "var_features/../../../et.parquet"),
      "latin1",
    );
    expect((await open(directory)).archive.var?.files).toEqual(["dataframe_0.parquet"]);
  });
});
