import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as arrow from "apache-arrow";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openArchive } from "../../../formats/scdl/archive.ts";
import { ArchiveWriter } from "../../../formats/scdl/archive-writer.ts";
import { verifyArchive } from "../../../formats/scdl/verify.ts";
import { concatDatasets, saveDataset } from "../../../src/dataset/concat.ts";
import { loadBundle, temporaryDirectory, unpack } from "../../helpers/bundle.ts";

const head = loadBundle("head");
const errors = async (directory: string) =>
  (await verifyArchive(directory)).filter((problem) => problem.severity !== "note");

interface Small {
  readonly rows: readonly (readonly number[])[];
  readonly obs: Readonly<Record<string, arrow.Vector>>;
  readonly neighbors?: readonly (readonly number[])[];
}

/** A float32 data set of 10 genes whose row i has the given columns and values 1, 2, ... */
async function write({ rows, obs, neighbors }: Small): Promise<string> {
  const output = join(temporaryDirectory(), "set");
  const writer = ArchiveWriter.create(output);
  const columns = rows.flat();
  writeFileSync(
    writer.pathOf("data"),
    Float32Array.from(columns, (_, i) => i + 1),
  );
  writeFileSync(writer.pathOf("indices"), Uint8Array.from(columns));
  writeFileSync(writer.pathOf("indptr"), Uint8Array.from(pointersOf(rows)));
  if (neighbors !== undefined) {
    const pointers = BigUint64Array.from(pointersOf(neighbors), BigInt);
    writeFileSync(writer.pathOf("neighborIndptr"), pointers);
    writeFileSync(writer.pathOf("neighborIndices"), Uint32Array.from(neighbors.flat()));
    writeFileSync(writer.pathOf("neighborValues"), Float32Array.from(neighbors.flat()));
  }
  const var_ = new arrow.Table({
    gene: arrow.vectorFromArray(
      Array.from({ length: 10 }, (_, i) => `g${i}`),
      new arrow.Utf8(),
    ),
  });
  const tables = [
    [writer.varFeatures, var_],
    [writer.obsFeatures, new arrow.Table(obs)],
  ] as const;
  for (const [index, table] of tables) {
    index.beginBlock({ label: "x.h5ad", nRows: rows.length, schema: table.schema });
    for (const batch of table.batches) await index.write(batch);
    await index.endBlock();
  }
  await writer.commit({
    nObs: rows.length,
    nnz: columns.length,
    dtypes: { data: "float32", indices: "uint8", indptr: "uint8" },
  });
  return output;
}

function pointersOf(rows: readonly (readonly number[])[]): number[] {
  const pointers = [0];
  for (const row of rows) pointers.push((pointers.at(-1) ?? 0) + row.length);
  return pointers;
}

const ids = (...values: string[]) => ({ id: arrow.vectorFromArray(values, new arrow.Utf8()) });

test("a, b and c joined have every byte that the original's concat writes", async () => {
  const inputs = ["a", "b", "c"].map((name) => unpack(head, name));
  const output = join(temporaryDirectory(), "abc");
  await concatDatasets(inputs, { output });
  const expected = unpack(head, "abc");
  const files = readdirSync(expected, { recursive: true, encoding: "utf8" }).filter(
    (file) => /\.(npy|json|sch)$/.test(file) && file !== "metadata.json",
  );
  expect(files.length).toBe(11);
  for (const file of files) {
    expect(readFileSync(join(output, file)), file).toEqual(readFileSync(join(expected, file)));
  }
  expect(readFileSync(join(output, "metadata.json"), "utf8")).toBe('{"num_rows": 19}');
  const [ours, theirs] = [await openArchive(output), await openArchive(expected)];
  for (const kind of ["var", "obs"] as const) {
    for (let block = 0; block < (theirs[kind]?.nBlocks ?? 0); block++) {
      const found = await ours[kind]?.table(block);
      const wanted = await theirs[kind]?.table(block);
      expect(found?.toArray().map(String)).toEqual(wanted?.toArray().map(String));
    }
  }
  // The original leaves a's neighbours there; here b's follow a's, and c's rows have none.
  expect(ours.neighbors?.values.length).toBe(20);
  expect(await errors(output)).toEqual([]);
});

test("neighbours point to the new places of their rows", async () => {
  const first = await write({
    rows: [[0], [1]],
    obs: ids("a", "b"),
    neighbors: [[1], [0, 1]],
  });
  const without = await write({ rows: [[2]], obs: ids("c") });
  const last = await write({ rows: [[3], [4]], obs: ids("d", "e"), neighbors: [[], [0]] });
  const output = join(temporaryDirectory(), "out");
  const warnings: string[] = [];
  await concatDatasets([first, without, last], {
    output,
    onWarning: (message) => warnings.push(message),
  });
  const read = (name: string) => new Uint8Array(readFileSync(join(output, name))).buffer;
  expect([...new BigUint64Array(read("neighbor_indptr.npy"))]).toEqual([0n, 1n, 3n, 3n, 3n, 4n]);
  expect([...new Uint32Array(read("neighbor_indices.npy"))]).toEqual([1, 0, 1, 3]);
  expect([...new Float32Array(read("neighbor_values.npy"))]).toEqual([1, 0, 1, 0]);
  expect(warnings).toEqual([`${without}: has no neighbours; its 1 rows get none`]);
});

