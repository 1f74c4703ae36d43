/**
 * `npm run conformance`: both directions against the original Python packages, on every fixture and,
 * when they are there, on the files of ../shared/data (SCDL_SHARED_DATA names another folder).
 * SCDL_BIONEMO_SRC names a checkout of bionemo-scdl's repository to check beside the wheel, or of
 * 1fb789ba^, the last commit with ESM-2's data code, to check the training items.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import { differences, dumpH5ad, type Json } from "./anndata.ts";
import { checkArchives } from "./archives.ts";
import { checkCellTokens } from "./cell-tokens.ts";
import { checkCudaProgram } from "./cuda-program/checks.ts";
import { checkDivergences, checkTable } from "./divergences.ts";
import { preparePython } from "./environment.ts";
import { checkTorch } from "./executors.ts";
import { checkFasta } from "./fasta.ts";
import { checkFinetuning } from "./finetuning.ts";
import { checkDTypes, checkFolder, checkPaginated } from "./folder.ts";
import { checkGpuBench } from "./gpu-bench.ts";
import { checkLossScale } from "./loss-scale.ts";
import { checkModels } from "./models.ts";
import { checkOperations } from "./operations.ts";
import { checkOrders } from "./orders.ts";
import { Original, OriginalError } from "./original.ts";
import { type Build, checkOursToTheirs, startConversions } from "./ours-to-theirs.ts";
import { checkProteins } from "./proteins.ts";
import { checkSafetensors } from "./safetensors.ts";
import { Tally } from "./tally.ts";
import { checkEsmTokens } from "./tokens-esm.ts";
import { checkTraining } from "./training.ts";
import { checkWebDataset } from "./webdataset.ts";

const tally = new Tally();
const environment = await preparePython((line) => console.log(line));
if ("missing" in environment) {
  tally.skip("conformance with Python's bionemo-scdl and anndata", environment.missing);
} else {
  console.log(environment.note);
  const workspace = mkdtempSync(join(scratchFolder(), "scdl-conformance-"));
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

  await checkTable(tally);
  await checkOrders(tally, python, join(workspace, "orders"));
  await checkEsmTokens(tally, python);
  await checkTorch(tally, python, join(workspace, "torch"));
  await checkCudaProgram(tally, python);
  await checkLossScale(tally, python);
  await checkGpuBench(tally, python, join(workspace, "gpu-bench"));
  await checkModels(tally, python, join(workspace, "models"));
  await checkSafetensors(tally, python, join(workspace, "safetensors"));
  await checkWebDataset(tally, python, join(workspace, "webdataset"));
  await checkFasta(tally, python, join(workspace, "fasta"));
  await checkCellTokens(tally, python);
  await checkProteins(tally, python, join(workspace, "proteins"));
  await checkTraining(tally, python, join(workspace, "training"));
  await checkFinetuning(tally, python, join(workspace, "finetuning"));
  for (const build of builds) {
    await checkDTypes(tally, build, join(workspace, build.name, "dtypes"));
    await checkFolder(tally, build, join(workspace, build.name, "folder"));
    await checkPaginated(tally, build, join(workspace, build.name, "paginated"));
    await checkOperations(tally, build, join(workspace, build.name, "operations"));
    await checkArchives(tally, build, join(workspace, build.name, "archives"));
    await checkDivergences(tally, build, join(workspace, build.name, "divergences"));
  }
  for (const [number, file] of inputs().entries()) {
    const folder = join(workspace, `${number}`);
    await checkFile(builds, file, folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Our command converts the file while Python and H5adFile read it. */
async function checkFile(builds: readonly Build[], file: string, folder: string): Promise<void> {
  const [first] = builds;
  if (first === undefined) return;
  const isConverted = file.endsWith(".h5ad");
  const started = isConverted ? startConversions(first, file, folder) : null;
  await started?.catch(() => {}); // reading tells what is wrong with the file
  await checkReading(first.original, file);
  if (started === null) return;
  const conversions = await started.catch((error: unknown) => {
    if (error instanceof OriginalError) return null;
    throw error;
  });
  if (conversions !== null) await checkOursToTheirs(tally, builds, conversions);
}

/** Memory where there is plenty: flushing small files to a busy disk takes most of the time. */
function scratchFolder(): string {
  const memory = "/dev/shm";
  if (!existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize >= 2 ** 31 ? memory : tmpdir();
}

/** Everything in an AnnData or 10x file, as H5adFile and as Python reads it. */
async function checkReading(original: Original, file: string): Promise<void> {
  const name = `${relative(REPOSITORY_ROOT, file)}: every value that Python's anndata reads`;
  await tally.check(name, async () => {
    // What JSON.parse made is Json.
    const expected = (await original.ask("read_everything", { file })) as Json;
    return differences(expected, await dumpH5ad(file));
  });
}

/** The folder to put on PYTHONPATH, from a checkout of the repository or of the package in it. */
function findHeadSource(): string | null {
  const checkout = process.env["SCDL_BIONEMO_SRC"];
  if (checkout === undefined || checkout === "") {
    tally.skip("bionemo-scdl at the head of its repository", "SCDL_BIONEMO_SRC names no checkout");
    return null;
  }
  if (existsSync(join(checkout, "sub-packages/bionemo-esm2"))) {
    const reason = "SCDL_BIONEMO_SRC is a checkout of an older one, with ESM-2's data code";
    tally.skip("bionemo-scdl at the head of its repository", reason);
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
