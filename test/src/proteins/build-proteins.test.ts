import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { Field, makeData, RecordBatch, Schema, Struct, Utf8, vectorFromArray } from "apache-arrow";
import { afterAll, describe, expect, test } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { ParquetWriter } from "../../../formats/parquet/parquet-writer.ts";
import {
  type BuildProteinsOptions,
  type BuildProteinsProgress,
  buildProteins,
} from "../../../src/proteins/build-proteins.ts";
import { ClusterTable } from "../../../src/proteins/cluster-table.ts";
import { NamedClusters } from "../../../src/proteins/named-clusters.ts";
import { ProteinDatabase } from "../../../src/proteins/protein-database.ts";
import type { ClusteredProteins } from "../../../src/proteins/protein-source.ts";
import { ProteinStore } from "../../../src/proteins/protein-store.ts";
import { readGolden } from "../random/golden.ts";

interface Golden {
  readonly sequences: Readonly<Record<string, string>>;
  readonly order: readonly string[];
  readonly train: readonly (readonly string[])[];
}

const FIXTURES = fileURLToPath(new URL("../../../fixtures/proteins/", import.meta.url));
const golden = readGolden<Golden>("proteins/database");
const folder = mkdtempSync(join(tmpdir(), "scdl-build-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const fasta = golden.order.map((id) => `>${id} n=1\n${golden.sequences[id]}\n`);
writeFileSync(at("first.fasta"), fasta.slice(0, 100).join(""));
writeFileSync(at("second.fasta.gz"), gzipSync(fasta.slice(100).join("")));
const lines = golden.train.flatMap((members, i) => members.map((id) => `C${i}\t${id}\n`));
writeFileSync(at("clusters.tsv"), lines.join(""));
const inputs = [at("first.fasta"), at("second.fasta.gz")];

function clustersOf(clusters: ClusteredProteins): [string, string][][] {
  return Array.from({ length: clusters.length }, (_, cluster) =>
    Array.from({ length: clusters.size(cluster) }, (__, k) => [
      clusters.memberId(cluster, k),
      Buffer.from(clusters.memberSequence(cluster, k)).toString(),
    ]),
  );
}

const expected = golden.train.map((ids) => ids.map((id) => [id, golden.sequences[id]]));

async function failure(options: BuildProteinsOptions) {
  const before = readdirSync(folder);
  const error = await buildProteins(options).catch((reason: unknown) => reason);
  expect(readdirSync(folder)).toEqual(before);
  if (!isScdlError(error)) throw error;
  return error;
}

describe("from FASTA files and lines of pairs", () => {
  test("come a data base, a cluster table and a store with the same clusters", async () => {
    const progress: BuildProteinsProgress[] = [];
    const outputs = { database: at("a.db"), clusters: at("a.parquet"), store: at("a.proteins") };
    const built = await buildProteins({
      inputs,
      table: at("clusters.tsv"),
      ...outputs,
      onProgress: (update) => progress.push(update),
    });
    const residues = golden.order.reduce((sum, id) => sum + (golden.sequences[id]?.length ?? 0), 0);
    expect(built).toEqual({
      proteins: golden.order.length,
      residues,
      clusters: golden.train.length,
      members: golden.train.flat().length,
      missingMembers: 0,
      droppedClusters: 0,
    });
    using database = ProteinDatabase.open(outputs.database);
    using table = await ClusterTable.read(outputs.clusters);
    using store = ProteinStore.open(outputs.store);
    expect([...database.entries()]).toEqual([...store.entries()]);
    expect(store.id(0)).toBe(golden.order[0]);
    expect(clustersOf(new NamedClusters(database, table))).toEqual(expected);
    expect(clustersOf(new NamedClusters(store, table))).toEqual(expected);
    if (store.clusters === null) throw new Error("the store has clusters");
    expect(clustersOf(store.clusters)).toEqual(expected);
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(
      new Set(["proteins", "names", "clusters"]),
    );
  });

  test("the store is the same from the data base and table of the original", async () => {
    await buildProteins({
      inputs: [join(FIXTURES, "database.db")],
      table: join(FIXTURES, "train.parquet"),
      store: at("b.proteins"),
    });
    await buildProteins({ inputs, table: at("clusters.tsv"), store: at("c.proteins") });
    for (const name of readdirSync(at("b.proteins"))) {
      const [b, c] = ["b.proteins", "c.proteins"].map((store) =>
        readFileSync(join(at(store), name)),
      );
      expect(b?.equals(c ?? Buffer.alloc(0)), name).toBe(true);
    }
  });

  test("a table of pairs and one of names in parquet give clusters too", async () => {
    const write = async (name: string, columns: Record<string, readonly string[]>) => {
      const names = Object.keys(columns);
      const schema = new Schema(names.map((column) => new Field(column, new Utf8(), true)));
      const writer = ParquetWriter.create(at(name), schema);
      const children = names.flatMap((column) => [
        ...vectorFromArray(columns[column] ?? [], new Utf8()).data,
      ]);
      const length = columns[names[0] ?? ""]?.length ?? 0;
      const data = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
      await writer.write(new RecordBatch(schema, data));
      await writer.finish();
    };
    const pairs = golden.train.flatMap((ids, i) => ids.map((id) => [`C${i}`, id] as const));
    await write("pairs.parquet", {
      ur50_id: pairs.map(([id]) => id),
      ur90_id: pairs.map(([, id]) => id),
    });
    await buildProteins({ inputs, table: at("pairs.parquet"), store: at("d.proteins") });
    using store = ProteinStore.open(at("d.proteins"));
    expect(store.clusters?.length).toBe(golden.train.length);
    expect(store.clusters?.memberId(1, 0)).toBe(golden.train[1]?.[0]);
    const names = golden.order.slice(0, 7);
    await write("names.parquet", { ur50_id: names });
    await buildProteins({
      inputs,
      table: at("names.parquet"),
      database: at("d.db"),
      clusters: at("d.parquet"),
    });
    using table = await ClusterTable.read(at("d.parquet"), { split: "validation" });
    expect([table.length, table.memberId(6, 0)]).toEqual([7, names[6]]);
  });
});

describe("what is wrong leaves no output", () => {
  test("members that no input has are counted and named, or left out", async () => {
    const missing = inputs.slice(0, 1);
    const outputs = { store: at("e.proteins"), database: at("e.db") };
    const error = await failure({ inputs: missing, table: at("clusters.tsv"), ...outputs });
    const known = new Set(golden.order.slice(0, 100));
    const lost = golden.train.flat().filter((id) => !known.has(id));
    expect(error.code).toBe("missing-proteins");
    expect(error.message).toContain(`${lost.length} of ${golden.train.flat().length} members`);
    expect(error.message).toContain(`${lost.slice(0, 5).join(", ")}, ...`);
    for (const output of [{ store: at("f.proteins") }, { database: at("f.db") }]) {
      const built = await buildProteins({
        inputs: missing,
        table: at("clusters.tsv"),
        ...output,
        missing: "skip",
      });
      const kept = golden.train.map((ids) => ids.filter((id) => known.has(id)));
      expect(built.clusters).toBe(kept.filter((ids) => ids.length > 0).length);
      expect(built.droppedClusters).toBe(kept.filter((ids) => ids.length === 0).length);
      expect([built.members, built.missingMembers]).toEqual([kept.flat().length, lost.length]);
    }
  });

  const tables: readonly (readonly [string, string, string, RegExp])[] = [
    ["a cluster in two places", "A\tx\nB\ty\nA\tz\n", "cluster-split", /cluster "A" do not follow/],
    ["a line without a tab", "A\tx\n\nB y\n", "bad-row", /line 3: .*found "B y"/],
    ["three fields", "A\tx\ty\n", "bad-row", /line 1: /],
    ["an empty name", "A\t\n", "bad-row", /line 1: /],
  ];
  test.each(tables)("%s", async (_, text, code, message) => {
    writeFileSync(at("bad.tsv"), text);
    const error = await failure({
      inputs,
      table: at("bad.tsv"),
      store: at("g.proteins"),
      missing: "skip",
    });
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test("a header, CRLF and a missing last line feed are no damage", async () => {
    const [a = "", b = ""] = golden.order;
    writeFileSync(at("crlf.tsv"), `cluster_id\tmember_id\r\nA\t${a}\r\nA\t${b}`);
    const built = await buildProteins({ inputs, table: at("crlf.tsv"), store: at("h.proteins") });
    expect([built.clusters, built.members]).toEqual([1, 2]);
  });

  test("a protein that comes twice, no input, no output, an existing output, an abort", async () => {
    const twice = [at("first.fasta"), at("first.fasta")];
    const options = { inputs: twice, store: at("i.proteins") };
    expect((await failure(options)).code).toBe("duplicate-protein");
    expect((await failure({ inputs: twice, database: at("i.db") })).code).toBe("duplicate-protein");
    expect((await failure({ ...options, inputs: [] })).code).toBe("invalid-argument");
    expect((await failure({ inputs: [at("none.fa")], store: at("i") })).code).toBe("no-such-file");
    expect((await failure({ inputs })).code).toBe("invalid-argument");
    expect((await failure({ inputs, store: at("j"), clusters: at("k") })).code).toBe(
      "invalid-argument",
    );
    expect((await failure({ inputs, database: at("j"), store: at("first.fasta") })).code).toBe(
      "already-exists",
    );
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(buildProteins({ ...options, inputs, signal })).rejects.toThrow("enough");
    expect(readdirSync(folder).filter((name) => name.includes("tmp"))).toEqual([]);
  });
});
