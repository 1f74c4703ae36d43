// Streams epochs of random batches from an SCDL data set and says how fast.
//
//     node docs/examples/random-batches.mjs DATASET [BATCH_SIZE]
import { argv, exit, stdout } from "node:process";
import { SingleCellDataset } from "scdl";

const [, , directory, batchText = "64"] = argv;
const batchSize = Number(batchText);
if (directory === undefined || !(Number.isInteger(batchSize) && batchSize >= 1)) {
  stdout.write("usage: node random-batches.mjs DATASET [BATCH_SIZE]\n");
  exit(2);
}

const dataset = await SingleCellDataset.open(directory, { warm: true });
const order = Float64Array.from({ length: dataset.nObs }, (_, row) => row);
const buffers = dataset.createBuffers(); // reused: after a few batches nothing is allocated
const random = seededRandom(7);

let cells = 0;
let values = 0;
let epochs = 0;
const beganMs = performance.now();
do {
  shuffle(order, random);
  for (let begin = 0; begin < order.length; begin += batchSize) {
    const rows = order.subarray(begin, begin + batchSize);
    // buffers.data and buffers.indices: [nnz]; buffers.indptr: [rows + 1]
    const batch = dataset.gather(rows, buffers);
    cells += batch.rows;
    values += batch.nnz;
  }
  epochs++;
} while (performance.now() - beganMs < 500 && cells > 0);

const seconds = (performance.now() - beganMs) / 1000;
const perSecond = (count) => Math.round(count / seconds).toLocaleString("en-US");
stdout.write(
  `${epochs} epochs of ${dataset.nObs} cells in random batches of ${batchSize}: ` +
    `${perSecond(cells)} cells/s, ${perSecond(values)} values/s\n`,
);

dataset.close();

/** Fisher-Yates. */
function shuffle(array, uniform) {
  for (let i = array.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [array[i], array[j]] = [array[j], array[i]];
  }
}

/** mulberry32: numbers in [0, 1), the same for the same seed. */
function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
