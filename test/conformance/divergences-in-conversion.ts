/** Divergences of converting: what comes of a file on both sides. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { runScdl } from "../helpers/run-process.ts";
import { type Check, FIXTURES } from "./divergence-trial.ts";
import { convertOurs } from "./ours-to-theirs.ts";

export const IN_CONVERSION: Readonly<Record<string, Check>> = {
  "1 csc is stored transposed or dies": async (trial) => {
    const square = await trial.make("square csc");
    const [ours, theirs] = [trial.path("ours"), trial.path("theirs")];
    trial.equal("square", await trial.convert(square, theirs), "converted");
    await convertOurs(square, ours, ["--matrix", "X"]);
    const rows = (await trial.rows(ours)) as number[][];
    trial.equal("rows", rows, countsOf(6, 6));
    const transposed = rows.map((_, i) => rows.map((row) => row[i]));
    trial.equal("the original's rows", await trial.rows(theirs), transposed);
    const wide = await trial.make("csc");
    trial.matches("csc", await trial.convert(wide, trial.path("none")), /could not broadcast/);
    const large = await trial.convert(wide, trial.path("large"), { paginated: true });
    trial.matches("large csc", large, /NotImplementedError/);
    await convertOurs(wide, trial.path("wide"), ["--matrix", "X"]);
    trial.equal("rows of csc", await trial.rows(trial.path("wide")), countsOf(5, 8));
  },

  "2 dense is refused": async (trial) => {
    const dense = await trial.make("dense");
    const refused = await trial.convert(dense, trial.path("theirs"));
    trial.matches("dense", refused, /NotImplementedError: Error: dense matrix/);
    await convertOurs(dense, trial.path("ours"), ["--matrix", "X"]);
    trial.equal("rows", await trial.rows(trial.path("ours")), countsOf(4, 5));
  },

  "3 a matrix without values is refused": async (trial) => {
    const empty = await trial.make("no values");
    const refused = await trial.convert(empty, trial.path("theirs"));
    trial.matches("no values", refused, /ValueError: n_elements is set to 0/);
    await convertOurs(empty, trial.path("ours"), ["--matrix", "X"]);
    trial.equal("rows", await trial.rows(trial.path("ours")), Array(3).fill([0, 0, 0, 0]));
  },

  "4 the index is dropped when there are columns": async (trial) => {
    const h5ad = join(FIXTURES, "scdl/a.h5ad");
    const [ours, theirs] = [trial.path("ours"), trial.path("theirs")];
    await trial.convert(h5ad, theirs, { matrix: "raw" });
    await convertOurs(h5ad, ours, []);
    for (const [index, first] of [
      ["obs", "cell0"],
      ["var", "ENSG00000"],
    ] as const) {
      const [a, b] = [await columnsOf(ours, index), await columnsOf(theirs, index)];
      trial.equal(
        `${index} columns`,
        inOrder(a.names),
        inOrder([...b.names, `${index}_feature_id`]),
      );
      trial.equal(`first id of ${index}`, a.firstId, first);
    }
  },

  "5 raw.X goes with raw.var": async (trial) => {
    const h5ad = await trial.make("raw wider than X");
    const [ours, theirs] = [trial.path("ours"), trial.path("theirs")];
    await trial.convert(h5ad, theirs, { matrix: "raw" });
    await convertOurs(h5ad, ours, []);
    trial.equal("rows", await trial.rows(ours), countsOf(4, 12));
    const error = await trial.original.ask("padded_error", { archive: theirs, row: 0 });
    trial.matches("a padded row of the original's", error, /IndexError/);
    trial.equal(
      "of ours",
      await trial.original.ask("padded_error", { archive: ours, row: 0 }),
      null,
    );
  },

  "6 a failed conversion blocks the next": async (trial) => {
    const h5ad = await trial.make("dense");
    const request = { h5ad, matrix: "X", output: trial.path("theirs") };
    const [first, second] = (await trial.original.ask("convert_twice", request)) as string[];
    trial.matches("first", first, /NotImplementedError/);
    trial.matches("second", second, /FileExistsError/);
    const output = trial.path("ours");
    const failed = await runScdl(["convert-h5ad", h5ad, "--matrix", "layers/none", "-o", output]);
    trial.equal("exit code", failed.code, 1);
    trial.equal("something is left", existsSync(output), false);
    await convertOurs(h5ad, output, ["--matrix", "X"]);
  },

  "7 values the type cannot hold": async (trial) => {
    const h5ad = await trial.make("too large");
    const [ours, theirs] = [trial.path("ours"), trial.path("theirs")];
    const request = { h5ad, matrix: "X", output: theirs, dtype: "uint8" };
    const warned = (await trial.original.ask("convert_warnings", request)) as string[];
    trial.matches("warnings", warned.join(), /Downcasted data values/);
    const options = ["--matrix", "X", "--data-dtype", "uint8"];
    const refused = await runScdl(["convert-h5ad", h5ad, "-o", ours, ...options]);
    trial.equal("exit code", refused.code, 1);
    trial.matches("error", refused.stderr, /row 1\b.*column 0\b.*300/s);
    const lossy = await runScdl(["convert-h5ad", h5ad, "-o", ours, ...options, "--allow-lossy"]);
    trial.equal("exit code with --allow-lossy", lossy.code, 0);
    trial.matches("warning", lossy.stderr, /warn/i);
    trial.equal(
      "stored",
      [...readFileSync(join(ours, "data.npy"))],
      [...readFileSync(join(theirs, "data.npy"))],
    );
    const flags = ["--data-path", h5ad, "--save-path", trial.path("flags"), "--use-X-not-raw"];
    const spelled = await runScdl(["convert-h5ad", ...flags, "--data-dtype", "uint8"]);
    trial.equal("exit code of the original's flags", spelled.code, 0);
    trial.matches("their warning", spelled.stderr, /warn/i);
  },

  "8 rounding float64 to float32 is no loss": async (trial) => {
    const h5ad = await trial.make("float64");
    const request = { h5ad, matrix: "X", output: trial.path("theirs") };
    const warned = (await trial.original.ask("convert_warnings", request)) as string[];
    trial.matches("warnings", warned.join(), /Downcasted data values/);
    const result = await runScdl(["convert-h5ad", h5ad, "--matrix", "X", "-o", trial.path("ours")]);
    trial.equal("exit code", result.code, 0);
    trial.equal("warns", /warn/i.test(result.stderr), false);
    const stored = [trial.path("ours"), trial.path("theirs")].map((folder) =>
      readFileSync(join(folder, "data.npy")).toString("hex"),
    );
    trial.equal("stored", stored[0], stored[1]);
  },

  "18 other byte order and float16 are refused": async (trial) => {
    for (const name of ["big-endian", "dtype-float16"]) {
      const h5ad = join(FIXTURES, `h5ad/${name}.h5ad`);
      const refused = await trial.convert(h5ad, trial.path(`${name}-theirs`));
      trial.matches(name, refused, /scipy.sparse does not support dtype/);
      await convertOurs(h5ad, trial.path(name), ["--matrix", "X"]);
    }
  },
};

/** `counts` of original_divergences.py. */
function countsOf(nObs: number, nVars: number): number[][] {
  return Array.from({ length: nObs }, (_, row) =>
    Array.from({ length: nVars }, (_, column) => {
      const value = row * nVars + column + 1;
      return value % 3 === 0 ? 0 : value;
    }),
  );
}

async function columnsOf(archive: string, index: "obs" | "var") {
  using dataset = await SingleCellDataset.open(archive);
  const table = index === "obs" ? await dataset.obs() : await dataset.var();
  const names = table.schema.fields.map(({ name }) => name);
  const firstId = table.getChild(`${index}_feature_id`)?.get(0) as unknown;
  return { names, firstId };
}

function inOrder(names: readonly string[]): string[] {
  return names.toSorted((a, b) => (a < b ? -1 : 1));
}
