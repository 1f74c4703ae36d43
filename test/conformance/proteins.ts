/**
 * Protein data bases and cluster tables, written by each side and read by the other: Python's sqlite3,
 * and pandas with pyarrow, as bionemo-esm2 reads them. Other random proteins in every run.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ClusterParquetWriter } from "../../src/proteins/cluster-parquet-writer.ts";
import { ClusterTable } from "../../src/proteins/cluster-table.ts";
import { ProteinDatabase } from "../../src/proteins/protein-database.ts";
import { ProteinDatabaseWriter } from "../../src/proteins/protein-database-writer.ts";
import { NumpyGenerator } from "../../src/random/numpy-generator.ts";
import { askOnce } from "./ask-once.ts";
import { seedOfRun } from "./orders.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./proteins_original.py", import.meta.url));
const RESIDUES = "LAGVSERTIDPKQNFYMHWCXBUZO";
const SPLITS = ["train", "validation"] as const;

type Proteins = Record<string, string>;
interface Answer {
  readonly proteins: readonly (readonly [string, string])[];
  readonly train: readonly (readonly string[])[];
  readonly validation: readonly (readonly string[])[];
}

export async function checkProteins(tally: Tally, python: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const rng = NumpyGenerator.fromSeed([seedOfRun(), 81]);
  const proteins = randomProteins(rng, 2_000);
  const clusters = randomClusters(rng, Object.keys(proteins));
  const ours = { database: join(folder, "ours.db"), ...tablesIn(folder, "ours") };
  const theirs = { database: join(folder, "theirs.db"), ...tablesIn(folder, "theirs") };
  await write(ours, proteins, clusters);
  const answers: Partial<Answer> = {};
  await tally.check("proteins: Python answers", async () => {
    // proteins_original.py answers so.
    Object.assign(
      answers,
      (await askOnce(python, DRIVER, { ours, theirs, proteins, clusters })) as Answer,
    );
    return [];
  });
  await tally.check("proteins: sqlite3 reads our data base", async () =>
    same(answers.proteins, Object.entries(proteins)),
  );
  await tally.check("proteins: our reader reads sqlite3's data base", async () => {
    using database = ProteinDatabase.open(theirs.database);
    return same(
      Object.keys(proteins).map((id) => [id, Buffer.from(database.sequenceOf(id)).toString()]),
      Object.entries(proteins),
    );
  });
  for (const split of SPLITS) {
    const expected = split === "train" ? clusters : clusters.map(([first]) => [first]);
    await tally.check(`proteins: pandas reads our ${split} clusters`, async () =>
      same(answers[split], expected),
    );
    await tally.check(`proteins: our reader reads pandas' ${split} clusters`, async () => {
      using table = await ClusterTable.read(theirs[split], { split });
      const found = Array.from({ length: table.length }, (_, i) =>
        Array.from({ length: table.size(i) }, (__, k) => table.memberId(i, k)),
      );
      return same(found, expected);
    });
  }
}

function tablesIn(folder: string, side: string) {
  return {
    train: join(folder, `${side}-train.parquet`),
    validation: join(folder, `${side}-validation.parquet`),
  };
}

async function write(
  to: { database: string; train: string; validation: string },
  proteins: Proteins,
  clusters: readonly (readonly string[])[],
): Promise<void> {
  const database = ProteinDatabaseWriter.create(to.database);
  for (const [id, sequence] of Object.entries(proteins)) database.add(id, sequence);
  database.finish();
  for (const split of SPLITS) {
    const table = ClusterParquetWriter.create(to[split], { split });
    for (const members of clusters) await table.add(members[0] as string, members);
    await table.finish();
  }
}

function randomProteins(rng: NumpyGenerator, count: number): Proteins {
  const proteins: Proteins = {};
  for (let i = 0; i < count; i++) {
    const residues = rng.integers(0, RESIDUES.length, rng.integer(0, 120));
    const odd = i % 100 === 3 ? " prötein '\"" : "";
    const id = `UniRef90_A0A${rng.integer(0, 2 ** 40).toString(36)}${odd}`;
    proteins[id] = Array.from(residues, (residue) => RESIDUES[residue]).join("");
  }
  return proteins;
}

function randomClusters(rng: NumpyGenerator, ids: readonly string[]): string[][] {
  const clusters: string[][] = [];
  for (let at = 0; at < ids.length; ) {
    const size = Math.min(ids.length - at, rng.integer(1, 12));
    clusters.push(ids.slice(at, at + size));
    at += size;
  }
  return clusters;
}

function same(found: unknown, expected: readonly unknown[]): string[] {
  if (!Array.isArray(found)) return ["no answer"];
  if (found.length !== expected.length) return [`${found.length} instead of ${expected.length}`];
  const other = expected.findIndex((one, i) => JSON.stringify(one) !== JSON.stringify(found[i]));
  if (other < 0) return [];
  return [
    `${other}: ${JSON.stringify(found[other])} instead of ${JSON.stringify(expected[other])}`,
  ];
}
