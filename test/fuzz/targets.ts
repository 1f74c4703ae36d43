/** One target per format: a seed becomes a damaged file that is opened and read to its end. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { isScdlError } from "../../formats/common/errors.ts";
import { H5adFile, type MatrixReader } from "../../formats/h5ad/index.ts";
import { decodeNpy } from "../../formats/npy/npy.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import { encodeSafetensors } from "../../formats/safetensors/write-safetensors.ts";
import { verifyArchive } from "../../formats/scdl/verify.ts";
import { convertH5ad } from "../../src/convert/convert-h5ad.ts";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { inspect } from "../../src/inspect/inspect.ts";
import { bytesOf, loadSafetensorsGolden, openBytes } from "../helpers/safetensors-files.ts";
import { damaged, flipped, randomOf, typedErrorOf } from "./damage.ts";

const FIXTURES = fileURLToPath(new URL("../../fixtures/", import.meta.url));

/** What came of one damaged file: an error code, or "read". */
export type Outcome = string;
export type Target = (seed: number) => Promise<Outcome>;

const outcome = (error: unknown): Outcome => (isScdlError(error) ? error.code : "read");

/** h5ad and 10x fixtures of every storage and filter; `folder` is for the damaged copies. */
export function h5adTarget(folder: string, names = h5adFixtures()): Target {
  const contents = names.map((name) => fs.readFileSync(path.join(FIXTURES, "h5ad", name)));
  return async (seed) => {
    const which = randomOf(seed)(names.length);
    const file = path.join(folder, names[which] ?? "");
    fs.writeFileSync(file, damaged(contents[which] ?? new Uint8Array(1), seed));
    try {
      const error = await typedErrorOf(() => readH5ad(file));
      if (seed % 4 === 0) await inspectAndConvert(file, seed % 8 === 0 ? "X" : "raw");
      return `${names[which]?.split("-")[0]}:${outcome(error)}`;
    } finally {
      fs.rmSync(file);
    }
  };
}

/** What a conversion of a damaged file writes is sound, and one that fails leaves nothing behind. */
async function inspectAndConvert(file: string, matrix: string): Promise<void> {
  await typedErrorOf(() => inspect(file, { head: 2, verify: true }));
  const output = path.join(path.dirname(file), "converted");
  const failed = await typedErrorOf(() =>
    convertH5ad({ inputs: [file], output, matrix, workers: 0, allowLossy: true, verify: true }),
  );
  if (isScdlError(failed, "verification-failed")) throw failed;
  fs.rmSync(output, { recursive: true, force: true });
  const left = fs.readdirSync(path.dirname(file)).filter((name) => name !== path.basename(file));
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
}

export function h5adFixtures(): string[] {
  const names = fs.readdirSync(path.join(FIXTURES, "h5ad"));
  return names.filter((name) => /\.h5(ad)?$/.test(name) && name !== "whole.h5ad");
}

async function readH5ad(file: string): Promise<void> {
  await using opened = await H5adFile.open(file, { timeoutMs: 5000 });
  for (const name of opened.matrixNames) {
    await readMatrix(opened.matrix(name));
  }
  for (const matrix of opened.obsp.values()) await readMatrix(matrix);
  await opened.obs();
  await opened.var();
  await opened.uns();
}

/** Blocks that are handed out must be whole, whatever the file says. */
async function readMatrix(matrix: MatrixReader): Promise<void> {
  const [, nVars] = matrix.shape;
  for await (const { rowBegin, rowEnd, indptr, indices, data } of matrix.rowBlocks()) {
    const last = indptr[rowEnd - rowBegin];
    if (indptr[0] !== 0 || last !== data.length || last !== indices.length) {
      throw new Error(`rows ${rowBegin} to ${rowEnd} are not whole`);
    }
    if (indices.some((column) => column >= nVars)) throw new Error("a column past the last gene");
  }
}

