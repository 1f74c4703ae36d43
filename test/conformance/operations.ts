/** Joining, casting and flattening: our output against the original's, then opened by the original. */
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SCDL_DTYPES, type ScdlDType } from "../../formats/common/dtype.ts";
import { castDataset } from "../../src/dataset/cast.ts";
import { concatDatasets } from "../../src/dataset/concat.ts";
import { DatasetCollection } from "../../src/dataset/dataset-collection.ts";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import { asStrings } from "./original.ts";
import { type Build, convertOurs, fileDifferences } from "./ours-to-theirs.ts";
import { rowDifferences } from "./reads.ts";
import type { Tally } from "./tally.ts";
import { readingDifferences } from "./theirs-to-ours.ts";

const FIXTURES = join(REPOSITORY_ROOT, "fixtures");
/** Row 10 of the divergences: the number of rows of the first. */
const WRONG_ROWS = /^metadata\.json:/;

type Input = readonly [file: string, dtype: ScdlDType];
/** a and b share their genes, c has others. */
const JOINS: Readonly<Record<string, readonly Input[]>> = {
  "float32 with equal genes": [
    ["a", "float32"],
    ["b", "float32"],
  ],
  "float32 with other genes": [
    ["c", "float32"],
    ["a", "float32"],
    ["b", "float32"],
  ],
  "float16, float32 and float64": [
    ["b", "float16"],
    ["a", "float32"],
    ["c", "float64"],
  ],
  "uint8, uint16 and uint64": [
    ["a", "uint8"],
    ["c", "uint16"],
    ["b", "uint64"],
  ],
};

export async function checkOperations(
  tally: Tally,
  build: Build,
  workspace: string,
): Promise<void> {
  mkdirSync(workspace, { recursive: true });
  for (const [name, inputs] of Object.entries(JOINS)) {
    await checkConcat(tally, build, name, inputs, join(workspace, name));
  }
  await checkMixed(tally, build, join(workspace, "mixed"));
  await checkFlatten(tally, build, workspace);
  await checkNeighbors(tally, build, workspace);
  for (const dtype of SCDL_DTYPES) await checkCast(tally, build, dtype, join(workspace, dtype));
}

async function checkConcat(
  tally: Tally,
  build: Build,
  name: string,
  inputs: readonly Input[],
  folder: string,
): Promise<void> {
  const [ours, theirs] = [join(folder, "ours"), join(folder, "theirs")];
  await tally.check(`concat of ${name}: the bytes that ${build.name} writes`, async () => {
    const archives = await convertAll(build, inputs, folder);
    const files = inputs.map(([file, dtype]) => [h5adOf(file), dtype]);
    await build.original.ask("concat", { inputs: files, output: theirs });
    await concatDatasets(archives, { output: ours });
    return joinedDifferences(build, ours, theirs);
  });
  await tally.check(`concat of ${name}: ours, read by ${build.name}`, async () => [
    ...(await readingDifferences(build.original, ours, join(folder, "dump"))),
    ...(await rowDifferences(build.original, ours, false)),
  ]);
}

/** Integers with floats are refused on both sides. */
async function checkMixed(tally: Tally, build: Build, folder: string): Promise<void> {
  await tally.check(`concat of floats with integers: refused as by ${build.name}`, async () => {
    const inputs: readonly Input[] = [
      ["a", "float32"],
      ["b", "uint8"],
    ];
    const archives = await convertAll(build, inputs, folder);
    const theirs = await build.original
      .ask("concat_opened", { archives, output: join(folder, "theirs") })
      .then(() => "accepted", String);
    const ours = await concatDatasets(archives, { output: join(folder, "ours") }).then(
      () => "accepted",
      String,
    );
    return [
      ...(theirs.includes("Cannot merge datasets with a mix") ? [] : [`the original: ${theirs}`]),
      ...(/float.*int|int.*float/s.test(ours) ? [] : [`ours: ${ours}`]),
    ];
  });
}

/** Each input as a data set that the original wrote. */
async function convertAll(
  { original }: Build,
  inputs: readonly Input[],
  folder: string,
): Promise<string[]> {
  const archives: string[] = [];
  for (const [file, dtype] of inputs) {
    const output = join(folder, `${file}-${dtype}`);
    await original.ask("convert", { h5ad: h5adOf(file), matrix: "raw", output, dtype });
    archives.push(output);
  }
  return archives;
}

function h5adOf(file: string): string {
  return join(FIXTURES, `scdl/${file}.h5ad`);
}

