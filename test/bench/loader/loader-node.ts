/**
 * CSR batches with two obs columns through Loader.
 *
 *     node test/bench/loader/loader-node.ts DIRECTORY shuffled|blocks BATCH ROWS PASSES WORKERS
 *
 * The first pass, which starts threads and reads obs, is not timed. The memory of the process is
 * printed for every pass, the first included; after a collection with node --expose-gc.
 */
import { readFileSync } from "node:fs";
import { BlockShuffledSampler, Loader, ShuffledSampler, SingleCellDataset } from "../built.ts";

const [directory = "", order = "shuffled", ...rest] = process.argv.slice(2);
const [batchSize = 64, rows = 0, passes = 1, workers = 0] = rest.map(Number);
using dataset = await SingleCellDataset.open(directory);
const blocks = { seed: 1, blockRows: batchSize, windowBlocks: 0 };
const sampler =
  order === "blocks"
    ? new BlockShuffledSampler(dataset.nObs, blocks)
    : new ShuffledSampler(dataset.nObs, { seed: 1 });
const obs = ["cell_type", "n_counts"];
await using loader = new Loader(dataset, sampler, { batchSize, workers, obs, dropLast: true });
const maxBatches = Math.min(loader.nBatches, Math.floor(rows / batchSize));
const seconds: number[] = [];
const anonymousMiB: number[] = [];
let check = 0;
for (let pass = 0; pass <= passes; pass++) {
  loader.seek(pass);
  const start = process.hrtime.bigint();
  check = 0;
  for await (const batch of loader) {
    const { indices, obs: columns } = batch;
    const types = columns["cell_type"];
    if (types?.kind === "categorical") check += (types.codes[0] as number) >= 0 ? 1 : 0;
    check += indices.length;
    if (batch.batch === maxBatches - 1) break;
  }
  if (pass > 0) seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
  globalThis.gc?.(); // with --expose-gc only
  anonymousMiB.push(anonymousMemory());
}
process.stdout.write(`${JSON.stringify({ seconds, check, anonymousMiB })}\n`);

/** Memory that is not the mapped files, in MiB: what must not grow from epoch to epoch. */
function anonymousMemory(): number {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : "";
  const [, kilobytes = "0"] = /^RssAnon:\s+(\d+)/m.exec(status) ?? [];
  return Number(kilobytes) / 1024;
}
