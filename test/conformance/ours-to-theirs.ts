/** What our command writes, opened by the original and compared with what the original writes. */
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { convertH5ad } from "../../src/convert/convert-h5ad.ts";
import { REPOSITORY_ROOT, runScdl } from "../helpers/run-process.ts";
import { asStrings, type Original, OriginalError } from "./original.ts";
import { expectedRefusal, type MatrixDescription } from "./refusals.ts";
import type { Tally } from "./tally.ts";
import { readingDifferences } from "./theirs-to-ours.ts";

/** Written byte for byte as the original writes them; labels.json by head and labels.npy by the wheel. */
const SAME_BYTES = [
  "data.npy",
  "row_ptr.npy",
  "col_ptr.npy",
  "version.json",
  "metadata.json",
  "neighbor_indices.npy",
  "neighbor_indptr.npy",
  "neighbor_values.npy",
  ...["var_features", "obs_features"].flatMap((index) =>
    ["cumulative_sum_index.npy", "version.npy", "labels.json", "labels.npy"].map(
      (name) => `${index}/${name}`,
    ),
  ),
];

export interface Build {
  readonly name: "wheel" | "head";
  readonly original: Original;
}

interface Description {
  readonly matrices: readonly MatrixDescription[];
  readonly obsp: readonly string[];
  readonly sameVar: boolean;
}

/** An h5ad whose matrices our command converts, one after the other, while others look at it. */
export interface StartedConversions {
  readonly h5ad: string;
  readonly folder: string;
  readonly description: Description;
  /** One for each matrix: the error, or null when it is converted to `ours` of its folder. */
  readonly ours: readonly Promise<unknown>[];
}

/** @throws OriginalError when anndata cannot read the file. */
export async function startConversions(
  { original }: Build,
  h5ad: string,
  folder: string,
): Promise<StartedConversions> {
  // original.py's dict
  const description = (await original.ask("describe", { h5ad })) as Description;
  let previous: Promise<unknown> = Promise.resolve();
  const ours = description.matrices.map((matrix, number) => {
    const neighbors = neighborsOf(description, matrix);
    const options = ["--matrix", matrix.name, "--allow-lossy"];
    if (neighbors !== undefined) options.push("--neighbors", neighbors);
    const output = join(folder, `${number}`, "ours");
    previous = previous.then(() =>
      convertOurs(h5ad, output, options).then(
        () => null,
        (error: unknown) => error,
      ),
    );
    return previous;
  });
  return { h5ad, folder, description, ours };
}

/** Every matrix of one h5ad: converted by us, read by each build, compared with each build's output. */
export async function checkOursToTheirs(
  tally: Tally,
  builds: readonly Build[],
  started: StartedConversions,
): Promise<void> {
  const { h5ad, folder, description } = started;
  if (description.matrices.length === 0) await checkNoMatrix(tally, h5ad, folder);
  for (const [number, matrix] of description.matrices.entries()) {
    await checkMatrix(tally, builds, {
      matrix,
      h5ad,
      name: `${relative(REPOSITORY_ROOT, h5ad)} ${matrix.name}`,
      neighbors: neighborsOf(description, matrix),
      sameVar: matrix.name !== "raw" || description.sameVar,
      folder: join(folder, `${number}`),
      ours: started.ours[number],
    });
  }
}

function neighborsOf({ obsp }: Description, { name }: MatrixDescription): string | undefined {
  return name.startsWith("layers/") ? undefined : obsp[0];
}

interface Comparison {
  readonly matrix: MatrixDescription;
  readonly h5ad: string;
  readonly name: string;
  readonly neighbors: string | undefined;
  readonly sameVar: boolean;
  readonly folder: string;
  readonly ours: Promise<unknown> | undefined;
}

async function checkMatrix(
  tally: Tally,
  builds: readonly Build[],
  comparison: Comparison,
): Promise<void> {
  const { matrix, h5ad, name, neighbors, folder } = comparison;
  const request = { h5ad, matrix: matrix.name, neighbors };
  await tally.check(`${name}: anndata's values, read by the original`, async () => {
    const error = await comparison.ours;
    if (error !== null) throw error;
    const ours = join(folder, "ours");
    const found: string[] = [];
    for (const build of builds) {
      const lines = asStrings(await build.original.ask("check", { ...request, archive: ours }));
      found.push(...lines.map((line) => `${build.name}: ${line}`));
    }
    return found;
  });
  if (matrix.name.startsWith("layers/")) return; // the original reads raw and X only
  const ours = join(folder, "ours-without-ids");
  // The library this time: the command above is the same conversion with another flag.
  await convertH5ad({
    inputs: [h5ad],
    output: ours,
    matrix: matrix.name,
    allowLossy: true,
    dropIndex: true,
    workers: 0,
    ...(neighbors === undefined ? {} : { neighbors }),
  });
  for (const build of builds) {
    const theirs = join(folder, build.name);
    const isWritten = await checkConversion(tally, build, comparison, theirs);
    if (!isWritten) continue;
    await tally.check(`${name}: what ${build.name} wrote, read by us`, () =>
      readingDifferences(build.original, theirs, join(folder, "dump")),
    );
    await tally.check(`${name}: the bytes that ${build.name} writes`, () =>
      outputDifferences(build, comparison, ours, theirs),
    );
  }
}

