import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import * as arrow from "apache-arrow";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ParquetWriter } from "../../../../formats/parquet/parquet-writer.ts";
import { Esm2 } from "../../../../src/models/index.ts";
import { buildProteins } from "../../../../src/proteins/build-proteins.ts";
import { type Esm2Batch, Esm2DataModule } from "../../../../src/proteins/esm2-data-module.ts";
import { writeProteinShards } from "../../../../src/proteins/write-protein-shards.ts";
import { defaultRng } from "../../../../src/random/numpy-generator.ts";
import { assertStopAndGo } from "../../../../src/testing/index.ts";
import { type OpenProteinsOptions, openProteins } from "../../../../src/train/data/protein-data.ts";
import { openProteinRows } from "../../../../src/train/data/protein-rows.ts";
import { trainEsm2 } from "../../../../src/train/runs/train-esm2.ts";
import { constantSchedule } from "../../../../src/train/schedule.ts";

const folder = mkdtempSync(
  join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "scdl-protein-data-"),
);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const rng = defaultRng(5);
const PROTEINS = Array.from({ length: 23 }, (_, row) => {
  const length = rng.integer(5, 60);
  const residues = Array.from({ length }, () => "ACDEFGHIKLMNPQRSTVWY"[rng.integer(0, 20)]);
  return [`p${String(row).padStart(2, "0")}`, residues.join("")] as const;
});

beforeAll(async () => {
  const lines = (separator: string, header: string[]) =>
    [header, ...PROTEINS].map((row) => row.join(separator)).join("\n");
  const fasta = PROTEINS.map(([id, residues]) => `>${id} of a test\n${residues}\n`).join("");
  writeFileSync(at("p.fasta"), fasta);
  writeFileSync(at("p.csv"), lines(",", ["id", "sequence"]));
  writeFileSync(at("p.csv.gz"), gzipSync(lines(",", ["id", "sequences"])));
  writeFileSync(at("p.tsv.zst"), zstdCompressSync(lines("\t", ["id", "sequence"])));
  writeFileSync(at("bare.csv"), ["sequence", ...PROTEINS.map(([, of]) => of)].join("\r\n"));
  const objects = PROTEINS.map(([id, sequence]) => JSON.stringify({ sequence, id, more: [1] }));
  writeFileSync(at("p.jsonl"), objects.join("\n"));
  const table = arrow.tableFromArrays({
    sequence: PROTEINS.map(([, sequence]) => sequence),
    id: PROTEINS.map(([id]) => id),
  });
  const writer = ParquetWriter.create(at("p.parquet"), table.schema);
  for (const batch of table.batches) await writer.write(batch);
  await writer.finish();
  const outputs = { database: at("p.db"), store: at("store") };
  await buildProteins({ inputs: [at("p.csv")], ...outputs });
  await writeProteinShards(at("p.fasta"), { output: at("shards"), samplesPerShard: 9 });
  await writeProteinShards(at("store"), { output: at("bare"), samplesPerShard: 4 });
  for (let shard = 0; shard < 6; shard++) rmSync(at(`bare/proteins-00000${shard}.tar.index`));
});

const CONTAINERS = [
  ...["p.csv", "p.csv.gz", "p.tsv.zst", "bare.csv", "p.jsonl", "p.parquet", "p.db", "store"],
  ...["shards", "bare", "shards/proteins-{000000..000002}.tar"],
];
const LENGTHS = { maxSeqLength: 32, minSeqLength: 8 };

async function moduleOf(name: string, options: OpenProteinsOptions = { validShare: 0.3 }) {
  const proteins = await openProteins(at(name), options);
  const { train, valid } = proteins;
  const limitValBatches = { batches: 2 };
  const module = new Esm2DataModule({
    ...{ train, ...(valid === null ? {} : { valid }) },
    ...{ maxSteps: 12, globalBatchSize: 4, limitValBatches, ...LENGTHS },
  });
  const close = module.close.bind(module);
  module.close = async () => {
    await close();
    proteins[Symbol.dispose]();
  };
  return module;
}

async function batchesOf(name: string, options?: OpenProteinsOptions): Promise<Esm2Batch[]> {
  await using module = await moduleOf(name, options);
  await module.setup("fit");
  const batches: Esm2Batch[] = [];
  for await (const batch of module.trainLoader()) batches.push(structuredClone(batch));
  if (module.has("val")) for await (const batch of module.valLoader()) batches.push(batch);
  return batches;
}

test("the same proteins give the same batches whatever they are in", async () => {
  const expected = await batchesOf("p.fasta");
  expect(expected).toHaveLength(12 + 2);
  expect(new Set(expected.map(({ text }) => text.join())).size).toBe(14);
  for (const name of CONTAINERS) expect(await batchesOf(name), name).toEqual(expected);
});

test("validation proteins of their own, in a container of another kind", async () => {
  const expected = await batchesOf("p.fasta", { validPath: at("p.fasta") });
  expect(await batchesOf("p.csv", { validPath: at("shards") })).toEqual(expected);
});

test("names come from id, or from the row; those of shards from id.txt", async () => {
  const nameOf = async (name: string) => {
    using opened = await openProteins(at(name));
    return opened.train.memberId(7, 0);
  };
  const names = await Promise.all(["p.csv", "bare.csv", "p.parquet", "shards"].map(nameOf));
  expect(names).toEqual(["p07", "7", "p07", "p07"]);
});

