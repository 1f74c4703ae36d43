import { join } from "node:path";
import { expect, test } from "vitest";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { runScdl } from "../helpers/run-process.ts";
import { writeSmallDataset } from "../helpers/small-dataset.ts";

test("inputs stay in the order they are named in, also one that comes again", async () => {
  const folder = temporaryDirectory();
  const a = await writeSmallDataset(join(folder, "a.scdl"), { rows: 5 });
  const b = await writeSmallDataset(join(folder, "b.scdl"), { rows: 6 });
  const output = join(folder, "out.scdl");
  const result = await runScdl(["concat", a, b, a, "-o", output]);
  expect(result.code).toBe(0);
  using dataset = await SingleCellDataset.open(output);
  // The value of a row names the row of its data set.
  const first = (row: number) => Number(dataset.row(row).data[0] ?? 0);
  const firsts = Array.from({ length: dataset.nObs }, (_, row) => first(row));
  const ofA = firsts.slice(0, 5);
  expect(firsts.slice(5, 11)).toEqual([...ofA, first(10)]);
  expect(firsts.slice(11)).toEqual(ofA);
});
