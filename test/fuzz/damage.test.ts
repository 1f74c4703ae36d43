import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { H5adFile } from "../../formats/h5ad/index.ts";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { damaged, flipped, typedErrorOf } from "./damage.ts";
import { faiTarget, fastaTarget } from "./fasta-targets.ts";
import { proteinDatabaseTarget, proteinStoreTarget } from "./protein-targets.ts";
import {
  h5adTarget,
  npyTarget,
  parquetTarget,
  safetensorsTarget,
  scdlTarget,
  type Target,
} from "./targets.ts";

const FIXTURE = fileURLToPath(new URL("../../fixtures/h5ad/dtype-int16.h5ad", import.meta.url));

/** The outcomes that came up; a target throws when a reader misbehaves. */
async function outcomes(target: Target, first: number, count: number): Promise<Set<string>> {
  const found = new Set<string>();
  for (let seed = first; seed < first + count; seed++) found.add(await target(seed));
  return found;
}

// `node test/fuzz/run.ts FORMAT SECONDS` goes on for as long as asked.
describe("a damaged file is a typed error or some sound value", () => {
  test("npy", async () => {
    const found = await outcomes(npyTarget(), 1, 3000);
    expect([...found]).toEqual(expect.arrayContaining(["read", "bad-magic", "truncated"]));
  });

  test("FASTA, FASTQ, bgzip, and their indexes", async () => {
    const files = await outcomes(fastaTarget(temporaryDirectory()), 1, 200);
    expect([...files]).toEqual(
      expect.arrayContaining(["read/read", "bad-sequence/bad-sequence", "read/bad-record"]),
    );
    const indexes = await outcomes(faiTarget(temporaryDirectory()), 1, 150);
    expect([...indexes]).toEqual(
      expect.arrayContaining(["fai:stale-index", "fai:bad-fai", "gzi:bad-gzi"]),
    );
  });

  test("safetensors", async () => {
    const found = await outcomes(safetensorsTarget(), 1, 1500);
    expect([...found]).toEqual(
      expect.arrayContaining(["read", "bad-header", "truncated", "bad-offsets", "bad-shape"]),
    );
  });

  test("protein stores, data bases and cluster tables", async () => {
    const stores = await outcomes(await proteinStoreTarget(temporaryDirectory()), 1, 120);
    expect(stores.size).toBeGreaterThan(6);
    const bases = await outcomes(proteinDatabaseTarget(temporaryDirectory()), 1, 90);
    expect([...bases]).toEqual(expect.arrayContaining(["database.db:read"]));
    expect(bases.size).toBeGreaterThan(4);
  });

  test("parquet", async () => {
    const found = await outcomes(parquetTarget(temporaryDirectory()), 1, 150);
    expect([...found]).toEqual(expect.arrayContaining(["read", "bad-footer", "bad-parquet"]));
  });

  test("SCDL, where --verify finds every changed byte", async () => {
    const found = await outcomes(await scdlTarget(temporaryDirectory()), 1, 25);
    expect(found.size).toBeGreaterThan(10);
  });

  test("h5ad and 10x, opened, read, inspected and converted", async () => {
    const found = await outcomes(h5adTarget(temporaryDirectory()), 1, 8);
    expect(found.size).toBeGreaterThan(3);
  });
});

test("a size that one flipped byte made 1.7 GiB takes no such memory", async () => {
  const file = path.join(temporaryDirectory(), "huge-size.h5ad");
  fs.writeFileSync(file, damaged(fs.readFileSync(FIXTURE), 500_116));
  await typedErrorOf(async () => {
    await using opened = await H5adFile.open(file);
    expect(opened.shape).toEqual([5, 6]);
  });
  expect(process.resourceUsage().maxRSS / 1024).toBeLessThan(1024);
});

test("damage depends on the seed alone, and is damage", () => {
  const bytes = new Uint8Array(5000);
  expect(damaged(bytes, 7)).toEqual(damaged(bytes, 7));
  for (let seed = 0; seed < 50; seed++) {
    expect(flipped(bytes, seed).filter((byte) => byte !== 0)).toHaveLength(1);
  }
});
