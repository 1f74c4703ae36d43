import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { convertH5ad } from "../../../src/convert/convert-h5ad.ts";
import {
  computeGeneMedians,
  mergeGeneDistributions,
  saveMedians,
} from "../../../src/gene-tokens/compute-medians.ts";
import {
  readGeneDistributions,
  writeGeneDistributions,
} from "../../../src/gene-tokens/distributions-file.ts";
import { GeneDistributions } from "../../../src/gene-tokens/gene-distributions.ts";
import { readGeneMedians } from "../../../src/gene-tokens/gene-medians.ts";
import { MEDIAN_ERROR, ValueDistribution } from "../../../src/gene-tokens/value-distribution.ts";
import { writeGeneDataset } from "../../helpers/gene-dataset.ts";

type Medians = Readonly<Record<string, number>>;
function fixture<T>(name: string): T {
  const url = new URL(`../../../fixtures/gene-tokens/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as T;
}
const golden = fixture<{
  readonly small: Medians;
  readonly smallGiven: Medians;
  readonly mapping: Readonly<Record<string, string>>;
  readonly smallMapped: Medians;
  readonly demo: Medians;
  readonly large: Medians;
}>("medians");
const cells = fixture<{
  readonly genes: readonly string[];
  readonly indptr: readonly number[];
  readonly indices: readonly number[];
  readonly cases: readonly { readonly data: readonly number[] }[];
}>("bionemo");
const folder = mkdtempSync(join(tmpdir(), "scdl-medians-"));
const at = (name: string) => join(folder, name);
const large = [at("large-a"), at("large-b"), at("large-c")];

/** The script's many cells: rows [begin, end). */
async function writeLarge(path: string, begin: number, end: number): Promise<void> {
  const data: number[] = [];
  const indices: number[] = [];
  const indptr = [0];
  for (let row = begin; row < end; row++) {
    for (let c = 0; c < 24; c++) {
      let value = (((row * 7919 + c * c * 104729 + row * c * 31) % 1009) % 61) - 30 + c;
      if (c === 3) value = row % 5 < 2 ? 1e4 : 1;
      if (c === 4) value = (row % 2) * 3;
      if (value <= 0) continue;
      data.push(value);
      indices.push(c);
    }
    indptr.push(data.length);
  }
  const genes = Array.from({ length: 24 }, (_, c) => `G${String(c).padStart(2, "0")}`);
  await writeGeneDataset(path, { genes, data: Float32Array.from(data), indices, indptr });
}

beforeAll(async () => {
  const { genes, indices, indptr } = cells;
  const data = Float32Array.from(cells.cases[1]?.data ?? []);
  await writeGeneDataset(at("small"), { genes, data, indices, indptr });
  await writeGeneDataset(at("given"), {
    ...{ genes, data, indices, indptr },
    obs: {
      n_counts: Float64Array.from({ length: 14 }, (_, i) => i * 7 + 90.5),
      filter_pass: Int32Array.from({ length: 14 }, (_, i) => (i % 4 === 2 ? 0 : 1)),
    },
  });
  await writeLarge(large[0] as string, 0, 1000);
  await writeLarge(large[1] as string, 1000, 1001);
  await writeLarge(large[2] as string, 1001, 4000);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("few cells: numpy's medians to the last bit; counts, filter and mapping as asked", async () => {
  const small = await computeGeneMedians([at("small")]);
  expect(Object.fromEntries(small.medians)).toEqual(golden.small);
  expect([...small.medians.keys()]).toEqual(Object.keys(golden.small));
  expect([small.cells, small.estimated]).toEqual([14, 0]);
  const given = await computeGeneMedians([at("given")]);
  expect(Object.fromEntries(given.medians)).toEqual(golden.smallGiven);
  expect(given.cells).toBe(11);
  const whole = { nCounts: null, filterPass: null };
  const unfiltered = await computeGeneMedians([at("given")], whole);
  expect(Object.fromEntries(unfiltered.medians)).toEqual(golden.small);
  const mapping = new Map(Object.entries(golden.mapping));
  const mapped = await computeGeneMedians([at("small")], { mapping });
  expect(Object.fromEntries(mapped.medians)).toEqual(golden.smallMapped);
});

test("an h5ad file is read where it is: raw, or the matrix asked for", async () => {
  const demo = await computeGeneMedians(["fixtures/h5ad/demo.h5ad"], { nCounts: null });
  expect(Object.fromEntries(demo.medians)).toEqual(golden.demo);
  const other = await computeGeneMedians(["fixtures/h5ad/demo.h5ad"], {
    matrix: "X",
    nCounts: null,
  });
  expect(other.medians).not.toEqual(demo.medians);
});

test("many cells: within the error stated, and numpy's medians when read again", async () => {
  const estimate = await computeGeneMedians(large);
  expect(estimate.cells).toBe(4000);
  expect(estimate.estimated).toBeGreaterThan(20);
  let worst = 0;
  for (const [gene, median] of Object.entries(golden.large)) {
    const share = Math.abs((estimate.medians.get(gene) ?? 0) / median - 1);
    worst = Math.max(worst, share);
  }
  expect(worst).toBeLessThanOrEqual(MEDIAN_ERROR);
  expect(worst).toBeGreaterThan(0);
  const exact = await computeGeneMedians(large, { exact: true });
  expect(Object.fromEntries(exact.medians)).toEqual(golden.large);
  expect(exact.estimated).toBe(0);
});

test("parts add up to the whole in any order, on disk too, byte for byte", async () => {
  const whole = await GeneDistributions.collect(large);
  writeGeneDistributions(at("whole.values"), whole);
  for (const [i, path] of large.entries()) {
    writeGeneDistributions(at(`${i}.values`), await GeneDistributions.collect([path]));
  }
  for (const order of [
    [0, 1, 2],
    [2, 0, 1],
    [1, 2, 0],
  ]) {
    const merged = await mergeGeneDistributions(order.map((i) => at(`${i}.values`)));
    expect(merged.cells).toBe(4000);
    writeGeneDistributions(at("merged.values"), merged, { overwrite: true });
    expect(readFileSync(at("merged.values"))).toEqual(readFileSync(at("whole.values")));
    expect(merged.medians()).toEqual(whole.medians());
  }
  saveMedians(at("medians.json"), whole.medians());
  expect(await readGeneMedians(at("medians.json"))).toEqual(whole.medians());
  expect(() => saveMedians(at("medians.json"), whole.medians())).toThrow("already exists");
});

const REPEATED = { name: "IncompatibleError", code: "repeated-cells" };
const again = (message: string) => expect.objectContaining({ ...REPEATED, message });

test("cells that were counted are not counted again: named twice, copied, or in a merged file", async () => {
  const [first = "", , last = ""] = large;
  cpSync(first, at("copy-of-a"), { recursive: true });
  const copied = expect.stringMatching(
    /copy-of-a: its 1000 cells were counted before, as .*large-a/,
  );
  const collect = (...paths: string[]) => GeneDistributions.collect(paths);
  await expect(collect(first, first)).rejects.toEqual(again(`${first} was named twice`));
  await expect(collect(first, `${first}/../large-a`)).rejects.toMatchObject(REPEATED);
  await expect(collect(first, last, at("copy-of-a"))).rejects.toMatchObject({
    ...REPEATED,
    message: copied,
  });
  const write = (name: string, found: GeneDistributions) =>
    writeGeneDistributions(at(name), found, { overwrite: true });
  write("a.values", await collect(first));
  write("ac.values", await collect(first, last));
  write("a-again.values", await collect(at("copy-of-a")));
  const merge = (...names: string[]) => mergeGeneDistributions(names.map(at));
  await expect(merge("a.values", "a.values")).rejects.toMatchObject(REPEATED);
  for (const order of [
    ["a.values", "ac.values"],
    ["ac.values", "a.values"],
  ]) {
    await expect(merge(...order)).rejects.toMatchObject({
      ...REPEATED,
      message: expect.stringContaining(`${at(order[1] ?? "")}: ${first}: its 1000 cells`),
    });
  }
  await expect(merge("ac.values", "a-again.values")).rejects.toMatchObject(REPEATED);
  const allowed = await mergeGeneDistributions([at("a.values"), at("ac.values")], {
    allowRepeats: true,
  });
  expect([allowed.cells, allowed.sources.length]).toEqual([1000 + 3999, 3]);
  // What was allowed once is no error when it is read.
  write("allowed.values", allowed);
  expect((await merge("allowed.values")).cells).toBe(4999);
});

test("a conversion of a file has its cells, other cells have other sums", async () => {
  const [file = "", converted] = ["fixtures/h5ad/demo.h5ad", at("demo.scdl")];
  await convertH5ad({ inputs: [file], output: converted, workers: 0 });
  const found = GeneDistributions.collect([file, converted], { nCounts: null });
  await expect(found).rejects.toMatchObject(REPEATED);
  const sums = new Set<string>();
  for (const swap of [null, "gene", "value", "row"] as const) {
    const path = at(`sums-${swap}`);
    const genes = swap === "gene" ? ["B", "A"] : ["A", "B"];
    const data = Float32Array.from(swap === "value" ? [2, 1, 3] : [1, 2, 3]);
    const indptr = swap === "row" ? [0, 1, 3] : [0, 2, 3];
    await writeGeneDataset(path, {
      genes,
      data,
      indices: [0, 1, 1].map((i, at) => (swap === "row" && at === 1 ? 0 : i)),
      indptr,
    });
    sums.add((await GeneDistributions.collect([path])).sources[0]?.sha256 ?? "");
  }
  expect(sums.size).toBe(4);
});

test("files of before, which do not say their data sets, are read and count as one", async () => {
  const found = await GeneDistributions.collect([large[0] as string]);
  writeGeneDistributions(at("said.values"), found);
  const [head = "", ...lines] = readFileSync(at("said.values"), "utf8").split("\n");
  const { sources, ...before } = JSON.parse(head) as Record<string, unknown>;
  expect(sources).toHaveLength(1);
  const old = [JSON.stringify(before), ...lines].join("\n");
  for (const name of ["old.values", "same.values"]) writeFileSync(at(name), old);
  expect((await readGeneDistributions(at("old.values"))).medians()).toEqual(found.medians());
  await expect(mergeGeneDistributions([at("old.values"), at("same.values")])).rejects.toMatchObject(
    REPEATED,
  );
  const [source] = found.sources;
  for (const wrong of [
    5,
    [5],
    [{ ...source, cells: -1 }],
    [{ ...source, sha256: "ab" }],
    [{ path: 1 }],
  ]) {
    writeFileSync(
      at("wrong.values"),
      [JSON.stringify({ ...before, sources: wrong }), ...lines].join("\n"),
    );
    await expect(readGeneDistributions(at("wrong.values"))).rejects.toMatchObject({
      code: "bad-gene-values",
      message: expect.stringContaining("line 1: expected a"),
    });
  }
});

test("memory of a gene does not grow with its cells", () => {
  const values = new ValueDistribution();
  for (let i = 0; i < 200_000; i++) values.add(0.5 + ((i * 7919) % 100_003) / 50_000);
  expect(values.values).toBeNull();
  expect([...values.ranges()].length).toBeLessThan(1400);
  expect(values.count).toBe(200_000);
});

test("the other data set of a second pass, and cells without genes, are refused", async () => {
  const found = await GeneDistributions.collect(large);
  await expect(found.exactMedians(large.slice(1))).rejects.toThrow("were counted before");
  const mapping = new Map([["NOTHING", "X"]]);
  await expect(computeGeneMedians([at("small")], { mapping })).rejects.toThrow("has a gene");
  await expect(computeGeneMedians([])).rejects.toThrow("at least one data set");
  await expect(computeGeneMedians([at("small")], { genes: "symbol" })).rejects.toThrow("symbol");
});

test("negative counts and sums that are none are refused with their row", async () => {
  const content = { genes: ["A", "B"], indices: [0, 1], indptr: [0, 1, 2] };
  await writeGeneDataset(at("negative"), { ...content, data: Float32Array.of(1, -2) });
  await expect(computeGeneMedians([at("negative")])).rejects.toThrow("row 1: expected counts");
  await writeGeneDataset(at("zero"), {
    ...{ ...content, data: Float32Array.of(1, 2) },
    obs: { n_counts: Int32Array.of(1, 0) },
  });
  await expect(computeGeneMedians([at("zero")])).rejects.toThrow("counts of row 1 sum to 0");
});

test("a file of values cut anywhere, or wrong anywhere, is refused with its line", async () => {
  const path = at("cut.values");
  const few = new GeneDistributions();
  few.cells = 3;
  for (const value of [1, 2.5, 1e-3]) few.of("A").add(value);
  for (let i = 1; i <= 600; i++) few.of("B").add(1 + (i % 3) / 100);
  writeGeneDistributions(at("few.values"), few);
  const text = readFileSync(at("few.values"), "utf8");
  for (let length = 0; length < text.length - 1; length++) {
    writeFileSync(path, text.slice(0, length));
    await expect(readGeneDistributions(path)).rejects.toMatchObject({ path });
  }
  for (const [from, to] of [
    ["scdl-gene-values", "other"],
    ['"version":1', '"version":2'],
    ["2.5", "-2.5"],
    ["2.5", "null"],
    ['"A"', '"B"'],
    ['"genes":2', '"genes":3'],
    ["200", "1e99"],
    ["200", "0"],
    ["523776", "-1"],
    ["523776", "99999999"],
  ] as const) {
    expect(text).toContain(from);
    writeFileSync(path, text.replace(from, to));
    await expect(readGeneDistributions(path)).rejects.toMatchObject({ path });
  }
});
