import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { Table, Utf8, vectorFromArray } from "apache-arrow";
import { describe, expect, test } from "vitest";
import type { ScdlArchive } from "../../../formats/scdl/archive.ts";
import { openArchive } from "../../../formats/scdl/archive.ts";
import { ArchiveWriter, type ArchiveWriterOptions } from "../../../formats/scdl/archive-writer.ts";
import { verifyArchive } from "../../../formats/scdl/verify.ts";
import { saveDataset } from "../../../src/dataset/concat.ts";
import { loadBundle, temporaryDirectory, unpack } from "../../helpers/bundle.ts";

const head = loadBundle("head");
const ARRAYS = ["data", "indices", "indptr"] as const;

/** Writes an opened archive again, through the writer alone. */
async function copyArchive(source: ScdlArchive, output: string, options?: ArchiveWriterOptions) {
  const writer = ArchiveWriter.create(output, options);
  for (const name of ARRAYS) writeFileSync(writer.pathOf(name), readFileSync(source[name].path));
  for (const [index, target] of [
    [source.var, writer.varFeatures],
    [source.obs, writer.obsFeatures],
  ] as const) {
    for (let block = 0; block < (index?.nBlocks ?? 0); block++) {
      if (index === null) break;
      const nRows = (index.cumulative[block + 1] ?? 0) - (index.cumulative[block] ?? 0);
      const label = index.labels[block] ?? null;
      target.beginBlock({ label, nRows, schema: await index.schema(block) });
      for await (const batch of index.batches(block)) await target.write(batch);
      await target.endBlock();
    }
  }
  return {
    writer,
    commit: () =>
      writer.commit({
        nObs: source.nObs,
        nnz: source.nnz,
        dtypes: {
          data: source.data.dtype,
          indices: source.indices.dtype,
          indptr: source.indptr.dtype,
        },
      }),
  };
}

async function writeCopy(name: string, options?: ArchiveWriterOptions, output?: string) {
  const source = await openArchive(unpack(head, name));
  const target = output ?? join(temporaryDirectory(), "copy");
  const { commit } = await copyArchive(source, target, options);
  await commit();
  return { source: source.directory, target };
}

test.each(["a", "c", "uint8", "abc"])(
  "archive %s written again has every byte of the original but parquet and num_rows",
  async (name) => {
    const { source, target } = await writeCopy(name);
    const isCompared = (file: string) =>
      !file.endsWith(".parquet") &&
      !file.startsWith("neighbor") &&
      // concat leaves the first data set's count there.
      !(file === "metadata.json" && name === "abc");
    const files = readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.\w+$/.test(file))
      .filter(isCompared);
    expect(files.length).toBeGreaterThanOrEqual(11);
    for (const file of files) {
      expect(readFileSync(join(target, file)), file).toEqual(readFileSync(join(source, file)));
    }
  },
);

test("obs and var come back value for value", async () => {
  const { source, target } = await writeCopy("abc");
  const before = await openArchive(source);
  const after = await openArchive(target);
  expect(after.varBlocks).toEqual(before.varBlocks);
  for (const [index, copy] of [
    [before.var, after.var],
    [before.obs, after.obs],
  ] as const) {
    for (let block = 0; block < (index?.nBlocks ?? 0); block++) {
      const expected = await index?.table(block);
      const found = await copy?.table(block);
      expect(String(found?.schema)).toBe(String(expected?.schema));
      expect(found?.toArray().map(String)).toEqual(expected?.toArray().map(String));
    }
  }
});

test("checksums.json names every other file with its length and CRC-32", async () => {
  const { target } = await writeCopy("a");
  const { files } = JSON.parse(readFileSync(join(target, "checksums.json"), "utf8"));
  const names = readdirSync(target, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.\w+$/.test(name) && name !== "checksums.json")
    .sort();
  expect(Object.keys(files)).toEqual(names);
  for (const name of names) {
    const bytes = readFileSync(join(target, name));
    const hex = crc32(bytes).toString(16).padStart(8, "0");
    expect(files[name], name).toEqual({ bytes: bytes.byteLength, crc32: hex });
  }
});

describe("an output is complete or absent", () => {
  test("until commit there is only a directory that does not open", async () => {
    const output = join(temporaryDirectory(), "out");
    const source = await openArchive(unpack(head, "a"));
    const { writer, commit } = await copyArchive(source, output);
    expect(existsSync(output)).toBe(false);
    await expect(openArchive(writer.directory)).rejects.toMatchObject({ code: "incomplete" });
    await commit();
    expect(readdirSync(dirname(output))).toEqual(["out"]);
    expect((await openArchive(output)).nObs).toBe(8);
  });

  test("abort leaves nothing", async () => {
    const parent = temporaryDirectory();
    const source = await openArchive(unpack(head, "a"));
    const { writer } = await copyArchive(source, join(parent, "out"));
    await writer.abort();
    expect(readdirSync(parent)).toEqual([]);
  });

  test("arrays of the wrong size are refused and the output stays absent", async () => {
    const output = join(temporaryDirectory(), "out");
    const source = await openArchive(unpack(head, "a"));
    const { writer, commit } = await copyArchive(source, output);
    writeFileSync(writer.pathOf("data"), new Uint8Array(95));
    await expect(commit()).rejects.toThrow(/data\.npy: expected 96 bytes, found 95/);
    expect(existsSync(output)).toBe(false);
    await writer.abort();
  });

  test("an existing output is an error", async () => {
    const { target } = await writeCopy("a");
    expect(() => ArchiveWriter.create(target)).toThrow(/already exists/);
  });

  test("overwrite replaces the old data set whole", async () => {
    const { target } = await writeCopy("abc");
    await writeCopy("a", { overwrite: true }, target);
    expect(readdirSync(dirname(target))).toEqual(["copy"]);
    const archive = await openArchive(target);
    expect([archive.nObs, archive.varBlocks.length]).toEqual([8, 1]);
    expect(readdirSync(join(target, "var_features"))).not.toContain("dataframe_1.parquet");
  });

  test("overwrite never replaces a directory that holds anything else", () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "thesis.tex"), "x");
    expect(() => ArchiveWriter.create(directory, { overwrite: true })).toThrow(/thesis\.tex/);
  });
});

