/** Divergences of data sets on disk: reading, joining, casting and drawing neighbours. */
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { castDataset } from "../../src/dataset/cast.ts";
import { concatDatasets } from "../../src/dataset/concat.ts";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { runScdl } from "../helpers/run-process.ts";
import { unpackBundle } from "./archives.ts";
import { type Check, FIXTURES, type Trial } from "./divergence-trial.ts";
import { convertOurs } from "./ours-to-theirs.ts";

export const IN_DATA_SETS: Readonly<Record<string, Check>> = {
  "9 stale parquet files are extra blocks": async (trial) => {
    unpackBundle("head", trial.path("head"));
    const archive = trial.path("head/stale-parquet");
    // The wheel wants labels.npy: any archive of its own has one.
    unpackBundle("wheel", trial.path("wheel"));
    for (const index of ["var_features", "obs_features"]) {
      cpSync(trial.path(`wheel/a/${index}/labels.npy`), join(archive, index, "labels.npy"));
    }
    const [files, counted] = (await trial.original.ask("var_blocks", { archive })) as number[];
    trial.equal("blocks named and found by the original", [counted, (files ?? 0) > 10], [10, true]);
    using dataset = await SingleCellDataset.open(archive);
    trial.equal("blocks", dataset.varBlocks.length, 10);
  },

  "10 num_rows after concat": async (trial) => {
    const { ours, theirs } = await joined(trial);
    trial.equal("the original's", rowsOfMetadata(theirs), 8);
    trial.equal("ours", rowsOfMetadata(ours), 14);
  },

  "11 the header after concat and cast": async (trial) => {
    const { ours, theirs, a } = await joined(trial);
    const lengthOfRows = async (archive: string) =>
      ((await trial.original.ask("header", { archive })) as Header)["ROWPTR"]?.[1];
    trial.equal("row pointers in the original's header", await lengthOfRows(theirs), 9);
    trial.equal("in ours", await lengthOfRows(ours), 15);
    using dataset = await SingleCellDataset.open(theirs);
    trial.equal("rows of the original's, read by us", dataset.nObs, 14);
    const cast = trial.path("cast");
    await trial.original.ask("cast", { archive: a, dtype: "uint8", output: cast });
    const ofTheirs = (await trial.original.ask("header", { archive: cast })) as Header;
    trial.equal("type in the original's header", ofTheirs["DATA"]?.[0], "float32");
    trial.equal("rows of its cast, read by us", await trial.rows(cast), await trial.rows(a));
    await castDataset(a, { dtype: "uint8" });
    const ofOurs = (await trial.original.ask("header", { archive: a })) as Header;
    trial.equal("in ours", ofOurs["DATA"]?.[0], "uint8");
  },

  "12 neighbours are not joined": async (trial) => {
    const { ours, theirs, a, b } = await joined(trial, "next_cell_ids");
    const bytes = (archive: string) => statSync(join(archive, "neighbor_indptr.npy")).size / 8 - 1;
    trial.equal("cells with neighbours in the original's", bytes(theirs), 8);
    trial.equal("in ours", bytes(ours), 14);
    const warnings: string[] = [];
    using stale = await SingleCellDataset.open(theirs, {
      onWarning: (text) => warnings.push(text),
    });
    trial.equal("neighbours there", stale.neighbors, null);
    trial.matches("warning", warnings.join("\n"), /continuing without neighbours/);
    using first = await SingleCellDataset.open(a);
    using second = await SingleCellDataset.open(b);
    using both = await SingleCellDataset.open(ours);
    for (let row = 0; row < both.nObs; row++) {
      const [part, at, shift] = row < 8 ? [first, row, 0] : [second, row - 8, 8];
      const expected = [...(part.neighbors?.indices(at) ?? [])].map((cell) => cell + shift);
      trial.equal(`neighbours of row ${row}`, [...(both.neighbors?.indices(row) ?? [])], expected);
    }
  },

  "13 neighbours drawn are not repeatable": async (trial) => {
    const { a } = await joined(trial, "next_cell_ids");
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
    trial.equal("drawn again", (await draws()).drawn, drawn);
    const request = { archive: a, row, count: 40 };
    const [one, two] = (await trial.original.ask("draws", request)) as number[][];
    trial.equal("the original repeats itself", JSON.stringify(one) === JSON.stringify(two), false);
    trial.equal("neighbours drawn", sortedSet(drawn), sortedSet(one ?? []));
  },

  "14 negative rows": async (trial) => {
    const { a } = await joined(trial);
    const rows = (await trial.original.ask("rows", {
      archive: a,
      numbers: [-1, -2, 7],
    })) as unknown[];
    trial.equal("row -1", rows[0], [[], []]);
    trial.equal("row -2", rows[1], rows[2]);
    using dataset = await SingleCellDataset.open(a);
    for (const row of [-1, -2, 8, 0.5]) {
      trial.matches(
        `row ${row}`,
        thrown(() => dataset.row(row)),
        /row/,
      );
    }
  },

  "15 values of unsorted rows": async (trial) => {
    const h5ad = await trial.make("unsorted");
    const output = trial.path("ours");
    await convertOurs(h5ad, output, ["--matrix", "X"]);
    const value = (column: number) =>
      trial.original.ask("value", { archive: output, row: 0, column });
    using dataset = await SingleCellDataset.open(output);
    trial.equal("first in the row", [await value(6), dataset.value(0, 6)], [6, 6]);
    trial.equal("after a larger column", [await value(1), dataset.value(0, 1)], [0, 1]);
  },

  "16 opening writes": async (trial) => {
    const h5ad = await trial.make("no values");
    const archive = trial.path("ours");
    await convertOurs(h5ad, archive, ["--matrix", "X"]);
    const before = snapshot(archive);
    await trial.rows(archive);
    trial.equal("files after reading", snapshot(archive), before);
    const copy = trial.path("copy");
    const opened = await trial.original.ask("opened", { archive, copy });
    // numpy maps at least one byte for writing, and appends it where there is none.
    trial.equal("the original's map and data.npy", opened, { mode: "r+", bytes: 1 });
    trial.equal("rows of it, read by us", await trial.rows(copy), await trial.rows(archive));
  },

  "17 checksums": async (trial) => {
    const { a, ours } = await joined(trial);
    trial.equal("the original's", existsSync(join(a, "checksums.json")), false);
    const intact = await runScdl(["inspect", ours, "--verify", "--json"]);
    trial.equal("verify", intact.code, 0);
    const file = join(ours, "data.npy");
    const bytes = readFileSync(file);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const flipped = await runScdl(["inspect", ours, "--verify", "--json"]);
    trial.equal("verify after a flipped bit", flipped.code, 1);
    trial.matches("its report", flipped.stdout, /changed since it was written/);
  },

  "19 the wheel cannot join other genes to an opened data set": async (trial) => {
    const archives = ["a", "c"].map((name) => trial.path(name));
    for (const [i, name] of ["a", "c"].entries()) {
      const h5ad = join(FIXTURES, `scdl/${name}.h5ad`);
      const result = await trial.convert(h5ad, archives[i] as string, { matrix: "raw" });
      trial.equal(name, result, "converted");
    }
    const request = { archives, output: trial.path("theirs") };
    const theirs = await trial.original.ask("concat_opened", request).then(() => "joined", String);
    const isWheel = trial.build === "wheel";
    trial.matches("the original", theirs, isWheel ? /AttributeError.*'append'/ : /^joined$/);
    await concatDatasets(archives, { output: trial.path("ours") });
    using dataset = await SingleCellDataset.open(trial.path("ours"));
    trial.equal("var blocks", dataset.varBlocks.length, 2);
  },
};

type Header = Readonly<Record<string, readonly [dtype: string, length: number] | undefined>>;

/** a (8 cells) and b (6) of the fixtures as the original converts them, joined by it and by us. */
async function joined(trial: Trial, neighbors?: string) {
  const convert = async (name: string) => {
    const output = trial.path(name);
    const h5ad = join(FIXTURES, `scdl/${name}.h5ad`);
    const result = await trial.convert(h5ad, output, { matrix: "raw", neighbors });
    trial.equal(name, result, "converted");
    return output;
  };
  const [a, b] = [await convert("a"), await convert("b")];
  const [ours, theirs] = [trial.path("ours"), trial.path("theirs")];
  await trial.original.ask("concat_opened", { archives: [a, b], output: theirs });
  await concatDatasets([a, b], { output: ours });
  return { a, b, ours, theirs };
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
