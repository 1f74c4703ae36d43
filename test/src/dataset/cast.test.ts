import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SCDL_DTYPES } from "../../../formats/common/dtype.ts";
import { openArchive } from "../../../formats/scdl/archive.ts";
import { verifyArchive } from "../../../formats/scdl/verify.ts";
import { castDataset } from "../../../src/dataset/cast.ts";
import { loadBundle, temporaryDirectory, unpack } from "../../helpers/bundle.ts";

const head = loadBundle("head");
const values = head.expected["a"]?.rows.flatMap(([row]) => row) ?? [];

test("in place, the values are the original's uint8 ones and the header says so", async () => {
  const directory = unpack(head, "a");
  await castDataset(directory, { dtype: "uint8" });
  expect([...readFileSync(join(directory, "data.npy"))]).toEqual(values);
  const warnings: string[] = [];
  const archive = await openArchive(directory, { onWarning: (text) => warnings.push(text) });
  expect(warnings).toEqual([]);
  expect(archive.header?.arrays[0]).toEqual({
    name: "DATA",
    length: 24,
    dtype: "uint8",
    shape: null,
  });
  expect(archive.neighbors?.values.length).toBe(13);
});

test("into a new directory, to every type and back, no value changes", async () => {
  for (const dtype of SCDL_DTYPES) {
    const output = join(temporaryDirectory(), dtype);
    await castDataset(unpack(head, "a"), { dtype, output });
    expect((await openArchive(output)).data.dtype).toBe(dtype);
    await castDataset(output, { dtype: "float32" });
    expect(readFileSync(join(output, "data.npy"))).toEqual(
      readFileSync(join(unpack(head, "a"), "data.npy")),
    );
    expect(await verifyArchive(output)).toEqual([]);
  }
});

/** Archive a with stored value 7 replaced. */
function withValue(value: number): string {
  const directory = unpack(head, "a");
  const bytes = readFileSync(join(directory, "data.npy"));
  bytes.writeFloatLE(value, 4 * 7);
  writeFileSync(join(directory, "data.npy"), bytes);
  return directory;
}

const place = (() => {
  const rows = head.expected["a"]?.rows ?? [];
  let before = 0;
  for (const [row, [row_values, columns]] of rows.entries()) {
    if (before + row_values.length > 7) return { row, column: columns[7 - before] };
    before += row_values.length;
  }
  throw new Error("archive a has more than 7 values");
})();

test.each([
  ["uint8", 300, "is larger than uint8 holds"],
  ["uint16", -1, "is negative, uint16 is not"],
  ["uint32", 2.5, "has a fraction, uint32 has none"],
  ["uint64", Number.NaN, "has no uint64"],
  ["float16", 2049, "is an integer that float16 would round"],
  ["float16", 1e6, "is larger than float16 holds"],
] as const)("to %s, a value of %d is an error that names its place", async (dtype, value, why) => {
  const directory = withValue(value);
  await expect(castDataset(directory, { dtype })).rejects.toMatchObject({
    code: "precision-loss",
    ...place,
    message: expect.stringContaining(why),
  });
  // Unchanged, and nothing left beside it.
  expect((await openArchive(directory)).data.dtype).toBe("float32");
});

test("lossy on request: a C cast, with a warning", async () => {
  const directory = withValue(300);
  const warnings: string[] = [];
  await castDataset(directory, {
    dtype: "uint8",
    allowLossy: true,
    onWarning: (message) => warnings.push(message),
  });
  expect(readFileSync(join(directory, "data.npy"))[7]).toBe(44);
  expect(warnings).toEqual([expect.stringContaining("stored as a C cast gives it")]);
});

test("an unknown type is refused by name", async () => {
  const dtype = "int8" as "uint8"; // what a JavaScript caller may pass
  expect(() => castDataset("x", { dtype })).toThrow(/expected one of uint8.*found int8/);
});
