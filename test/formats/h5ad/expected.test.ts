import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { differences, dumpH5ad, type Json } from "../../conformance/anndata.ts";

const folder = fileURLToPath(new URL("../../../fixtures/h5ad/", import.meta.url));
const expected: Readonly<Record<string, Json>> = JSON.parse(
  fs.readFileSync(`${folder}expected.json`, "utf8"),
);

describe("every value of a fixture is what Python's anndata reads", () => {
  it.for(Object.keys(expected))("%s", async (name) => {
    expect(differences(expected[name] ?? null, await dumpH5ad(folder + name))).toEqual([]);
  });

  it("a changed value, a missing member and another length are differences", () => {
    expect(differences({ a: [1, 2] }, { a: [1, 3] })).toEqual([".a[1]: expected 2, found 3"]);
    expect(differences({ a: 1, b: 0 }, { a: 1 })).toEqual([".b: expected 0, found null"]);
    expect(differences([1], [1, 2])).toEqual([": 1 values expected, found 2"]);
    expect(differences([0], [-0])).toEqual(["[0]: expected 0, found 0"]);
  });
});
