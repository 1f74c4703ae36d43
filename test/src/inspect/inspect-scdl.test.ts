import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inspect } from "../../../src/inspect/inspect.ts";
import { loadBundle, unpack } from "../../helpers/bundle.ts";

const bundle = loadBundle("head");

describe("inspect an SCDL data set", () => {
  test("reports sizes, types and neighbours as the original reads them", async () => {
    const expected = bundle.expected["a"];
    const report = await inspect(unpack(bundle, "a"));
    expect(report).toMatchObject({
      format: "scdl",
      nObs: 8,
      nVars: 10,
      nnz: expected?.nnz,
      dtypes: { data: "float32", rowPtr: "uint8", colPtr: "uint8" },
      schemaVersion: "0.1.0",
      version: "0.1.3",
      warnings: [],
      problems: [],
    });
    expect(report.obsColumns.map(({ name }) => name)).toContain("cell_type");
  });

  test("lists one block for each run of rows with the same genes", async () => {
    const report = await inspect(unpack(bundle, "abc"));
    expect(
      report.varBlocks.map(({ rowBegin, rowEnd, nVars }) => [rowBegin, rowEnd, nVars]),
    ).toEqual([
      [0, 14, 10],
      [14, 19, 300],
    ]);
    expect(report.nVars).toBe(300);
  });

  test("shows rows with their obs values", async () => {
    const expected = bundle.expected["a"]?.rows[1];
    const { head } = await inspect(unpack(bundle, "a"), { head: 2 });
    expect(head[1]?.values.map(({ value }) => value)).toEqual(expected?.[0].slice(0, 10));
    expect(head[1]?.values.map(({ column }) => column)).toEqual(expected?.[1].slice(0, 10));
    expect(head[1]?.obs).toMatchObject({ donor: "d1", cell_type: null });
  });

  test("verifies without a problem what is whole", async () => {
    const report = await inspect(unpack(bundle, "a"), { verify: true });
    expect(report.problems.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(report.distributions?.sampledRows).toBe(8);
  });

  test("lists what is damaged, and gives no figures from it", async () => {
    const directory = unpack(bundle, "a");
    const columns = readFileSync(join(directory, "col_ptr.npy"));
    columns[3] = 200;
    writeFileSync(join(directory, "col_ptr.npy"), columns);
    const report = await inspect(directory, { verify: true, head: 2 });
    expect(report.problems).toContainEqual(
      expect.objectContaining({ severity: "error", file: "col_ptr.npy" }),
    );
    expect(report.distributionsMissing).toBe("the data set has problems");
    expect(report.head).toEqual([]);
  });

  test("refuses a truncated data set with the sizes it expected and found", async () => {
    const directory = unpack(bundle, "a");
    appendFileSync(join(directory, "data.npy"), "x");
    await expect(inspect(directory)).rejects.toMatchObject({ name: "FormatError" });
  });
});