/** True when the original wrote something to compare with; else its refusal is the documented one. */
async function checkConversion(
  tally: Tally,
  build: Build,
  { matrix, h5ad, name, neighbors }: Comparison,
  output: string,
): Promise<boolean> {
  const refusal = expectedRefusal(matrix);
  try {
    await build.original.ask("convert", { h5ad, matrix: matrix.name, neighbors, output });
  } catch (error) {
    if (!(error instanceof OriginalError)) throw error;
    await tally.check(`${name}: refused by ${build.name} as documented`, async () => {
      if (refusal === null) return [`the original: ${firstLine(error.message)}`];
      if (error.message.startsWith(refusal.error)) return `divergence ${refusal.row}`;
      return [`expected ${refusal.error}`, `found ${firstLine(error.message)}`];
    });
    return false;
  }
  // A square csc matrix is stored transposed: divergence 1 has its own check.
  return !(matrix.kind === "csc");
}

async function outputDifferences(
  build: Build,
  { sameVar }: Comparison,
  ours: string,
  theirs: string,
): Promise<string | readonly string[] | undefined> {
  const features = asStrings(await build.original.ask("feature_differences", { ours, theirs }));
  const diverging = features.filter((line) => !sameVar && line.startsWith("var_features"));
  const found = [
    ...fileDifferences(ours, theirs, build.name),
    ...features.filter((line) => !diverging.includes(line)),
  ];
  if (found.length > 0) return found;
  return diverging.length > 0 ? "var of raw instead of var, divergence 5" : undefined;
}

async function checkNoMatrix(tally: Tally, h5ad: string, workspace: string): Promise<void> {
  const name = `${relative(REPOSITORY_ROOT, h5ad)}: refused, it has no matrix`;
  await tally.check(name, async () => {
    const output = join(workspace, "none");
    const result = await runScdl(["convert-h5ad", h5ad, "--matrix", "X", "--output", output]);
    const found: string[] = [];
    if (result.code !== 1) found.push(`exit code ${result.code}, expected 1`);
    if (!result.stderr.includes("[no-such-matrix]")) found.push(firstLine(result.stderr));
    if (existsSync(output)) found.push("a refused conversion left its output");
    return found;
  });
}

/** header.sch is compared with head only: the wheel's names labels.npy where head's has labels.json. */
export function fileDifferences(ours: string, theirs: string, build: Build["name"]): string[] {
  const names = build === "head" ? [...SAME_BYTES, "header.sch"] : SAME_BYTES;
  const found: string[] = [];
  for (const name of names) {
    const [a, b] = [join(ours, name), join(theirs, name)];
    if (!existsSync(b)) {
      if (existsSync(a) && name.startsWith("neighbor"))
        found.push(`${name}: the original writes none`);
      continue;
    }
    if (!existsSync(a)) found.push(`${name}: missing`);
    else if (!isPickled(b)) {
      const difference = firstDifference(readFileSync(a), readFileSync(b));
      if (difference !== null) found.push(`${name}: ${difference}`);
    }
  }
  return found;
}

/** The wheel pickles labels that are Path objects, as in a folder; ours are plain text always. */
function isPickled(path: string): boolean {
  return path.endsWith("labels.npy") && readFileSync(path).includes("'descr': '|O'");
}

function firstDifference(a: Buffer, b: Buffer): string | null {
  if (a.equals(b)) return null;
  if (a.length !== b.length) return `${a.length} bytes, the original's has ${b.length}`;
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return `byte ${at} is ${a[at]}, the original's ${b[at]}`;
}

/** Runs our built command; throws with its error line. Input and output may be among the options. */
export async function convertOurs(
  input: string | null,
  output: string | null,
  options: readonly string[],
): Promise<void> {
  const paths = [
    ...(input === null ? [] : [input]),
    ...(output === null ? [] : ["--output", output]),
  ];
  const result = await runScdl(["convert-h5ad", ...paths, ...options]);
  if (result.code !== 0) throw new Error(`scdl convert-h5ad: ${result.stderr.trim()}`);
}

function firstLine(text: string): string {
  return text.split("\n")[0]?.slice(0, 160) ?? "";
}
