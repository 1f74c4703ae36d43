/**
 * `npm run bench:gpu -- [FOLDER]`: a folder that measures a GPU on a machine with PyTorch and nothing
 * else, without network: Node, koffi, this package's sources, and the programs of this folder. There
 * `sh run.sh`, see README. `--link-node` takes this machine's Node, for a trial on it.
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import { REPOSITORY_ROOT } from "../../helpers/run-process.ts";

const SHARED = process.env["SCDL_SHARED_DATA"] ?? resolve(REPOSITORY_ROOT, "../shared/data");
const MOST_BYTES = 60e6;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  // Of a bundle that stays on this machine: packing Node takes most of the time.
  options: { "link-node": { type: "boolean", default: false } },
});
const [folder = ".bench/gpu"] = positionals;
const target = resolve(folder);
const from = (path: string) => join(REPOSITORY_ROOT, path);
const copy = (path: string) =>
  cpSync(from(path), join(target, path), {
    recursive: true,
    dereference: true,
    filter: (file) => !/\.(map|d\.ts|test\.ts|md)$/.test(file),
  });

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const proteins = join(SHARED, "protein", "esm2_train.parquet");
writeFileSync(join(target, "lengths.json"), JSON.stringify(await lengthsOf(proteins)));
for (const path of ["src", "formats", "test/bench/gpu", "fixtures/tensor/ops.json"]) copy(path);
copy("test/src/tensor/golden.fixture.ts");
copy("package.json");
// The data module reads Parquet, too.
const ARROW = ["apache-arrow", "flatbuffers", "tslib"];
for (const name of ["koffi", ...ARROW]) copy(`node_modules/${name}`);
const native = `koffi-linux-${process.arch}`;
copy(`node_modules/@koromix/${native}`);
// 126 MB, a quarter of it packed; Python, which is there, unpacks it.
if (values["link-node"]) symlinkSync(process.execPath, join(target, "node"));
else {
  const packed = join(target, "node.xz");
  execFileSync("sh", ["-c", 'xz -T0 -6 -c "$0" > "$1"', process.execPath, packed]);
}
for (const name of ["run.sh", "README"]) cpSync(from(`test/bench/gpu/${name}`), join(target, name));
const bytes = sizeOf(target);
console.log(`${target}: ${(bytes / 1e6).toFixed(1)} MB; on the other machine: sh run.sh`);
if (bytes > MOST_BYTES) {
  console.log(`more than ${MOST_BYTES / 1e6} MB`);
  process.exitCode = 1;
}

/** Of the 10,000 proteins where they are there, with both special tokens and cut at 1,024; else of 500 a spread. */
async function lengthsOf(path: string): Promise<readonly number[]> {
  if (!existsSync(path)) return Array.from({ length: 500 }, (_, at) => 50 + ((at * 397) % 700));
  const lengths: number[] = [];
  for await (const batch of ParquetFile.open(path).batches()) {
    const column = batch.getChild("sequence");
    for (let row = 0; row < batch.numRows; row++) {
      lengths.push(Math.min(1024, String(column?.get(row)).length + 2));
    }
  }
  return lengths;
}

function sizeOf(path: string): number {
  const stats = lstatSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
