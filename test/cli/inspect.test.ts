import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadBundle, unpack } from "../helpers/bundle.ts";
import { REPOSITORY_ROOT, runScdl } from "../helpers/run-process.ts";

const DEMO = join(REPOSITORY_ROOT, "fixtures/h5ad/demo.h5ad");

test("scdl inspect --json prints one object with the keys that scripts rely on", async () => {
  const result = await runScdl(["inspect", DEMO, "--json"]);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  const report = JSON.parse(result.stdout);
  for (const key of [
    ...["format", "path", "nObs", "nVars", "nnz", "sparsity", "dtypes", "obsColumns", "varColumns"],
    ...["bytesOnDisk", "schemaVersion", "problems"],
  ]) {
    expect(report).toHaveProperty(key);
  }
  expect(Object.keys(report.dtypes)).toEqual(["data", "rowPtr", "colPtr"]);
});

test("scdl inspect draws both distributions and says what was sampled", async () => {
  const { stdout } = await runScdl(["inspect", DEMO]);
  expect(stdout).toContain("counts per cell: median 63, middle half 46 to 83, all 9 to 311\n");
  expect(stdout).toContain("   50  ████████████████████████████████████████ 275\n");
  expect(stdout).toContain("genes per cell: median 29, middle half 25 to 36.25, all 8 to 67\n");
});

test("scdl inspect --verify lists damage and ends with 1", async () => {
  const directory = unpack(loadBundle("head"), "a");
  const file = join(directory, "col_ptr.npy");
  const columns = readFileSync(file);
  columns[0] = 255;
  writeFileSync(file, columns);
  const result = await runScdl(["inspect", directory, "--verify"]);
  expect(result).toMatchObject({ code: 1, stderr: "" });
  expect(result.stdout).toMatch(/verified: \d+ damaged\n {2}error: col_ptr\.npy: /);
});

test("scdl inspect of a folder that is no data set is one line and what to try, exit code 1", async () => {
  const result = await runScdl(["inspect", join(REPOSITORY_ROOT, "formats")]);
  expect(result).toMatchObject({ code: 1, stdout: "" });
  expect(result.stderr.split("\n")[0]).toMatch(/^error: .*formats: .* \[[a-z-]+\]$/);
  expect(result.stderr).not.toContain("    at ");
});
