import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeChecksums } from "../../../formats/scdl/checksums.ts";
import { verifyArchive } from "../../../formats/scdl/verify.ts";
import { VerifyCsr } from "../../../formats/scdl/verify-csr.ts";
import { loadBundle, unpack } from "../../helpers/bundle.ts";

const head = loadBundle("head");

function edit(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
}

test("a data set of the original has nothing wrong but missing checksums", async () => {
  for (const name of ["a", "c", "uint8"]) {
    const problems = await verifyArchive(unpack(head, name));
    expect(problems, name).toEqual([
      {
        severity: "note",
        file: "checksums.json",
        message: "no checksums: the original writes none",
      },
    ]);
  }
});

test("progress ends with every byte of the arrays", async () => {
  let last = { bytesDone: 0, bytesTotal: -1 };
  await verifyArchive(unpack(head, "uint8"), {
    onProgress: (progress) => {
      last = progress;
    },
  });
  // 24 values and 24 columns of one byte, 9 row pointers.
  expect(last).toEqual({ bytesDone: 57, bytesTotal: 57 });
});

test("an abort stops it with the signal's reason", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(verifyArchive(unpack(head, "a"), { signal })).rejects.toThrow("enough");
});

test("row pointers that go down are named", async () => {
  const directory = unpack(head, "c");
  edit(join(directory, "row_ptr.npy"), (bytes) => bytes.writeUInt16LE(7, 4));
  const problems = await verifyArchive(directory);
  const before = readFileSync(join(directory, "row_ptr.npy")).readUInt16LE(2);
  expect(problems).toContainEqual({
    severity: "error",
    file: "row_ptr.npy",
    message: `row pointer 2: expected at least ${before}, found 7`,
  });
});

test("a column past the number of genes is named with its row", async () => {
  const directory = unpack(head, "a");
  const first = head.expected["a"]?.rows.findIndex(([values]) => values.length > 0);
  edit(join(directory, "col_ptr.npy"), (bytes) => {
    bytes[0] = 10;
  });
  expect(await verifyArchive(directory)).toContainEqual({
    severity: "error",
    file: "col_ptr.npy",
    message: `row ${first}: expected columns below 10, found 10`,
  });
});

test("a neighbour that is no row is named", async () => {
  const directory = unpack(head, "a");
  edit(join(directory, "neighbor_indices.npy"), (bytes) => bytes.writeUInt32LE(8, 0));
  expect(await verifyArchive(directory)).toContainEqual(
    expect.objectContaining({ severity: "error", file: "neighbor_indices.npy" }),
  );
});

test("a flipped bit anywhere in the values is found by the checksum", async () => {
  const directory = unpack(head, "a");
  const { digestFile } = await import("../../../formats/scdl/checksums.ts");
  const path = join(directory, "data.npy");
  const checksums = encodeChecksums(new Map([["data.npy", digestFile(path)]]));
  writeFileSync(join(directory, "checksums.json"), checksums);
  expect(await verifyArchive(directory)).toEqual([]);
  edit(path, (bytes) => {
    bytes[41] = (bytes[41] ?? 0) ^ 0x10;
  });
  expect(await verifyArchive(directory)).toEqual([
    expect.objectContaining({
      severity: "error",
      file: "data.npy",
      message: expect.stringContaining("changed since it was written"),
    }),
  ]);
});

test("checksums name missing files, and never files outside the data set", async () => {
  const directory = unpack(head, "a");
  const digest = { bytes: 0, crc32: 0 };
  const listed = new Map([
    ["gone.npy", digest],
    ["../../etc/hostname", digest],
  ]);
  writeFileSync(join(directory, "checksums.json"), encodeChecksums(listed));
  expect(await verifyArchive(directory)).toEqual([
    { severity: "error", file: "../../etc/hostname", message: "is missing" },
    { severity: "error", file: "gone.npy", message: "is missing" },
  ]);
});

test("a damaged parquet page is an error, and the next one is still read", async () => {
  const directory = unpack(head, "abc");
  edit(join(directory, "var_features", "dataframe_0.parquet"), (bytes) => bytes.fill(0xff, 4, 60));
  const problems = await verifyArchive(directory);
  expect(problems.filter((problem) => problem.severity === "error")).toEqual([
    expect.objectContaining({ file: "var_features/dataframe_0.parquet" }),
  ]);
});

test("a data set that does not open is one error", async () => {
  const directory = unpack(head, "a");
  truncateSync(join(directory, "col_ptr.npy"), 23);
  const problems = await verifyArchive(directory);
  expect(problems[0]).toMatchObject({ severity: "error", file: "." });
  rmSync(directory, { recursive: true });
  expect((await verifyArchive(directory))[0]?.message).toContain("no such file or directory");
});

test("chunks of any size give the same findings as one", () => {
  const rows = fc.array(fc.array(fc.nat(12), { maxLength: 5 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(
      rows,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      (matrix, a, b) => {
        const columns = Uint8Array.from(matrix.flat());
        let end = 0;
        const pointers = Uint32Array.from([0, ...matrix.map((row) => (end += row.length))]);
        const limits = [
          { rowEnd: Math.ceil(matrix.length / 2), limit: 9 },
          { rowEnd: matrix.length, limit: 11 },
        ];
        const whole = findings(pointers, columns, limits, 100, 100);
        expect(findings(pointers, columns, limits, a, b)).toEqual(whole);
        const outside = matrix.flatMap((row, i) =>
          row.filter((column) => column >= (i < (limits[0]?.rowEnd ?? 0) ? 9 : 11)),
        );
        expect(whole.some((finding) => finding.severity === "error")).toBe(outside.length > 0);
      },
    ),
    { seed: 5, numRuns: 300 },
  );
});

function findings(
  pointers: Uint32Array,
  columns: Uint8Array,
  limits: { rowEnd: number; limit: number }[],
  pointerChunk: number,
  columnChunk: number,
) {
  const check = new VerifyCsr(limits, columns.length, "column");
  let at = 0;
  for (let i = 0; i < pointers.length; i += pointerChunk) {
    check.pointers(pointers.subarray(i, i + pointerChunk));
    while (at < check.pointerEnd) {
      const end = Math.min(check.pointerEnd, at + columnChunk);
      check.columns(columns.subarray(at, end));
      at = end;
    }
  }
  return check.findings();
}
