/**
 * The same gather through this package.
 *
 *     node test/bench/gather/gather-node.ts DIRECTORY ORDER BATCH ROWS PASSES
 */
import fs from "node:fs";
import { SingleCellDataset } from "../built.ts";

const [directory = "", orderPath = "", ...numbers] = process.argv.slice(2);
const [batch = 64, rows = 0, passes = 1] = numbers.map(Number);
const orderBytes = fs.readFileSync(orderPath);
const order = new Uint32Array(orderBytes.buffer, orderBytes.byteOffset, orderBytes.length / 4);
using dataset = await SingleCellDataset.open(directory);
const out = dataset.createBuffers();
const seconds: number[] = [];
let check = 0;
for (let pass = 0; pass < passes; pass++) {
  const start = process.hrtime.bigint();
  check = 0;
  for (let first = 0; first + batch <= rows; first += batch) {
    const { nnz } = dataset.gather(order.subarray(first, first + batch), out);
    check += (out.indices[nnz >> 1] as number) + nnz;
  }
  seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
}
process.stdout.write(`${JSON.stringify({ seconds, check })}\n`);
