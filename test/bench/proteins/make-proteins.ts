import fs from "node:fs";
import path from "node:path";
import { ProteinDatabaseWriter, ProteinStoreWriter } from "../built.ts";
import { nameOf } from "./names.ts";

/** The same proteins as a store and as a data base in a new folder. */
export async function makeProteins(folder: string, count: number): Promise<void> {
  const unfinished = `${folder}-unfinished`;
  fs.rmSync(unfinished, { recursive: true, force: true });
  fs.mkdirSync(unfinished, { recursive: true });
  const store = new ProteinStoreWriter(path.join(unfinished, "store"));
  const database = ProteinDatabaseWriter.create(path.join(unfinished, "proteins.db"));
  const residues = Buffer.alloc(1000, "MKLVAGSERTIDPQNFYHWC");
  for (let row = 0; row < count; row++) {
    const sequence = residues.subarray(row % 20, (row % 20) + 100 + ((row * 7919) % 400));
    store.add(nameOf(row), sequence);
    database.add(nameOf(row), sequence.toString("latin1"));
  }
  await store.finish();
  database.finish();
  fs.renameSync(unfinished, folder);
}