/** A converted data set; one byte of one of its files is changed. `--verify` must find it. */
export async function scdlTarget(folder: string): Promise<Target> {
  const sound = path.join(folder, "sound");
  const inputs = ["a", "b", "c"].map((name) => path.join(FIXTURES, "scdl", `${name}.h5ad`));
  await convertH5ad({ inputs, output: sound, workers: 0, neighbors: "next_cell_ids" });
  const files = fs
    .readdirSync(sound, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  const contents = files.map((file) => fs.readFileSync(file));
  return async (seed) => {
    const which = randomOf(seed)(files.length);
    const file = files[which] ?? "";
    const whole = contents[which] ?? new Uint8Array(1);
    const bytes = seed % 3 === 0 ? damaged(whole, seed, 64) : flipped(whole, seed);
    fs.writeFileSync(file, bytes);
    try {
      const error = await typedErrorOf(() => readDataset(sound));
      const problems = await verifyArchive(sound);
      const isSame = Buffer.compare(bytes, whole) === 0;
      if (!isSame && !problems.some(({ severity }) => severity === "error")) {
        throw new Error(`damage to ${file} was not found`);
      }
      return `${path.basename(file)}:${outcome(error)}`;
    } finally {
      fs.writeFileSync(file, whole);
    }
  };
}

async function readDataset(directory: string): Promise<void> {
  using dataset = await SingleCellDataset.open(directory);
  const all = Array.from({ length: dataset.nObs }, (_, row) => row);
  for (const row of all) await typedErrorOf(async () => dataset.rowDense(row));
  const { indptr, data, indices } = dataset.rows(all);
  if (indptr[all.length] !== data.length || indices.length !== data.length) {
    throw new Error("a batch that is not whole");
  }
  await dataset.obs();
  await dataset.var();
  if (dataset.neighbors !== null) {
    for (const row of all) dataset.rowWithNeighbor(row);
  }
}

/** Tables of pyarrow and pandas with every encoding and codec that is read. */
export function parquetTarget(folder: string): Target {
  const tables = loadFixture<Record<string, { base64: string }>>("parquet/tables.json.gz");
  const contents = Object.values(tables).map(({ base64 }) => Buffer.from(base64, "base64"));
  const file = path.join(folder, "table.parquet");
  return async (seed) => {
    const bytes = contents[randomOf(seed)(contents.length)] ?? new Uint8Array(1);
    fs.writeFileSync(file, damaged(bytes, seed));
    const error = await typedErrorOf(async () => {
      const opened = ParquetFile.open(file);
      await opened.schema();
      const table = await opened.table();
      // Damaged offsets would show when values are looked at.
      for (const row of table) String(row);
    });
    return outcome(error);
  };
}

/** `.npy` files of numpy. */
export function npyTarget(): Target {
  const files = JSON.parse(fs.readFileSync(path.join(FIXTURES, "scdl/npy.json"), "utf8")) as Record<
    string,
    { hex: string }
  >; // written by our own script
  const contents = Object.values(files).map(({ hex }) => Buffer.from(hex, "hex"));
  return async (seed) => {
    const bytes = contents[randomOf(seed)(contents.length)] ?? new Uint8Array(1);
    return outcome(
      await typedErrorOf(async () => decodeNpy(damaged(bytes, seed, 128), "labels.npy")),
    );
  };
}

/** Files of Python's safetensors; what opens is read to its end and written again. */
export function safetensorsTarget(): Target {
  const { files } = loadSafetensorsGolden();
  const contents = Object.values(files).map(({ hex }) => bytesOf(hex));
  return async (seed) => {
    const bytes = contents[randomOf(seed)(contents.length)] ?? new Uint8Array(1);
    const error = await typedErrorOf(async () => {
      using opened = openBytes(damaged(bytes, seed, 512));
      const tensors = opened.readAll();
      using again = openBytes(encodeSafetensors(tensors, { metadata: opened.metadata }));
      if (again.tensors.length !== tensors.size) throw new Error("a tensor was lost");
    });
    return outcome(error);
  };
}

function loadFixture<T>(name: string): T {
  return JSON.parse(gunzipSync(fs.readFileSync(path.join(FIXTURES, name))).toString("utf8")) as T;
}