describe("what a dead process left", () => {
  // A number no process can have.
  const deadPid = 4_194_305;

  test("is removed and reported", async () => {
    const parent = temporaryDirectory();
    const left = join(parent, `.out.scdl-tmp-${deadPid}-0a1b2c3d`);
    mkdirSync(left);
    writeFileSync(join(left, "data.npy"), "half");
    const warnings: string[] = [];
    const output = join(parent, "out");
    await writeCopy("a", { onWarning: (message) => warnings.push(message) }, output);
    expect(readdirSync(parent)).toEqual(["out"]);
    expect(warnings).toEqual([`${left}: removed what an interrupted run had left`]);
  });

  test("of another output or a living process is left alone", async () => {
    const parent = temporaryDirectory();
    const others = [`.other.scdl-tmp-${deadPid}-00000000`, `.out.scdl-tmp-${process.pid}-00000000`];
    for (const name of others) mkdirSync(join(parent, name));
    await writeCopy("a", {}, join(parent, "out"));
    expect(readdirSync(parent)).toEqual([
      `.other.scdl-tmp-${deadPid}-00000000`,
      `.out.scdl-tmp-${process.pid}-00000000`,
      "out",
    ]);
  });

  test("is put back when it is the old data set, moved away but not replaced", async () => {
    const { target } = await writeCopy("a");
    const parent = dirname(target);
    renameSync(target, join(parent, `.copy.scdl-old-${deadPid}-00000000`));
    expect(() => ArchiveWriter.create(target)).toThrow(/already exists/);
    expect((await openArchive(target)).nObs).toBe(8);
  });
});

test("a process killed while writing leaves no output, and the next run cleans up", async () => {
  const parent = temporaryDirectory();
  const output = join(parent, "out");
  const writer = new URL("../../../formats/scdl/archive-writer.ts", import.meta.url).href;
  const script = `
    const { ArchiveWriter } = await import(${JSON.stringify(writer)});
    const { writeFileSync } = await import("node:fs");
    const archive = ArchiveWriter.create(${JSON.stringify(output)});
    writeFileSync(archive.pathOf("data"), "half of it");
    process.kill(process.pid, "SIGKILL");`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
  expect(child.signal).toBe("SIGKILL");
  const [left] = readdirSync(parent);
  expect(left).toMatch(/^\.out\.scdl-tmp-\d+-[0-9a-f]{8}$/);
  await expect(openArchive(join(parent, left ?? ""))).rejects.toMatchObject({ code: "incomplete" });
  const warnings: string[] = [];
  await writeCopy("a", { onWarning: (message) => warnings.push(message) }, output);
  expect(warnings).toEqual([
    `${join(parent, left ?? "")}: removed what an interrupted run had left`,
  ]);
  expect(readdirSync(parent)).toEqual(["out"]);
});

test.each([
  ["no values", 3],
  ["no rows", 0],
])("a data set with %s is written, opened, verified and saved again", async (_, nObs) => {
  const parent = temporaryDirectory();
  const writer = ArchiveWriter.create(join(parent, "out"));
  for (const name of ["data", "indices"] as const) writeFileSync(writer.pathOf(name), "");
  writeFileSync(writer.pathOf("indptr"), new Uint8Array(nObs + 1));
  const table = new Table({ gene: vectorFromArray(["g1", "g2"], new Utf8()) });
  writer.varFeatures.beginBlock({ label: null, nRows: nObs, schema: table.schema });
  for (const batch of table.batches) await writer.varFeatures.write(batch);
  await writer.varFeatures.endBlock();
  const dtypes = { data: "float32", indices: "uint8", indptr: "uint8" } as const;
  await writer.commit({ nObs, nnz: 0, dtypes });
  await saveDataset(join(parent, "out"), join(parent, "again"));
  for (const name of ["out", "again"]) {
    const archive = await openArchive(join(parent, name));
    expect([archive.nObs, archive.nnz]).toEqual([nObs, 0]);
    expect(archive.varBlocks).toEqual([{ rowBegin: 0, rowEnd: nObs, nVars: 2, label: null }]);
    expect(await verifyArchive(join(parent, name))).toEqual([]);
  }
});
