/** Which shards one worker reads in one pass, and in which order: webdataset's, for a given seed. */
import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { PythonRandom } from "../random/python-random.ts";
import { ShuffleBuffer } from "./shuffle-buffer.ts";

/** webdataset shuffles shards in a buffer that starts to give at 100. */
const INITIAL_SHARDS = 100;

export interface ShardOrder {
  readonly urls: readonly string[];
  readonly seed: number;
  /** Buffer of the shard shuffle, 0 for none. */
  readonly shardShuffle: number;
  /** Another order in every pass: the seed is `seed + pass`. */
  readonly detShuffle: boolean;
  readonly resampled: boolean;
  /** "by-node": every worldSize-th shard; "single-node-only" refuses more than one rank. */
  readonly nodeSplitter: "single-node-only" | "by-node" | "all";
  readonly splitByWorker: boolean;
  readonly rank: number;
  readonly worldSize: number;
  readonly worker: number;
  readonly numWorkers: number;
}

/** The shards of pass `pass` (0, 1, ...). Endless when resampled. */
export function* shardsOfPass(order: ShardOrder, pass: number): Generator<string> {
  let shards: Iterable<string> = order.resampled ? drawn(order, pass) : order.urls;
  if (order.nodeSplitter === "by-node") shards = everyNth(shards, order.rank, order.worldSize);
  if (order.splitByWorker) shards = everyNth(shards, order.worker, order.numWorkers);
  if (order.shardShuffle === 0) {
    yield* shards;
    return;
  }
  const seed = order.detShuffle ? order.seed + pass : order.seed;
  const buffer = new ShuffleBuffer<string>(order.shardShuffle, INITIAL_SHARDS, seed);
  const out: string[] = [];
  for (const shard of shards) {
    buffer.push(shard, out);
    while (out.length > 0) yield out.shift() as string;
  }
  buffer.flush(out);
  yield* out;
}

/** How many shards {@link shardsOfPass} gives. */
export function countShards(order: ShardOrder): number {
  if (order.resampled) return Number.POSITIVE_INFINITY;
  let count = order.urls.length;
  if (order.nodeSplitter === "by-node") count = share(count, order.rank, order.worldSize);
  if (order.splitByWorker) count = share(count, order.worker, order.numWorkers);
  return count;
}

/** @throws InvalidArgumentError or IncompatibleError for an order that cannot be. */
export function checkOrder(order: ShardOrder): void {
  const { rank, worldSize, worker, numWorkers } = order;
  assertPlace("rank", rank, "worldSize", worldSize);
  assertPlace("worker", worker, "numWorkers", numWorkers);
  if (!["single-node-only", "by-node", "all"].includes(order.nodeSplitter)) {
    const message = `nodeSplitter: expected single-node-only, by-node or all, found ${order.nodeSplitter}`;
    throw new InvalidArgumentError("nodeSplitter", order.nodeSplitter, message);
  }
  if (!Number.isSafeInteger(order.seed)) {
    throw new InvalidArgumentError(
      "seed",
      order.seed,
      `seed: expected an integer, found ${order.seed}`,
    );
  }
  if (!(Number.isSafeInteger(order.shardShuffle) && order.shardShuffle >= 0)) {
    const message = `shardShuffle: expected a number of shards or false, found ${order.shardShuffle}`;
    throw new InvalidArgumentError("shardShuffle", order.shardShuffle, message);
  }
  if (worldSize > 1 && order.nodeSplitter === "single-node-only") {
    throw new IncompatibleError(
      "no-node-split",
      `${worldSize} ranks would all read every shard: say how nodes share them`,
      { suggestions: ['pass nodeSplitter: "by-node"', 'or nodeSplitter: "all" if that is meant'] },
    );
  }
}

/** @throws IncompatibleError "too-few-shards" when this worker has none. */
export function assertShare(order: ShardOrder): void {
  if (countShards(order) > 0) return;
  const { urls, rank, worldSize, worker, numWorkers } = order;
  throw new IncompatibleError(
    "too-few-shards",
    `worker ${worker} of ${numWorkers} on rank ${rank} of ${worldSize} has no shard: there are ${urls.length}`,
    {
      suggestions: [
        "use fewer workers, or write more shards",
        "or pass emptyCheck: false to let this worker give nothing",
      ],
    },
  );
}

function assertPlace(name: string, place: number, countName: string, count: number): void {
  if (Number.isSafeInteger(place) && Number.isSafeInteger(count) && place >= 0 && place < count) {
    return;
  }
  throw new InvalidArgumentError(
    name,
    place,
    `expected ${name} from 0 to below ${countName}, found ${name} ${place} and ${countName} ${count}`,
  );
}

function* everyNth(shards: Iterable<string>, first: number, step: number): Generator<string> {
  let at = 0;
  for (const shard of shards) if (at++ % step === first) yield shard;
}

function share(count: number, first: number, step: number): number {
  return Math.max(0, Math.ceil((count - first) / step));
}

function* drawn(order: ShardOrder, pass: number): Generator<string> {
  const workerSeed = order.rank * 1000 + order.worker;
  const random = PythonRandom.fromSeed(makeSeed(workerSeed, pass, order.seed));
  for (;;) yield order.urls[random.randint(0, order.urls.length - 1)] as string;
}

/** webdataset's way to make one seed of several numbers. */
function makeSeed(...parts: readonly number[]): number {
  let seed = 0n;
  for (const part of parts) seed = (seed * 31n + BigInt(pythonHash(part))) & 0x7fff_ffffn;
  return Number(seed);
}

/** Of integers below 2^61 - 1 in size, which all safe integers are; -1 is kept for errors. */
function pythonHash(value: number): number {
  return value === -1 ? -2 : value;
}
