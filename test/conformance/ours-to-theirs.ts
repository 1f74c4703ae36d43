/** What our command writes, opened by the original and compared with what the original writes. */
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { REPOSITORY_ROOT, runScdl } from "../helpers/run-process.ts";
import { asStrings, type Original, OriginalError } from "./original.ts";
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
    ["cumulative_sum_index.npy", "version.npy", "labels.json"].map((name) => `${index}/${name}`),
  ),
];

export interface Build {
  readonly name: "wheel" | "head";
  readonly original: Original;
}

interface Description {
  readonly raw: string | null;
  readonly X: string | null;
  readonly layers: readonly string[];
  readonly obsp: readonly string[];
  readonly sameVar: boolean;
}

/** Every matrix of one h5ad: converted by us, read by each build, compared with each build's output. */
export async function checkOursToTheirs(
  tally: Tally,
  builds: readonly Build[],
  h5ad: string,
  workspace: string,
): Promise<void> {
  const label = relative(REPOSITORY_ROOT, h5ad);
  const [first] = builds;
  if (first === undefined) return;
  let description: Description;
  try {
    description = (await first.original.ask("describe", { h5ad })) as Description; // original.py's dict
  } catch (error) {
    if (!(error instanceof OriginalError)) throw error;
    tally.skip(label, `anndata cannot read it: ${firstLine(error.message)}`);
    return;
  }
  const matrices = [
    ...(description.raw === null ? [] : ["raw"]),
    ...(description.X === null ? [] : ["X"]),
    ...description.layers.map((name) => `layers/${name}`),
  ];
  if (matrices.length === 0) {
    tally.skip(label, "it has no matrix");
    return;
  }
  for (const [number, matrix] of matrices.entries()) {
    const neighbors = matrix === "raw" || matrix === "X" ? description.obsp[0] : undefined;
    const folder = join(workspace, `${number}`);
    const ours = join(folder, "ours");
    const options = [
      ...["--matrix", matrix, "--allow-lossy", "--overwrite"],
      ...(neighbors === undefined ? [] : ["--neighbors", neighbors]),
    ];
    const name = `${label} ${matrix}`;
    await tally.check(`${name}: anndata's values, read by the original`, async () => {
      await convertOurs(h5ad, ours, options);
      const found: string[] = [];
      for (const { name: build, original } of builds) {
        const request = { h5ad, matrix, archive: ours, neighbors };
        found.push(
          ...asStrings(await original.ask("check", request)).map((line) => `${build}: ${line}`),
        );
      }
      return found;
    });
    if (matrix.startsWith("layers/")) continue; // the original reads raw and X only
    const kind = matrix === "raw" ? description.raw : description.X;
    for (const build of builds) {
      await compareOutputs(tally, build, {
        name,
        kind,
        sameVar: matrix !== "raw" || description.sameVar,
        request: { h5ad, matrix, neighbors },
        options: [...options, "--drop-index"],
        folder: join(folder, build.name),
      });
    }
  }
}

interface Comparison {
  readonly name: string;
  readonly kind: string | null;
  readonly sameVar: boolean;
  readonly request: {
    readonly h5ad: string;
    readonly matrix: string;
    readonly neighbors: string | undefined;
  };
  readonly options: readonly string[];
  readonly folder: string;
}

async function compareOutputs(tally: Tally, build: Build, comparison: Comparison): Promise<void> {
  const { name, request, folder } = comparison;
  const title = `${name}: the bytes that ${build.name} writes`;
  if (comparison.kind === "csc") {
    tally.skip(title, "the original stores csc transposed or refuses it (documented divergence)");
    return;
  }
  const theirs = join(folder, "theirs");
  try {
    await build.original.ask("convert", { ...request, output: theirs });
  } catch (error) {
    if (!(error instanceof OriginalError)) throw error;
    tally.skip(title, `the original cannot convert it: ${firstLine(error.message)}`);
    return;
  }
  await tally.check(`${name}: what ${build.name} wrote, read by us`, () =>
    readingDifferences(build.original, theirs, join(folder, "dump")),
  );
  await tally.check(title, async () => {
    const ours = join(folder, "ours");
    await convertOurs(request.h5ad, ours, comparison.options);
    const found = fileDifferences(ours, theirs, build.name);
    const features = asStrings(await build.original.ask("feature_differences", { ours, theirs }));
    const diverging = features.filter(
      (line) => !comparison.sameVar && line.startsWith("var_features"),
    );
    found.push(...features.filter((line) => !diverging.includes(line)));
    if (found.length > 0) return found;
    return diverging.length > 0 ? "var of raw instead of var (documented divergence)" : undefined;
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
    else {
      const difference = firstDifference(readFileSync(a), readFileSync(b));
      if (difference !== null) found.push(`${name}: ${difference}`);
    }
  }
  return found;
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

export function firstLine(text: string): string {
  return text.split("\n")[0]?.slice(0, 160) ?? "";
}
