import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import { convertH5ad } from "../../../src/convert/convert-h5ad.ts";
import type { ConvertOptions, ConvertResult } from "../../../src/convert/options.ts";
import { loadBundle, temporaryDirectory, unpack } from "../../helpers/bundle.ts";

const FIXTURES = path.resolve(import.meta.dirname, "../../../fixtures");
const fixture = (name: string) => path.join(FIXTURES, "scdl", `${name}.h5ad`);

function convert(
  inputs: readonly string[],
  options: Partial<ConvertOptions> = {},
): Promise<ConvertResult> {
  const output = path.join(temporaryDirectory(), "out");
  return convertH5ad({ inputs, output, workers: 0, ...options });
}

/** Every file of a data set by its path inside it. */
function filesOf(directory: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    files.set(path.relative(directory, file), fs.readFileSync(file));
  }
  return files;
}

async function parquetRows(file: string): Promise<unknown> {
  const parquet = await ParquetFile.open(file);
  const table = await parquet.table();
  return {
    types: Object.fromEntries(table.schema.fields.map(({ name, type }) => [name, String(type)])),
    rows: table.toArray().map((row) => String(row)),
  };
}

/** Compares with what bionemo-scdl wrote; labels hold the path each side was given. */
async function expectSameDataSet(ours: string, theirs: string, relabel: (text: string) => string) {
  const written = filesOf(ours);
  for (const [name, golden] of filesOf(theirs)) {
    const bytes = written.get(name);
    if (name.startsWith("neighbor") && bytes === undefined) continue;
    // The original keeps the row count of its first file.
    if (name === "metadata.json" && theirs.endsWith("abc")) continue;
    if (name.endsWith(".parquet")) {
      expect(await parquetRows(path.join(ours, name)), name).toEqual(
        await parquetRows(path.join(theirs, name)),
      );
    } else if (name.endsWith("labels.json")) {
      expect(relabel(bytes?.toString() ?? ""), name).toBe(golden.toString());
    } else {
      expect(bytes?.toString("hex"), name).toBe(golden.toString("hex"));
    }
  }
  const extra = [...written.keys()].filter((name) => !fs.existsSync(path.join(theirs, name)));
  expect(extra.sort((a, b) => (a < b ? -1 : 1))).toEqual([
    "checksums.json",
    "obs_features/labels.npy",
    "var_features/labels.npy",
  ]);
}

const relative = (text: string) => text.replaceAll(`${FIXTURES}/`, "");

describe("convertH5ad writes what bionemo-scdl writes", () => {
  it("one file, with neighbours", async () => {
    const { output } = await convert([fixture("a")], {
      dropIndex: true,
      neighbors: "next_cell_ids",
    });
    await expectSameDataSet(output, unpack(loadBundle("head"), "a"), relative);
  });

  it("one file as uint8", async () => {
    const { output } = await convert([fixture("a")], { dropIndex: true, dataDtype: "uint8" });
    await expectSameDataSet(output, unpack(loadBundle("head"), "uint8"), relative);
  });

  it("three files: equal var frames merged, obs frames joined, wider columns", async () => {
    const { output } = await convert([fixture("a"), fixture("b"), fixture("c")], {
      dropIndex: true,
    });
    await expectSameDataSet(output, unpack(loadBundle("head"), "abc"), relative);
  });
});

describe("the number of workers", () => {
  it("does not change a byte", async () => {
    const inputs = [fixture("a"), fixture("c")];
    const outputs = await Promise.all([0, 1, 2].map((workers) => convert(inputs, { workers })));
    const [first, ...others] = outputs.map(({ output }) => filesOf(output));
    for (const other of others) expect(other).toEqual(first);
  });
});
