/**
 *     node test/bench/proteins/read-node.ts store|sqlite FOLDER row|batch|name ROWS READS
 *
 * Seven passes over the same reads; the first, which takes the files into memory, is not counted. The
 * check is the number of residues read.
 */
import path from "node:path";
import { ProteinStore } from "../built.ts";
import { nameOf, rowRead } from "./names.ts";

const PASSES = 7;
const BATCH = 256;
const [program = "", folder = "", by = "", ...numbers] = process.argv.slice(2);
const [rows = 0, reads = 0] = numbers.map(Number);
const wanted = Array.from({ length: reads }, (_, i) => rowRead(i, rows));
const names = wanted.map(nameOf);
const seconds: number[] = [];
let check = 0;

function measure<T>(items: readonly T[], lengthOf: (item: T) => number): void {
  for (let pass = 0; pass < PASSES; pass++) {
    const begin = process.hrtime.bigint();
    check = 0;
    for (const item of items) check += lengthOf(item);
    if (pass > 0) seconds.push(Number(process.hrtime.bigint() - begin) / 1e9);
  }
}

function batches(rows: readonly number[]): number[][] {
  return Array.from({ length: Math.ceil(rows.length / BATCH) }, (_, i) =>
    rows.slice(BATCH * i, BATCH * (i + 1)),
  );
}

/** Reads batches into the same memory again and again; gives their residues. */
function gathered(
  store: Pick<ReturnType<typeof ProteinStore.open>, "gather">,
): (rows: readonly number[]) => number {
  let memory: Uint8Array = new Uint8Array(0);
  return (rows) => {
    const { bytes, offsets } = store.gather(rows, memory);
    memory = bytes;
    return offsets[rows.length] as number;
  };
}

if (program === "store") {
  using store = ProteinStore.open(path.join(folder, "store"));
  if (by === "row") measure(wanted, (row) => store.sequence(row).length);
  else if (by === "batch") measure(batches(wanted), gathered(store));
  else measure(names, (name) => store.sequenceOf(name).length);
} else {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path.join(folder, "proteins.db"), { readOnly: true });
  database.exec("PRAGMA mmap_size = 2147418112");
  const key = by === "row" ? "rowid" : "id";
  const statement = database.prepare(`SELECT sequence FROM protein WHERE ${key} = ?`);
  const lengthOf = (found: Record<string, unknown> | undefined) =>
    String(found?.["sequence"]).length;
  if (by === "row") measure(wanted, (row) => lengthOf(statement.get(row + 1)));
  else measure(names, (name) => lengthOf(statement.get(name)));
}
process.stdout.write(`${JSON.stringify({ seconds, check })}\n`);
