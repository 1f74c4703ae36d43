/**
 * Where the time of training goes, as users train: `trainEsm2` or `trainGeneformer` with their data and
 * loggers. step-share-node.ts esm2|geneformer STEPS. Proteins are those of $SCDL_SHARED_DATA where it
 * is given, else of fixtures; cells are generated. Prints {"seconds": [of a step], "parts": {...}} in
 * seconds a step, compiling and set-up not counted.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { simulateH5ad } from "../../../src/simulate/simulate-h5ad.ts";
import type { Request } from "../../../src/tensor/onnx/messages.ts";
import { RequestThread } from "../../../src/tensor/request-thread.ts";
import { trainEsm2 } from "../../../src/train/runs/train-esm2.ts";
import { trainGeneformer } from "../../../src/train/runs/train-geneformer.ts";

const [model = "esm2", steps = "30"] = process.argv.slice(2);
const numSteps = Number(steps);
const { SCDL_SHARED_DATA: shared, SCDL_BENCH_DIR: place } = process.env;
const folder = mkdtempSync(join(place ?? tmpdir(), "scdl-step-share-"));
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../../fixtures/proteins/${name}`, import.meta.url));
const proteins =
  shared === undefined
    ? { trainClusterPath: fixture("train.parquet"), trainDatabasePath: fixture("database.db") }
    : { data: join(shared, "protein", "esm2_train.parquet") };
const run = {
  ...{ resultDir: folder, numSteps, threads: 2, limitValBatches: 0, checkpointing: false },
};
const asked = { masks: 0, copies: 0 };
watchThreads();
try {
  const { times } = model === "esm2" ? await esm2() : await geneformer();
  const { data, host, log, exchange, update, run: programs } = times;
  // The copies are made once more to measure them: that time is no step's.
  const graph = programs - asked.masks - 2 * asked.copies;
  const parts = { graph, update, data, host, log, exchange, ...asked };
  const perStep = Object.entries(parts).map(([part, ms]) => [part, ms / 1000 / numSteps] as const);
  const seconds = [perStep.reduce((sum, [, part]) => sum + part, 0)];
  const rssMiB = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ seconds, rssMiB, parts: Object.fromEntries(perStep) }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function esm2() {
  return trainEsm2({ ...run, ...proteins, model: "8M", microBatchSize: 8, maxSeqLength: 128 });
}

async function geneformer() {
  const output = join(folder, "cells.h5ad");
  await simulateH5ad({ output, nObs: 256, nVars: 25_424, nnzPerCell: 2_500, seed: 1 });
  return trainGeneformer({ ...run, data: output, medians: "auto", microBatchSize: 4 });
}

/** Times what is asked of the executor's threads besides the graph itself. */
function watchThreads(): void {
  const { prototype } = RequestThread;
  const send = prototype.send;
  async function watched(this: RequestThread<Request, never>, request: Request): Promise<unknown> {
    const ask = (one: Request) => Reflect.apply(send, this, [one]);
    if (request.kind === "run") {
      const { inputs } = request;
      const copied = { kind: "masks", parts: [], options: { seed: 0, step: 0, microBatch: 0 } };
      const begin = performance.now();
      await ask({ ...copied, inputs } as unknown as Request); // proof: `inputs` is not looked at
      asked.copies += performance.now() - begin;
    }
    return ask(request);
  }
  Object.assign(prototype, { send: watched });
  watchMasks();
}

/** Masks are filled by all threads at once: from the first question to the last answer. */
function watchMasks(): void {
  const { prototype } = RequestThread;
  const send = prototype.send;
  let [pending, begin] = [0, 0];
  async function watched(this: RequestThread<Request, never>, request: Request): Promise<unknown> {
    if (request.kind !== "masks") return Reflect.apply(send, this, [request]);
    if (pending++ === 0) begin = performance.now();
    try {
      return await Reflect.apply(send, this, [request]);
    } finally {
      if (--pending === 0) asked.masks += performance.now() - begin;
    }
  }
  Object.assign(prototype, { send: watched });
}