describe("obs tables", () => {
  test("with the same columns become one, of types that hold both", async () => {
    const one = await write({
      rows: [[0]],
      obs: {
        ...ids("a"),
        n: arrow.vectorFromArray([1], new arrow.Int32()),
        score: arrow.vectorFromArray([0.5], new arrow.Float32()),
        flag: arrow.vectorFromArray([true], new arrow.Bool()),
        note: arrow.vectorFromArray([null], new arrow.Null()),
      },
    });
    const two = await write({
      rows: [[1]],
      obs: {
        note: arrow.vectorFromArray(["n"], new arrow.Utf8()),
        flag: arrow.vectorFromArray([3], new arrow.Int8()),
        score: arrow.vectorFromArray([7], new arrow.Int32()),
        n: arrow.vectorFromArray([2n ** 40n], new arrow.Int64()),
        ...ids("b"),
      },
    });
    const output = join(temporaryDirectory(), "out");
    await concatDatasets([one, two], { output });
    const { obs } = await openArchive(output);
    expect(obs?.nBlocks).toBe(1);
    const table = await obs?.table(0);
    expect(table?.schema.fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      "note: Utf8",
      "flag: Int8",
      "score: Float64",
      "n: Int64",
      "id: Utf8",
    ]);
    expect(table?.toArray().map((row) => row?.toJSON())).toEqual([
      { note: null, flag: 1, score: 0.5, n: 1n, id: "a" },
      { note: "n", flag: 3, score: 7, n: 2n ** 40n, id: "b" },
    ]);
  });

  test("with other columns stay apart, each with its label", async () => {
    const one = await write({ rows: [[0]], obs: ids("a") });
    const two = await write({ rows: [[1]], obs: { other: arrow.vectorFromArray([1.5]) } });
    const output = join(temporaryDirectory(), "out");
    await concatDatasets([one, two, one], { output });
    const { obs, varBlocks } = await openArchive(output);
    expect(obs?.cumulative).toEqual([0, 1, 2, 3]);
    expect(obs?.labels).toEqual(["x.h5ad", "x.h5ad", "x.h5ad"]);
    expect(varBlocks.length).toBe(1);
  });

  test("with text and numbers in one column cannot be joined", async () => {
    const one = await write({ rows: [[0]], obs: { batch: arrow.vectorFromArray([1.5]) } });
    const two = await write({
      rows: [[1]],
      obs: { batch: arrow.vectorFromArray(["x"], new arrow.Utf8()) },
    });
    const output = join(temporaryDirectory(), "out");
    await expect(concatDatasets([one, two], { output })).rejects.toThrow(
      /column "batch" is Float64 in one data set and Utf8 in another/,
    );
    expect(readdirSync(dirname(output))).toEqual([]);
  });
});

test("integer data and float data are refused, naming both", async () => {
  const output = join(temporaryDirectory(), "out");
  const inputs = [unpack(head, "a"), unpack(head, "uint8")];
  await expect(concatDatasets(inputs, { output })).rejects.toMatchObject({
    code: "dtype-family",
    message: expect.stringMatching(/a \(float32\).*uint8 \(uint8\)/),
  });
});

test("a legacy data set saved anew is a current one", async () => {
  const input = unpack(head, "stale-header-concat");
  const output = join(temporaryDirectory(), "out");
  await saveDataset(input, output);
  const warnings: string[] = [];
  const archive = await openArchive(output, { onWarning: (message) => warnings.push(message) });
  expect(warnings).toEqual([]);
  expect([archive.nObs, archive.nnz, archive.header?.arrays[0]?.length]).toEqual([13, 474, 474]);
});

test("the output may be the first input, and inputs may be removed", async () => {
  const [a, b] = [unpack(head, "a"), unpack(head, "b")];
  await concatDatasets([a, b], { output: a, overwrite: true, removeInputs: true });
  expect((await openArchive(a)).nObs).toBe(14);
  expect(existsSync(b)).toBe(false);
  expect(readdirSync(dirname(a))).toEqual(["a"]);
});

test("an abort leaves neither output nor temporary directory", async () => {
  const output = join(temporaryDirectory(), "out");
  const abort = new AbortController();
  const run = concatDatasets([unpack(head, "a"), unpack(head, "b")], {
    output,
    signal: abort.signal,
    onProgress: () => abort.abort(new Error("enough")),
  });
  await expect(run).rejects.toThrow("enough");
  expect(readdirSync(dirname(output))).toEqual([]);
});

test("row i of a joined data set is the row it came from", async () => {
  const matrix = fc.array(fc.uniqueArray(fc.nat(9), { maxLength: 4 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(matrix, { minLength: 1, maxLength: 3 }), async (sets) => {
      const inputs: string[] = [];
      for (const rows of sets) inputs.push(await write({ rows, obs: ids(...rows.map(String)) }));
      const output = join(temporaryDirectory(), "out");
      const { nObs } = await concatDatasets(inputs, { output });
      expect(nObs).toBe(sets.flat().length);
      const read = (name: string) => readFileSync(join(output, name));
      const columns = [...read("col_ptr.npy")];
      const pointers = [...read("row_ptr.npy")];
      const found = pointers.slice(1).map((end, i) => columns.slice(pointers[i], end));
      expect(found).toEqual(sets.flat());
    }),
    { seed: 3, numRuns: 8 },
  );
});