/** Files in an order of their own: a collection of the original, its flattening, and ours. */
async function checkFlatten(tally: Tally, build: Build, workspace: string): Promise<void> {
  const { name, original } = build;
  const h5ads = ["c", "a", "b"].map(h5adOf);
  const theirs = join(workspace, "flattened-theirs");
  const counts = await original.ask("flatten", { h5ads, output: theirs });
  await tally.check(`inputs in the order given: the bytes of ${name}'s collection`, async () => {
    const ours = join(workspace, "converted");
    await convertOurs(null, ours, [...h5ads, "--drop-index"]);
    return [
      ...(await joinedDifferences(build, ours, theirs)),
      ...(await readingDifferences(original, ours, join(workspace, "dump"))),
    ];
  });
  await tally.check(`a collection flattened by us, and by ${name}`, async () => {
    const inputs = ["c", "a", "b"].map((file): Input => [file, "float32"]);
    const members = await convertAll(build, inputs, join(workspace, "members"));
    const ours = join(workspace, "flattened-ours");
    const collection = await DatasetCollection.open(members);
    try {
      await collection.save(ours);
      const { nObs, nnz, nValues, varBlocks } = collection;
      const found = { nObs, nnz, nValues, nVars: varBlocks.map(({ nVars }) => nVars) };
      const summary = { ...found, nVars: withoutRepeats(found.nVars) };
      const differs = JSON.stringify(summary) !== JSON.stringify(counts);
      return [
        ...(differs ? [`${JSON.stringify(summary)}, expected ${JSON.stringify(counts)}`] : []),
        ...(await joinedDifferences(build, ours, theirs)),
        ...(await rowDifferences(original, ours, false)),
      ];
    } finally {
      collection.close();
    }
  });
}

/** The original joins equal var tables that follow each other already in a collection. */
function withoutRepeats(counts: readonly number[]): number[] {
  return counts.filter((count, i) => count !== counts[i - 1]);
}

/** Neighbour files, and every call that reads them, on what each side wrote. */
async function checkNeighbors(tally: Tally, build: Build, workspace: string): Promise<void> {
  const { name, original } = build;
  const h5ad = h5adOf("a");
  const [ours, theirs] = [join(workspace, "graph-ours"), join(workspace, "graph-theirs")];
  await tally.check(`--neighbors: the bytes that ${name} writes`, async () => {
    const request = { h5ad, matrix: "raw", output: theirs, neighbors: "next_cell_ids" };
    await original.ask("convert", request);
    await convertOurs(h5ad, ours, ["--neighbors", "next_cell_ids", "--drop-index"]);
    const names = ["indices", "indptr", "values"].map((part) => `neighbor_${part}.npy`);
    const missing = names.filter((file) => readFileSync(join(theirs, file)).length === 0);
    return [...missing.map((file) => `${file} is empty`), ...fileDifferences(ours, theirs, name)];
  });
  await tally.check(`neighbours of ours, read by ${name}`, () =>
    rowDifferences(original, ours, true),
  );
  await tally.check(`neighbours of ${name}'s, read by us`, () =>
    rowDifferences(original, theirs, true),
  );
}

/** Normalised values with fractions: what each type keeps of them is numpy's cast. */
async function checkCast(
  tally: Tally,
  build: Build,
  dtype: ScdlDType,
  folder: string,
): Promise<void> {
  const { name, original } = build;
  const h5ad = join(FIXTURES, "h5ad/demo.h5ad");
  const [source, ours] = [join(folder, "source"), join(folder, "ours")];
  const theirs = join(folder, "theirs");
  await tally.check(`cast to ${dtype}: the values that ${name} stores, read by it`, async () => {
    await original.ask("convert", { h5ad, matrix: "X", output: source });
    cpSync(source, ours, { recursive: true });
    await original.ask("cast", { archive: source, dtype, output: theirs });
    await castDataset(ours, { dtype, allowLossy: true });
    return [
      // The header keeps the old type: row 11 of the divergences.
      ...fileDifferences(ours, theirs, name).filter((line) => !line.startsWith("header.sch:")),
      ...(await readingDifferences(original, ours, join(folder, "dump"))),
    ];
  });
}

async function joinedDifferences(build: Build, ours: string, theirs: string): Promise<string[]> {
  const features = await build.original.ask("feature_differences", { ours, theirs });
  return [
    ...fileDifferences(ours, theirs, build.name).filter((line) => !WRONG_ROWS.test(line)),
    ...asStrings(features),
  ];
}
