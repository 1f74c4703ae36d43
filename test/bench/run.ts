/**
 * `npm run bench -- [PART...]`: fills the tables of docs/performance.md. Reports, never asserts, time.
 *
 * Fails only when two programs that did the same work disagree on what they read or wrote.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { cellTokens } from "./cell-tokens/cell-tokens-parts.ts";
import { convertGzip, convertMemory, convertPlain } from "./convert/convert-parts.ts";
import { readH5ad } from "./convert/read-parts.ts";
import { fasta } from "./fasta/fasta-parts.ts";
import { gatherBatches, gatherCold, gatherWarm, open } from "./gather/gather-parts.ts";
import { loader, loaderBlocks, loaderMemory } from "./loader/loader-parts.ts";
import { machineFacts } from "./machine.ts";
import type { Row } from "./measure.ts";
import type { PartContext } from "./part.ts";
import { proteins } from "./proteins/proteins-parts.ts";
import { ranks } from "./ranks/ranks-parts.ts";
import { disagreements, markdown, type PartResult } from "./report.ts";
import { start } from "./start/start-parts.ts";
import { esmTokens } from "./tokens/esm-parts.ts";
import { stepShare } from "./train/step-share-parts.ts";
import {
  checkpoints,
  geneformerStep,
  inferStep,
  torchStep,
  trainMemory,
  trainStep,
} from "./train/train-parts.ts";
import { webdataset } from "./webdataset/webdataset-parts.ts";

interface Part {
  readonly name: string;
  readonly what: string;
  readonly run: (context: PartContext) => Promise<Row[]>;
}

const PARTS: readonly Part[] = [
  { name: "gather-warm", what: "batches of random rows in memory (1.2 GB)", run: gatherWarm },
  { name: "gather-cold", what: "the same from disk (10 GB)", run: gatherCold },
  { name: "gather-batches", what: "gather() of 1, 64 and 1,024 rows", run: gatherBatches },
  { name: "open", what: "open 10 GB and read one row", run: open },
  { name: "convert-gzip", what: "200 M values, gzip (0.5 GB)", run: convertGzip },
  { name: "convert-plain", what: "200 M values, uncompressed (1.6 GB)", run: convertPlain },
  { name: "convert-memory", what: "peak memory at 1e5, 1e6, 1e7 rows (1 GB)", run: convertMemory },
  { name: "read-h5ad", what: "all rows of an h5ad file in blocks", run: readH5ad },
  { name: "loader", what: "shuffled batches with obs through loaders", run: loader },
  { name: "loader-blocks", what: "block-shuffled batches beside C", run: loaderBlocks },
  { name: "loader-memory", what: "memory of a loader over 20 epochs", run: loaderMemory },
  { name: "webdataset", what: "shards of 10 KB samples, written and read", run: webdataset },
  { name: "esm-tokens", what: "proteins as masked batches", run: esmTokens },
  { name: "fasta", what: "a FASTA file indexed, read at random and as a stream", run: fasta },
  { name: "cell-tokens", what: "cells to ranked genes on disk", run: cellTokens },
  { name: "proteins", what: "1 M proteins by row and name, beside SQLite", run: proteins },
  { name: "train-step", what: "training steps beside torch (35M: 20 s each)", run: trainStep },
  { name: "torch-step", what: "the same steps on libtorch (35M: 20 s each)", run: torchStep },
  { name: "geneformer-step", what: "Geneformer 10M, 4 x 2,048 (3 minutes)", run: geneformerStep },
  { name: "step-share", what: "parts of a step of real training (2 minutes)", run: stepShare },
  { name: "infer-step", what: "forward passes beside torch", run: inferStep },
  { name: "train-memory", what: "peak memory of 150M (5 GB, a minute)", run: trainMemory },
  { name: "checkpoints", what: "steps of runs with checkpoints (a minute)", run: checkpoints },
  { name: "ranks", what: "arrays added up over two processes", run: ranks },
  { name: "start", what: "start-up of package and commands", run: start },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean", short: "h" },
    json: { type: "boolean" },
    rounds: { type: "string", default: "3" },
    scale: { type: "string", default: "1" },
  },
});
const unknown = positionals.filter((name) => !PARTS.some((part) => part.name === name));
if (values.help === true || unknown.length > 0) {
  if (unknown.length > 0) process.exitCode = 2;
  console.log(help(unknown));
} else {
  await main();
}

async function main(): Promise<void> {
  const folder = process.env["SCDL_BENCH_DIR"] ?? path.join(os.tmpdir(), "scdl-bench");
  fs.mkdirSync(folder, { recursive: true });
  const context = { folder, scale: Number(values.scale), rounds: Number(values.rounds) };
  const facts = machineFacts(folder);
  if (values.json !== true) console.log(`${facts.map((fact) => `- ${fact}`).join("\n")}\n`);
  const results: PartResult[] = [];
  for (const part of PARTS) {
    if (positionals.length > 0 && !positionals.includes(part.name)) continue;
    const rows = await part.run(context);
    const result = { part: part.name, command: `npm run bench -- ${part.name}`, rows };
    results.push(result);
    if (values.json !== true) console.log(markdown(result));
  }
  if (values.json === true) console.log(JSON.stringify({ facts, results }));
  const wrong = results.flatMap(({ rows }) => disagreements(rows));
  for (const line of wrong) console.error(`not the same work: ${line}`);
  if (wrong.length > 0) process.exitCode = 1;
}

function help(wrong: readonly string[]): string {
  const width = Math.max(...PARTS.map(({ name }) => name.length));
  return [
    ...wrong.map((name) => `there is no part ${name}\n`),
    "npm run bench -- [PART...] [--rounds N] [--scale F] [--json]",
    "",
    "Parts (default: all, about 40 minutes and 20 GB):",
    ...PARTS.map(({ name, what }) => `  ${name.padEnd(width)}  ${what}`),
    "",
    "  --rounds N  times every program runs, in turn [3]",
    "  --scale F   size of the data, 1 as documented [1]",
    "  --json      one object instead of tables",
    "",
    "SCDL_BENCH_DIR  where data is made once and kept [scdl-bench in the temporary folder]",
    "SCDL_PEERS_PYTHON  Python with annbatch, scdataset, anndata, zarrs [not measured without]",
    "SCDL_BIONEMO_SRC  BioNeMo's repository at 1fb789ba^, for esm-tokens [not measured without]",
    "SCDL_GENEFORMER_TOKENIZER  geneformer/tokenizer.py [not measured without]",
    "SCDL_PYTHON     Python with bionemo-scdl [the one that npm run conformance makes]",
  ].join("\n");
}
