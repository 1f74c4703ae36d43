import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { runScdl } from "../helpers/run-process.ts";
import { smallRow, writeSmallDataset } from "../helpers/small-dataset.ts";

test("scdl concat joins rows in the order given, with another type, in place of an input", async () => {
  const folder = temporaryDirectory();
  const first = await writeSmallDataset(join(folder, "first.scdl"), { rows: 5 });
  const second = await writeSmallDataset(join(folder, "second.scdl"));
  const joined = await runScdl([
    ...["concat", second, first, "--output", first, "--overwrite"],
    ...["--data-dtype", "uint8", "--json"],
  ]);
  expect(joined).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(joined.stdout)).toMatchObject({
    output: first,
    nObs: 28,
    dtypes: { data: "uint8", indices: "uint16", indptr: "uint8" },
  });
  using dataset = await SingleCellDataset.open(first);
  const rows = Array.from({ length: 28 }, (_, row) => smallRow(row < 23 ? row : row - 23));
  for (const [row, { data, indices }] of rows.entries()) {
    expect([...dataset.row(row).data].map(Number)).toEqual(data);
    expect([...dataset.row(row).indices]).toEqual(indices);
  }
  expect(readdirSync(folder).sort()).toEqual(["first.scdl", "second.scdl"]);
});

test("values a type cannot hold are refused, or warned about when asked", async () => {
  const folder = temporaryDirectory();
  const large = await writeSmallDataset(join(folder, "large.scdl"), { rows: 40 });
  const output = join(folder, "joined.scdl");
  const args = ["concat", large, large, "--output", output, "--data-dtype", "uint8"];
  const refused = await runScdl(args);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toMatch(/^error: .*\bvalue 260\b.*\n( {2}try: .*\n)+$/);
  expect(readdirSync(folder)).toEqual(["large.scdl"]);
  const warned = await runScdl([...args, "--allow-lossy"]);
  expect(warned).toMatchObject({ code: 0 });
  expect(warned.stderr).toMatch(/^warning: /);
  expect(warned.stdout).toMatch(/^wrote .*joined\.scdl: 80 rows of 2 data sets, \d+ values\n/);
});

test("--allow-lossy without a type is refused before anything is read", async () => {
  const result = await runScdl(["concat", "nowhere", "--output", "x", "--allow-lossy"]);
  expect(result).toMatchObject({ code: 2, stdout: "" });
  expect(result.stderr).toContain("nothing is lost without --data-dtype");
});
