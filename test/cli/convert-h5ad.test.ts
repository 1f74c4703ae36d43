import fs from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { REPOSITORY_ROOT, runScdl } from "../helpers/run-process.ts";

const DEMO = "fixtures/h5ad/demo.h5ad";

function matrices(directory: string): string {
  const file = path.join(directory, "in", "matrices.h5ad");
  fs.mkdirSync(path.dirname(file));
  const packed = path.join(REPOSITORY_ROOT, "fixtures/convert/matrices.h5ad.gz");
  fs.writeFileSync(file, gunzipSync(fs.readFileSync(packed)));
  return file;
}

describe("scdl convert-h5ad", () => {
  it("says what it wrote and verifies it", async () => {
    const output = path.join(temporaryDirectory(), "de\u001b[31mmo.scdl");
    const result = await runScdl(["convert-h5ad", DEMO, "--output", output, "--verify"]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toContain("/de\\x1b[31mmo.scdl: ");
    expect(result.stdout).not.toContain("\u001b");
    expect(result.stdout).toContain("500 rows x 200 columns, 15.5 k values");
    expect(result.stdout).toContain("types: data float32, row pointers uint16, columns uint8");
    expect(result.stdout).toContain("verified");
    const labels = fs.readFileSync(path.join(output, "obs_features/labels.json"), "utf8");
    expect(labels).toBe(`["${DEMO}"]`);
  });

  it("prints one object with --json", async () => {
    const output = path.join(temporaryDirectory(), "demo.scdl");
    const args = ["convert-h5ad", DEMO, "-o", output, "--data-dtype", "uint16", "--json"];
    const { stdout } = await runScdl([...args, "--obs-columns", "donor", "--drop-index"]);
    expect(JSON.parse(stdout)).toMatchObject({
      output,
      nObs: 500,
      nVars: [200],
      nnz: 15_503,
      dtypes: { data: "uint16", rowPtr: "uint16", colPtr: "uint8" },
      obsColumns: ["donor"],
      files: [{ path: DEMO, matrix: "raw", nObs: 500, nVars: 200, nnz: 15_503 }],
    });
  });

  it("fails at a value that does not fit, and warns and goes on with --allow-lossy", async () => {
    const directory = temporaryDirectory();
    const file = matrices(directory);
    const output = path.join(directory, "out");
    const flags = ["--matrix", "layers/fraction", "--data-dtype", "uint8"];
    const args = ["convert-h5ad", file, ...flags, "--output", output];
    const strict = await runScdl(args);
    expect(strict.code).toBe(1);
    expect(strict.stderr).toMatch(/row \d+, column \d+: float32 value 0\.5 has a fraction/);
    expect(strict.stderr).toContain("--allow-lossy");
    expect(fs.existsSync(output)).toBe(false);
    const lossy = await runScdl([...args, "--allow-lossy"]);
    expect(lossy.code).toBe(0);
    expect(lossy.stderr).toContain(
      "Downcasted data values for 'data.npy' are not close to original values. Max abs diff: 0.5",
    );
  });

  it("takes the flags of convert_h5ad_to_scdl, folders included, and warns as it does", async () => {
    const directory = temporaryDirectory();
    fs.mkdirSync(path.join(directory, "plates/one"), { recursive: true });
    fs.copyFileSync(path.join(REPOSITORY_ROOT, DEMO), path.join(directory, "plates/one/b.h5ad"));
    fs.copyFileSync(path.join(REPOSITORY_ROOT, DEMO), path.join(directory, "plates/a.h5ad"));
    const original =
      "--data-path plates --save-path out --num-w 2 --use-mp --data-dtype uint8 " +
      "--paginated=10_000 --load-block-row-size 100 --use-X-not-raw";
    const args = ["convert-h5ad", ...original.split(" ")];
    const result = await runScdl(args, { cwd: directory });
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("plates/a.h5ad: Downcasted data values for 'data.npy'");
    const labels = fs.readFileSync(path.join(directory, "out/var_features/labels.json"), "utf8");
    expect(labels).toBe('["plates/a.h5ad"]');
  });

  it("exits with 2 for wrong usage and 1 for a missing matrix, with a suggestion", async () => {
    const usage = await runScdl(["convert-h5ad", DEMO]);
    expect(usage.code).toBe(2);
    expect(usage.stderr).toContain("expected --output DIR");
    const output = path.join(temporaryDirectory(), "x");
    const budget = ["convert-h5ad", DEMO, "-o", output, "--memory-budget", "much"];
    expect(await runScdl(budget)).toMatchObject({ code: 2 });
    const missing = await runScdl(["convert-h5ad", DEMO, "-o", output, "--matrix", "layers/x"]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("--matrix X");
  });
});

describe("scdl simulate", () => {
  it("writes a file that converts without further flags", async () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, "sim.h5ad");
    const made = await runScdl([
      ..."simulate --cells 50 --genes 80 --sparsity 0.9 --seed 3 --output".split(" "),
      file,
    ]);
    expect(made).toMatchObject({ code: 0, stderr: "" });
    expect(made.stdout).toContain("50 cells x 80 genes");
    const converted = await runScdl(["convert-h5ad", file, "-o", path.join(directory, "out")]);
    expect(converted).toMatchObject({ code: 0, stderr: "" });
  });
});
