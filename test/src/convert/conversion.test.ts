import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
  StorageError,
} from "../../../formats/common/errors.ts";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import { convertH5ad } from "../../../src/convert/convert-h5ad.ts";
import type { ConvertOptions, ConvertProgress } from "../../../src/convert/options.ts";
import { simulateH5ad } from "../../../src/simulate/simulate-h5ad.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

const FIXTURES = path.resolve(import.meta.dirname, "../../../fixtures");
const expected = JSON.parse(
  fs.readFileSync(path.join(FIXTURES, "convert/expected.json"), "utf8"),
) as { obs: Record<string, { type: string; values: unknown[] }> }; // written by our own script

let root: string;
let matrices: string;
/** 3,000 cells, 0.6 M values, in many chunks: long enough to be interrupted. */
let counts: string;
beforeAll(async () => {
  root = fs.mkdtempSync(path.join(process.env["TMPDIR"] ?? "/tmp", "scdl-conversion-"));
  matrices = path.join(root, "matrices.h5ad");
  fs.writeFileSync(
    matrices,
    gunzipSync(fs.readFileSync(path.join(FIXTURES, "convert/matrices.h5ad.gz"))),
  );
  counts = path.join(root, "counts.h5ad");
  await simulateH5ad({ output: counts, nObs: 3000, nVars: 3000, nnzPerCell: 200 });
  return () => fs.rmSync(root, { recursive: true });
});

function run(options: Partial<ConvertOptions>) {
  const output = path.join(temporaryDirectory(), "out");
  return convertH5ad({ inputs: [matrices], output, workers: 0, ...options });
}

it("reads many files in one HDF5 thread", async () => {
  let threads = 0;
  const count = (): number => threads++;
  process.on("worker", count);
  onTestFinished(() => void process.off("worker", count));
  const demo = path.join(FIXTURES, "h5ad/demo.h5ad");
  const { nObs } = await run({ inputs: Array.from({ length: 12 }, () => demo) });
  expect(nObs).toBe(12 * 500);
  expect(threads).toBeLessThanOrEqual(1);
});

describe("obs columns", () => {
  it("are stored with the types and values that pyarrow gives them, and the index last", async () => {
    const { output } = await run({ matrix: "layers/csr_float32" });
    const file = await ParquetFile.open(path.join(output, "obs_features/dataframe_0.parquet"));
    const table = await file.table();
    const names = table.schema.fields.map(({ name }) => String(name));
    expect(names).toEqual([...Object.keys(expected.obs), "obs_feature_id"]);
    const arrowNames: Record<string, string> = {
      string: "Utf8",
      double: "Float64",
      float: "Float32",
      bool: "Bool",
    };
    for (const [name, { type, values }] of Object.entries(expected.obs)) {
      const column = table.getChild(name);
      const expectedType = arrowNames[type] ?? type[0]?.toUpperCase() + type.slice(1);
      expect(String(column?.type).replace("Uint", "Uint"), name).toBe(expectedType);
      const read = [...(column ?? [])].map((value: unknown) =>
        typeof value === "bigint" ? Number(value) : value,
      );
      expect(read, name).toEqual(
        type === "float"
          ? values.map((value) => (value === null ? null : Math.fround(Number(value))))
          : values,
      );
    }
    expect(table.getChild("obs_feature_id")?.get(3)).toBe("cell-3");
  });

  it("can be chosen, in the order asked", async () => {
    const obsColumns = ["int8", "text"];
    const result = await run({ matrix: "layers/csr_int8", obsColumns, dropIndex: true });
    expect(result.obsColumns).toEqual(obsColumns);
    expect(result.varColumns).toEqual(["var_feature_id"]);
    await expect(run({ matrix: "layers/csr_int8", obsColumns: ["txt"] })).rejects.toThrow(
      NotFoundError,
    );
  });
});

describe("matrices", () => {
  it("dense and csr files make one data set, whichever comes first", async () => {
    const dense = await run({ inputs: [matrices, matrices], matrix: "layers/dense" });
    const csr = await run({ inputs: [matrices, matrices], matrix: "layers/csr_uint16" });
    expect(dense.dtypes).toEqual(csr.dtypes);
    expect(dense.files).toMatchObject(csr.files.map(({ nnz, nObs }) => ({ nnz, nObs })));
    for (const name of ["data.npy", "col_ptr.npy", "row_ptr.npy", "header.sch"]) {
      const [a, b] = [dense, csr].map(({ output }) => fs.readFileSync(path.join(output, name)));
      expect(a?.equals(b ?? Buffer.of()), name).toBe(true);
    }
  });

  it("without a value become a data set without values", async () => {
    const result = await run({ matrix: "layers/empty", verify: true });
    expect(result).toMatchObject({ nnz: 0, nObs: 20, dtypes: { rowPtr: "uint8" }, verified: true });
  });

  it("that are not there are an error that names what is, and --matrix", async () => {
    const error: unknown = await run({ inputs: [counts], matrix: "layers/x" }).catch((e) => e);
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ available: ["raw"] });
    await expect(
      run({ inputs: [path.join(FIXTURES, "scdl/a.h5ad")], neighbors: "none" }),
    ).rejects.toThrow("no neighbour matrix obsp/none");
  });
});

