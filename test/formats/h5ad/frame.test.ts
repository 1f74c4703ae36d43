import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { H5adFile } from "../../../formats/h5ad/index.ts";
import { convertH5ad } from "../../../src/convert/convert-h5ad.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { annDataTree, writeHdf5 } from "../../helpers/write-hdf5.ts";

const folder = path.resolve(import.meta.dirname, "../../../fixtures/convert");
/** What anndata reads, see fixtures/generate/index_types.py. */
const names: Readonly<Record<string, { obs: string[]; var: string[] }>> = JSON.parse(
  fs.readFileSync(path.join(folder, "index-types.json"), "utf8"),
);

/** The two cells of annDataTree() with these obs columns. */
async function withObs(columns: Readonly<Record<string, string[]>>, order: string[]) {
  const file = path.join(temporaryDirectory(), "cells.h5ad");
  const data = Object.entries({ _index: ["a", "b"], ...columns });
  const obs = {
    attributes: { "encoding-type": "dataframe", _index: "_index", "column-order": order },
    members: Object.fromEntries(data.map(([name, texts]) => [name, { data: texts }])),
  };
  await writeHdf5(file, annDataTree({ obs }));
  return file;
}

describe("an index of numbers or booleans", () => {
  it.each(Object.entries(names))("%s is read as the texts of anndata", async (name, expected) => {
    await using file = await H5adFile.open(path.join(folder, `${name}.h5ad`));
    for (const frame of ["obs", "var"] as const) {
      const table = await file[frame]();
      expect(String(table.schema.fields[0]?.type)).toBe("Utf8");
      expect([...(table.getChildAt(0) ?? [])]).toEqual(expected[frame]);
    }
  });
});

it("names column and row of a text that is not UTF-8, and the way around", async () => {
  const file = await withObs({ good: ["x", "y"], bad: ["fine", "zzQQQzz"] }, ["good", "bad"]);
  const bytes = fs.readFileSync(file);
  bytes[bytes.indexOf("zzQQQzz") + 2] = 0xff;
  fs.writeFileSync(file, bytes);
  await using h5ad = await H5adFile.open(file);
  const error = await h5ad.obs().catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: "not-utf8",
    message: `${file}: column "bad" of /obs has a text in row 1 that is not UTF-8`,
    suggestions: ["name the others with --obs-columns", 'write column "bad" as UTF-8'],
  });
  const output = path.join(temporaryDirectory(), "out");
  await convertH5ad({ inputs: [file], output, obsColumns: ["good"], matrix: "X", workers: 0 });
});

describe("a column named twice", () => {
  it("in the file is an error that names it", async () => {
    const file = await withObs({ type: ["x", "y"] }, ["type", "type"]);
    await expect(H5adFile.open(file)).rejects.toMatchObject({
      code: "duplicate-column",
      message: `${file}: column-order of /obs names column "type" twice`,
    });
  });

  it("in the options is an error that names it", async () => {
    const file = await withObs({ type: ["x", "y"] }, ["type"]);
    const output = path.join(temporaryDirectory(), "out");
    const columns = { obsColumns: ["type", "type"], matrix: "X", workers: 0 };
    await expect(convertH5ad({ inputs: [file], output, ...columns })).rejects.toMatchObject({
      code: "invalid-argument",
      message: 'column "type" is asked for twice',
    });
    expect(fs.existsSync(output)).toBe(false);
  });
});
