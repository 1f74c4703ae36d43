import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import { ClusterParquetWriter } from "../../../src/proteins/cluster-parquet-writer.ts";
import { ClusterTable, type ClusterTableOptions } from "../../../src/proteins/cluster-table.ts";
import { NamedClusters } from "../../../src/proteins/named-clusters.ts";
import { ProteinDatabase } from "../../../src/proteins/protein-database.ts";
import { readGolden } from "../random/golden.ts";

interface Golden {
  readonly sequences: Readonly<Record<string, string>>;
  readonly train: readonly (readonly string[])[];
  readonly valid: readonly (readonly string[])[];
}

const FIXTURES = fileURLToPath(new URL("../../../fixtures/proteins/", import.meta.url));
const golden = readGolden<Golden>("proteins/database");
const LONG_NAME = `UniRef90_${"ü0".repeat(60)}`;
const folder = mkdtempSync(join(tmpdir(), "scdl-clusters-"));
afterAll(() => rmSync(folder, { recursive: true }));

function clustersOf(table: ClusterTable): string[][] {
  return Array.from({ length: table.length }, (_, cluster) =>
    Array.from({ length: table.size(cluster) }, (__, k) => table.memberId(cluster, k)),
  );
}

async function read(path: string, options: ClusterTableOptions = {}): Promise<string[][]> {
  using table = await ClusterTable.read(path, options);
  return clustersOf(table);
}

describe("cluster tables written by pandas", () => {
  test("give the clusters that bionemo-esm2 takes from them", async () => {
    const train = join(FIXTURES, "train.parquet");
    expect(ParquetFile.open(train).rowGroups.length).toBeGreaterThan(3);
    expect(await read(train)).toEqual(golden.train);
    expect(await read(join(FIXTURES, "valid.parquet"), { split: "validation" })).toEqual(
      golden.valid,
    );
  });

  test("also when the names do not fit the memory allowed, leaving no file", async () => {
    const options = { memoryBytes: 100, temporaryDirectory: folder };
    expect(await read(join(FIXTURES, "train.parquet"), options)).toEqual(golden.train);
    expect(readdirSync(folder).filter((name) => name.startsWith("scdl-spill"))).toEqual([]);
  });

  test("give the residues of their members with a data base", async () => {
    using table = await ClusterTable.read(join(FIXTURES, "train.parquet"));
    using proteins = ProteinDatabase.open(join(FIXTURES, "database.db"));
    const clusters = new NamedClusters(proteins, table);
    expect(clusters.length).toBe(golden.train.length);
    golden.train.forEach((members, cluster) => {
      expect(clusters.size(cluster)).toBe(members.length);
      members.forEach((id, k) => {
        expect(clusters.memberId(cluster, k)).toBe(id);
        const residues = Buffer.from(clusters.memberSequence(cluster, k)).toString();
        expect(residues).toBe(golden.sequences[id]);
      });
    });
  });

  test("refuse clusters and members that are not there", async () => {
    using table = await ClusterTable.read(join(FIXTURES, "train.parquet"));
    for (const cluster of [-1, table.length, 0.5]) {
      expect(() => table.size(cluster), String(cluster)).toThrow(/expected a cluster of 0 to/);
    }
    for (const k of [-1, table.size(0), Number.NaN]) {
      expect(() => table.memberId(0, k), String(k)).toThrow(/cluster 0 has/);
    }
  });
});

describe("files that are no cluster table", () => {
  const failure = async (path: string, options: ClusterTableOptions = {}) => {
    const error = await read(path, options).catch((reason: unknown) => reason);
    if (!isScdlError(error)) throw error;
    return error;
  };

  test("the original's words for a missing file and a missing column", async () => {
    const none = await failure(join(folder, "none.parquet"));
    expect([none.code, none.message]).toEqual([
      "no-such-file",
      `Cluster file ${join(folder, "none.parquet")} not found.`,
    ]);
    const valid = await failure(join(FIXTURES, "valid.parquet"));
    expect([valid.code, valid.message]).toEqual([
      "no-such-column",
      `${join(FIXTURES, "valid.parquet")}: Training cluster file must contain a 'ur90_id' column (there is: ur50_id)`,
    ]);
    expect(valid.suggestions).toEqual(['it is a table of validation clusters: split "validation"']);
  });

  test("truncated or overwritten anywhere, it gives clusters or a typed error", async () => {
    const whole = readFileSync(join(FIXTURES, "train.parquet"));
    const path = join(folder, "damaged.parquet");
    let errors = 0;
    for (let at = 0; at < whole.byteLength; at += 97) {
      const overwritten = Buffer.from(whole);
      overwritten.fill(0xa5, at, at + 3);
      for (const bytes of [whole.subarray(0, at), overwritten]) {
        writeFileSync(path, bytes);
        const error = await read(path).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined && !isScdlError(error)) throw error;
        if (error !== undefined) errors++;
      }
    }
    expect(errors).toBeGreaterThan(whole.byteLength / 97);
  });
});

describe("cluster tables written here", () => {
  test("hold empty, long and many clusters over several row groups", async () => {
    const output = join(folder, "written.parquet");
    const writer = ClusterParquetWriter.create(output);
    const expected: string[][] = [];
    for (let cluster = 0; cluster < 6000; cluster++) {
      const size = cluster === 777 ? 5000 : cluster % 17;
      const members = Array.from({ length: size }, (_, k) => `${LONG_NAME}${cluster}_${k}`);
      expected.push(members);
      await writer.add(`UniRef50_${cluster}`, members);
    }
    await writer.finish();
    expect(ParquetFile.open(output).rowGroups.length).toBeGreaterThan(1);
    expect(await read(output)).toEqual(expected);
    const names = await read(output, { split: "validation" });
    expect(names[5999]).toEqual(["UniRef50_5999"]);
  });

  test("hold names only for validation, and no rows at all", async () => {
    const valid = join(folder, "valid.parquet");
    const writer = ClusterParquetWriter.create(valid, { split: "validation" });
    await writer.add("UniRef50_A", []);
    await writer.finish();
    expect(ParquetFile.open(valid).columns).toEqual(["ur50_id"]);
    expect(await read(valid, { split: "validation" })).toEqual([["UniRef50_A"]]);
    const empty = join(folder, "empty.parquet");
    await ClusterParquetWriter.create(empty).finish();
    expect(await read(empty)).toEqual([]);
  });

  test("aborted leave nothing", async () => {
    const writer = ClusterParquetWriter.create(join(folder, "aborted.parquet"));
    await writer.add("a", ["b"]);
    writer.abort();
    expect(readdirSync(folder).filter((name) => name.includes("aborted"))).toEqual([]);
  });
});