describe("a conversion that fails", () => {
  it("leaves no trace and keeps what was there", async () => {
    const directory = temporaryDirectory();
    const output = path.join(directory, "out");
    const damaged = {
      inputs: [matrices],
      output,
      matrix: "layers/column_out_of_range",
      workers: 1,
    };
    await expect(convertH5ad(damaged)).rejects.toThrow(FormatError);
    expect(fs.readdirSync(directory)).toEqual([]);
    fs.mkdirSync(output);
    fs.writeFileSync(path.join(output, "mine"), "x");
    await expect(convertH5ad({ inputs: [counts], output })).rejects.toThrow(StorageError);
    expect(fs.readdirSync(output)).toEqual(["mine"]);
  });

  it("names the argument that is wrong before it writes anything", async () => {
    await expect(run({ workers: -1 })).rejects.toThrow(InvalidArgumentError);
    await expect(run({ memoryBudgetBytes: 10 })).rejects.toThrow("1 MiB or more");
    await expect(run({ dataDtypeTolerance: Number.NaN })).rejects.toThrow(InvalidArgumentError);
    await expect(run({ inputs: [] })).rejects.toThrow(InvalidArgumentError);
    await expect(run({ inputs: [path.join(root, "none.h5ad")] })).rejects.toThrow(NotFoundError);
  });

  it.each([0, 2])("stops when aborted, with %i workers", async (workers) => {
    const directory = temporaryDirectory();
    const stop = new AbortController();
    const phases: string[] = [];
    const running = convertH5ad({
      inputs: [counts],
      output: path.join(directory, "out"),
      workers,
      memoryBudgetBytes: 2 ** 20,
      signal: stop.signal,
      onProgress: ({ phase }) => {
        phases.push(phase);
        if (phase === "converting") stop.abort(new Error("enough"));
      },
    });
    await expect(running).rejects.toThrow("enough");
    expect(phases).not.toContain("finishing");
    expect(fs.readdirSync(directory)).toEqual([]);
  });
});

describe("progress", () => {
  it("counts every row and byte, phase by phase", async () => {
    const seen: ConvertProgress[] = [];
    const result = await run({ inputs: [counts], onProgress: (progress) => seen.push(progress) });
    expect([...new Set(seen.map(({ phase }) => phase))]).toEqual([
      "planning",
      "converting",
      "finishing",
    ]);
    const bytes = result.nnz * (4 + 2);
    expect(seen.at(-1)).toMatchObject({ rows: 3000, totalRows: 3000, bytes, totalBytes: bytes });
  });
});

describe("a killed conversion", () => {
  it("leaves no directory that opens, and the next run removes the rest and says so", async () => {
    const directory = temporaryDirectory();
    const output = path.join(directory, "out");
    const child = startConversion(output);
    await untilConverting(child);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    const left = fs.readdirSync(directory);
    expect(left).toHaveLength(1);
    expect(left).not.toContain("out");
    expect(fs.existsSync(path.join(directory, left[0] ?? "", "header.sch"))).toBe(false);
    const warnings: string[] = [];
    await convertH5ad({
      inputs: [counts],
      output,
      workers: 0,
      onWarning: (message) => warnings.push(message),
    });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(left[0]);
    expect(fs.readdirSync(directory)).toEqual(["out"]);
  });
});

/** Converts in a child that stops for good at the first bytes written. */
function startConversion(output: string): ChildProcess {
  const module = path.resolve(import.meta.dirname, "../../../src/convert/convert-h5ad.ts");
  const script = `
    import { convertH5ad } from ${JSON.stringify(module)};
    await convertH5ad({ inputs: [${JSON.stringify(counts)}], output: ${JSON.stringify(output)},
      workers: 0, memoryBudgetBytes: 2 ** 20,
      onProgress: ({ bytes }) => { if (bytes > 0) { process.stdout.write("converting\\n"); for (;;); } } });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  return child;
}

function untilConverting(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("close", (code) => reject(new Error(`the child ended early (${code})`)));
  });
}

describe("memory", () => {
  it("stays below 450 MiB for 150,000 rows with a small budget", async () => {
    const many = path.join(root, "many.h5ad");
    await simulateH5ad({ output: many, nObs: 150_000, nVars: 200, nnzPerCell: 8, gzip: 1 });
    const module = path.resolve(import.meta.dirname, "../../../src/convert/convert-h5ad.ts");
    const output = path.join(temporaryDirectory(), "out");
    const script = `
      import { convertH5ad } from ${JSON.stringify(module)};
      const { nObs } = await convertH5ad({ inputs: [${JSON.stringify(many)}],
        output: ${JSON.stringify(output)}, workers: 2, memoryBudgetBytes: 2 ** 25 });
      process.stdout.write(JSON.stringify({ nObs, peakKiB: process.resourceUsage().maxRSS }));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    await new Promise((resolve) => child.once("close", resolve));
    const { nObs, peakKiB } = JSON.parse(text);
    expect(nObs).toBe(150_000);
    expect(peakKiB / 1024).toBeLessThan(450);
  });
});
