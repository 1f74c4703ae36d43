/**
 * `npm run conformance`: both directions against the original Python packages, on every fixture and,
 * when they are there, on the files of ../shared/data (SCDL_SHARED_DATA names another folder).
 * SCDL_BIONEMO_SRC names a checkout of bionemo-scdl's repository to check beside the wheel.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import { differences, dumpH5ad, type Json } from "./anndata.ts";
import { preparePython } from "./environment.ts";
import { checkDTypes, checkFolder } from "./folder.ts";
import { Original, OriginalError } from "./original.ts";
import { type Build, checkOursToTheirs, firstLine } from "./ours-to-theirs.ts";
import { Tally } from "./tally.ts";

const tally = new Tally();
const environment = await preparePython((line) => console.log(line));
if ("missing" in environment) {
  tally.skip("conformance with Python's bionemo-scdl and anndata", environment.missing);
} else {
  console.log(environment.note);
  const workspace = mkdtempSync(join(tmpdir(), "scdl-conformance-"));
  try {
    await compare(environment.python, workspace);
  } finally {
    rmSync(workspace, { recursive: true, force: true });
  }
}
console.log(tally.summary());
process.exitCode = tally.failed === 0 ? 0 : 1;

async function compare(python: string, workspace: string): Promise<void> {
  await using wheel = await Original.start(python, null);
  const headSource = findHeadSource();
  await using head = headSource === null ? null : await Original.start(python, headSource);
  const builds: Build[] = [{ name: "wheel", original: wheel }];
  if (head !== null) builds.push({ name: "head", original: head });

  for (const build of builds) {
    await checkDTypes(tally, build, join(workspace, build.name, "dtypes"));
    await checkFolder(tally, build, join(workspace, build.name, "folder"));
  }
  for (const [number, file] of inputs().entries()) {
    await checkReading(wheel, file);
    if (file.endsWith(".h5ad")) {
      await checkOursToTheirs(tally, builds, file, join(workspace, `${number}`));
    }
  }
}

/** Everything in an AnnData or 10x file, as H5adFile and as Python reads it. */
async function checkReading(original: Original, file: string): Promise<void> {
  const name = `${relative(REPOSITORY_ROOT, file)}: every value that Python's anndata reads`;
  let expected: unknown;
  try {
    expected = await original.ask("read_everything", { file });
  } catch (error) {
    if (!(error instanceof OriginalError)) throw error;
    tally.skip(name, `anndata cannot read it: ${firstLine(error.message)}`);
    return;
  }
  await tally.check(name, async () => {
    // What JSON.parse made is Json.
    return differences(expected as Json, await dumpH5ad(file));
  });
}

/** The folder to put on PYTHONPATH, from a checkout of the repository or of the package in it. */
function findHeadSource(): string | null {
  const checkout = process.env["SCDL_BIONEMO_SRC"];
  if (checkout === undefined || checkout === "") {
    tally.skip("bionemo-scdl at the head of its repository", "SCDL_BIONEMO_SRC names no checkout");
    return null;
  }
  const candidates = ["", "src", "sub-packages/bionemo-scdl/src"].map((part) =>
    resolve(checkout, part),
  );
  const found = candidates.find((folder) => existsSync(join(folder, "bionemo/scdl")));
  if (found === undefined) throw new Error(`SCDL_BIONEMO_SRC=${checkout}: no bionemo/scdl in it`);
  return found;
}

function inputs(): string[] {
  const shared = process.env["SCDL_SHARED_DATA"] ?? resolve(REPOSITORY_ROOT, "../shared/data");
  const files = hdf5Files(join(REPOSITORY_ROOT, "fixtures"));
  if (existsSync(shared)) files.push(...hdf5Files(shared));
  else tally.skip("real files", `no folder ${shared} (SCDL_SHARED_DATA names another)`);
  return files;
}

function hdf5Files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.h5(ad)?$/.test(path) && !path.includes("malformed"))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((path) => join(folder, path));
}
