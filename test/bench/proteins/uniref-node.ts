/**
 * A store of UniRef's size, made and used: names as UniRef90's, sequences of 8 to 20 residues.
 *
 *     node test/bench/proteins/uniref-node.ts FOLDER [PROTEINS] [CLUSTERS]
 *
 * UniRef 2024_03 has 187382018 proteins in 65182365 clusters; that takes 14 GB, which are removed.
 * Every member of every cluster is found by its name, as when a cluster table is read.
 */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { ProteinStore, ProteinStoreWriter } from "../built.ts";

const [folder = "", proteinsText = "187382018", clustersText = "65182365"] = process.argv.slice(2);
const proteins = Number(proteinsText);
const clusters = Number(clustersText);
const output = path.join(folder, "uniref.proteins");
const READS = 500_000;
const MULTIPLIER = 40_503_001;
const NAMES = 36 ** 7;
const DIGITS = Buffer.from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
const name = Buffer.from("UniRef90_A0A0000000");
const residues = Buffer.from("MKLVAGSERTIDPQNFYHWCMKLVAGSERTIDPQNFYHWC");
let peakMiB = 0;

/** Writes the name of a row to `name`: no order, none twice. */
function nameRow(row: number): void {
  let number = (row * MULTIPLIER + 7) % NAMES;
  for (let i = name.length - 1; i >= name.length - 7; i--) {
    name[i] = DIGITS[number % 36] as number;
    number = Math.floor(number / 36);
  }
}

const sequenceOf = (row: number) => residues.subarray(row % 20, (row % 20) + 8 + (row % 13));
/** Rows far apart, each once. */
const memberRow = (member: number) => (member * 7_368_787) % proteins;

function look(): void {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : "";
  const [, kib = "0"] = /^RssAnon:\s+(\d+)/m.exec(status) ?? [];
  peakMiB = Math.max(peakMiB, Number(kib) / 1024);
}

async function timed(what: string, run: () => void | Promise<void>): Promise<void> {
  const begin = performance.now();
  await run();
  look();
  const seconds = (performance.now() - begin) / 1000;
  console.log(`${what}: ${seconds.toFixed(2)} s, own memory so far ${peakMiB.toFixed(0)} MiB`);
}

rmSync(output, { recursive: true, force: true });
const writer = new ProteinStoreWriter(output);
await timed(`${proteins} proteins written`, () => {
  for (let row = 0; row < proteins; row++) {
    nameRow(row);
    writer.add(name.toString("latin1"), sequenceOf(row));
    if (row % 1_000_000 === 0) look();
  }
});
await timed("index of the names built", () => writer.endProteins({ onProgress: look }));
await timed(`${clusters} clusters written, members found by name`, () => {
  const rows = new Uint32Array(1024);
  let member = 0;
  for (let cluster = 0; cluster < clusters; cluster++) {
    const end = Math.floor(((cluster + 1) * proteins) / clusters);
    let count = 0;
    for (; member < end; member++) {
      const row = memberRow(member);
      nameRow(row);
      const found = writer.indexOf(name.toString("latin1"));
      if (found !== row) throw new Error(`row ${row} was found as ${found}`);
      rows[count++] = found;
    }
    writer.addCluster(rows.subarray(0, count));
    if (cluster % 100_000 === 0) look();
  }
});
await timed("put in place", () => writer.finish());

const random = (below: number, i: number) => (i * 2_654_435_761 + 12_345) % below;
const store = ProteinStore.open(output);
await timed(`${READS} random rows read`, () => {
  for (let i = 0; i < READS; i++) {
    const row = random(proteins, i);
    if (store.sequence(row).length !== 8 + (row % 13)) throw new Error(`row ${row} is wrong`);
  }
});
await timed(`${READS} random names read`, () => {
  for (let i = 0; i < READS; i++) {
    const row = random(proteins, i + READS);
    nameRow(row);
    if (store.sequenceOf(name.toString("latin1")).length !== 8 + (row % 13)) {
      throw new Error(`row ${row} is wrong`);
    }
  }
});
await timed(`${READS} members of random clusters read`, () => {
  const clustered = store.clusters;
  if (clustered === null) throw new Error("no clusters");
  for (let i = 0; i < READS; i++) {
    const cluster = random(clusters, i);
    const first = memberRow(Math.floor((cluster * proteins) / clusters));
    if (clustered.memberSequence(cluster, 0).length !== 8 + (first % 13)) {
      throw new Error(`cluster ${cluster} is wrong`);
    }
  }
});
if (store.indexOf("UniRef90_none") !== -1) throw new Error("found what is not there");
store.close();
rmSync(output, { recursive: true });
console.log(JSON.stringify({ proteins, clusters, peakMiB: Math.round(peakMiB) }));
