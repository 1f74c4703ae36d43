/** Every row of the table of docs/format-and-divergences.md: both sides do what it says. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { castDataset } from "../../src/dataset/cast.ts";
import { concatDatasets } from "../../src/dataset/concat.ts";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { REPOSITORY_ROOT, runScdl } from "../helpers/run-process.ts";
import { unpackBundle } from "./archives.ts";
import type { Original } from "./original.ts";
import { type Build, convertOurs } from "./ours-to-theirs.ts";
import type { Tally } from "./tally.ts";

const FIXTURES = join(REPOSITORY_ROOT, "fixtures");

/** What a check works with: an empty folder of its own, and facts that must hold. */
class Bench {
  readonly found: string[] = [];
  readonly build: Build["name"];
  readonly original: Original;
  readonly folder: string;

  constructor({ name, original }: Build, folder: string) {
    this.build = name;
    this.original = original;
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Equal as JSON. */
  equal(what: string, found: unknown, expected: unknown): void {
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
    if (a !== b) this.found.push(`${what}: expected ${b}, found ${a}`);
  }

  matches(what: string, found: unknown, expected: RegExp): void {
    if (!expected.test(String(found))) {
      this.found.push(`${what}: expected ${expected}, found ${String(found).slice(0, 160)}`);
    }
  }

  /** A small file made by Python. */
  async make(name: string): Promise<string> {
    const path = this.path(`${name}.h5ad`);
    await this.original.ask("make", { case: name, path });
    return path;
  }

  /** What the original's conversion ends with: its error, or "converted". */
  async convert(h5ad: string, output: string, options: Readonly<Record<string, unknown>> = {}) {
    return this.original
      .ask("convert", { h5ad, matrix: "X", output, ...options })
      .then(() => "converted", String);
  }

  async rows(archive: string): Promise<unknown> {
    using dataset = await SingleCellDataset.open(archive);
    return Array.from({ length: dataset.nObs }, (_, row) =>
      Array.from(dataset.rowDense(row), Number),
    );
  }
}

type Check = (bench: Bench) => Promise<void>;

const CHECKS: Readonly<Record<string, Check>> = {
  "1 csc is stored transposed or dies": async (bench) => {
    const square = await bench.make("square csc");
    const [ours, theirs] = [bench.path("ours"), bench.path("theirs")];
    bench.equal("square", await bench.convert(square, theirs), "converted");
    await convertOurs(square, ours, ["--matrix", "X"]);
    const rows = (await bench.rows(ours)) as number[][];
    bench.equal("rows", rows, countsOf(6, 6));
    const transposed = rows.map((_, i) => rows.map((row) => row[i]));
    bench.equal("the original's rows", await bench.rows(theirs), transposed);
    const wide = await bench.make("csc");
    bench.matches("csc", await bench.convert(wide, bench.path("none")), /could not broadcast/);
    const large = await bench.convert(wide, bench.path("large"), { paginated: true });
    bench.matches("large csc", large, /NotImplementedError/);
    await convertOurs(wide, bench.path("wide"), ["--matrix", "X"]);
    bench.equal("rows of csc", await bench.rows(bench.path("wide")), countsOf(5, 8));
  },

  "2 dense is refused": async (bench) => {
    const dense = await bench.make("dense");
    const refused = await bench.convert(dense, bench.path("theirs"));
    bench.matches("dense", refused, /NotImplementedError: Error: dense matrix/);
    await convertOurs(dense, bench.path("ours"), ["--matrix", "X"]);
    bench.equal("rows", await bench.rows(bench.path("ours")), countsOf(4, 5));
  },

  "3 a matrix without values is refused": async (bench) => {
    const empty = await bench.make("no values");
    const refused = await bench.convert(empty, bench.path("theirs"));
    bench.matches("no values", refused, /ValueError: n_elements is set to 0/);
    await convertOurs(empty, bench.path("ours"), ["--matrix", "X"]);
    bench.equal("rows", await bench.rows(bench.path("ours")), Array(3).fill([0, 0, 0, 0]));
  },

  "4 the index is dropped when there are columns": async (bench) => {
    const h5ad = join(FIXTURES, "scdl/a.h5ad");
    const [ours, theirs] = [bench.path("ours"), bench.path("theirs")];
    await bench.convert(h5ad, theirs, { matrix: "raw" });
    await convertOurs(h5ad, ours, []);
    for (const [index, first] of [
      ["obs", "cell0"],
      ["var", "ENSG00000"],
    ] as const) {
      const [a, b] = [await columnsOf(ours, index), await columnsOf(theirs, index)];
      bench.equal(
        `${index} columns`,
        inOrder(a.names),
        inOrder([...b.names, `${index}_feature_id`]),
      );
      bench.equal(`first id of ${index}`, a.firstId, first);
    }
  },

  "5 raw.X goes with raw.var": async (bench) => {
    const h5ad = await bench.make("raw wider than X");
    const [ours, theirs] = [bench.path("ours"), bench.path("theirs")];
    await bench.convert(h5ad, theirs, { matrix: "raw" });
    await convertOurs(h5ad, ours, []);
    bench.equal("rows", await bench.rows(ours), countsOf(4, 12));
    const error = await bench.original.ask("padded_error", { archive: theirs, row: 0 });
    bench.matches("a padded row of the original's", error, /IndexError/);
    bench.equal(
      "of ours",
      await bench.original.ask("padded_error", { archive: ours, row: 0 }),
      null,
    );
  },

  "6 a failed conversion blocks the next": async (bench) => {
    const h5ad = await bench.make("dense");
    const request = { h5ad, matrix: "X", output: bench.path("theirs") };
    const [first, second] = (await bench.original.ask("convert_twice", request)) as string[];
    bench.matches("first", first, /NotImplementedError/);
    bench.matches("second", second, /FileExistsError/);
    const output = bench.path("ours");
    const failed = await runScdl(["convert-h5ad", h5ad, "--matrix", "layers/none", "-o", output]);
    bench.equal("exit code", failed.code, 1);
    bench.equal("something is left", existsSync(output), false);
    await convertOurs(h5ad, output, ["--matrix", "X"]);
  },

  "7 values the type cannot hold": async (bench) => {
    const h5ad = await bench.make("too large");
    const [ours, theirs] = [bench.path("ours"), bench.path("theirs")];
    const request = { h5ad, matrix: "X", output: theirs, dtype: "uint8" };
    const warned = (await bench.original.ask("convert_warnings", request)) as string[];
    bench.matches("warnings", warned.join(), /Downcasted data values/);
    const options = ["--matrix", "X", "--data-dtype", "uint8"];
    const refused = await runScdl(["convert-h5ad", h5ad, "-o", ours, ...options]);
    bench.equal("exit code", refused.code, 1);
    bench.matches("error", refused.stderr, /row 1\b.*column 0\b.*300/s);
    const lossy = await runScdl(["convert-h5ad", h5ad, "-o", ours, ...options, "--allow-lossy"]);
    bench.equal("exit code with --allow-lossy", lossy.code, 0);
    bench.matches("warning", lossy.stderr, /warn/i);
    bench.equal(
      "stored",
      [...readFileSync(join(ours, "data.npy"))],
      [...readFileSync(join(theirs, "data.npy"))],
    );
    const flags = ["--data-path", h5ad, "--save-path", bench.path("flags"), "--use-X-not-raw"];
    const spelled = await runScdl(["convert-h5ad", ...flags, "--data-dtype", "uint8"]);
    bench.equal("exit code of the original's flags", spelled.code, 0);
    bench.matches("their warning", spelled.stderr, /warn/i);
  },

  "8 rounding float64 to float32 is no loss": async (bench) => {
    const h5ad = await bench.make("float64");
    const request = { h5ad, matrix: "X", output: bench.path("theirs") };
    const warned = (await bench.original.ask("convert_warnings", request)) as string[];
    bench.matches("warnings", warned.join(), /Downcasted data values/);
    const result = await runScdl(["convert-h5ad", h5ad, "--matrix", "X", "-o", bench.path("ours")]);
    bench.equal("exit code", result.code, 0);
    bench.equal("warns", /warn/i.test(result.stderr), false);
    const stored = [bench.path("ours"), bench.path("theirs")].map((folder) =>
      readFileSync(join(folder, "data.npy")).toString("hex"),
    );
    bench.equal("stored", stored[0], stored[1]);
  },

  "9 stale parquet files are extra blocks": async (bench) => {
    unpackBundle("head", bench.path("head"));
    const archive = bench.path("head/stale-parquet");
    // The wheel wants labels.npy: any archive of its own has one.
    unpackBundle("wheel", bench.path("wheel"));
    for (const index of ["var_features", "obs_features"]) {
      cpSync(bench.path(`wheel/a/${index}/labels.npy`), join(archive, index, "labels.npy"));
    }
    const [files, counted] = (await bench.original.ask("var_blocks", { archive })) as number[];
    bench.equal("blocks named and found by the original", [counted, (files ?? 0) > 10], [10, true]);
    using dataset = await SingleCellDataset.open(archive);
    bench.equal("blocks", dataset.varBlocks.length, 10);
  },

  "10 num_rows after concat": async (bench) => {
    const { ours, theirs } = await joined(bench);
    bench.equal("the original's", rowsOfMetadata(theirs), 8);
    bench.equal("ours", rowsOfMetadata(ours), 14);
  },

  "11 the header after concat and cast": async (bench) => {
    const { ours, theirs, a } = await joined(bench);
    const lengthOfRows = async (archive: string) =>
      ((await bench.original.ask("header", { archive })) as Header)["ROWPTR"]?.[1];
    bench.equal("row pointers in the original's header", await lengthOfRows(theirs), 9);
    bench.equal("in ours", await lengthOfRows(ours), 15);
    using dataset = await SingleCellDataset.open(theirs);
    bench.equal("rows of the original's, read by us", dataset.nObs, 14);
    const cast = bench.path("cast");
    await bench.original.ask("cast", { archive: a, dtype: "uint8", output: cast });
    const ofTheirs = (await bench.original.ask("header", { archive: cast })) as Header;
    bench.equal("type in the original's header", ofTheirs["DATA"]?.[0], "float32");
    bench.equal("rows of its cast, read by us", await bench.rows(cast), await bench.rows(a));
    await castDataset(a, { dtype: "uint8" });
    const ofOurs = (await bench.original.ask("header", { archive: a })) as Header;
    bench.equal("in ours", ofOurs["DATA"]?.[0], "uint8");
  },

  "12 neighbours are not joined": async (bench) => {
    const { ours, theirs, a, b } = await joined(bench, "next_cell_ids");
    const bytes = (archive: string) => statSync(join(archive, "neighbor_indptr.npy")).size / 8 - 1;
    bench.equal("cells with neighbours in the original's", bytes(theirs), 8);
    bench.equal("in ours", bytes(ours), 14);
    const warnings: string[] = [];
    using stale = await SingleCellDataset.open(theirs, {
      onWarning: (text) => warnings.push(text),
    });
    bench.equal("neighbours there", stale.neighbors, null);
    bench.matches("warning", warnings.join("\n"), /continuing without neighbours/);
    using first = await SingleCellDataset.open(a);
    using second = await SingleCellDataset.open(b);
    using both = await SingleCellDataset.open(ours);
    for (let row = 0; row < both.nObs; row++) {
      const [part, at, shift] = row < 8 ? [first, row, 0] : [second, row - 8, 8];
      const expected = [...(part.neighbors?.indices(at) ?? [])].map((cell) => cell + shift);
      bench.equal(`neighbours of row ${row}`, [...(both.neighbors?.indices(row) ?? [])], expected);
    }
  },

  "13 neighbours drawn are not repeatable": async (bench) => {
    const { a } = await joined(bench, "next_cell_ids");
    const draws = async () => {
      using dataset = await SingleCellDataset.open(a, { neighbors: { seed: 5 } });
      const { neighbors } = dataset;
      const row = Array.from({ length: 8 }, (_, i) => i).find(
        (i) => (neighbors?.count(i) ?? 0) > 1,
      );
      const drawn = Array.from({ length: 40 }, (_, draw) => neighbors?.sample(row ?? 0, draw));
      return { row, drawn };
    };
    const { row, drawn } = await draws();
    bench.equal("drawn again", (await draws()).drawn, drawn);
    const request = { archive: a, row, count: 40 };
    const [one, two] = (await bench.original.ask("draws", request)) as number[][];
    bench.equal("the original repeats itself", JSON.stringify(one) === JSON.stringify(two), false);
    bench.equal("neighbours drawn", sortedSet(drawn), sortedSet(one ?? []));
  },

  "14 negative rows": async (bench) => {
    const { a } = await joined(bench);
    const rows = (await bench.original.ask("rows", {
      archive: a,
      numbers: [-1, -2, 7],
    })) as unknown[];
    bench.equal("row -1", rows[0], [[], []]);
    bench.equal("row -2", rows[1], rows[2]);
    using dataset = await SingleCellDataset.open(a);
    for (const row of [-1, -2, 8, 0.5]) {
      bench.matches(
        `row ${row}`,
        thrown(() => dataset.row(row)),
        /row/,
      );
    }
  },

  "15 values of unsorted rows": async (bench) => {
    const h5ad = await bench.make("unsorted");
    const output = bench.path("ours");
    await convertOurs(h5ad, output, ["--matrix", "X"]);
    const value = (column: number) =>
      bench.original.ask("value", { archive: output, row: 0, column });
    using dataset = await SingleCellDataset.open(output);
    bench.equal("first in the row", [await value(6), dataset.value(0, 6)], [6, 6]);
    bench.equal("after a larger column", [await value(1), dataset.value(0, 1)], [0, 1]);
  },

  "16 opening writes": async (bench) => {
    const h5ad = await bench.make("no values");
    const archive = bench.path("ours");
    await convertOurs(h5ad, archive, ["--matrix", "X"]);
    const before = snapshot(archive);
    await bench.rows(archive);
    bench.equal("files after reading", snapshot(archive), before);
    const copy = bench.path("copy");
    const opened = await bench.original.ask("opened", { archive, copy });
    // numpy maps at least one byte for writing, and appends it where there is none.
    bench.equal("the original's map and data.npy", opened, { mode: "r+", bytes: 1 });
    bench.equal("rows of it, read by us", await bench.rows(copy), await bench.rows(archive));
  },

  "17 checksums": async (bench) => {
    const { a, ours } = await joined(bench);
    bench.equal("the original's", existsSync(join(a, "checksums.json")), false);
    const intact = await runScdl(["inspect", ours, "--verify", "--json"]);
    bench.equal("verify", intact.code, 0);
    const file = join(ours, "data.npy");
    const bytes = readFileSync(file);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const flipped = await runScdl(["inspect", ours, "--verify", "--json"]);
    bench.equal("verify after a flipped bit", flipped.code, 1);
    bench.matches("its report", flipped.stdout, /changed since it was written/);
  },

  "18 other byte order and float16 are refused": async (bench) => {
    for (const name of ["big-endian", "dtype-float16"]) {
      const h5ad = join(FIXTURES, `h5ad/${name}.h5ad`);
      const refused = await bench.convert(h5ad, bench.path(`${name}-theirs`));
      bench.matches(name, refused, /scipy.sparse does not support dtype/);
      await convertOurs(h5ad, bench.path(name), ["--matrix", "X"]);
    }
  },

  "19 the wheel cannot join other genes to an opened data set": async (bench) => {
    const archives = ["a", "c"].map((name) => bench.path(name));
    for (const [i, name] of ["a", "c"].entries()) {
      const h5ad = join(FIXTURES, `scdl/${name}.h5ad`);
      const result = await bench.convert(h5ad, archives[i] as string, { matrix: "raw" });
      bench.equal(name, result, "converted");
    }
    const request = { archives, output: bench.path("theirs") };
    const theirs = await bench.original.ask("concat_opened", request).then(() => "joined", String);
    const isWheel = bench.build === "wheel";
    bench.matches("the original", theirs, isWheel ? /AttributeError.*'append'/ : /^joined$/);
    await concatDatasets(archives, { output: bench.path("ours") });
    using dataset = await SingleCellDataset.open(bench.path("ours"));
    bench.equal("var blocks", dataset.varBlocks.length, 2);
  },
};

export async function checkDivergences(
  tally: Tally,
  build: Build,
  workspace: string,
): Promise<void> {
  for (const [name, check] of Object.entries(CHECKS)) {
    await tally.check(`divergence ${name}: ${build.name} and ours`, async () => {
      const folder = join(workspace, name.split(" ")[0] as string);
      mkdirSync(folder, { recursive: true });
      const bench = new Bench(build, folder);
      await check(bench);
      return bench.found;
    });
  }
}

type Header = Readonly<Record<string, readonly [dtype: string, length: number] | undefined>>;

/** a (8 cells) and b (6) of the fixtures as the original converts them, joined by it and by us. */
async function joined(bench: Bench, neighbors?: string) {
  const convert = async (name: string) => {
    const output = bench.path(name);
    const h5ad = join(FIXTURES, `scdl/${name}.h5ad`);
    const result = await bench.convert(h5ad, output, { matrix: "raw", neighbors });
    bench.equal(name, result, "converted");
    return output;
  };
  const [a, b] = [await convert("a"), await convert("b")];
  const [ours, theirs] = [bench.path("ours"), bench.path("theirs")];
  await bench.original.ask("concat_opened", { archives: [a, b], output: theirs });
  await concatDatasets([a, b], { output: ours });
  return { a, b, ours, theirs };
}

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

function rowsOfMetadata(archive: string): unknown {
  const text = readFileSync(join(archive, "metadata.json"), "utf8");
  return (JSON.parse(text) as Record<string, unknown>)["num_rows"];
}

function sortedSet(values: readonly unknown[]): unknown[] {
  return [...new Set(values)].map(Number).sort((x, y) => x - y);
}

function snapshot(folder: string): unknown {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return [name, size, mtimeMs];
    });
}

function thrown(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return "nothing thrown";
}
