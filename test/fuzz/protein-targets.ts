/** Damaged protein stores, data bases and cluster tables. */
import fs from "node:fs";
import path from "node:path";
import { isScdlError } from "../../formats/common/errors.ts";
import { ProteinStoreWriter } from "../../formats/protein-store/store-writer.ts";
import { ClusterTable } from "../../src/proteins/cluster-table.ts";
import { inspectProteins } from "../../src/proteins/inspect-proteins.ts";
import { ProteinDatabase } from "../../src/proteins/protein-database.ts";
import { ProteinStore } from "../../src/proteins/protein-store.ts";
import { damaged, randomOf, typedErrorOf } from "./damage.ts";
import type { Target } from "./targets.ts";

const FIXTURES = "fixtures/proteins";
const PROTEINS = 40;

const outcome = (error: unknown): string => (isScdlError(error) ? error.code : "read");

/** One file of a store is damaged: what is read is residues of the lengths that the store says. */
export async function proteinStoreTarget(folder: string): Promise<Target> {
  const sound = path.join(folder, "sound.proteins");
  const writer = new ProteinStoreWriter(sound);
  for (let i = 0; i < PROTEINS; i++)
    writer.add(`UniRef90_${i}`, Buffer.from("MKLVAGSE".repeat(i % 9)));
  await writer.endProteins();
  for (let i = 0; i < PROTEINS; i += 4) writer.addCluster(Uint32Array.of(i, i + 3, i + 1));
  await writer.finish();
  const names = fs.readdirSync(sound).sort();
  const damagedStore = path.join(folder, "damaged.proteins");
  return async (seed) => {
    fs.cpSync(sound, damagedStore, { recursive: true });
    const name = names[randomOf(seed)(names.length)] as string;
    const file = path.join(damagedStore, name);
    fs.writeFileSync(file, damaged(fs.readFileSync(file), seed));
    try {
      const error = await typedErrorOf(async () => {
        using store = ProteinStore.open(damagedStore, { access: seed % 2 === 0 ? "map" : "read" });
        readStore(store);
      });
      await typedErrorOf(() => inspectProteins(damagedStore, { verify: true }));
      return `${name}:${outcome(error)}`;
    } finally {
      fs.rmSync(damagedStore, { recursive: true });
    }
  };
}

function readStore(store: ProteinStore): void {
  for (let row = 0; row < store.length; row++) {
    const { bytes, offsets } = store.gather([row]);
    const sequence = Buffer.from(store.sequence(row));
    if (!sequence.equals(bytes.subarray(0, offsets[1]))) throw new Error("another sequence");
    const found = store.indexOf(store.id(row));
    if (found >= store.length) throw new Error("a row that is none");
  }
  const { clusters } = store;
  for (let i = 0; i < (clusters?.length ?? 0); i++) {
    for (let k = 0; k < (clusters?.size(i) ?? 0); k++) clusters?.memberSequence(i, k);
  }
}

/** SQLite files and parquet tables of clusters. */
export function proteinDatabaseTarget(folder: string): Target {
  const names = ["database.db", "train.parquet", "valid.parquet"] as const;
  const contents = names.map((name) => fs.readFileSync(path.join(FIXTURES, name)));
  return async (seed) => {
    const which = randomOf(seed)(names.length);
    const file = path.join(folder, names[which] as string);
    fs.writeFileSync(file, damaged(contents[which] as Uint8Array, seed));
    const error = await typedErrorOf(() => (which === 0 ? readDatabase(file) : readTable(file)));
    return `${names[which]}:${outcome(error)}`;
  };
}

async function readDatabase(file: string): Promise<void> {
  using database = ProteinDatabase.open(file);
  for (let row = 0; row < database.length; row++) {
    database.sequence(row);
    database.indexOf(database.id(row));
  }
}

async function readTable(file: string): Promise<void> {
  const split = file.endsWith("train.parquet") ? "train" : "validation";
  using table = await ClusterTable.read(file, { split });
  for (let i = 0; i < table.length; i++) {
    for (let k = 0; k < table.size(i); k++) table.memberId(i, k);
  }
}