test.each(["p.csv", "shards"])("a run on %s is stopped and gone on with exactly", async (name) => {
  const modules = await Promise.all([0, 1, 2, 3].map(() => moduleOf(name)));
  await assertStopAndGo(() => ({
    model: new Esm2({ layers: 1, hiddenSize: 8, heads: 1 }),
    // proof: the harness asks four times
    data: modules.shift() as Esm2DataModule,
    optimizer: { kind: "adamw" },
    schedule: constantSchedule(1e-3),
    maxSteps: 7,
    microBatchSize: 4,
    valCheckInterval: 3,
    limitValBatches: 1,
    seed: 1,
  }));
});

test("one protein, and fewer than a batch, are trained on again and again", async () => {
  writeFileSync(at("one.csv"), "sequence\nMKTAYIAK\n");
  const batches = await batchesOf("one.csv", {});
  expect(batches).toHaveLength(12);
  expect(batches[0]?.shape).toEqual([4, 10]);
  const share = openProteins(at("one.csv"), { validShare: 0.3 });
  await expect(share).rejects.toThrow(/0.3 of 1 is none: nothing is left to validate on/);
  const most = openProteins(at("one.csv"), { validShare: 0.7 });
  await expect(most).rejects.toThrow(/is all: nothing is left to train on/);
});

test("validation data for the four paths of BioNeMo have paths of their own", async () => {
  const paths = { trainClusterPath: "x.parquet", trainDatabasePath: "x.db" };
  const refused = trainEsm2({ ...paths, resultDir: at("none"), validShare: 0.1 });
  await expect(refused).rejects.toThrow(
    /has its validation data in validClusterPath: validShare was given/,
  );
  const missing = trainEsm2({ ...paths, resultDir: at("none") });
  await expect(missing).rejects.toThrow(/x.db/);
  expect(existsSync(at("none"))).toBe(false);
});

test("what is missing, damaged or empty is told by line or sample", async () => {
  const refused = (name: string) => expect(openProteins(at(name)), name).rejects;
  const written = (name: string, content: string | Uint8Array) => {
    writeFileSync(at(name), content);
    return refused(name);
  };
  await written("none.csv", "").toMatchObject({ code: "empty-table" });
  await written("header.csv", "id,sequence\n").toMatchObject({ code: "empty" });
  const missing = { code: "no-such-column", message: /'sequence' column/ };
  await written("column.csv", "id,protein\na,MK\n").toMatchObject({
    code: missing.code,
    message: expect.stringMatching(missing.message),
  });
  await written("gap.csv", "id,sequence\na,MK\nb,\n").toThrow(/line 3, column "sequence": has no/);
  await written("number.jsonl", '{"sequence":7}\n').toThrow(/row|line 1.*expected text, found n/);
  await written("cut.csv.gz", gzipSync("id,sequence\na,MK\n").subarray(0, 30)).toMatchObject({
    name: "FormatError",
  });
  await written("table.txt", "sequence\nMK\n").toMatchObject({ code: "not-proteins" });
  mkdirSync(at("nothing"));
  await refused("nothing").toThrow(/neither a protein store nor shards/);
  await written("not.tar", "MK").toMatchObject({ name: "FormatError" });
  await written("empty.tar", new Uint8Array(1024)).toMatchObject({ code: "empty" });
  await refused("missing.tar").toMatchObject({ name: "NotFoundError" });
  await expect(openProteins("https://x/p.tar")).rejects.toMatchObject({
    name: "UnsupportedFeatureError",
  });
  const compress = { output: at("gz"), samplesPerShard: 30, compress: "gzip" } as const;
  await writeProteinShards(at("p.fasta"), compress);
  await refused("gz").toThrow(/shard is compressed.*/);
});

test("a shard cut at any byte, or another under its name, gives no wrong protein", async () => {
  const shard = readFileSync(at("shards/proteins-000002.tar"));
  const sequences = async (path: string) => {
    using opened = await openProteins(path);
    const { train } = opened;
    return Array.from({ length: train.length }, (_, row) => `${train.memberSequence(row, 0)}`);
  };
  const whole = await sequences(at("shards/proteins-000002.tar"));
  expect(whole).toHaveLength(5);
  // Behind the last member, of 5 x 2, two blocks of zeros end the archive.
  const end = shard.findLastIndex((byte) => byte !== 0);
  const archive = 512 * Math.ceil((end + 1) / 512) + 1024;
  for (let length = 0; length < archive; length += 97) {
    writeFileSync(at("cut.tar"), shard.subarray(0, length));
    await expect(sequences(at("cut.tar")), `${length}`).rejects.toMatchObject({
      name: "FormatError",
    });
  }
  writeFileSync(at("cut.tar"), shard);
  using opened = await openProteins(at("cut.tar"));
  writeFileSync(at("cut.tar"), readFileSync(at("shards/proteins-000001.tar")));
  expect(() => opened.train.memberSequence(1, 0)).toThrow(/sample 1/);
});

test("proteins to run a model on come in the order they are in, from all places", async () => {
  const rowsOf = async (...names: string[]) => {
    using rows = await openProteinRows(names.map(at));
    return Array.from({ length: rows.length }, (_, row) => [
      rows.id(row),
      Buffer.from(rows.sequence(row)).toString(),
    ]);
  };
  for (const name of CONTAINERS) {
    const ids = PROTEINS.map(([id, residues], row) => [
      name === "bare.csv" ? String(row) : id,
      residues,
    ]);
    expect(await rowsOf(name), name).toEqual(ids);
  }
  expect(await rowsOf("p.csv", "shards", "store")).toEqual([...PROTEINS, ...PROTEINS, ...PROTEINS]);
  using two = await openProteinRows([at("p.csv"), at("store")]);
  expect(() => two.id(46)).toThrow("expected a protein of 0 to 45, found 46");
  await expect(rowsOf("p.csv", "absent.csv")).rejects.toMatchObject({ code: "no-such-file" });
});
